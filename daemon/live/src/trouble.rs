//! What the person is told of a trouble: once, when it lasts, and nothing more until it is over.

use std::time::{Duration, Instant};

use crate::conversation::Conversation;
use crate::event::{Action, Line};
use crate::verdict::{Judgement, Verdict};

/// A trouble that heals sooner is not worth a word.
const LASTS: Duration = Duration::from_secs(3);
/// Somebody who presses so long after they were told wants to know again.
const AGAIN: Duration = Duration::from_secs(60);

/// What has been told of the trouble in hand.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// Each line at most once.
    lines: Vec<Line>,
    at: Option<Instant>,
}

impl Conversation {
    /// A link failed that somebody waits for. `wait`: until the next dial; `None` = none follows.
    pub(crate) fn tell_trouble(&mut self, now: Instant, judgement: Judgement, wait: Option<Duration>) {
        let line = match judgement.line {
            Line::ServerDown if self.link.is_cut_off() => Line::NoNetwork,
            line => line,
        };
        let lasts = judgement.verdict == Verdict::Never
            || wait.is_none_or(|wait| wait >= LASTS)
            || self.link.outage(now) >= LASTS
            || line == Line::SignIn;
        if lasts {
            self.tell(now, line);
        }
    }

    /// Tells the person, unless they were told since the trouble began.
    pub(crate) fn tell(&mut self, now: Instant, line: Line) {
        if !self.told.lines.contains(&line) {
            self.told.lines.push(line);
            self.told.at = Some(now);
            self.act(Action::Tell(line));
        }
    }

    /// A press: whoever was told long ago is told again if nothing has changed.
    pub(crate) fn ask_again(&mut self, now: Instant) {
        if self.told.at.is_some_and(|at| now >= at + AGAIN) {
            self.told = Told::default();
        }
    }

    /// The trouble is over.
    pub(crate) fn forget_trouble(&mut self) {
        self.told = Told::default();
    }
}
