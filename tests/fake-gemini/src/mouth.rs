//! The model's side of the talk: thinking, calling functions, speaking, being cut.

mod speech;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::answer::{Answer, deltas};
use crate::audio;
use crate::effects::{Effects, Out};
use crate::models::{Model, Waiting};
use crate::rule::When;
use crate::script::{Call, Service, Turn};
use crate::usage::Usage;

const MS: u64 = 1_000_000;

/// The model of one link.
pub(crate) struct Mouth {
    model: Model,
    service: Service,
    /// Whether output transcriptions are sent.
    transcribe: bool,
    /// The setup has Google Search.
    searches: bool,
    pub usage: Usage,
    calls: u64,
    /// What became of each call, by id.
    called: BTreeMap<String, Called>,
    /// Calls that are made again if they are taken back, by id; and those that are to be.
    stubborn: BTreeMap<String, Call>,
    again: Vec<Call>,
    current: Option<Current>,
    /// Turns that wait for the current one to end.
    waiting: VecDeque<(u32, Turn)>,
    /// Calls that the model did not wait for.
    errands: Vec<Errand>,
}

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Called {
    Waits,
    Answered,
    Cancelled { at: u64 },
}

/// What a response met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// A call that waited for it.
    Yes,
    /// One that was cancelled; `late`: so long ago that the client knows.
    Cancelled { late: bool },
    /// None, or one that has its response.
    Unknown,
}

/// Calls of a turn that ended meanwhile.
struct Errand {
    ids: Vec<String>,
    cancel_at: u64,
    number: u32,
    turn: Turn,
}

struct Current {
    number: u32,
    turn: Turn,
    step: Step,
    answer: Answer,
    /// The next part.
    next: usize,
}

/// What a turn does next, and when.
enum Step {
    Think { until: u64 },
    Call { ids: Vec<String>, since: u64, until: u64 },
    Speak { since: u64 },
    Play { until: u64 },
    Cut { until: u64 },
    Endless,
}

impl Mouth {
    pub(crate) fn new(
        model: Model,
        service: Service,
        transcribe: bool,
        searches: bool,
        usage: Usage,
    ) -> Self {
        Self {
            model,
            service,
            transcribe,
            searches,
            usage,
            calls: 0,
            called: BTreeMap::new(),
            stubborn: BTreeMap::new(),
            again: Vec::new(),
            current: None,
            waiting: VecDeque::new(),
            errands: Vec::new(),
        }
    }

    /// Whether a turn is going on, up to the assumed end of its playback, or a call waits.
    pub(crate) fn busy(&self) -> bool {
        self.current.is_some() || !self.errands.is_empty()
    }

    /// Since when a call has been waiting whose client must know of it by now.
    pub(crate) fn waits_since(&self, now: u64) -> Option<u64> {
        match self.current.as_ref()?.step {
            Step::Call { since, .. } if now > since + self.service.in_flight_ms * MS => Some(since),
            _ => None,
        }
    }

    /// Takes calls back.
    fn cancel(&mut self, ids: &[String], now: u64, fx: &mut Effects) {
        for id in ids {
            self.called.insert(id.clone(), Called::Cancelled { at: now });
            self.again.extend(self.stubborn.remove(id));
        }
        fx.send(json!({"toolCallCancellation": {"ids": ids}}));
    }

    /// Begins a turn, after the current one if there is one.
    pub(crate) fn begin(&mut self, now: u64, number: u32, mut turn: Turn) {
        turn.tools.splice(0..0, self.again.drain(..));
        self.waiting.push_back((number, turn));
        self.take_waiting(now);
    }

    fn take_waiting(&mut self, now: u64) {
        while self.current.is_none() {
            let Some((number, turn)) = self.waiting.pop_front() else { return };
            if turn.never {
                continue;
            }
            let until = now + self.think_ns(&turn);
            let answer = Answer { samples: Arc::new([]), parts: Vec::new() };
            self.current = Some(Current { number, turn, step: Step::Think { until }, answer, next: 0 });
        }
    }

