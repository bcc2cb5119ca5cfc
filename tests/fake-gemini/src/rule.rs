//! What goes wrong, and at which point: the faults of a script.

use serde::Deserialize;
use serde_json::Value;

use crate::script::Turn;

/// Something that goes wrong at a certain point.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Only on this link, counted from 1; absent = any.
    #[serde(default)]
    pub link: Option<u32>,
    /// Only in this turn, counted from 1; absent = any.
    #[serde(default)]
    pub turn: Option<u32>,
    /// At which point.
    pub when: When,
    /// What happens, in order.
    #[serde(rename = "do")]
    pub faults: Vec<Fault>,
    /// How often at most, never twice in the same turn of a link; 0 = always.
    #[serde(default = "once")]
    pub times: u32,
}

fn once() -> u32 {
    1
}

impl Rule {
    /// A fault that strikes once, at the first such point.
    pub fn new(when: When, fault: Fault) -> Self {
        Self { link: None, turn: None, when, faults: vec![fault], times: 1 }
    }

    /// Restricts it to a link, counted from 1.
    pub fn on_link(mut self, link: u32) -> Self {
        self.link = Some(link);
        self
    }

    /// Restricts it to a turn, counted from 1.
    pub fn on_turn(mut self, turn: u32) -> Self {
        self.turn = Some(turn);
        self
    }

    /// Lets it strike so often; 0 = always.
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }

    /// Adds what happens next.
    pub fn and(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }
}

/// A point in the life of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// TCP is connected; TLS has not begun.
    Accept,
    /// The upgrade request is read and not yet answered.
    Request,
    /// The WebSocket is open; no setup was read.
    Open,
    /// A valid setup was read; `setupComplete` is not sent.
    Setup,
    /// So long after `setupComplete`.
    Ready {
        /// Milliseconds.
        after_ms: u64,
    },
    /// So much of an utterance was heard.
    Heard {
        /// Milliseconds of audio.
        ms: u64,
    },
    /// An utterance ended.
    UtteranceEnd,
    /// So much of an answer was sent; 0 = before its first part.
    Answer {
        /// Milliseconds of audio.
        ms: u64,
    },
    /// generationComplete was sent.
    Generated,
    /// turnComplete was sent.
    TurnComplete,
}

/// Something that goes wrong.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// Takes so long: before TLS, before 101, before setupComplete; elsewhere nothing is sent for so long.
    Wait {
        /// Milliseconds.
        ms: u64,
    },
    /// Answers the upgrade with this status (at accept or request).
    Http {
        /// Status code.
        status: u16,
    },
    /// Cuts TCP with RST.
    Reset,
    /// Ends TCP with FIN and without a close frame.
    Cut,
    /// Closes with this code and reason.
    Close {
        /// Close code.
        code: u16,
        /// Reason, cut to 123 bytes.
        reason: String,
    },
    /// Reads nothing, sends nothing: the network is gone and nobody said so.
    Stall {
        /// Milliseconds; absent = for ever.
        #[serde(default)]
        ms: Option<u64>,
    },
    /// Reads nothing, so that what the client writes piles up.
    StallReads {
        /// Milliseconds; absent = for ever.
        #[serde(default)]
        ms: Option<u64>,
    },
    /// Takes everything and does nothing with it, pings too: what is lost on its way.
    Swallow {
        /// Milliseconds; absent = for ever.
        #[serde(default)]
        ms: Option<u64>,
    },
    /// The same, but pings are answered: somebody in front of the service is well, and the service is not.
    Hang {
        /// Milliseconds; absent = for ever.
        #[serde(default)]
        ms: Option<u64>,
    },
    /// Sends this message, whatever it says.
    Json(Value),
    /// Sends this text in a text frame.
    Text(String),
    /// Sends so many random bytes in a binary frame.
    Garbage {
        /// How many.
        bytes: usize,
    },
    /// Sends a text frame that is not UTF-8.
    InvalidUtf8,
    /// Sends a message that breaks off in the middle.
    Truncated,
    /// Sends a valid message so big, most of it in a member nobody knows.
    Huge {
        /// How many bytes.
        bytes: usize,
    },
    /// Sends a frame that breaks the framing (a reserved opcode).
    BadFrame,
    /// Sends each of the next messages twice.
    Duplicate {
        /// How many of them.
        messages: u32,
    },
    /// From now on every message carries members and enum values nobody knows.
    UnknownFields,
    /// From now on every message comes in so many fragments.
    Fragment {
        /// How many.
        pieces: usize,
    },
    /// From now on messages come in text frames.
    TextFrames,
    /// From now on pings are answered so late; absent = never.
    Pong {
        /// Milliseconds.
        #[serde(default)]
        delay_ms: Option<u64>,
    },
    /// Sends a ping.
    Ping,
    /// Announces the end and keeps the word with 1008.
    GoAway {
        /// What it says is left.
        left_ms: u64,
    },
    /// Announces the end and never comes back to it.
    GoAwayOnly {
        /// What it says is left.
        left_ms: u64,
    },
    /// Says `interrupted` although nobody spoke.
    Interrupted,
    /// Speaks unasked.
    Speak(Box<Turn>),
    /// Forgets all sessions: every handle is dead.
    Forget,
}
