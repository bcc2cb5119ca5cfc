//! Compiling the plugin.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// The plugin's source, so that a test binary works wherever it is run.
const SOURCES: [(&str, &str); 9] = [
    ("card.h", include_str!("../../../card/card.h")),
    ("stream.h", include_str!("../../../card/stream.h")),
    ("options.h", include_str!("../../../card/options.h")),
    ("clock.c", include_str!("../../../card/clock.c")),
    ("store.c", include_str!("../../../card/store.c")),
    ("sound.c", include_str!("../../../card/sound.c")),
    ("stream.c", include_str!("../../../card/stream.c")),
    ("wake.c", include_str!("../../../card/wake.c")),
    ("options.c", include_str!("../../../card/options.c")),
];
const MAIN: (&str, &str) = ("pcm_pressel.c", include_str!("../../../card/pcm_pressel.c"));
const LIBRARY: &str = "libasound_module_pcm_pressel.so";

/// One compilation at a time within this process; between processes renaming settles it.
static BUILDING: Mutex<()> = Mutex::new(());

pub(super) fn plugin() -> io::Result<PathBuf> {
    let _building = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"), PathBuf::from);
    let sources = || SOURCES.iter().chain(std::iter::once(&MAIN));
    let hash =
        sources().fold(fnv(FNV_START, compiler.as_bytes()), |hash, (_, text)| fnv(hash, text.as_bytes()));
    let directory = target.join("card").join(format!("{hash:016x}"));
    let library = directory.join(LIBRARY);
    if library.exists() {
        return library.canonicalize();
    }
    std::fs::create_dir_all(&directory)?;
    for (name, text) in sources() {
        write_whole(&directory.join(name), text.as_bytes())?;
    }
    // Several test binaries may get here at once: each compiles for itself, the last one's file stays, all are the same.
    let unfinished = directory.join(format!("{LIBRARY}.{}", std::process::id()));
    let output = Command::new(&compiler)
        .args(["-std=gnu11", "-shared", "-fPIC", "-DPIC", "-O2", "-Wall", "-Wextra", "-o"])
        .arg(&unfinished)
        .args(sources().filter(|(name, _)| name.ends_with(".c")).map(|(name, _)| directory.join(name)))
        .arg("-lasound")
        .output()
        .map_err(|error| problem(&compiler, &error.to_string()))?;
    if !output.status.success() {
        return Err(problem(&compiler, &String::from_utf8_lossy(&output.stderr)));
    }
    std::fs::rename(&unfinished, &library)?;
    library.canonicalize()
}

fn problem(compiler: &str, text: &str) -> io::Error {
    io::Error::other(format!(
        "compile the virtual sound card with {compiler}: {}; it needs: apt install libasound2-dev gcc",
        text.trim()
    ))
}

/// Writes a file so that a reader sees all of it or nothing.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(format!(".{}", std::process::id()));
    std::fs::write(&unfinished, bytes)?;
    std::fs::rename(&unfinished, path)
}

const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;

fn fnv(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
