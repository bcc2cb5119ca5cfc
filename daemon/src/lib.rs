//! The program.

pub mod button;
pub mod config;
pub mod control;
pub mod log;
pub mod notify;
pub mod panel;
pub mod secret;
pub mod stats;
pub mod status;
pub mod sound;
pub mod tls;
pub mod wire;
