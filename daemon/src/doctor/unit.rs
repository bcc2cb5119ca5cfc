//! What the service manager says of the installed service.

use super::board::{MAKE_GROUPS, groups_that_lack};
use super::facts::value_of;
use super::{Finding, Ground};

/// What is asked of `systemctl show`.
const PROPERTIES: &str = "LoadState,ActiveState,SubState,Result,ExecMainStatus,NRestarts,UnitFileState";
/// More than this since the last start by hand is no accident.
const RESTARTS: u32 = 3;
const UNREADABLE: &str = "an encrypted key opens on the device alone that encrypted it: see docs/troubleshooting.md#key to make it anew";
const WHY: &str = "why: journalctl -u pressel -n 50";

pub(super) fn service(ground: &Ground) -> Finding {
    let told = ground.facts.told_by("systemctl", &["show", "pressel.service", "--property", PROPERTIES]);
    let Some(told) = told.filter(|told| told.contains("LoadState=")) else {
        return Finding::skip("no systemd answers here");
    };
    let property = |name| value_of(&told, name).unwrap_or_default();
    let restarts: u32 = property("NRestarts").parse().unwrap_or(0);
    if property("LoadState") != "loaded" {
        return Finding::ok("not installed: the daemon is started by hand");
    }
    let how = || {
        let (result, status) = (property("Result"), property("ExecMainStatus"));
        lacks(ground, result, status).unwrap_or_else(|| (ended(result, status), WHY))
    };
    match (property("ActiveState"), property("SubState")) {
        ("active", _) if restarts > RESTARTS => {
            Finding::warn(format!("runs, after {restarts} restarts that nobody asked for"), WHY)
        }
        ("active", _) => Finding::ok("runs"),
        // Also "auto-restart-queued". Once may be an accident.
        ("activating", state) if state.starts_with("auto-restart") && restarts < 2 => {
            let (how, hint) = how();
            Finding::warn(format!("ended just now ({how}) and is started again"), hint)
        }
        ("activating", state) if state.starts_with("auto-restart") => {
            let (how, hint) = how();
            Finding::fail(format!("is restarted again and again ({restarts} times): {how}"), hint)
                .coded("restart-loop")
        }
        ("activating" | "reloading" | "deactivating", state) => {
            Finding::ok(format!("is on its way ({state})"))
        }
        ("failed", _) if property("ExecMainStatus") == "78" => Finding::fail(
            "gave up: the configuration has a mistake (code 78)",
            "see it: pressel config check; then: sudo systemctl restart pressel",
        ),
        ("failed", _) => {
            let (how, hint) = how();
            Finding::fail(format!("gave up: {how}"), hint)
        }
        (_, _) if property("UnitFileState") != "enabled" => Finding::warn(
            "is switched off",
            "switch it on: sudo systemctl enable --now pressel.service pressel-key.path",
        ),
        (state, _) => Finding::warn(format!("is {state}"), "start it: sudo systemctl start pressel"),
    }
}

/// What systemd did not find when it was to start the program (systemd.exec, "process exit codes"), and what mends it.
fn lacks(ground: &Ground, result: &str, status: &str) -> Option<(String, &'static str)> {
    let how = match (result, status) {
        ("exit-code", "216") => {
            let all = ground.facts.text("/etc/group").unwrap_or_default();
            match groups_that_lack(&all).as_slice() {
                [] => "one of its groups is not there (216/GROUP)".to_owned(),
                groups => format!("there is no group {} (216/GROUP)", groups.join(", ")),
            }
        }
        ("exit-code", "217") => "there is no user pressel (217/USER)".to_owned(),
        ("exit-code", "243") => {
            let how = "systemd cannot read one of its credentials (243/CREDENTIALS)".to_owned();
            return Some((how, UNREADABLE));
        }
        _ => return None,
    };
    Some((how, MAKE_GROUPS))
}

/// How it ended, in words.
fn ended(result: &str, status: &str) -> String {
    match result {
        "watchdog" => "a thread stood still, and the watchdog ended it".to_owned(),
        "exit-code" => format!("it ended with code {status}"),
        "signal" | "core-dump" => format!("it was ended by signal {status}"),
        "oom-kill" => "there was no memory left".to_owned(),
        "timeout" => "it did not become ready in time".to_owned(),
        "start-limit-hit" => "it ended too often too soon".to_owned(),
        other => other.to_owned(),
    }
}
