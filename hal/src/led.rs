//! A light that the kernel drives as an LED: the board's own, one of an I2C driver, an overlay's.
//!
//! Each LED is a folder below `/sys/class/leds`. Lights on a plain GPIO line are in `gpio`.
//!
//! Tested here on a folder of plain files. Unproven until run on a kernel with LEDs: what the driver of a USB LED
//! that is pulled out answers (expected: `ENODEV`).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::os::{kind_of, some_of};
use crate::{Error, ErrorKind, Indicator};

const CLASS: &str = "/sys/class/leds";

/// An LED of the kernel.
#[derive(Clone, Debug)]
pub struct LedSettings {
    /// Name below `/sys/class/leds`, or the path of a folder with the same files.
    pub name: String,
}

/// A light by way of the kernel's LED class.
///
/// While open, the kernel's own trigger (disk activity, heartbeat) is off; when dropped, the light goes out and the
/// trigger is put back.
pub struct SysfsLed {
    brightness: File,
    max: u32,
    /// Digits of `max`: every write has this length, so that plain files read as sysfs does.
    width: usize,
    folder: PathBuf,
    trigger: Option<String>,
}

impl SysfsLed {
    /// Opens the LED, dark.
    ///
    /// # Errors
    /// `NotFound` with the LEDs there are, `PermissionDenied` with what to do.
    pub fn open(settings: &LedSettings) -> Result<Self, Error> {
        let folder = if settings.name.contains('/') {
            PathBuf::from(&settings.name)
        } else {
            Path::new(CLASS).join(&settings.name)
        };
        if settings.name.is_empty() || !folder.join("brightness").exists() {
            return Err(missing(&settings.name, &folder));
        }
        let max =
            fs::read_to_string(folder.join("max_brightness")).map_err(|e| failed("read", &folder, e))?;
        let max: u32 = max.trim().parse().ok().filter(|max| *max > 0).ok_or_else(|| {
            let text = format!("read light \"{}\": max_brightness is \"{}\"", folder.display(), max.trim());
            Error::new(ErrorKind::Unsupported, text)
        })?;
        let trigger = take_from_kernel(&folder)?;
        let brightness = OpenOptions::new().write(true).open(folder.join("brightness"));
        let brightness = brightness.map_err(|error| failed("open", &folder, error))?;
        let width = max.to_string().len();
        let mut led = SysfsLed { brightness, max, width, folder, trigger };
        led.set(0.0)?;
        Ok(led)
    }
}

/// Sets the trigger to none and returns what it was; kernels may be built without triggers.
fn take_from_kernel(folder: &Path) -> Result<Option<String>, Error> {
    let path = folder.join("trigger");
    let Ok(triggers) = fs::read_to_string(&path) else { return Ok(None) };
    // "none [mmc0] heartbeat": the one in brackets is active.
    let active = triggers.split_whitespace().find_map(|word| word.strip_prefix('[')?.strip_suffix(']'));
    fs::write(&path, "none\n").map_err(|error| failed("set trigger of", folder, error))?;
    Ok(active.filter(|active| *active != "none").map(str::to_owned))
}

impl Indicator for SysfsLed {
    fn set(&mut self, brightness: f32) -> Result<(), Error> {
        let level = (brightness.clamp(0.0, 1.0) * self.max as f32).round() as u32;
        let level = if brightness > 0.0 { level.max(1) } else { 0 }; // faint is still on
        let mut text = [0; 16];
        let mut rest = &mut text[..];
        // Fits: ten digits at most. The kernel reads leading zeros as decimal.
        let _ = writeln!(rest, "{level:0width$}", width = self.width);
        let left = rest.len();
        let length = text.len() - left;
        self.brightness.write_all_at(&text[..length], 0).map_err(|error| {
            let mut error = failed("set", &self.folder, error);
            if error.kind == ErrorKind::NotFound {
                error.kind = ErrorKind::Lost;
            }
            error
        })
    }

    fn dims(&self) -> bool {
        self.max > 1
    }

    fn describe(&self) -> String {
        format!("{} (LED, {} steps)", self.folder.display(), self.max)
    }
}

impl Drop for SysfsLed {
    fn drop(&mut self) {
        // Best effort: whoever drops a light has nobody left to tell.
        let _ = self.set(0.0);
        if let Some(trigger) = &self.trigger {
            let _ = fs::write(self.folder.join("trigger"), format!("{trigger}\n"));
        }
    }
}

