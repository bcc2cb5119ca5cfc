//! The program.

pub mod button;
pub mod config;
pub mod log;
pub mod notify;
pub mod panel;
pub mod secret;
pub mod tls;
pub mod wire;
