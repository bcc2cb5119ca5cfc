//! What a device runs: Debian trixie's own compiler (the oldest we support), for this machine and crossed to the
//! Pi's two architectures. In a root of its own, so that nothing of this machine's toolchain is touched.

use std::path::{Path, PathBuf};

use crate::debian::{Recipe, Root};
use crate::{dist, root, sh};

/// Its own compiler, with what it needs to build for the others.
const OLDEST: Recipe<'static> = Recipe {
    name: "trixie-root",
    architectures: "amd64,arm64,armhf",
    packages: "rustc,cargo,gcc,libc6-dev,libasound2-dev,pkg-config,ca-certificates,\
        libstd-rust-dev:arm64,libc6-dev:arm64,libasound2-dev:arm64,gcc-aarch64-linux-gnu,\
        libstd-rust-dev:armhf,libc6-dev:armhf,libasound2-dev:armhf,gcc-arm-linux-gnueabihf",
    more: &[],
};

/// The newer one that Debian keeps for its browsers, for the SDK of MCP.
const NEWER: Recipe<'static> = Recipe {
    name: "trixie-web-root",
    architectures: "amd64,arm64,armhf",
    packages: "rustc-web,cargo-web,gcc,libc6-dev,ca-certificates,\
        libstd-rust-web-dev:arm64,libc6-dev:arm64,gcc-aarch64-linux-gnu,\
        libstd-rust-web-dev:armhf,libc6-dev:armhf,gcc-arm-linux-gnueabihf",
    more: &[],
};

/// Compiles everything and runs the unit tests with rustc 1.85.
pub fn test() -> Result<(), String> {
    inside(&OLDEST, "cargo test --locked --workspace --lib --bins")
}

/// Builds the release binary for arm64 and armhf, and says its size.
pub fn arm() -> Result<(), String> {
    let mut script = String::from("set -e\n");
    for target in ["aarch64-unknown-linux-gnu", "armv7-unknown-linux-gnueabihf"] {
        script += &cross(target, "-p pressel");
        script += &format!("ls -l /build/{target}/release/pressel\n");
    }
    inside(&OLDEST, &script)
}

/// Builds pressel-mcp for one of the two; where it is.
pub fn mcp(target: &str) -> Result<PathBuf, String> {
    sh("cargo", &["fetch", "--quiet", "--locked", "--manifest-path", crate::mcp::MANIFEST])?;
    inside(&NEWER, &cross(target, &format!("--manifest-path {}", crate::mcp::MANIFEST)))?;
    Ok(dist::target().join(NEWER.name).join("build").join(target).join("release/pressel-mcp"))
}

/// A line that builds for a target.
fn cross(target: &str, what: &str) -> String {
    let lib = target.replace("-unknown", "").replace("armv7", "arm");
    let (upper, lower) = (target.replace('-', "_").to_uppercase(), target.replace('-', "_"));
    format!(
        "CARGO_TARGET_{upper}_LINKER={lib}-gcc CC_{lower}={lib}-gcc AR_{lower}={lib}-ar \
         PKG_CONFIG_ALLOW_CROSS=1 PKG_CONFIG_LIBDIR=/usr/lib/{lib}/pkgconfig:/usr/share/pkgconfig \
         cargo build --locked --release {what} --target {target}\n"
    )
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
    dist::target().join(OLDEST.name).join("build").join(target).join("release/pressel")
}

/// The root with the compilers.
pub fn need() -> Result<Root, String> {
    Root::need(&OLDEST)
}

/// Runs a script in a root, with the sources at /src and the crates of this machine.
fn inside(recipe: &Recipe, script: &str) -> Result<(), String> {
    let jail = Root::need(recipe)?;
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
