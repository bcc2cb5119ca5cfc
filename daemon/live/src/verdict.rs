//! What a failed or lost connection means, decided by code, reason and stage together: 1007, 1008 and 1011 each stand
//! for mistakes that no retry mends and for hiccups that one does.

use std::time::Duration;

use crate::event::Cause;

/// How far the link had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Before the WebSocket was open.
    Dialing,
    /// Open, `setupComplete` not yet there.
    SettingUp {
        /// A handle was sent.
        resuming: bool,
    },
    /// After `setupComplete`.
    Running {
        /// Time since `setupComplete`, when a handle was sent.
        resumed_for: Option<Duration>,
    },
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure<'a> {
    /// The handshake was answered with this status and reason.
    Http(u16, &'a str),
    /// Name, route, TLS, time-out, cut.
    Network(&'a str),
    /// A close code with its reason.
    Close(u16, &'a str),
}

impl<'a> Failure<'a> {
    /// A link that never opened.
    pub fn of(cause: Cause, reason: &'a str) -> Self {
        match cause {
            Cause::Http(status) => Failure::Http(status, reason),
            _ => Failure::Network(reason),
        }
    }
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Tell the person, wait for another key or configuration.
    Never,
    /// Dial again after the backoff, keeping the handle. The link makes it [`Verdict::Fresh`] when it repeats.
    Retry,
    /// Drop the handle and dial anew, at once the first time, after the backoff when it repeats.
    Fresh,
    /// Dial again after a long wait, keeping the handle.
    Wait,
}
use Verdict::{Fresh, Never, Retry, Wait};

/// A resumed session that ends this soon could not be resumed.
const RESUME_SETTLES: Duration = Duration::from_secs(1);

/// What a line of the table is about; numbers from and to.
enum On {
    /// Any answer of the server.
    Answer,
    Http(u16, u16),
    Network,
    Close(u16, u16),
}

/// One line of the table.
struct Rule {
    on: On,
    /// Parts of the reason, lower case, one of which must be there; none = any reason.
    reason: &'static [&'static str],
    /// Before `setupComplete`, no handle sent.
    setup: Verdict,
    /// Before `setupComplete` with a handle, or so soon after it that the handle is to blame.
    resume: Verdict,
    /// Later.
    running: Verdict,
}

const fn rule(
    on: On,
    reason: &'static [&'static str],
    setup: Verdict,
    resume: Verdict,
    running: Verdict,
) -> Rule {
    Rule { on, reason, setup, resume, running }
}

/// Read from above; the first line that fits decides. What the configuration is to blame for at a first attempt drops
/// the handle at a resumption: what worked before is rarely wrong now, and the fresh attempt tells.
#[rustfmt::skip]
const RULES: &[Rule] = &[
    //   what                     the reason holds                                   setup  resume running
    rule(On::Answer,              &["resource_exhausted", "resource exhausted", "exceeded your current quota",
                                    "credits depleted", "credits are depleted"],     Wait,  Wait,  Wait),
    rule(On::Http(429, 429),      &[],                                               Wait,  Wait,  Wait),
    rule(On::Http(408, 408),      &[],                                               Retry, Retry, Retry),
    rule(On::Http(425, 425),      &[],                                               Retry, Retry, Retry),
    rule(On::Http(500, 599),      &[],                                               Retry, Retry, Retry),
    rule(On::Http(0, u16::MAX),   &[],                                               Never, Never, Never),
    rule(On::Network,             &[],                                               Retry, Retry, Retry),
    rule(On::Close(1007, 1007),   &["api key"],                                      Never, Fresh, Never),
    rule(On::Close(1007, 1007),   &["user location"],                                Never, Fresh, Never),
    rule(On::Close(1007, 1007),   &["invalid json payload", "unknown name"],         Never, Fresh, Never),
    rule(On::Close(1007, 1007),   &["not supported", "unsupported", "must be specified", "requested voice",
                                    "no matching speaker voice"],                    Never, Fresh, Never),
    rule(On::Close(1007, 1007),   &["precondition check failed"],                    Never, Fresh, Never),
    // "Request contains an invalid argument": a setup it does not like, a handle too old, or a context too full.
    rule(On::Close(1007, 1007),   &[],                                               Never, Fresh, Fresh),
    rule(On::Close(1008, 1008),   &["goaway", "go away", "go_away"],                 Retry, Retry, Retry),
    rule(On::Close(1008, 1008),   &["is not found for api version", "supported for bidigeneratecontent"],
                                                                                     Never, Fresh, Never),
    rule(On::Close(1008, 1008),   &["not implemented"],                              Retry, Fresh, Retry),
    rule(On::Close(1008, 1008),   &["requested entity was not found", "session not found"],
                                                                                     Never, Fresh, Fresh),
    // Idle for too long, a handle too old, or a quota: the words are the same.
    rule(On::Close(1008, 1008),   &["operation was aborted"],                        Retry, Fresh, Fresh),
    rule(On::Close(1008, 1008),   &[],                                               Never, Fresh, Retry),
    rule(On::Close(1011, 1011),   &[],                                               Retry, Fresh, Retry),
    rule(On::Close(0, u16::MAX),  &[],                                               Retry, Retry, Retry),
];

