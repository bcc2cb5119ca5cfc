//! What bounds a talk: its budget, and its time.
//!
//! A talk begins when somebody wants a link and is over when it is let go. With the money used up no talk begins and
//! nothing is dialled; an answer that is being made comes to its end, unless it would cost far too much.

use std::time::{Duration, Instant};

use crate::conversation::Conversation;
use crate::event::{Action, Budget, Line, Note};
use crate::settings::{OpenStart, TalkMode};

/// Somebody who is speaking when the talk's time is over, or hears an answer, has this much more.
const LAST_WORDS: Duration = Duration::from_secs(30);

impl Conversation {
    /// Whether a talk may begin, and a link be dialled.
    pub(crate) fn may_spend(&self) -> bool {
        matches!(self.budget, Budget::Fine | Budget::Low)
    }

    pub(crate) fn on_budget(&mut self, now: Instant, budget: Budget) {
        let before = std::mem::replace(&mut self.budget, budget);
        if budget == Budget::Low && before == Budget::Fine {
            self.act(Action::Tell(Line::BudgetLow));
        }
        let spent = |budget| matches!(budget, Budget::Spent | Budget::Over);
        if spent(budget) && !spent(before) && self.is_wanted() {
            self.act(Action::Tell(Line::BudgetSpent));
        }
        if budget == Budget::Over && self.talk_since.is_some() {
            self.forget_talk(now); // what has come of the answer is still heard: it is paid for
        }
    }

    /// A press, or a typed question, for which there is no money: a clear refusal each time. Whether there is none.
    pub(crate) fn refuses(&mut self, now: Instant) -> bool {
        if self.may_spend() {
            return false;
        }
        if self.turn.is_speaking() {
            self.silence(now);
        } else {
            self.act(Action::Tell(Line::BudgetSpent));
        }
        true
    }

    /// Begins and ends the talk in hand.
    pub(crate) fn keep_talk(&mut self, now: Instant) {
        if self.talk_since.is_some() && !self.may_spend() && !self.turn.is_speaking() {
            self.end_talk(now);
        }
        if self.cap_at().is_some_and(|at| at <= now) {
            self.end_talk(now);
        }
        match self.talk_since {
            None if self.is_wanted() => {
                self.talk_since = Some(now);
                self.note(Note::TalkBegan);
            }
            Some(_) if self.talk_over_at().is_some_and(|at| at <= now) => {
                self.talk_since = None;
                self.note(Note::TalkEnded { forgotten: false });
            }
            _ => {}
        }
    }

    /// When the talk is over because nobody goes on with it.
    pub(crate) fn talk_over_at(&self) -> Option<Instant> {
        let wait = if self.is_manual() { self.settings.quiet_close } else { Duration::ZERO };
        self.talk_since.filter(|_| !self.is_wanted()).map(|_| self.last_use + wait)
    }

    /// When its time is over. A talk that is always there has no end.
    pub(crate) fn cap_at(&self) -> Option<Instant> {
        if matches!(self.settings.talk, TalkMode::Open { start: OpenStart::Always, .. }) {
            return None;
        }
        let by = self.talk_since? + self.settings.talk_max?;
        let late = if self.is_pause() { Duration::ZERO } else { LAST_WORDS };
        Some(by + late)
    }

    /// The talk ends for good: the next one begins with a session that remembers nothing, and costs nothing for it.
    fn end_talk(&mut self, now: Instant) {
        self.on_forget(now);
        self.rest_listening();
        self.talk_since = None;
        self.note(Note::TalkEnded { forgotten: true });
    }
}
