//! How loud the echo is, and whether what is left of it gives itself away by rising and falling with it.

use crate::{EchoReading, SILENCE_DBFS};

/// Levels that rise and fall with the echo's as closely as this are echo, whatever else speaks for a person.
const ECHOES: f32 = 0.6;

/// The echo's level, and whether what is left rises and falls with it.
#[derive(Clone, Debug)]
pub(super) struct Echo {
    /// Echo in the microphone, falling by 1 dB per block at most: the room sounds on.
    pub(super) dbfs: f32,
    /// Running means of the echo's level and the output's, their variances and covariance.
    means: [f32; 2],
    variances: [f32; 2],
    covariance: f32,
}

/// Memory of the comparison: half a second.
const COMPARE: f32 = 0.02;
/// Softer than this, in dBFS, is all the same.
const SOFT_DBFS: f32 = -70.0;

impl Echo {
    pub(super) fn new() -> Self {
        Self { dbfs: SILENCE_DBFS, means: [-60.0; 2], variances: [0.0; 2], covariance: 0.0 }
    }

    pub(super) fn process(&mut self, echo: &EchoReading, level_dbfs: f32) {
        self.dbfs = echo.echo_dbfs.max(self.dbfs - 1.0).max(SILENCE_DBFS);
        if !echo.active {
            return;
        }
        let off = [echo.echo_dbfs, level_dbfs].map(|level| level.max(SOFT_DBFS));
        let off = [off[0] - self.means[0], off[1] - self.means[1]];
        for ((mean, variance), off) in self.means.iter_mut().zip(&mut self.variances).zip(off) {
            *mean += COMPARE * off;
            *variance += COMPARE * (off * off - *variance);
        }
        self.covariance += COMPARE * (off[0] * off[1] - self.covariance);
    }

    /// The output's level goes up and down as the echo's does.
    pub(super) fn resembles(&self) -> bool {
        let size = (self.variances[0] * self.variances[1]).sqrt();
        size > 4.0 && self.covariance > ECHOES * size
    }
}
