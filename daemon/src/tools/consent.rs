//! Calls that wait for a person: kept with what they were called with, then run once or forgotten.
//!
//! What counts as agreeing, and when, the conversation decides (`pressel_live`). Here is what is asked, whether this
//! device has a gesture for it, and the call itself, which nobody can change meanwhile.

use std::sync::Arc;
use std::time::Instant;

use pressel_live::event::{Agree, AgreeBy, Decision, ToolAsk, ToolResult};
use serde_json::{Map, Value};
use tracing::info;

use super::Tools;
use super::call_log::Consent;
use super::in_flight::{Begun, End};
use super::runner::clean;
use super::template::Template;
use super::tool::{Confirm, Head, Tool};
use crate::config::{ButtonKind, Config};
use crate::gesture;

/// Letters of an argument in a question that people are to keep in mind.
const ARGUMENT_MAX: usize = 80;

/// The gestures by which people can agree on this device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Agreeing {
    button: Option<AgreeBy>,
    hold: Option<AgreeBy>,
}

impl Agreeing {
    /// Those of `[button] gestures`.
    pub fn on(config: &Config) -> Self {
        let button = &config.button;
        if button.kind == ButtonKind::None {
            return Agreeing::default();
        }
        let lines = gesture::lines(&button.lines).unwrap_or_default(); // checked when they were read
        let bindings = gesture::bindings(&button.gestures, &lines).unwrap_or_default();
        let by = |agree| gesture::agrees(&bindings, agree);
        Agreeing { button: by(Agree::Button), hold: by(Agree::Hold) }
    }

    fn by(self, agree: Agree) -> Option<AgreeBy> {
        match agree {
            Agree::Button => self.button,
            Agree::Hold => self.hold,
        }
    }

    /// Why a tool cannot be agreed to here, and what to do.
    pub(super) fn problem(self, tool: &Tool) -> Option<String> {
        let confirm = tool.head.confirm;
        let agree = confirm.agree().filter(|agree| self.by(*agree).is_none())?;
        let fix = match agree {
            Agree::Button => "\"double consent\", or on a line of its own \"ok press consent\"",
            Agree::Hold => "\"long 2 consent\"",
        };
        let confirm = confirm.word();
        Some(format!(
            "confirm = \"{confirm}\" has no gesture on this device; [button] needs a kind, and gestures {fix}"
        ))
    }
}

impl Confirm {
    /// What counts as agreeing; `None`: nobody is asked.
    pub fn agree(self) -> Option<Agree> {
        match self {
            Confirm::Never => None,
            Confirm::Button => Some(Agree::Button),
            Confirm::Hold => Some(Agree::Hold),
        }
    }
}

/// The question, and what to do. The arguments in it are the model's.
fn words(head: &Head, args: &Map<String, Value>, by: AgreeBy) -> Result<String, String> {
    let asked = Template::parse(&head.ask)?.render(args, |_, value| Ok(clean(value, ARGUMENT_MAX)))?;
    let how = match by {
        AgreeBy::Double => "Press the button twice to agree.",
        AgreeBy::Hold => "Hold the button for two seconds to agree.",
        AgreeBy::Line => "Press the button for consent to agree.",
    };
    Ok(format!("{} {how}", asked.unwrap_or_default().trim()))
}

/// A call that nobody has decided about.
pub(super) struct Kept {
    call: Begun,
    since: Instant,
}

impl Tools {
    /// What a person is to be asked, once for each call that needs it.
    pub fn ask(&mut self) -> Option<ToolAsk> {
        self.asks.pop_front()
    }

    /// Keeps a call until it is decided.
    pub(super) fn keep_until_decided(
        &mut self,
        now: Instant,
        id: String,
        agree: Agree,
        call: Begun,
    ) -> Result<(), String> {
        let Some(by) = self.agreeing.by(agree) else {
            return Err("not done: it needs a person's consent, which nobody can give on this device".into());
        };
        // Nobody is asked for what is refused afterwards; it is looked at again when it runs.
        self.may_run(&call.tool.head, now)?;
        let say = words(&call.tool.head, &call.fitted, by)?;
        self.asks.push_back(ToolAsk { id: id.clone(), agree, by, say });
        self.kept.insert(id, Kept { call, since: now });
        Ok(())
    }

    /// What became of a question: its call is run, or forgotten.
    pub fn decide(&mut self, now: Instant, id: &str, decision: Decision) {
        let Some(Kept { call, since }) = self.kept.remove(id) else {
            if let Decision::Given(_) = decision {
                let outcome = Err("not done: the call is not known any more".to_owned());
                self.ready.push(ToolResult { id: id.to_owned(), outcome });
            }
            return;
        };
        let consent = Consent::from(decision);
        let (tool, args) = (Arc::clone(&call.tool), call.args.clone());
        info!(tool = tool.head.name, consent = consent.word(), "consent");
        let refused = match decision {
            Decision::Given(_) => self.run(now, id.to_owned(), call, Some(consent)).err(),
            Decision::Refused | Decision::TimedOut | Decision::Withdrawn => {
                return self.keep_refused(&tool, &args, consent, since, now);
            }
        };
        if let Some(sentence) = refused {
            self.keep_refused(&tool, &args, consent, since, now);
            self.ready.push(ToolResult { id: id.to_owned(), outcome: Err(sentence) });
        }
    }

    fn keep_refused(
        &self,
        tool: &Tool,
        args: &Map<String, Value>,
        consent: Consent,
        since: Instant,
        now: Instant,
    ) {
        let head = &tool.head;
        self.keep(&head.name, args, head.logged, &End::refused(Some(consent)), since, now);
    }

    /// The server takes back a call before anybody was asked.
    pub(super) fn forget_kept(&mut self, now: Instant, id: &str) {
        self.asks.retain(|ask| ask.id != id);
        self.decide(now, id, Decision::Withdrawn);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_question_is_made_of_the_file_s_words_and_short_arguments() {
        let head = Head { ask: "Shall I open the {which} gate?".into(), ..Head::default() };
        let args = |which: &str| Map::from_iter([("which".to_owned(), json!(which))]);
        assert_eq!(
            words(&head, &args("north"), AgreeBy::Double).unwrap(),
            "Shall I open the north gate? Press the button twice to agree."
        );
        let long = words(&head, &args(&format!("\u{1b}[2J{}", "x".repeat(500))), AgreeBy::Hold).unwrap();
        assert!(
            long.len() < 200 && !long.contains('\u{1b}') && long.ends_with("two seconds to agree."),
            "{long}"
        );
    }

    #[test]
    fn a_device_without_the_gesture_is_told_what_to_add() {
        let mut config = Config::default();
        config.button.gestures = "press talk, double consent".into();
        assert_eq!(Agreeing::on(&config), Agreeing::default(), "there is no button");
        config.button.kind = ButtonKind::Gpio;
        assert_eq!(Agreeing::on(&config), Agreeing { button: Some(AgreeBy::Double), hold: None });
    }
}
