//! `pressel-mcp`, a workspace of its own: the SDK in it needs a newer compiler than the rest.

use crate::{dist, sh};

/// Its manifest.
pub const MANIFEST: &str = "mcp/Cargo.toml";

/// Runs cargo for it. It builds where everything else is built, so that what both need is compiled once.
pub fn cargo(command: &str, more: &[&str]) -> Result<(), String> {
    let target = dist::target().display().to_string();
    sh(
        "cargo",
        &[&[command, "--manifest-path", MANIFEST, "--target-dir", &target, "--locked"], more].concat(),
    )
}
