//! The program.

pub mod panel;
pub mod tls;
pub mod wire;
