//! Gemini Live as a state machine: inputs in, actions out, time an argument.
//!
//! ```text
//!            handle_input(now, Input)            poll_action() -> Action
//!  button ─┐                        ┌──────────────┐                      ┌─ wire
//!  card   ─┼───────────────────────▶│ Conversation │─────────────────────▶┼─ card
//!  wire   ─┘   poll_timeout() ◀─────│  Link, Turn  │                      └─ light, captions, tools
//!                                   └──────────────┘
//! ```
//! After every input, drain the actions until there are none; only then wait. This crate has no clock, socket,
//! thread or async in it. Start reading at [`event`] for the words, then `conversation`.

// A test takes one instant to count from.
#![cfg_attr(test, allow(clippy::disallowed_methods))]

mod ask;
mod barge_in;
mod calls;
mod change;
mod consent;
mod conversation;
mod errand;
pub mod event;
mod exchange;
mod finishing;
mod kiosk;
mod light;
mod link;
mod liveness;
mod memory;
mod news;
mod patience;
mod pending;
mod person;
pub mod profile;
mod pulse;
mod recap;
mod redial;
mod replay;
mod rotation;
mod server;
pub mod session;
pub mod settings;
mod spend;
mod stop;
mod trouble;
mod turn;
mod upkeep;
mod utterance;
pub mod verdict;
pub mod wire;

pub use conversation::Conversation;
