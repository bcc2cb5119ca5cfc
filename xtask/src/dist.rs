//! Debian packages: what is built, put where it belongs, with checksums and a list of what is linked in.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::{apt, manual, root, sbom, sh, trixie};

pub mod helper;
mod sane;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What the daemon's package may weigh on every architecture, and so the program in it.
const BYTES_MAX: u64 = 6_000_000;

/// Debian's name, the compiler's target.
const ARCHITECTURES: &[(&str, &str)] = &[
    ("amd64", "x86_64-unknown-linux-gnu"),
    ("arm64", "aarch64-unknown-linux-gnu"),
    ("armhf", "armv7-unknown-linux-gnueabihf"),
];

/// Files as they are in the source, where they go, and their modes.
const FILES: &[(&str, &str, u32)] = &[
    ("systemd/pressel.service", "usr/lib/systemd/system/pressel.service", 0o644),
    ("systemd/pressel-key.path", "usr/lib/systemd/system/pressel-key.path", 0o644),
    ("systemd/pressel-tool.socket", "usr/lib/systemd/system/pressel-tool.socket", 0o644),
    ("systemd/pressel-tool@.service", "usr/lib/systemd/system/pressel-tool@.service", 0o644),
    ("systemd/pressel-poweroff.path", "usr/lib/systemd/system/pressel-poweroff.path", 0o644),
    ("systemd/pressel-poweroff.service", "usr/lib/systemd/system/pressel-poweroff.service", 0o644),
    ("systemd/pressel-key.service", "usr/lib/systemd/system/pressel-key.service", 0o644),
    ("systemd/pressel.sysusers", "usr/lib/sysusers.d/pressel.conf", 0o644),
    ("systemd/pressel.tmpfiles", "usr/lib/tmpfiles.d/pressel.conf", 0o644),
    ("systemd/60-pressel.rules", "usr/lib/udev/rules.d/60-pressel.rules", 0o644),
    ("systemd/config.toml", "etc/pressel/config.toml", 0o644),
    ("daemon/config.example.toml", "usr/share/doc/pressel/config.example.toml", 0o644),
    ("docs/troubleshooting.md", "usr/share/doc/pressel/troubleshooting.md", 0o644),
    ("docs/tuning.md", "usr/share/doc/pressel/tuning.md", 0o644),
    ("docs/hardware.md", "usr/share/doc/pressel/hardware.md", 0o644),
    ("packaging/copyright", "usr/share/doc/pressel/copyright", 0o644),
    ("packaging/control", "DEBIAN/control", 0o644),
    ("packaging/conffiles", "DEBIAN/conffiles", 0o644),
    ("packaging/postinst", "DEBIAN/postinst", 0o755),
    ("packaging/prerm", "DEBIAN/prerm", 0o755),
    ("packaging/postrm", "DEBIAN/postrm", 0o755),
];

/// Builds the packages of these architectures, of all without any named, into `target/dist`.
pub fn dist(args: &[String]) -> Result<(), String> {
    let (alone, rest) = match args {
        [first, rest @ ..] if first == "mcp" => (true, rest),
        all => (false, all),
    };
    let names: Vec<&str> = match rest {
        [] => ARCHITECTURES.iter().map(|(name, ..)| *name).collect(),
        some => some.iter().map(String::as_str).collect(),
    };
    if let Some(other) = names.iter().find(|name| !ARCHITECTURES.iter().any(|(known, ..)| known == *name)) {
        return Err(format!("no architecture \"{other}\"; there are amd64, arm64 and armhf"));
    }
    if alone {
        return names.iter().try_for_each(|name| helper::package(name).map(drop));
    }
    apt::need(apt::BUILD)?;
    if names.iter().any(|name| *name != "amd64") {
        trixie::arm()?;
    }
    if names.contains(&"amd64") {
        sh("cargo", &["build", "--locked", "--release", "-p", "pressel"])?;
    }
    let (mut made, mut helpers) = (Vec::new(), Vec::new());
    for name in names {
        let binary = match target_of(name) {
            "x86_64-unknown-linux-gnu" => target().join("release/pressel"),
            other => trixie::built(other),
        };
        let bytes = fs::metadata(&binary).map_err(|e| format!("{}: {e}", binary.display()))?.len();
        println!("{name}: the program has {:.2} MB", bytes as f64 / 1e6);
        if bytes > BYTES_MAX {
            return Err(format!("{}: more than {:.0} MB", binary.display(), BYTES_MAX as f64 / 1e6));
        }
        made.push(package(name, &binary)?);
        helpers.push(helper::package(name)?);
    }
    let sums = target().join("dist/SHA256SUMS");
    let list: Vec<&str> = made.iter().chain(&helpers).filter_map(|path| path.file_name()?.to_str()).collect();
    let script =
        format!("cd {} && sha256sum {} > SHA256SUMS", target().join("dist").display(), list.join(" "));
    sh("sh", &["-c", &script])?;
    println!("{}", fs::read_to_string(&sums).map_err(|e| format!("{}: {e}", sums.display()))?.trim_end());
    for (path, bar) in made.iter().map(|path| (path, true)).chain(helpers.iter().map(|path| (path, false))) {
        let bytes = fs::metadata(path).map_err(|e| format!("{}: {e}", path.display()))?.len();
        println!("{}: {:.2} MB", path.display(), bytes as f64 / 1e6);
        if bar && bytes > BYTES_MAX {
            return Err(format!("more than {:.0} MB", BYTES_MAX as f64 / 1e6));
        }
    }
    Ok(())
}

