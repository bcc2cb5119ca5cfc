//! What the server says, as plain data: every field of every message, since one message may carry any number of them.
//!
//! [`decode`] requires nothing: members may be absent, null, unknown, in camelCase or snake_case. One of the wrong type
//! costs only itself.

use crate::event::{Grounding, Usage};
use crate::wire::Handle;
use serde_json::{Map, Value};
use std::time::Duration;

pub use super::decode::{Unreadable, decode};

/// Sample rate of answer sound that does not name one, as Vertex leaves it out.
pub const ANSWER_RATE_HZ: u32 = 24_000;

/// One message of the server.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServerMessage {
    /// The setup was accepted.
    pub setup_complete: bool,
    /// What the model says and what it heard.
    pub content: Option<Content>,
    /// Calls to answer, each of them.
    pub tool_calls: Vec<FunctionCall>,
    /// Calls not to answer any more.
    pub cancelled_calls: Vec<String>,
    /// The server will close soon.
    pub go_away: Option<GoAway>,
    /// News of the handle.
    pub resumption: Option<Resumption>,
    /// What the server's voice detection says, also from `voiceActivityDetectionSignal`.
    pub voice_activity: Option<VoiceActivity>,
    /// Tokens of this turn.
    pub usage: Option<Usage>,
    /// An error in a message; errors normally come as a close code.
    pub error: Option<ServerError>,
    /// How many names at the top are not known here.
    pub unknown_members: usize,
    /// The first member that could not be read although the rest was, with the words of [`Unreadable::kind`].
    pub unread: Option<&'static str>,
}

/// The server will close this connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GoAway {
    /// After this long, when it says so.
    pub time_left: Option<Duration>,
}

/// News of the handle.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resumption {
    /// The newest handle; `None` when it is empty: keep the former one.
    pub handle: Option<Handle>,
    /// Whether the session could be resumed from this very point.
    pub resumable: bool,
}

/// What the server's voice detection says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VoiceActivity {
    /// Speech began.
    Start,
    /// Speech ended.
    End,
    /// A name this version does not know.
    Other,
}

/// A call to answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FunctionCall {
    /// Opaque; empty where the backend leaves it out.
    pub id: String,
    /// Declared name.
    pub name: String,
    /// Arguments; none where they could not be read.
    pub args: Map<String, Value>,
    /// There are arguments that are no object, or of which no JSON could be made: too deep, a number without bounds, half
    /// a letter.
    pub unread: bool,
}

/// What the model says and what it heard.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Content {
    /// Sound of the answer, part by part.
    pub audio: Vec<AudioPart>,
    /// How many parts were thoughts, plans or code: never spoken.
    pub text_parts: usize,
    /// What the person said: a delta to append.
    pub heard: Option<String>,
    /// What the person seems to be saying: replaces the former.
    pub hearing: Option<String>,
    /// What the assistant says: a delta to append.
    pub said: Option<String>,
    /// The answer was cut by the person.
    pub interrupted: bool,
    /// No more sound will come for this answer.
    pub generation_complete: bool,
    /// The model's turn is over.
    pub turn_complete: bool,
    /// Why it is over, when that is unusual.
    pub turn_complete_reason: Option<String>,
    /// Whether the model goes on working after its turn.
    pub interaction: Option<Interaction>,
    /// The model waits for more on purpose.
    pub waiting_for_input: bool,
    /// What it searched for and found, if it did.
    pub grounding: Option<Grounding>,
}

/// A piece of answer sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AudioPart {
    /// Rate in Hz, 24,000 when not told.
    pub rate_hz: u32,
    /// Mono.
    pub samples: Vec<i16>,
}

/// Whether the model goes on working after its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interaction {
    /// It does; also for the older REQUIRES_ACTION.
    InProgress,
    /// It does not.
    Idle,
    /// A name this version does not know.
    Other,
}

/// An error told in a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerError {
    /// HTTP or gRPC code.
    pub code: Option<i64>,
    /// The server's words, or the name of the status.
    pub message: String,
}

impl ServerMessage {
    /// Whether there is nothing in it to act upon: `{}` and an empty `serverContent` are common padding.
    pub fn says_nothing(&self) -> bool {
        // Named one by one, so that a new field is not forgotten here.
        let Self {
            setup_complete,
            content,
            tool_calls,
            cancelled_calls,
            go_away,
            resumption,
            voice_activity,
            usage,
            error,
            unknown_members: _,
            unread: _,
        } = self;
        !setup_complete
            && content.as_ref().is_none_or(|content| *content == Content::default())
            && tool_calls.is_empty()
            && cancelled_calls.is_empty()
            && go_away.is_none()
            && resumption.is_none()
            && voice_activity.is_none()
            && usage.is_none()
            && error.is_none()
    }
}
