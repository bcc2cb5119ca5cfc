//! A disk image with Debian and the daemon on it: for a card that is put into a Pi, or for QEMU.

use std::fs;
use std::path::{Path, PathBuf};

use crate::debian::{Recipe, Root};
use crate::test::Needs;
use crate::{apt, dist, emulate, root, sh, tools, trixie};

/// What every board has. The kernel is the board's.
const PACKAGES: &str = "systemd,systemd-sysv,systemd-resolved,systemd-timesyncd,libnss-resolve,udev,dbus,kmod,fdisk,e2fsprogs,\
    iproute2,iw,wpasupplicant,wireless-regdb,openssh-server,libasound2t64,alsa-utils";
/// A device reads no manual but its own, and drives no graphics, cameras or switches of a data centre.
const LEFT_OUT: &[&str] = &[
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-include=/usr/share/doc/*/copyright",
    "--dpkgopt=path-include=/usr/share/doc/pressel/*",
    "--dpkgopt=path-include=/usr/share/man/man*/pressel*",
    "--dpkgopt=path-exclude=/usr/lib/modules/*/kernel/drivers/gpu/*",
    "--dpkgopt=path-exclude=/usr/lib/modules/*/kernel/drivers/media/*",
    "--dpkgopt=path-exclude=/usr/lib/modules/*/kernel/drivers/infiniband/*",
    // No board starts from the initrd that the kernel's package would have made, in minutes of emulation.
    "--dpkgopt=path-exclude=/etc/kernel/postinst.d/initramfs-tools",
];

/// Where Raspberry Pi's kernels and firmware come from, and who signs for them.
const PI_ARCHIVE: &str = "http://archive.raspberrypi.com/debian";
const PI_KEY: &str = "https://archive.raspberrypi.com/debian/raspberrypi.gpg.key";
const PI_FINGERPRINT: &str = "CF8A1AF502A2AA2D763BAE7E82B129927FA3303E";

/// What the image is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Board {
    /// A Pi 3, 4, 5 or Zero 2 W: Raspberry Pi's kernels, firmware and overlays.
    Pi,
    /// QEMU's `-M virt`: Debian's kernel.
    Virt,
}

impl Board {
    fn name(self) -> &'static str {
        match self {
            Board::Pi => "pi",
            Board::Virt => "virt",
        }
    }

    fn packages(self) -> &'static str {
        match self {
            Board::Pi => "linux-image-rpi-v8,linux-image-rpi-2712,raspi-firmware,firmware-brcm80211",
            // The initrd that reaches QEMU's disk is made of busybox.
            Board::Virt => "linux-image-arm64,busybox-static",
        }
    }
}

/// `cargo xtask image [pi|virt]`.
pub fn image(args: &[String]) -> Result<(), String> {
    let board = match args.first().map(String::as_str) {
        None | Some("pi") => Board::Pi,
        Some("virt") => Board::Virt,
        Some(other) => return Err(format!("no board \"{other}\"; there are pi and virt")),
    };
    let disk = make(board)?.join("disk.img");
    let bytes = fs::metadata(&disk).map_err(|e| format!("{}: {e}", disk.display()))?.len();
    println!("{}: {:.0} MB", disk.display(), bytes as f64 / 1e6);
    Ok(())
}

/// Makes the image for QEMU and what starts it, into one folder.
pub fn test() -> Result<Needs, String> {
    let folder = make(Board::Virt)?;
    let tools = tools::need()?;
    for program in ["qemu-system-aarch64", "mcopy", "mdir"] {
        tools::hand_out(&tools, program, &folder)?;
    }
    Ok(vec![("PRESSEL_IMAGE", folder)])
}

fn make(board: Board) -> Result<PathBuf, String> {
    let tools = tools::need()?;
    let emulator = emulate::arm64(&tools)?;
    let name = format!("image-root-{}", board.name());
    let packages = format!("{PACKAGES},{}", board.packages());
    let mut more = LEFT_OUT.to_vec();
    let source = match board {
        Board::Pi => format!("--setup-hook={}", pi_source()?),
        Board::Virt => String::new(),
    };
    if board == Board::Pi {
        more.push(&source);
    }
    let base = Root::need(&Recipe { name: &name, architectures: "arm64", packages: &packages, more: &more })?;
    trixie::arm()?;
    let package = dist::package("arm64", &trixie::built("aarch64-unknown-linux-gnu"))?;

    let folder = dist::target().join("image").join(board.name());
    let wrong = |path: &Path, e: std::io::Error| format!("{}: {e}", path.display());
    fs::create_dir_all(&folder).map_err(|e| wrong(&folder, e))?;
    fs::copy(&package, folder.join("pressel.deb")).map_err(|e| wrong(&package, e))?;
    tools.run(
        &[(base.path(), "/base"), (&root().join("image"), "/recipe"), (&folder, "/out")],
        &[],
        &format!("sh /recipe/build.sh {}", board.name()),
    )?;
    drop(emulator);
    Ok(folder)
}

/// A script for mmdebstrap that adds Raspberry Pi's archive, whose key is fetched once and compared with what is known of it.
fn pi_source() -> Result<String, String> {
    apt::need(&["curl", "gpg", "ca-certificates"])?;
    let key = dist::target().join("raspberrypi.asc");
    let file = key.display();
    let fetch = format!(
        "set -e; [ -s {file} ] || curl --fail --silent --show-error --output {file} {PI_KEY}\n\
         gpg --show-keys --with-colons {file} | grep -q '^fpr:*{PI_FINGERPRINT}:' || \
         {{ rm {file}; echo 'the key of {PI_ARCHIVE} is not the one that is known' >&2; exit 1; }}"
    );
    sh("sh", &["-c", &fetch])?;
    Ok(format!(
        "install -D -m 644 {file} \"$1/usr/share/keyrings/raspberrypi.asc\"; \
         echo 'deb [signed-by=/usr/share/keyrings/raspberrypi.asc] {PI_ARCHIVE} {} main' \
         > \"$1/etc/apt/sources.list.d/raspberrypi.list\"",
        crate::debian::SUITE
    ))
}
