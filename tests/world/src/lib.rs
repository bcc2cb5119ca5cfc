//! The simulated surroundings of the daemon.
