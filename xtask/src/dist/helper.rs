//! The package pressel-mcp: MCP servers as tools. Its SDK needs a newer compiler than Debian's.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{VERSION, put, sane, seal, stage, target, target_of};
use crate::{mcp, root, sbom};

/// Files as they are in the source, where they go, and their modes.
const FILES: &[(&str, &str, u32)] = &[
    ("systemd/pressel-mcp.socket", "usr/lib/systemd/system/pressel-mcp.socket", 0o644),
    ("systemd/pressel-mcp.service", "usr/lib/systemd/system/pressel-mcp.service", 0o644),
    ("systemd/pressel-mcp.sysusers", "usr/lib/sysusers.d/pressel-mcp.conf", 0o644),
    ("packaging/copyright", "usr/share/doc/pressel-mcp/copyright", 0o644),
    ("packaging/mcp/pressel-mcp.1", "usr/share/man/man1/pressel-mcp.1", 0o644),
    ("packaging/mcp/control", "DEBIAN/control", 0o644),
    ("packaging/mcp/postinst", "DEBIAN/postinst", 0o755),
    ("packaging/mcp/prerm", "DEBIAN/prerm", 0o755),
    ("packaging/mcp/postrm", "DEBIAN/postrm", 0o755),
];

/// Builds and packs it with this machine's own compiler; none where that cannot build for the architecture, which is said.
pub fn package(architecture: &str) -> Result<Option<PathBuf>, String> {
    let triple = target_of(architecture);
    let gcc = match architecture {
        "amd64" => "gcc",
        "arm64" => "aarch64-linux-gnu-gcc",
        _ => "arm-linux-gnueabihf-gcc",
    };
    if !has_library(triple) || Command::new(gcc).arg("--version").output().is_err() {
        println!(
            "pressel-mcp is not made for {architecture}: it needs {gcc} and: rustup target add {triple}"
        );
        return Ok(None);
    }
    // SAFETY: no other thread runs in this program.
    unsafe {
        let upper = triple.replace('-', "_").to_uppercase();
        std::env::set_var(format!("CARGO_TARGET_{upper}_LINKER"), gcc);
        std::env::set_var(format!("CC_{}", triple.replace('-', "_")), gcc);
    }
    mcp::cargo("build", &["--release", "--target", triple])?;
    let binary = target().join(triple).join("release/pressel-mcp");
    let bytes = fs::metadata(&binary).map_err(|e| format!("{}: {e}", binary.display()))?.len();
    println!("{architecture}: pressel-mcp has {:.2} MB", bytes as f64 / 1e6);
    let package = pack(architecture, &binary)?;
    sane::check(&package, &["man1/pressel-mcp.1.gz"])?;
    Ok(Some(package))
}

/// Makes the package of a program that is built already; where it is.
pub fn pack(architecture: &str, binary: &Path) -> Result<PathBuf, String> {
    let stage = stage(&format!("pressel-mcp_{VERSION}_{architecture}"))?;
    put(binary, &stage.join("usr/bin/pressel-mcp"), 0o755)?;
    for (from, to, mode) in FILES {
        put(&root().join(from), &stage.join(to), *mode)?;
    }
    let bill = sbom::of("pressel-mcp", mcp::MANIFEST, target_of(architecture))?;
    seal(&stage, "pressel-mcp", architecture, binary, &bill)
}

/// Whether the compiler has its standard library for a target.
fn has_library(triple: &str) -> bool {
    let output = Command::new("rustc").args(["--print", "target-libdir", "--target", triple]).output();
    output.is_ok_and(|output| Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir())
}
