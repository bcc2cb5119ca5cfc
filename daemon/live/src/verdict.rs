//! What a failed or lost connection means, decided by code, reason and stage together: 1007, 1008 and 1011 each stand
//! for mistakes that no retry mends and for hiccups that one does.

use std::time::Duration;

use crate::event::{Cause, Line};

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
    /// The link never opened, with what was in the way.
    Dial(Cause, &'a str),
    /// A close code with its reason.
    Close(u16, &'a str),
}

/// What follows for the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Wait for a person, another key or another configuration.
    Never,
    /// Dial again, keeping the handle. The link makes it [`Verdict::Fresh`] when it repeats.
    Retry,
    /// Drop the handle and dial anew, at once the first time, like [`Verdict::Retry`] when it repeats.
    Fresh,
    /// Dial again after a long wait, keeping the handle.
    Wait,
}
use Verdict::{Fresh, Never, Retry, Wait};

/// What follows for everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// For the link.
    pub verdict: Verdict,
    /// For the person, once it lasts.
    pub line: Line,
    /// For whoever looks after the device: a word that stays the same, for log, counters and doctor.
    pub trouble: &'static str,
}

/// A resumed session that ends this soon could not be resumed.
const RESUME_SETTLES: Duration = Duration::from_secs(1);

/// What a line of the table is about; numbers from and to.
enum On {
    /// Any answer of the server.
    Answer,
    Http(u16, u16),
    /// The proxy's answer; 0 = it cannot be reached.
    Proxy(u16, u16),
    Cause(Cause),
    Close(u16, u16),
}

/// One line of the table.
struct Rule {
    on: On,
    /// Parts of the reason, lower case, one of which must be there; none = any reason.
    reason: &'static [&'static str],
    /// Before `setupComplete`, no handle sent; before `setupComplete` with a handle, or so soon after it that the handle
    /// is to blame; later.
    verdicts: [Verdict; 3],
    line: Line,
    trouble: &'static str,
}

const fn rule(
    on: On,
    reason: &'static [&'static str],
    verdicts: [Verdict; 3],
    line: Line,
    trouble: &'static str,
) -> Rule {
    Rule { on, reason, verdicts, line, trouble }
}

const RETRY: [Verdict; 3] = [Retry; 3];
const NEVER: [Verdict; 3] = [Never; 3];
const WAIT: [Verdict; 3] = [Wait; 3];
/// What the configuration is to blame for at a first attempt drops the handle at a resumption: what worked before is
/// rarely wrong now, and the fresh attempt tells.
const SETUP: [Verdict; 3] = [Never, Fresh, Never];
/// A handle that is dead.
const HANDLE: [Verdict; 3] = [Never, Fresh, Fresh];
/// A hiccup, unless it follows upon a handle.
const HICCUP: [Verdict; 3] = [Retry, Fresh, Retry];

