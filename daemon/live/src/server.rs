//! The server's side: every field of every message is acted on; what cannot be read is counted and survived.

use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use crate::conversation::Conversation;
use crate::event::{Action, Note, ToolResult};
use crate::pending::Pending;
use crate::recap::{self, shortened};
use crate::replay::{Answered, CALL_MAX};
use crate::turn::Turn;
use crate::utterance::Utterance;
use crate::wire::client::{self, ToolAnswer};
use crate::wire::server::{Content, FunctionCall, Interaction, decode};

/// After an empty turn the answer may still come in a turn of its own.
const EMPTY_TURN_GRACE: Duration = Duration::from_secs(3);
/// The model says that it is done and has said nothing.
const DONE_GRACE: Duration = Duration::from_millis(500);
/// Open mode: after an interruption the answer to it is due.
const AFTER_INTERRUPTION: Duration = Duration::from_secs(6);
/// What a tool has found the model speaks of, or it is reminded.
const SAYS_WITHIN: Duration = Duration::from_secs(10);
/// Calls that may wait for their answers at the same time.
const CALLS_MAX: usize = 64;
/// What a tool is called with is shorter, in bytes of JSON: it is kept, and one argument of a program has to hold it.
const ARGS_MAX: usize = 64 * 1024;
/// Declared names have 64 letters at most.
const NAME_MAX: usize = 128;

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
    fn answered(&mut self) {
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

    fn on_tool_calls(&mut self, now: Instant, calls: Vec<FunctionCall>) {
        let asking = self.is_saying(now);
        if !asking {
            self.answered();
            self.link.pulse.sign();
        }
        self.consent.goes_on(now, true); // what was said before a call is not the question
        let mut answers = Vec::new();
        for FunctionCall { id, name, args, unread } in calls {
            if !self.called.is_new(now, &id) {
                self.note(Note::Unread { kind: "tool call repeated" });
                continue;
            }
            let error = if self.settings.tools.is_empty() {
                format!("there is no tool \"{}\" on this device", shortened(&name, NAME_MAX))
            } else if self.calls.len() >= CALLS_MAX {
                "too many calls at a time".to_owned()
            } else if unread {
                "not done: the arguments cannot be read; send them again as a plain JSON object".to_owned()
            } else if name.len() > NAME_MAX || length_of(&args) > ARGS_MAX {
                format!("not done: the arguments are longer than {} kB", ARGS_MAX / 1024)
            } else {
                let record = self.called_off(&id, &name, &args, asking);
                match record.or_else(|| self.on_record(&id, &name, &args, asking)) {
                    None => {
                        let taken = |id: &str| self.consent.has(id) || self.finishing.has(id);
                        let run = self.memory.call(&id, &name, &args, taken);
                        self.calls.insert(run.clone(), Pending { wire: id, name: name.clone() });
                        self.act(Action::CallTool { id: run, name, args });
                    }
                    Some(Answered::Runs(run)) => drop(self.calls.insert(run, Pending { wire: id, name })),
                    Some(Answered::Done(outcome)) => {
                        let response = outcome.unwrap_or_else(|error| object("error", error));
                        answers.push(ToolAnswer { id, name, response });
                    }
                }
                continue;
            };
            self.note(Note::CallRefused { name: shortened(&name, NAME_MAX), args });
            answers.push(ToolAnswer { id, name, response: object("error", error) });
        }
        if !answers.is_empty() {
            self.tool_answered = true;
            self.send(now, client::tool_response(&answers));
        }
        if !self.turn.is_listening() && !self.turn.is_speaking() {
            self.turn = Turn::Thinking { until: Some(now + self.patience()) };
        }
    }

    pub(crate) fn on_tool_result(&mut self, now: Instant, mut result: ToolResult) {
        result.outcome = result.outcome.map(telling);
        if self.on_consented_result(now, &result) {
            return;
        }
        if self.finishing.ended(&result.id, &result.outcome) {
            return self.memory.decided(&result.id, &result.outcome, true);
        }
        let record = self.memory.finished(&result.id, &result.outcome);
        let Some(Pending { wire, name }) = self.calls.remove(&result.id) else {
            return match record {
                Some(record) => self.late_result(record),
                None => self.note(Note::Unread { kind: "result of a dead tool call" }),
            };
        };
        let response = result.outcome.unwrap_or_else(|error| object("error", error));
        self.tool_answered = true;
        self.memory.told(&result.id);
        let wait = self.patience();
        self.send(now, client::tool_response(&[ToolAnswer { id: wire, name, response }]));
        if let Turn::Thinking { until } = &mut self.turn {
            *until = Some(now + wait);
        }
    }

    /// How long something more may be due.
    pub(crate) fn patience(&self) -> Duration {
        if !self.calls.is_empty() {
            CALL_MAX
        } else if self.is_unsaid() {
            self.settings.answer_timeout.min(SAYS_WITHIN)
        } else {
            self.settings.answer_timeout
        }
    }

    /// The model has a result, says nothing of it, and was not reminded.
    fn is_unsaid(&self) -> bool {
        self.tool_answered && self.memory.last().is_some_and(|exchange| !exchange.reminded)
    }

    /// Reminds it of the result. Whether there was one to remind it of.
    pub(crate) fn remind(&mut self, now: Instant) -> bool {
        let takes = self.link.is_up() && !self.is_blocked() && !self.consent.is_asked();
        let spoken = self.utterance.as_ref().is_none_or(Utterance::is_sent) && self.question.is_none();
        let due = takes && spoken && self.calls.is_empty() && self.is_unsaid();
        if due {
            self.memory.current().into_iter().for_each(|exchange| exchange.reminded = true);
            self.send(now, client::text(self.profile, recap::UNSAID));
            self.turn = Turn::Thinking { until: Some(now + self.settings.answer_timeout) };
        }
        due
    }
}

fn length_of(args: &Map<String, Value>) -> usize {
    serde_json::to_string(args).map_or(usize::MAX, |text| text.len())
}

/// What the model is told of a tool that returned nothing: it may call again and again over an empty object.
fn telling(found: Map<String, Value>) -> Map<String, Value> {
    let empty = |value: &Value| match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    };
    let nothing = found.is_empty() || found.len() == 1 && found.get("output").is_some_and(empty);
    if nothing { object("output", "done; it returned nothing".to_owned()) } else { found }
}

fn object(key: &str, text: String) -> Map<String, Value> {
    Map::from_iter([(key.to_owned(), Value::String(text))])
}
