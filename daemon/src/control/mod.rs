//! The control socket: JSON lines over a Unix socket.
//!
//! The daemon holds the cards, so other commands talk to it here. A client sends one request per line and is
//! answered with one line, `{"ok":…}` or `{"error":"…"}`:
//! ```text
//! {"op":"status"}                          the state of the daemon, see `status::Status`
//! {"op":"usage"}                           what was used, see `usage::report::UsageReport`
//! {"op":"levels"}                          what the sound path measures, see `levels::Levels`
//! {"op":"button","gesture":"press"}        as if the button went down; "release": up; "line":"up": another line
//! {"op":"act","act":"stop"}                what a gesture would do; none that needs a person at the device
//! {"op":"used","count":{…}}                another program used this, see `usage::count::Count`
//! {"op":"volume","to":"up"}                "down", or 0 to 100; without: only tells it, see `volume::VolumeStatus`
//! {"op":"watch"}                           from then on one line per event, see `Event`
//! ```
//! The event loop never waits for a client: lines, clients and queues are bounded, and a slow watcher is let go.

mod client;
mod connection;
mod event;
mod place;
mod server;

pub use client::{AskError, Asker, Watcher, ask, connect, watch};
pub use event::{Event, monotonic_ns};
pub use server::{BindError, Control, ControlRequest, Op, Reply};

/// Requests a client may make, for "did you mean".
const OPS: [&str; 9] = ["status", "usage", "levels", "reload", "button", "act", "volume", "used", "watch"];

#[cfg(test)]
mod tests;
