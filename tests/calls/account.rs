//! What became of each call, and what must hold of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A call that a server made, on one link.
#[derive(Debug)]
pub struct Made {
    /// When the server made it.
    pub at: Duration,
    /// Which errand it is: the same question asked on another link calls for the same.
    pub number: usize,
    /// The device has it since then.
    pub delivered: Option<Duration>,
    /// The server took it back.
    pub cancelled: Option<Duration>,
    /// The link is over since then.
    pub link_over: Option<Duration>,
    /// Somebody stopped it, or the talk that it belonged to is over.
    pub stopped: bool,
    /// The device has answered it.
    pub answered: bool,
    /// Responses that arrived.
    pub responses: u32,
}

/// A tool at work, or done.
#[derive(Debug, Default)]
pub struct Run {
    /// How often it was begun.
    pub begun: u32,
    /// Nobody waits for it any more.
    pub cancelled: bool,
    /// It has ended by itself, and its end was reported.
    pub ended: Option<Duration>,
    /// A server was told what it found.
    pub told: bool,
    /// The talk that it belonged to is over: nobody is to be told.
    pub forgotten: bool,
    /// How often a server took its call back so that what is called after that is another one: before it had ended; or, if it
    /// goes on to its end, when somebody had asked something new since.
    pub taken_back: u32,
    /// It goes on to its end.
    pub finishes: bool,
}

/// Everything that was called in a run.
#[derive(Debug, Default)]
pub struct Account {
    /// By link and id.
    pub made: BTreeMap<(u32, String), Made>,
    /// By number.
    pub runs: BTreeMap<usize, Run>,
    /// What was wrong.
    pub broken: Vec<String>,
    /// Times that the person was told to wait for a tool.
    pub signs: u32,
    /// Closes by a server that nothing in the plan asked for.
    pub closes: u32,
    /// Links of the run.
    pub links: u32,
    /// Results that were told in words, since their call was dead.
    pub late: u32,
    /// Calls that a person was asked about, and those that were run with consent.
    pub asked: usize,
    pub agreed: u32,
}

/// How long after its tool's end a call's response may take on a link that lives.
pub const DUE: Duration = Duration::from_secs(2);

impl Account {
    pub fn breaks(&mut self, now: Duration, what: impl std::fmt::Display) {
        self.broken.push(format!("at {} ms: {what}", now.as_millis()));
    }

    /// A response has arrived.
    pub fn answered(&mut self, now: Duration, link: u32, id: &str) {
        match self.made.get_mut(&(link, id.to_owned())) {
            None => self.breaks(now, format_args!("a response for {id}, which link {link} never called")),
            Some(made) => {
                made.responses += 1;
                let count = made.responses;
                if count > 1 {
                    self.breaks(now, format_args!("response {count} for {id} of link {link}"));
                }
            }
        }
    }

    /// Words that went to a server: which results are in them. Results are marked `found-N-`.
    pub fn told(&mut self, text: &str) -> u32 {
        let mut found = 0;
        for rest in text.split("found-").skip(1) {
            let number = rest.split('-').next().and_then(|digits| digits.parse().ok());
            if let Some(run) = number.and_then(|number: usize| self.runs.get_mut(&number)) {
                found += u32::from(!std::mem::replace(&mut run.told, true));
            }
        }
        found
    }

    /// A link is over.
    pub fn link_over(&mut self, now: Duration, link: u32) {
        for (_, made) in self.made.range_mut((link, String::new())..(link + 1, String::new())) {
            made.link_over.get_or_insert(now);
        }
    }

    /// These numbers wait for an answer on a link that lives.
    pub fn waiting(&self) -> BTreeSet<usize> {
        let waits = |made: &&Made| {
            let over = made.cancelled.is_some() || made.link_over.is_some() || made.stopped;
            made.delivered.is_some() && !over && !made.answered
        };
        self.made.values().filter(waits).map(|made| made.number).collect()
    }

    /// Nobody waits for anything that was called so far.
    pub fn all_stopped(&mut self) {
        for made in self.made.values_mut() {
            made.stopped = true;
        }
    }

    /// The end of the run: what is missing.
    pub fn close(&mut self, now: Duration) {
        let mut missing = Vec::new();
        for ((link, id), made) in &self.made {
            let excused = made.cancelled.is_some() || made.stopped || made.delivered.is_none();
            if made.responses > 0 || excused {
                continue;
            }
            let run = self.runs.get(&made.number);
            let due =
                run.and_then(|run| run.ended).map(|at| at.max(made.delivered.unwrap_or_default()) + DUE);
            let lived = |due: Duration| made.link_over.is_none_or(|over| over > due) && now > due;
            // Without a run: refused on the spot, so that it was due at once.
            let due = if run.is_none() { made.delivered.map(|at| at + DUE) } else { due };
            if due.is_some_and(lived) {
                missing.push(format!("no response for {id} of link {link}, number {}", made.number));
            }
        }
        for (number, run) in &self.runs {
            if run.begun > 1 + run.taken_back {
                missing.push(format!("number {number} ran {} times", run.begun));
            }
            if run.ended.is_some() && !(run.told || run.forgotten || run.cancelled) {
                missing.push(format!("nobody was told what number {number} found"));
            }
        }
        for what in missing {
            self.breaks(now, what);
        }
    }
}
