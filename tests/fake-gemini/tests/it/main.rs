//! The server, asked by a client that shares nothing with it but the protocol.

mod answers;
mod client;
mod faults;
mod oddities;
mod program;
mod resume;
mod setup;
mod talk;
mod tls;
mod tools;
mod wire;
