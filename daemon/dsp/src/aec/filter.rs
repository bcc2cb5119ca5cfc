//! The linear part and its bend: learns the way from speaker to microphone and predicts the echo.

use super::heard::Heard;
use super::loudspeaker::Loudspeaker;
use super::path::{Pace, Path};
use super::spectrum::{BINS, Bins, FRAME, Fourier, Spectrum};
use crate::{BLOCK, Block};

/// Blocks of path for what the loudspeaker distorts. Distortion is weaker than the sound it comes with, so its late
/// reverberation is below the noise.
const BENT_BLOCKS: usize = 12;
/// Share of the error that is near end and noise however much the filter doubts itself.
const LEAST_NEAR: f32 = 0.05;
/// Keeps a division by nothing finite: -100 dBFS in the unit of a bin.
const LEAST_POWER: f32 = 1e-8;

/// What the filters predict from: the far end, and what a loudspeaker adds to it by clipping.
#[derive(Clone, Debug)]
pub(super) struct References {
    straight: Heard,
    pub(super) bent: Heard,
    pub(super) loudspeaker: Loudspeaker,
}

/// The references as one filter takes them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sounds<'a> {
    straight: &'a Heard,
    bent: &'a Heard,
}

impl References {
    pub(super) fn new(tail_ms: u32) -> Self {
        Self {
            straight: Heard::new(crate::blocks_of_ms(tail_ms)),
            bent: Heard::new(BENT_BLOCKS),
            loudspeaker: Loudspeaker::new(),
        }
    }

    /// Takes the next block of the far end.
    pub(super) fn hear(&mut self, far: &Block, fourier: &mut Fourier) {
        self.straight.hear(far, fourier);
        self.bent.hear(&self.loudspeaker.process(far), fourier);
    }

    /// Hears its past again: `past` fills in the block that many blocks ago.
    pub(super) fn rehear(&mut self, past: &mut dyn FnMut(usize, &mut Block), fourier: &mut Fourier) {
        let mut far = [0.0; BLOCK];
        for ago in (0..=self.straight.len()).rev() {
            past(ago, &mut far);
            self.hear(&far, fourier);
        }
    }

    /// What was heard.
    pub(super) fn sounds(&self) -> Sounds<'_> {
        self.with(&self.bent)
    }

    /// The same with the bend of another loudspeaker.
    pub(super) fn with<'a>(&'a self, bent: &'a Heard) -> Sounds<'a> {
        Sounds { straight: &self.straight, bent }
    }

    /// The far end has been silent for longer than the tail.
    pub(super) fn silence(&mut self) {
        self.straight.silence();
        self.bent.silence();
    }

    /// Starts afresh.
    pub(super) fn reset(&mut self) {
        self.silence();
        self.loudspeaker = Loudspeaker::new();
    }
}

/// Partitioned-block frequency-domain Kalman filter with diagonal covariance (Enzner & Vary 2006; Kuech, Mabande &
/// Enzner 2014), over two references.
#[derive(Clone, Debug)]
pub(super) struct Filter {
    straight: Path,
    bent: Path,
    /// Power of near end and noise per bin of the error, smoothed.
    near: Bins,
    /// Spectrum and power of the newest error.
    pub(super) error: Spectrum,
    pub(super) left: Bins,
    /// The echo predicted for the newest block.
    pub(super) echo: Block,
    /// Variance of that prediction, per bin of the error.
    pub(super) doubt: Bins,
}

impl Filter {
    pub(super) fn new(references: &References) -> Self {
        Self {
            straight: Path::new(references.straight.len()),
            bent: Path::new(references.bent.len()),
            near: [0.0; BINS],
            error: Spectrum::ZERO,
            left: [0.0; BINS],
            echo: [0.0; BLOCK],
            doubt: [0.0; BINS],
        }
    }

    /// Predicts the echo of the newest block; `error` is what remains of `mic`.
    pub(super) fn predict(
        &mut self,
        sounds: &Sounds<'_>,
        mic: &Block,
        error: &mut Block,
        fourier: &mut Fourier,
    ) {
        let mut echo = Spectrum::ZERO;
        self.doubt = [0.0; BINS];
        self.straight.predict(sounds.straight, &mut echo, &mut self.doubt);
        self.bent.predict(sounds.bent, &mut echo, &mut self.doubt);
        let mut frame = [0.0; FRAME];
        fourier.inverse(&echo, &mut frame);
        for n in 0..BLOCK {
            self.echo[n] = frame[BLOCK + n] * (1.0 / FRAME as f32);
            error[n] = mic[n] - self.echo[n];
        }
    }

    /// Learns from the error of the newest block.
    pub(super) fn learn(&mut self, sounds: &Sounds<'_>, error: &Block, pace: Pace, fourier: &mut Fourier) {
        let mut frame = [0.0; FRAME];
        frame[BLOCK..].copy_from_slice(error);
        fourier.forward(&mut frame, &mut self.error);
        self.error.power(&mut self.left);
        let (mut step, mut innovation) = ([0.0; BINS], Spectrum::ZERO);
        for k in 0..BINS {
            let beside = self.left[k.saturating_sub(1)] + self.left[(k + 1).min(BINS - 1)];
            let error = 0.5 * self.left[k] + 0.25 * beside;
            let now = (error - 0.5 * self.doubt[k]).max(LEAST_NEAR * error);
            self.near[k] += 0.3 * (now - self.near[k]);
            // What the filter does not doubt counts as near end, at once: who starts to speak is not learnt as a
            // room.
            step[k] = 1.0 / (self.doubt[k] + 2.0 * self.near[k].max(now) + LEAST_POWER);
            innovation.re[k] = self.error.re[k] * step[k];
            innovation.im[k] = self.error.im[k] * step[k];
        }
        self.straight.learn(sounds.straight, &innovation, &step, pace, fourier);
        self.bent.learn(sounds.bent, &innovation, &step, pace, fourier);
    }

    /// The echo path may have moved: each block of it may be wrong by `share` of the energy of the whole.
    pub(super) fn doubt_path(&mut self, share: f32) {
        self.straight.doubt(share);
        self.bent.doubt(share);
    }

    /// The loudspeaker may be another one.
    pub(super) fn doubt_bend(&mut self, share: f32, straight_share: f32) {
        self.bent.doubt(share);
        self.straight.doubt(straight_share);
    }

    /// Takes over what another has learnt.
    pub(super) fn copy_from(&mut self, other: &Self) {
        self.straight.copy_from(&other.straight);
        self.bent.copy_from(&other.bent);
        self.near = other.near;
    }

    /// Starts afresh.
    pub(super) fn reset(&mut self) {
        self.silence();
        self.forget();
        self.near = [0.0; BINS];
    }

    /// Forgets the room.
    pub(super) fn forget(&mut self) {
        self.straight.forget();
        self.bent.forget();
    }

    /// The far end has been silent for longer than the tail.
    pub(super) fn silence(&mut self) {
        self.echo = [0.0; BLOCK];
    }
}
