//! A talk in open mode: begun by a press, by speech or always there; the gate decides what is sent of it.

use std::time::{Duration, Instant};

use crate::conversation::{Conversation, OpenTalk};
use crate::settings::{OpenStart, TalkMode};
use crate::turn::Turn;
use crate::utterance::Utterance;

/// Somebody who speaks on and on is understood in the end. What is not is noise.
const NOT_UNDERSTOOD_MAX: Duration = Duration::from_secs(60);

impl Conversation {
    pub(crate) fn begin_open_talk(&mut self, now: Instant) {
        self.open = Some(OpenTalk { active: now, gate_open: false });
        self.listen_gated();
    }

    pub(crate) fn end_open_talk(&mut self, now: Instant) {
        self.silence(now);
        self.mute.stop(); // its link goes too
        self.drop_utterance();
        self.question = None;
        self.become_idle(now);
        self.open = None;
        self.rest_listening();
        if self.settings.open_forgets {
            self.forget_talk(now); // the next person is another one
        }
    }

    pub(crate) fn on_gate_opened(&mut self, now: Instant) {
        if self.is_manual() {
            return; // tap mode looks for speech over an answer, and only what is suspected counts
        }
        if self.open.is_none() {
            if self.link.is_refused() || !self.may_spend() {
                return; // a person must press: any noise may open the gate
            }
            self.begin_open_talk(now);
        }
        let Some(talk) = &mut self.open else { return };
        talk.gate_open = true;
        if !self.withholds() {
            self.begin_segment(now);
        }
    }

    /// What the gate lets through from now on goes up.
    pub(crate) fn begin_segment(&mut self, now: Instant) {
        self.doubt_announcement();
        let waiting = self.utterance.as_ref().is_some_and(|u| !u.is_sent());
        if !waiting {
            self.keep_sound();
            self.utterance = Some(Utterance::new(now, self.utterance_samples_max()));
        }
        if let Some(utterance) = &mut self.utterance {
            utterance.ended = false;
        }
        if matches!(self.turn, Turn::Thinking { .. }) {
            self.turn = Turn::Idle; // the person goes on
        }
    }

    pub(crate) fn on_gate_closed(&mut self, now: Instant) {
        let Some(talk) = self.open.as_mut().filter(|talk| talk.gate_open) else { return };
        talk.gate_open = false;
        self.forget_suspicion();
        if let Some(utterance) = &mut self.utterance {
            utterance.ended = true;
        }
        if self.utterance.as_ref().is_some_and(Utterance::is_empty) {
            self.utterance = None;
        }
        if self.utterance.as_ref().is_none_or(Utterance::is_sent) {
            self.end_hush(now); // otherwise the utterance says so itself
        }
    }

    /// Open mode: when the talk ends for want of life. Noise keeps the gate open and is sent, but is no life; who may
    /// be speaking has a while until something of it is understood.
    pub(crate) fn open_idle_at(&self) -> Option<Instant> {
        let TalkMode::Open { idle: Some(idle), start } = self.settings.talk else { return None };
        let talk = self.open.as_ref().filter(|_| start != OpenStart::Always)?;
        let waits = self.turn.is_speaking() || !self.calls.is_empty() || self.consent.is_open();
        let late = if self.is_pause() { Duration::ZERO } else { NOT_UNDERSTOOD_MAX };
        (!waits).then(|| talk.active + idle + late)
    }
}
