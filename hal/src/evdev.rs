//! A key of an input device as the button: a foot pedal, a headset, a spare keyboard, a `gpio-keys` overlay.
//!
//! Only reads: the device is not grabbed, so other programs go on seeing its keys. The kernel stamps
//! events with the monotonic clock. Autorepeat is ignored. When the kernel's queue ran over (`SYN_DROPPED`), the
//! key's state is read instead of guessed. A pedal or keyboard debounces by itself.
//!
//! Tested here on streams of raw events. Unproven until run on a kernel with input devices: opening by name, the
//! clock, the real `SYN_DROPPED`, and what a device that is pulled out reports (expected: `ENODEV`).

use std::fs::{self, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, UNIX_EPOCH};

use evdev::raw_stream::RawDevice;
use evdev::{KeyCode, SwitchCode};

use crate::monotonic::instant_of;
use crate::os::{kind_of, some_of, wait_readable};
use crate::{Error, ErrorKind, Wait, Wake};

mod button;
mod choose;

pub use button::EvdevButton;
use button::{Code, KeySource, RawEvent};
use choose::{Candidate, choose};

/// What to do about a device that may not be opened.
const JOIN_GROUP: &str = "add the user to group input (sudo usermod -aG input USER, then log in again)";

/// One more than the highest key code, `KEY_CNT` of linux/input-event-codes.h.
const KEY_COUNT: u16 = 0x300;
/// The same for switches, `SW_CNT`.
const SWITCH_COUNT: u16 = 0x12;

/// Which key of which device.
#[derive(Clone, Debug)]
pub struct KeySettings {
    /// Path (`/dev/input/by-id/…`), or the name it announces, or a part of that name; empty where only one device
    /// has the key.
    pub device: String,
    /// Name of the key code, `KEY_SPACE`, or its number; or of a switch, `SW_MUTE_DEVICE`.
    pub key: String,
    /// It stays where it is put, as for a line.
    pub switch: bool,
}

/// One input device.
#[derive(Debug, Default)]
pub struct InputDevice {
    /// Device file.
    pub path: PathBuf,
    /// What it calls itself; empty if it could not be opened.
    pub name: String,
    /// Names of its keys.
    pub keys: Vec<String>,
    /// Why it could not be read.
    pub problem: Option<Error>,
}

/// Lists all input devices; one that may not be opened is there with its [`InputDevice::problem`].
///
/// # Errors
/// When `/dev/input` is there and cannot be read.
pub fn list() -> Result<Vec<InputDevice>, Error> {
    let device = |path: PathBuf| match open_device(&path) {
        Ok(device) => {
            let keys =
                device.supported_keys().map(|keys| keys.iter().map(|key| format!("{key:?}")).collect());
            let name = device.name().unwrap_or_default().trim().to_owned();
            InputDevice { path, name, keys: keys.unwrap_or_default(), problem: None }
        }
        Err(error) => InputDevice { path, problem: Some(error), ..InputDevice::default() },
    };
    Ok(event_files()?.into_iter().map(device).collect())
}

/// Turns the name of a key code into its number.
///
/// # Errors
/// `Unsupported` with names that come close.
pub fn key_code(name: &str) -> Result<u16, Error> {
    let name = name.trim();
    if let Some(code) = name.parse().ok().filter(|code| *code < KEY_COUNT) {
        return Ok(code);
    }
    let names = || (0..KEY_COUNT).map(|code| (code, format!("{:?}", KeyCode(code))));
    if let Some((code, _)) = names().find(|(_, known)| known.eq_ignore_ascii_case(name)) {
        return Ok(code);
    }
    let part = name.to_ascii_uppercase();
    let part = part.trim_start_matches("KEY_").trim_start_matches("BTN_");
    let close = names().map(|(_, known)| known).filter(|known| !part.is_empty() && known.contains(part));
    let close: Vec<String> = close.filter(|known| !known.starts_with("unknown")).collect();
    let hint = if close.is_empty() { "KEY_SPACE and the like".to_owned() } else { some_of(close) };
    Err(Error::new(ErrorKind::Unsupported, format!("there is no key \"{name}\"; expected {hint}")))
}

