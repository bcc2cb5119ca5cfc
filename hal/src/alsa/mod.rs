//! Microphone and speaker on libasound: real cards, plugins, sound servers, whatever a PCM name leads to.
//!
//! libasound's own resampling is off while a format is agreed on, so that the real rate is seen; conversion to and
//! from `f32` is ours. A stream says what was chosen ([`Format`](crate::Format)). Overruns are recovered and
//! counted; a card that went away is an error, never a loop.

mod again;
mod capture;
mod cards;
mod convert;
mod error;
mod list;
mod mixer;
mod open;
mod params;
mod pcm;
mod playback;
mod wait;

pub use again::Again;
pub use capture::AlsaMicrophone;
pub use cards::{Card, Direction, Holder, card_ids_in, cards, holder, holder_in};
pub use list::{Abilities, PcmDevice, PcmState, devices, pcm_names, probe};
pub use mixer::set_playback_volume;
pub use playback::AlsaSpeaker;
