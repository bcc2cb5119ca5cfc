//! What the person takes back: a stop, and a microphone that is switched off.

use std::time::Instant;

use crate::conversation::Conversation;

impl Conversation {
    /// The answer is silenced and tools are stopped, and what is being said leads to nothing: its rest does not go up, and
    /// no answer to what did is heard. An open talk stays open.
    pub(crate) fn on_stop(&mut self, now: Instant) {
        self.withdraw(now, Some("not done: the person stopped it"));
        self.stop_consented();
        self.stop_waiting();
        self.carry.hushed = true;
        let closed = self.open.as_ref().is_some_and(|talk| !talk.gate_open);
        if closed && self.is_blocked() {
            self.utterance = None; // it was held back for the calls, and is not wanted either
        }
        self.take_back(now);
    }

    /// The same, but tools go on.
    pub(crate) fn take_back(&mut self, now: Instant) {
        self.question = None;
        if self.open.is_none() {
            self.drop_unsent();
            self.end_utterance(now);
            self.pump(now); // the server is told that it is over
            if self.utterance.as_ref().is_some_and(|u| !u.is_sent()) {
                self.utterance = None; // no link to tell it on
            }
        }
        self.silence(now);
    }

    /// The talk is over by somebody's wish. One that is always open goes on, and so does a link that is kept warm.
    pub(crate) fn on_hang_up(&mut self, now: Instant) {
        if self.open.is_some() {
            self.end_open_talk(now);
        }
        if self.is_pause() && !self.is_wanted() && !self.is_warm() && self.link.is_up() {
            let close = self.link.leave(now);
            self.actions.extend(close);
            self.lose_link(now);
        }
    }

    /// A microphone that is switched off is a lost one that takes what it heard before with it. An answer goes on.
    pub(crate) fn on_muted(&mut self, now: Instant, muted: bool) {
        if std::mem::replace(&mut self.muted, muted) == muted || !muted {
            return;
        }
        self.forget_suspicion();
        self.withdraw(now, Some("not done: the microphone was switched off"));
        if self.turn.is_listening() {
            self.take_back(now);
        } else {
            self.drop_unsent();
            self.on_gate_closed(now);
        }
    }

    /// Whether nothing is to be expected of the microphone.
    pub(crate) fn is_deaf(&self) -> bool {
        self.microphone_lost || self.muted
    }

    /// What was said and did not go up never will; nobody is told, since the person wants it so.
    pub(crate) fn drop_unsent(&mut self) {
        let Some(utterance) = &mut self.utterance else { return };
        utterance.drop_unsent();
        if utterance.is_empty() {
            self.utterance = None;
        }
    }
}
