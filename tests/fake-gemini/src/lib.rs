//! The Live API on loopback: as strict as the service, as fast as wanted, and broken on demand.
//!
//! It speaks plain `serde_json` and has tables of its own for every message, on purpose: a name misspelt in the
//! client's types is then refused here instead of being misspelt on both sides.
//!
//! ```text
//!  server ── accepts ──> link ── bytes ──> frame ── messages ──> session ──> schema, rules, models   (refuse)
//!  options, script         │                                        └─────> talk ─┬─ ear ── vad      (listen)
//!                          │<── outbox <── messages, closes, faults (effects) ────┼─ mouth ── answer (speak)
//!                          └──> events (what happened, when)                      └─ lifetime        (handles, goAway)
//! ```
//!
//! Everything below the link is a machine without clock or socket. Start reading at [`FakeGemini`] to use it, at
//! `session.rs` to change it.

mod answer;
pub mod audio;
mod connection;
mod door;
mod ear;
mod effects;
mod events;
mod faults;
mod frame;
mod google;
mod http;
mod lifetime;
mod link;
mod models;
mod mouth;
mod options;
mod outbox;
mod proto;
mod record;
mod rule;
mod rules;
mod schema;
mod script;
mod server;
mod session;
mod talk;
mod tls;
mod usage;
mod vad;
mod virtual_time;
mod world;

pub use door::Passes;
pub use events::{Event, KeyFrom, Request, Side, What, now_ns};
pub use google::{BEARER, FakeGoogle};
pub use options::Options;
pub use record::Record;
pub use rule::{Fault, Rule, When};
pub use script::{Call, Script, Service, Sound, Stall, Turn};
pub use server::FakeGemini;
pub use tls::Authority;
pub use virtual_time::{Sent, VirtualGemini};
