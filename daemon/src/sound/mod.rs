//! Sound: two threads that own the cards, and the bridge between them and the main loop.
//!
//! ```text
//!  card ─frames→ capture  ─blocks→ ┐          ┌→ chunks, gate, gaps, drained, … (SoundEvent)
//!                                  ├─ bridge ─┤
//!  card ←frames─ playback ←chunks─ ┘          └← listen, play, flush, volume
//! ```
//! The threads neither allocate, lock, log nor await once a card is open. Every queue between them and the main
//! loop has a bound: microphone blocks 5 s (the newest are dropped, and told as a gap), answers
//! `playback.queue_max_s` (the newest are dropped and counted). A missing card is a state, not an end: it is
//! looked for every second. Nothing here knows what a conversation is; turns and listenings are numbers.

mod bridge;
mod capture;
#[cfg(test)]
mod capture_rig;
#[cfg(test)]
mod capture_tests;
mod chunk;
#[cfg(test)]
mod crank;
mod device;
#[cfg(test)]
mod device_tests;
#[cfg(test)]
mod duck_tests;
mod facts;
mod far;
mod feed;
mod fill;
#[cfg(test)]
mod gate_tests;
mod jitter;
mod limit;
mod loudness;
mod outlet;
mod playback;
mod player;
#[cfg(test)]
mod player_rig;
#[cfg(test)]
mod player_tests;
mod rate;
mod reference;
mod settings;
#[cfg(test)]
mod shaping_tests;
mod source;
mod stream;
mod suspicion;
mod track;
mod trouble;

pub use bridge::{Sound, SoundEvent};
pub use device::{DeviceNews, OpenMicrophone, OpenSpeaker, Side};
pub use facts::{CaptureFacts, Facts, Figure, PlaybackFacts};
pub use far::{FarClock, FarReader};
pub use settings::{CaptureSettings, KeepAwake, PlaybackSettings, SoundSettings};
pub use trouble::Trouble;
