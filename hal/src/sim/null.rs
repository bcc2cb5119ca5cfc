//! A button nobody presses and a light nobody sees.

use std::time::{Duration, Instant};

use crate::os::{kind_of, wait_until};
use crate::{Button, Edge, Error, Indicator, Wake};

/// A button that is never pressed; waiting for it ends only with the wake or in time.
#[derive(Debug, Default)]
pub struct NullButton;

impl Button for NullButton {
    fn next(&mut self, wake: &Wake, timeout: Duration) -> Result<Option<Edge>, Error> {
        rest(wake, Instant::now().checked_add(timeout)).map(|_| None)
    }

    fn describe(&self) -> String {
        "no button".into()
    }
}

/// Waits for the wake (true) or until `at`.
pub(super) fn rest(wake: &Wake, at: Option<Instant>) -> Result<bool, Error> {
    wait_until(at, wake)
        .map_err(|error| Error::new(kind_of(&error), "wait for a simulated device").caused_by(error))
}

/// A light that shows nothing.
#[derive(Debug, Default)]
pub struct NullIndicator;

impl Indicator for NullIndicator {
    fn set(&mut self, _brightness: f32) -> Result<(), Error> {
        Ok(())
    }

    fn describe(&self) -> String {
        "no light".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_ends_in_time_and_with_the_wake() {
        let wake = Wake::new();
        let start = Instant::now();
        assert_eq!(NullButton.next(&wake, Duration::from_millis(20)).unwrap(), None);
        assert!(start.elapsed() >= Duration::from_millis(20));
        wake.signal();
        assert_eq!(NullButton.next(&wake, Duration::MAX).unwrap(), None);
        assert!(!wake.take(), "the wake is consumed");
    }
}
