//! A line that is switched or read as it is: a relay, a lamp, the contact of a door.

use crate::{Error, ErrorKind, Pin};

/// A line behind a pin: the seam to the kernel.
pub(crate) trait PinLine: Send {
    /// Drives the line, with active-low taken into account.
    fn drive(&mut self, on: bool) -> Result<(), Error>;
    /// Reads its level, with active-low taken into account.
    fn level(&mut self) -> Result<bool, Error>;
}

/// A pin on a GPIO line, opened by [`super::cdev::open_pin`] or [`super::rppal::open_pin`]. One that is driven goes to its
/// safe state when it is dropped: a freed line may keep its last level.
pub struct LinePin {
    line: Box<dyn PinLine>,
    /// The state of a line that is driven when nobody is there; `None` for one that is read.
    safe: Option<bool>,
    description: String,
}

impl LinePin {
    pub(crate) fn new(line: Box<dyn PinLine>, safe: Option<bool>, description: String) -> Self {
        LinePin { line, safe, description }
    }
}

impl Pin for LinePin {
    fn set(&mut self, on: bool) -> Result<(), Error> {
        if self.safe.is_none() {
            return Err(Error::new(ErrorKind::Unsupported, format!("{} is read only", self.description)));
        }
        self.line.drive(on)
    }

    fn read(&mut self) -> Result<bool, Error> {
        self.line.level()
    }

    fn describe(&self) -> String {
        self.description.clone()
    }
}

impl Drop for LinePin {
    fn drop(&mut self) {
        if let Some(safe) = self.safe {
            // Best effort: whoever drops a pin has nobody left to tell.
            let _ = self.line.drive(safe);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    struct Fake(Arc<Mutex<Vec<bool>>>);

    impl PinLine for Fake {
        fn drive(&mut self, on: bool) -> Result<(), Error> {
            self.0.lock().unwrap().push(on);
            Ok(())
        }

        fn level(&mut self) -> Result<bool, Error> {
            Ok(self.0.lock().unwrap().last() == Some(&true))
        }
    }

    #[test]
    fn what_is_driven_is_left_safe_and_what_is_read_is_left_alone() {
        let check = |safe: Option<bool>, expected: &[bool]| {
            let seen = Arc::new(Mutex::new(Vec::new()));
            let mut pin = LinePin::new(Box::new(Fake(seen.clone())), safe, "GPIO22".into());
            for on in [true, false] {
                assert_eq!(pin.set(on).map_err(|error| error.kind).is_ok(), safe.is_some());
                assert_eq!(pin.read().unwrap(), on && safe.is_some());
            }
            drop(pin);
            assert_eq!(*seen.lock().unwrap(), expected);
        };
        check(Some(false), &[true, false, false]);
        check(Some(true), &[true, false, true]);
        check(None, &[]);
    }
}
