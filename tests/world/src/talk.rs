//! Talks: conversations as text, played in virtual time against the conversation alone, and later against the whole
//! daemon, whose [`World`] is another.
//!
//! ```text
//! mode hold                     settings, before the first step
//! button press                  a deed: something happens now
//! mic    speech 300ms           the room is heard for so long; time passes
//! expect flush within 60ms      seen since the last deed began, at most 60 ms after it
//! ```
//! tests/talks/README.md lists every word. [`script::Talk::parse`] reads a talk, [`player::play`] plays it, [`law`] holds
//! in every talk without being asked for, also under [`faults`].

mod capture;
pub mod faults;
pub mod law;
mod line;
mod network;
mod parse;
pub mod player;
pub mod script;
pub mod simulation;
mod sound;

pub use player::{Failure, World, play};
pub use script::Talk;
pub use simulation::Simulation;
