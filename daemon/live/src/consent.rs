//! Consent: what acts on the world waits for a person's gesture on the device itself.
//!
//! ```text
//!  call ─▶ its one response: needs_consent, and words to say      (due)
//!            │ the model says them; after 5 s without a sound of it the device asks by itself
//!            ▼
//!          all of it is being heard                               (announced)
//!            │ heard to its end, by the loudspeaker's clock
//!            ▼
//!          the light asks, for 10 s                               (asking)
//!            │ the gesture, begun meanwhile: run once, with that call's arguments; the result goes in as text
//!            └ talk, stop, mute, a lost card, time: not run; told as text
//! ```
//! Nothing that a model or a tool says has a part in this: a question is opened by a call, and decided by the button, by
//! time, or by whatever keeps the device from asking. One is open at a time. It outlives its link: an announcement of
//! which a lost link took the end is made again, by the next link's model or by the device.

mod announcement;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use crate::conversation::Conversation;
use crate::event::{Action, Agree, AgreeBy, ConsentInput, Decision, Note, Phase, ToolAsk, ToolResult};
use crate::exchange::{Outcome, ToolRecord};
use crate::profile::TextBy;

/// A model that says nothing for so long does not ask; the device does.
const SAYS_WITHIN: Duration = Duration::from_secs(5);
/// From the question's end on.
const AGREE_WITHIN: Duration = Duration::from_secs(10);
/// A question that cannot be brought to its end in this time is none.
const ANNOUNCED_WITHIN: Duration = Duration::from_secs(60);
/// A tool ends by its own time, which is 600 s at most; this bounds a lost report.
const RUN_MAX: Duration = Duration::from_secs(700);
/// What is known of a run that was agreed to and stopped: its end is not told.
const CALLED_OFF: &str = "it was stopped, unless it is one that does not stop half-way";
/// What came of a question is worth a link of its own for so long.
const TOLD_WITHIN: Duration = Duration::from_secs(20);

/// What the model is told beside the words to say.
const HOW: &str = "Nothing is done yet. Say this in the person's language and end your answer there. Only their gesture on \
                   the device counts, not what they say; what comes of it follows as a note. Do not call again meanwhile.";

/// Questions and what was agreed to.
#[derive(Default)]
pub(crate) struct Consent {
    asked: Option<Asked>,
    /// Agreed to, and running, by the id it runs under.
    runs: BTreeMap<String, Run>,
    /// Something is to be told, and a link wanted for it until then.
    tells_until: Option<Instant>,
    /// As the last [`Action::Ask`] said.
    told: Option<Agree>,
}

struct Asked {
    ask: ToolAsk,
    record: ToolRecord,
    /// The call's id on the present link.
    wire: Option<String>,
    since: Instant,
    /// When the model was told to ask.
    told: Instant,
    /// The newest answer when it was asked: what still comes of that is no announcement.
    before: u32,
    /// Somebody spoke before it was heard, or its link was lost: what the model says next may be about something else.
    doubtful: bool,
    /// It was heard, and the model has not said yet that it was all.
    heard: bool,
    /// Once it was heard: until when somebody may agree. What the model says meanwhile may be about something else.
    until: Option<Instant>,
    stage: Stage,
}

struct Run {
    record: ToolRecord,
    until: Instant,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    /// The model is to say it.
    Due { until: Instant },
    /// It is said by this turn. `whole`: all of it has come; `own`: by the device.
    Announced { turn: u32, whole: bool, own: bool },
    /// It was heard to its end, and the light asks.
    Asking { since: Instant, until: Instant },
}

impl std::fmt::Debug for Consent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // What is to be done, and to whom, is not printed.
        f.debug_struct("Consent")
            .field("stage", &self.asked.as_ref().map(|asked| asked.stage))
            .field("runs", &self.runs.len())
            .field("tells_until", &self.tells_until)
            .finish_non_exhaustive()
    }
}

impl Consent {
    /// A question is open.
    pub(crate) fn is_asked(&self) -> bool {
        self.asked.is_some()
    }

