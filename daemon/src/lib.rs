//! The program.

pub mod button;
pub mod panel;
pub mod tls;
pub mod wire;
