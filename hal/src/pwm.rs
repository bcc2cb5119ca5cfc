//! A light on a PWM channel of the kernel: `/sys/class/pwm/pwmchip0`, channel 0.
//!
//! Tested here on a folder of plain files. Unproven until run on a kernel with PWM: how soon after the export the files of a
//! channel may be written (the device manager gives them to group gpio), and what a chip that goes away answers.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::os::{kind_of, some_of};
use crate::{Error, ErrorKind, Indicator};

const CLASS: &str = "/sys/class/pwm";
/// 1 kHz: no eye sees it, and no coil in the way whistles loudly.
const PERIOD_NS: u32 = 1_000_000;
/// Digits of the period: every write has this length, so that plain files read as sysfs does.
const WIDTH: usize = 7;
/// The device manager needs a moment to hand a new channel over.
const HANDED_OVER: Duration = Duration::from_millis(100);

/// A PWM channel.
#[derive(Clone, Debug)]
pub struct PwmSettings {
    /// Chip and channel, `pwmchip0/1`; or the path of a chip's folder and the channel.
    pub name: String,
}

/// A light by way of the kernel's PWM class; dark, and the channel given back, when dropped.
pub struct PwmLight {
    duty: File,
    channel: PathBuf,
    /// To give back: the chip's folder and the number.
    exported: Option<(PathBuf, u32)>,
}

impl PwmLight {
    /// Opens the channel, dark.
    ///
    /// # Errors
    /// `NotFound` with the chips there are, `Busy`, `PermissionDenied` with what to do.
    pub fn open(settings: &PwmSettings) -> Result<Self, Error> {
        let what = format!("open light \"{}\"", settings.name);
        let Some((chip, number)) = settings.name.rsplit_once('/') else {
            let text = format!("{what}: it is not CHIP/CHANNEL, such as \"pwmchip0/0\"");
            return Err(Error::new(ErrorKind::Unsupported, text));
        };
        let Ok(number) = number.parse::<u32>() else {
            let text = format!("{what}: \"{number}\" is no channel; they are numbers from 0");
            return Err(Error::new(ErrorKind::Unsupported, text));
        };
        let chip = if chip.contains('/') { PathBuf::from(chip) } else { Path::new(CLASS).join(chip) };
        if !chip.join("export").exists() {
            let text = format!("{what}: there is no {}; there are {}", chip.display(), chips());
            return Err(Error::new(ErrorKind::NotFound, text));
        }
        let channel = chip.join(format!("pwm{number}"));
        let mut exported = None;
        if !channel.exists() {
            fs::write(chip.join("export"), number.to_string()).map_err(|error| failed(&what, error))?;
            exported = Some((chip, number));
        }
        let opened = (|| {
            wait_for(&channel.join("duty_cycle"))?;
            // Shorter than what is on for now is refused, so first dark.
            let _ = fs::write(channel.join("duty_cycle"), "0");
            fs::write(channel.join("period"), PERIOD_NS.to_string())?;
            let duty = OpenOptions::new().write(true).open(channel.join("duty_cycle"))?;
            fs::write(channel.join("enable"), "1")?;
            Ok(duty)
        })();
        match opened {
            Ok(duty) => {
                let mut light = PwmLight { duty, channel, exported };
                light.set(0.0)?;
                Ok(light)
            }
            Err(error) => {
                give_back(exported.as_ref());
                Err(failed(&what, error))
            }
        }
    }
}

