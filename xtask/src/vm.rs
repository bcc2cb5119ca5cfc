//! A virtual machine with kernel devices of its own: Debian in QEMU, for tests over sound cards, GPIO lines and networks
//! that a container does not have.

use std::path::{Path, PathBuf};

use crate::debian::{Recipe, Root};
use crate::test::Needs;
use crate::{apt, dist, root, sh};

/// What makes the disk.
const PACKAGES: &[&str] = &["e2fsprogs"];
/// The root that becomes the disk.
const ROOT: &str = "vm-root";
/// What runs the machine, with the files it looks for.
const QEMU: &[&str] = &["qemu-system-x86", "seabios"];
/// The first QEMU with a sound card that can record and be pulled out (virtio-sound).
const QEMU_FROM: (u32, u32) = (8, 2);
/// What a device has that runs the daemon, and what the tests ask for.
const INSIDE: &str = "systemd,systemd-sysv,udev,libasound2t64,kmod,iproute2,procps,busybox-static,\
    xz-utils,zstd,qemu-guest-agent";
/// What is done inside the root while it is made.
const RECIPE: &str = include_str!("vm/root.sh");
/// The disk: most of it stays empty, and what is empty takes no room.
const SIZE: &str = "1500M";

/// What runs inside, compiled as for the demo: an emulated processor is slow enough. Both packages at once, so that they
/// share what they depend on.
const BUILD: &str =
    "build --quiet --profile quick -p pressel -p tests --bin pressel --bin pressel-demo --test it";

/// Makes the machine, and the programs that run in it.
pub fn test() -> Result<Needs, String> {
    let folder = need()?;
    let programs = folder.join("programs");
    std::fs::create_dir_all(&programs).map_err(|e| format!("{}: {e}", programs.display()))?;
    let build: Vec<&str> = BUILD.split(' ').collect();
    sh("cargo", &build)?;
    let quick = dist::target().join("quick");
    let built = [quick.join("pressel"), quick.join("pressel-demo"), it(&build)?];
    for (program, name) in built.iter().zip(["pressel", "pressel-demo", "it"]) {
        std::fs::copy(program, programs.join(name)).map_err(|e| format!("{}: {e}", program.display()))?;
    }
    Ok(vec![("PRESSEL_VM", folder)])
}

/// Where cargo has put the test program, which has a number in its name.
fn it(build: &[&str]) -> Result<PathBuf, String> {
    let output = std::process::Command::new("cargo")
        .args(build)
        .arg("--message-format=json")
        .current_dir(root())
        .output()
        .map_err(|e| format!("cargo: {e}"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let paths = said.lines().filter_map(|line| line.split("\"executable\":\"").nth(1)?.split('"').next());
    let found = paths
        .map(PathBuf::from)
        .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("it-")));
    found.ok_or_else(|| "cargo does not say where the test program is".into())
}

/// Makes the machine's disk and kernel, once, and says in which folder they are.
fn need() -> Result<PathBuf, String> {
    apt::need(PACKAGES)?;
    need_qemu()?;
    // Inside a quoted word of the shell.
    let hook = format!("--customize-hook=chroot \"$1\" sh -c '{}'", RECIPE.replace('\'', r"'\''"));
    let recipe = Recipe { name: ROOT, architectures: "amd64", packages: INSIDE, more: &[&hook] };
    let root = Root::need(&recipe)?;
    let folder = dist::target().join("vm");
    let disk = folder.join("disk.ext4");
    let age = |path: &Path| std::fs::metadata(path).and_then(|m| m.modified()).ok();
    // What marks a root as whole is written when it is.
    if age(&disk).is_some_and(|made| Some(made) > age(&dist::target().join(format!("{ROOT}.made")))) {
        return Ok(folder);
    }
    std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    for file in ["vmlinuz", "initrd.cpio"] {
        let from = root.path().join("vm").join(file);
        std::fs::copy(&from, folder.join(file)).map_err(|e| format!("{}: {e}", from.display()))?;
    }
    let [root, half] = [root.path().display().to_string(), folder.join("half").display().to_string()];
    let _ = std::fs::remove_file(&half);
    // mke2fs lives where only root's PATH leads.
    let make =
        "PATH=$PATH:/usr/sbin:/sbin exec mke2fs -q -t ext4 -E lazy_itable_init=1 -d \"$0\" \"$1\" \"$2\"";
    sh("sh", &["-c", make, &root, &half, SIZE])?;
    std::fs::rename(&half, &disk).map_err(|e| format!("{}: {e}", disk.display()))?;
    Ok(folder)
}

/// QEMU, from Debian's backports where the release's own is too old.
fn need_qemu() -> Result<(), String> {
    if version().is_some_and(|version| version >= QEMU_FROM) {
        return Ok(());
    }
    if let Some(list) = backports() {
        eprintln!("adding Debian 12's backports, /etc/apt/sources.list.d/pressel-backports.list: {list}");
        std::fs::write("/etc/apt/sources.list.d/pressel-backports.list", format!("{list}\n"))
            .map_err(|e| format!("/etc/apt/sources.list.d: {e}"))?;
        let install =
            "apt-get -q update && apt-get -q install -y --no-install-recommends -t bookworm-backports";
        sh("sh", &["-c", &format!("{install} {}", QEMU.join(" "))])?;
    } else {
        apt::need(QEMU)?;
    }
    match version() {
        Some(version) if version >= QEMU_FROM => Ok(()),
        Some((major, minor)) => Err(format!("qemu-system-x86_64 is {major}.{minor}, 8.2 or later is needed")),
        None => Err("qemu-system-x86_64 does not run".into()),
    }
}

/// What has to be added to this machine's sources: only Debian 12 needs it.
fn backports() -> Option<String> {
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let old = release.lines().any(|line| line == "VERSION_CODENAME=bookworm");
    old.then(|| format!("deb {} bookworm-backports main", apt::mirror()))
}

/// `QEMU emulator version 10.0.2 (Debian …)`
fn version() -> Option<(u32, u32)> {
    let output = std::process::Command::new("qemu-system-x86_64").arg("--version").output().ok()?;
    parse(&String::from_utf8_lossy(&output.stdout))
}

fn parse(said: &str) -> Option<(u32, u32)> {
    let mut numbers = said.split("version ").nth(1)?.split(['.', ' ', '(']);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn qemu_says_its_version() {
        assert_eq!(parse("QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)\nCopyright"), Some((7, 2)));
        assert!(parse("QEMU emulator version 10.0.2 (Debian)").unwrap() >= QEMU_FROM);
        assert_eq!(parse(""), None);
    }
}
