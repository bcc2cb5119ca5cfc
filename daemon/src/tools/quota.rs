//! How often a tool may be called: in any minute, and in a day of the device's own clock.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use super::tool::Head;

const MINUTE: Duration = Duration::from_secs(60);

/// Calls of every tool so far.
#[derive(Debug, Default)]
pub struct Quota {
    calls: BTreeMap<String, Calls>,
}

#[derive(Debug, Default)]
struct Calls {
    /// Of the last minute, oldest first; never more than the largest limit.
    recent: VecDeque<Instant>,
    day: u64,
    count: u32,
}

impl Quota {
    /// Takes one call, or says why not. `day` counts days in any way that does not go back.
    ///
    /// # Errors
    /// A sentence for the model.
    pub fn take(&mut self, head: &Head, now: Instant, day: u64) -> Result<(), String> {
        let calls = self.allows(head, now, day)?;
        if head.per_minute_max > 0 {
            calls.recent.push_back(now);
        }
        calls.count = calls.count.saturating_add(1);
        Ok(())
    }

    /// Whether one could be taken now; its calls so far.
    fn allows(&mut self, head: &Head, now: Instant, day: u64) -> Result<&mut Calls, String> {
        let calls = self.calls.entry(head.name.clone()).or_default();
        while calls.recent.front().is_some_and(|&at| now.saturating_duration_since(at) >= MINUTE) {
            calls.recent.pop_front();
        }
        if calls.day != day {
            (calls.day, calls.count) = (day, 0);
        }
        let wait = || {
            let oldest =
                calls.recent.front().map_or(Duration::ZERO, |&at| MINUTE - now.saturating_duration_since(at));
            oldest.as_secs() + 1
        };
        if head.per_day_max > 0 && calls.count >= head.per_day_max {
            return Err(format!(
                "not done: {} may be called {} times a day, and was",
                head.name, head.per_day_max
            ));
        }
        if head.per_minute_max > 0 && calls.recent.len() >= head.per_minute_max as usize {
            return Err(format!(
                "not done: {} may be called {} times a minute; try again in {} s",
                head.name,
                head.per_minute_max,
                wait()
            ));
        }
        Ok(calls)
    }

    /// The same as [`Quota::take`], and takes none.
    ///
    /// # Errors
    /// A sentence for the model.
    pub fn look(&mut self, head: &Head, now: Instant, day: u64) -> Result<(), String> {
        self.allows(head, now, day).map(|_| ())
    }

    /// Calls of every tool on this day.
    pub fn all(&self, day: u64) -> BTreeMap<String, u32> {
        let called = self.calls.iter().filter(|(_, calls)| calls.day == day && calls.count > 0);
        called.map(|(name, calls)| (name.clone(), calls.count)).collect()
    }

    /// What was called today before a restart.
    pub fn restore(&mut self, name: &str, day: u64, count: u32) {
        let calls = self.calls.entry(name.to_owned()).or_default();
        (calls.day, calls.count) = (day, count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(per_minute_max: u32, per_day_max: u32) -> Head {
        Head { name: "door".into(), per_minute_max, per_day_max, ..Head::default() }
    }

    #[test]
    fn a_minute_slides_and_a_day_begins_anew() {
        let (mut quota, start) = (Quota::default(), Instant::now());
        let door = head(2, 3);
        let at = |s| start + Duration::from_secs(s);
        assert!(quota.take(&door, at(0), 1).is_ok());
        assert!(quota.take(&door, at(30), 1).is_ok());
        assert!(quota.look(&door, at(50), 1).is_err());
        let told = quota.take(&door, at(50), 1).unwrap_err();
        assert!(told.ends_with("try again in 11 s"), "{told}");
        assert!(quota.look(&door, at(61), 1).is_ok(), "looking takes none");
        assert!(quota.take(&door, at(61), 1).is_ok());
        let told = quota.take(&door, at(200), 1).unwrap_err();
        assert!(told.contains("3 times a day"), "{told}");
        assert!(quota.take(&door, at(201), 2).is_ok());
        assert_eq!((quota.all(2), quota.all(1)), (BTreeMap::from([("door".to_owned(), 1)]), BTreeMap::new()));
    }

    #[test]
    fn a_restart_does_not_begin_a_day_anew_and_no_limit_is_none() {
        let (mut quota, now) = (Quota::default(), Instant::now());
        quota.restore("door", 7, 3);
        assert!(quota.take(&head(0, 3), now, 7).is_err());
        for _ in 0..5000 {
            assert!(quota.take(&head(0, 0), now, 7).is_ok());
        }
    }
}
