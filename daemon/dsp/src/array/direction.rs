//! Where the speaker is, found from the speech itself: steered response power with phase transform (SRP-PHAT).
//!
//! For each pair of microphones the cross-spectrum is averaged over speech, what the room sounds like without
//! speech is taken off (a compressor in a corner has a direction, too), and what is left is divided by its
//! magnitude, so that each frequency has one vote on the delay between the two, weighted by how much of it is
//! speech. A direction's score is how well the votes of all pairs fit its delays.

use std::fmt;

use realfft::num_complex::Complex32;

use super::beam::{DIRECTIONS, azimuth_deg};
use super::design::arrival_s;
use crate::dot::dot;
use crate::fourier::Fourier;
use crate::level::mean_square;
use crate::{BLOCK, BLOCK_RATE, Block, NoiseFloor, SILENCE_DBFS};

/// Two blocks make a frame: 50 Hz between bins.
const FRAME: usize = 2 * BLOCK;
/// Bins that vote: 300 Hz to 5 kHz. Below, a small array hears hardly any delay; above, speech is weak.
const FIRST_BIN: usize = 6;
const BINS: usize = 94;
/// Pairs that are looked at; the widest ones tell most.
const PAIRS_MAX: usize = 9;
/// Share of a new frame in the average over speech: 150 ms.
const SPEECH_SHARE: f32 = 0.066;
/// Share of a new frame in the average over noise: 1 s.
const NOISE_SHARE: f32 = 0.01;
/// A bin this far above its noise is taken for speech: noise alone gets there once in 600 frames.
const BIN_ABOVE: f32 = 6.5;
/// So many such bins make a frame of speech: the level does not tell beside a compressor, single bins do.
const BINS_ABOVE: usize = 6;
/// A block at most this far above the noise floor may be noise, in dB.
const NOISE_DB: f32 = 3.0;
/// Nothing quieter is listened to, in dBFS.
const QUIETEST_DBFS: f32 = -75.0;
/// Blocks of speech before the first answer, and after each pause: the average must have forgotten the last speaker.
const ONSET_BLOCKS: u32 = 8;
/// Blocks of noise, or of any sound, before anything is looked for: without an idea of the noise, noise is speech.
const NOISE_KNOWN_BLOCKS: u32 = 20;
const HEARD_BLOCKS: u32 = 100;
/// Blocks over which one scan of all directions is spread.
const SLICES: usize = 4;
/// A direction must fit this well (1 is a plane wave without noise) to be believed.
const FIT_MIN: f32 = 0.22;
/// And better than the one that is held by this much, so that a beam does not flicker between neighbours.
const FIT_BETTER: f32 = 0.03;
/// Scans in a row that must agree on a new direction: 80 ms.
const AGREE: u32 = 2;

/// Finds and holds the speaker's direction.
#[derive(Clone)]
pub(crate) struct Direction {
    fourier: Fourier,
    window: Box<[f32]>,
    windowed: Box<[f32]>,
    /// Last block of each microphone.
    last: Box<[Block]>,
    spectra: Box<[Complex32]>,
    pairs: Box<[(usize, usize)]>,
    /// Per pair and bin: averages over speech and over noise.
    speech: Box<[Complex32]>,
    noise: Box<[Complex32]>,
    /// Per bin: mean power over speech and over noise.
    speech_power: Box<[f32]>,
    noise_power: Box<[f32]>,
    /// Votes: per pair and bin a real and an imaginary part, weighted.
    votes: Box<[f32]>,
    votes_sum: f32,
    /// Per direction that is looked at, pair and bin: the phase a wave from there has.
    phases: Box<[f32]>,
    directions: usize,
    scores: [f32; DIRECTIONS],
    slice: usize,
    floor: NoiseFloor,
    heard_blocks: u32,
    noise_blocks: u32,
    speech_blocks: u32,
    candidate: usize,
    agreed: u32,
    held: Option<usize>,
}

impl fmt::Debug for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Direction")
            .field("held", &self.held)
            .field("pairs", &self.pairs)
            .finish_non_exhaustive()
    }
}

