//! A small Debian with systemd as its first process, in a container, for tests of the service as it is installed.

use std::path::PathBuf;

use crate::{apt, dist, sh};

/// What the container itself needs, beside what makes its root.
const PACKAGES: &[&str] = &["systemd-container", "mmdebstrap"];
/// What a device has that runs the daemon.
const INSIDE: &str = "--include=systemd,systemd-sysv,udev,libasound2t64";

/// Whether the command line asks for it.
pub fn wanted(args: &[String]) -> bool {
    args.iter().take_while(|a| *a != "--").any(|a| a == "--nspawn")
}

/// Makes the root of the machine, once, and says where it is.
pub fn need() -> Result<PathBuf, String> {
    if !apt::is_root() {
        return Err("this boots a machine in a container: run it as root".into());
    }
    apt::need(PACKAGES)?;
    let target = dist::target();
    let machine: PathBuf = target.join("nspawn-root");
    if !machine.join("usr/lib/systemd/systemd").exists() {
        std::fs::create_dir_all(&target).map_err(|e| format!("{}: {e}", target.display()))?;
        let name = machine.display().to_string();
        sh("mmdebstrap", &["--quiet", "--variant=minbase", INSIDE, "trixie", &name, &apt::mirror()])?;
    }
    Ok(machine)
}