/// Whether a key or a switch has this name.
///
/// # Errors
/// As [`key_code`].
pub fn check_name(name: &str) -> Result<(), Error> {
    code(name).map(|_| ())
}

fn code(name: &str) -> Result<Code, Error> {
    let switches = || (0..SWITCH_COUNT).map(|code| (code, format!("{:?}", SwitchCode(code))));
    let found =
        switches().find(|(_, known)| known.starts_with("SW_") && known.eq_ignore_ascii_case(name.trim()));
    found.map_or_else(|| key_code(name).map(Code::Key), |(code, _)| Ok(Code::Switch(code)))
}

fn name_of(code: Code) -> String {
    match code {
        Code::Key(key) => format!("{:?}", KeyCode(key)),
        Code::Switch(switch) => format!("{:?}", SwitchCode(switch)),
    }
}

/// Opens the device and watches the key.
///
/// # Errors
/// `NotFound` with the devices there are, `PermissionDenied`, `Unsupported` for a device without the key or a name
/// that means several.
pub fn open_button(settings: &KeySettings) -> Result<EvdevButton, Error> {
    let under = |error: Error| {
        let what = format!("open button {} of \"{}\"", settings.key, settings.device);
        Error { context: format!("{what}: {}", error.context), ..error }
    };
    let code = code(&settings.key).map_err(under)?;
    let (path, device) = find(&settings.device, code).map_err(under)?;
    let name = device.name().unwrap_or("a device without a name").trim().to_owned();
    let description = format!("{} of \"{name}\" ({})", name_of(code), path.display());
    let monotonic = use_monotonic_clock(&device);
    EvdevButton::new(Box::new(Source { device, code, monotonic, path }), code, settings.switch, description)
}

fn find(wanted: &str, code: Code) -> Result<(PathBuf, RawDevice), Error> {
    if wanted.starts_with('/') {
        let device = open_device(Path::new(wanted)).map_err(|error| match error.kind {
            ErrorKind::NotFound => {
                let there = event_files().unwrap_or_default();
                let there = some_of(there.iter().map(|path| path.display().to_string()));
                Error { context: format!("no such device; there are {there}"), ..error }
            }
            _ => error,
        })?;
        if !has_code(&device, code) {
            let text = format!("\"{}\" has no {}", device.name().unwrap_or_default(), name_of(code));
            return Err(Error::new(ErrorKind::Unsupported, text));
        }
        return Ok((PathBuf::from(wanted), device));
    }
    let (mut candidates, mut devices) = (Vec::new(), Vec::new());
    for path in event_files()? {
        let device = open_device(&path);
        candidates.push(Candidate {
            path: path.display().to_string(),
            name: device.as_ref().ok().and_then(|d| d.name()).unwrap_or_default().trim().to_owned(),
            has_key: device.as_ref().is_ok_and(|device| has_code(device, code)),
            denied: device.as_ref().is_err_and(|error| error.kind == ErrorKind::PermissionDenied),
        });
        devices.push((path, device));
    }
    let chosen = choose(wanted, &name_of(code), &candidates)?;
    let (path, device) = devices.swap_remove(chosen);
    Ok((path, device?))
}

/// Device files in the order of their numbers.
fn event_files() -> Result<Vec<PathBuf>, Error> {
    const FOLDER: &str = "/dev/input";
    let entries = match fs::read_dir(FOLDER) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::new(kind_of(&error), format!("list {FOLDER}")).caused_by(error)),
    };
    let number = |path: &PathBuf| path.file_name()?.to_str()?.strip_prefix("event")?.parse::<u32>().ok();
    let mut files: Vec<(u32, PathBuf)> =
        entries.flatten().filter_map(|entry| Some((number(&entry.path())?, entry.path()))).collect();
    files.sort();
    Ok(files.into_iter().map(|file| file.1).collect())
}

fn open_device(path: &Path) -> Result<RawDevice, Error> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path);
    let device = file.and_then(|file| RawDevice::from_fd(OwnedFd::from(file)));
    device.map_err(|error| {
        let what = format!("open {}", path.display());
        let (kind, hint) = match kind_of(&error) {
            ErrorKind::PermissionDenied => (ErrorKind::PermissionDenied, format!("; {JOIN_GROUP}")),
            ErrorKind::Unsupported => (ErrorKind::Unsupported, "; it is no input device".to_owned()),
            ErrorKind::Lost => (ErrorKind::NotFound, String::new()), // gone between listing and opening
            kind => (kind, String::new()),
        };
        Error::new(kind, what + &hint).caused_by(error)
    })
}