/// Makes one package of a program that is built already; where it is.
pub fn package(architecture: &str, binary: &Path) -> Result<PathBuf, String> {
    let name = format!("pressel_{VERSION}_{architecture}");
    let stage = stage(&name)?;
    put(binary, &stage.join("usr/bin/pressel"), 0o755)?;
    for (from, to, mode) in FILES {
        put(&root().join(from), &stage.join(to), *mode)?;
    }
    let phrases = root().join("daemon/phrases");
    if phrases.is_dir() {
        put_all(&phrases, &stage.join("usr/share/pressel/phrases"))?;
    }
    put_all(&root().join("packaging/examples"), &stage.join("usr/share/doc/pressel/examples"))?;
    manual::write(&stage.join("usr/share"))?;
    let bill = sbom::of("pressel", "Cargo.toml", target_of(architecture))?;
    let package = seal(&stage, "pressel", architecture, binary, &bill)?;
    let completions = manual::SHELLS.map(|(_, place)| place);
    sane::check(
        &package,
        &[&["man/man1/pressel.1.gz", "man/man5/pressel.toml.5.gz"], &completions[..]].concat(),
    )?;
    Ok(package)
}

/// An empty folder for a package's files.
fn stage(name: &str) -> Result<PathBuf, String> {
    let stage = target().join("dist").join(name);
    if stage.exists() {
        fs::remove_dir_all(&stage).map_err(|e| format!("{}: {e}", stage.display()))?;
    }
    Ok(stage)
}

/// Adds what every package has, and makes it; where it is.
fn seal(
    stage: &Path,
    package: &str,
    architecture: &str,
    binary: &Path,
    bill: &str,
) -> Result<PathBuf, String> {
    let wrong = |path: &Path, e: std::io::Error| format!("{}: {e}", path.display());
    let man = stage.join("usr/share/man");
    sh("gzip", &["-9nr", &man.display().to_string()])?;
    // Whatever the umask of whoever makes the package.
    sh("chmod", &["-R", "u=rwX,go=rX", &stage.join("usr/share").display().to_string()])?;
    let docs = stage.join("usr/share/doc").join(package);
    fs::write(docs.join(format!("{package}.cdx.json")), bill).map_err(|e| wrong(&docs, e))?;
    put(&root().join("CHANGELOG.md"), &docs.join("changelog"), 0o644)?;
    sh("gzip", &["-9nf", &docs.join("changelog").display().to_string()])?;
    let control = stage.join("DEBIAN/control");
    let control = fs::read_to_string(&control).map_err(|e| wrong(&control, e))?;
    let program = fs::read(binary).map_err(|e| wrong(binary, e))?;
    let control = control
        .replace("@VERSION@", VERSION)
        .replace("@ARCH@", architecture)
        .replace("@LIBC@", &sane::libc_of(&program)?)
        .replace("@SIZE@", &(bytes_below(stage) / 1024).to_string());
    fs::write(stage.join("DEBIAN/control"), control).map_err(|e| wrong(stage, e))?;
    let sums =
        "find . -type f ! -path './DEBIAN/*' -printf '%P\\0' | sort -z | xargs -0 md5sum > DEBIAN/md5sums";
    sh("sh", &["-c", &format!("cd {} && {sums}", stage.display())])?;
    let package = stage.with_file_name(format!("{package}_{VERSION}_{architecture}.deb"));
    let (from, to) = (stage.display().to_string(), package.display().to_string());
    sh("dpkg-deb", &["--root-owner-group", "-Zxz", "--build", &from, &to])?;
    fs::remove_dir_all(stage).map_err(|e| wrong(stage, e))?;
    Ok(package)
}

/// Where cargo builds.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), Into::into)
}

fn target_of(architecture: &str) -> &'static str {
    let found = ARCHITECTURES.iter().find(|(name, ..)| *name == architecture);
    found.expect("callers name one of the list").1
}

fn put(from: &Path, to: &Path, mode: u32) -> Result<(), String> {
    let wrong = |path: &Path, e: std::io::Error| format!("{}: {e}", path.display());
    let folder = to.parent().expect("a file lies in a folder");
    make(folder)?;
    fs::copy(from, to).map_err(|e| wrong(from, e))?;
    fs::set_permissions(to, fs::Permissions::from_mode(mode)).map_err(|e| wrong(to, e))
}

/// Makes folders that everybody may look into, whatever the umask.
fn make(folder: &Path) -> Result<(), String> {
    let wrong = |e: std::io::Error| format!("{}: {e}", folder.display());
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent() {
        make(parent)?;
    }
    fs::create_dir(folder).map_err(wrong)?;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).map_err(wrong)
}

fn put_all(from: &Path, to: &Path) -> Result<(), String> {
    for entry in fs::read_dir(from).map_err(|e| format!("{}: {e}", from.display()))?.flatten() {
        let (path, there) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            put_all(&path, &there)?;
        } else {
            put(&path, &there, 0o644)?;
        }
    }
    Ok(())
}

fn bytes_below(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(facts) if facts.is_dir() => bytes_below(&entry.path()),
            Ok(facts) => facts.len(),
            Err(_) => 0,
        })
        .sum()
}