/// Read from above; the first line that fits decides.
#[rustfmt::skip]
const RULES: &[Rule] = &[
    rule(On::Answer, &["resource_exhausted", "resource exhausted", "exceeded your current quota", "credits depleted",
        "credits are depleted"],                                       WAIT,   Line::Busy,        "quota"),
    rule(On::Http(429, 429), &[],                                      WAIT,   Line::Busy,        "busy"),
    rule(On::Http(408, 408), &[],                                      RETRY,  Line::ServerDown,  "server-error"),
    rule(On::Http(425, 425), &[],                                      RETRY,  Line::ServerDown,  "server-error"),
    rule(On::Http(500, 599), &[],                                      RETRY,  Line::ServerDown,  "server-error"),
    rule(On::Http(401, 401), &[],                                      NEVER,  Line::KeyRefused,  "key-refused"),
    rule(On::Http(403, 403), &[],                                      NEVER,  Line::KeyRefused,  "key-refused"),
    rule(On::Http(400, 400), &["api key", "api_key"],                  NEVER,  Line::KeyRefused,  "key-refused"),
    rule(On::Http(0, u16::MAX), &[],                                   NEVER,  Line::Refused,     "refused"),
    rule(On::Proxy(400, 499), &[],                                     NEVER,  Line::Refused,     "proxy-refused"),
    rule(On::Proxy(0, u16::MAX), &[],                                  RETRY,  Line::NoNetwork,   "proxy"),
    rule(On::Cause(Cause::Lookup), &[],                                RETRY,  Line::NoNetwork,   "lookup"),
    rule(On::Cause(Cause::Connect), &[],                               RETRY,  Line::ServerDown,  "connect"),
    rule(On::Cause(Cause::Captive), &[],                               RETRY,  Line::SignIn,      "captive-portal"),
    rule(On::Cause(Cause::Tls), &[],                                   RETRY,  Line::ServerDown,  "tls"),
    rule(On::Cause(Cause::Clock), &[],                                 WAIT,   Line::ClockNotSet, "clock"),
    rule(On::Cause(Cause::Credential { fatal: true }), &[],            NEVER,  Line::KeyRefused,  "credential"),
    rule(On::Cause(Cause::Credential { fatal: false }), &[],           RETRY,  Line::ServerDown,  "credential-source"),
    rule(On::Cause(Cause::Cut), &[],                                   RETRY,  Line::ServerDown,  "cut"),
    rule(On::Close(1007, 1007), &["api key"],                          SETUP,  Line::KeyRefused,  "key-refused"),
    rule(On::Close(1007, 1007), &["user location"],                    SETUP,  Line::Refused,     "location"),
    rule(On::Close(1007, 1007), &["invalid json payload", "unknown name"],
                                                                       SETUP,  Line::Refused,     "setup-refused"),
    rule(On::Close(1007, 1007), &["not supported", "unsupported", "must be specified", "requested voice",
        "no matching speaker voice"],                                  SETUP,  Line::Refused,     "setup-refused"),
    rule(On::Close(1007, 1007), &["precondition check failed"],        SETUP,  Line::Refused,     "precondition"),
    // "Request contains an invalid argument": a setup it does not like, a handle too old, or a context too full.
    rule(On::Close(1007, 1007), &[],                                   HANDLE, Line::Refused,     "invalid-argument"),
    rule(On::Close(1008, 1008), &["goaway", "go away", "go_away"],     RETRY,  Line::ServerDown,  "go-away"),
    rule(On::Close(1008, 1008), &["is not found for api version", "supported for bidigeneratecontent"],
                                                                       SETUP,  Line::Refused,     "model-not-found"),
    rule(On::Close(1008, 1008), &["not implemented"],                  HICCUP, Line::ServerDown,  "not-implemented"),
    rule(On::Close(1008, 1008), &["requested entity was not found", "session not found"],
                                                                       HANDLE, Line::Refused,     "not-found"),
    // Idle for too long, a handle too old, or a quota: the words are the same.
    rule(On::Close(1008, 1008), &["operation was aborted"],            [Retry, Fresh, Fresh],
                                                                               Line::ServerDown,  "aborted"),
    rule(On::Close(1008, 1008), &[],                                   [Never, Fresh, Retry],
                                                                               Line::Refused,     "policy"),
    rule(On::Close(1011, 1011), &[],                                   HICCUP, Line::ServerDown,  "server-error"),
    rule(On::Close(1006, 1006), &[],                                   RETRY,  Line::ServerDown,  "cut"),
    rule(On::Close(0, u16::MAX), &[],                                  RETRY,  Line::ServerDown,  "closed"),
];

impl Rule {
    fn fits(&self, failure: Failure<'_>, reason: &str) -> bool {
        let on = match (&self.on, failure) {
            (On::Answer, Failure::Dial(Cause::Http(_), _) | Failure::Close(..)) => true,
            (On::Http(from, to), Failure::Dial(Cause::Http(number), _))
            | (On::Close(from, to), Failure::Close(number, _)) => (*from..=*to).contains(&number),
            (On::Proxy(from, to), Failure::Dial(Cause::Proxy(status), _)) => {
                (*from..=*to).contains(&status.unwrap_or(0))
            }
            (On::Cause(cause), Failure::Dial(of, _)) => *cause == of,
            _ => false,
        };
        on && (self.reason.is_empty() || self.reason.iter().any(|part| reason.contains(part)))
    }

    fn at(&self, stage: Stage) -> Judgement {
        let [setup, resume, running] = self.verdicts;
        let verdict = match stage {
            Stage::Dialing | Stage::SettingUp { resuming: false } => setup,
            Stage::SettingUp { resuming: true } => resume,
            Stage::Running { resumed_for: Some(time) } if time <= RESUME_SETTLES => resume,
            Stage::Running { .. } => running,
        };
        Judgement { verdict, line: self.line, trouble: self.trouble }
    }
}

