//! The hardware, seen through five small traits: [`Microphone`], [`Speaker`], [`Button`], [`Indicator`], [`Pin`].
//!
//! Each trait says what it promises about blocking and time. Real devices live in `alsa`, `gpio`, `evdev`
//! and `led`; simulated ones, for tests and desktops without a board, in `sim`. The daemon cannot tell them
//! apart. This crate knows nothing of conversations and never starts a thread: who waits is the caller's choice.

use std::time::{Duration, Instant};

#[cfg(feature = "alsa")]
pub mod alsa;
#[cfg(feature = "evdev")]
pub mod evdev;
#[cfg(feature = "gpio")]
pub mod gpio;
pub mod keyboard;
pub mod led;
pub mod pwm;
pub mod realtime;
pub mod sim;
pub mod strip;
pub mod terminal;
pub mod trio;
pub mod wav;

#[cfg(any(feature = "evdev", feature = "gpio"))]
#[cfg_attr(not(feature = "gpio"), allow(dead_code))] // only lines need the level looked at
mod clean;
mod error;
mod monotonic;
mod os;
mod sound;
mod wake;

pub use error::{Error, ErrorKind};
pub use monotonic::monotonic_ns;
pub use sound::{Format, SampleFormat, StreamRequest, Timing};
pub use wake::Wake;

/// Why a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// What was waited for is there.
    Ready,
    /// Somebody called [`Wake::signal`]; the signal is consumed.
    Woken,
    /// Neither happened in time.
    TimedOut,
}

/// What one read of a microphone brought.
#[derive(Clone, Copy, Debug)]
pub struct Captured {
    /// Frames written to the caller's buffer; 0 when nothing is there.
    pub frames: usize,
    /// Index of the first of them since the stream was opened. Jumps forward by what an overrun lost.
    pub position: u64,
    /// When the last of them was captured, from the card's own timestamp and delay.
    pub at: Instant,
    /// Whose word `at` is: `position + frames` with `at` is a point on the card's clock as good as that.
    pub timing: Timing,
    /// An overrun came before the first of them; `position` has jumped.
    pub xrun: bool,
}

/// A source of captured frames.
///
/// Only `wait` blocks. `read` neither blocks, allocates nor locks, so that a real-time thread may call it.
pub trait Microphone: Send {
    /// What was negotiated.
    fn format(&self) -> Format;
    /// Waits until at least `frames` frames can be read, `wake` is signalled or `timeout` is over. Asking for
    /// many frames lets the card sleep longer between wake-ups.
    fn wait(&mut self, frames: usize, wake: &Wake, timeout: Duration) -> Result<Wait, Error>;
    /// Reads whole frames into `out` (interleaved, full scale ±1.0), as many as are there and fit. Recovers
    /// from an overrun by itself and says so in [`Captured::xrun`]. An error means: close and open again.
    fn read(&mut self, out: &mut [f32]) -> Result<Captured, Error>;
}

/// Where a speaker stands.
#[derive(Clone, Copy, Debug)]
pub struct Playhead {
    /// Frames the DAC has played since the stream was opened, silence included. Where the card has a FIFO behind
    /// its ring, those that have left the ring: nothing before can be changed any more.
    pub played: u64,
    /// Index of the frame that the next `write` will set. `written - played` is the sound still queued; it is
    /// never negative: a quiet stream counts the driver's silence as written. After an underrun of the card it is
    /// the frame at which the card stopped: what was queued is gone and may be written again.
    pub written: u64,
    /// When this was, or with a FIFO will be, true of the DAC.
    pub at: Instant,
    /// Whose word `at` is: `played` with `at` is a point on the card's clock as good as that.
    pub timing: Timing,
}

