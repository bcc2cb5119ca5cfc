//! Turns steady noise down, lightly: for a machine that understands, not for an ear that wants silence.
//!
//! The spectrum only decides what to turn down. The sound itself goes through a short minimum-phase filter that is
//! shaped anew in every block, so that nothing waits for a transform: the delay is the filter's own, well below 1 ms.

use realfft::num_complex::Complex32;

use crate::dot::add_scaled;
use crate::fourier::Fourier;
use crate::level::{from_db, power_dbfs, sane};
use crate::spectrum::{BANDS, NoiseSpectrum, Spectrum, first_bin};
use crate::{BLOCK, Block};

/// How much noise is taken away.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NoiseSettings {
    /// The most that is taken from any band, in dB, 0 to 20; 0 switches the stage off. The more, the bolder: at 20 all
    /// of the noise is taken for noise, at 6 three tenths, which machines understand best.
    pub max_attenuation_db: f32,
}

impl Default for NoiseSettings {
    fn default() -> Self {
        Self { max_attenuation_db: 6.0 }
    }
}

impl NoiseSettings {
    /// No suppression.
    pub const OFF: Self = Self { max_attenuation_db: 0.0 };
}

/// Taps of the filter: 2.5 ms, 400 Hz of resolution.
const TAPS: usize = 40;
/// Points of the gain's curve: 0 to 8 kHz in steps of 125 Hz.
const POINTS: usize = 65;
/// Length of the cepstrum that belongs to them.
const CEPSTRUM: usize = 2 * (POINTS - 1);
/// Cepstral coefficients that are kept; what is finer is musical noise.
const SMOOTH: usize = 28;
/// Points on either side that a point's power is the mean with: the filter cannot tell harmonics apart, and what lies
/// between them is no noise (.01 of ESTOI).
const SPREAD: usize = 3;
/// Share of the noise that is taken for noise, per dB of the most that may go: three tenths at 6 dB. That was found by
/// intelligibility (ESTOI) of speech 15 to 30 dB above a compressor, babble and pink noise, through the whole path: the
/// textbook's 1, like its memory of the last block's speech (decision-directed, Ephraim and Malah 1984), costs .01 to
/// .02 there.
const SHARE_PER_DB: f32 = 0.05;
/// Speech further above the noise than this, in dB, is understood as it is: any change makes it worse.
const CLEAR_DB: f32 = 33.0;
/// And until it is again as little above as this, it is left alone.
const UNCLEAR_DB: f32 = 29.0;
/// How fast the stage comes and goes, per block: within half a second.
const STEP: f32 = 0.02;
/// Level of speech until some was heard, in dBFS.
const SPEECH_DBFS: f32 = -30.0;
/// What a block must be above the noise to be counted as speech, in dB.
const SPEECH_OVER_DB: f32 = 6.0;
/// Time constants of the speech's level, up and down, in blocks of speech: what is left of an echo is soft, and no speech.
const SPEECH_BLOCKS: [f32; 2] = [50.0, 500.0];
/// How fast the noise's level may rise, per block: 12 dB per second.
const FLOOR_RISES: f32 = 1.028;
/// A room this quiet, in dBFS, has nothing that is worth taking away.
const QUIET_DBFS: f32 = -78.0;

/// Bands from 250 Hz to 4 kHz.
const VOICE_BANDS: std::ops::Range<usize> = 7..64;

/// Light suppressor of steady noise.
#[derive(Clone, Debug)]
pub struct NoiseSuppressor {
    /// 0 is off.
    most_db: f32,
    /// Mean square of speech, of blocks that were clear of the noise.
    speech_power: f32,
    /// That of the noise in its quieter moments: a long vowel is learnt as noise by and by, and unlearnt in a pause.
    floor_power: f32,
    /// The noise is worth taking down, and how far that has come, 0 to 1.
    wanted: bool,
    share: f32,
    fourier: Fourier,
    log_gain: Box<[Complex32]>,
    cepstrum: Box<[f32]>,
    taps: [f32; TAPS],
    /// The last samples of the block before, then a block.
    samples: [f32; TAPS - 1 + BLOCK],
}

/// The filter that leaves every bit.
const IDENTITY: [f32; TAPS] = {
    let mut taps = [0.0; TAPS];
    taps[0] = 1.0;
    taps
};

impl NoiseSuppressor {
    /// Starts without any idea of the noise.
    pub fn new(settings: NoiseSettings) -> Self {
        let wanted_db = settings.max_attenuation_db;
        Self {
            most_db: if wanted_db > 0.0 { wanted_db.min(20.0) } else { 0.0 },
            speech_power: from_db(SPEECH_DBFS).powi(2),
            floor_power: 0.0,
            wanted: false,
            share: 0.0,
            fourier: Fourier::new(CEPSTRUM),
            log_gain: [Complex32::default(); POINTS].into(),
            cepstrum: [0.0; CEPSTRUM].into(),
            taps: IDENTITY,
            samples: [0.0; TAPS - 1 + BLOCK],
        }
    }

    /// Suppresses noise in a block, given its spectrum and what of that is noise.
    pub(crate) fn process(&mut self, spectrum: &Spectrum, noise: &NoiseSpectrum, block: &mut Block) {
        if self.most_db == 0.0 {
            return;
        }
        let (before, taps) = (self.taps, self.shape(spectrum.bands(), noise.bands()));
        self.taps = taps;
        self.samples.copy_within(BLOCK.., 0);
        for (kept, &sample) in self.samples[TAPS - 1..].iter_mut().zip(block.iter()) {
            *kept = sane(sample);
        }
        if before == IDENTITY && taps == IDENTITY {
            return;
        }
        let (mut old, mut new) = ([0.0; BLOCK], [0.0; BLOCK]);
        self.filter(&before, &mut old);
        self.filter(&taps, &mut new);
        for (n, sample) in block.iter_mut().enumerate() {
            let share = (n + 1) as f32 / BLOCK as f32;
            *sample = old[n] + share * (new[n] - old[n]);
        }
    }

