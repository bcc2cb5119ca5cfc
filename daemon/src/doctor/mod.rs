//! What is wrong, and what to do about it. A check is data: a name, a bound, a function.
//!
//! All checks run at once, each on a thread of its own and within its bound, so that a driver that never answers
//! costs seconds, not the report. A daemon that runs holds the cards: then it is asked instead. Each check has a
//! heading in docs/troubleshooting.md.

mod board;
mod bundle;
mod echo;
mod facts;
mod hear;
mod lines;
mod money;
mod network;
mod radio;
mod redact;
mod service;
mod session;
mod sound;
mod system;
mod token;
mod tools;
mod unit;
mod verdict;

use std::fmt;
use std::path::PathBuf;
use std::sync::mpsc;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::config::{Config, Loaded, Mistakes};
use crate::control::AskError;
use crate::status::Status;

pub use bundle::{bundle, write_private};
use facts::Facts;
pub use verdict::{FINE, PHRASES, Verdict, look};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// As it should be.
    Ok,
    /// Could not be looked at, because of another finding.
    Skip,
    /// Works, with a drawback.
    Warn,
    /// Broken, needs a hand.
    Fail,
}

impl Class {
    /// Its word, four letters at most.
    pub fn word(self) -> &'static str {
        match self {
            Class::Ok => "ok",
            Class::Skip => "skip",
            Class::Warn => "warn",
            Class::Fail => "fail",
        }
    }
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub class: Class,
    /// One line.
    pub text: String,
    /// What to do; none where there is nothing to do.
    pub hint: Option<String>,
    /// A word that stays the same, where a check tells several troubles apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
}

impl Finding {
    fn ok(text: impl Into<String>) -> Self {
        Finding { class: Class::Ok, text: text.into(), hint: None, code: None }
    }

    fn skip(text: impl Into<String>) -> Self {
        Finding { class: Class::Skip, text: text.into(), hint: None, code: None }
    }

    fn warn(text: impl Into<String>, hint: impl Into<String>) -> Self {
        Finding { class: Class::Warn, text: text.into(), hint: Some(hint.into()), code: None }
    }

    fn fail(text: impl Into<String>, hint: impl Into<String>) -> Self {
        Finding { class: Class::Fail, text: text.into(), hint: Some(hint.into()), code: None }
    }

    fn coded(self, code: &'static str) -> Self {
        Finding { code: Some(code), ..self }
    }
}

/// One check.
pub struct Check {
    /// Its name: a word, and a heading in docs/troubleshooting.md.
    pub name: &'static str,
    /// How long it may take.
    limit: Duration,
    run: fn(&Ground) -> Finding,
}

/// Every check, in the order of the report.
pub const CHECKS: &[Check] = &[
    Check { name: "config", limit: SHORT, run: service::config },
    Check { name: "daemon", limit: SHORT, run: service::daemon },
    Check { name: "service", limit: DEVICE, run: unit::service },
    Check { name: "key", limit: SHORT, run: service::key },
    Check { name: "board", limit: SHORT, run: system::board },
    Check { name: "overlay", limit: SHORT, run: system::overlay },
    Check { name: "microphone", limit: SOUND, run: sound::microphone },
    Check { name: "speaker", limit: SOUND, run: sound::speaker },
    Check { name: "echo", limit: SWEEP, run: echo::echo },
    Check { name: "phrases", limit: SHORT, run: money::phrases },
    Check { name: "button", limit: DEVICE, run: lines::button },
    Check { name: "mute", limit: DEVICE, run: lines::mute },
    Check { name: "light", limit: DEVICE, run: lines::light },
    Check { name: "groups", limit: SHORT, run: board::groups },
    Check { name: "realtime", limit: SHORT, run: board::realtime },
    Check { name: "power", limit: DEVICE, run: system::power },
    Check { name: "disk", limit: SHORT, run: system::disk },
    Check { name: "clock", limit: SHORT, run: board::clock },
    Check { name: "wifi", limit: DEVICE, run: radio::wifi },
    Check { name: "route", limit: SHORT, run: radio::route },
    Check { name: "proxy", limit: NETWORK, run: network::proxy },
    Check { name: "dns", limit: NETWORK, run: network::dns },
    Check { name: "connect", limit: NETWORK, run: network::connect },
    Check { name: "portal", limit: NETWORK, run: network::portal },
    Check { name: "tls", limit: NETWORK, run: network::tls },
    Check { name: "token", limit: NETWORK, run: token::token },
    Check { name: "session", limit: NETWORK, run: session::session },
    Check { name: "usage", limit: SHORT, run: money::usage },
    Check { name: "tools", limit: DEVICE, run: tools::tools },
];

/// A look at files.
const SHORT: Duration = Duration::from_secs(2);
/// Opening a USB device that does not answer takes 5 s.
const DEVICE: Duration = Duration::from_secs(7);
/// Both cards, half a second of listening; then the sweep.
const SOUND: Duration = Duration::from_secs(12);
const SWEEP: Duration = Duration::from_secs(15);
/// A look-up, a connection, perhaps a proxy and a sign-in page, TLS.
const NETWORK: Duration = Duration::from_secs(15);

