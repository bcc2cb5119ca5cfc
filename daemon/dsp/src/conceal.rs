//! Ends a sound that breaks off without a click: what it was just saying is repeated, fading.

use crate::fade::Fade;
use crate::level::sane;

/// Voices between 66 and 400 Hz repeat within this, in µs.
const LAG_US: (u32, u32) = (2_500, 15_000);
/// Length of the piece that is looked for again, in µs.
const PATTERN_US: u32 = 8_000;
/// How long a voice goes on, and how long anything else: noise that is repeated buzzes.
const VOICED_MS: u32 = 40;
const NOISY_MS: u32 = 12;
/// A repetition that is at least this similar is a voice.
const VOICED: f32 = 0.6;
/// Time in which the step between what was and its repetition is evened out, in µs.
const STEP_US: u32 = 2_000;
/// A sound below this, about -66 dBFS, ends by itself.
const QUIET: f32 = 0.0005;
/// Every so many frames are compared in the first search.
const COARSE: usize = 4;

/// Extrapolates a sound by its pitch, for when its rest is missing.
///
/// It keeps nothing between calls: whoever plays has the history anyway, and calls it at a gap only.
#[derive(Clone, Debug)]
pub struct Conceal {
    lag_min: usize,
    lag_max: usize,
    pattern: usize,
    step: usize,
    voiced: Fade,
    noisy: Fade,
    /// One period, its end blended into its beginning.
    period: Box<[f32]>,
}

impl Conceal {
    /// Everything is measured in frames of this rate.
    pub fn new(rate_hz: u32) -> Self {
        let frames = |us: u32| (u64::from(rate_hz) * u64::from(us) / 1_000_000).max(1) as usize;
        let lag_max = frames(LAG_US.1);
        Self {
            lag_min: frames(LAG_US.0),
            lag_max,
            pattern: frames(PATTERN_US),
            step: frames(STEP_US),
            voiced: Fade::new(frames(VOICED_MS * 1000)),
            noisy: Fade::new(frames(NOISY_MS * 1000)),
            period: vec![0.0; lag_max].into(),
        }
    }

    /// Frames of history that it looks at.
    pub fn history_frames(&self) -> usize {
        self.lag_max + self.lag_max.max(self.pattern)
    }

    /// Frames that it makes at most, 40 ms.
    pub fn frames_max(&self) -> usize {
        self.voiced.frames()
    }

    /// Writes what would have followed `history` (mono, the newest sample last), fading to nothing, to `out`.
    /// Returns its length in frames: 0 where silence follows silence, at most [`Conceal::frames_max`].
    pub fn process(&mut self, history: &[f32], out: &mut [f32]) -> usize {
        let recent = &history[history.len().saturating_sub(self.lag_min)..];
        let loud = recent.iter().any(|sample| sane(*sample).abs() > QUIET);
        if history.len() < self.history_frames() || !loud {
            return 0;
        }
        let (lag, similar) = self.pitch(history);
        let period = &mut self.period[..lag];
        let newest = history.len();
        for (n, sample) in period.iter_mut().enumerate() {
            *sample = sane(history[newest - lag + n]);
        }
        // The end of the period flows into its beginning, as it did a period ago.
        let blend = lag / 4;
        for n in 0..blend {
            let (weight, at) = ((n + 1) as f32 / (blend + 1) as f32, lag - blend + n);
            period[at] += weight * (sane(history[newest - lag - blend + n]) - period[at]);
        }
        let fade = if similar >= VOICED { &self.voiced } else { &self.noisy };
        let step = sane(history[newest - 1]) - sane(history[newest - lag - 1]);
        let frames = fade.frames().min(out.len());
        for (n, out) in out[..frames].iter_mut().enumerate() {
            let left = 1.0 - (n as f32 + 1.0) / self.step as f32;
            *out = (period[n % lag] + step * left.max(0.0)) * fade.gain_out(n);
        }
        frames
    }

    /// The lag at which the newest piece is most like what was before, and how much (1.0: the same).
    fn pitch(&self, history: &[f32]) -> (usize, f32) {
        let mut best = (self.lag_min, 0.0);
        for lag in (self.lag_min..=self.lag_max).step_by(COARSE) {
            let similar = self.similarity(history, lag, COARSE);
            if similar > best.1 {
                best = (lag, similar);
            }
        }
        let (from, to) = ((best.0 - COARSE).max(self.lag_min), (best.0 + COARSE).min(self.lag_max));
        let (mut fine, mut top) = (best.0, 0.0);
        for lag in from..=to {
            let similar = self.similarity(history, lag, 1);
            if similar > top {
                (fine, top) = (lag, similar);
            }
        }
        (fine, top)
    }

