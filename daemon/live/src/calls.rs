//! Calls of tools: what the model calls for is done once, and its result told; a model that says nothing of it is reminded.

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
use crate::wire::server::FunctionCall;

/// What a tool has found the model speaks of, or it is reminded.
const SAYS_WITHIN: Duration = Duration::from_secs(10);
/// Calls that may wait for their answers at the same time.
const CALLS_MAX: usize = 64;
/// What a tool is called with is shorter, in bytes of JSON: it is kept, and one argument of a program has to hold it.
const ARGS_MAX: usize = 64 * 1024;
/// Declared names have 64 letters at most.
const NAME_MAX: usize = 128;

impl Conversation {
    pub(crate) fn on_tool_calls(&mut self, now: Instant, calls: Vec<FunctionCall>) {
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
                match record.or_else(|| self.on_record(now, &id, &name, &args, asking)) {
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
