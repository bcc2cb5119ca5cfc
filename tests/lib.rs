//! Shared by the demo, the integration tests and the benchmarks.

pub mod timeline;
