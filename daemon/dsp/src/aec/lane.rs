//! One formula for one bin and for four at once.
//!
//! The compiler finds vector instructions by itself only in programs built for speed throughout; the daemon is built
//! small (Cargo.toml), and the loops over every bin of every piece of the path are half of its work.

use std::ops::{Add, Mul, Sub};

use wide::f32x4;

use super::spectrum::{BINS, Bins};

/// Bins that are worked on at once.
const WIDTH: usize = 4;

/// One bin, or four neighbours.
pub(super) trait Lane: Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> {
    /// The bins from `k` on.
    fn of(bins: &Bins, k: usize) -> Self;
    /// Writes them back.
    fn put(self, bins: &mut Bins, k: usize);
    /// The same number in each.
    fn all(value: f32) -> Self;
    /// The larger of both, which are numbers.
    fn at_least(self, other: Self) -> Self;
}

impl Lane for f32 {
    #[inline(always)]
    fn of(bins: &Bins, k: usize) -> Self {
        bins[k]
    }

    #[inline(always)]
    fn put(self, bins: &mut Bins, k: usize) {
        bins[k] = self;
    }

    #[inline(always)]
    fn all(value: f32) -> Self {
        value
    }

    #[inline(always)]
    fn at_least(self, other: Self) -> Self {
        self.max(other)
    }
}

impl Lane for f32x4 {
    #[inline(always)]
    fn of(bins: &Bins, k: usize) -> Self {
        Self::from([bins[k], bins[k + 1], bins[k + 2], bins[k + 3]])
    }

    #[inline(always)]
    fn put(self, bins: &mut Bins, k: usize) {
        bins[k..k + WIDTH].copy_from_slice(self.as_array_ref());
    }

    #[inline(always)]
    fn all(value: f32) -> Self {
        Self::splat(value)
    }

    #[inline(always)]
    fn at_least(self, other: Self) -> Self {
        self.fast_max(other)
    }
}

/// What is done to each bin by itself.
pub(super) trait PerBin {
    /// To those from `k` on.
    fn at<L: Lane>(&mut self, k: usize);

    /// To all.
    #[inline(always)]
    fn run(&mut self) {
        for k in (0..BINS - WIDTH + 1).step_by(WIDTH) {
            self.at::<f32x4>(k);
        }
        for k in BINS - BINS % WIDTH..BINS {
            self.at::<f32>(k);
        }
    }
}