    /// A question is open, and it is not being asked just now.
    pub(crate) fn is_due(&self) -> bool {
        self.asked.as_ref().is_some_and(|asked| matches!(asked.stage, Stage::Due { .. }))
    }

    /// Something that was agreed to runs.
    pub(crate) fn is_running(&self) -> bool {
        !self.runs.is_empty()
    }

    /// Somebody waits for something of it.
    pub(crate) fn is_open(&self) -> bool {
        self.is_asked() || self.is_running() || self.tells_until.is_some()
    }

    /// Whether a call is kept or runs under this id.
    pub(crate) fn has(&self, id: &str) -> bool {
        self.runs.contains_key(id) || self.asked.as_ref().is_some_and(|asked| asked.ask.id == id)
    }

    /// The model of this link has called for it too, and is told again to ask.
    pub(crate) fn called_again(&mut self, now: Instant, id: &str, wire: &str) {
        if let Some(asked) = self.asked.as_mut().filter(|asked| asked.ask.id == id) {
            (asked.wire, asked.told, asked.doubtful) = (Some(wire.to_owned()), now, false);
        }
    }

    /// The model says that more follows; if `turn_complete`, after all that it has said so far.
    pub(crate) fn goes_on(&mut self, now: Instant, turn_complete: bool) {
        let Some(asked) = &mut self.asked else { return };
        asked.heard = false;
        if turn_complete && matches!(asked.stage, Stage::Announced { own: false, .. }) {
            asked.stage = Stage::Due { until: now + SAYS_WITHIN };
        }
    }

    /// Ids of another link mean nothing on the next one, and what its model says first may be about something else.
    pub(crate) fn lose_link(&mut self) {
        if let Some(asked) = &mut self.asked {
            (asked.wire, asked.heard) = (None, false);
            let has_come = matches!(asked.stage, Stage::Announced { whole: true, .. } | Stage::Asking { .. });
            asked.doubtful |= !has_come;
        }
    }

    /// What waited to be told is told, or never will be.
    pub(crate) fn all_told(&mut self) {
        self.tells_until = None;
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        let asked = self.asked.as_ref().map(|asked| match asked.stage {
            Stage::Due { until } => until.min(asked.since + ANNOUNCED_WITHIN),
            Stage::Announced { .. } => asked.since + ANNOUNCED_WITHIN,
            Stage::Asking { until, .. } => until,
        });
        let runs = self.runs.values().map(|run| run.until);
        asked.into_iter().chain(self.tells_until).chain(runs).min()
    }
}

impl Conversation {
    pub(crate) fn on_consent(&mut self, now: Instant, input: ConsentInput) {
        match input {
            ConsentInput::Due(ask) => self.on_due(now, ask),
            ConsentInput::Given { by, since } => self.on_given(now, by, since),
            ConsentInput::Unspoken => {
                let own = |asked: &Asked| matches!(asked.stage, Stage::Announced { own: true, .. });
                if self.consent.asked.as_ref().is_some_and(own) {
                    self.withdraw(now, Some("not done: nobody could be asked"));
                    self.become_idle(now);
                }
            }
        }
    }

