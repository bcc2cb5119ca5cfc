//! What is asked of a person before a tool is run, and what they say.

use std::time::Instant;

/// Of a call that a person must agree to.
#[derive(Clone, Debug, PartialEq)]
pub enum ConsentInput {
    /// In answer to [`super::Action::CallTool`], in place of a result: the call is kept, and run once a person has agreed.
    Due(ToolAsk),
    /// The gesture that agrees was made on the device itself. It counts only where it is the one that is asked for, and
    /// begun while it was.
    Given {
        /// How.
        by: AgreeBy,
        /// When it began.
        since: Instant,
    },
    /// In answer to [`super::Action::AskAloud`]: the device is to say nothing by itself.
    Unspoken,
}

/// What a person is asked before a tool is run.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolAsk {
    /// Id of the call.
    pub id: String,
    /// What counts as agreeing.
    pub agree: Agree,
    /// What a person is told to do.
    pub by: AgreeBy,
    /// Words for the model to say.
    pub say: String,
}

/// What counts as agreeing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Agree {
    /// A double press, or one on a line of its own.
    Button,
    /// The button held for two seconds.
    Hold,
}

impl Agree {
    /// Whether this gesture is one.
    pub fn fits(self, by: AgreeBy) -> bool {
        (self == Agree::Hold) == (by == AgreeBy::Hold)
    }
}

/// How somebody agrees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AgreeBy {
    /// A double press.
    Double,
    /// The button held.
    Hold,
    /// A press on a line that is there for nothing else.
    Line,
}

impl AgreeBy {
    /// Its name in logs.
    pub fn word(self) -> &'static str {
        match self {
            AgreeBy::Double => "double",
            AgreeBy::Hold => "hold",
            AgreeBy::Line => "line",
        }
    }
}

/// What became of the question whether a tool may be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Decision {
    /// Somebody agreed: the kept call is run, once.
    Given(AgreeBy),
    /// Somebody talked instead.
    Refused,
    /// Nobody agreed in time.
    TimedOut,
    /// It could not be asked, or is not asked any more.
    Withdrawn,
}