impl Rule {
    fn fits(&self, failure: Failure<'_>, reason: &str) -> bool {
        let on = match (&self.on, failure) {
            (On::Answer, Failure::Http(..) | Failure::Close(..)) | (On::Network, Failure::Network(_)) => true,
            (On::Http(from, to), Failure::Http(number, _))
            | (On::Close(from, to), Failure::Close(number, _)) => (*from..=*to).contains(&number),
            _ => false,
        };
        on && (self.reason.is_empty() || self.reason.iter().any(|part| reason.contains(part)))
    }

    fn at(&self, stage: Stage) -> Verdict {
        match stage {
            Stage::Dialing | Stage::SettingUp { resuming: false } => self.setup,
            Stage::SettingUp { resuming: true } => self.resume,
            Stage::Running { resumed_for: Some(time) } if time <= RESUME_SETTLES => self.resume,
            Stage::Running { .. } => self.running,
        }
    }
}

/// What this failure at this stage calls for. Reasons are compared without regard to letter case; the server cuts them
/// at 123 bytes.
pub fn judge(stage: Stage, failure: Failure<'_>) -> Verdict {
    let (Failure::Http(_, reason) | Failure::Network(reason) | Failure::Close(_, reason)) = failure;
    let reason = reason.to_ascii_lowercase();
    let rule = RULES.iter().find(|rule| rule.fits(failure, &reason));
    rule.map_or(Retry, |rule| rule.at(stage))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Verdicts at a first setup, at a resumption, and in a running session.
    fn check(code: u16, reason: &str, [setup, resume, running]: [Verdict; 3]) {
        let close = Failure::Close(code, reason);
        let at = |stage| judge(stage, close);
        let (early, late) = (Duration::from_millis(900), Duration::from_secs(2));
        assert_eq!(at(Stage::SettingUp { resuming: false }), setup, "{code} {reason:?} at setup");
        assert_eq!(at(Stage::Dialing), setup, "{code} {reason:?} while dialing");
        assert_eq!(at(Stage::SettingUp { resuming: true }), resume, "{code} {reason:?} at a resumption");
        assert_eq!(
            at(Stage::Running { resumed_for: Some(early) }),
            resume,
            "{code} {reason:?} right after it"
        );
        assert_eq!(at(Stage::Running { resumed_for: Some(late) }), running, "{code} {reason:?} later");
        assert_eq!(at(Stage::Running { resumed_for: None }), running, "{code} {reason:?} running");
    }

    #[test]
    fn mistakes_of_the_configuration_are_told_and_not_repeated() {
        for reason in [
            "API key not valid. Please pass a valid API key.",
            "API key expired. Please renew the API key.",
            "API Key not found. Please pass a valid API key.",
            "gemini-2.5-pro is not supported in the live api.",
            "Invalid JSON payload received. Unknown name \"proactivity\" at 'setup': Cannot find field.",
            "Thinking level must be specified for this model.",
            "Thinking level LOW is not supported for this model.",
            "BLOCKING function calls are not supported for this model",
            "Function response scheduling is not supported for this model",
            "Unsupported language code 'sv-SE' for model models/gemini-2.5-flash",
            "Requested voice api_name 'Nobody' is not available for model",
            "No matching speaker voice found",
            "The requested combination of response modalities (TEXT) is not supported by the model.",
            "User location is not supported for the API use.",
            "Precondition check failed.",
        ] {
            check(1007, reason, [Never, Fresh, Never]);
        }
        check(
            1008,
            "models/gemini-9 is not found for API version v1beta, or is not supported for bidiGenerateContent",
            [Never, Fresh, Never],
        );
    }

    #[test]
    fn an_invalid_argument_means_another_thing_at_each_stage() {
        check(1007, "Request contains an invalid argument.", [Never, Fresh, Fresh]);
        check(1007, "", [Never, Fresh, Fresh]);
        check(1007, "words nobody has seen before", [Never, Fresh, Fresh]);
    }

    #[test]
    fn a_dead_handle_is_dropped() {
        check(1008, "BidiGenerateContent session not found", [Never, Fresh, Fresh]);
        check(1008, "Requested entity was not found.", [Never, Fresh, Fresh]);
        check(1008, "The operation was aborted.", [Retry, Fresh, Fresh]);
        check(1008, "words nobody has seen before", [Never, Fresh, Retry]);
    }

    #[test]
    fn hiccups_are_retried_with_the_handle() {
        for code in [1000, 1001, 1005, 1006, 1012, 1013, 1014, 1015, 4000] {
            check(code, "The operation was cancelled.", [Retry; 3]);
            check(code, "", [Retry; 3]);
        }
        check(1008, "Connection closed after the GoAway deadline", [Retry; 3]);
        check(1008, "Operation is not implemented, or supported, or enabled.", [Retry, Fresh, Retry]);
    }

    #[test]
    fn an_internal_error_right_after_a_resumption_blames_the_handle() {
        for reason in [
            "Deadline expired before operation could complete.",
            "Internal error encountered.",
            "Internal error occurred.",
            "The service is currently unavailable.",
            "",
        ] {
            check(1011, reason, [Retry, Fresh, Retry]);
        }
        let at = |ms| {
            judge(Stage::Running { resumed_for: Some(Duration::from_millis(ms)) }, Failure::Close(1011, ""))
        };
        assert_eq!((at(1000), at(1001)), (Fresh, Retry));
    }

    #[test]
    fn a_quota_is_waited_for_whatever_the_code() {
        check(1011, "You exceeded your current quota, please check your plan and billing details", [Wait; 3]);
        check(1008, "RESOURCE_EXHAUSTED", [Wait; 3]);
        check(1007, "Your prepayment credits are depleted.", [Wait; 3]);
        assert_eq!(judge(Stage::Dialing, Failure::Http(403, "quota: RESOURCE_EXHAUSTED")), Wait);
    }

    #[test]
    fn refused_handshakes() {
        for (status, verdict) in [
            (400, Never),
            (401, Never),
            (403, Never),
            (404, Never),
            (200, Never),
            (301, Never),
            (426, Never),
            (408, Retry),
            (425, Retry),
            (429, Wait),
            (500, Retry),
            (502, Retry),
            (503, Retry),
            (504, Retry),
        ] {
            assert_eq!(judge(Stage::Dialing, Failure::Http(status, "")), verdict, "{status}");
        }
    }

    #[test]
    fn the_network_is_never_to_blame_for_good() {
        for stage in
            [Stage::Dialing, Stage::SettingUp { resuming: true }, Stage::Running { resumed_for: None }]
        {
            assert_eq!(judge(stage, Failure::Network("connection refused")), Retry);
        }
    }

    /// The table as the documentation shows it.
    fn table() -> String {
        let line = |rule: &Rule| {
            let on = match rule.on {
                On::Answer => "any".to_owned(),
                On::Http(0, _) => "HTTP, other".to_owned(),
                On::Http(from, to) if from == to => format!("HTTP {from}"),
                On::Http(from, to) => format!("HTTP {from} to {to}"),
                On::Network => "network".to_owned(),
                On::Close(0, _) => "other".to_owned(),
                On::Close(code, _) => code.to_string(),
            };
            let reason = if rule.reason.is_empty() { "anything".to_owned() } else { rule.reason.join(" / ") };
            let Rule { setup, resume, running, .. } = rule;
            format!("| {on} | {reason} | {setup:?} | {resume:?} | {running:?} |")
        };
        RULES.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_documentation_shows_this_table() {
        let docs = include_str!("../../../docs/protocol.md");
        assert!(docs.contains(&table()), "docs/protocol.md should hold\n{}", table());
    }
}
