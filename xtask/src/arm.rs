//! The release programs for the Pi's two architectures, emulated on this machine: what `cargo xtask test --arm64` runs.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::test::Needs;
use crate::{dist, tools, trixie};

/// Debian's name, the compiler's target, the emulator, the linker's prefix.
const ARCHITECTURES: [(&str, &str, &str, &str); 2] = [
    ("arm64", "aarch64-unknown-linux-gnu", "qemu-aarch64", "aarch64-linux-gnu"),
    ("armhf", "armv7-unknown-linux-gnueabihf", "qemu-arm", "arm-linux-gnueabihf"),
];

/// Builds the programs and the virtual card's plugin for them, into a folder: for each architecture
/// `pressel`, which runs here, `pressel.elf`, which is what a Pi gets, and `card.so`.
pub fn test() -> Result<Needs, String> {
    let emulators = tools::need()?;
    trixie::arm()?;
    let compilers = trixie::need()?;
    let folder = dist::target().join("arm");
    for (name, target, emulator, prefix) in ARCHITECTURES {
        let own = folder.join(name);
        let wrong = |path: &Path, e: std::io::Error| format!("{}: {e}", path.display());
        fs::create_dir_all(&own).map_err(|e| wrong(&own, e))?;
        let program = own.join("pressel.elf");
        let built = trixie::built(target);
        fs::copy(&built, &program).map_err(|e| wrong(&built, e))?;
        trixie::card(&compilers, prefix, &own)?;
        // Its libraries are those of the root that it was compiled in.
        let start = own.join("pressel");
        let script = format!(
            "#!/bin/sh\nexec {}/usr/bin/{emulator} -L {} {} \"$@\"\n",
            emulators.path().display(),
            compilers.path().display(),
            program.display()
        );
        fs::write(&start, script).map_err(|e| wrong(&start, e))?;
        fs::set_permissions(&start, fs::Permissions::from_mode(0o755)).map_err(|e| wrong(&start, e))?;
    }
    Ok(vec![("PRESSEL_ARM", folder)])
}
