//! Calls that the server waits for. Of each link's ids every one is answered once, and run once at most.
//!
//! Some models take nothing of the person's while they wait and close the link over it (1008). There, what is said is held
//! back, and where it must not wait (a press, a typed question, words spoken since the call) the calls are answered first:
//! that they go on, or that they were stopped. What one that goes on finds is told later, as a result whose call is dead.

use std::collections::{BTreeSet, VecDeque};
use std::time::Instant;

use serde_json::{Map, Value};

use crate::conversation::Conversation;
use crate::profile::ToolBehavior;
use crate::wire::client::{self, ToolAnswer};

/// Ids of a link that are remembered, so that a call that is told twice is made once.
const SEEN_MAX: usize = 256;
/// Words of this length are not held back any longer, in samples.
const HELD_MAX: u64 = 5 * 16_000;
/// The one answer to a call that goes on while the person speaks.
const GOES_ON: &str =
    "It is not done yet and goes on. Its result follows in a note of the device: do not call it again.";
/// What is said of a call that was stopped.
pub(crate) const STOPPED: &str = "stopped before it was done";
/// And of one whose tool does not stop half-way.
pub(crate) const TO_ITS_END: &str = "it was called off, but it does not stop half-way and goes on to its end";

/// A call of the present link without its answer.
#[derive(Debug)]
pub(crate) struct Pending {
    /// Its id there; empty where the backend leaves it out.
    pub(crate) wire: String,
    pub(crate) name: String,
}

/// What the present link has called besides.
#[derive(Debug, Default)]
pub(crate) struct Called {
    seen: BTreeSet<String>,
    oldest: VecDeque<String>,
    /// When the newest call came.
    at: Option<Instant>,
    /// Stopped here, and the server does not know it.
    stopped: Vec<Pending>,
    /// Answered, and still going on: the id it runs under, and its id on the link.
    gone_on: VecDeque<(String, String)>,
}

impl Called {
    /// A call came. False: it came before.
    pub(crate) fn is_new(&mut self, now: Instant, wire: &str) -> bool {
        self.at = Some(now);
        if wire.is_empty() {
            return true; // nothing tells two of them apart
        }
        if !self.seen.insert(wire.to_owned()) {
            return false;
        }
        self.oldest.push_back(wire.to_owned());
        if self.oldest.len() > SEEN_MAX {
            if let Some(oldest) = self.oldest.pop_front() {
                self.seen.remove(&oldest);
            }
        }
        true
    }
}

impl Conversation {
    /// The model waits for an answer, and takes nothing else before it.
    pub(crate) fn is_blocked(&self) -> bool {
        let waits = !self.calls.is_empty() || !self.called.stopped.is_empty();
        waits && !self.profile.audio_during_call
    }

    /// The server takes these back; the ids that they run under. What their runs find, and what has met this on its way to
    /// the server, answers the same call if it is made again.
    pub(crate) fn take_cancelled(&mut self, wires: &[String]) -> Vec<String> {
        self.called.stopped.retain(|call| !wires.contains(&call.wire));
        let of = |(id, call): (&String, &Pending)| wires.contains(&call.wire).then(|| id.clone());
        let mut ids: Vec<String> = self.calls.iter().filter_map(of).collect();
        ids.iter().for_each(|id| drop(self.calls.remove(id)));
        // The answer to the call and its cancellation may have crossed each other.
        let of = |(id, wire): &(String, String)| wires.contains(wire).then(|| id.clone());
        let gone_on: Vec<String> = self.called.gone_on.iter().filter_map(of).collect();
        let done = |id: &String| self.memory.tool(id).filter(|tool| tool.outcome.is_some()).cloned();
        gone_on.iter().filter_map(done).for_each(|record| self.finishing.thrown_away(record));
        ids.extend(gone_on);
        for wire in wires.iter().filter(|wire| !wire.is_empty()) {
            if let Some(record) = self.memory.thrown_away(wire) {
                self.finishing.thrown_away(record);
            }
        }
        let finishes = |name: &str| self.settings.finishes.contains(name);
        let runs = ids.iter().filter_map(|id| self.memory.cancelled(id, finishes)).collect();
        self.left(runs)
    }

    /// These were stopped by the person. Nothing is sent for them where the next words take them back; elsewhere the model
    /// would wait on.
    pub(crate) fn stop_calls(&mut self) {
        let calls = std::mem::take(&mut self.calls).into_values();
        if self.profile.behavior_of(&self.settings.model) != ToolBehavior::Blocking {
            self.called.stopped.extend(calls);
        }
    }

    /// Whether what is to be said now may go up; answers the calls that are in its way, if they must be.
    pub(crate) fn may_speak(&mut self, now: Instant) -> bool {
        let blocked = self.is_blocked();
        if !blocked && self.called.stopped.is_empty() {
            return true;
        }
        let manual = self.is_manual();
        let Some(utterance) = self.utterance.as_ref().filter(|u| !u.is_sent() && !u.is_empty()) else {
            return !blocked;
        };
        // The gate is open for a while after the last word, and for noise.
        let meant =
            utterance.last_speech.is_some_and(|said| self.called.at.is_none_or(|called| said > called));
        let ripe = utterance.ended || utterance.unsent() >= HELD_MAX;
        let speaks = !blocked || manual || (meant && ripe);
        if speaks {
            self.answer_calls(now);
        }
        speaks
    }

    /// Answers what the model waits for, so that the person is heard.
    pub(crate) fn answer_calls(&mut self, now: Instant) {
        if !self.is_blocked() && self.called.stopped.is_empty() {
            return;
        }
        let answer = |call: Pending, key: &str, text: &str| {
            let response = Map::from_iter([(key.to_owned(), Value::from(text))]);
            ToolAnswer { id: call.wire, name: call.name, response }
        };
        let finishes = &self.settings.finishes;
        let called_off = |call: Pending| match finishes.contains(&call.name) {
            true => answer(call, "output", TO_ITS_END),
            false => answer(call, "error", STOPPED),
        };
        let stopped = std::mem::take(&mut self.called.stopped).into_iter();
        let mut answers: Vec<ToolAnswer> = stopped.map(called_off).collect();
        if !self.profile.audio_during_call {
            for (id, call) in std::mem::take(&mut self.calls) {
                self.memory.goes_on(&id);
                self.called.gone_on.push_back((id, call.wire.clone()));
                if self.called.gone_on.len() > SEEN_MAX {
                    self.called.gone_on.pop_front();
                }
                answers.push(answer(call, "output", GOES_ON));
            }
        }
        self.send(now, client::tool_response(&answers));
    }
}
