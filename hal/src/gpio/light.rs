//! A light on any kind of line.

use crate::{Error, Indicator};

/// A line that is driven: the seam between lights and the kernel.
pub(crate) trait OutputLine: Send {
    /// Turns the light on or off, with active-low taken into account.
    fn drive(&mut self, on: bool) -> Result<(), Error>;
}

/// A plain light on a GPIO line: on above a brightness of 0.0; opened by [`super::cdev::open_light`] or
/// [`super::rppal::open_light`]. Off when dropped: a freed line may keep its last level.
pub struct LineLight {
    line: Box<dyn OutputLine>,
    description: String,
}

impl LineLight {
    pub(crate) fn new(line: Box<dyn OutputLine>, description: String) -> Self {
        LineLight { line, description }
    }
}

impl Indicator for LineLight {
    fn set(&mut self, brightness: f32) -> Result<(), Error> {
        self.line.drive(brightness > 0.0)
    }

    fn dims(&self) -> bool {
        false
    }

    fn describe(&self) -> String {
        self.description.clone()
    }
}

impl Drop for LineLight {
    fn drop(&mut self) {
        // Best effort: whoever drops a light has nobody left to tell.
        let _ = self.line.drive(false);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    struct Fake(Arc<Mutex<Vec<bool>>>);

    impl OutputLine for Fake {
        fn drive(&mut self, on: bool) -> Result<(), Error> {
            self.0.lock().unwrap().push(on);
            Ok(())
        }
    }

    #[test]
    fn it_is_on_above_zero_and_off_when_dropped() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let mut light = LineLight::new(Box::new(Fake(seen.clone())), "GPIO27".into());
        for brightness in [1.0, 0.0, 0.01, f32::NAN, -1.0] {
            light.set(brightness).unwrap();
        }
        assert_eq!(light.describe(), "GPIO27");
        drop(light);
        assert_eq!(*seen.lock().unwrap(), [true, false, true, false, false, false]);
    }
}
