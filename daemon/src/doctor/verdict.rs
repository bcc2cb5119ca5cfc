//! The report in one word, for people who stand before the device: how bad it is, and what to say about it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::facts::Facts;
use super::{CHECKS, Class, Ground, Line, Report, run_within};
use crate::config::{Config, Loaded};
use crate::status::Status;

/// Somebody stands and waits.
const QUICK: Duration = Duration::from_secs(6);

/// What is said when nothing is wrong.
pub const FINE: &str = "all-is-well";

/// Everything that a verdict may call for beside the lines of [`pressel_live::event::Line`]: names of phrases.
pub const PHRASES: [&str; 4] = [FINE, "microphone-trouble", "speaker-trouble", "device-trouble"];

/// How bad things are, and what about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The worst class: [`Class::Ok`], [`Class::Warn`] or [`Class::Fail`].
    pub class: Class,
    /// What to say: one of [`PHRASES`], or the word of a [`pressel_live::event::Line`].
    pub phrase: &'static str,
    /// The check that found it.
    pub check: Option<&'static str>,
}

impl Report {
    /// What is worst; of several, what stands first, since the rest may follow from it.
    pub fn verdict(&self) -> Verdict {
        let worst = self.worst;
        match self.checks.iter().find(|line| line.finding.class == worst) {
            Some(line) if worst > Class::Skip => {
                Verdict { class: worst, phrase: phrase(line), check: Some(line.name) }
            }
            _ => Verdict { class: Class::Ok, phrase: FINE, check: None },
        }
    }
}

/// Looks at everything that a running daemon can look at without its event loop, its cards or its money, in a thread of
/// its own, for 6 s at most. `status` is the daemon's own, as it stands; the verdict comes over the channel.
///
/// A caller that cannot wait drops the receiver.
pub fn look(config: &Config, status: Status) -> oneshot::Receiver<Verdict> {
    let (tell, told) = oneshot::channel();
    let loaded =
        Loaded { config: config.clone(), files: Vec::new(), origins: std::collections::BTreeMap::new() };
    let ground = Arc::new(Ground::of(Ok(loaded), Some(Ok(status)), Facts::below("/".as_ref())));
    // Without a thread nobody tells, and the receiver learns that.
    let _ = std::thread::Builder::new().name("verdict".into()).spawn(move || {
        let _ = tell.send(run_within(CHECKS, &ground, QUICK).verdict());
    });
    told
}

/// What to say of a finding that is not as it should be.
fn phrase(line: &Line) -> &'static str {
    match (line.finding.code, line.name) {
        (Some("key-refused" | "credential"), _) => "key-refused",
        (Some("quota" | "busy"), _) => "busy",
        (Some("model-not-found" | "setup-refused" | "location" | "refused" | "policy"), _) => "refused",
        (Some("budget-low"), _) => "budget-low",
        (_, "usage") => "budget-spent",
        (_, "key") => "needs-setup",
        (_, "microphone") => "microphone-trouble",
        (_, "speaker" | "echo") => "speaker-trouble",
        (_, "clock") => "clock-not-set",
        (_, "wifi" | "route" | "proxy" | "dns" | "connect") => "no-network",
        (_, "portal") => "sign-in",
        (_, "tls" | "token" | "session") => "server-down",
        _ => "device-trouble",
    }
}

#[cfg(test)]
mod tests {
    use super::super::Finding;
    use super::*;

    fn report(lines: &[(&'static str, Finding)]) -> Report {
        let checks: Vec<Line> =
            lines.iter().map(|(name, finding)| Line { name, finding: finding.clone() }).collect();
        Report { worst: checks.iter().map(|line| line.finding.class).max().unwrap(), checks }
    }

    #[test]
    fn the_first_of_the_worst_is_what_is_said() {
        let check = |lines: &[(&'static str, Finding)], class, phrase, name| {
            let expected = Verdict { class, phrase, check: name };
            assert_eq!(report(lines).verdict(), expected, "{lines:?}");
        };
        let (ok, skip) = (Finding::ok("fine"), Finding::skip("before"));
        let (warn, fail) = (Finding::warn("drawback", "do"), Finding::fail("broken", "do"));
        check(&[("config", ok.clone()), ("tls", skip.clone())], Class::Ok, FINE, None);
        check(&[("realtime", warn.clone())], Class::Warn, "device-trouble", Some("realtime"));
        let network = [("realtime", warn), ("dns", fail.clone()), ("key", fail.clone()), ("tls", skip)];
        check(&network, Class::Fail, "no-network", Some("dns"));
        check(&[("session", fail.clone().coded("quota"))], Class::Fail, "busy", Some("session"));
        check(&[("session", fail)], Class::Fail, "server-down", Some("session"));
    }

    #[test]
    fn every_check_has_something_to_say() {
        let lines = pressel_live::event::Line::ALL.map(pressel_live::event::Line::word);
        for check in CHECKS {
            let said = report(&[(check.name, Finding::fail("broken", "do"))]).verdict().phrase;
            assert!(said != FINE && (lines.contains(&said) || PHRASES.contains(&said)), "{said}");
        }
    }

    #[test]
    fn a_daemon_is_told_within_its_bound() {
        let mut config = Config::default();
        config.live.endpoint = "ws://127.0.0.1:1".into();
        let started = std::time::Instant::now();
        let verdict = look(&config, Status::default()).blocking_recv().unwrap();
        assert!(verdict.class > Class::Skip && verdict.check.is_some(), "{verdict:?}");
        assert!(started.elapsed() < QUICK + Duration::from_secs(2));
    }
}
