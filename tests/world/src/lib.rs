//! The simulated surroundings of the daemon.

pub mod card;
pub mod table;
pub mod talk;
pub mod wav;
