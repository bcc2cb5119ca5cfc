//! How far the echo has moved against the reference since a while ago, to a hundredth of a sample.
//!
//! Cross spectra of both sides over a quarter of a second estimate what lies between them: the delay, and the room.
//! Compared with what lay between them before (the template) the room cancels out, and a shift in time remains: a
//! phase that grows with the frequency. Every frequency counts by how much of the microphone's sound it explains.

use realfft::num_complex::Complex32;

use crate::Block;
use crate::fourier::Fourier;
use crate::level::mean_square;

/// Samples of a window: 128 ms, so that most of what the room does to the voice is inside.
pub(super) const WINDOW: usize = 2_048;
const BINS: usize = WINDOW / 2 + 1;
/// Blocks from one window to the next.
const HOP: u32 = 4;
/// Windows that make a measurement: 240 ms.
const WINDOWS: u32 = 6;
/// Windows that lie further apart than this, in blocks, do not make one together.
const STALE: u32 = 150;
/// The far end sounds above this level: -62 dBFS, as a mean square.
const SOUNDS: f32 = 6.3e-7;
/// Frequencies that count: 150 Hz to 7 kHz.
const LOW: usize = 150 * WINDOW / 16_000;
const HIGH: usize = 7_000 * WINDOW / 16_000;
/// Frequencies by which a single window is judged: up to 1.5 kHz.
const FIT_HIGH: usize = 1_500 * WINDOW / 16_000;
/// So much above its usual level, the microphone hears somebody, in dB.
const MORE_DB: f32 = 4.0;
/// Furthest shift that is looked for, in samples: 30 ms.
const FURTHEST: usize = 480;
/// What a measurement leaves of the template: 8 s of speech.
const KEPT: f32 = 0.97;

/// What was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Shift {
    /// The echo's delay relative to the template, in samples: more is later.
    pub samples: f32,
    /// Share of the phases that agree on it: near 1 in a room that has not changed, below 0.2 by chance.
    pub agreement: f32,
    /// Standard deviation to expect, in samples.
    pub deviation: f32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Work {
    None,
    Compare,
    Measure,
    Learn { samples: f32, trust: f32 },
}

/// Follows the echo of a reference that is already in place within a few ms.
#[derive(Clone, Debug)]
pub(super) struct Track {
    far: Box<[f32]>,
    mic: Box<[f32]>,
    window: Box<[f32]>,
    fourier: Fourier,
    time: Box<[f32]>,
    far_spectrum: Box<[Complex32]>,
    mic_spectrum: Box<[Complex32]>,
    cross: Box<[Complex32]>,
    far_power: Box<[f32]>,
    mic_power: Box<[f32]>,
    /// Between the sides so far: cross spectrum and power of the far end.
    template: Box<[Complex32]>,
    template_power: Box<[f32]>,
    learnt: bool,
    compared: Box<[Complex32]>,
    windows: u32,
    weight: f64,
    fit: f32,
    /// Level of the microphone over the far end's, in dB: while the echo is in place, and what it is above that now.
    usual_db: f32,
    excess_db: f32,
    since_window: u32,
    since_first: u32,
    /// Blocks that are in the windows: after a jump, the sound before it must leave first.
    filled: u32,
    work: Work,
}

impl Track {
    pub(super) fn new() -> Self {
        let spectrum = || vec![Complex32::default(); BINS].into_boxed_slice();
        let zeros = |len| vec![0.0; len].into_boxed_slice();
        let window = (0..WINDOW)
            .map(|n| (std::f32::consts::PI * (n as f32 + 0.5) / WINDOW as f32).sin().powi(2))
            .collect();
        Self {
            far: zeros(WINDOW),
            mic: zeros(WINDOW),
            window,
            fourier: Fourier::new(WINDOW),
            time: zeros(WINDOW),
            far_spectrum: spectrum(),
            mic_spectrum: spectrum(),
            cross: spectrum(),
            far_power: zeros(BINS),
            mic_power: zeros(BINS),
            template: spectrum(),
            template_power: zeros(BINS),
            learnt: false,
            compared: spectrum(),
            windows: 0,
            weight: 0.0,
            fit: 1.0,
            usual_db: 0.0,
            excess_db: 0.0,
            since_window: 0,
            since_first: 0,
            filled: 0,
            work: Work::None,
        }
    }