/// Lists the LEDs of the kernel by name; empty where there are none.
pub fn list() -> Vec<String> {
    let entries = fs::read_dir(CLASS).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn missing(name: &str, folder: &Path) -> Error {
    let what = format!("open light \"{name}\"");
    if !name.is_empty() && folder.is_dir() {
        return Error::new(ErrorKind::NotFound, format!("{what}: it has no file \"brightness\""));
    }
    Error::new(ErrorKind::NotFound, format!("{what}: no such LED; there are {}", some_of(list())))
}

fn failed(doing: &str, folder: &Path, error: io::Error) -> Error {
    let what = format!("{doing} light \"{}\"", folder.display());
    let denied = |hint: &str| (ErrorKind::PermissionDenied, format!("{what}: {hint}"));
    let (kind, context) = match (kind_of(&error), error.raw_os_error()) {
        (ErrorKind::PermissionDenied, _) => {
            denied("a udev rule has to give group gpio its files brightness and trigger")
        }
        (_, Some(libc::EROFS)) => {
            denied("the service sees it read-only; its unit needs the folder in ReadWritePaths")
        }
        (kind, _) => (kind, what),
    };
    Error::new(kind, context).caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(max: &str, trigger: Option<&str>) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("brightness"), "0\n").unwrap();
        fs::write(dir.path().join("max_brightness"), format!("{max}\n")).unwrap();
        if let Some(trigger) = trigger {
            fs::write(dir.path().join("trigger"), trigger).unwrap();
        }
        dir
    }

    fn open(dir: &tempfile::TempDir) -> Result<SysfsLed, Error> {
        SysfsLed::open(&LedSettings { name: dir.path().display().to_string() })
    }

    fn read(dir: &tempfile::TempDir, file: &str) -> String {
        fs::read_to_string(dir.path().join(file)).unwrap()
    }

    fn check(max: &str, brightness: f32, expected: &str) {
        let dir = folder(max, None);
        let mut led = open(&dir).unwrap();
        led.set(1.0).unwrap();
        led.set(brightness).unwrap();
        assert_eq!(read(&dir, "brightness"), expected, "{brightness} of {max}");
    }

    #[test]
    fn brightness_is_scaled_to_what_the_led_has() {
        check("255", 1.0, "255\n");
        check("255", 0.5, "128\n");
        check("255", 0.0001, "001\n");
        check("255", 0.0, "000\n");
        check("255", 7.0, "255\n");
        check("255", f32::NAN, "000\n");
        check("1", 0.2, "1\n");
        check("4294967295", 1.0, "4294967295\n");
    }

    #[test]
    fn the_kernels_trigger_is_off_while_open_and_back_afterwards() {
        let dir = folder("1", Some("none rc-feedback [mmc0] heartbeat\n"));
        let mut led = open(&dir).unwrap();
        assert_eq!(read(&dir, "trigger"), "none\n");
        led.set(1.0).unwrap();
        drop(led);
        assert_eq!((read(&dir, "trigger").as_str(), read(&dir, "brightness").as_str()), ("mmc0\n", "0\n"));
    }

    #[test]
    fn an_led_without_triggers_or_with_none_is_fine() {
        drop(open(&folder("1", None)).unwrap());
        let dir = folder("1", Some("[none] mmc0\n"));
        drop(open(&dir).unwrap());
        assert_eq!(read(&dir, "trigger"), "none\n");
    }

    #[test]
    fn what_is_forbidden_comes_with_what_to_do() {
        for (errno, text) in [(libc::EACCES, "udev rule"), (libc::EROFS, "ReadWritePaths")] {
            let error = failed("open", Path::new("/sys/class/leds/ACT"), io::Error::from_raw_os_error(errno));
            assert_eq!(error.kind, ErrorKind::PermissionDenied);
            assert!(error.to_string().contains(text), "{error}");
        }
    }

    #[test]
    fn what_is_missing_or_broken_is_named() {
        let check = |name: &str, kind, text: &str| {
            let error = SysfsLed::open(&LedSettings { name: name.into() }).err().unwrap();
            assert_eq!(error.kind, kind, "{error}");
            assert!(error.to_string().contains(text), "{error}");
        };
        check("no-such-led", ErrorKind::NotFound, "open light \"no-such-led\": no such LED; there are");
        check("", ErrorKind::NotFound, "no such LED");
        let empty = tempfile::tempdir().unwrap();
        check(&empty.path().display().to_string(), ErrorKind::NotFound, "has no file \"brightness\"");
        let zero = folder("0", None);
        check(&zero.path().display().to_string(), ErrorKind::Unsupported, "max_brightness is \"0\"");
    }
}
