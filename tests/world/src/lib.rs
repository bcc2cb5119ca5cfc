//! The simulated surroundings of the daemon.

pub mod card;
pub mod wav;
