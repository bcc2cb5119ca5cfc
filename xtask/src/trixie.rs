//! What a device runs: Debian trixie's own compiler (the oldest we support), for this machine and crossed to the
//! Pi's two architectures. In a root of its own, so that nothing of this machine's toolchain is touched.

use std::path::{Path, PathBuf};

use crate::debian::{Recipe, Root};
use crate::{dist, root, sh};

const PACKAGES: &str = "rustc,cargo,gcc,libc6-dev,libasound2-dev,pkg-config,ca-certificates,\
    libstd-rust-dev:arm64,libc6-dev:arm64,libasound2-dev:arm64,gcc-aarch64-linux-gnu,\
    libstd-rust-dev:armhf,libc6-dev:armhf,libasound2-dev:armhf,gcc-arm-linux-gnueabihf";

/// Compiles everything and runs the unit tests with rustc 1.85.
pub fn test() -> Result<(), String> {
    inside("cargo test --locked --workspace --lib --bins")
}

/// Builds the release binary for arm64 and armhf, and says its size.
pub fn arm() -> Result<(), String> {
    let mut script = String::from("set -e\n");
    for (target, gcc, lib) in [
        ("aarch64-unknown-linux-gnu", "aarch64-linux-gnu", "aarch64-linux-gnu"),
        ("armv7-unknown-linux-gnueabihf", "arm-linux-gnueabihf", "arm-linux-gnueabihf"),
    ] {
        let upper = target.replace('-', "_").to_uppercase();
        let lower = target.replace('-', "_");
        script += &format!(
            "CARGO_TARGET_{upper}_LINKER={gcc}-gcc CC_{lower}={gcc}-gcc AR_{lower}={gcc}-ar \
             PKG_CONFIG_ALLOW_CROSS=1 PKG_CONFIG_LIBDIR=/usr/lib/{lib}/pkgconfig:/usr/share/pkgconfig \
             cargo build --locked --release -p pressel --target {target}\n\
             ls -l /build/{target}/release/pressel\n",
        );
    }
    inside(&script)
}

/// Compiles the virtual card's plugin for libasound of a target, which the compiler's prefix names, into a folder: `card.so`.
pub fn card(compilers: &Root, prefix: &str, folder: &Path) -> Result<(), String> {
    compilers.run(
        &[(&root().join("tests/card"), "/card"), (folder, "/out")],
        &[],
        &format!("{prefix}-gcc -std=gnu11 -shared -fPIC -DPIC -O2 -o /out/card.so /card/*.c -lasound"),
    )
}

/// Where the root left the program for a target.
pub fn built(target: &str) -> PathBuf {
    dist::target().join("trixie-root/build").join(target).join("release/pressel")
}

/// The root with the compilers.
pub fn need() -> Result<Root, String> {
    Root::need(&Recipe {
        name: "trixie-root",
        architectures: "amd64,arm64,armhf",
        packages: PACKAGES,
        more: &[],
    })
}

/// Runs a script in the root, with the sources at /src and the crates of this machine.
fn inside(script: &str) -> Result<(), String> {
    let jail = need()?;
    // Crates come from this machine's own cache, so that the root needs no network settings.
    sh("cargo", &["fetch", "--quiet"])?;
    let cargo_home = std::env::var_os("CARGO_HOME").map_or_else(
        || Path::new(&std::env::var_os("HOME").unwrap_or_default()).join(".cargo"),
        PathBuf::from,
    );
    jail.run(
        &[(&root(), "/src"), (&cargo_home.join("registry"), "/cargo/registry")],
        &[
            ("CARGO_HOME", "/cargo"),
            ("CARGO_TARGET_DIR", "/build"),
            ("CARGO_INCREMENTAL", "0"),
            ("CARGO_NET_OFFLINE", "true"),
        ],
        &format!("cd /src && rustc --version && {script}"),
    )
}
