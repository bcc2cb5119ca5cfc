//! Debian packages: installed where we may, named where we may not.

use std::process::{Command, Stdio};

/// What compiling needs: libasound's headers, a C compiler for ring and the virtual card.
pub const BUILD: &[&str] = &["libasound2-dev", "pkg-config", "gcc", "libc6-dev"];
/// What tests of tools talk to, besides packages of Python's. Nothing that starts a service when it is installed.
pub const SERVICES: &[&str] = &["python3", "python3-venv", "sqlite3", "mosquitto-clients"];
/// What the trixie root is made with.
pub const ROOT: &[&str] = &["mmdebstrap", "arch-test"];
/// What unit files are checked with; it starts nothing where another program is the first process.
pub const UNITS: &[&str] = &["systemd"];
/// What the sound path is measured beside; without it the measurement goes on, and counts as missed.
pub const YARDSTICK: &[&str] = &["libspeexdsp1"];
/// Everything any chore needs.
pub const ALL: &[&str] = &[
    "libasound2-dev",
    "pkg-config",
    "gcc",
    "libc6-dev",
    "mmdebstrap",
    "arch-test",
    "python3",
    "python3-venv",
    "sqlite3",
    "mosquitto-clients",
    "systemd",
];

/// Makes sure that the packages are there.
pub fn need(packages: &[&str]) -> Result<(), String> {
    let missing: Vec<&str> = packages.iter().copied().filter(|p| !installed(p)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    let line = format!("apt-get update && apt-get install -y --no-install-recommends {list}");
    if Command::new("apt-get").arg("--version").stdout(Stdio::null()).status().is_err() {
        return Err(format!("needed, and this is no Debian: {list}"));
    }
    let script = if is_root() {
        line
    } else if Command::new("sudo")
        .args(["-n", "true"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|s| s.success())
    {
        format!("sudo sh -c '{line}'")
    } else {
        return Err(format!(
            "please install what is missing, then run this again:\n\n    sudo sh -c '{line}'\n"
        ));
    };
    eprintln!("$ {script}");
    let log = Command::new("sh")
        .args(["-c", &script])
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("sh: {e}"))?;
    if log.status.success() {
        Ok(())
    } else {
        Err(format!("{script}\n{}", String::from_utf8_lossy(&log.stderr)))
    }
}

/// Installs packages if that is easy; says so if they stay away.
pub fn want(packages: &[&str]) {
    if let Err(error) = need(packages) {
        eprintln!("going on without {}: {error}", packages.join(" "));
    }
}

fn installed(package: &str) -> bool {
    Command::new("dpkg-query")
        .args(["-W", "-f", "${db:Status-Status}", package])
        .stderr(Stdio::null())
        .output()
        .is_ok_and(|o| o.stdout == b"installed")
}

/// Whether this process may install packages.
pub fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|o| o.stdout.trim_ascii() == b"0")
}

/// The mirror this machine uses, else Debian's own.
pub fn mirror() -> String {
    let lists = ["/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list"];
    lists
        .iter()
        .filter_map(|path| std::fs::read_to_string(path).ok())
        .find_map(|text| {
            text.lines()
                .filter(|line| !line.trim_start().starts_with('#'))
                .flat_map(str::split_whitespace)
                .find(|word| word.starts_with("http") && !word.contains("security"))
                .map(String::from)
        })
        .unwrap_or_else(|| "http://deb.debian.org/debian".into())
}
