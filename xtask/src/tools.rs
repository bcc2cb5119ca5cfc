//! Emulators and tools for disk images, in a Debian root of their own: the same releases on every machine.

use crate::debian::{Recipe, Root};

/// Emulators of whole machines and of programs; tools that make file systems without mounting any.
const PACKAGES: &str = "qemu-system-arm,qemu-system-x86,qemu-user,\
    e2fsprogs,dosfstools,mtools,fdisk,kmod,cpio,zstd,xz-utils,busybox-static";

/// Makes the root, once.
pub fn need() -> Result<Root, String> {
    Root::need(&Recipe { name: "tools-root", architectures: "amd64", packages: PACKAGES, more: &[] })
}
