//! One text for whoever helps: findings, versions, configuration, status, facts and the log, without any secret.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::facts::Facts;
use super::redact::redact;
use super::{Look, Report, service};
use crate::config::{Config, FOLDER, Loaded, Mistakes};
use crate::secret;

/// Facts that explain most of what is found.
const FILES: &[&str] = &[
    "/etc/os-release",
    "/proc/version",
    "/proc/device-tree/model",
    "/proc/uptime",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/asound/cards",
    "/proc/asound/devices",
    "/proc/net/route",
    "/proc/net/wireless",
    "/etc/resolv.conf",
    "/proc/self/mounts",
    "/sys/kernel/debug/gpio",
    "/boot/firmware/config.txt",
    "/boot/config.txt",
];
/// Programs of the same kind.
const PROGRAMS: &[(&str, &[&str])] = &[
    (
        "systemctl",
        &["show", "pressel.service", "--property", "ActiveState,SubState,Result,NRestarts,ExecMainStatus"],
    ),
    ("vcgencmd", &["get_throttled"]),
    ("journalctl", &["--unit", "pressel", "--lines", "500", "--no-pager", "--output", "short-iso"]),
];
/// Shorter than this a "secret" would blot out words.
const SECRET_MIN: usize = 6;

/// The report as a text.
pub fn bundle(report: &Report, loaded: &Result<Loaded, Mistakes>, look: &Look) -> String {
    let facts = Facts::below(&look.root);
    let mut text = format!(
        "pressel {} {}, {}\n",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::ARCH,
        crate::net::Clock::read().date()
    );
    let mut section = |name: &str, body: &str| text += &format!("\n==== {name}\n{body}\n");
    section("findings", &report.to_string());
    let default = Config::default();
    let config = loaded.as_ref().map_or(&default, |loaded| &loaded.config);
    for path in files(loaded, &facts) {
        section(
            &path.display().to_string(),
            &fs::read_to_string(&path).unwrap_or_else(|error| error.to_string()),
        );
    }
    if !config.control.path.is_empty() {
        let status = service::ask(config.control.path.as_ref());
        section("status", &status.map_or_else(|error| error.to_string(), |status| status.to_string()));
    }
    for path in FILES {
        if let Some(body) = facts.text(path) {
            section(path, &body);
        }
    }
    for (program, arguments) in PROGRAMS {
        if let Some(body) = facts.told_by(program, arguments) {
            section(&format!("{program} {}", arguments.join(" ")), &body);
        }
    }
    redact(&text, &secrets(config, &facts))
}

/// The configuration's files, also where they have mistakes.
fn files(loaded: &Result<Loaded, Mistakes>, facts: &Facts) -> Vec<PathBuf> {
    match loaded {
        Ok(loaded) => loaded.files.clone(),
        Err(_) => {
            let folder = facts.path(FOLDER);
            let more = facts.names(Path::new(FOLDER).join("config.d"));
            let more = more.into_iter().map(|name| folder.join("config.d").join(name));
            std::iter::once(folder.join("config.toml")).chain(more).collect()
        }
    }
}

/// Every secret that lies on this device in a place we know, to be looked for word for word.
fn secrets(config: &Config, facts: &Facts) -> Vec<String> {
    let named = [
        &config.live.key_file,
        &config.network.proxy_password_file,
        &config.token.file,
        &config.token.bearer_file,
    ];
    let files = named.into_iter().filter(|name| !name.is_empty()).map(PathBuf::from);
    let installed = ["key", "proxy-password"].map(|name| facts.path(Path::new(FOLDER).join(name)));
    let variables = secret::VARIABLES.iter().filter_map(|name| std::env::var(name).ok());
    let texts = files.chain(installed).filter_map(|path| fs::read_to_string(path).ok()).chain(variables);
    texts.map(|text| text.trim().to_owned()).filter(|text| text.len() >= SECRET_MIN).collect()
}

/// Writes a file that its owner alone can read.
///
/// # Errors
/// What the system says.
pub fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}
