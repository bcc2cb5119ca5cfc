//! When a link is kept ready although nobody talks: never, always, or at some hours of the day by the local clock.

use std::time::{Duration, Instant};

/// The clock may be set at any time: looked at again this often, and at each full hour.
const LOOK: Duration = Duration::from_secs(600);

/// Hours of the day, one bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours(u32);

const NEVER: Hours = Hours(0);
const ALWAYS: Hours = Hours((1 << 24) - 1);

impl Hours {
    /// Reads `never`, `always`, or `from-to` in whole hours, separated by commas; `22-6` goes over midnight.
    ///
    /// # Errors
    /// What is wrong with it and what is allowed.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "never" => return Ok(NEVER),
            "always" => return Ok(ALWAYS),
            _ => {}
        }
        let mut hours = 0;
        for span in text.split(',') {
            let span = span.trim();
            let ends = span.split_once('-').and_then(|(from, to)| {
                let (from, to) = (from.trim().parse::<u32>().ok()?, to.trim().parse::<u32>().ok()?);
                (from < 24 && to <= 24 && from != to).then_some((from, to % 24))
            });
            let Some((from, to)) = ends else {
                return Err(format!(
                    "\"{span}\" is no span of hours; \"never\", \"always\", or hours such as \"7-9, 17-22\""
                ));
            };
            let mut hour = from;
            while {
                hours |= 1 << hour;
                hour = (hour + 1) % 24;
                hour != to
            } {}
        }
        Ok(Hours(hours))
    }

    /// Whether this hour, 0 to 23, is one of them.
    pub fn holds(self, hour: u32) -> bool {
        self.0 >> hour & 1 == 1
    }
}

/// Tells when a warm link is wanted from now on, and when not any more.
pub struct Warm {
    hours: Hours,
    told: bool,
    at: Option<Instant>,
}

impl Warm {
    /// By the configuration's words, which have been checked.
    pub fn new(text: &str, now: Instant) -> Self {
        let hours = Hours::parse(text).unwrap_or(NEVER);
        Warm { hours, told: false, at: (hours != NEVER).then_some(now) }
    }

    /// When [`Warm::look`] wants to be called; `None` = never.
    pub fn next(&self) -> Option<Instant> {
        self.at
    }

    /// What changed by now, if anything: whether a link is to be kept from now on.
    pub fn look(&mut self, now: Instant) -> Option<bool> {
        self.at.filter(|at| *at <= now)?;
        let (hour, left) = local_hour();
        self.at = (self.hours != ALWAYS).then(|| now + left.min(LOOK));
        self.see(hour)
    }

    fn see(&mut self, hour: u32) -> Option<bool> {
        let warm = self.hours.holds(hour);
        (std::mem::replace(&mut self.told, warm) != warm).then_some(warm)
    }
}

/// The hour of the day by the local clock, and how much of it is left.
pub(crate) fn local_hour() -> (u32, Duration) {
    // SAFETY: a zeroed tm is a valid value, both pointers are to locals that outlive the calls, and localtime_r keeps
    // neither of them.
    let local = unsafe {
        let seconds = libc::time(std::ptr::null_mut());
        let mut local: libc::tm = std::mem::zeroed();
        libc::localtime_r(&raw const seconds, &raw mut local);
        local
    };
    let within = |number: i32, most: u32| u32::try_from(number).unwrap_or(0).min(most);
    let (minute, second) = (within(local.tm_min, 59), within(local.tm_sec, 59));
    (within(local.tm_hour, 23), Duration::from_secs(u64::from(3600 - minute * 60 - second)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(text: &str) -> Vec<u32> {
        let hours = Hours::parse(text).unwrap();
        (0..24).filter(|hour| hours.holds(*hour)).collect()
    }

    #[test]
    fn spans_hold_their_first_hour_and_not_their_last() {
        assert_eq!(hours("7-9, 17-22"), [7, 8, 17, 18, 19, 20, 21]);
        assert_eq!(hours("22-2"), [0, 1, 22, 23]);
        assert_eq!(hours("20-24"), [20, 21, 22, 23]);
        assert_eq!(hours("0-24"), (0..24).collect::<Vec<_>>());
        assert_eq!(hours("always").len(), 24);
        assert!(hours("never").is_empty());
    }

    #[test]
    fn what_is_no_span_is_named() {
        for text in ["", "7", "7-", "-9", "7-25", "24-3", "9-9", "7-9;17-22", "sometimes", "7-9,"] {
            let wrong = Hours::parse(text).unwrap_err();
            assert!(wrong.contains("is no span of hours"), "{text}: {wrong}");
        }
    }

    #[test]
    fn it_is_told_when_it_changes() {
        let now = Instant::now();
        let mut warm = Warm::new("7-9", now);
        let told: Vec<_> = [6, 7, 7, 8, 9, 9].into_iter().map(|hour| warm.see(hour)).collect();
        assert_eq!(told, [None, Some(true), None, None, Some(false), None]);
        assert_eq!(Warm::new("never", now).next(), None);
        let mut warm = Warm::new("always", now);
        assert_eq!((warm.look(now), warm.next()), (Some(true), None));
        let mut warm = Warm::new("7-9", now);
        warm.look(now);
        assert!(warm.next().is_some_and(|at| at > now && at <= now + LOOK));
    }
}
