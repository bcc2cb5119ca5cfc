//! The linear part and its bend: learns the way from speaker to microphone and predicts the echo.

use super::branch::{Branch, Pace};
use super::loudspeaker::Loudspeaker;
use super::spectrum::{BINS, Bins, FRAME, Fourier, Spectrum};
use crate::{BLOCK, Block};

/// Blocks of path for what the loudspeaker distorts. Distortion is weaker than the sound it comes with, so its late
/// reverberation is below the noise.
const BENT_BLOCKS: usize = 12;
/// Share of the error that is near end and noise however much the filter doubts itself.
const LEAST_NEAR: f32 = 0.05;
/// Keeps a division by nothing finite: -100 dBFS in the unit of a bin.
const LEAST_POWER: f32 = 1e-8;

/// Partitioned-block frequency-domain Kalman filter with diagonal covariance (Enzner & Vary 2006; Kuech, Mabande &
/// Enzner 2014), over two references: the far end, and what a loudspeaker adds to it by clipping.
#[derive(Clone, Debug)]
pub(super) struct Filter {
    straight: Branch,
    bent: Branch,
    loudspeaker: Loudspeaker,
    /// Power of near end and noise per bin of the error, smoothed.
    near: Bins,
    error: Spectrum,
    /// The echo predicted for the newest block.
    pub(super) echo: Block,
    /// Variance of that prediction, per bin of the error.
    pub(super) doubt: Bins,
}

impl Filter {
    pub(super) fn new(tail_ms: u32) -> Self {
        Self {
            straight: Branch::new(crate::blocks_of_ms(tail_ms)),
            bent: Branch::new(BENT_BLOCKS),
            loudspeaker: Loudspeaker::new(),
            near: [0.0; BINS],
            error: Spectrum::ZERO,
            echo: [0.0; BLOCK],
            doubt: [0.0; BINS],
        }
    }

    /// Predicts the echo of the next block; `error` is what remains of `mic`.
    pub(super) fn predict(&mut self, far: &Block, mic: &Block, error: &mut Block, fourier: &mut Fourier) {
        self.straight.hear(far, fourier);
        self.bent.hear(&self.loudspeaker.process(far), fourier);
        let mut echo = Spectrum::ZERO;
        self.doubt = [0.0; BINS];
        self.straight.predict(&mut echo, &mut self.doubt);
        self.bent.predict(&mut echo, &mut self.doubt);
        let mut frame = [0.0; FRAME];
        fourier.inverse(&echo, &mut frame);
        for n in 0..BLOCK {
            self.echo[n] = frame[BLOCK + n] * (1.0 / FRAME as f32);
            error[n] = mic[n] - self.echo[n];
        }
    }

    /// Learns from the error of the newest block.
    pub(super) fn learn(&mut self, error: &Block, pace: Pace, fourier: &mut Fourier) {
        let mut frame = [0.0; FRAME];
        frame[BLOCK..].copy_from_slice(error);
        fourier.forward(&mut frame, &mut self.error);
        let mut power = [0.0; BINS];
        self.error.power(&mut power);
        let mut step = [0.0; BINS];
        for k in 0..BINS {
            let beside = power[k.saturating_sub(1)] + power[(k + 1).min(BINS - 1)];
            let error = 0.5 * power[k] + 0.25 * beside;
            let now = (error - 0.5 * self.doubt[k]).max(LEAST_NEAR * error);
            self.near[k] += 0.3 * (now - self.near[k]);
            // What the filter does not doubt counts as near end, at once: who starts to speak is not learnt as a
            // room.
            step[k] = 1.0 / (self.doubt[k] + 2.0 * self.near[k].max(now) + LEAST_POWER);
            self.error.re[k] *= step[k];
            self.error.im[k] *= step[k];
        }
        self.straight.learn(&self.error, &step, pace, fourier);
        self.bent.learn(&self.error, &step, pace, fourier);
    }

    /// The echo path may have moved.
    pub(super) fn realign(&mut self) {
        self.straight.doubt_path(2.0);
        self.bent.doubt_path(2.0);
    }

    /// Starts afresh.
    pub(super) fn reset(&mut self) {
        self.silence();
        self.forget();
        self.near = [0.0; BINS];
        self.loudspeaker = Loudspeaker::new();
    }

    /// Forgets the room.
    pub(super) fn forget(&mut self) {
        self.straight.forget();
        self.bent.forget();
    }

    /// The far end has been silent for longer than the tail.
    pub(super) fn silence(&mut self) {
        self.straight.silence();
        self.bent.silence();
        self.echo = [0.0; BLOCK];
    }
}
