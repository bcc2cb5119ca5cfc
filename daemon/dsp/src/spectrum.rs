//! What a block sounds like, frequency by frequency, and what of it is the room's noise.

use std::f32::consts::PI;

use realfft::num_complex::Complex32;

use crate::fourier::Fourier;
use crate::level::sane;
use crate::{BLOCK, Block};

/// Length of the transform: 31.25 Hz between bins.
pub(crate) const FFT: usize = 512;
/// Bins of the transform, 0 to 8 kHz.
pub(crate) const BINS: usize = FFT / 2 + 1;
/// Samples that are looked at: 25 ms.
const WINDOW: usize = 400;
/// Of them the newest fade out within 4 ms, so that an onset counts in the block it comes with.
const FALL: usize = 64;

/// Bands: every bin to 1 kHz (hum stands between harmonics), wider above as hearing is (62, 125, 250 Hz).
pub(crate) const BANDS: usize = 80;

/// First bin of a band; band 80 is the end.
pub(crate) const fn first_bin(band: usize) -> usize {
    match band {
        0..32 => 1 + band,
        32..48 => 33 + 2 * (band - 32),
        48..64 => 65 + 4 * (band - 48),
        _ => 129 + 8 * (band - 64),
    }
}

/// Short-time power spectrum of the last 25 ms.
#[derive(Clone, Debug)]
pub(crate) struct Spectrum {
    fourier: Fourier,
    window: Box<[f32]>,
    history: Box<[f32]>,
    input: Box<[f32]>,
    bins: Box<[Complex32]>,
    power: Box<[f32]>,
    bands: [f32; BANDS],
}

impl Spectrum {
    pub(crate) fn new() -> Self {
        // Rises over 21 ms, falls over 4. Noise of mean square p reads p in every bin.
        let mut window: Box<[f32]> = (0..WINDOW)
            .map(|n| {
                let rise = (n as f32 + 0.5) / (WINDOW - FALL) as f32;
                let fall = (WINDOW as f32 - n as f32 - 0.5) / FALL as f32;
                (PI / 2.0 * rise.min(1.0)).sin().powi(2) * (PI / 2.0 * fall.min(1.0)).sin().powi(2)
            })
            .collect();
        let norm = window.iter().map(|w| w * w).sum::<f32>().sqrt().recip();
        window.iter_mut().for_each(|w| *w *= norm);
        Self {
            fourier: Fourier::new(FFT),
            window,
            history: vec![0.0; WINDOW].into(),
            input: vec![0.0; FFT].into(),
            bins: vec![Complex32::default(); BINS].into(),
            power: vec![0.0; BINS].into(),
            bands: [0.0; BANDS],
        }
    }

    /// Takes in the next block.
    pub(crate) fn process(&mut self, block: &Block) {
        self.history.copy_within(BLOCK.., 0);
        for (kept, &sample) in self.history[WINDOW - BLOCK..].iter_mut().zip(block) {
            *kept = sane(sample);
        }
        for ((out, sample), weight) in self.input.iter_mut().zip(&self.history).zip(&self.window) {
            *out = sample * weight;
        }
        self.input[WINDOW..].fill(0.0);
        self.fourier.forward(&mut self.input, &mut self.bins);
        for (power, bin) in self.power.iter_mut().zip(&self.bins) {
            *power = bin.norm_sqr();
        }
        for (band, power) in self.bands.iter_mut().enumerate() {
            let bins = first_bin(band)..first_bin(band + 1);
            let width = bins.len() as f32;
            *power = self.power[bins].iter().sum::<f32>() / width;
        }
    }

    /// Mean square of each band's bins; noise of mean square p reads p everywhere.
    pub(crate) fn bands(&self) -> &[f32; BANDS] {
        &self.bands
    }
}

/// How likely a block without speech is taken for one with it, before it is heard.
const SPEECH_SNR: f32 = 31.6; // 15 dB: what speech has when it is there (Gerkmann and Hendriks 2012)
/// Share of the past in the noise: 80 ms, of which speech that is told from noise takes nothing.
const KEEP: f32 = 0.88;
/// Power that is never undercut: -110 dBFS, so that digital silence divides nothing by zero.
const LEAST: f32 = 1e-11;
/// The first blocks are taken for noise: 60 ms.
const FIRST: u32 = 6;
/// Blocks of digital silence that are a card waking up: 200 ms.
const WAKE: u32 = 20;

/// Noise in each band, by the probability that a band holds speech (Gerkmann and Hendriks, "Unbiased MMSE-based noise
/// power estimation", 2012): it follows noise within a block's time and passes over speech.
#[derive(Clone, Debug)]
pub(crate) struct NoiseSpectrum {
    noise: [f32; BANDS],
    /// Probability of speech, over the last 200 ms.
    speech: [f32; BANDS],
    seen: u32,
    /// Blocks of digital silence.
    silent: u32,
}

impl NoiseSpectrum {
    pub(crate) fn new() -> Self {
        Self { noise: [LEAST; BANDS], speech: [0.0; BANDS], seen: 0, silent: 0 }
    }