/// A sink of frames whose ring runs all the time: while nothing is written, the driver plays silence.
///
/// Only `wait` blocks. The other calls neither block, allocate nor lock.
pub trait Speaker: Send {
    /// What was negotiated.
    fn format(&self) -> Format;
    /// Whether frames already written can be taken back. Where not, the caller keeps the ring shallow, since
    /// what it has written will be heard.
    fn can_rewind(&self) -> bool;
    /// Waits until `frames` frames can be written, `wake` is signalled or `timeout` is over. With `frames` of
    /// `None` only for `wake` or `timeout`: a quiet stream costs no wake-ups.
    fn wait(&mut self, frames: Option<usize>, wake: &Wake, timeout: Duration) -> Result<Wait, Error>;
    /// Where the stream stands now.
    fn playhead(&mut self) -> Result<Playhead, Error>;
    /// Moves the write position to `lead` frames ahead of what the DAC plays now: back, taking frames that were
    /// written and not yet played with it, or forward over the driver's silence. Where the PCM cannot rewind
    /// the position only ever moves forward. Returns the index of the frame that the next `write` will set.
    fn seek(&mut self, lead: usize) -> Result<u64, Error>;
    /// Writes interleaved samples (full scale ±1.0; converted, clamped), as many whole frames as fit, and
    /// returns how many frames were taken. An underrun is recovered, counted in [`Speaker::xruns`].
    fn write(&mut self, samples: &[f32]) -> Result<usize, Error>;
    /// Underruns since the stream was opened. A quiet stream has none.
    fn xruns(&self) -> u64;
}

/// A change of a button.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// Down (true) or up.
    pub pressed: bool,
    /// When the kernel saw it, or when it was read if the source gives no time.
    pub at: Instant,
}

/// Something with two positions that a person works: a GPIO line, a pedal, a key.
pub trait Button: Send {
    /// Waits for the next edge, for `wake` or until `timeout` is over (`Ok(None)` for both). Bounces are gone
    /// already, a press is always followed by its release.
    fn next(&mut self, wake: &Wake, timeout: Duration) -> Result<Option<Edge>, Error>;
    /// Whether releases are seen at all: a terminal has none, so hold-to-talk cannot be used with it.
    fn has_release(&self) -> bool {
        true
    }
    /// What it is, for log and doctor: `GPIO17 (pinctrl-rp1, line 17)`.
    fn describe(&self) -> String;
}

/// A colour: what share of the brightest each part has, 0.0 to 1.0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rgb {
    /// Red.
    pub r: f32,
    /// Green.
    pub g: f32,
    /// Blue.
    pub b: f32,
}

impl Rgb {
    /// The same colour at this share of its brightness.
    pub fn dimmed(self, by: f32) -> Self {
        Rgb { r: self.r * by, g: self.g * by, b: self.b * by }
    }
}

/// A light that can be on or off; some have a brightness, some colours, some are many.
pub trait Indicator: Send {
    /// Sets the brightness, 0.0 (off) to 1.0; a plain light is on above 0.0. Takes well under a millisecond; a long strip 2.
    fn set(&mut self, brightness: f32) -> Result<(), Error>;
    /// Whether it knows anything between off and on.
    fn dims(&self) -> bool {
        true
    }
    /// How many lights of their own it has.
    fn pixels(&self) -> usize {
        1
    }
    /// Shows a colour on each pixel; a light of one colour is as bright as the brightest part of the first.
    fn show(&mut self, pixels: &[Rgb]) -> Result<(), Error> {
        let Rgb { r, g, b } = pixels.first().copied().unwrap_or_default();
        self.set(r.max(g).max(b))
    }
    /// What it is, for log and doctor.
    fn describe(&self) -> String;
}

/// One line that is switched, or read as it is: a relay, a lamp, the contact of a door. Dropped, a line that is driven goes
/// to its safe state.
pub trait Pin: Send {
    /// Turns it on or off; `Unsupported` for one that is only read. Takes well under a millisecond, on an expander behind
    /// a bus a few.
    fn set(&mut self, on: bool) -> Result<(), Error>;
    /// Whether it is on now.
    fn read(&mut self) -> Result<bool, Error>;
    /// What it is, for log and doctor: `GPIO22 (pinctrl-rp1, line 22)`.
    fn describe(&self) -> String;
}
