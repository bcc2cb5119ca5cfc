//! A small Debian with systemd as its first process, in a container, for tests of the service as it is installed.

use std::path::PathBuf;

use crate::apt;
use crate::debian::{Recipe, Root};

/// What the container itself needs, beside what makes its root.
const PACKAGES: &[&str] = &["systemd-container"];
/// What a device has that runs the daemon.
const INSIDE: &str = "systemd,systemd-sysv,udev,libasound2t64";

/// Whether the command line asks for it.
pub fn wanted(args: &[String]) -> bool {
    args.iter().take_while(|a| *a != "--").any(|a| a == "--nspawn")
}

/// Makes the root of the machine, once, and says where it is.
pub fn need() -> Result<PathBuf, String> {
    apt::need(PACKAGES)?;
    let recipe = Recipe { name: "nspawn-root", architectures: "amd64", packages: INSIDE, more: &[] };
    Ok(Root::need(&recipe)?.path().to_owned())
}
