//! Levels over a stretch of sound, as facts for status and doctor.

use crate::level::{dbfs, power_dbfs, sane};

/// What a 16-bit converter can hold at most: a sample that high was cut off, or nearly.
const CLIPPED: f32 = 32_767.0 / 32_768.0;

/// Levels since the last [`Meter::take`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Levels {
    /// RMS in dBFS.
    pub rms_dbfs: f32,
    /// Highest sample in dBFS.
    pub peak_dbfs: f32,
    /// Samples at full scale.
    pub clipped: u64,
    /// Samples seen.
    pub samples: u64,
}

/// Measures RMS, peak and clipping without touching the sound.
#[derive(Clone, Debug, Default)]
pub struct Meter {
    /// In f64: hours of sound lose nothing.
    squares: f64,
    peak: f32,
    clipped: u64,
    samples: u64,
}

impl Meter {
    /// Starts at nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts samples in.
    pub fn process(&mut self, samples: &[f32]) {
        for piece in samples.chunks(256) {
            let mut squares = 0.0;
            for &sample in piece {
                let size = sane(sample).abs();
                squares += size * size;
                self.peak = self.peak.max(size);
                self.clipped += u64::from(size >= CLIPPED);
            }
            self.squares += f64::from(squares);
        }
        self.samples += samples.len() as u64;
    }

    /// Reads the levels.
    pub fn levels(&self) -> Levels {
        let mean = self.squares / self.samples.max(1) as f64;
        Levels {
            rms_dbfs: power_dbfs(mean as f32),
            peak_dbfs: dbfs(self.peak),
            clipped: self.clipped,
            samples: self.samples,
        }
    }

    /// Reads the levels and starts again.
    pub fn take(&mut self) -> Levels {
        let levels = self.levels();
        self.reset();
        levels
    }

    /// Starts again.
    pub fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synth::tone;
    use crate::{SILENCE_DBFS, from_i16};

    #[test]
    fn a_tone_reads_its_rms_and_its_peak() {
        let mut meter = Meter::new();
        for piece in tone(16_000, 1_000.0, 0.5, 16_000).chunks(160) {
            meter.process(piece);
        }
        let levels = meter.take();
        assert!(
            (levels.rms_dbfs + 9.03).abs() < 0.01 && (levels.peak_dbfs + 6.02).abs() < 0.01,
            "{levels:?}"
        );
        assert_eq!((levels.clipped, levels.samples), (0, 16_000));
    }

    #[test]
    fn samples_at_either_end_of_the_scale_count_as_clipped() {
        let mut meter = Meter::new();
        meter.process(&[i16::MAX, i16::MIN, i16::MAX - 1, i16::MIN + 1, 0].map(from_i16));
        assert_eq!(meter.levels().clipped, 3);
    }

    #[test]
    fn taken_it_starts_again() {
        let mut meter = Meter::new();
        meter.process(&[0.5; 700]);
        assert_eq!(meter.take().samples, 700);
        let levels = meter.take();
        assert_eq!(
            levels,
            Levels { rms_dbfs: SILENCE_DBFS, peak_dbfs: SILENCE_DBFS, clipped: 0, samples: 0 }
        );
    }

    #[test]
    fn an_hour_of_sound_loses_no_precision() {
        let mut meter = Meter::new();
        let block = [0.25; 16_000];
        (0..3_600).for_each(|_| meter.process(&block));
        assert!((meter.levels().rms_dbfs + 12.041).abs() < 0.001, "{:?}", meter.levels());
    }

    #[test]
    fn nonsense_reads_as_silence() {
        let mut meter = Meter::new();
        meter.process(&[f32::NAN, f32::INFINITY]);
        assert_eq!(meter.levels().peak_dbfs, SILENCE_DBFS);
    }
}
