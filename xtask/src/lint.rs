//! What must be true of the tree before anybody looks at it.

use std::process::{Command, Stdio};

use crate::{apt, mcp, sh};

/// Format, clippy, documentation, unit files. A part of the toolchain that is not installed is said and passed over.
pub fn lint() -> Result<(), String> {
    if has("cargo", &["fmt", "--version"]) {
        sh("cargo", &["fmt", "--all", "--check"])?;
        sh("cargo", &["fmt", "--manifest-path", mcp::MANIFEST, "--check"])?;
    }
    if has("cargo", &["clippy", "--version"]) {
        sh("cargo", &["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"])?;
        // What is off by default rots unless somebody builds it; the crate behind it needs `if let … && …`.
        if rustc_minor().is_some_and(|minor| minor >= 88) {
            let aec3 =
                ["clippy", "-p", "pressel", "-p", "pressel-rooms", "--features", "aec3", "--all-targets"];
            sh("cargo", &[&aec3[..], &["--quiet", "--", "-D", "warnings"]].concat())?;
            mcp::cargo("clippy", &["--all-targets", "--quiet", "--", "-D", "warnings"])?;
        }
    }
    if !runs("systemd-analyze", &["--version"]) {
        apt::need(apt::UNITS)?;
    }
    sh("sh", &["systemd/verify.sh"])
}

/// Licences, bans and sources; the advisory database needs the network and is left to the release.
pub fn deny() -> Result<(), String> {
    if !has("cargo", &["deny", "--version"]) {
        return Err("cargo-deny is missing: cargo install cargo-deny --locked".into());
    }
    let checks = ["check", "bans", "licenses", "sources"];
    sh("cargo", &[&["deny", "--offline"], &checks[..]].concat())?;
    // The same deny.toml: it is looked for where cargo-deny runs.
    sh("cargo", &[&["deny", "--offline", "--manifest-path", mcp::MANIFEST], &checks[..]].concat())
}

/// 95 of rustc 1.95.0.
fn rustc_minor() -> Option<u32> {
    let output = Command::new("rustc").arg("--version").output().ok()?;
    String::from_utf8(output.stdout).ok()?.split('.').nth(1)?.parse().ok()
}

fn has(program: &str, args: &[&str]) -> bool {
    let found = runs(program, args);
    if !found {
        eprintln!("passed over, not installed: {program} {}", args[0]);
    }
    found
}

fn runs(program: &str, args: &[&str]) -> bool {
    let status = Command::new(program).args(args).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}
