//! The program.

pub mod button;
pub mod config;
pub mod panel;
pub mod tls;
pub mod wire;
