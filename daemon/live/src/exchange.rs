//! One exchange: what a person asked, by voice or typed, and all that came of it.

use std::fmt;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use crate::pending::{STOPPED, TO_ITS_END};
use crate::recap::shortened;
use crate::utterance::Utterance;

/// Letters kept of what one side said in one exchange, in bytes.
const WORDS_MAX: usize = 4000;

/// Letters kept of what a tool was asked and found, once nothing depends on it.
const RESULT_MAX: usize = 600;

/// What a tool found, or a sentence about what went wrong.
pub(crate) type Outcome = Result<Map<String, Value>, String>;

/// What a tool is called with.
pub(crate) type Args = Map<String, Value>;

/// One call of a tool.
#[derive(Clone)]
pub(crate) struct ToolRecord {
    /// Under which the program runs it.
    pub(crate) id: String,
    /// Its id on the present link, if that link knows of it.
    pub(crate) wire: Option<String>,
    /// Called on a link that is gone.
    pub(crate) former: bool,
    /// It was not even begun: made again for the same words it is a call of its own.
    pub(crate) undone: bool,
    /// A person was asked about it.
    pub(crate) asked: bool,
    pub(crate) name: String,
    pub(crate) args: Args,
    /// `None` while it runs.
    pub(crate) outcome: Option<Outcome>,
    /// A server was told what it found.
    pub(crate) told: bool,
}

impl ToolRecord {
    /// A call that has just been made.
    pub(crate) fn new(id: &str, name: &str, args: &Args) -> Self {
        let (id, name, args) = (id.to_owned(), name.to_owned(), args.clone());
        let (wire, outcome) = (None, None);
        let (former, undone, asked, told) = (false, false, false, false);
        ToolRecord { id, wire, former, undone, asked, name, args, outcome, told }
    }

    /// Nobody waits for it any more: it was stopped, or it `finishes`, and nothing is told of its end.
    pub(crate) fn leave(&mut self, finishes: bool) {
        self.wire = None;
        if finishes {
            let status = ("status".to_owned(), TO_ITS_END.into());
            (self.outcome, self.told) = (Some(Ok(Map::from_iter([status]))), true);
        } else {
            self.outcome = Some(Err(STOPPED.to_owned()));
        }
    }

    /// Nothing will be answered with it any more: what it found is kept for people to read.
    pub(crate) fn shorten(&mut self) {
        if let Some(Ok(result)) = &mut self.outcome {
            let text = Value::Object(std::mem::take(result)).to_string();
            result.insert("output".to_owned(), shortened(&text, RESULT_MAX).into());
        }
        let args = Value::Object(std::mem::take(&mut self.args)).to_string();
        self.args.insert("args".to_owned(), shortened(&args, RESULT_MAX).into());
    }
}

/// What one side said; the oldest goes first.
#[derive(Clone, Default)]
pub(crate) struct Words(String);

impl Words {
    pub(crate) fn push(&mut self, text: &str) {
        self.0.push_str(text);
        if self.0.len() > WORDS_MAX {
            let mut from = self.0.len() - WORDS_MAX;
            while !self.0.is_char_boundary(from) {
                from += 1;
            }
            self.0.drain(..from);
        }
    }

    pub(crate) fn text(&self) -> &str {
        self.0.trim()
    }
}

/// What a person asked, and what came of it.
#[derive(Default)]
pub(crate) struct Exchange {
    /// Asked by hand, not by voice.
    pub(crate) typed: bool,
    /// Links on which a typed question was put.
    pub(crate) asked: u32,
    /// It waits to be put again.
    pub(crate) waits: bool,
    pub(crate) heard: Words,
    pub(crate) said: Words,
    pub(crate) tools: Vec<ToolRecord>,
    /// What was said, if it is not in hand any more and the server may not hold it.
    pub(crate) sound: Option<Utterance>,
    /// The server has shown a sign of it: sound, words of its own, or a call.
    pub(crate) answered: bool,
    /// All of the answer has come.
    pub(crate) whole: bool,
    /// Nobody waits for more of it.
    pub(crate) over: bool,
    /// The server has completed a turn since: the next handle holds it.
    pub(crate) settled: bool,
    /// Its link is gone, and the present one was told nothing of it.
    pub(crate) lost: bool,
    /// It is on a second link: what its tools did is not done again.
    pub(crate) again: bool,
    /// Links that were told of it.
    pub(crate) told: u32,
    /// The model was reminded of what its tools have found.
    pub(crate) reminded: bool,
    /// Answer sound of former turns, and of the turn in hand.
    pub(crate) before: Duration,
    pub(crate) received: Duration,
    /// Since when the turn in hand is being heard.
    pub(crate) started: Option<Instant>,
    /// How much of the answer was heard when the person cut it.
    pub(crate) cut: Option<Duration>,
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What was said and done is not printed.
        f.debug_struct("Exchange")
            .field("sound", &self.sound)
            .field("tools", &self.tools.len())
            .field("answered", &self.answered)
            .field("whole", &self.whole)
            .field("over", &self.over)
            .field("settled", &self.settled)
            .field("lost", &self.lost)
            .field("told", &self.told)
            .finish_non_exhaustive()
    }
}

impl Exchange {
    /// What the assistant said of which the person heard.
    pub(crate) fn said_and_heard(&self) -> &str {
        let said = self.said.text();
        let Some(heard) = self.cut else { return said };
        let all = (self.before + self.received).as_secs_f64();
        let share = if all > 0.0 { (heard.as_secs_f64() / all).min(1.0) } else { 0.0 };
        // Words run about evenly through the sound; the last one that is not whole was not heard.
        let mut end = (said.len() as f64 * share) as usize;
        if end >= said.len() {
            return said;
        }
        while !said.is_char_boundary(end) {
            end -= 1;
        }
        let end = said[..end].rfind(char::is_whitespace).unwrap_or(0);
        said[..end].trim_end()
    }

    /// The person cut the answer.
    pub(crate) fn was_cut(&self) -> bool {
        self.cut.is_some()
    }

    /// A tool of it runs.
    pub(crate) fn is_waiting(&self) -> bool {
        self.tools.iter().any(|tool| tool.outcome.is_none())
    }

    /// There is something to tell of it.
    pub(crate) fn has_words(&self) -> bool {
        !(self.heard.text().is_empty() && self.said.text().is_empty() && self.tools.is_empty())
    }

    /// The answer has begun, or a tool was called, and the link broke: the rest is still wanted.
    pub(crate) fn is_owed(&self) -> bool {
        let rest = self.answered && !self.over && (!self.whole || self.lost && self.is_waiting());
        rest && (self.lost || self.again) && self.has_words()
    }

    /// What was said must go up again to be known at all: nothing has come but perhaps a call, or the person is not
    /// done (`begun`: part of it is in hand).
    pub(crate) fn needs_sound(&self, begun: bool) -> bool {
        let silent = self.heard.text().is_empty() && (self.before + self.received).is_zero() && !self.whole;
        begun || !self.answered || silent
    }

    /// Its sound goes up again, and the words that were understood of it come again too: they need not be told, unless
    /// some of the sound is gone. Returns whether they make up for it.
    pub(crate) fn asked_again(&mut self, gone: u64) -> bool {
        let told = gone > 0 && !self.heard.text().is_empty();
        if !told {
            self.heard = Words::default();
        }
        self.answered = false;
        self.whole = false;
        self.again = true;
        told
    }
}