    /// Takes in 10 ms of both sides.
    pub(super) fn hear(&mut self, far: &Block, mic: &Block) {
        for (line, block) in [(&mut self.far, far), (&mut self.mic, mic)] {
            line.copy_within(block.len().., 0);
            line[WINDOW - block.len()..].copy_from_slice(block);
        }
        self.filled = self.filled.saturating_add(1);
        self.since_window = self.since_window.saturating_add(1);
        self.since_first = self.since_first.saturating_add(1);
    }

    /// Whether `work` has something to do.
    pub(super) fn is_due(&self) -> bool {
        self.work != Work::None || (self.since_window >= HOP && self.filled as usize * 160 >= WINDOW)
    }

    /// One piece of work; the last one of a measurement returns it.
    pub(super) fn work(&mut self) -> Option<Shift> {
        match self.work {
            Work::None => {
                self.take_window();
                None
            }
            Work::Compare => {
                self.compare();
                None
            }
            Work::Measure => {
                self.work = Work::None;
                let shift = self.measure();
                if shift.is_none() {
                    self.clear();
                }
                shift
            }
            Work::Learn { samples, trust } => {
                self.learn(samples, trust);
                self.work = Work::None;
                None
            }
        }
    }

    /// Answers a measurement: the template takes it in as lying `samples` late, with `trust` from 0 to 1.
    pub(super) fn accept(&mut self, samples: f32, trust: f32) {
        self.work = Work::Learn { samples, trust };
    }

    /// Answers a measurement that is not to be learnt from.
    pub(super) fn refuse(&mut self) {
        self.clear();
    }

    /// The reference has been moved: sound from before must not be compared with sound from after.
    pub(super) fn moved(&mut self) {
        self.filled = 0;
        self.fit = 1.0;
        self.clear();
        self.work = Work::None;
    }

    /// Forgets what lies between the sides.
    pub(super) fn forget(&mut self) {
        self.learnt = false;
        self.fit = 1.0;
        self.template.fill(Complex32::default());
        self.template_power.fill(0.0);
        self.clear();
        self.work = Work::None;
    }

    /// Says that from now on the echo is in place: what is `samples` late becomes the template.
    pub(super) fn shift_template(&mut self, samples: f32) {
        let mut turn = Turn::new(-samples);
        for value in &mut self.template {
            *value *= turn.next();
        }
    }

    /// Windows of the measurement so far.
    pub(super) fn windows(&self) -> u32 {
        self.windows
    }

    /// What the last window counts: high tones tell most of time.
    pub(super) fn weight(&self) -> f64 {
        self.weight
    }

    /// How well the last windows fit the template, each by itself.
    pub(super) fn last_fit(&self) -> f32 {
        self.fit
    }

    /// Whether the microphone hears clearly more than the echo would be, wherever that is.
    pub(super) fn hears_more(&self) -> bool {
        self.excess_db > MORE_DB
    }

    /// Whether the windows so far are about to become the first template.
    pub(super) fn is_first(&self) -> bool {
        !self.learnt && self.windows == WINDOWS
    }

    fn clear(&mut self) {
        self.cross.fill(Complex32::default());
        self.far_power.fill(0.0);
        self.mic_power.fill(0.0);
        self.windows = 0;
    }

    fn take_window(&mut self) {
        self.since_window = 0;
        if mean_square(&self.far) < SOUNDS {
            return;
        }
        if self.windows > 0 && self.since_first > STALE {
            self.clear();
        }
        if self.windows == 0 {
            self.since_first = 0;
        }
        for (sound, spectrum) in [(&self.far, &mut self.far_spectrum), (&self.mic, &mut self.mic_spectrum)] {
            for ((out, sample), gain) in self.time.iter_mut().zip(sound).zip(&self.window) {
                *out = sample * gain;
            }
            self.fourier.forward(&mut self.time, spectrum);
        }
        let (mut weight, mut far_sum, mut mic_sum) = (0.0, 0.0f32, 0.0f32);
        for n in LOW..HIGH {
            let (far, mic) = (self.far_spectrum[n], self.mic_spectrum[n]);
            self.cross[n] += mic * far.conj();
            let power = far.norm_sqr();
            self.far_power[n] += power;
            self.mic_power[n] += mic.norm_sqr();
            weight += power * n as f32;
            far_sum += power;
            mic_sum += mic.norm_sqr();
        }
        self.weight = f64::from(weight);
        if self.learnt {
            let fit = self.fit();
            self.fit += 0.5 * (fit - self.fit);
            let return_db = 10.0 * (mic_sum / far_sum.max(1e-20)).max(1e-12).log10();
            if fit > 0.4 {
                self.usual_db += 0.1 * (return_db - self.usual_db);
            }
            self.excess_db += 0.5 * (return_db - self.usual_db - self.excess_db);
        }
        self.windows += 1;
        if self.windows == WINDOWS {
            self.work = if self.learnt { Work::Compare } else { Work::Learn { samples: 0.0, trust: 1.0 } };
        }
    }