    /// A call needs consent: the question is opened, or the call answered with why not. Either is its one response.
    fn on_due(&mut self, now: Instant, ask: ToolAsk) {
        if self.consent.has(&ask.id) {
            return self.note(Note::Unread { kind: "consent asked for twice" });
        }
        let Some((name, wire)) = self.calls.get(&ask.id).map(|call| (call.name.clone(), call.wire.clone()))
        else {
            // Its link is gone, or it was answered or taken back meanwhile: nobody was asked.
            if self.memory.tool(&ask.id).is_some_and(|tool| tool.outcome.is_none()) {
                let outcome = Err("not done: nobody was asked; call it again".to_owned());
                self.on_tool_result(now, ToolResult { id: ask.id.clone(), outcome });
                self.memory.undone(&ask.id);
            }
            return self.decided(ask.id, Decision::Withdrawn);
        };
        let why = if self.consent.is_asked() {
            "not done: a question to the person is open already; call again when that is decided"
        } else if !self.can_ask() {
            "not done: nobody can be asked at the device now"
        } else if self.turn.is_listening() {
            "not done: the person is speaking; call again when they are done"
        } else {
            let record = self.memory.tool(&ask.id).cloned();
            let record = record.unwrap_or_else(|| ToolRecord::new(&ask.id, &name, &Map::new()));
            let said = |(key, text): (&str, &str)| (key.to_owned(), Value::from(text));
            let response = [("status", "needs_consent"), ("say", &ask.say), ("how", HOW)].map(said);
            let result = ToolResult { id: ask.id.clone(), outcome: Ok(Map::from_iter(response)) };
            self.on_tool_result(now, result);
            self.memory.asked(&ask.id);
            let stage = Stage::Due { until: now + SAYS_WITHIN };
            let before = self.answer_number;
            let (wire, since, told) = (Some(wire), now, now);
            let doubtful = self.utterance.is_some(); // somebody speaks
            let asked =
                Asked { ask, record, wire, since, told, before, doubtful, heard: false, until: None, stage };
            self.consent.asked = Some(asked);
            return;
        };
        self.decided(ask.id.clone(), Decision::Withdrawn);
        self.on_tool_result(now, ToolResult { id: ask.id.clone(), outcome: Err(why.to_owned()) });
        self.memory.undone(&ask.id);
    }

    fn on_given(&mut self, now: Instant, by: AgreeBy, since: Instant) {
        let due = |asked: &mut Asked| match asked.stage {
            Stage::Asking { since: from, until } => asked.ask.agree.fits(by) && since >= from && now <= until,
            _ => false,
        };
        if self.phase() != Phase::Asking {
            return;
        }
        let Some(Asked { ask: ToolAsk { id, .. }, record, .. }) = self.consent.asked.take_if(due) else {
            return;
        };
        let running = "the person agreed, and it runs; its result follows as a note";
        let running = Map::from_iter([("status".to_owned(), Value::from(running))]);
        self.memory.decided(&id, &Ok(running), true);
        self.consent.runs.insert(id.clone(), Run { record, until: now + RUN_MAX });
        self.decided(id, Decision::Given(by));
    }

    fn decided(&mut self, id: String, decision: Decision) {
        self.act(Action::Decide { id, decision });
    }

    /// Somebody talks: that is no.
    pub(crate) fn refuse_consent(&mut self, now: Instant) {
        // A model that answers every text would speak before they do: it is told after what they say now.
        let aloud = self.profile.text_by == TextBy::RealtimeInput;
        self.close_question(now, Decision::Refused, Some("not done: the person did not agree"), aloud);
        if !aloud {
            self.tell_late(now);
        }
    }

    /// It is not asked any more, and the model told why.
    pub(crate) fn withdraw(&mut self, now: Instant, why: Option<&str>) {
        self.close_question(now, Decision::Withdrawn, why, false);
    }

    /// The server takes back a call that was answered with a question.
    pub(crate) fn take_back_question(&mut self, now: Instant, wire: &str) {
        let is_its = |asked: &Asked| !wire.is_empty() && asked.wire.as_deref() == Some(wire);
        if self.consent.asked.as_ref().is_some_and(is_its) {
            self.withdraw(now, None);
        }
    }

    fn close_question(&mut self, now: Instant, decision: Decision, why: Option<&str>, aloud: bool) {
        let Some(Asked { ask, record, .. }) = self.consent.asked.take() else { return };
        self.decided(ask.id.clone(), decision);
        let outcome = Err(why.unwrap_or("not done: it is not asked any more").to_owned());
        self.memory.decided(&ask.id, &outcome, why.is_none());
        if why.is_some() {
            self.tell_outcome(now, record, outcome, aloud);
        }
    }

