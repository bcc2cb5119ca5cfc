//! The device: groups, real time, clock.

use pressel_hal::realtime::{self, Locking, Scheduling};
use pressel_hal::{Error, ErrorKind};

use super::{Finding, Ground};
use crate::net::Clock;

/// Groups that the service's user needs, as systemd/pressel.sysusers says.
const GROUPS: [&str; 4] = ["audio", "gpio", "input", "spi"];

/// The hint that fits what a device said.
pub(super) fn device_hint(error: &Error, group: &str) -> String {
    match error.kind {
        ErrorKind::Busy => "end the program that holds it, or let the daemon wait for it".to_owned(),
        ErrorKind::NotFound => "see what there is: pressel devices".to_owned(),
        ErrorKind::PermissionDenied => {
            format!(
                "run this with sudo, or join the group: sudo usermod -aG {group} $USER (then log in again)"
            )
        }
        ErrorKind::Lost => "plug it in again".to_owned(),
        ErrorKind::Unsupported | ErrorKind::Other => {
            "see docs/hardware.md for what is known to work".to_owned()
        }
    }
}

/// Brings back what systemd/pressel.sysusers asks for: user, groups, and who is in which.
pub(super) const MAKE_GROUPS: &str =
    "type: sudo systemd-sysusers pressel.conf && sudo systemctl restart pressel";

/// Groups of the service that `/etc/group` does not have. One of them is enough to fail its start.
pub(super) fn groups_that_lack(all: &str) -> Vec<&'static str> {
    let there = |group: &str| all.lines().any(|line| line.split(':').next() == Some(group));
    GROUPS.into_iter().filter(|group| !there(group)).collect()
}

pub(super) fn groups(ground: &Ground) -> Finding {
    let read = |path| ground.facts.text(path).unwrap_or_default();
    let (users, all) = (read("/etc/passwd"), read("/etc/group"));
    // SAFETY: no arguments, cannot fail.
    let user = unsafe { libc::geteuid() };
    groups_of(&users, &all, user)
}

fn groups_of(users: &str, all: &str, uid: u32) -> Finding {
    let name_of = |uid: u32| {
        users.lines().find_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            (fields.nth(1)?.parse() == Ok(uid)).then_some(name)
        })
    };
    let installed = users.lines().any(|line| line.starts_with("pressel:"));
    let user = if installed { "pressel" } else { name_of(uid).unwrap_or("nobody") };
    if user == "root" {
        return Finding::ok("root may open every device");
    }
    let nowhere = groups_that_lack(all);
    if installed && !nowhere.is_empty() {
        return Finding::fail(
            format!("there is no group {}: the service does not start without", nowhere.join(", ")),
            MAKE_GROUPS,
        )
        .coded("no-group");
    }
    // Who runs it by hand on a machine without the bus of ring lights has no group for it.
    let groups: Vec<&str> =
        GROUPS.into_iter().filter(|group| *group != "spi" || !nowhere.contains(group)).collect();
    let missing: Vec<&str> = groups
        .iter()
        .copied()
        .filter(|group| {
            !all.lines().any(|line| {
                let mut fields = line.split(':');
                fields.next() == Some(*group)
                    && fields.nth(2).is_some_and(|m| m.split(',').any(|m| m == user))
            })
        })
        .collect();
    if missing.is_empty() {
        return Finding::ok(format!("user {user} is in {}", groups.join(", ")));
    }
    let hint = if installed {
        MAKE_GROUPS.to_owned()
    } else {
        format!("type: sudo usermod -aG {} {user} (then log in again)", missing.join(","))
    };
    Finding::warn(format!("user {user} is not in {}", missing.join(", ")), hint)
}

pub(super) fn realtime(ground: &Ground) -> Finding {
    let Some(config) = ground.config() else { return Finding::skip("the configuration has mistakes") };
    if let Some(status) = ground.status() {
        let told: Vec<&str> = [&status.microphone, &status.speaker]
            .into_iter()
            .filter_map(|side| side.scheduling.as_deref())
            .collect();
        return match told.as_slice() {
            [] => Finding::skip("no card is open, so no thread needs it yet"),
            all if all.iter().any(|text| text.starts_with("refused")) => refused(&all.join(", ")),
            all => Finding::ok(format!("the daemon's sound threads: {}", all.join(", "))),
        };
    }
    if config.realtime.priority == 0 {
        return Finding::ok("switched off ([realtime] priority = 0)");
    }
    if ground.facts.word("/proc/sys/kernel/sched_rt_runtime_us").as_deref() == Some("0") {
        return Finding::warn(
            "the kernel grants no real-time priority to anybody (sched_rt_runtime_us = 0)",
            "type: sudo sysctl kernel.sched_rt_runtime_us=950000; who sets it: grep -r sched_rt /etc/sysctl*",
        );
    }
    if !ground.facts.is_running() {
        return limits(&ground.facts.text("/proc/self/limits").unwrap_or_default());
    }
    // A thread of its own: what it is granted ends with it.
    let scheduling = realtime::schedule(u8::try_from(config.realtime.priority).unwrap_or(u8::MAX));
    let memory = match realtime::lock_memory() {
        Locking::Locked => "memory locked",
        Locking::Limited => "memory not locked (limit too small)",
        Locking::Refused => "memory not locked",
    };
    match scheduling {
        Scheduling::Nice(_) | Scheduling::Refused => refused(&format!("{scheduling}, {memory}")),
        granted => Finding::ok(format!("{granted}, {memory}")),
    }
}

