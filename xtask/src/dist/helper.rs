//! The package pressel-mcp: MCP servers as tools. Its SDK needs a newer compiler than the daemon.

use std::fs;
use std::path::{Path, PathBuf};

use super::{VERSION, put, sane, seal, stage, target, target_of};
use crate::{mcp, root, sbom, trixie};

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

/// Builds and packs it: for this machine with its own compiler, for the others with Debian's newer one.
pub fn package(architecture: &str) -> Result<PathBuf, String> {
    let triple = target_of(architecture);
    let binary = if architecture == "amd64" {
        mcp::cargo("build", &["--release", "--target", triple])?;
        target().join(triple).join("release/pressel-mcp")
    } else {
        trixie::mcp(triple)?
    };
    let bytes = fs::metadata(&binary).map_err(|e| format!("{}: {e}", binary.display()))?.len();
    println!("{architecture}: pressel-mcp has {:.2} MB", bytes as f64 / 1e6);
    pack(architecture, &binary)
}

/// Makes the package of a program that is built already; where it is.
pub fn pack(architecture: &str, binary: &Path) -> Result<PathBuf, String> {
    let stage = stage(&format!("pressel-mcp_{VERSION}_{architecture}"))?;
    put(binary, &stage.join("usr/bin/pressel-mcp"), 0o755)?;
    for (from, to, mode) in FILES {
        put(&root().join(from), &stage.join(to), *mode)?;
    }
    let bill = sbom::of("pressel-mcp", mcp::MANIFEST, target_of(architecture))?;
    let package = seal(&stage, "pressel-mcp", architecture, binary, &bill)?;
    sane::check(&package, &["man/man1/pressel-mcp.1.gz"])?;
    Ok(package)
}
