//! Takes the loudspeaker out of the microphone, so that a person can talk over an answer.
//!
//! An engine gets what the speaker plays (far) and what the microphone hears (mic), both in the same 10 ms, and
//! returns the near end. The reference must be steered before it comes here: an engine follows a room, not a clock
//! that drifts.

// Loops over bins go through several rows at once; an index says that more plainly than a chain of zips.
#![allow(clippy::needless_range_loop)]

#[cfg(feature = "aec3")]
mod aec3;
mod filter;
mod fitting;
mod heard;
mod kalman;
mod lane;
mod loudspeaker;
mod off;
mod path;
mod presence;
mod rival;
mod shaper;
mod shift;
mod spectrum;
mod suppressor;

#[cfg(feature = "aec3")]
pub use aec3::Aec3;
pub use kalman::Kalman;
pub use off::Off;

use crate::{Block, SILENCE_DBFS};

/// What every engine does.
pub trait EchoCanceller {
    /// Removes from `mic` what comes from `far`; `out` is never louder than `mic`.
    fn process(&mut self, far: &Block, mic: &Block, out: &mut Block) -> EchoReading;

    /// Takes a block of which nothing can be learnt: `mic` is no sound of a microphone, or `far` none that was played.
    /// It passes, and what is known of the room stays.
    fn skip(&mut self, far: &Block, mic: &Block, out: &mut Block) -> EchoReading {
        self.process(far, mic, out)
    }

    /// What the engine adds between a sound in `mic` and its place in `out`, in ms.
    fn delay_ms(&self) -> f32;

    /// The echo path has moved, or may have: a jump of the delay, an xrun, another card. What was learnt is a first
    /// guess from now on.
    fn realign(&mut self) {}

    /// The reference was moved to where the echo is, as asked: `past` fills in block n of its past, 0 the newest.
    fn rehear(&mut self, _past: &mut dyn FnMut(usize, &mut Block)) {}

    /// Whether the reference keeps step with the microphone (drift known and corrected). Until then an engine expects
    /// the echo path to slide.
    fn steady(&mut self, _steady: bool) {}

    /// Forgets the room.
    fn reset(&mut self);
}

/// What a canceller says of one block.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EchoReading {
    /// The far end sounds, or its tail may still be heard.
    pub active: bool,
    /// Echo removed, in dB, smoothed over the blocks in which only the far end spoke; 0 until there were some.
    pub erle_db: f32,
    /// Estimated echo in the microphone, in dBFS.
    pub echo_dbfs: f32,
    /// Estimated echo left in the output, in dBFS.
    pub residual_dbfs: f32,
    /// How much of the output is a near speaker and not what is left of the echo, 0 to 1; 1 while the far end rests.
    pub near_end: f32,
    /// How much of the predicted echo is really in the microphone, 0 to 1: near 1 while the echo path is known, whoever
    /// speaks over it; 0 until anything is predicted.
    pub explained: f32,
    /// The echo path has just changed and is being learnt again: what is left of the echo may sound like a person.
    pub unsettled: bool,
    /// The echo comes by so many samples later than before (earlier if below 0), and is the same otherwise: the
    /// reference should be moved by so much; 0 nearly always.
    pub later: i32,
}

impl EchoReading {
    /// No far end: everything in the microphone is near.
    pub(crate) const REST: Self = Self {
        active: false,
        erle_db: 0.0,
        echo_dbfs: SILENCE_DBFS,
        residual_dbfs: SILENCE_DBFS,
        near_end: 1.0,
        explained: 0.0,
        unsettled: false,
        later: 0,
    };
}

/// Which engine cancels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EchoEngine {
    /// Partitioned-block frequency-domain Kalman filter and residual suppressor.
    #[default]
    Kalman,
    /// WebRTC's canceller, to compare with.
    #[cfg(feature = "aec3")]
    Aec3,
    /// None: for arrays that cancel in hardware, and for headsets.
    Off,
}

/// How echo is cancelled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EchoSettings {
    /// Which engine.
    pub engine: EchoEngine,
    /// Longest echo that is cancelled, in ms, 100 to 500: delay that is left after steering, and reverberation.
    pub tail_ms: u32,
    /// Find the delay and the drift of the clocks by the sound, and bring the far end to where the echo is.
    pub steer: bool,
    /// Suppress what the linear filter leaves.
    pub suppress: bool,
    /// What that may add, in ms: 0, as a minimum-phase filter, or 10, by overlap-add. The latter keeps a little more of
    /// who speaks over the echo.
    pub suppress_delay_ms: u32,
}

impl Default for EchoSettings {
    fn default() -> Self {
        Self { engine: EchoEngine::Kalman, tail_ms: 250, steer: true, suppress: true, suppress_delay_ms: 0 }
    }
}

impl EchoSettings {
    /// No canceller.
    pub const OFF: Self =
        Self { engine: EchoEngine::Off, tail_ms: 250, steer: false, suppress: false, suppress_delay_ms: 0 };
}

/// The engine that was chosen.
#[derive(Clone, Debug)]
pub(crate) enum Engine {
    Kalman(Box<Kalman>),
    #[cfg(feature = "aec3")]
    Aec3(Box<Aec3>),
    Off(Off),
}

impl Engine {
    pub(crate) fn new(settings: EchoSettings) -> Self {
        match settings.engine {
            EchoEngine::Kalman => Self::Kalman(Box::new(Kalman::new(settings))),
            #[cfg(feature = "aec3")]
            EchoEngine::Aec3 => Self::Aec3(Box::new(Aec3::new(settings))),
            EchoEngine::Off => Self::Off(Off),
        }
    }

    fn engine(&self) -> &dyn EchoCanceller {
        match self {
            Self::Kalman(kalman) => kalman.as_ref(),
            #[cfg(feature = "aec3")]
            Self::Aec3(aec3) => aec3.as_ref(),
            Self::Off(off) => off,
        }
    }

    fn engine_mut(&mut self) -> &mut dyn EchoCanceller {
        match self {
            Self::Kalman(kalman) => kalman.as_mut(),
            #[cfg(feature = "aec3")]
            Self::Aec3(aec3) => aec3.as_mut(),
            Self::Off(off) => off,
        }
    }
}

impl EchoCanceller for Engine {
    fn process(&mut self, far: &Block, mic: &Block, out: &mut Block) -> EchoReading {
        self.engine_mut().process(far, mic, out)
    }

    fn skip(&mut self, far: &Block, mic: &Block, out: &mut Block) -> EchoReading {
        self.engine_mut().skip(far, mic, out)
    }

    fn delay_ms(&self) -> f32 {
        self.engine().delay_ms()
    }

    fn realign(&mut self) {
        self.engine_mut().realign();
    }

    fn rehear(&mut self, past: &mut dyn FnMut(usize, &mut Block)) {
        self.engine_mut().rehear(past);
    }

    fn steady(&mut self, steady: bool) {
        self.engine_mut().steady(steady);
    }

    fn reset(&mut self) {
        self.engine_mut().reset();
    }
}

#[cfg(test)]
mod tests;
