//! Shared by the demo, the integration tests and the benchmarks.

pub mod measure;
pub mod stage;
pub mod timeline;
