//! Debian roots below target/: made once by mmdebstrap, entered in a mount namespace of their own. What a chore needs of
//! another Debian than this machine's (compilers, emulators, tools for images) lives in one, so that nothing of this
//! machine's own is touched.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{apt, dist, sh};

/// Which Debian: the oldest that what is built for arm runs on.
pub const SUITE: &str = "trixie";

/// A root: a folder that holds a Debian.
pub struct Root {
    path: PathBuf,
}

/// How a root is made; another recipe makes it anew.
pub struct Recipe<'a> {
    /// Its folder below target/.
    pub name: &'a str,
    /// Debian's architectures, the root's own first.
    pub architectures: &'a str,
    /// What is in it beside the essentials, separated by commas.
    pub packages: &'a str,
    /// More arguments of mmdebstrap.
    pub more: &'a [&'a str],
}

impl Root {
    /// Makes it, unless it is there and made by the same recipe.
    pub fn need(recipe: &Recipe) -> Result<Root, String> {
        if !apt::is_root() {
            return Err(format!("this makes a Debian root in target/{}: run it as root", recipe.name));
        }
        let path = dist::target().join(recipe.name);
        let mark = dist::target().join(format!("{}.made", recipe.name));
        let name = path.display().to_string();
        let mut arguments = vec!["--quiet", "--variant=minbase", "--architectures", recipe.architectures];
        arguments.extend(["--include", recipe.packages]);
        arguments.extend(recipe.more);
        let made_by = arguments.join(" ");
        if fs::read_to_string(&mark).is_ok_and(|text| text == made_by) {
            return Ok(Root { path });
        }
        apt::need(apt::ROOT)?;
        let wrong = |e: std::io::Error| format!("{name}: {e}");
        if path.exists() {
            fs::remove_dir_all(&path).map_err(wrong)?;
        }
        fs::create_dir_all(&path).map_err(wrong)?;
        let mirror = apt::mirror();
        arguments.extend([SUITE, &name, &mirror]);
        sh("mmdebstrap", &arguments)?;
        fs::write(&mark, made_by).map_err(wrong)?;
        Ok(Root { path })
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Runs a script of its shell, with folders of this machine bound to where the script finds them. It has this machine's
    /// network and devices.
    pub fn run(&self, binds: &[(&Path, &str)], env: &[(&str, &str)], script: &str) -> Result<(), String> {
        let root = self.path.display();
        let mut outside = String::from("set -e\n");
        for (from, to) in binds {
            outside += &format!("mkdir -p {root}{to}; mount --bind {} {root}{to}\n", from.display());
        }
        let settings: String = env.iter().map(|(name, value)| format!("'{name}={value}' ")).collect();
        outside += &format!(
            "mount -t proc proc {root}/proc; mount --rbind /dev {root}/dev\n\
             exec chroot {root} env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin {settings} \
             sh -c \"$PRESSEL_SCRIPT\"",
        );
        // A mount namespace of our own: nothing stays mounted, whatever happens.
        let status = Command::new("unshare")
            .args(["--mount", "sh", "-c", &outside])
            .env("PRESSEL_SCRIPT", script)
            .status()
            .map_err(|e| format!("unshare: {e}"))?;
        if status.success() { Ok(()) } else { Err(format!("in {root}: {status}")) }
    }
}
