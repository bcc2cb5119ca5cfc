//! Emulators and tools for disk images, in a Debian root of their own: the same releases on every machine.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::debian::{Recipe, Root};

/// Emulators of whole machines and of programs; tools that make file systems without mounting any.
const PACKAGES: &str = "qemu-system-arm,qemu-user,\
    e2fsprogs,dosfstools,mtools,fdisk,kmod,cpio,zstd,xz-utils,busybox-static";

/// Makes the root, once.
pub fn need() -> Result<Root, String> {
    Root::need(&Recipe { name: "tools-root", architectures: "amd64", packages: PACKAGES, more: &[] })
}

/// Leaves a script in a folder that runs one of the tools with its own libraries, outside the root.
pub fn hand_out(tools: &Root, program: &str, folder: &Path) -> Result<(), String> {
    let root = tools.path().display();
    let script = format!(
        "#!/bin/sh\n\
         export QEMU_MODULE_DIR={root}/usr/lib/x86_64-linux-gnu/qemu\n\
         for folder in usr/bin usr/sbin; do\n\
         \x20   program={root}/$folder/{program}\n\
         \x20   [ ! -x \"$program\" ] || exec {root}/lib64/ld-linux-x86-64.so.2 \
         --library-path {root}/usr/lib/x86_64-linux-gnu --argv0 {program} \"$program\" \"$@\"\n\
         done\n\
         exit 127\n"
    );
    let path = folder.join(program);
    let wrong = |e: std::io::Error| format!("{}: {e}", path.display());
    fs::write(&path, script).map_err(wrong)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).map_err(wrong)
}
