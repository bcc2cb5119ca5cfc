//! A small Debian with systemd as its first process, in a container, for tests of the service as it is installed.

use crate::debian::{Recipe, Root};
use crate::test::Needs;
use crate::{apt, dist, manual, mcp, sh};

/// What the container itself needs, beside what makes its root, and what fetches packages of Python's for it.
const PACKAGES: &[&str] = &["systemd-container", "python3", "python3-venv"];
/// What a device has that runs the daemon and pressel-mcp, and what an MCP server may be written in.
const INSIDE: &str = "systemd,systemd-sysv,udev,libasound2t64,ca-certificates,python3";

/// Makes the root of the machine, once, and the packages to install on it.
pub fn test() -> Result<Needs, String> {
    apt::need(PACKAGES)?;
    let recipe = Recipe { name: "nspawn-root", architectures: "amd64", packages: INSIDE, more: &[] };
    let machine = Root::need(&recipe)?.path().to_owned();
    sh("cargo", &["build", "-p", "pressel", "--quiet"])?;
    mcp::cargo("build", &["--quiet"])?;
    manual::manual()?; // the installer takes it along
    let built = |program: &str| dist::target().join("debug").join(program);
    let package = dist::package("amd64", &built("pressel"))?;
    let helper = dist::helper::pack("amd64", &built("pressel-mcp"))?;
    Ok(vec![("PRESSEL_NSPAWN", machine), ("PRESSEL_DEB", package), ("PRESSEL_MCP_DEB", helper)])
}
