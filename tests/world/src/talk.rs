//! Talks: conversations as text, played in virtual time against the conversation alone, and later against the whole
//! daemon, whose [`World`] is another.
//!
//! ```text
//! mode hold                     settings, before the first step
//! button press                  a deed: something happens now
//! mic    speech 300ms           the room is heard for so long; time passes
//! expect flush within 60ms      seen since the last deed began, at most 60 ms after it
//! ```
//! tests/talks/README.md lists every word. [`Talk::parse`] reads a talk, [`play`] plays it and [`play_through`] does so
//! under [`faults`], where only what always holds (`law`) is looked at.

mod actions;
pub mod campaign;
pub mod capture;
mod deeds;
pub mod faults;
mod header;
mod law;
mod line;
mod network;
pub mod order;
mod parse;
pub mod player;
pub mod script;
pub mod simulation;
pub mod sound;
mod uplink;

pub use faults::Faults;
pub use network::message;
pub use player::{Failure, World, play, play_through};
pub use script::Talk;
pub use simulation::Simulation;
