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