/// What /proc/PID/limits grants.
fn limits(text: &str) -> Finding {
    let soft = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next().map(str::to_owned)
    };
    match (soft("Max realtime priority"), soft("Max locked memory")) {
        (Some(priority), _) if priority == "0" => refused("the limit of real-time priority is 0"),
        (Some(priority), Some(memory)) => {
            Finding::ok(format!("up to priority {priority}, {memory} bytes of locked memory"))
        }
        _ => Finding::skip("its limits are not known"),
    }
}

fn refused(text: &str) -> Finding {
    Finding::warn(
        format!("{text}; sound may crackle under load"),
        "run under systemd (pressel.service sets LimitRTPRIO), or see docs/troubleshooting.md#realtime",
    )
}

pub(super) fn clock(ground: &Ground) -> Finding {
    let clock = Clock::read();
    // systemd-timesyncd writes the time into this file's date, so that a board without a battery does not fall far back.
    let kept = std::fs::metadata(ground.facts.path("/var/lib/systemd/timesync/clock"));
    let kept = kept.and_then(|facts| facts.modified()).ok();
    let kept = kept.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    if let Some(then) = kept.filter(|then| *then > clock.now + BEHIND) {
        let was = Clock { now: then, synchronized: None };
        return Finding::fail(
            format!("it is said to be {}, and it was {} already", clock.date(), was.date()),
            NOT_SET,
        );
    }
    clock_at(clock)
}

/// A clock that is behind itself by more than this was lost.
const BEHIND: std::time::Duration = std::time::Duration::from_secs(86_400);
const NOT_SET: &str =
    "type: sudo timedatectl set-ntp true; a board without a battery needs the network once after each start";

fn clock_at(clock: Clock) -> Finding {
    let today = clock.date();
    let hint = NOT_SET;
    match clock.synchronized {
        _ if !clock.is_set() => {
            Finding::fail(format!("it is said to be {today}: no certificate is valid then"), hint)
        }
        Some(true) => Finding::ok(format!("{today}, kept right")),
        Some(false) => Finding::warn(format!("{today}, and nobody keeps it right"), hint),
        None => Finding::ok(today),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Class;
    use super::super::facts::Facts;
    use super::*;
    use crate::config::load_from;
    use crate::status::{DeviceStatus, Status};
    use std::time::Duration;

    fn ground(text: &str, status: Option<Status>) -> Ground {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.toml"), text).unwrap();
        let loaded = load_from(folder.path(), None, []);
        assert!(loaded.is_ok(), "{loaded:?}");
        Ground::of(loaded, status.map(Ok), Facts::below("/".as_ref()))
    }

    #[test]
    fn certificates_need_a_clock_that_is_set() {
        let check = |now_s: u64, synchronized, class| {
            let found = clock_at(Clock { now: Duration::from_secs(now_s), synchronized });
            assert_eq!((found.class, found.hint.is_some()), (class, class != Class::Ok), "{found:?}");
        };
        let (unset, today) = (86_400, 1_795_132_800);
        check(unset, None, Class::Fail);
        check(unset, Some(true), Class::Fail);
        check(today, Some(false), Class::Warn);
        check(today, Some(true), Class::Ok);
        check(today, None, Class::Ok);
    }

    #[test]
    fn the_service_s_user_is_looked_at_where_it_is_installed() {
        let users = "root:x:0:0::/root:/bin/sh\nkim:x:1000:1000::/home/kim:/bin/sh\n";
        let by_hand = "audio:x:29:kim,pressel\ngpio:x:997:pressel\ninput:x:101:pressel\nkim:x:1000:\n";
        let all = &format!("{by_hand}spi:x:994:pressel\n");
        let check = |users: &str, all: &str, uid: u32, class: Class, text: &str| {
            let found = groups_of(users, all, uid);
            assert_eq!((found.class, found.text.as_str()), (class, text), "{found:?}");
        };
        let installed = format!("{users}pressel:x:996:996::/:/usr/sbin/nologin\n");
        check(&installed, all, 1000, Class::Ok, "user pressel is in audio, gpio, input, spi");
        let without = all.replace("997:pressel", "997:");
        check(&installed, &without, 0, Class::Warn, "user pressel is not in gpio");
        check(users, all, 1000, Class::Warn, "user kim is not in gpio, input, spi");
        check(users, by_hand, 1000, Class::Warn, "user kim is not in gpio, input");
        check(users, all, 0, Class::Ok, "root may open every device");
        check(
            &installed,
            by_hand,
            0,
            Class::Fail,
            "there is no group spi: the service does not start without",
        );
    }

    #[test]
    fn the_daemon_s_own_scheduling_counts_while_it_runs() {
        let side = |scheduling: Option<&str>| DeviceStatus {
            scheduling: scheduling.map(str::to_owned),
            ..DeviceStatus::default()
        };
        let check = |microphone, speaker, class: Class| {
            let status = Status { microphone: side(microphone), speaker: side(speaker), ..Status::default() };
            let found = realtime(&ground("", Some(status)));
            assert_eq!(found.class, class, "{found:?}");
        };
        check(Some("SCHED_FIFO 60"), Some("SCHED_FIFO 60"), Class::Ok);
        check(Some("SCHED_FIFO 60"), Some("refused, nice -15 instead"), Class::Warn);
        check(Some("SCHED_FIFO 60"), None, Class::Ok);
        check(None, None, Class::Skip);
    }
}
