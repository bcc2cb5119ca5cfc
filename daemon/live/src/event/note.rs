//! Facts for captions, log and counters; nothing of the conversation depends on them.

use serde_json::{Map, Value};

/// What an answer rests on, where the model searched.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Grounding {
    /// What it searched for.
    pub queries: Vec<String>,
    /// What it found.
    pub sources: Vec<Source>,
    /// More searches, as a page of HTML that the service's terms want shown where there is a screen.
    pub suggestions: Option<String>,
}

/// A page that was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Source {
    /// Its address.
    pub uri: String,
    /// Its title, often the name of the site.
    pub title: String,
}

/// A fact worth a caption, a log line or a counter.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Note {
    /// What the person was understood to say; a delta to append.
    Heard(String),
    /// What the assistant says; a delta to append.
    Said(String),
    /// A running hypothesis of what the person says; replaces the former one.
    Hearing(String),
    /// What the model searched for and found.
    Grounding(Grounding),
    /// Setup was accepted.
    LinkUp {
        /// Whether a handle was sent.
        resumed: bool,
    },
    /// A link ended, with what follows from it.
    LinkDown {
        /// Close code or HTTP status.
        code: u16,
        /// The server's words.
        reason: String,
        /// Whether it will be dialled again without a person.
        retry: bool,
        /// What kind of trouble, a small fixed set of words that stay the same: for the log, counters and doctor.
        trouble: &'static str,
    },
    /// The first sound of an answer arrived for this turn.
    FirstSound {
        /// Its turn.
        turn: u32,
    },
    /// A typed question is not put, and why: a sentence for who asked.
    AskRefused {
        /// Fixed words.
        why: &'static str,
    },
    /// A typed question is over: its answer was heard to the end or cut, or none came.
    AskEnded {
        /// Whether anything came.
        answered: bool,
    },
    /// What was said goes up a second time because its link was lost: what was understood of it comes again too.
    SaidAgain,
    /// What a later run of the program would go on with has changed (`Conversation::session`).
    SessionChanged,
    /// The person's utterance is over (activityEnd or audioStreamEnd sent).
    UtteranceEnded,
    /// A talk begins: somebody wants a link.
    TalkBegan,
    /// It is over: the link was let go.
    TalkEnded {
        /// The next one begins with a session that remembers nothing.
        forgotten: bool,
    },
    /// The model was interrupted.
    Interrupted,
    /// The device heard a person speak over the answer and cut it.
    BargeIn,
    /// A turn ended.
    TurnComplete,
    /// Tokens of one turn.
    Usage(Usage),
    /// A message that could not be read, or that came at the wrong time: counted and survived.
    Unread {
        /// What kind of trouble, a small fixed set so that each is logged once.
        kind: &'static str,
    },
    /// A tool was called, and the call answered with an error before it reached one.
    CallRefused {
        /// The tool, in the model's words.
        name: String,
        /// With what, as far as it could be read.
        args: Map<String, Value>,
    },
    /// Speech beyond the bound was dropped, in 16 kHz samples.
    SpeechDropped {
        /// How many.
        samples: u64,
    },
    /// Answer sound beyond the bound, or of a cut turn, was dropped, in samples.
    AnswerDropped {
        /// How many.
        samples: u64,
    },
}

/// Tokens of one usageMetadata message; absent numbers are 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens in, the whole context.
    pub prompt: u64,
    /// Of these, from the cache.
    pub cached: u64,
    /// Tokens out without thoughts.
    pub response: u64,
    /// Thoughts, billed like the response.
    pub thoughts: u64,
    /// Tokens of tool results.
    pub tool_use: u64,
    /// The server's own sum.
    pub total: u64,
    /// Of the tokens in, text; 0 when the server does not say.
    pub prompt_text: u64,
    /// Of the tokens out, text; 0 when the server does not say.
    pub response_text: u64,
}
