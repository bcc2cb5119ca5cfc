//! Whether it works: a tone, the microphone, the button, one dial to the service; and the service itself.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use pressel_hal::Wake;

use crate::config::{ButtonKind, Config, Loaded};
use crate::doctor::{self, Look, Report};
use crate::world::World;

/// What is tried; of the doctor's checks those that tell whether the answers were right.
const TRIED: [&str; 7] = ["microphone", "speaker", "echo", "button", "light", "tls", "session"];
/// A person has to find the button first.
const PRESS: Duration = Duration::from_secs(20);
const UNITS: [&str; 2] = ["pressel.service", "pressel-key.path"];

/// Tries the cards with a sweep, the lines, and the way to the service. The key is the one that lies below `root`.
pub fn try_out(loaded: Loaded, root: &Path) -> Report {
    let look = Look { root: root.to_owned(), quiet: false };
    doctor::examine_some(Ok(loaded), &look, &TRIED)
}

/// Waits for the button to be pressed, once `ready` has said so; `None` where there is none that can be tried here.
pub fn press(config: &Config, ready: impl FnOnce()) -> Option<Result<(), String>> {
    if matches!(config.button.kind, ButtonKind::None | ButtonKind::Keyboard) {
        return None;
    }
    let mut open = World::real(config, &config.sound()).buttons.into_iter().next()?;
    let mut button = match open() {
        Ok(button) => button,
        Err(error) => return Some(Err(error.to_string())),
    };
    ready();
    let (wake, until) = (Wake::new(), Instant::now() + PRESS);
    while let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        match button.next(&wake, left) {
            Ok(Some(edge)) if edge.pressed => return Some(Ok(())),
            Ok(_) => {}
            Err(error) => return Some(Err(error.to_string())),
        }
    }
    Some(Err(format!("nobody pressed within {} s", PRESS.as_secs())))
}

/// Stops the service, if there is one, and what would start it again.
pub fn stop() {
    if Path::new("/run/systemd/system").exists() {
        // One that is not installed yet need not be stopped.
        systemctl(&["stop", "--quiet", UNITS[1], UNITS[0]]);
    }
}

/// Starts the service with what is set now, and with every start of the device; `waits` for it.
///
/// # Errors
/// What to do instead.
pub fn start(waits: bool) -> Result<(), String> {
    if !Path::new("/run/systemd/system").exists() {
        return Err("there is no systemd here; start it by hand: pressel run".to_owned());
    }
    // An image whose root is read-only has them enabled already.
    let enabled = systemctl(&["is-enabled", "--quiet", UNITS[0]])
        || systemctl(&["enable", "--quiet", UNITS[0], UNITS[1]]);
    // While the system starts, the service may be waiting for us.
    let restart: &[&str] = if waits { &["restart"] } else { &["restart", "--no-block"] };
    if enabled && systemctl(&[restart, &UNITS].concat()) {
        return Ok(());
    }
    Err("the service does not start; why: journalctl -u pressel -n 50".to_owned())
}

fn systemctl(arguments: &[&str]) -> bool {
    let run = Command::new("systemctl").args(arguments).stdin(Stdio::null()).status();
    run.is_ok_and(|status| status.success())
}
