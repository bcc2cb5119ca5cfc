//! A pin that is a file: its level outlives the program, as that of a real line may, and other programs see and change it.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::gpio::PinSettings;
use crate::os::kind_of;
use crate::{Error, ErrorKind, Pin, monotonic_ns};

/// A line whose level, `1` or `0`, is what a file of its name holds. Each level that is driven is added to `NAME.told` with
/// its time in CLOCK_MONOTONIC ns. A line whose file is not there is not there; one that holds a word is held by somebody
/// of that name.
pub struct FilePin {
    path: PathBuf,
    settings: PinSettings,
}

impl FilePin {
    /// Opens the line in this folder; one that is driven goes to its safe state.
    ///
    /// # Errors
    /// `NotFound`, or `Busy` with who holds it.
    pub fn open(folder: &Path, settings: &PinSettings) -> Result<Self, Error> {
        let path = folder.join(&settings.line);
        let mut pin = FilePin { path, settings: settings.clone() };
        pin.read()?;
        if let Some(safe) = settings.safe {
            pin.set(safe)?;
        }
        Ok(pin)
    }

    fn failed(&self, error: io::Error) -> Error {
        Error::new(kind_of(&error), format!("line \"{}\"", self.settings.line)).caused_by(error)
    }
}

impl Pin for FilePin {
    fn set(&mut self, on: bool) -> Result<(), Error> {
        self.read()?; // a line that is gone does not come back by being driven
        let level = u8::from(on != self.settings.active_low);
        let told = self.path.with_extension("told");
        let write = || {
            let new = self.path.with_extension("new");
            fs::write(&new, level.to_string())?;
            fs::rename(new, &self.path)?; // nobody sees half of it
            let mut told = OpenOptions::new().create(true).append(true).open(told)?;
            writeln!(told, "{level} {}", monotonic_ns(Instant::now()))
        };
        write().map_err(|error| self.failed(error))
    }

    fn read(&mut self) -> Result<bool, Error> {
        let text = fs::read_to_string(&self.path).map_err(|error| self.failed(error))?;
        match text.trim() {
            "0" => Ok(self.settings.active_low),
            "1" => Ok(!self.settings.active_low),
            holder => {
                let line = &self.settings.line;
                Err(Error::new(ErrorKind::Busy, format!("line \"{line}\" is used by \"{holder}\"")))
            }
        }
    }

    fn describe(&self) -> String {
        format!("{} (a file)", self.settings.line)
    }
}

impl Drop for FilePin {
    fn drop(&mut self) {
        if let Some(safe) = self.settings.safe {
            let _ = self.set(safe);
        }
    }
}
