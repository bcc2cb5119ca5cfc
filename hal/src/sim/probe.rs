//! A light that remembers what it showed.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::{Error, Indicator};

/// Creates a light and the record of what it shows.
pub fn indicator() -> (ProbeIndicator, Record) {
    let shared = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
    (ProbeIndicator(shared.clone()), Record(shared))
}

type Shown = Vec<(Instant, f32)>;

/// A light that writes down when it was set to what.
pub struct ProbeIndicator(Arc<(Mutex<Shown>, Condvar)>);

/// What a [`ProbeIndicator`] was set to.
#[derive(Clone)]
pub struct Record(Arc<(Mutex<Shown>, Condvar)>);

fn lock(shared: &(Mutex<Shown>, Condvar)) -> MutexGuard<'_, Shown> {
    // Nothing that holds it can leave the list half changed.
    shared.0.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Indicator for ProbeIndicator {
    fn set(&mut self, brightness: f32) -> Result<(), Error> {
        lock(&self.0).push((Instant::now(), brightness));
        self.0.1.notify_all();
        Ok(())
    }

    fn describe(&self) -> String {
        "probe".into()
    }
}

impl Record {
    /// Everything so far, oldest first.
    pub fn all(&self) -> Vec<(Instant, f32)> {
        lock(&self.0).clone()
    }

    /// What it shows now; 0.0 before it was ever set.
    pub fn now(&self) -> f32 {
        lock(&self.0).last().map_or(0.0, |shown| shown.1)
    }

    /// Waits for the first setting at or after `since` for which `is_it` holds; `None` when `timeout` is over.
    pub fn wait_for(
        &self,
        since: Instant,
        timeout: Duration,
        is_it: impl Fn(f32) -> bool,
    ) -> Option<(Instant, f32)> {
        let deadline = Instant::now() + timeout;
        let mut shown = lock(&self.0);
        loop {
            if let Some(found) = shown.iter().find(|shown| shown.0 >= since && is_it(shown.1)) {
                return Some(*found);
            }
            let left = deadline.checked_duration_since(Instant::now())?;
            shown = self.0.1.wait_timeout(shown, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_remembered_with_their_time_and_can_be_awaited() {
        let (mut light, record) = indicator();
        assert_eq!(record.now(), 0.0);
        let start = Instant::now();
        light.set(0.25).unwrap();
        assert_eq!(record.wait_for(start, Duration::ZERO, |b| b > 0.5), None);
        let thread = std::thread::spawn(move || light.set(1.0));
        let (at, brightness) = record.wait_for(start, Duration::from_secs(5), |b| b > 0.5).unwrap();
        thread.join().unwrap().unwrap();
        assert!(at >= start && brightness == 1.0);
        assert_eq!(record.all().iter().map(|shown| shown.1).collect::<Vec<_>>(), [0.25, 1.0]);
        assert_eq!(record.wait_for(Instant::now(), Duration::ZERO, |_| true), None, "nothing since");
    }
}
