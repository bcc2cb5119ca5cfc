//! Days as the people around the device count them, and what to make of a clock that may be wrong.
//!
//! A board without a battery begins in the past after every power cut. A day that was reached stays until a clock
//! that can be believed says otherwise: a budget must not come back because the clock went back.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// No clock that is set shows an earlier day.
const FIRST: Day = Day(20_260_101);

/// A date of the local calendar, written as the number 20261231.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Day(pub u32);

impl Day {
    /// The local date at `time`.
    pub fn of(time: SystemTime) -> Self {
        let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let seconds = libc::time_t::try_from(seconds).unwrap_or(0);
        // SAFETY: a tm is plain numbers and a pointer that localtime_r sets to static text.
        let mut date: libc::tm = unsafe { std::mem::zeroed() };
        // SAFETY: reads one local and writes the other.
        let known = unsafe { !libc::localtime_r(&raw const seconds, &raw mut date).is_null() };
        if !known {
            return FIRST;
        }
        let number = (date.tm_year + 1900) * 10_000 + (date.tm_mon + 1) * 100 + date.tm_mday;
        Day(u32::try_from(number).unwrap_or(FIRST.0))
    }

    /// The day that counts: what the clock says where it can be believed, else the last that was known.
    pub fn counted(clock: Day, last: Option<Day>, set: bool) -> Day {
        let least = last.unwrap_or(FIRST).max(FIRST);
        if clock >= least || (set && clock >= FIRST) { clock } else { least }
    }

    /// Its month, as the number 202612.
    pub fn month(self) -> u32 {
        self.0 / 100
    }

    /// The day before.
    #[must_use]
    pub fn before(self) -> Day {
        let (year, month, day) = (self.0 / 10_000, self.0 / 100 % 100, self.0 % 100);
        if day > 1 {
            return Day(self.0 - 1);
        }
        let (year, month) = if month > 1 { (year, month - 1) } else { (year - 1, 12) };
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let length = match month {
            2 => 28 + u32::from(leap),
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        Day(year * 10_000 + month * 100 + length)
    }

    /// Whether it is a date at all; a file may hold anything.
    pub fn is_date(self) -> bool {
        (FIRST.0..=99_991_231).contains(&self.0)
            && (1..=12).contains(&(self.0 / 100 % 100))
            && (1..=31).contains(&(self.0 % 100))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:02}-{:02}", self.0 / 10_000, self.0 / 100 % 100, self.0 % 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_day_before_knows_months_and_leap_years() {
        for (day, before) in [
            (20_261_120, 20_261_119),
            (20_261_201, 20_261_130),
            (20_270_101, 20_261_231),
            (20_280_301, 20_280_229),
            (20_270_301, 20_270_228),
        ] {
            assert_eq!(Day(day).before(), Day(before));
        }
        assert_eq!(
            (Day(20_261_120).month(), Day(20_261_120).to_string()),
            (202_611, "2026-11-20".to_owned())
        );
    }

    #[test]
    fn a_clock_in_the_past_does_not_bring_a_day_back() {
        let (old, last, new) = (Day(19_700_101), Day(20_261_120), Day(20_261_121));
        assert_eq!(Day::counted(old, None, false), FIRST);
        assert_eq!(Day::counted(old, Some(last), false), last);
        assert_eq!(Day::counted(old, Some(last), true), last, "nobody sets a clock to 1970");
        assert_eq!(Day::counted(new, Some(last), false), new);
        assert_eq!(Day::counted(last, Some(new), false), new);
        assert_eq!(Day::counted(last, Some(new), true), last, "the later day was the wrong one");
    }

    #[test]
    fn a_moment_has_a_local_date() {
        let noon = Day::of(UNIX_EPOCH + Duration::from_secs(1_795_176_000)); // 2026-11-20, 12 h UTC
        assert!(noon.is_date() && (20_261_119..=20_261_121).contains(&noon.0), "{noon}");
        assert!(!Day(0).is_date() && !Day(20_261_300).is_date() && !Day(20_261_132).is_date());
    }
}