/// What the checks stand on.
pub struct Ground {
    loaded: Result<Loaded, Mistakes>,
    /// The running daemon's words; `None` without a control socket in the configuration.
    daemon: Option<Result<Status, AskError>>,
    network: OnceLock<network::Reached>,
    sound: OnceLock<sound::Sounded>,
    facts: Facts,
    /// Nothing is to be played.
    quiet: bool,
}

impl Ground {
    /// What a check needs that asks nobody yet.
    fn of(loaded: Result<Loaded, Mistakes>, daemon: Option<Result<Status, AskError>>, facts: Facts) -> Self {
        Ground { loaded, daemon, network: OnceLock::new(), sound: OnceLock::new(), facts, quiet: false }
    }

    /// Asks the daemon, if there is one; takes up to 5 s.
    fn new(loaded: Result<Loaded, Mistakes>, facts: Facts) -> Self {
        let path = loaded.as_ref().map_or_else(|_| Config::default(), |l| l.config.clone()).control.path;
        let daemon = (!path.is_empty()).then(|| service::ask(path.as_ref()));
        Ground::of(loaded, daemon, facts)
    }

    /// The configuration, if it is valid.
    fn config(&self) -> Option<&Config> {
        self.loaded.as_ref().ok().map(|loaded| &loaded.config)
    }

    /// The running daemon's state.
    fn status(&self) -> Option<&Status> {
        self.daemon.as_ref()?.as_ref().ok()
    }
}

/// A finding with the name of its check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Name of the check.
    pub name: &'static str,
    /// What it found.
    #[serde(flatten)]
    pub finding: Finding,
}

/// All findings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The worst class.
    pub worst: Class,
    /// In the order of [`CHECKS`].
    pub checks: Vec<Line>,
}

/// How to look.
#[derive(Clone, Debug)]
pub struct Look {
    /// Where the system's files lie: `/`, unless it is a mounted one.
    pub root: PathBuf,
    /// Play nothing.
    pub quiet: bool,
}

impl Default for Look {
    fn default() -> Self {
        Look { root: "/".into(), quiet: false }
    }
}

/// Runs every check. Takes 20 s at most.
pub fn examine(loaded: Result<Loaded, Mistakes>, look: &Look) -> Report {
    let ground = Ground { quiet: look.quiet, ..Ground::new(loaded, Facts::below(&look.root)) };
    run_within(CHECKS, &Arc::new(ground), NETWORK)
}

/// Runs some of the checks, by their names.
pub fn examine_some(loaded: Result<Loaded, Mistakes>, look: &Look, names: &[&str]) -> Report {
    let ground = Ground { quiet: look.quiet, ..Ground::new(loaded, Facts::below(&look.root)) };
    run_within(CHECKS.iter().filter(|check| names.contains(&check.name)), &Arc::new(ground), NETWORK)
}

/// Runs checks, none of them for longer than `most`.
fn run_within(
    checks: impl IntoIterator<Item = &'static Check>,
    ground: &Arc<Ground>,
    most: Duration,
) -> Report {
    let started = Instant::now();
    let begun: Vec<_> = checks
        .into_iter()
        .map(|check| {
            let (tell, told) = mpsc::channel();
            let ground = ground.clone();
            let body = move || {
                // Fails when the check took too long and nobody listens any more.
                let _ = tell.send((check.run)(&ground));
            };
            let thread = std::thread::Builder::new().name(check.name.to_owned()).spawn(body);
            (check, thread.is_ok().then_some(told))
        })
        .collect();
    let checks: Vec<Line> = begun
        .into_iter()
        .map(|(check, told)| Line { name: check.name, finding: outcome(check, told, started, most) })
        .collect();
    let worst = checks.iter().map(|line| line.finding.class).max().unwrap_or(Class::Ok);
    Report { worst, checks }
}

fn outcome(
    check: &Check,
    told: Option<mpsc::Receiver<Finding>>,
    started: Instant,
    most: Duration,
) -> Finding {
    let hint = format!("docs/troubleshooting.md#{}", check.name);
    let Some(told) = told else { return Finding::fail("the system grants no thread", hint) };
    let limit = check.limit.min(most);
    match told.recv_timeout(limit.saturating_sub(started.elapsed())) {
        Ok(finding) => finding,
        Err(mpsc::RecvTimeoutError::Timeout) => {
            Finding::fail(format!("did not come to an end within {} s", limit.as_secs()), hint)
        }
        Err(mpsc::RecvTimeoutError::Disconnected) => Finding::fail("the check itself broke", hint),
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Line { name, finding } in &self.checks {
            writeln!(f, "{:<5} {name:<12} {}", finding.class.word(), finding.text)?;
            if let Some(hint) = &finding.hint {
                writeln!(f, "      hint: {hint}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
