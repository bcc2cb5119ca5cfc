//! What a failed or lost connection means, decided by code, reason and stage together: 1007, 1008 and 1011 each stand
//! for mistakes that no retry mends and for hiccups that one does.

use std::time::Duration;

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

/// One line of the table.
struct Rule {
    /// Close code; `None` = any.
    code: Option<u16>,
    /// Parts of the reason, lower case, any of which is enough; "" fits every reason.
    reason: &'static [&'static str],
    /// Before `setupComplete`, no handle sent.
    setup: Verdict,
    /// Before `setupComplete` with a handle, or so soon after it that the handle is to blame.
    resume: Verdict,
    /// Later.
    running: Verdict,
}

const fn rule(
    code: u16,
    reason: &'static [&'static str],
    setup: Verdict,
    resume: Verdict,
    running: Verdict,
) -> Rule {
    Rule { code: Some(code), reason, setup, resume, running }
}

/// Read from above; the first line that fits decides. A reconnect that fails is never the configuration's fault at
/// first: the handle is dropped, and what the fresh attempt says counts.
#[rustfmt::skip]
const RULES: &[Rule] = &[
    Rule { code: None, reason: QUOTA, setup: Wait, resume: Wait, running: Wait },
    //   code  reason                                               setup  resume running
    rule(1007, &["api key"],                                        Never, Fresh, Never),
    rule(1007, &["is not supported in the live api"],               Never, Fresh, Never),
    rule(1007, &["invalid json payload", "unknown name"],           Never, Fresh, Never),
    rule(1007, &["thinking level", "not supported", "unsupported language code", "requested voice", "no matching speaker voice",
                 "response modalit"],                               Never, Fresh, Never),
    rule(1007, &["user location"],                                  Never, Fresh, Never),
    rule(1007, &["precondition check failed"],                      Never, Fresh, Never),
    // "Request contains an invalid argument": a handle too old, or a context too full.
    rule(1007, &[""],                                               Never, Fresh, Fresh),
    rule(1008, &["goaway", "go away", "go_away"],                   Retry, Retry, Retry),
    rule(1008, &["is not found for api version", "not supported for bidigeneratecontent"],
                                                                    Never, Fresh, Never),
    rule(1008, &["operation is not implemented"],                   Retry, Fresh, Retry),
    rule(1008, &["requested entity was not found", "session not found"],
                                                                    Never, Fresh, Fresh),
    // Idle too long, a dead handle, or quota.
    rule(1008, &["operation was aborted"],                          Retry, Fresh, Fresh),
    rule(1008, &[""],                                               Never, Fresh, Retry),
    rule(1011, &[""],                                               Retry, Fresh, Retry),
];

/// Reasons that name a quota, whatever the code.
const QUOTA: &[&str] = &[
    "resource_exhausted",
    "resource exhausted",
    "exceeded your current quota",
    "credits are depleted",
    "credits depleted",
];

/// What this failure at this stage calls for.
pub fn judge(stage: Stage, failure: Failure<'_>) -> Verdict {
    let (code, reason) = match failure {
        Failure::Network(_) => return Retry,
        Failure::Http(status, reason) => return http(status, reason),
        Failure::Close(code, reason) => (code, reason.to_ascii_lowercase()),
    };
    let Some(rule) = RULES.iter().find(|rule| {
        rule.code.is_none_or(|of| of == code) && rule.reason.iter().any(|part| reason.contains(part))
    }) else {
        return Retry;
    };
    match stage {
        Stage::SettingUp { resuming: true } => rule.resume,
        Stage::Running { resumed_for: Some(time) } if time <= RESUME_SETTLES => rule.resume,
        Stage::Dialing | Stage::SettingUp { resuming: false } => rule.setup,
        Stage::Running { .. } => rule.running,
    }
}

fn http(status: u16, reason: &str) -> Verdict {
    let reason = reason.to_ascii_lowercase();
    match status {
        429 => Wait,
        _ if QUOTA.iter().any(|part| reason.contains(part)) => Wait,
        408 | 425 | 500.. => Retry,
        _ => Never,
    }
}
