//! What is due at some time, and what must hold after every input.

use std::time::{Duration, Instant};

use crate::conversation::Conversation;
use crate::event::{Action, Listen};
use crate::link::State;
use crate::settings::{OpenStart, TalkMode};
use crate::turn::Turn;

/// An utterance that found no link for this long is stale: nobody waits for its answer any more.
const UTTERANCE_STALE: Duration = Duration::from_secs(60);
/// What was said during an answer may be no question; the server need not answer it.
const AFTER_ANSWER: Duration = Duration::from_secs(6);

impl Conversation {
    pub(crate) fn on_timeout(&mut self, now: Instant) {
        if matches!(self.link.state, State::Leaving { until } if until <= now) {
            self.link.left();
        }
        if let Some(why) = self.link.is_overdue(now, &self.settings) {
            self.give_up_dial(now, why);
        }
        self.end_hung_link(now);
        self.end_overdue_turn(now);
        self.end_overdue_suspicion(now);
        self.end_overdue_consent(now);
        if self.stale_at().is_some_and(|at| at <= now) {
            self.drop_utterance();
            self.question = None;
            if !self.turn.is_speaking() {
                self.become_idle(now);
            }
        }
        if self.open_idle_at().is_some_and(|at| at <= now) {
            self.end_open_talk(now);
        }
        self.keep_alive(now);
    }

    /// What must hold after every input.
    pub(crate) fn settle(&mut self, now: Instant) {
        let always = matches!(self.settings.talk, TalkMode::Open { start: OpenStart::Always, .. });
        if always && self.open.is_none() && self.key && !self.link.is_refused() && self.may_spend() {
            self.begin_open_talk(now);
        }
        self.leave_if_due(now);
        let asked = self.utterance.is_some() || self.question.is_some();
        if !asked && self.turn == (Turn::Thinking { until: None }) {
            self.become_idle(now); // what was to be answered is gone
        }
        if self.turn.is_idle() {
            // Said while an answer was being heard, or while it was cut: it is still to be answered.
            if let Some(utterance) = self.utterance.as_ref().filter(|utterance| utterance.ended) {
                let wait = if self.calls.is_empty() { AFTER_ANSWER } else { self.patience() };
                let until = utterance.is_sent().then(|| now + wait);
                self.turn = Turn::Thinking { until };
            }
        }
        self.keep_consent(now);
        self.keep_talk(now);
        self.keep_watch(now);
        if self.is_wanted() {
            self.last_talk = Some(now);
        }
        let known = !self.memory.is_empty() || self.link.handle().is_some();
        if known && !self.link.is_open() && self.forget_at <= now {
            self.forget_talk(now);
        }
        if (self.needs_link() && self.key && self.may_spend()) || self.warms(now) {
            let dial = self.link.want(now, self.is_manual());
            self.actions.extend(dial);
        } else {
            self.link.rest();
        }
        self.set_up_again(now);
        self.brief(now);
        self.pump(now);
        self.put_question(now);
        self.tell_late(now);
        self.tell_losses(now);
        self.end_question();
        self.watch_errand(now);
        let phase = self.phase();
        if self.shown != Some(phase) {
            self.shown = Some(phase);
            self.act(Action::Show(phase));
        }
    }

    pub(crate) fn stale_at(&self) -> Option<Instant> {
        let waiting = self.utterance.as_ref().filter(|u| u.ended && !u.is_sent()).map(|u| u.until);
        let since = waiting.or(self.question_since())?;
        (!self.link.is_up()).then(|| since + UTTERANCE_STALE)
    }

    pub(crate) fn stop(&mut self, now: Instant) {
        self.withdraw(now, None);
        self.settle_ask();
        self.stop_consented();
        self.silence(now);
        self.stop_waiting();
        self.settle_duck();
        self.listen(Listen::Rest);
        let close = self.link.leave(now);
        self.actions.extend(close);
        self.stopped = true;
    }
}
