//! The program's own side: configuration, daemon, key.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::facts::Facts;
use super::{Finding, Ground};
use crate::config::{Backend, FOLDER};
use crate::control::{self, AskError};
use crate::secret::{self, NoKey};
use crate::status::Status;

/// Asks the running daemon for its state.
pub(super) fn ask(path: &Path) -> Result<Status, AskError> {
    let answer = control::ask(path, &json!({ "op": "status" }))?;
    serde_json::from_value(answer).map_err(|error| AskError::Failed(path.to_owned(), error.into()))
}

pub(super) fn config(ground: &Ground) -> Finding {
    match &ground.loaded {
        Ok(loaded) if loaded.files.is_empty() => {
            Finding::ok(format!("defaults; there is no {FOLDER}/config.toml"))
        }
        Ok(loaded) => {
            let files: Vec<String> = loaded.files.iter().map(|file| file.display().to_string()).collect();
            Finding::ok(format!("{}, {} keys set", files.join(", "), loaded.origins.len()))
        }
        Err(mistakes) => {
            let rest = match mistakes.0.len() {
                1 => String::new(),
                count => format!(" (and {} more)", count - 1),
            };
            Finding::fail(format!("{}{rest}", mistakes.0[0]), "see them all: pressel config check")
        }
    }
}

pub(super) fn daemon(ground: &Ground) -> Finding {
    match &ground.daemon {
        None => Finding::ok("has no control socket ([control] path is empty), so it cannot be asked"),
        Some(Ok(status)) => {
            let told = format!("{}, pid {}, phase {}", status.version, status.pid, status.phase);
            match status.missing.as_slice() {
                [] => Finding::ok(told),
                missing => Finding::warn(
                    format!("{told}, lacks {}", count(missing.len())),
                    "the other lines say what; it waits for it",
                ),
            }
        }
        Some(Err(AskError::NotRunning(path))) => {
            let hint = if Path::new("/run/systemd/system").exists() {
                "start it: systemctl start pressel; why it stopped: journalctl -u pressel -n 50"
            } else {
                "start it: pressel run"
            };
            Finding::warn(format!("none runs ({})", path.display()), hint)
        }
        Some(Err(AskError::Denied(path))) => Finding::warn(
            format!("{}: permission denied", path.display()),
            "run this with sudo, or join the group: sudo usermod -aG pressel $USER",
        ),
        Some(Err(error)) => {
            Finding::fail(error.to_string(), "systemctl restart pressel; then: journalctl -u pressel -n 50")
        }
    }
}

fn count(things: usize) -> String {
    match things {
        1 => "one thing".to_owned(),
        _ => format!("{things} things"),
    }
}

/// The key that systemd hands to the service.
pub(super) fn installed_key(facts: &Facts) -> PathBuf {
    facts.path(Path::new(FOLDER).join("key"))
}

pub(super) fn key(ground: &Ground) -> Finding {
    let installed = installed_key(&ground.facts);
    let encrypted = installed.with_extension("cred");
    if let Some(status) = ground.status() {
        return match &status.key {
            Some(source) => Finding::ok(format!("the daemon has one from {source}")),
            None => none(&installed, "the daemon has none"),
        };
    }
    let Some(config) = ground.config() else { return Finding::skip("the configuration has mistakes") };
    if config.live.backend != Backend::Developer {
        return super::token::source(config);
    }
    match secret::find(&config.live.key_file) {
        Ok(key) => Finding::ok(format!("from {}", key.source())),
        Err(NoKey::NotFound(looked)) => match std::fs::metadata(&installed) {
            // The service is handed this file by systemd.
            Ok(facts) if facts.len() > 1 => for_the_service(&installed, facts.mode()),
            // Only systemd on this device can tell what is in it.
            _ if encrypted.exists() => Finding::ok(format!("in {}, for the service", encrypted.display())),
            _ => none(&installed, &format!("none found; looked at {}", looked.join(", "))),
        },
        Err(NoKey::Exposed(path)) => exposed(&path),
        Err(why) => unfit(&why),
    }
}

