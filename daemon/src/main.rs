//! Parses arguments, starts logging, calls the library, chooses the exit code.
fn main() {}