    pub(crate) fn process(&mut self, bands: &[f32; BANDS]) {
        // A card that delivers zeros says nothing of the room.
        if bands.iter().sum::<f32>() <= LEAST * BANDS as f32 {
            self.silent += 1;
            self.speech.iter_mut().for_each(|speech| *speech *= 0.95);
            // Unless it lasts: then silence is the noise, and the first sound is none of it.
            if self.seen == 0 && self.silent >= WAKE {
                self.seen = FIRST;
            }
            return;
        }
        if self.seen < FIRST {
            self.seen += 1;
            let share = 1.0 / self.seen as f32;
            for (noise, &power) in self.noise.iter_mut().zip(bands) {
                *noise = (*noise + share * (power - *noise)).max(LEAST);
            }
            return;
        }
        const EXPONENT: f32 = SPEECH_SNR / (1.0 + SPEECH_SNR);
        for ((noise, speech), &power) in self.noise.iter_mut().zip(&mut self.speech).zip(bands) {
            let odds = (1.0 + SPEECH_SNR) * (-(power / *noise).min(60.0) * EXPONENT).exp();
            let mut probability = 1.0 / (1.0 + odds);
            *speech = 0.95 * *speech + 0.05 * probability;
            // What lasts like no speech does must be learnt in the end: by a hundredth at a time.
            if *speech > 0.99 {
                probability = probability.min(0.99);
            }
            let heard = probability * *noise + (1.0 - probability) * power;
            *noise = (KEEP * *noise + (1.0 - KEEP) * heard).max(LEAST);
        }
    }

    /// Noise in each band, as [`Spectrum::bands`] measures it.
    pub(crate) fn bands(&self) -> &[f32; BANDS] {
        &self.noise
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synth::{at_level, speech, tone, white};

    fn blocks(sound: &[f32]) -> impl Iterator<Item = &Block> {
        sound.chunks_exact(BLOCK).map(|block| block.try_into().unwrap())
    }

    fn db(power: f32) -> f32 {
        10.0 * power.log10()
    }

    #[test]
    fn white_noise_reads_its_level_in_every_band() {
        let mut spectrum = Spectrum::new();
        let mut mean = [0.0; BANDS];
        for (n, block) in blocks(&at_level(white(1, 160_000), -40.0)).enumerate() {
            spectrum.process(block);
            for (mean, power) in mean.iter_mut().zip(spectrum.bands()) {
                *mean += (power - *mean) / (n + 1) as f32;
            }
        }
        for (band, &mean) in mean.iter().enumerate() {
            assert!((db(mean) + 40.0).abs() < 1.0, "band {band}: {}", db(mean));
        }
    }

    #[test]
    fn bands_cover_every_bin_once_and_a_tone_lies_in_its_own() {
        assert_eq!((first_bin(0), first_bin(BANDS)), (1, BINS));
        assert!((0..BANDS).all(|band| first_bin(band) < first_bin(band + 1)));
        for hz in [500.0, 1_500.0, 3_000.0, 6_000.0] {
            let mut spectrum = Spectrum::new();
            blocks(&tone(16_000, hz, 0.1, 1_600)).for_each(|block| spectrum.process(block));
            let loudest =
                (0..BANDS).max_by(|&a, &b| spectrum.bands()[a].total_cmp(&spectrum.bands()[b])).unwrap();
            let bins = first_bin(loudest)..first_bin(loudest + 1);
            assert!(bins.contains(&((hz / 31.25) as usize)), "{hz} Hz in band {loudest}");
        }
    }

    #[test]
    fn noise_is_learnt_at_once_followed_upwards_in_3_s_and_speech_is_passed_over() {
        let (mut spectrum, mut noise) = (Spectrum::new(), NoiseSpectrum::new());
        let mut hear = |sound: &[f32]| {
            for block in blocks(sound) {
                spectrum.process(block);
                noise.process(spectrum.bands());
            }
            db(noise.bands()[16..].iter().sum::<f32>() / (BANDS - 16) as f32)
        };
        let quiet = at_level(white(2, 16_000), -60.0);
        assert!((hear(&quiet[..3_200]) + 60.0).abs() < 2.0);
        let said = at_level(speech(2, 80_000), -30.0);
        let both: Vec<f32> = said.iter().zip(at_level(white(3, 80_000), -60.0)).map(|(a, b)| a + b).collect();
        let after = hear(&both);
        assert!((after + 60.0).abs() < 4.0, "after 5 s of speech: {after}");
        hear(&quiet);
        let after = hear(&at_level(white(4, 48_000), -40.0));
        assert!((after + 40.0).abs() < 1.5, "3 s after a step of 20 dB: {after}");
        let after = hear(&quiet[..8_000]);
        assert!((after + 60.0).abs() < 1.5, "0.5 s after it ended: {after}");
    }

    #[test]
    fn nonsense_leaves_it_finite_and_is_forgotten_within_a_second() {
        let (mut spectrum, mut noise) = (Spectrum::new(), NoiseSpectrum::new());
        let hear = |spectrum: &mut Spectrum, noise: &mut NoiseSpectrum| {
            for block in blocks(&at_level(white(5, 16_000), -50.0)) {
                spectrum.process(block);
                noise.process(spectrum.bands());
            }
        };
        hear(&mut spectrum, &mut noise);
        for nonsense in [f32::NAN, f32::INFINITY, f32::MAX, 0.0] {
            for _ in 0..500 {
                spectrum.process(&[nonsense; BLOCK]);
                noise.process(spectrum.bands());
            }
            hear(&mut spectrum, &mut noise);
            let after = db(noise.bands()[16..].iter().sum::<f32>() / (BANDS - 16) as f32);
            assert!((after + 50.0).abs() < 6.0, "after {nonsense}: {after}");
        }
    }
}
