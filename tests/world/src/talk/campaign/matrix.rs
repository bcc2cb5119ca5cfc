//! Every way in which the service ends a link or refuses one, at every phase of a talk, once; and every refusal that only
//! a person can mend, for as long as it lasts.

use std::time::Duration;

use super::plan::{Away, Blow, Outage, Plan, Press};
use super::{Outcome, run};

/// Something that did not go as the protocol wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How the link ended, and when.
    pub at: String,
    /// What came of it.
    pub what: String,
}

/// Everything that the matrix found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Endings that were tried.
    pub tried: usize,
    /// What went otherwise.
    pub findings: Vec<Finding>,
    /// Most dials after a refusal that only a person can mend, and most for each press after that.
    pub fatal_dials: (usize, usize),
}

/// Closes that only a person can mend, where they answer a setup.
const FATAL: [(u16, &str); 10] = [
    (1007, "API key not valid. Please pass a valid API key."),
    (1007, "API key expired. Please renew the API key."),
    (1007, "API Key not found. Please pass a valid API key."),
    (1007, "Invalid JSON payload received. Unknown name \"x\" at 'setup': Cannot find field."),
    (1007, "Thinking level must be specified"),
    (1007, "Unsupported language code"),
    (1007, "User location is not supported for the API use."),
    (1007, "Request contains an invalid argument."),
    (1007, "Precondition check failed."),
    (1008, "models/x is not found for API version v1beta, or is not supported for bidiGenerateContent"),
];

/// Closes that mend themselves, or that a fresh session mends.
const PASSING: [(u16, &str); 17] = [
    (1000, "The operation was cancelled."),
    (1001, ""),
    (1006, ""),
    (1012, ""),
    (1013, ""),
    (1014, ""),
    (1008, "Operation is not implemented, or supported, or enabled."),
    (1008, "The operation was aborted."),
    (1008, "Requested entity was not found."),
    (1008, "BidiGenerateContent session not found"),
    (1008, "Session closed: the time announced by GoAway is over."),
    (1011, "Deadline expired before operation could complete."),
    (1011, "Internal error encountered."),
    (1011, "The service is currently unavailable."),
    (1011, "You exceeded your current quota, please check your plan and billing details"),
    (1007, "Request contains an invalid argument."),
    (4000, "a code of next year"),
];

/// Statuses of the handshake.
const STATUSES: [u16; 9] = [400, 401, 403, 404, 429, 500, 502, 503, 504];
/// Of these, those that only a person can mend.
const FATAL_STATUSES: [u16; 4] = [400, 401, 403, 404];

/// Phases of the talk below, in ms.
const PHASES: [(&str, u64); 6] = [
    ("while setting up", 1220),
    ("while somebody speaks", 2500),
    ("while the answer is awaited", 3780),
    ("while it is heard", 4000),
    ("while nobody talks", 7000),
    ("while resuming", 20_220),
];

/// Somebody asks, rests until the link has been let go, asks again, and once more.
fn talk() -> Plan {
    let mut plan = Plan::quiet(1, "mode hold\nquiet_close 5s", Duration::from_secs(60));
    plan.think = Duration::from_millis(200);
    let press = |at_s| Press { at: Duration::from_secs(at_s), speech: Duration::from_secs(2) };
    plan.presses = [1, 20, 40].map(press).to_vec();
    plan
}

/// Tries everything.
pub fn matrix() -> Found {
    let mut found = Found::default();
    for (code, reason) in PASSING.into_iter().chain(FATAL) {
        for (phase, at_ms) in PHASES {
            let at = Duration::from_millis(at_ms);
            let blow = Blow::Close(code, reason.to_owned());
            let outcome = run(&Plan { blows: vec![(at, blow)], ..talk() });
            found.check(format!("{code} {reason:.40} {phase}"), &outcome);
        }
    }
    for status in STATUSES {
        // The first dial alone meets it.
        let outage =
            Outage { from: Duration::ZERO, to: Duration::from_millis(1500), away: Away::Status(status) };
        let outcome = run(&Plan { outages: vec![outage], ..talk() });
        found.check(format!("HTTP {status}"), &outcome);
    }
    let closes = FATAL.map(|(code, reason)| Plan { refuses: Some((code, reason.to_owned())), ..talk() });
    let always = |status| Outage { from: Duration::ZERO, to: Duration::MAX, away: Away::Status(status) };
    let statuses = FATAL_STATUSES.map(|status| Plan { outages: vec![always(status)], ..talk() });
    for plan in closes.into_iter().chain(statuses) {
        found.fatal(&run(&plan), &plan);
    }
    found
}

impl Found {
    /// After any one ending the last question is heard whole, at once, and nothing was lost in silence or done twice.
    fn check(&mut self, at: String, outcome: &Outcome) {
        self.tried += 1;
        let mut what = outcome.broken.clone();
        let last = outcome.waits.last().map(|wait| wait.lasted);
        if last.is_none_or(|lasted| lasted > Duration::from_secs(3)) || outcome.unheard_last {
            what.push(format!("the last question was heard after {last:?}"));
        }
        if outcome.lost_ms > 0 {
            what.push(format!("{} ms of speech lost and not counted", outcome.lost_ms));
        }
        if outcome.asked_twice > 0 {
            what.push("asked twice".to_owned());
        }
        if outcome.dials.len() > 8 {
            what.push(format!("{} dials", outcome.dials.len()));
        }
        self.findings.extend(what.into_iter().map(|what| Finding { at: at.clone(), what }));
    }

    /// One dial, then one for each press.
    fn fatal(&mut self, outcome: &Outcome, plan: &Plan) {
        let between =
            |from: Duration, to: Duration| outcome.dials.iter().filter(|at| (from..to).contains(at)).count();
        let starts: Vec<Duration> = plan.presses.iter().map(|press| press.at).collect();
        let mut ends = starts[1..].to_vec();
        ends.push(plan.length);
        let dials: Vec<usize> = starts.iter().zip(ends).map(|(from, to)| between(*from, to)).collect();
        self.fatal_dials.0 = self.fatal_dials.0.max(dials[0]);
        self.fatal_dials.1 = self.fatal_dials.1.max(dials[1..].iter().copied().max().unwrap_or(0));
    }
}