    fn similarity(&self, history: &[f32], lag: usize, every: usize) -> f32 {
        let newest = history.len() - self.pattern;
        let (now, then) = (&history[newest..], &history[newest - lag..history.len() - lag]);
        let (mut both, mut a, mut b) = (0.0, 1e-12_f32, 1e-12_f32);
        for (&now, &then) in now.iter().zip(then).step_by(every) {
            let (now, then) = (sane(now), sane(then));
            both += now * then;
            a += now * now;
            b += then * then;
        }
        let similar = both / (a.sqrt() * b.sqrt());
        if similar.is_finite() { similar } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synth::{rms, tone, white};

    /// A voiced sound: a pitch and its harmonics.
    fn voice(rate_hz: u32, pitch_hz: f32, frames: usize) -> Vec<f32> {
        let wave =
            |n: usize, k: f32| (std::f32::consts::TAU * pitch_hz * k * n as f32 / rate_hz as f32).sin() / k;
        (0..frames).map(|n| 0.2 * (1..8).map(|k| wave(n, k as f32)).sum::<f32>()).collect()
    }

    fn concealed(rate_hz: u32, history: &[f32]) -> Vec<f32> {
        let mut conceal = Conceal::new(rate_hz);
        let mut out = vec![9.0; conceal.frames_max()];
        let n = conceal.process(history, &mut out);
        out.truncate(n);
        out
    }

    fn largest_step(samples: &[f32]) -> f32 {
        samples.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max)
    }

    #[test]
    fn a_voice_goes_on_at_its_pitch_and_fades_within_40_ms() {
        for (rate_hz, pitch_hz) in
            [(16_000, 100.0), (24_000, 180.0), (48_000, 220.0), (44_100, 330.0), (48_000, 80.0)]
        {
            let frames = rate_hz as usize / 10;
            let whole = voice(rate_hz, pitch_hz, 2 * frames);
            let tail = concealed(rate_hz, &whole[..frames]);
            assert_eq!(tail.len(), rate_hz as usize * 40 / 1_000, "{rate_hz}");
            let soon = rate_hz as usize * 8 / 1_000;
            let off: Vec<f32> = tail[..soon].iter().zip(&whole[frames..]).map(|(a, b)| a - b).collect();
            let (off, meant) = (rms(&off), rms(&whole[frames..frames + soon]));
            assert!(off < 0.35 * meant, "{pitch_hz} Hz at {rate_hz}: off by {off} of {meant}");
            let seam = [&whole[frames - 100..frames], &tail[..]].concat();
            assert!(largest_step(&seam) <= 1.3 * largest_step(&whole), "{pitch_hz} Hz at {rate_hz}: a click");
            assert!(tail.last().unwrap().abs() < 1e-3);
        }
    }

    #[test]
    fn noise_ends_sooner_and_without_a_step() {
        let noise: Vec<f32> = white(5, 4_800).into_iter().map(|sample| 0.2 * sample).collect();
        let tail = concealed(48_000, &noise);
        assert_eq!(tail.len(), 48_000 * 12 / 1_000);
        let seam = [&noise[4_700..], &tail[..]].concat();
        assert!(largest_step(&seam) <= 1.2 * largest_step(&noise));
        assert!(rms(&tail[..100]) > 0.5 * rms(&noise), "it does not break off");
    }

    #[test]
    fn silence_is_followed_by_silence() {
        assert!(concealed(48_000, &[0.0; 4_800]).is_empty());
        let mut faded = tone(48_000, 200.0, 0.5, 4_800);
        faded.extend([0.0; 480]);
        assert!(concealed(48_000, &faded).is_empty(), "a pause between words");
    }

    #[test]
    fn a_sound_that_has_only_begun_is_left_alone() {
        assert!(concealed(48_000, &tone(48_000, 200.0, 0.5, 100)).is_empty());
    }

    #[test]
    fn never_louder_than_what_was() {
        for seed in 0..20 {
            let mut history = white(seed, 4_800);
            history.iter_mut().for_each(|sample| *sample = sample.clamp(-1.0, 1.0));
            assert!(concealed(48_000, &history).iter().all(|sample| sample.abs() <= 3.0));
        }
        let tail = concealed(48_000, &vec![1.0; 4_800]);
        assert!(tail.iter().all(|sample| (0.0..=1.0).contains(sample)), "a constant fades");
    }

    #[test]
    fn nonsense_ends_in_something_finite() {
        let mut history = voice(48_000, 150.0, 4_800);
        history[4_700] = f32::NAN;
        history[4_000] = f32::INFINITY;
        assert!(concealed(48_000, &history).iter().all(|sample| sample.is_finite()));
        assert!(concealed(48_000, &[f32::NAN; 4_800]).is_empty());
    }
}
