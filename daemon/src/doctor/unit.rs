//! What the service manager says of the installed service.

use super::facts::value_of;
use super::{Finding, Ground};

/// What is asked of `systemctl show`.
const PROPERTIES: &str = "LoadState,ActiveState,SubState,Result,ExecMainStatus,NRestarts,UnitFileState";
/// More than this since the last start by hand is no accident.
const RESTARTS: u32 = 3;
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
    match (property("ActiveState"), property("SubState")) {
        ("active", _) if restarts > RESTARTS => {
            Finding::warn(format!("runs, after {restarts} restarts that nobody asked for"), WHY)
        }
        ("active", _) => Finding::ok("runs"),
        // Also "auto-restart-queued". Once may be an accident.
        ("activating", state) if state.starts_with("auto-restart") && restarts < 2 => Finding::warn(
            format!(
                "ended just now ({}) and is started again",
                ended(property("Result"), property("ExecMainStatus"))
            ),
            WHY,
        ),
        ("activating", state) if state.starts_with("auto-restart") => Finding::fail(
            format!(
                "is restarted again and again ({restarts} times): {}",
                ended(property("Result"), property("ExecMainStatus"))
            ),
            WHY,
        )
        .coded("restart-loop"),
        ("activating" | "reloading" | "deactivating", state) => {
            Finding::ok(format!("is on its way ({state})"))
        }
        ("failed", _) if property("ExecMainStatus") == "78" => Finding::fail(
            "gave up: the configuration has a mistake (code 78)",
            "see it: pressel config check; then: sudo systemctl restart pressel",
        ),
        ("failed", _) => {
            Finding::fail(format!("gave up: {}", ended(property("Result"), property("ExecMainStatus"))), WHY)
        }
        (_, _) if property("UnitFileState") != "enabled" => Finding::warn(
            "is switched off",
            "switch it on: sudo systemctl enable --now pressel.service pressel-key.path",
        ),
        (state, _) => Finding::warn(format!("is {state}"), "start it: sudo systemctl start pressel"),
    }
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
