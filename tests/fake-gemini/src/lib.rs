//! The Live API on loopback.