    fn think_ns(&self, turn: &Turn) -> u64 {
        turn.think_ms.unwrap_or(self.service.think_ms) * MS
    }

    /// When something is due.
    pub(crate) fn deadline(&self) -> Option<u64> {
        let errands = self.errands.iter().map(|errand| errand.cancel_at).filter(|at| *at < u64::MAX).min();
        [self.step_at(), errands].into_iter().flatten().min()
    }

    fn step_at(&self) -> Option<u64> {
        let current = self.current.as_ref()?;
        match &current.step {
            Step::Think { until } | Step::Play { until } | Step::Cut { until } | Step::Call { until, .. } => {
                Some(*until)
            }
            Step::Speak { since } => {
                Some(since + current.answer.parts.get(current.next).map_or(0, |p| p.after_ns))
            }
            Step::Endless => None,
        }
    }

    /// Does what is due.
    pub(crate) fn tick(&mut self, now: u64, fx: &mut Effects) {
        while let Some(at) = self.errands.iter().position(|errand| errand.cancel_at <= now) {
            let errand = self.errands.remove(at);
            self.cancel(&errand.ids, now, fx);
            self.begin(now, errand.number, errand.turn);
        }
        while self.step_at().is_some_and(|due| due <= now) {
            let Some(mut current) = self.current.take() else { return };
            let goes_on = match &current.step {
                Step::Think { .. } => self.stop_thinking(&mut current, now, fx),
                Step::Call { ids, .. } => {
                    self.cancel(ids, now, fx);
                    current.turn.tools = std::mem::take(&mut self.again);
                    current.step = Step::Think { until: now + self.think_ns(&current.turn) };
                    true
                }
                Step::Speak { since } => {
                    let since = *since;
                    self.speak(&mut current, since, fx)
                }
                Step::Play { .. } | Step::Cut { .. } => {
                    self.complete(&current, json!({}), fx);
                    fx.strike(Some(current.number), When::TurnComplete);
                    false
                }
                Step::Endless => true,
            };
            if goes_on {
                self.current = Some(current);
            } else {
                self.take_waiting(now);
            }
        }
    }

    /// What follows a thought: calls, an empty turn, or the answer.
    fn stop_thinking(&mut self, current: &mut Current, now: u64, fx: &mut Effects) -> bool {
        if !current.turn.tools.is_empty() {
            let mut calls = Vec::new();
            let mut ids = Vec::new();
            for call in std::mem::take(&mut current.turn.tools) {
                self.calls += 1;
                let id = format!("{}{}{:04}", self.model.call_prefix, fx.link, self.calls);
                calls.push(json!({"id": id, "name": &call.name, "args": &call.args}));
                self.called.insert(id.clone(), Called::Waits);
                if current.turn.calls_again {
                    self.stubborn.insert(id.clone(), call);
                }
                ids.push(id);
            }
            let goes_on = self.model.waiting == Waiting::GoesOn;
            if current.turn.filler && !goes_on {
                self.fill(current, fx);
            }
            fx.send(json!({"toolCall": {"functionCalls": calls}}));
            let until = current.turn.cancel_tools_after_ms.take().map_or(u64::MAX, |ms| now + ms * MS);
            if !goes_on {
                current.step = Step::Call { ids, since: now, until };
                return true;
            }
            if std::mem::take(&mut current.turn.filler) {
                self.fill(current, fx);
            }
            let (number, turn) = (current.number, current.turn.clone());
            self.errands.push(Errand { ids, cancel_at: until, number, turn });
            self.complete(current, json!({}), fx);
            return false;
        }
        if std::mem::take(&mut current.turn.empty_first) {
            self.complete(current, json!({}), fx);
            current.step = Step::Think { until: now + self.think_ns(&current.turn) };
            return true;
        }
        if let Some(thought) = current.turn.thought.take() {
            fx.content(json!({"modelTurn": {"parts": [{"text": thought, "thought": true}]}}));
        }
        let (samples, words) = match audio::render(&current.turn, current.number) {
            Ok(found) => found,
            Err(problem) => {
                // a script that names what does not exist must fail where it is looked at, and not stay silent
                fx.out.push_back(Out::Close(crate::rules::Refusal(1011, format!("script: {problem}"))));
                return false;
            }
        };
        if self.model.pads_with_content {
            if self.model.pads_with_nothing {
                fx.send(json!({}));
            }
            fx.content(json!({}));
        }
        let words = if self.transcribe { words } else { String::new() };
        current.answer = Answer::new(&current.turn, &self.service, samples, &words);
        current.step = Step::Speak { since: now };
        if current.answer.parts.is_empty() {
            fx.strike(Some(current.number), When::Answer { ms: 0 });
            if current.turn.transcript {
                for delta in deltas(&words) {
                    fx.content(json!({"outputTranscription": {"text": delta}}));
                }
            }
            return self.finish(current, now, fx);
        }
        true
    }

