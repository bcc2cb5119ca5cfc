//! Sums of products, four at a time.
//!
//! The compiler finds vector instructions by itself only in programs built for speed throughout; the daemon is built
//! small (Cargo.toml).

use wide::f32x4;

/// `4 * N` sums that run side by side, so that no addition waits for the one before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sums<const N: usize>([f32x4; N]);

impl<const N: usize> Sums<N> {
    /// Products that are added at once: what lengths must be a multiple of.
    pub(crate) const LANES: usize = 4 * N;

    /// Nothing yet.
    #[inline(always)]
    pub(crate) fn new() -> Self {
        Self([f32x4::ZERO; N])
    }

    /// Adds the products of two rows of the same length.
    #[inline(always)]
    pub(crate) fn add(&mut self, a: &[f32], b: &[f32]) {
        for (a, b) in a.chunks_exact(Self::LANES).zip(b.chunks_exact(Self::LANES)) {
            for (sum, (a, b)) in self.0.iter_mut().zip(fours(a).zip(fours(b))) {
                *sum += a * b;
            }
        }
    }

    /// The same with a row that lies `share` of the way from `a` to `b`.
    #[inline(always)]
    pub(crate) fn add_between(&mut self, a: &[f32], b: &[f32], share: f32, inputs: &[f32]) {
        let share = f32x4::splat(share);
        let rows = a.chunks_exact(Self::LANES).zip(b.chunks_exact(Self::LANES));
        for ((a, b), inputs) in rows.zip(inputs.chunks_exact(Self::LANES)) {
            for ((sum, (a, b)), input) in self.0.iter_mut().zip(fours(a).zip(fours(b))).zip(fours(inputs)) {
                *sum += (a + share * (b - a)) * input;
            }
        }
    }

    /// All of them.
    #[inline(always)]
    pub(crate) fn total(&self) -> f32 {
        self.0.iter().flat_map(f32x4::as_array_ref).sum()
    }
}

/// Sum of products of two rows of the same length, a multiple of `4 * N`.
#[inline]
pub(crate) fn dot<const N: usize>(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = Sums::<N>::new();
    sums.add(a, b);
    sums.total()
}

/// Adds `gain` times a row to another of the same length, a multiple of four.
#[inline]
pub(crate) fn add_scaled(out: &mut [f32], gain: f32, row: &[f32]) {
    let gain = f32x4::splat(gain);
    for (out, row) in out.chunks_exact_mut(4).zip(fours(row)) {
        let sum = four(out) + gain * row;
        out.copy_from_slice(sum.as_array_ref());
    }
}

#[inline(always)]
fn four(row: &[f32]) -> f32x4 {
    f32x4::from([row[0], row[1], row[2], row[3]])
}

#[inline(always)]
fn fours(row: &[f32]) -> impl Iterator<Item = f32x4> + '_ {
    row.chunks_exact(4).map(four)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(from: f32) -> Vec<f32> {
        (0..48).map(|n| from + n as f32).collect()
    }

    #[test]
    fn a_dot_product_is_the_sum_of_all_products() {
        let squares = (0..48).map(|n| n * n).sum::<i32>() as f32;
        let a = ramp(0.0);
        assert_eq!([dot::<1>(&a, &a), dot::<2>(&a, &a), dot::<4>(&a, &a)], [squares; 3]);
    }

    #[test]
    fn between_two_rows_lies_a_straight_line() {
        let mut sums = Sums::<4>::new();
        sums.add_between(&ramp(0.0), &ramp(8.0), 0.25, &[1.0; 48]);
        assert_eq!(sums.total(), ramp(2.0).iter().sum::<f32>());
    }

    #[test]
    fn a_row_is_added_to_another() {
        let mut out = ramp(1.0);
        add_scaled(&mut out, 2.0, &ramp(0.0));
        assert!(out.iter().enumerate().all(|(n, &sum)| sum == 1.0 + 3.0 * n as f32), "{out:?}");
    }
}