impl Direction {
    /// For microphones at these places; a line of them sees half of the plane.
    pub(crate) fn new(positions_m: &[[f64; 3]]) -> Self {
        let microphones = positions_m.len();
        let distance = |&(a, b): &(usize, usize)| {
            let (a, b) = (positions_m[a], positions_m[b]);
            (a[0] - b[0]).hypot(a[1] - b[1])
        };
        let mut pairs: Vec<(usize, usize)> =
            (0..microphones).flat_map(|a| (a + 1..microphones).map(move |b| (a, b))).collect();
        pairs.sort_by(|a, b| distance(b).total_cmp(&distance(a)));
        pairs.truncate(PAIRS_MAX);
        let directions =
            if super::Geometry::is_linear(positions_m) { DIRECTIONS / 2 + 1 } else { DIRECTIONS };
        let mut phases = Vec::with_capacity(directions * pairs.len() * BINS * 2);
        for direction in 0..directions {
            let azimuth = f64::from(azimuth_deg(direction)).to_radians();
            for &(a, b) in &pairs {
                let delay_s = arrival_s(&positions_m[a], azimuth) - arrival_s(&positions_m[b], azimuth);
                let phase = |bin| std::f64::consts::TAU * frequency_hz(bin) * delay_s;
                phases.extend((0..BINS).map(|bin| phase(bin).cos() as f32));
                phases.extend((0..BINS).map(|bin| -phase(bin).sin() as f32));
            }
        }
        let cross = vec![Complex32::default(); pairs.len() * BINS].into_boxed_slice();
        Self {
            fourier: Fourier::new(FRAME),
            window: (0..FRAME)
                .map(|n| (std::f32::consts::PI * (n as f32 + 0.5) / FRAME as f32).sin().powi(2))
                .collect(),
            windowed: vec![0.0; FRAME].into_boxed_slice(),
            last: vec![[0.0; BLOCK]; microphones].into_boxed_slice(),
            spectra: vec![Complex32::default(); microphones * (FRAME / 2 + 1)].into_boxed_slice(),
            speech: cross.clone(),
            noise: cross,
            speech_power: vec![0.0; BINS].into_boxed_slice(),
            noise_power: vec![0.0; BINS].into_boxed_slice(),
            votes: vec![0.0; pairs.len() * BINS * 2].into_boxed_slice(),
            votes_sum: 0.0,
            pairs: pairs.into_boxed_slice(),
            phases: phases.into_boxed_slice(),
            directions,
            scores: [0.0; DIRECTIONS],
            slice: 0,
            floor: NoiseFloor::new(),
            heard_blocks: 0,
            noise_blocks: 0,
            speech_blocks: 0,
            candidate: 0,
            agreed: 0,
            held: None,
        }
    }

    /// Takes in a block of each microphone and returns the direction that is held. While `hold`, because the
    /// loudspeaker sounds, nothing is learnt.
    pub(crate) fn process(&mut self, blocks: &[Block], present: u32, hold: bool) -> Option<usize> {
        let first = present.trailing_zeros() as usize;
        if first < blocks.len() {
            self.listen(blocks, present, first, hold);
        }
        for (last, block) in self.last.iter_mut().zip(blocks) {
            last.copy_from_slice(block);
        }
        self.held
    }

    /// Forgets everything but the direction: the same person is still there after a lost block.
    pub(crate) fn reset(&mut self) {
        self.last.fill([0.0; BLOCK]);
        self.speech_blocks = 0;
    }

    fn listen(&mut self, blocks: &[Block], present: u32, first: usize, hold: bool) {
        if hold {
            self.speech_blocks = 0;
            return;
        }
        let power = mean_square(&blocks[first]);
        let level_dbfs = crate::level::power_dbfs(power);
        let floor_dbfs = self.floor.process(power);
        if level_dbfs <= SILENCE_DBFS {
            return;
        }
        self.heard_blocks = self.heard_blocks.saturating_add(1);
        self.transform(blocks, first..first + 1);
        let own = &self.spectra[first * (FRAME / 2 + 1) + FIRST_BIN..][..BINS];
        let above = own.iter().zip(&self.noise_power).filter(|(x, n)| x.norm_sqr() > BIN_ABOVE * *n).count();
        if above >= BINS_ABOVE && level_dbfs > QUIETEST_DBFS {
            self.transform(blocks, 0..blocks.len());
            if self.speech_blocks == 0 && self.noise_blocks > 0 {
                // A new word may be a new person: the average starts from what the room sounds like.
                self.speech.copy_from_slice(&self.noise);
                self.speech_power.copy_from_slice(&self.noise_power);
            }
            self.speech_blocks = (self.speech_blocks + 4).min(100);
            self.learn(SPEECH_SHARE, true);
            let known = self.noise_blocks >= NOISE_KNOWN_BLOCKS || self.heard_blocks >= HEARD_BLOCKS;
            if known && self.speech_blocks >= 4 * ONSET_BLOCKS {
                self.scan(present);
            }
        } else {
            // A gap between syllables does not end the word: 25 blocks after a long one.
            self.speech_blocks = self.speech_blocks.saturating_sub(1);
        }
        if level_dbfs < floor_dbfs + NOISE_DB {
            // Noise changes slowly: every second block is enough. What looks like speech at the level of noise is a
            // new noise, or speech below it: learnt more slowly.
            self.noise_blocks = self.noise_blocks.saturating_add(1);
            if self.noise_blocks % 2 == 0 {
                self.transform(blocks, 0..blocks.len());
                let share = NOISE_SHARE.max(2.0 / self.noise_blocks as f32);
                self.learn(if above < BINS_ABOVE { share } else { 0.2 * share }, false);
            }
        }
    }

