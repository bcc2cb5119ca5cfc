//! Finds how late the microphone hears the speaker: 0 to 500 ms, from the sound alone.
//!
//! Cross-correlations of the last quarter second of the microphone with the far end before it, both at 8 kHz. Every
//! frequency counts by its phase alone (PHAT), so that neither the voice's pitch nor the room's colour makes a peak.
//! Two vowels of two people may agree by chance, and then agree well: so each correlation has one bounded vote, and
//! an echo is what several of them vote for. The long transforms are spread over blocks: one piece of work at a time.

mod half_band;

use realfft::num_complex::Complex32;

use half_band::HalfBand;

use crate::dot::dot;
use crate::fourier::Fourier;
use crate::level::mean_square;
use crate::{BLOCK, Block};

/// Samples of a block at half the rate.
const HALF: usize = BLOCK / 2;
/// Samples of the far end that are looked at: 0.77 s.
const FAR: usize = 6_144;
/// Samples of the microphone: 0.26 s, which leaves as much for the delay.
const MIC: usize = 2_048;
/// Longest delay in samples: 500 ms.
const LONGEST: usize = 4_000;
/// Blocks between two looks: while in doubt; while all is well.
const LOOK_SOON: u32 = 10;
const LOOK_LATER: u32 = 26;
/// The far end sounds above this level: -62 dBFS, as a mean square.
const SOUNDS: f32 = 6.3e-7;
/// So many of the last blocks must sound, or there is too little to go by.
const SOUNDING: u32 = 12;
/// Blocks after which a silent far end has left every window.
const GONE: u32 = 110;
/// Frequencies that count, in Hz: below is rumble, above nothing of the voice is left after halving the rate.
const LOWEST_HZ: usize = 150;
const HIGHEST_HZ: usize = 3_700;
/// Frequencies of less power than this share of the strongest tell nothing: -50 dB.
const FAINT: f32 = 1e-5;
/// A vote is the correlation in multiples of its RMS, less what chance gives, up to a bound.
const CHANCE: f32 = 2.0;
const VOTE_MAX: f32 = 6.0;
/// The far end pauses where it has less than this share of the power elsewhere.
const PAUSE: f32 = 0.3;
/// What earlier votes still count, after a look.
const KEPT: f32 = 0.85;
/// An earlier arrival of at least this share of the peak, up to this many samples before it, is the direct sound: 4 ms.
const EARLY_SHARE: f32 = 0.6;
const EARLY: usize = 32;

/// A delay that was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    /// From far end to microphone in samples at 16 kHz, within 2.
    pub delay: usize,
    /// Votes for it: 6 for one clear correlation, at most 40 for many.
    pub votes: f32,
    /// How many of them there are for where the echo was expected, within 2 ms, as a share.
    pub expected: f32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    None,
    Far,
    Mic,
    Cross,
    Correlate,
    Judge,
}

/// Looks for the delay between far end and microphone, again and again.
#[derive(Clone, Debug)]
pub struct DelayFinder {
    half_far: HalfBand,
    half_mic: HalfBand,
    /// The newest samples last.
    far: Box<[f32]>,
    mic: Box<[f32]>,
    window: Box<[f32]>,
    fourier: Fourier,
    time: Box<[f32]>,
    mic_time: Box<[f32]>,
    far_spectrum: Box<[Complex32]>,
    mic_spectrum: Box<[Complex32]>,
    votes: Box<[f32]>,
    work: Work,
    since_look: u32,
    /// One bit per block, newest lowest: did the far end sound?
    sounding: u64,
    silent: u32,
    alert: bool,
}

impl DelayFinder {
    /// Has heard nothing yet.
    pub fn new() -> Self {
        let spectrum = || vec![Complex32::default(); FAR / 2 + 1].into_boxed_slice();
        let zeros = |len| vec![0.0; len].into_boxed_slice();
        let edge_len = MIC / 4;
        let window = (0..MIC)
            .map(|n| {
                let edge = |n: usize, len: usize| {
                    let part = (n.min(len) as f32 + 0.5) / (len as f32 + 0.5);
                    (part * std::f32::consts::FRAC_PI_2).sin().powi(2)
                };
                edge(n, edge_len) * edge(MIC - 1 - n, edge_len)
            })
            .collect();
        Self {
            half_far: HalfBand::new(),
            half_mic: HalfBand::new(),
            far: zeros(FAR),
            mic: zeros(MIC),
            window,
            fourier: Fourier::new(FAR),
            time: zeros(FAR),
            mic_time: zeros(FAR),
            far_spectrum: spectrum(),
            mic_spectrum: spectrum(),
            votes: zeros(LONGEST),
            work: Work::None,
            since_look: 0,
            sounding: 0,
            silent: GONE,
            alert: true,
        }
    }

    /// Whether to look often: while the delay is not known, or may have changed.
    pub fn alert(&mut self, alert: bool) {
        self.alert = alert;
    }

    /// The echo may have moved: what it sounded like before no longer counts, and the next look is now.
    pub fn start_over(&mut self) {
        self.votes.fill(0.0);
        self.alert = true;
        self.work = Work::None;
        self.since_look = LOOK_SOON;
    }

    /// Whether the next block brings a long transform.
    pub(crate) fn is_busy(&self) -> bool {
        self.work != Work::None || self.is_due()
    }

