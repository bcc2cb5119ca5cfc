//! Running programs of another processor as if they were this machine's own: the kernel hands them to an emulator.

use std::fs;
use std::path::Path;

use crate::debian::Root;
use crate::sh;

const TABLE: &str = "/proc/sys/fs/binfmt_misc";
/// An ELF file of 64 bits, little end first, for AArch64 (binfmt_misc of the kernel's documentation).
const MAGIC: &str =
    "\\x7fELF\\x02\\x01\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02\\x00\\xb7\\x00";
const MASK: &str =
    "\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\x00\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xfe\\xff\\xff\\xff";
/// As mmdebstrap knows it, too, which looks for the flag F there.
const OURS: &str = "qemu-aarch64";

/// The kernel knows the emulator while this lives; one that the machine has already stays.
pub struct Registered {
    ours: bool,
}

/// Tells the kernel of the emulator among the tools, unless it knows one.
pub fn arm64(tools: &Root) -> Result<Registered, String> {
    if !Path::new(TABLE).join("register").exists() {
        sh("mount", &["-t", "binfmt_misc", "binfmt_misc", TABLE])?;
    }
    let known = fs::read_dir(TABLE).into_iter().flatten().flatten();
    if known.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with("qemu-aarch64")) {
        return Ok(Registered { ours: false });
    }
    // F: opened now, so that it is found in every root. C, O, P: as Debian registers it.
    let line = format!(":{OURS}:M::{MAGIC}:{MASK}:{}/usr/bin/qemu-aarch64:OCPF", tools.path().display());
    fs::write(Path::new(TABLE).join("register"), line).map_err(|e| format!("{TABLE}/register: {e}"))?;
    Ok(Registered { ours: true })
}

impl Drop for Registered {
    fn drop(&mut self) {
        if self.ours {
            // A machine that goes on knowing the emulator is none the worse for it.
            fs::write(Path::new(TABLE).join(OURS), "-1").ok();
        }
    }
}