    /// Spectra of some microphones over the last block and this one.
    fn transform(&mut self, blocks: &[Block], which: std::ops::Range<usize>) {
        for m in which {
            let frame = self.last[m].iter().chain(&blocks[m]);
            for ((out, sample), window) in self.windowed.iter_mut().zip(frame).zip(&self.window) {
                *out = sample * window;
            }
            let spectrum = &mut self.spectra[m * (FRAME / 2 + 1)..][..FRAME / 2 + 1];
            self.fourier.forward(&mut self.windowed, spectrum);
        }
    }

    /// Takes the spectra into one of the averages.
    fn learn(&mut self, share: f32, speech: bool) {
        let (cross, power) = if speech {
            (&mut self.speech, &mut self.speech_power)
        } else {
            (&mut self.noise, &mut self.noise_power)
        };
        let spectrum = |m: usize| &self.spectra[m * (FRAME / 2 + 1) + FIRST_BIN..][..BINS];
        for (&(a, b), cross) in self.pairs.iter().zip(cross.chunks_exact_mut(BINS)) {
            for ((cross, a), b) in cross.iter_mut().zip(spectrum(a)).zip(spectrum(b)) {
                *cross += (a * b.conj() - *cross) * share;
            }
        }
        // Power of the first pair's microphones stands for all.
        let (a, b) = self.pairs[0];
        for ((power, a), b) in power.iter_mut().zip(spectrum(a)).zip(spectrum(b)) {
            *power += (0.5 * (a.norm_sqr() + b.norm_sqr()) - *power) * share;
        }
    }

    /// Scores one slice of the directions; after the last one decides.
    fn scan(&mut self, present: u32) {
        if self.slice == 0 {
            self.vote(present);
        }
        let len = 2 * self.pairs.len() * BINS;
        for direction in (self.slice..self.directions).step_by(SLICES) {
            let phases = &self.phases[direction * len..][..len];
            let score = dot::<1>(&self.votes, phases) / self.votes_sum.max(1e-9);
            self.scores[direction] += 0.5 * (score - self.scores[direction]);
        }
        self.slice = (self.slice + 1) % SLICES;
        if self.slice == 0 {
            self.decide();
        }
    }

    /// Makes the votes of each pair and bin.
    fn vote(&mut self, present: u32) {
        let is_here = |m: usize| present >> m & 1 == 1;
        self.votes_sum = 0.0;
        for (n, &(a, b)) in self.pairs.iter().enumerate() {
            let votes = &mut self.votes[2 * n * BINS..][..2 * BINS];
            if !is_here(a) || !is_here(b) {
                votes.fill(0.0);
                continue;
            }
            let (re, im) = votes.split_at_mut(BINS);
            for bin in 0..BINS {
                let speech = self.speech[n * BINS + bin] - self.noise[n * BINS + bin];
                let power = self.speech_power[bin];
                let clear = ((power - 1.5 * self.noise_power[bin]) / power.max(1e-20)).max(0.0);
                let scale = clear / speech.norm().max(1e-20);
                re[bin] = speech.re * scale;
                im[bin] = speech.im * scale;
                self.votes_sum += clear;
            }
        }
    }

    fn decide(&mut self) {
        let scores = &self.scores[..self.directions];
        let best = (0..scores.len()).max_by(|&a, &b| scores[a].total_cmp(&scores[b])).unwrap_or(0);
        if scores[best] < FIT_MIN || self.votes_sum < 0.05 * (self.pairs.len() * BINS) as f32 {
            self.agreed = 0;
            return;
        }
        if self.held == Some(best) || self.held.is_some_and(|held| scores[best] < scores[held] + FIT_BETTER) {
            self.agreed = 0;
            return;
        }
        // A neighbour agrees: the peak of somebody who walks moves.
        let apart = best.abs_diff(self.candidate);
        let near = apart.min(DIRECTIONS - apart) <= 1;
        self.agreed = if near { self.agreed + 1 } else { 1 };
        self.candidate = best;
        if self.agreed >= AGREE {
            self.held = Some(best);
            self.agreed = 0;
        }
    }
}

fn frequency_hz(bin: usize) -> f64 {
    (bin + FIRST_BIN) as f64 * f64::from(BLOCK_RATE) / FRAME as f64
}