/// What this failure at this stage calls for. Reasons are compared without regard to letter case; the server cuts them
/// at 123 bytes.
pub fn judge(stage: Stage, failure: Failure<'_>) -> Judgement {
    let (Failure::Dial(_, reason) | Failure::Close(_, reason)) = failure;
    let reason = reason.to_ascii_lowercase();
    let last = RULES.last().expect("the table is not empty");
    RULES.iter().find(|rule| rule.fits(failure, &reason)).unwrap_or(last).at(stage)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Verdicts at a first setup, at a resumption, and in a running session.
    fn check(code: u16, reason: &str, [setup, resume, running]: [Verdict; 3]) {
        let close = Failure::Close(code, reason);
        let at = |stage| judge(stage, close).verdict;
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
                .verdict
        };
        assert_eq!((at(1000), at(1001)), (Fresh, Retry));
    }

    #[test]
    fn a_quota_is_waited_for_whatever_the_code() {
        check(1011, "You exceeded your current quota, please check your plan and billing details", [Wait; 3]);
        check(1008, "RESOURCE_EXHAUSTED", [Wait; 3]);
        check(1007, "Your prepayment credits are depleted.", [Wait; 3]);
        let http = Failure::Dial(Cause::Http(403), "quota: RESOURCE_EXHAUSTED");
        assert_eq!(judge(Stage::Dialing, http).verdict, Wait);
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
            let http = Failure::Dial(Cause::Http(status), "");
            assert_eq!(judge(Stage::Dialing, http).verdict, verdict, "{status}");
        }
    }

    #[test]
    fn each_cause_has_its_verdict_its_line_and_its_word() {
        for (cause, verdict, line, trouble) in [
            (Cause::Http(401), Never, Line::KeyRefused, "key-refused"),
            (Cause::Http(403), Never, Line::KeyRefused, "key-refused"),
            (Cause::Http(404), Never, Line::Refused, "refused"),
            (Cause::Http(429), Wait, Line::Busy, "busy"),
            (Cause::Http(503), Retry, Line::ServerDown, "server-error"),
            (Cause::Lookup, Retry, Line::NoNetwork, "lookup"),
            (Cause::Connect, Retry, Line::ServerDown, "connect"),
            (Cause::Proxy(None), Retry, Line::NoNetwork, "proxy"),
            (Cause::Proxy(Some(407)), Never, Line::Refused, "proxy-refused"),
            (Cause::Proxy(Some(502)), Retry, Line::NoNetwork, "proxy"),
            (Cause::Captive, Retry, Line::SignIn, "captive-portal"),
            (Cause::Tls, Retry, Line::ServerDown, "tls"),
            (Cause::Clock, Wait, Line::ClockNotSet, "clock"),
            (Cause::Credential { fatal: true }, Never, Line::KeyRefused, "credential"),
            (Cause::Credential { fatal: false }, Retry, Line::ServerDown, "credential-source"),
            (Cause::Cut, Retry, Line::ServerDown, "cut"),
        ] {
            for stage in [Stage::Dialing, Stage::SettingUp { resuming: true }] {
                let expected = Judgement { verdict, line, trouble };
                assert_eq!(judge(stage, Failure::Dial(cause, "words")), expected, "{cause:?}");
            }
        }
        let key = judge(Stage::Dialing, Failure::Dial(Cause::Http(400), "API key not valid"));
        assert_eq!((key.line, key.trouble), (Line::KeyRefused, "key-refused"));
    }

    #[test]
    fn no_line_of_the_table_is_hidden_by_one_above_it() {
        for (index, rule) in RULES.iter().enumerate() {
            let reason = rule.reason.first().copied().unwrap_or("");
            let failure = match rule.on {
                On::Answer => Failure::Close(1011, reason),
                On::Http(0, _) => Failure::Dial(Cause::Http(404), reason),
                On::Http(status, _) => Failure::Dial(Cause::Http(status), reason),
                On::Proxy(0, _) => Failure::Dial(Cause::Proxy(None), reason),
                On::Proxy(status, _) => Failure::Dial(Cause::Proxy(Some(status)), reason),
                On::Cause(cause) => Failure::Dial(cause, reason),
                On::Close(0, _) => Failure::Close(4000, reason),
                On::Close(code, _) => Failure::Close(code, reason),
            };
            let found = RULES.iter().position(|rule| rule.fits(failure, reason));
            assert_eq!(found, Some(index), "{}", rule.trouble);
        }
    }

    /// The table as the documentation shows it.
    fn table() -> String {
        let line = |rule: &Rule| {
            let on = match rule.on {
                On::Answer => "any answer".to_owned(),
                On::Http(0, _) => "HTTP, other".to_owned(),
                On::Http(from, to) if from == to => format!("HTTP {from}"),
                On::Http(from, to) => format!("HTTP {from} to {to}"),
                On::Proxy(0, _) => "proxy".to_owned(),
                On::Proxy(from, to) => format!("proxy {from} to {to}"),
                On::Cause(Cause::Credential { fatal: true }) => "credential, for good".to_owned(),
                On::Cause(Cause::Credential { .. }) => "credential".to_owned(),
                On::Cause(cause) => format!("{cause:?}").to_lowercase(),
                On::Close(0, _) => "other".to_owned(),
                On::Close(code, _) => code.to_string(),
            };
            let reason = if rule.reason.is_empty() { "anything".to_owned() } else { rule.reason.join(" / ") };
            let [setup, resume, running] = rule.verdicts;
            let (line, trouble) = (rule.line.word(), rule.trouble);
            format!("| {on} | {reason} | {setup:?} | {resume:?} | {running:?} | {line} | {trouble} |")
        };
        RULES.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_documentation_shows_this_table() {
        let docs = include_str!("../../../docs/protocol.md");
        assert!(docs.contains(&table()), "docs/protocol.md should hold\n{}", table());
    }
}