    /// Is cut: by speech, by text, or for no reason. Says so and ends the turn a little later.
    pub(crate) fn interrupt(&mut self, now: u64, fx: &mut Effects) {
        let Some(mut current) = self.current.take() else { return };
        if !matches!(current.step, Step::Cut { .. }) {
            if let Step::Call { ids, .. } = &current.step {
                self.cancel(ids, now, fx);
            }
            let mut interrupted = Map::new();
            interrupted.insert("interrupted".to_owned(), json!(true));
            let left = current.answer.parts.len() - current.next;
            if self.service.interrupted_with_audio && left > 0 {
                self.part(&mut current, interrupted, fx);
            } else {
                fx.content(Value::Object(interrupted));
            }
            for _ in 0..self.service.stale_parts {
                self.part(&mut current, Map::new(), fx);
            }
            current.step = Step::Cut { until: now + self.service.cut_ms * MS };
        }
        self.current = Some(current);
    }

    /// Takes a function's response.
    pub(crate) fn respond(&mut self, now: u64, id: &str, more_to_come: bool, fx: &mut Effects) -> Taken {
        let in_flight = self.service.in_flight_ms * MS;
        let met = match self.called.get(id) {
            None | Some(Called::Answered) => return Taken::Unknown,
            Some(Called::Cancelled { at }) => Taken::Cancelled { late: now > at + in_flight },
            Some(Called::Waits) => Taken::Yes,
        };
        if !more_to_come {
            self.called.insert(id.to_owned(), Called::Answered);
        }
        if met != Taken::Yes {
            return met;
        }
        let mutes = more_to_come && self.model.interim_mutes;
        let answered = |ids: &mut Vec<String>, turn: &mut Turn| {
            if mutes {
                (turn.audio, turn.transcript) = (false, false);
            }
            ids.retain(|pending| more_to_come || pending != id);
            let all = ids.is_empty();
            if all {
                turn.tools = std::mem::take(&mut turn.then_tools);
            }
            all
        };
        if let Some(at) = self.errands.iter().position(|errand| errand.ids.iter().any(|of| of == id)) {
            let errand = &mut self.errands[at];
            if answered(&mut errand.ids, &mut errand.turn) {
                let Errand { number, turn, .. } = self.errands.remove(at);
                self.begin(now, number, turn);
            }
            return met;
        }
        let think_ns = self.current.as_ref().map_or(0, |current| self.think_ns(&current.turn));
        if let Some(mut current) = self.current.take() {
            let Current { step, turn, .. } = &mut current;
            let all = if let Step::Call { ids, .. } = step { answered(ids, turn) } else { false };
            if all {
                if self.model.empty_turn_after_tools {
                    self.complete(&current, json!({}), fx);
                }
                current.step = Step::Think { until: now + think_ns };
            }
            self.current = Some(current);
        }
        met
    }
}
