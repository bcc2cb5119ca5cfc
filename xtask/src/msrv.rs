//! The oldest supported compiler: the one that Debian trixie ships, in a root of its own.

use std::path::Path;
use std::process::Command;

use crate::{apt, root, sh};

const PACKAGES: &str = "rustc,cargo,gcc,libc6-dev,libasound2-dev,pkg-config,ca-certificates";

/// Compiles everything and runs the unit tests with trixie's rustc. Needs root for the chroot.
pub fn test() -> Result<(), String> {
    if !apt::is_root() {
        return Err("--msrv makes a Debian root to compile in; run it as root".into());
    }
    apt::need(apt::MSRV)?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), Into::into);
    let jail = target.join("msrv-root");
    let jail_name = jail.display().to_string();
    if !jail.join("usr/bin/rustc").exists() {
        let include = format!("--include={PACKAGES}");
        let mirror = mirror();
        sh("mmdebstrap", &["--variant=minbase", &include, "trixie", &jail_name, &mirror])?;
    }
    // Crates come from this machine's own cache, so that the root needs no network settings.
    sh("cargo", &["fetch", "--quiet"])?;
    let cargo_home = std::env::var_os("CARGO_HOME")
        .map_or_else(|| Path::new(&std::env::var_os("HOME").unwrap_or_default()).join(".cargo"), Into::into);
    let script = format!(
        "set -e; mkdir -p {jail}/src {jail}/cargo/registry {jail}/build
         mount --bind {source} {jail}/src; trap 'umount {jail}/src {jail}/cargo/registry {jail}/proc' EXIT
         mount --bind {home}/registry {jail}/cargo/registry; mount -t proc proc {jail}/proc
         chroot {jail} sh -c 'cd /src && rustc --version && export CARGO_HOME=/cargo CARGO_TARGET_DIR=/build \
            CARGO_INCREMENTAL=0 CARGO_NET_OFFLINE=true && cargo test --locked --workspace --lib --bins'",
        jail = jail_name,
        source = root().display(),
        home = cargo_home.display(),
    );
    // A mount namespace of our own: nothing stays mounted, whatever happens.
    let status = Command::new("unshare")
        .args(["--mount", "sh", "-c", &script])
        .status()
        .map_err(|e| format!("unshare: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("tests with the oldest compiler: {status}")) }
}

/// The mirror this machine uses, else Debian's own.
fn mirror() -> String {
    let lists = ["/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list"];
    lists
        .iter()
        .filter_map(|path| std::fs::read_to_string(path).ok())
        .find_map(|text| {
            text.split_whitespace()
                .find(|word| word.starts_with("http") && !word.contains("security"))
                .map(String::from)
        })
        .unwrap_or_else(|| "http://deb.debian.org/debian".into())
}
