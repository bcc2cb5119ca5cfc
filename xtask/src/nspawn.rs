//! A small Debian with systemd as its first process, in a container, for tests of the service as it is installed.

use crate::debian::{Recipe, Root};
use crate::test::Needs;
use crate::{apt, dist, sh};

/// What the container itself needs, beside what makes its root.
const PACKAGES: &[&str] = &["systemd-container"];
/// What a device has that runs the daemon.
const INSIDE: &str = "systemd,systemd-sysv,udev,libasound2t64";

/// Makes the root of the machine, once, and a package to install on it.
pub fn test() -> Result<Needs, String> {
    apt::need(PACKAGES)?;
    let recipe = Recipe { name: "nspawn-root", architectures: "amd64", packages: INSIDE, more: &[] };
    let machine = Root::need(&recipe)?.path().to_owned();
    sh("cargo", &["build", "-p", "pressel", "--quiet"])?;
    let package = dist::package("amd64", &dist::target().join("debug/pressel"))?;
    Ok(vec![("PRESSEL_NSPAWN", machine), ("PRESSEL_DEB", package)])
}
