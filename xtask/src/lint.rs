//! What must be true of the tree before anybody looks at it.

use std::process::{Command, Stdio};

use crate::sh;

/// Format, clippy, documentation, unit files. A tool that is not installed is said and passed over.
pub fn lint() -> Result<(), String> {
    if has("cargo", &["fmt", "--version"]) {
        sh("cargo", &["fmt", "--all", "--check"])?;
    }
    if has("cargo", &["clippy", "--version"]) {
        sh("cargo", &["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"])?;
    }
    if has("systemd-analyze", &["--version"]) {
        sh("sh", &["systemd/verify.sh"])?;
    }
    Ok(())
}

/// Licences, bans and sources; the advisory database needs the network and is left to the release.
pub fn deny() -> Result<(), String> {
    if !has("cargo", &["deny", "--version"]) {
        return Err("cargo-deny is missing: cargo install cargo-deny --locked".into());
    }
    sh("cargo", &["deny", "--offline", "check", "bans", "licenses", "sources"])
}

fn has(program: &str, args: &[&str]) -> bool {
    let found = Command::new(program)
        .args(args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|s| s.success());
    if !found {
        eprintln!("passed over, not installed: {program} {}", args[0]);
    }
    found
}
