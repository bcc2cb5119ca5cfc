//! Filter and sum: a short filter per microphone and direction, all of them made in `new`.

use super::design::{DELAY, Designer, TAPS};
use crate::dot::Sums;
use crate::{BLOCK, Block};

/// Directions of a full turn: 10° apart, so that a speaker is at most 5° off, which costs less than 0.2 dB.
pub(crate) const DIRECTIONS: usize = 36;
/// Samples of history that a filter needs.
const HISTORY: usize = TAPS - 1;
/// Bound of the white noise gain in dB: a beam may be 6 dB more sensitive to the microphones' own noise and
/// tolerances at its worst frequency. Measured in a diffuse field (array/tests.rs), -12 would win 0.3 dB more, and
/// lose them again with microphones that differ by 1 dB.
const WHITE_NOISE_GAIN_DB: f64 = -6.0;

/// Where a beam looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Nowhere: one microphone, as late as a beam.
    Around,
    /// At one of the `DIRECTIONS`.
    At(usize),
}

/// Azimuth of a direction in degrees.
pub(crate) fn azimuth_deg(direction: usize) -> f32 {
    direction as f32 * 360.0 / DIRECTIONS as f32
}

/// A steered beam over a known array.
#[derive(Clone, Debug)]
pub(crate) struct Beam {
    microphones: usize,
    /// Superdirective filters: all microphones, then all but the first, all but the second, …
    superdirective: Box<[Taps]>,
    /// Filters that only align, for what is left when more than one microphone is gone.
    delays: Box<[Taps]>,
    /// Per microphone its last samples and the block.
    lines: Box<[[f32; HISTORY + BLOCK]]>,
    /// Filters at work, one per microphone.
    taps: Box<[Taps]>,
    /// Filters that come next.
    next: Box<[Taps]>,
    state: (Look, u32),
    fresh: bool,
}

/// Taps of one microphone, for the oldest sample first.
type Taps = [f32; TAPS];

impl Beam {
    /// Designs the beam in all directions; `positions_m` are up to eight microphones.
    pub(crate) fn new(positions_m: &[[f64; 3]]) -> Self {
        let microphones = positions_m.len();
        assert!(microphones <= super::MICROPHONES_MAX, "more microphones than a mask has bits");
        let radians = |direction| f64::from(azimuth_deg(direction)).to_radians();
        let oldest_first = |mut taps: Taps| {
            taps.reverse();
            taps
        };
        let mut superdirective = Vec::new();
        for gone in std::iter::once(None).chain((0..microphones).map(Some)) {
            let present: Vec<usize> = (0..microphones).filter(|&m| Some(m) != gone).collect();
            let positions: Vec<[f64; 3]> = present.iter().map(|&m| positions_m[m]).collect();
            let designer = Designer::new(&positions, WHITE_NOISE_GAIN_DB);
            for direction in 0..DIRECTIONS {
                let mut filters = vec![[0.0; TAPS]; microphones];
                for (&m, taps) in present.iter().zip(designer.superdirective(radians(direction))) {
                    filters[m] = oldest_first(taps);
                }
                superdirective.extend(filters);
            }
        }
        let designer = Designer::new(positions_m, WHITE_NOISE_GAIN_DB);
        let delays = (0..DIRECTIONS).flat_map(|d| designer.delays(radians(d))).map(oldest_first).collect();
        Self {
            microphones,
            superdirective: superdirective.into_boxed_slice(),
            delays,
            lines: vec![[0.0; HISTORY + BLOCK]; microphones].into_boxed_slice(),
            taps: vec![[0.0; TAPS]; microphones].into_boxed_slice(),
            next: vec![[0.0; TAPS]; microphones].into_boxed_slice(),
            state: (Look::Around, 0),
            fresh: true,
        }
    }

    /// Makes one block of the microphones' blocks; those without a bit in `present` have no part in it. A change
    /// of either is faded over the block.
    pub(crate) fn process(&mut self, blocks: &[Block], look: Look, present: u32, out: &mut Block) {
        for (line, block) in self.lines.iter_mut().zip(blocks) {
            line.copy_within(BLOCK.., 0);
            line[HISTORY..].copy_from_slice(block);
        }
        if (look, present) == self.state {
            filter_and_sum(&self.lines, &self.taps, out);
            return;
        }
        self.choose(look, present);
        std::mem::swap(&mut self.taps, &mut self.next);
        self.state = (look, present);
        filter_and_sum(&self.lines, &self.taps, out);
        if !std::mem::take(&mut self.fresh) {
            let mut before = [0.0; BLOCK];
            filter_and_sum(&self.lines, &self.next, &mut before);
            for (n, (out, before)) in out.iter_mut().zip(before).enumerate() {
                let share = (n + 1) as f32 / BLOCK as f32;
                *out = before + (*out - before) * share;
            }
        }
    }

    /// What the beam adds, in samples.
    pub(crate) const fn delay() -> usize {
        DELAY
    }

    /// Forgets the sound.
    pub(crate) fn reset(&mut self) {
        self.lines.fill([0.0; HISTORY + BLOCK]);
        self.state = (Look::Around, 0);
        self.fresh = true;
    }

    /// Puts the filters for this direction and these microphones into `next`.
    fn choose(&mut self, look: Look, present: u32) {
        let all = self.microphones;
        let count = (0..all).filter(|m| present >> m & 1 == 1).count();
        self.next.fill([0.0; TAPS]);
        match look {
            Look::At(direction) if count + 1 >= all && count > 0 => {
                let set = (0..all).find(|m| present >> m & 1 == 0).map_or(0, |gone| gone + 1);
                let at = (set * DIRECTIONS + direction) * all;
                self.next.copy_from_slice(&self.superdirective[at..at + all]);
            }
            Look::At(direction) => {
                for m in (0..all).filter(|m| present >> m & 1 == 1) {
                    self.next[m] = self.delays[direction * all + m].map(|tap| tap / count as f32);
                }
            }
            Look::Around => {
                if let Some(first) = (0..all).find(|m| present >> m & 1 == 1) {
                    self.next[first][HISTORY - DELAY] = 1.0;
                }
            }
        }
    }
}

/// All filters' outputs added up.
fn filter_and_sum(lines: &[[f32; HISTORY + BLOCK]], filters: &[Taps], out: &mut Block) {
    for (n, out) in out.iter_mut().enumerate() {
        let mut sums = Sums::<4>::new();
        for (line, taps) in lines.iter().zip(filters) {
            sums.add(&line[n..n + TAPS], taps);
        }
        *out = sums.total();
    }
}
