//! What is due at some time, and what must hold after every input.

use std::time::{Duration, Instant};

use crate::conversation::Conversation;
use crate::event::{Action, Listen, Note};
use crate::link::State;
use crate::settings::{OpenStart, TalkMode};
use crate::turn::Turn;
use crate::verdict::{Failure, Stage, judge};
use crate::wire::client;

/// An utterance that found no link for this long is stale: nobody waits for its answer any more.
const UTTERANCE_STALE: Duration = Duration::from_secs(60);
/// What was said during an answer may be no question; the server need not answer it.
const AFTER_ANSWER: Duration = Duration::from_secs(6);
/// A link that the server wants gone is kept this long after a turn for the handle that holds it.
const HANDLE_WAIT: Duration = Duration::from_secs(2);
/// Silence sent to keep a link in open mode, in 16 kHz samples (100 ms).
const KEEP_ALIVE_SAMPLES: usize = 1600;

impl Conversation {
    pub(crate) fn on_timeout(&mut self, now: Instant) {
        if matches!(self.link.state, State::Leaving { until } if until <= now) {
            self.link.left();
        }
        if self.link.is_overdue(now, &self.settings) {
            let stage = match self.link.state {
                State::SettingUp { resuming, .. } => Stage::SettingUp { resuming },
                _ => Stage::Dialing,
            };
            let link = self.link.number;
            self.act(Action::Close { link, code: 1000 });
            let reason = "no answer to setup in time";
            self.link.ended(now, judge(stage, Failure::Network(reason)));
            // News of the abandoned link must not be taken for the next one's.
            self.link.number += 1;
            self.note(Note::LinkDown { code: 0, reason: reason.into(), retry: true });
            self.lose_link(now);
        }
        self.end_overdue_turn(now);
        self.end_overdue_suspicion(now);
        if self.stale_at().is_some_and(|at| at <= now) {
            self.drop_utterance();
            if !self.turn.is_speaking() {
                self.become_idle(now);
            }
        }
        if self.open_idle_at().is_some_and(|at| at <= now) {
            self.end_open_talk(now);
        }
        if self.keep_alive_at().is_some_and(|at| at <= now) {
            self.send(now, client::audio(&[0; KEEP_ALIVE_SAMPLES]));
        }
    }

    /// What must hold after every input.
    pub(crate) fn settle(&mut self, now: Instant) {
        let always = matches!(self.settings.talk, TalkMode::Open { start: OpenStart::Always, .. });
        if always && self.open.is_none() && self.key && !self.link.is_refused() {
            self.begin_open_talk(now);
        }
        let forced = self.link.leave_by().is_some_and(|by| by <= now);
        let asked = self.leave_at().is_some_and(|at| at <= now);
        let quiet = self.quiet_at().is_some_and(|at| at <= now);
        if forced || asked || quiet {
            let close = self.link.leave(now);
            self.actions.extend(close);
            self.lose_link(now);
        }
        if self.utterance.is_none() && self.turn == (Turn::Thinking { until: None }) {
            self.become_idle(now); // what was to be answered is gone
        }
        if self.turn.is_idle() {
            // Said while an answer was being heard, or while it was cut: it is still to be answered.
            if let Some(utterance) = self.utterance.as_ref().filter(|utterance| utterance.ended) {
                let until = utterance.is_sent().then(|| now + AFTER_ANSWER);
                self.turn = Turn::Thinking { until };
            }
        }
        self.keep_watch(now);
        if self.needs_link() && self.key {
            let dial = self.link.want(now, self.is_manual());
            self.actions.extend(dial);
        } else {
            self.link.rest();
        }
        self.pump(now);
        let phase = self.phase();
        if self.shown != Some(phase) {
            self.shown = Some(phase);
            self.act(Action::Show(phase));
        }
    }

    /// After a goAway: when nobody is in the middle of anything, and the session is safe.
    pub(crate) fn leave_at(&self) -> Option<Instant> {
        let wait = if self.link.lacks_handle() { HANDLE_WAIT } else { Duration::ZERO };
        (self.link.leave_by().is_some() && self.is_pause()).then(|| self.last_use + wait)
    }

    /// Hold and tap: when an unused link is let go.
    pub(crate) fn quiet_at(&self) -> Option<Instant> {
        let unused = self.link.is_up() && !self.is_wanted();
        let wait = if self.is_manual() { self.settings.quiet_close } else { Duration::ZERO };
        unused.then(|| self.last_use + wait)
    }

    pub(crate) fn keep_alive_at(&self) -> Option<Instant> {
        self.open.as_ref().and_then(|_| self.link.keep_alive_at())
    }

    pub(crate) fn stale_at(&self) -> Option<Instant> {
        let waiting = self.utterance.as_ref().filter(|u| u.ended && !u.is_sent())?;
        (!self.link.is_up()).then(|| waiting.until + UTTERANCE_STALE)
    }

    pub(crate) fn stop(&mut self, now: Instant) {
        self.silence(now);
        let ids: Vec<String> = std::mem::take(&mut self.calls).into_keys().collect();
        if !ids.is_empty() {
            self.act(Action::CancelTools { ids });
        }
        self.settle_duck();
        self.listen(Listen::Rest);
        let close = self.link.leave(now);
        self.actions.extend(close);
        self.stopped = true;
    }
}