fn has_code(device: &RawDevice, code: Code) -> bool {
    match code {
        Code::Key(key) => device.supported_keys().is_some_and(|keys| keys.contains(KeyCode(key))),
        Code::Switch(switch) => {
            device.supported_switches().is_some_and(|switches| switches.contains(SwitchCode(switch)))
        }
    }
}

/// Asks for timestamps that do not jump with the wall clock; false where the kernel cannot.
fn use_monotonic_clock(device: &RawDevice) -> bool {
    /// `_IOW('E', 0xa0, int)` of linux/input.h.
    const EVIOCSCLOCKID: u32 = 0x4004_45a0;
    let clock: libc::c_int = libc::CLOCK_MONOTONIC;
    // SAFETY: the descriptor is open; the kernel reads one int, a local.
    unsafe { libc::ioctl(device.as_raw_fd(), EVIOCSCLOCKID as _, &raw const clock) == 0 }
}

struct Source {
    device: RawDevice,
    code: Code,
    monotonic: bool,
    path: PathBuf,
}

impl KeySource for Source {
    fn wait(&mut self, wake: &Wake, timeout: Duration) -> Result<Wait, Error> {
        wait_readable(self.device.as_raw_fd(), wake, timeout).map_err(|error| lost(&self.path, error))
    }

    fn read(&mut self, events: &mut Vec<RawEvent>) -> Result<(), Error> {
        let monotonic = self.monotonic;
        let raw = |event: evdev::InputEvent| {
            let stamp = event.timestamp().duration_since(UNIX_EPOCH).ok().filter(|_| monotonic);
            let at = stamp.map_or_else(Instant::now, instant_of);
            RawEvent { kind: event.event_type().0, code: event.code(), value: event.value(), at }
        };
        match self.device.fetch_events() {
            Ok(fetched) => {
                events.extend(fetched.map(raw));
                Ok(())
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                Ok(())
            }
            Err(error) => Err(lost(&self.path, error)),
        }
    }

    fn is_down(&mut self) -> Result<bool, Error> {
        let set = match self.code {
            Code::Key(key) => self.device.get_key_state().map(|keys| keys.contains(KeyCode(key))),
            Code::Switch(switch) => {
                self.device.get_switch_state().map(|switches| switches.contains(SwitchCode(switch)))
            }
        };
        set.map(|set| self.code.is_down(set)).map_err(|error| lost(&self.path, error))
    }
}

fn lost(path: &Path, error: io::Error) -> Error {
    Error::new(kind_of(&error), format!("read {}", path.display())).caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_names_are_understood_and_wrong_ones_answered_with_close_ones() {
        for (name, code) in
            [("KEY_SPACE", 57), ("key_space", 57), ("57", 57), (" BTN_0 ", 0x100), ("KEY_F13", 183)]
        {
            assert_eq!(key_code(name).unwrap(), code, "{name}");
        }
        assert_eq!(code("sw_mute_device").unwrap(), Code::Switch(0x0e));
        assert!(check_name("SW_NOTHING").is_err());
        let error = key_code("PLAYPAUS").unwrap_err();
        assert!(error.to_string().contains("KEY_PLAYPAUSE"), "{error}");
        for name in ["", "KEY_", "65535", "unknown"] {
            assert!(key_code(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn a_file_that_is_no_input_device_is_refused_by_name() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let open = |device: &str| {
            open_button(&KeySettings { device: device.into(), key: "KEY_SPACE".into(), switch: false })
                .err()
                .unwrap()
        };
        let error = open(&file.path().display().to_string());
        assert_eq!(error.kind, ErrorKind::Unsupported);
        assert!(error.to_string().contains("it is no input device"), "{error}");
        let error = open("/dev/input/by-id/no-such-pedal");
        assert_eq!(error.kind, ErrorKind::NotFound);
        assert!(error.to_string().contains("no such device; there are"), "{error}");
        assert!(!open("a pedal nobody has").to_string().is_empty());
    }
}
