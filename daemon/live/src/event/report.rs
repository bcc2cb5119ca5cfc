//! What the edges report: button, microphone, speaker, links, tools, and the money that is left.

use std::time::Instant;

#[cfg(doc)]
use super::{Action, Listen};

/// What the talk button did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ButtonInput {
    /// Down. In tap and open mode this is the whole gesture.
    Press,
    /// Up again.
    Release,
}

/// What the capture side delivered.
#[derive(Clone, Debug, PartialEq)]
pub enum MicrophoneInput {
    /// Sound of the listening with number `listen` (see [`Action::Listen`]), in order, pre-roll first.
    Chunk {
        /// Number of the [`Action::Listen`] it belongs to; another number's chunk is dropped and counted.
        listen: u32,
        /// 16 kHz mono, normally 20 ms.
        samples: Vec<i16>,
        /// Whether the gate heard speech in it.
        speech: bool,
        /// When its last sample was captured.
        at: Instant,
    },
    /// The gate opened (`listen` in gated listening): the chunks that follow begin with its pre-roll.
    Opened {
        /// Number of the [`Action::Listen`].
        listen: u32,
    },
    /// The gate closed after its hangover; no chunk follows until it opens again.
    Closed {
        /// Number of the [`Action::Listen`].
        listen: u32,
    },
    /// While [`Listen::Gated`] watches: somebody may be speaking over the answer. The gate opens with it, if it was not
    /// open: [`MicrophoneInput::Opened`] and the pre-roll come first. Followed by `Confirmed` or `Dismissed`.
    Suspected {
        /// Number of the [`Action::Listen`].
        listen: u32,
    },
    /// It lasts: a person speaks. Told once for a suspicion.
    Confirmed {
        /// Number of the [`Action::Listen`].
        listen: u32,
    },
    /// It was a cough, a door, a "mm-hm". The gate closes as it would without.
    Dismissed {
        /// Number of the [`Action::Listen`].
        listen: u32,
    },
    /// Samples of an utterance were lost (an overrun, a full queue): told so that it can be counted and said.
    Gap {
        /// Number of the [`Action::Listen`].
        listen: u32,
        /// How many 16 kHz samples are missing.
        samples: u64,
    },
    /// The card is gone; nothing will come until [`MicrophoneInput::Back`].
    Lost,
    /// The card is there (again).
    Back,
}

/// What the playback side reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpeakerInput {
    /// The first sample of this turn's answer is being heard.
    Started {
        /// Number from [`Action::Play`].
        turn: u32,
    },
    /// All that was given for this turn has been heard.
    Drained {
        /// Number from [`Action::Play`].
        turn: u32,
    },
    /// The card is gone. Answers are discarded until it is back.
    Lost,
    /// The card is there (again).
    Back,
}

/// News of a link.
#[derive(Clone, Debug, PartialEq)]
pub enum LinkInput {
    /// The WebSocket is open; `setup` may be sent.
    Opened,
    /// One WebSocket payload, text or binary alike.
    Message(Vec<u8>),
    /// The link is over: by the server, by us, or cut (code 1006).
    Closed {
        /// WebSocket close code; 1006 when there was no close frame.
        code: u16,
        /// Reason text, may be empty.
        reason: String,
    },
    /// The answer to [`Action::Ping`].
    Pong,
    /// It never opened.
    Failed {
        /// What was in the way.
        cause: Cause,
        /// What failed, fit for a log: never contains the key.
        reason: String,
    },
}

/// Why a link never opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The server answered the handshake with this HTTP status.
    Http(u16),
    /// The name was not found, or nobody could be asked for it.
    Lookup,
    /// No address of the server could be reached.
    Connect,
    /// The proxy could not be reached, or refused with this HTTP status.
    Proxy(Option<u16>),
    /// Somebody else answers for the server: a network that wants a person to sign in first.
    Captive,
    /// No TLS came about, or the certificate was not accepted.
    Tls,
    /// The certificate is not yet valid by this device's clock, which is not set.
    Clock,
    /// There is nothing to show to the server: its source failed.
    Credential {
        /// Only a person or another configuration mends it.
        fatal: bool,
    },
    /// The connection broke while the link was being opened, or took too long.
    Cut,
}

/// What is left of the money that may be spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Budget {
    /// Enough, or no limit.
    #[default]
    Fine,
    /// Little: the person is told.
    Low,
    /// Nothing: no talk begins, and the one in hand ends with the answer that is being made.
    Spent,
    /// More than nothing: that answer ends now.
    Over,
}

/// A tool's outcome.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolResult {
    /// Id of the call.
    pub id: String,
    /// `Ok`: the object to answer with. `Err`: a sentence for the model.
    pub outcome: Result<serde_json::Map<String, serde_json::Value>, String>,
}
