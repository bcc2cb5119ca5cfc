//! A dial that hangs, a server that hangs, a network that comes and goes.

use std::time::Instant;

use crate::conversation::Conversation;
use crate::event::{Action, Cause, Note};
use crate::link::State;
use crate::utterance::Utterance;
use crate::verdict::{Failure, Stage};

impl Conversation {
    /// The dial in hand, or the setup, is given up; another one follows as after any failure.
    pub(crate) fn give_up_dial(&mut self, now: Instant, reason: &str) {
        let stage = match self.link.state {
            State::SettingUp { resuming, .. } => Stage::SettingUp { resuming },
            _ => Stage::Dialing,
        };
        let link = self.link.number;
        self.act(Action::Close { link, code: 1000 });
        self.fail(now, stage, Failure::Dial(Cause::Cut, reason));
        // News of the abandoned link must not be taken for the next one's.
        self.link.number += 1;
    }

    pub(crate) fn on_network(&mut self, now: Instant, there: bool) {
        if self.link.network(now, there) {
            self.give_up_dial(now, "the network is another one");
            self.link.press(now);
        }
    }

    /// Whether the server is there shows after each utterance: something must come. A ping goes with it, so that
    /// something can.
    pub(crate) fn ask_for_life(&mut self, now: Instant) {
        self.link.pulse.ask(now);
        self.ping(now);
    }

    pub(crate) fn ping(&mut self, now: Instant) {
        if self.link.pulse.ping(now) {
            let link = self.link.number;
            self.act(Action::Ping { link });
        }
    }

    /// Nothing has come for so long that the server cannot be there: its link is closed, and what it may not have heard
    /// is said again on the next one.
    pub(crate) fn end_hung_link(&mut self, now: Instant) {
        if self.link.pulse.dead_at().is_none_or(|at| at > now) {
            return;
        }
        let close = self.link.hung(now);
        self.actions.extend(close);
        let reason = "nothing came back for too long".to_owned();
        self.note(Note::LinkDown { code: 1006, reason, retry: true, trouble: "hung" });
        let newer = self.utterance.take();
        self.utterance = self.behind_doubtful(newer);
        self.lose_link(now);
    }

    /// The turn of this utterance is over without an answer: it is kept while nobody knows whether the server is there.
    pub(crate) fn doubt(&mut self) {
        let utterance = self.utterance.take().filter(|_| self.link.pulse.dead_at().is_some());
        self.doubtful = self.behind_doubtful(utterance);
    }

    /// What was said later, behind what is still in doubt.
    fn behind_doubtful(&mut self, newer: Option<Utterance>) -> Option<Utterance> {
        match (self.doubtful.take(), newer) {
            (Some(older), Some(mut newer)) => {
                let lost = newer.prepend(older);
                self.speech_lost(lost);
                Some(newer)
            }
            (older, newer) => newer.or(older),
        }
    }
}
