//! Devices that fail when told to.

use std::time::Duration;

use crate::{Button, Edge, Error, ErrorKind, Indicator, Wake};

/// What goes wrong with a simulated card, by frames since it was opened.
#[derive(Clone, Debug, Default)]
pub struct SoundFaults {
    /// From this frame on the card is gone: every call fails with [`ErrorKind::Lost`], a wait at that moment.
    pub lost_at: Option<u64>,
    /// Microphone: (frame, frames lost there). Speaker: at this frame the ring runs dry and what is queued is
    /// lost; the second number has no meaning. In order.
    pub xruns: Vec<(u64, u64)>,
}

impl SoundFaults {
    /// The next xrun due at or before `frame`, once.
    pub(super) fn take_xrun(&mut self, frame: u64) -> Option<(u64, u64)> {
        let due = self.xruns.first().is_some_and(|xrun| xrun.0 <= frame);
        due.then(|| self.xruns.remove(0))
    }

    /// Fails from the frame of the loss on.
    pub(super) fn check(&self, frame: u64, what: &str) -> Result<(), Error> {
        match self.lost_at {
            Some(at) if frame >= at => Err(Error::new(ErrorKind::Lost, format!("{what}: gone, as told"))),
            _ => Ok(()),
        }
    }
}

/// Lets opening fail a number of times.
#[derive(Debug)]
pub struct OpenFailures {
    left: u32,
    kind: ErrorKind,
}

impl OpenFailures {
    /// The first `times` calls of [`OpenFailures::check`] fail with `kind`.
    pub fn new(times: u32, kind: ErrorKind) -> Self {
        OpenFailures { left: times, kind }
    }

    /// Call before opening `what`.
    ///
    /// # Errors
    /// The kind given, until the failures are used up.
    pub fn check(&mut self, what: &str) -> Result<(), Error> {
        if self.left == 0 {
            return Ok(());
        }
        self.left -= 1;
        Err(Error::new(self.kind, format!("open {what}: refused, as told")))
    }
}

/// A button that is lost after some edges.
pub struct FrailButton<B> {
    inner: B,
    edges_left: u32,
}

impl<B: Button> FrailButton<B> {
    /// Hands out `edges` edges of `inner`, then fails for ever.
    pub fn new(inner: B, edges: u32) -> Self {
        FrailButton { inner, edges_left: edges }
    }
}

impl<B: Button> Button for FrailButton<B> {
    fn next(&mut self, wake: &Wake, timeout: Duration) -> Result<Option<Edge>, Error> {
        if self.edges_left == 0 {
            return Err(Error::new(ErrorKind::Lost, "read button: gone, as told"));
        }
        let edge = self.inner.next(wake, timeout)?;
        self.edges_left -= u32::from(edge.is_some());
        Ok(edge)
    }

    fn has_release(&self) -> bool {
        self.inner.has_release()
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }
}

/// A light that is lost after some settings.
pub struct FrailIndicator<I> {
    inner: I,
    sets_left: u32,
}

impl<I: Indicator> FrailIndicator<I> {
    /// Passes `sets` settings on to `inner`, then fails for ever.
    pub fn new(inner: I, sets: u32) -> Self {
        FrailIndicator { inner, sets_left: sets }
    }
}

impl<I: Indicator> Indicator for FrailIndicator<I> {
    fn set(&mut self, brightness: f32) -> Result<(), Error> {
        if self.sets_left == 0 {
            return Err(Error::new(ErrorKind::Lost, "set light: gone, as told"));
        }
        self.sets_left -= 1;
        self.inner.set(brightness)
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{probe, script::ScriptButton};
    use super::*;

    #[test]
    fn opening_fails_as_often_as_told() {
        let mut failures = OpenFailures::new(2, ErrorKind::Busy);
        assert_eq!(failures.check("microphone").unwrap_err().kind, ErrorKind::Busy);
        assert!(failures.check("microphone").is_err());
        assert!(failures.check("microphone").is_ok() && failures.check("microphone").is_ok());
    }

    #[test]
    fn a_frail_button_and_light_work_until_their_time() {
        let mut button = FrailButton::new(ScriptButton::holds(&[(0, 1), (2, 1)]), 3);
        let wake = Wake::new();
        let pressed: Vec<bool> =
            (0..3).map(|_| button.next(&wake, Duration::MAX).unwrap().unwrap().pressed).collect();
        assert_eq!(pressed, [true, false, true]);
        assert_eq!(button.next(&wake, Duration::MAX).unwrap_err().kind, ErrorKind::Lost);
        let (light, record) = probe::indicator();
        let mut light = FrailIndicator::new(light, 1);
        assert!(light.set(1.0).is_ok() && light.set(0.0).is_err());
        assert_eq!(record.now(), 1.0);
    }
}