    /// Takes in 10 ms of both sides; a look that saw a delay ends with it. `expected` is where it should be, in
    /// samples at 16 kHz.
    pub fn process(&mut self, far: &Block, mic: &Block, expected: Option<usize>) -> Option<Found> {
        let sounds = mean_square(far) > SOUNDS;
        self.sounding = self.sounding << 1 | u64::from(sounds);
        self.silent = if sounds { 0 } else { self.silent.saturating_add(1) };
        if self.silent >= GONE {
            self.rest();
            return None;
        }
        self.far.copy_within(HALF.., 0);
        self.half_far.process(far, &mut self.far[FAR - HALF..]);
        self.mic.copy_within(HALF.., 0);
        self.half_mic.process(mic, &mut self.mic[MIC - HALF..]);
        self.since_look = self.since_look.saturating_add(1);
        if self.work == Work::None && self.is_due() {
            self.since_look = 0;
            self.work = Work::Far;
        }
        self.work(expected)
    }

    /// Forgets everything: the next sound is the first.
    pub fn reset(&mut self) {
        self.silent = GONE - 1;
        self.rest();
    }

    fn is_due(&self) -> bool {
        let every = if self.alert { LOOK_SOON } else { LOOK_LATER };
        self.since_look >= every && (self.sounding & ((1 << 50) - 1)).count_ones() >= SOUNDING
    }

    /// The far end has been silent for so long that nothing of it is left anywhere.
    fn rest(&mut self) {
        if self.silent == GONE || self.silent == GONE - 1 {
            self.far.fill(0.0);
            self.mic.fill(0.0);
            self.votes.fill(0.0);
            self.half_far = HalfBand::new();
            self.half_mic = HalfBand::new();
            self.work = Work::None;
            self.sounding = 0;
            self.silent = GONE;
        }
    }

    /// One piece.
    fn work(&mut self, expected: Option<usize>) -> Option<Found> {
        match self.work {
            Work::None => {}
            Work::Far => {
                self.mic_time[..FAR - MIC].fill(0.0);
                for ((out, mic), gain) in
                    self.mic_time[FAR - MIC..].iter_mut().zip(&self.mic).zip(&self.window)
                {
                    *out = mic * gain;
                }
                self.time.copy_from_slice(&self.far);
                self.fourier.forward(&mut self.time, &mut self.far_spectrum);
                self.work = Work::Mic;
            }
            Work::Mic => {
                self.fourier.forward(&mut self.mic_time, &mut self.mic_spectrum);
                self.work = Work::Cross;
            }
            Work::Cross => {
                self.cross();
                self.work = Work::Correlate;
            }
            Work::Correlate => {
                self.fourier.inverse(&mut self.far_spectrum, &mut self.time);
                self.work = Work::Judge;
            }
            Work::Judge => {
                self.work = Work::None;
                return self.judge(expected);
            }
        }
        None
    }

    /// Leaves the cross spectrum, by its phases alone, in `far_spectrum`.
    fn cross(&mut self) {
        let (low, high) = (LOWEST_HZ * FAR / 8_000, HIGHEST_HZ * FAR / 8_000);
        let most = |spectrum: &[Complex32]| spectrum.iter().map(Complex32::norm_sqr).fold(0.0, f32::max);
        let far_floor = most(&self.far_spectrum[low..high]) * FAINT;
        let mic_floor = most(&self.mic_spectrum[low..high]) * FAINT;
        self.far_spectrum[..low].fill(Complex32::default());
        self.far_spectrum[high..].fill(Complex32::default());
        for (far, mic) in self.far_spectrum[low..high].iter_mut().zip(&self.mic_spectrum[low..high]) {
            let power = (far.norm_sqr() + far_floor) * (mic.norm_sqr() + mic_floor);
            *far = mic * far.conj() / power.max(1e-30).sqrt();
        }
    }

    /// Counts the votes of the newest correlation in, and says where the direct sound is if any place has some.
    fn judge(&mut self, expected: Option<usize>) -> Option<Found> {
        let correlation = &self.time[..LONGEST];
        let scale = 1.0 / rms(correlation).max(1e-20);
        let (mut at, mut most) = (0, 0.0f32);
        for (n, (votes, value)) in self.votes.iter_mut().zip(correlation).enumerate() {
            let vote = (value.abs() * scale - CHANCE).clamp(0.0, VOTE_MAX);
            *votes = *votes * KEPT + vote;
            if *votes > most {
                (at, most) = (n, *votes);
            }
        }
        if most < VOTE_MAX {
            return None;
        }
        let first =
            (at.saturating_sub(EARLY)..at).find(|&n| self.votes[n] > EARLY_SHARE * most).unwrap_or(at);
        let around = expected.map_or(0..0, |at| (at / 2).saturating_sub(16)..(at / 2 + 16).min(LONGEST));
        let there = self.votes.get(around).unwrap_or_default();
        let share = there.iter().fold(0.0f32, |most, &votes| most.max(votes)) / most;
        // In a pause of the far end nothing can be heard where the echo should be, which does not mean that it has
        // gone: somebody else speaks, and resembles what was played before.
        let power = |lag: usize| mean_square(&self.far[FAR - MIC - lag..FAR - lag]);
        let pause = expected.is_some_and(|at| power((at / 2).min(LONGEST)) < PAUSE * power(first));
        let expected = if pause { 1.0 } else { share };
        // Both sides went through the same filter: its delay is in neither.
        Some(Found { delay: 2 * first, votes: most, expected })
    }
}

impl Default for DelayFinder {
    fn default() -> Self {
        Self::new()
    }
}

fn rms(samples: &[f32]) -> f32 {
    (dot::<2>(samples, samples) / samples.len() as f32).sqrt()
}

#[cfg(test)]
mod tests;
