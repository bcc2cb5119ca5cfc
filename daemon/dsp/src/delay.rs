//! Finds how late the microphone hears the speaker: 0 to 500 ms, from the sound alone.
//!
//! A cross-correlation of the last second of the far end with the last half second of the microphone, both at 8 kHz.
//! Every frequency counts by the phase alone (PHAT), so that neither the voice's pitch nor the room's colour makes
//! a peak, and by how well it agreed over the last windows, so that noise counts little. The long transforms are
//! spread over blocks: one piece of work at a time.

use realfft::num_complex::Complex32;

use crate::level::{mean_square, sane};
use crate::steer::Fourier;
use crate::{BLOCK, Block};

/// Samples of a block at half the rate.
const HALF: usize = BLOCK / 2;
/// Samples of the far end that are looked at: 1.02 s.
const FAR: usize = 8_192;
/// Samples of the microphone: 0.51 s, which leaves as much for the delay.
const MIC: usize = 4_096;
/// Longest delay in samples: 500 ms.
const LONGEST: usize = 4_000;
/// Blocks between two looks; while in doubt; while all is well.
const LOOK_SOON: u32 = 7;
const LOOK_LATER: u32 = 25;
/// The far end sounds above this level: -62 dBFS, as a mean square.
const SOUNDS: f32 = 6.3e-7;
/// So many of the last blocks must sound, or there is too little to go by.
const SOUNDING: u32 = 12;
/// Blocks after which a silent far end has left every window.
const GONE: u32 = 110;
/// Frequencies that count, in Hz: below is rumble, above nothing of the voice is left after halving the rate.
const LOWEST_HZ: usize = 150;
const HIGHEST_HZ: usize = 3_700;
/// What earlier windows still count.
const KEPT: f32 = 0.5;
/// A peak this many times the correlation's RMS is the echo. White noise of this many lags reaches 4.2 now and then,
/// two voices 5.5.
const PEAK: f32 = 6.0;
/// An earlier arrival of at least this share of the peak, up to this many samples before it, is the direct sound: 4 ms.
const EARLY_SHARE: f32 = 0.6;
const EARLY: usize = 32;

/// A delay that was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    /// From far end to microphone in samples at 16 kHz, within 2.
    pub delay: usize,
    /// Peak of the correlation relative to its RMS.
    pub peak: f32,
    /// How high the correlation is where the echo was expected, within 2 ms, relative to the peak.
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
    cross: Box<[Complex32]>,
    far_power: Box<[f32]>,
    mic_power: Box<[f32]>,
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
        // Rises slowly and falls fast: what came last counts most, so that a jump shows soon.
        let (rise, fall) = (MIC * 3 / 4, MIC / 16);
        let window = (0..MIC)
            .map(|n| {
                let edge = |n: usize, len: usize| {
                    let part = (n.min(len) as f32 + 0.5) / (len as f32 + 0.5);
                    (part * std::f32::consts::FRAC_PI_2).sin().powi(2)
                };
                edge(n, rise) * edge(MIC - 1 - n, fall)
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
            cross: spectrum(),
            far_power: zeros(FAR / 2 + 1),
            mic_power: zeros(FAR / 2 + 1),
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
            self.cross.fill(Complex32::default());
            self.far_power.fill(0.0);
            self.mic_power.fill(0.0);
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
                return judge(&self.time[..LONGEST], expected);
            }
        }
        None
    }

    /// Takes the window into the cross spectrum and leaves its weighted form in `far_spectrum`.
    fn cross(&mut self) {
        let (low, high) = (LOWEST_HZ * FAR / 8_000, HIGHEST_HZ * FAR / 8_000);
        let mut most = 0.0f32;
        for n in low..high {
            let (far, mic) = (self.far_spectrum[n], self.mic_spectrum[n]);
            self.cross[n] = self.cross[n] * KEPT + mic * far.conj();
            self.far_power[n] = self.far_power[n] * KEPT + far.norm_sqr();
            self.mic_power[n] = self.mic_power[n] * KEPT + mic.norm_sqr();
            most = most.max(self.far_power[n]);
        }
        // A frequency at which the far end does not sound knows nothing: 60 dB below its loudest.
        let floor = most * 1e-6 + 1e-20;
        self.far_spectrum.fill(Complex32::default());
        for n in low..high {
            let power = (self.far_power[n] + floor) * self.mic_power[n] + 1e-30;
            self.far_spectrum[n] = self.cross[n] / power.sqrt();
        }
    }
}

impl Default for DelayFinder {
    fn default() -> Self {
        Self::new()
    }
}

/// The direct sound in a correlation, if there is one.
fn judge(correlation: &[f32], expected: Option<usize>) -> Option<Found> {
    let rms = mean_square_raw(correlation).sqrt();
    let (mut at, mut most) = (0, 0.0f32);
    for (n, value) in correlation.iter().enumerate() {
        if value.abs() > most {
            (at, most) = (n, value.abs());
        }
    }
    let peak = most / rms.max(1e-20);
    if !(peak > PEAK) {
        return None;
    }
    let first = (at.saturating_sub(EARLY)..at)
        .find(|&n| correlation[n].abs() > EARLY_SHARE * most && peak * EARLY_SHARE > 4.5)
        .unwrap_or(at);
    let around =
        expected.map_or(0..0, |at| (at / 2).saturating_sub(16)..(at / 2 + 16).min(correlation.len()));
    let there = correlation.get(around).unwrap_or_default();
    let expected = there.iter().fold(0.0f32, |most, value| most.max(value.abs())) / most;
    // Both sides went through the same filter: its delay is in neither.
    Some(Found { delay: 2 * first, peak, expected })
}

fn mean_square_raw(samples: &[f32]) -> f32 {
    let mut sums = [0.0f32; 8];
    for eight in samples.chunks_exact(8) {
        for (sum, sample) in sums.iter_mut().zip(eight) {
            *sum += sample * sample;
        }
    }
    sums.iter().sum::<f32>() / samples.len() as f32
}

/// Halves the rate of 16 kHz. What folds back from above 4.4 kHz is 50 dB down: enough to look for a delay.
#[derive(Clone, Debug)]
struct HalfBand {
    line: [f32; BLOCK + HISTORY],
}

/// Samples before a block that the filter reaches back to.
const HISTORY: usize = 30;
/// Taps 1, 3 … 15 beside the middle, sin(πk/2)/(πk) under a Hamming window and with a sum of a quarter. The even
/// ones are zero, the middle is a half.
const TAPS: [f32; 8] = [0.316_39, -0.098_15, 0.050_79, -0.028_72, 0.015_97, -0.008_25, 0.003_87, -0.001_89];

impl HalfBand {
    fn new() -> Self {
        Self { line: [0.0; BLOCK + HISTORY] }
    }

    fn process(&mut self, block: &Block, out: &mut [f32]) {
        self.line.copy_within(BLOCK.., 0);
        for (slot, &sample) in self.line[HISTORY..].iter_mut().zip(block) {
            *slot = sane(sample);
        }
        for (n, out) in out.iter_mut().enumerate() {
            let middle = 2 * n + HISTORY / 2;
            let mut sum = 0.5 * self.line[middle];
            for (tap, gain) in TAPS.iter().enumerate() {
                sum += gain * (self.line[middle - 2 * tap - 1] + self.line[middle + 2 * tap + 1]);
            }
            *out = sum;
        }
    }
}

#[cfg(test)]
mod tests;
