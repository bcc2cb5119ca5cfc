//! The server's side: every field of every message is acted on; what cannot be read is counted and survived.

use std::time::{Duration, Instant};

use crate::conversation::Conversation;
use crate::event::{Action, Note};
use crate::turn::Turn;
use crate::wire::server::{Content, Interaction, decode};

/// After an empty turn the answer may still come in a turn of its own.
const EMPTY_TURN_GRACE: Duration = Duration::from_secs(3);
/// The model says that it is done and has said nothing.
const DONE_GRACE: Duration = Duration::from_millis(500);
/// Open mode: after an interruption the answer to it is due.
const AFTER_INTERRUPTION: Duration = Duration::from_secs(6);

impl Conversation {
    pub(crate) fn on_payload(&mut self, now: Instant, payload: &[u8]) {
        let message = match decode(payload) {
            Ok(message) => message,
            Err(unreadable) => return self.note(Note::Unread { kind: unreadable.kind }),
        };
        let mut handled = false;
        if message.setup_complete {
            match self.link.completed(now) {
                Some(resumed) => {
                    self.used(now);
                    self.note(Note::LinkUp { resumed });
                    self.forget_trouble();
                    if self.link.pulse.is_unknown() {
                        self.ping(now);
                    }
                }
                None => self.note(Note::Unread { kind: "setupComplete unasked" }),
            }
        }
        // An update that is not resumable carries no handle: the old one stays good.
        let handle = message.resumption.filter(|update| update.resumable).and_then(|update| update.handle);
        if let Some(handle) = handle.filter(|_| self.wants_handle()) {
            self.link.keep_handle(handle);
            handled = true;
        }
        if let Some(usage) = message.usage {
            self.note(Note::Usage(usage));
        }
        if !self.link.is_open() {
            // It was made, and is billed, before the server heard of our close.
            let sound = message.content.iter().flat_map(|content| &content.audio);
            let samples = sound.map(|part| part.samples.len() as u64).sum();
            if samples > 0 {
                self.note(Note::AnswerDropped { samples });
            }
        }
        if !self.link.is_up() {
            // Before setupComplete nothing may be said, and after our close nobody waits for it any more.
            if self.link.is_open() && (message.content.is_some() || !message.tool_calls.is_empty()) {
                self.note(Note::Unread { kind: "message before setupComplete" });
            }
            return;
        }
        if let Some(content) = message.content {
            self.on_content(now, content);
        }
        if !message.tool_calls.is_empty() {
            self.on_tool_calls(now, message.tool_calls);
        }
        if !message.cancelled_calls.is_empty() {
            message.cancelled_calls.iter().for_each(|wire| self.take_back_question(now, wire));
            let ids = self.take_cancelled(&message.cancelled_calls);
            if !ids.is_empty() {
                self.act(Action::CancelTools { ids });
                let wait = self.patience();
                self.shorten_thinking(now + wait);
            }
        }
        if let Some(go_away) = message.go_away {
            self.link.go_away(now, go_away.time_left);
        }
        if message.error.is_some() {
            self.note(Note::Unread { kind: "error object" });
        }
        if let Some(kind) = message.unread {
            self.note(Note::Unread { kind });
        }
        if message.unknown_members > 0 {
            self.note(Note::Unread { kind: "unknown member" });
        }
        if handled {
            self.keep_safe();
        }
    }

    fn on_content(&mut self, now: Instant, content: Content) {
        if content.interrupted {
            self.on_interrupted(now);
        }
        if let Some(text) = content.heard {
            self.mute.understood();
            self.memory.heard(&text);
            self.link.pulse.sign();
            self.lives(now);
            self.note(Note::Heard(text));
        }
        if let Some(text) = content.hearing {
            self.link.pulse.sign();
            self.lives(now);
            self.note(Note::Hearing(text));
        }
        if let Some(text) = content.said {
            if !(self.turn.is_listening() || self.mute.is_on()) {
                self.memory.said(&text);
                self.link.pulse.sign();
            }
            self.note(Note::Said(text));
        }
        if let Some(grounding) = content.grounding {
            self.note(Note::Grounding(grounding));
        }
        for part in content.audio {
            if content.interrupted {
                // It belongs to what was just cut.
                self.note(Note::AnswerDropped { samples: part.samples.len() as u64 });
            } else {
                self.on_sound(now, part.samples, part.rate_hz);
            }
        }
        if content.generation_complete {
            if !self.turn.is_listening() && !self.mute.is_on() {
                self.memory.whole();
                self.announced_whole();
            }
            self.mute.stop();
            self.end_of_sound();
        }
        match content.interaction {
            Some(Interaction::InProgress) => {
                self.in_progress = true;
                self.consent.goes_on(now, content.turn_complete);
            }
            Some(Interaction::Idle) => {
                self.in_progress = false;
                self.ask_by_light(now);
            }
            Some(Interaction::Other) | None => {}
        }
        if content.turn_complete {
            self.on_turn_complete(now);
        }
        // The model has decided: it waits for more, or the turn ended for a reason other than being complete.
        let silent = content.waiting_for_input || content.turn_complete_reason.is_some();
        if content.interaction == Some(Interaction::Idle)
            || (silent && !self.tool_answered && self.calls.is_empty())
        {
            self.shorten_thinking(now + DONE_GRACE);
        }
    }

