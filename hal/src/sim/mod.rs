//! Devices that are not there: for tests, for the demo, for desktops without a board. They keep the promises of the
//! traits about blocking and time, so that what works with them works with real ones.
//!
//! - [`microphone`], [`speaker`]: sound cards in memory, paced by the monotonic clock
//! - [`queue`]: a button worked by another thread; also how presses come in through the daemon's control socket
//! - [`script`]: a button pressed at set times
//! - [`probe`]: a light that remembers what it showed
//! - [`null`]: a button nobody presses, a light nobody sees
//! - `pin`: a line that is a file
//! - [`fault`]: devices that fail when told to

pub mod fault;
pub mod microphone;
pub mod null;
mod pace;
#[cfg(feature = "gpio")]
pub mod pin;
pub mod probe;
pub mod queue;
pub mod script;
pub mod speaker;
