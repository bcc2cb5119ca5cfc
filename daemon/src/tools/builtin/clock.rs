//! Time and date where the device is, and whether the clock can be believed.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::net::Clock;

const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// Now.
pub(super) fn told() -> Map<String, Value> {
    let clock = Clock::read();
    let zone = std::fs::read_link("/etc/localtime").ok();
    let zone = zone.as_deref().and_then(zone_of);
    of(&clock, &local(clock.now.as_secs()), zone.as_deref())
}

/// A moment in local time.
struct Local {
    year: i32,
    month: i32,
    day: i32,
    weekday: usize,
    hour: i32,
    minute: i32,
    second: i32,
    /// East of Greenwich.
    offset_s: i64,
    /// `CET`.
    short: String,
}

fn local(now_s: u64) -> Local {
    let time = libc::time_t::try_from(now_s).unwrap_or(libc::time_t::MAX);
    // SAFETY: numbers and one pointer, for all of which zero is a value.
    let mut parts: libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: both point to locals; the call reads one and writes the other.
    unsafe { libc::localtime_r(&raw const time, &raw mut parts) };
    let short = if parts.tm_zone.is_null() {
        String::new()
    } else {
        // SAFETY: the C library's own text, which ends with a zero and lives as long as the program.
        unsafe { std::ffi::CStr::from_ptr(parts.tm_zone) }.to_string_lossy().into_owned()
    };
    Local {
        year: parts.tm_year + 1900,
        month: parts.tm_mon + 1,
        day: parts.tm_mday,
        weekday: usize::try_from(parts.tm_wday).unwrap_or_default() % 7,
        hour: parts.tm_hour,
        minute: parts.tm_min,
        second: parts.tm_sec,
        #[allow(clippy::useless_conversion)] // 32 bits wide on armhf
        offset_s: i64::from(parts.tm_gmtoff),
        short,
    }
}

/// `Europe/Berlin`, of where /etc/localtime points to.
fn zone_of(target: &Path) -> Option<String> {
    target.to_str()?.split_once("/zoneinfo/").map(|(_, zone)| zone.to_owned())
}

fn of(clock: &Clock, at: &Local, zone: Option<&str>) -> Map<String, Value> {
    let (sign, offset_min) = (if at.offset_s < 0 { '-' } else { '+' }, at.offset_s.abs() / 60);
    let told = json!({
        "time": format!("{:02}:{:02}:{:02}", at.hour, at.minute, at.second),
        "date": format!("{:04}-{:02}-{:02}", at.year, at.month, at.day),
        "weekday": DAYS[at.weekday],
        "time_zone": zone.unwrap_or(&at.short),
        "utc_offset": format!("{sign}{:02}:{:02}", offset_min / 60, offset_min % 60),
        "clock": clock.doubt(),
    });
    let Value::Object(told) = told else { unreachable!("it is an object") };
    told
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_moment_is_told_with_zone_and_doubt() {
        let clock = |synchronized| Clock { now: Duration::from_secs(1_795_000_000), synchronized };
        let at = Local {
            year: 2026,
            month: 11,
            day: 8,
            weekday: 0,
            hour: 7,
            minute: 5,
            second: 9,
            offset_s: -12_600,
            short: "NST".into(),
        };
        let told = of(
            &clock(Some(true)),
            &at,
            zone_of(Path::new("/usr/share/zoneinfo/America/St_Johns")).as_deref(),
        );
        assert_eq!(
            Value::Object(told),
            json!({
                "time": "07:05:09", "date": "2026-11-08", "weekday": "Sunday", "time_zone": "America/St_Johns",
                "utc_offset": "-03:30", "clock": "synchronized"
            })
        );
        let told = of(&clock(Some(false)), &at, None);
        assert_eq!(
            (&told["time_zone"], &told["clock"]),
            (&json!("NST"), &json!("not synchronized: it may be wrong"))
        );
        let unset = Clock { now: Duration::from_secs(77), synchronized: None };
        assert_eq!(of(&unset, &at, None)["clock"], "not set: do not rely on it");
    }

    #[test]
    fn the_c_library_knows_the_day() {
        // 2026-11-18 13:46:40 UTC; any zone is within a day of it.
        let at = local(1_795_009_600);
        assert_eq!((at.year, at.month), (2026, 11));
        assert!(
            (17..=19).contains(&at.day) && (at.offset_s.abs() <= 14 * 3600),
            "{} {}",
            at.day,
            at.offset_s
        );
    }
}
