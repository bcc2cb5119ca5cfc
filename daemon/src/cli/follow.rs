//! Commands that ask the running daemon: status, usage, levels, watch, press, release.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::time::Instant;

use pressel::config;
use pressel::control::{self, AskError};
use pressel::levels::{self, Levels};
use pressel::status::Status;
use pressel::usage::{self, report::UsageReport};
use pressel::volume::VolumeStatus;
use serde_json::{Value, json};

use super::{Failure, load, print};

/// Asks the running daemon.
fn ask_daemon(file: Option<&Path>, request: &Value) -> Result<Value, Failure> {
    control::ask(&socket(file)?, request).map_err(Failure::failed)
}

fn socket(file: Option<&Path>) -> Result<PathBuf, Failure> {
    let path = load(file)?.config.control.path;
    if path.is_empty() {
        return Err(Failure::configuration("[control] path is empty: the daemon has no control socket"));
    }
    Ok(path.into())
}

pub(super) fn status(file: Option<&Path>, json: bool) -> Result<(), Failure> {
    let answer = ask_daemon(file, &json!({ "op": "status" }))?;
    if json {
        return print(&format!("{answer:#}\n"));
    }
    let status: Status = serde_json::from_value(answer).map_err(Failure::failed)?;
    print(&status.to_string())
}

pub(super) fn usage(file: Option<&Path>, json: bool) -> Result<(), Failure> {
    let config = load(file)?.config;
    let asked = Some(&config.control.path)
        .filter(|path| !path.is_empty())
        .map(|path| control::ask(path.as_ref(), &json!({ "op": "usage" })));
    let report: UsageReport = match asked {
        Some(Ok(answer)) => serde_json::from_value(answer).map_err(Failure::failed)?,
        None | Some(Err(AskError::NotRunning(_))) => usage::look(&config).map_err(Failure::failed)?,
        Some(Err(error)) => return Err(Failure::failed(error)),
    };
    print(&if json { format!("{:#}\n", json!(report)) } else { report.to_string() })
}

pub(super) fn gesture(file: Option<&Path>, gesture: &str, line: Option<String>) -> Result<(), Failure> {
    ask_daemon(file, &json!({ "op": "button", "gesture": gesture, "line": line })).map(|_| ())
}

pub(super) fn act(file: Option<&Path>, act: &str) -> Result<(), Failure> {
    ask_daemon(file, &json!({ "op": "act", "act": act })).map(|_| ())
}

pub(super) fn volume(file: Option<&Path>, to: Option<&str>, json: bool) -> Result<(), Failure> {
    let request = match to {
        None => json!({ "op": "volume" }),
        // A number is one; anything else is for the daemon to judge.
        Some(to) => {
            json!({ "op": "volume", "to": to.parse::<u32>().map_or_else(|_| json!(to), |to| json!(to)) })
        }
    };
    let answer = ask_daemon(file, &request)?;
    if json {
        return print(&format!("{answer:#}\n"));
    }
    let status: VolumeStatus = serde_json::from_value(answer).map_err(Failure::failed)?;
    print(&format!("{status}\n"))
}

pub(super) fn reload(file: Option<&Path>) -> Result<(), Failure> {
    // What it cannot read it cannot tell the socket from; the daemon is asked all the same, so that it says so too.
    let path =
        config::load(file).map_or_else(|_| config::Config::default(), |loaded| loaded.config).control.path;
    match control::ask(path.as_ref(), &json!({ "op": "reload" })) {
        Ok(_) => Ok(()),
        Err(AskError::Refused(mistakes)) => Err(Failure::configuration(mistakes)),
        Err(error) => load(file).and(Err(Failure::failed(error))),
    }
}

pub(super) fn watch(file: Option<&Path>, json: bool) -> Result<(), Failure> {
    let path = socket(file)?;
    let show = |event: &Value| print(&if json { format!("{event}\n") } else { told(event) });
    let mut watcher = control::watch(&path).map_err(Failure::failed)?;
    // Where things stand, before what happens.
    let status = control::ask(&path, &json!({ "op": "status" })).map_err(Failure::failed)?;
    let now = control::monotonic_ns(Instant::now());
    show(&json!({ "at_ns": now, "event": "phase", "phase": status["phase"] }))?;
    while let Some(event) = watcher.next_event().map_err(Failure::failed)? {
        show(&event)?;
    }
    Err(Failure::failed("the daemon has ended, or we read too slowly"))
}

pub(super) fn levels(file: Option<&Path>, json: bool) -> Result<(), Failure> {
    let config = load(file)?.config;
    let live = io::stdout().is_terminal() && !json;
    let show = |levels: &Levels| {
        print(&match (json, live) {
            (true, _) => format!("{}\n", json!(levels)),
            // Over the line before.
            (false, true) => format!("\r\x1b[K{}", levels.meter()),
            (false, false) => format!("{}\n", levels.meter()),
        })
    };
    let asker = Some(&config.control.path)
        .filter(|path| !path.is_empty())
        .map(|path| control::connect(path.as_ref()));
    match asker {
        Some(Ok(mut asker)) => loop {
            let answer = asker.ask(&json!({ "op": "levels" })).map_err(Failure::failed)?;
            show(&serde_json::from_value(answer).map_err(Failure::failed)?)?;
            std::thread::sleep(levels::EVERY);
        },
        None | Some(Err(AskError::NotRunning(_))) => {
            eprintln!("pressel: no daemon runs; listening to {}", config.capture.device);
            levels::listen(&config, show).map_err(Failure::failed)?
        }
        Some(Err(error)) => Err(Failure::failed(error)),
    }
}

/// An event as a line for a person: time, what, and its members in order of their names.
fn told(event: &Value) -> String {
    let at = event["at_ns"].as_u64().unwrap_or_default() / 1_000_000;
    let mut line =
        format!("{:>9}.{:03} {:<16}", at / 1000, at % 1000, event["event"].as_str().unwrap_or("?"));
    for (name, value) in event.as_object().into_iter().flatten() {
        match (name.as_str(), value) {
            // A page of HTML is for programs that show it.
            ("at_ns" | "event" | "suggestions", _) => {}
            ("text" | "phase" | "name" | "what" | "kind", Value::String(text)) => {
                line.push(' ');
                line.push_str(text);
            }
            (name, Value::Number(number)) if number.is_f64() => {
                line.push_str(&format!(" {name}={:.1}", number.as_f64().unwrap_or_default()));
            }
            (name, value) => line.push_str(&format!(" {name}={value}")),
        }
    }
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_read_as_lines() {
        let check = |event: Value, expected: &str| assert_eq!(told(&event), expected);
        check(
            json!({"at_ns": 12_345_678_901_u64, "event": "phase", "phase": "listening"}),
            "       12.345 phase            listening\n",
        );
        check(
            json!({"at_ns": 0, "event": "latency", "name": "press_to_light", "ms": 2.04}),
            "        0.000 latency          ms=2.0 press_to_light\n",
        );
        check(
            json!({"at_ns": 0, "event": "link_down", "code": 1008, "reason": "no", "retry": false}),
            "        0.000 link_down        code=1008 reason=\"no\" retry=false\n",
        );
    }
}