    /// How well the newest window alone fits the template, -1 to 1: coarse, but at once. Low tones only, which do not
    /// mind a shift of some samples.
    fn fit(&self) -> f32 {
        let (mut real, mut all) = (0.0f32, 0.0f32);
        for n in LOW..FIT_HIGH {
            let value = self.mic_spectrum[n] * self.far_spectrum[n].conj() * self.template[n].conj();
            real += value.re;
            all += value.norm_sqr().sqrt();
        }
        if all > 0.0 { real / all } else { 0.0 }
    }

    /// What lies between the sides now, against the template, each frequency with what it explains.
    fn compare(&mut self) {
        let floor = self.mic_power[LOW..HIGH].iter().sum::<f32>() / (HIGH - LOW) as f32 * 1e-6 + 1e-20;
        for n in LOW..HIGH {
            let weight = (self.template_power[n] * (self.mic_power[n] + floor)).max(1e-30);
            self.compared[n] = self.cross[n] * self.template[n].conj() / weight;
        }
        self.far_spectrum.fill(Complex32::default());
        self.far_spectrum[LOW..HIGH].copy_from_slice(&self.compared[LOW..HIGH]);
        self.fourier.inverse(&mut self.far_spectrum, &mut self.time);
        self.work = Work::Measure;
    }

    fn measure(&mut self) -> Option<Shift> {
        let (mut at, mut most) = (0i32, 0.0f32);
        for lag in -(FURTHEST as i32)..=FURTHEST as i32 {
            let value = self.time[lag.rem_euclid(WINDOW as i32) as usize];
            if value > most {
                (at, most) = (lag, value);
            }
        }
        let mut samples = at as f32;
        let (mut agreement, mut bend) = (0.0, 0.0);
        // Newton's method on the peak, which lies within half a sample.
        for _ in 0..2 {
            let mut turn = Turn::new(samples);
            let (mut slope, mut real, mut all) = (0.0f32, 0.0f32, 0.0f32);
            bend = 0.0;
            for _ in 0..LOW {
                turn.next();
            }
            for n in LOW..HIGH {
                let value = self.compared[n] * turn.next();
                let radians = n as f32 * std::f32::consts::TAU / WINDOW as f32;
                slope += radians * value.im;
                bend += radians * radians * value.re;
                real += value.re;
                all += value.norm();
            }
            if !(bend > 0.0 && all > 0.0) {
                return None;
            }
            agreement = real / all;
            samples += (-slope / bend).clamp(-0.7, 0.7);
        }
        if !samples.is_finite() {
            return None;
        }
        // Phases scatter by what does not agree; windows overlap, so that 6 of them know as much as 3.
        let scatter = (1.0 - agreement).max(0.02) / agreement.max(0.05);
        let deviation = (scatter / (bend * 3.0)).sqrt();
        Some(Shift { samples, agreement, deviation: deviation.clamp(0.01, 100.0) })
    }

    fn learn(&mut self, samples: f32, trust: f32) {
        let kept = if self.learnt { 1.0 - (1.0 - KEPT) * trust } else { 0.0 };
        let gain = if self.learnt { trust } else { 1.0 };
        let mut turn = Turn::new(samples);
        for n in 0..HIGH {
            let turned = turn.next();
            self.template[n] = self.template[n] * kept + self.cross[n] * turned * gain;
            self.template_power[n] = self.template_power[n] * kept + self.far_power[n] * gain;
        }
        self.learnt = true;
        self.clear();
    }
}

/// e^(jωt) for the frequencies of a window, one after the other.
struct Turn {
    value: Complex32,
    step: Complex32,
}

impl Turn {
    /// Undoes a delay of `samples`.
    fn new(samples: f32) -> Self {
        let (sin, cos) = (samples * std::f32::consts::TAU / WINDOW as f32).sin_cos();
        Self { value: Complex32::new(1.0, 0.0), step: Complex32::new(cos, sin) }
    }

    fn next(&mut self) -> Complex32 {
        let value = self.value;
        self.value *= self.step;
        value
    }
}