    fn on_sound(&mut self, now: Instant, samples: Vec<i16>, rate_hz: u32) {
        if samples.is_empty() {
            return;
        }
        let dropped = samples.len() as u64;
        if self.turn.is_listening() {
            self.mute.start(now); // the person has the word: whatever comes is of the answer that was cut
            return self.note(Note::AnswerDropped { samples: dropped });
        }
        if self.speaker_lost {
            self.mute.start(now); // nobody wants to hear the rest of a sentence
        }
        if self.mute.swallows(now) {
            return self.note(Note::AnswerDropped { samples: dropped });
        }
        self.answered();
        self.turn_open = true;
        self.turn_cut = false;
        self.tool_answered = false;
        let first = !matches!(self.turn, Turn::Speaking { ended: false, .. });
        if first {
            self.answer_number += 1;
            self.note(Note::FirstSound { turn: self.answer_number });
        }
        let turn = self.answer_number;
        let before = match self.turn {
            Turn::Speaking { heard_by, .. } => heard_by.max(now),
            _ => now,
        };
        let length = Duration::from_secs_f64(dropped as f64 / f64::from(rate_hz.max(1)));
        self.turn = Turn::Speaking { turn, last_sound: now, heard_by: before + length, ended: false };
        self.memory.received(length, first);
        self.link.pulse.sign();
        self.late_is_told();
        self.announces(now, turn);
        self.lives(now);
        self.act(Action::Play { turn, samples, rate_hz });
    }

    /// The server has shown that it holds the utterance: it need not be sent again.
    pub(crate) fn answered(&mut self) {
        if self.utterance.as_ref().is_some_and(|u| u.ended && u.is_sent()) {
            self.keep_sound();
        }
    }

    /// What was said is not in hand any more: the record keeps it as long as it may be needed.
    pub(crate) fn keep_sound(&mut self) {
        if let Some(utterance) = self.utterance.take() {
            let lost = self.memory.keep(utterance);
            self.speech_lost(lost);
        }
    }

    /// A handle came: what was finished before is safe with it.
    fn keep_safe(&mut self) {
        self.memory.covered();
        // The server has finished with it, and has said nothing.
        if self.memory.last().is_none() && self.utterance.as_ref().is_some_and(|u| u.ended && u.is_sent()) {
            self.utterance = None;
        }
        self.note(Note::SessionChanged);
    }

    pub(crate) fn end_of_sound(&mut self) {
        if let Turn::Speaking { turn, ended: ended @ false, .. } = &mut self.turn {
            *ended = true;
            let turn = *turn;
            self.act(Action::EndOfTurn { turn });
        }
    }

    fn on_interrupted(&mut self, now: Instant) {
        self.note(Note::Interrupted);
        self.mute.interrupted(now);
        let Turn::Speaking { ended, .. } = self.turn else { return };
        if !self.heeds_interruption() {
            return; // nothing was sent that could be speech; what came of the answer is heard
        }
        self.act(Action::Flush { turn: self.answer_number });
        self.refuse_consent(now);
        self.memory.cut(now);
        if !ended {
            self.mute.start(now); // a few stale parts may follow
        }
        self.cut_turn();
        self.become_idle(now);
        if self.open.as_ref().is_some_and(|talk| !talk.gate_open) {
            self.turn = Turn::Thinking { until: Some(now + AFTER_INTERRUPTION) };
        }
    }

    /// The turn in hand was cut here: its completion, when it comes, says nothing about the next one.
    pub(crate) fn cut_turn(&mut self) {
        self.turn_cut = self.turn_open;
        self.turn_open = false;
    }

    fn on_turn_complete(&mut self, now: Instant) {
        self.note(Note::TurnComplete);
        self.mute.stop();
        self.turn_open = false;
        if std::mem::take(&mut self.turn_cut) {
            self.memory.settle(true);
            return;
        }
        self.link.pulse.sign();
        self.late_is_told();
        self.announced_whole();
        self.end_of_sound();
        if !self.tool_answered && !self.in_progress && self.calls.is_empty() {
            self.memory.settle(false);
            self.shorten_thinking(now + EMPTY_TURN_GRACE);
        }
    }

    /// An answer is less likely now. A wait that has not begun (nothing sent yet), or for a tool, is left alone.
    fn shorten_thinking(&mut self, at: Instant) {
        match &mut self.turn {
            Turn::Thinking { until: Some(until) } if self.calls.is_empty() => *until = at.min(*until),
            _ => {}
        }
    }
}