    /// What it adds between a sound and its place in the block, in ms. A minimum-phase filter whose gain is 1 where
    /// speech is has next to none there.
    pub fn delay_ms(&self) -> f32 {
        0.0
    }

    /// Forgets what was heard.
    pub fn reset(&mut self) {
        (self.wanted, self.share) = (false, 0.0);
        (self.speech_power, self.floor_power) = (from_db(SPEECH_DBFS).powi(2), 0.0);
        self.taps = IDENTITY;
        self.samples.fill(0.0);
    }

    fn filter(&self, taps: &[f32; TAPS], out: &mut Block) {
        for (n, &tap) in taps.iter().enumerate() {
            let samples = &self.samples[TAPS - 1 - n..][..BLOCK];
            add_scaled(out, tap, samples);
        }
    }

    /// How far noise is to be taken down now, 0 to 1: not in a quiet room, and not from clear speech.
    fn follow(&mut self, power: &[f32; BANDS], noise: &[f32; BANDS]) -> f32 {
        let (heard, floor) = (voice_power(power), voice_power(noise));
        self.floor_power = floor.min((self.floor_power * FLOOR_RISES).max(from_db(QUIET_DBFS).powi(2)));
        let floor_dbfs = power_dbfs(self.floor_power);
        if power_dbfs(heard) > floor_dbfs + SPEECH_OVER_DB {
            let blocks = SPEECH_BLOCKS[usize::from(heard < self.speech_power)];
            self.speech_power += (heard - self.speech_power) / blocks;
        }
        let clear_db = power_dbfs(self.speech_power) - floor_dbfs;
        let most_db = if self.wanted { CLEAR_DB } else { UNCLEAR_DB };
        self.wanted = floor_dbfs > QUIET_DBFS + 1.0 && clear_db < most_db;
        self.share = (self.share + if self.wanted { STEP } else { -STEP }).clamp(0.0, 1.0);
        self.share
    }

    /// The filter for this block.
    fn shape(&mut self, power: &[f32; BANDS], noise: &[f32; BANDS]) -> [f32; TAPS] {
        let share = self.follow(power, noise);
        if share == 0.0 {
            return IDENTITY;
        }
        let (least, taken) = (from_db(-self.most_db), SHARE_PER_DB * self.most_db);
        let [power, noise] = [power, noise]
            .map(|bands| -> [f32; POINTS] { std::array::from_fn(|point| at_point(bands, point)) });
        for (point, out) in self.log_gain.iter_mut().enumerate() {
            let gain = (1.0 - taken * around(&noise, point) / around(&power, point).max(f32::MIN_POSITIVE))
                .max(least);
            *out = Complex32::new(share * gain.ln(), 0.0);
        }
        self.fourier.inverse(&mut self.log_gain, &mut self.cepstrum);
        minimum_phase(&self.cepstrum)
    }
}

/// Mean square of what lies between 250 Hz and 4 kHz, where speech is.
fn voice_power(bands: &[f32; BANDS]) -> f32 {
    let range = VOICE_BANDS;
    range.map(|band| bands[band] * (first_bin(band + 1) - first_bin(band)) as f32).sum::<f32>() / 256.0
}

/// Mean of the bands that lie within 62.5 Hz of this point of the curve.
fn at_point(bands: &[f32; BANDS], point: usize) -> f32 {
    match point {
        0 => bands[0],
        1..8 => bands[4 * point - 3..4 * point + 1].iter().sum::<f32>() / 4.0,
        8..16 => (bands[32 + 2 * (point - 8)] + bands[33 + 2 * (point - 8)]) / 2.0,
        16..32 => bands[48 + (point - 16)],
        _ => bands[(64 + (point - 32) / 2).min(BANDS - 1)],
    }
}

/// Mean over a point and those beside it; fewer at the bottom, where rumble is and voices are not.
fn around(points: &[f32; POINTS], point: usize) -> f32 {
    let spread = SPREAD;
    let near = &points[point.saturating_sub(spread)..(point + spread + 1).min(POINTS)];
    near.iter().sum::<f32>() / near.len() as f32
}

/// Impulse response of the minimum-phase filter with this real cepstrum (Oppenheim and Schafer): it needs no
/// transform back, because the response follows from the folded cepstrum sample by sample.
fn minimum_phase(cepstrum: &[f32]) -> [f32; TAPS] {
    let scale = 1.0 / CEPSTRUM as f32;
    let mut folded = [0.0; SMOOTH];
    for (n, out) in folded.iter_mut().enumerate().skip(1) {
        // A cosine at the end, so that smoothing does not ring.
        let taper = 0.5 + 0.5 * (std::f32::consts::PI * n as f32 / SMOOTH as f32).cos();
        *out = 2.0 * scale * cepstrum[n] * taper * n as f32;
    }
    let mut taps = [0.0; TAPS];
    taps[0] = (cepstrum[0] * scale).exp();
    for n in 1..TAPS {
        let sum: f32 = (1..=n.min(SMOOTH - 1)).map(|k| folded[k] * taps[n - k]).sum();
        taps[n] = sum / n as f32;
    }
    taps
}

#[cfg(test)]
mod tests;