fn unfit(why: &NoKey) -> Finding {
    Finding::fail(why.to_string(), "put the key alone into the file, on one line").coded("malformed")
}

fn none(installed: &Path, text: &str) -> Finding {
    let path = installed.display();
    Finding::fail(text, format!("put it into {path}, readable by root only; the service takes it by itself"))
}

fn for_the_service(path: &Path, mode: u32) -> Finding {
    if mode & 0o004 != 0 {
        return exposed(path);
    }
    match secret::find(&path.to_string_lossy()) {
        Err(why @ NoKey::Unfit(..)) => unfit(&why),
        // Not ours to read; the service is handed it.
        _ => Finding::ok(format!("in {}, for the service", path.display())),
    }
}

fn exposed(path: &Path) -> Finding {
    let path = path.display();
    Finding::fail(format!("everybody on this device can read {path}"), format!("type: chmod o= {path}"))
}

#[cfg(test)]
mod tests {
    use super::super::Class;
    use super::super::facts::Facts;
    use super::*;
    use crate::config::load_from;

    fn ground(text: &str, daemon: Option<Result<Status, AskError>>) -> Ground {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.toml"), text).unwrap();
        Ground::of(load_from(folder.path(), None, []), daemon, Facts::below("/".as_ref()))
    }

    #[test]
    fn the_first_mistake_is_shown_and_the_rest_counted() {
        let found = config(&ground("[talk]\nmode = \"tab\"\nmood = 1\n", None));
        assert_eq!(found.class, Class::Fail);
        assert!(found.text.contains("mode = \"tab\"") && found.text.ends_with("(and 1 more)"), "{found:?}");
        let found = config(&ground("[talk]\nmode = \"tap\"\n", None));
        assert!(found.class == Class::Ok && found.text.ends_with("config.toml, 1 keys set"), "{found:?}");
    }

    #[test]
    fn a_daemon_that_lacks_something_is_a_warning() {
        let check = |status: Status, class: Class, text: &str| {
            let found = daemon(&ground("", Some(Ok(status))));
            assert_eq!((found.class, found.text.as_str()), (class, text));
        };
        let idle = Status { version: "0.1.0".into(), pid: 7, phase: "idle".into(), ..Status::default() };
        check(idle.clone(), Class::Ok, "0.1.0, pid 7, phase idle");
        let lacking = Status { missing: vec!["no API key".into()], ..idle };
        check(lacking, Class::Warn, "0.1.0, pid 7, phase idle, lacks one thing");
    }

    #[test]
    fn a_daemon_that_cannot_be_asked_says_why() {
        let path = || "/run/pressel/control".into();
        let check = |error: AskError, class: Class, hint: &str| {
            let found = daemon(&ground("", Some(Err(error))));
            assert_eq!(found.class, class, "{found:?}");
            assert!(found.hint.as_ref().unwrap().contains(hint), "{found:?}");
        };
        check(AskError::NotRunning(path()), Class::Warn, "start it");
        check(AskError::Denied(path()), Class::Warn, "usermod -aG pressel");
        check(
            AskError::Failed(path(), std::io::ErrorKind::TimedOut.into()),
            Class::Fail,
            "systemctl restart",
        );
    }

    #[test]
    fn the_daemon_knows_best_whether_it_has_a_key() {
        let with = Status { key: Some("systemd credential gemini-api-key".into()), ..Status::default() };
        assert_eq!(key(&ground("", Some(Ok(with)))).class, Class::Ok);
        assert_eq!(key(&ground("", Some(Ok(Status::default())))).class, Class::Fail);
    }

    #[test]
    fn a_key_file_for_all_to_read_is_told_with_the_line_to_type() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        std::fs::write(&file, "AIza").unwrap();
        for (mode, class) in [(0o644, Class::Fail), (0o600, Class::Ok)] {
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
            let found = key(&ground(&format!("[live]\nkey_file = \"{}\"\n", file.display()), None));
            assert_eq!(found.class, class, "{found:?}");
            assert_eq!(for_the_service(&file, mode).class, class);
        }
    }
}