    /// The result goes in as text once nobody speaks.
    fn tell_outcome(&mut self, now: Instant, record: ToolRecord, outcome: Outcome, aloud: bool) {
        let record = ToolRecord { wire: None, former: true, outcome: Some(outcome), ..record };
        if self.tell_by_and_by(record, aloud) && aloud {
            self.consent.tells_until = Some(now + TOLD_WITHIN);
        }
    }

    /// Whether the result is of something that was agreed to.
    pub(crate) fn on_consented_result(&mut self, now: Instant, result: &ToolResult) -> bool {
        let Some(run) = self.consent.runs.remove(&result.id) else { return false };
        self.memory.decided(&result.id, &result.outcome, false);
        self.tell_outcome(now, run.record, result.outcome.clone(), true);
        true
    }

    /// What was agreed to is not wanted any more.
    pub(crate) fn stop_consented(&mut self) {
        let ids: Vec<String> = std::mem::take(&mut self.consent.runs).into_keys().collect();
        for id in &ids {
            self.memory.decided(id, &Err(CALLED_OFF.to_owned()), true);
        }
        if !ids.is_empty() {
            self.act(Action::CancelTools { ids });
        }
    }

    /// Does what is due.
    pub(crate) fn end_overdue_consent(&mut self, now: Instant) {
        if self.consent.tells_until.is_some_and(|until| until <= now) {
            self.consent.tells_until = None; // it is told when somebody talks again
        }
        let overdue = |run: &Run| run.until <= now;
        let lost: Vec<String> =
            self.consent.runs.iter().filter(|(_, run)| overdue(run)).map(|(id, _)| id.clone()).collect();
        for id in lost {
            self.act(Action::CancelTools { ids: vec![id.clone()] });
            let outcome = Err("failed: nothing was heard of it any more".to_owned());
            self.on_consented_result(now, &ToolResult { id, outcome });
        }
        let speaking = self.turn.is_speaking();
        let Some(asked) = &mut self.consent.asked else { return };
        let stale = asked.since + ANNOUNCED_WITHIN <= now;
        match &mut asked.stage {
            Stage::Asking { until, .. } if *until > now => {}
            Stage::Asking { .. } => self.time_is_over(now),
            _ if stale => {
                self.close_question(now, Decision::TimedOut, Some("not done: nobody agreed"), true);
            }
            // Something else is being heard still.
            Stage::Due { until } if *until <= now && speaking => *until = now + Duration::from_secs(1),
            Stage::Due { until } if *until <= now => self.ask_aloud(now),
            _ => {}
        }
    }

    /// The person has had their time.
    fn time_is_over(&mut self, now: Instant) {
        let why = "not done: nobody agreed within 10 s";
        self.close_question(now, Decision::TimedOut, Some(why), true);
    }

    /// The light asks.
    pub(crate) fn is_asking(&self) -> bool {
        self.consent.asked.as_ref().is_some_and(|asked| matches!(asked.stage, Stage::Asking { .. }))
    }

    /// Whether the person can be asked at all: they must hear it and see it.
    fn can_ask(&self) -> bool {
        let lost = self.microphone_lost || self.speaker_lost;
        !(lost || self.muted || !self.key || self.link.is_refused())
    }

    /// What must hold after every input.
    pub(crate) fn keep_consent(&mut self, now: Instant) {
        if !self.can_ask() {
            self.withdraw(now, Some("not done: nobody can be asked at the device now"));
        }
        let speaking = self.turn.is_speaking();
        if let Some(Asked { stage: stage @ Stage::Announced { .. }, .. }) = &mut self.consent.asked {
            if !speaking {
                *stage = Stage::Due { until: now + SAYS_WITHIN }; // it was not heard to its end
            }
        }
        self.settle_ask();
    }

    /// Which gesture agrees is told when it changes.
    pub(crate) fn settle_ask(&mut self) {
        let ask = self.consent.asked.as_ref().map(|asked| asked.ask.agree).filter(|_| self.is_asking());
        if std::mem::replace(&mut self.consent.told, ask) != ask {
            self.act(Action::Ask(ask));
        }
    }
}