/// Until the file may be written, or that takes too long.
fn wait_for(file: &Path) -> io::Result<()> {
    let until = Instant::now() + HANDED_OVER;
    loop {
        match OpenOptions::new().write(true).open(file) {
            Ok(_) => return Ok(()),
            Err(error) if Instant::now() > until => return Err(error),
            // sysfs tells nobody of a change of owner.
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

fn give_back(exported: Option<&(PathBuf, u32)>) {
    if let Some((chip, number)) = exported {
        // Best effort: whoever lets a light go has nobody left to tell.
        let _ = fs::write(chip.join("unexport"), number.to_string());
    }
}

fn chips() -> String {
    let entries = fs::read_dir(CLASS).into_iter().flatten().flatten();
    let names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    if names.is_empty() {
        "none: is an overlay such as dtoverlay=pwm missing?".to_owned()
    } else {
        some_of(names)
    }
}

fn failed(what: &str, error: io::Error) -> Error {
    let kind = match error.raw_os_error() {
        Some(libc::EROFS) => ErrorKind::PermissionDenied,
        _ => kind_of(&error),
    };
    let hint = match (kind, error.raw_os_error()) {
        (_, Some(libc::EROFS)) => {
            ": /sys is read-only for the service; add the chip's folder to ReadWritePaths in a drop-in"
        }
        (ErrorKind::PermissionDenied, _) => ": it belongs to group gpio once 60-pressel.rules is installed",
        (ErrorKind::Busy, _) => ": another program or driver has the channel",
        _ => "",
    };
    Error::new(kind, format!("{what}{hint}")).caused_by(error)
}

impl Indicator for PwmLight {
    fn set(&mut self, brightness: f32) -> Result<(), Error> {
        let on_ns = (brightness.clamp(0.0, 1.0) * PERIOD_NS as f32).round() as u32;
        let text = format!("{on_ns:0WIDTH$}\n");
        self.duty.write_all_at(text.as_bytes(), 0).map_err(|error| {
            let error = failed(&format!("set light {}", self.channel.display()), error);
            match error.kind {
                ErrorKind::NotFound => Error { kind: ErrorKind::Lost, ..error },
                _ => error,
            }
        })
    }

    fn describe(&self) -> String {
        format!("PWM {}", self.channel.display())
    }
}

impl Drop for PwmLight {
    fn drop(&mut self) {
        // Best effort, as above.
        let _ = self.set(0.0);
        let _ = fs::write(self.channel.join("enable"), "0");
        give_back(self.exported.as_ref());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chip(channels: &[u32]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("export"), "").unwrap();
        fs::write(folder.path().join("unexport"), "").unwrap();
        for channel in channels {
            let channel = folder.path().join(format!("pwm{channel}"));
            fs::create_dir(&channel).unwrap();
            for file in ["period", "duty_cycle", "enable"] {
                fs::write(channel.join(file), "0\n").unwrap();
            }
        }
        folder
    }

    #[test]
    fn brightness_is_the_share_of_the_period() {
        let chip = chip(&[1]);
        let read = |file: &str| fs::read_to_string(chip.path().join("pwm1").join(file)).unwrap();
        let name = format!("{}/1", chip.path().display());
        let mut light = PwmLight::open(&PwmSettings { name }).unwrap();
        assert_eq!((read("period").as_str(), read("enable").as_str()), ("1000000", "1"));
        for (brightness, expected) in
            [(1.0, "1000000\n"), (0.25, "0250000\n"), (0.0, "0000000\n"), (7.0, "1000000\n")]
        {
            light.set(brightness).unwrap();
            assert_eq!(read("duty_cycle"), expected);
        }
        assert!(light.dims() && light.describe().ends_with("pwm1"));
        drop(light);
        assert_eq!((read("duty_cycle").as_str(), read("enable").as_str()), ("0000000\n", "0"));
    }

    #[test]
    fn a_channel_that_does_not_come_is_given_back_and_what_is_missing_is_named() {
        let chip = chip(&[]);
        let open = |name: String| PwmLight::open(&PwmSettings { name }).err().unwrap().to_string();
        let error = open(format!("{}/2", chip.path().display()));
        assert!(error.contains("/2\""), "{error}");
        let read = |file: &str| fs::read_to_string(chip.path().join(file)).unwrap();
        assert_eq!((read("export").as_str(), read("unexport").as_str()), ("2", "2"));
        assert!(open("/nowhere/0".into()).contains("there is no /nowhere; there are"));
        assert!(open("pwmchip0".into()).contains("CHIP/CHANNEL"));
        assert!(open("pwmchip0/x".into()).contains("no channel"));
    }
}
