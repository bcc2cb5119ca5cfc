//! Can the wall clock be believed? A board without a battery starts in the past, and then no certificate is valid yet.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Seconds from 1970 to 2026-11-01; a release says its own day by SOURCE_DATE_EPOCH when it is built.
const BUILT_S: u64 = match option_env!("SOURCE_DATE_EPOCH") {
    Some(text) => seconds(text),
    None => 1_793_491_200,
};
/// No device runs a release for so long: a clock beyond is one that broke.
const LIFETIME: Duration = Duration::from_secs(15 * 365 * 86_400);
/// systemd-timesyncd makes this file once the clock is right (systemd-timesyncd.service(8)).
const SYNCHRONIZED: &str = "/run/systemd/timesync/synchronized";

const fn seconds(text: &str) -> u64 {
    let (digits, mut index, mut number) = (text.as_bytes(), 0, 0);
    while index < digits.len() {
        assert!(digits[index].is_ascii_digit(), "SOURCE_DATE_EPOCH is a number of seconds");
        number = number * 10 + (digits[index] - b'0') as u64;
        index += 1;
    }
    number
}

/// The clock at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// Since 1970-01-01 UTC.
    pub now: Duration,
    /// Whether somebody keeps it right; `None` where nobody knows.
    pub synchronized: Option<bool>,
}

impl Clock {
    /// Reads it.
    pub fn read() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Clock { now, synchronized: synchronized() }
    }

    /// It is not before the day this program was built, nor ages after it.
    pub fn is_set(&self) -> bool {
        let built = Duration::from_secs(BUILT_S);
        self.now >= built && self.now < built + LIFETIME
    }

    /// A certificate that does not fit it may be right all the same.
    pub fn may_be_wrong(&self) -> bool {
        !self.is_set() || self.synchronized == Some(false)
    }

    /// Whether it can be relied on, in words.
    pub fn doubt(&self) -> &'static str {
        match (self.is_set(), self.synchronized) {
            (false, _) => "not set: do not rely on it",
            (true, Some(true)) => "synchronized",
            (true, Some(false)) => "not synchronized: it may be wrong",
            (true, None) => "nobody tells whether it is synchronized",
        }
    }

    /// Its date, such as `2026-11-20`.
    pub fn date(&self) -> String {
        date(self.now.as_secs() / 86_400)
    }
}

/// Asks the kernel, whoever keeps the clock (systemd-timesyncd, chrony, ntpd); or where that is refused, as under the
/// unit, systemd, which knows of its own timesyncd alone.
fn synchronized() -> Option<bool> {
    // SAFETY: all of its fields are numbers, for which zero is a value; `modes` = 0 changes nothing.
    let mut state: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: `state` may be written to.
    let answer = unsafe { libc::adjtimex(&mut state) };
    if answer >= 0 {
        return Some(answer != libc::TIME_ERROR && state.status & libc::STA_UNSYNC == 0);
    }
    Path::new(SYNCHRONIZED).exists().then_some(true)
}

/// The date of a day counted from 1970-01-01 (Howard Hinnant's civil_from_days: years begin in March, so that the
/// leap day is a year's last).
fn date(day: u64) -> String {
    let since_march_0000 = day + 719_468;
    let (era, in_era) = (since_march_0000 / 146_097, since_march_0000 % 146_097);
    let year = (in_era - in_era / 1460 + in_era / 36_524 - in_era / 146_096) / 365;
    let in_year = in_era - (365 * year + year / 4 - year / 100);
    let march_month = (5 * in_year + 2) / 153;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    format!("{year}-{month:02}-{:02}", in_year - (153 * march_month + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_set_between_the_build_and_the_end_of_a_device_s_life() {
        let check = |now_s: u64, synchronized, set, doubtful| {
            let clock = Clock { now: Duration::from_secs(now_s), synchronized };
            assert_eq!((clock.is_set(), clock.may_be_wrong()), (set, doubtful), "{clock:?}");
        };
        check(0, None, false, true);
        check(BUILT_S - 1, Some(true), false, true);
        check(BUILT_S, None, true, false);
        check(BUILT_S, Some(true), true, false);
        check(BUILT_S, Some(false), true, true);
        check(BUILT_S + LIFETIME.as_secs(), Some(true), false, true);
        assert!(Clock::read().is_set(), "tests run on machines whose clock is right");
        assert_eq!(seconds("1793491200"), 1_793_491_200);
    }

    #[test]
    fn days_are_dates() {
        for (day, expected) in [
            (0, "1970-01-01"),
            (59, "1970-03-01"),
            (11_016, "2000-02-29"),
            (20_454, "2026-01-01"),
            (20_819, "2027-01-01"),
        ] {
            assert_eq!(date(day), expected);
        }
    }
}
