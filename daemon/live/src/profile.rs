//! What each family of models takes and refuses, as data.
//!
//! The service closes the connection with 1007 over one member too many, so what a model was not seen to accept is left
//! out. Sources and dates are in docs/protocol.md.

/// One family of models.
#[derive(Debug, PartialEq)]
pub struct Profile {
    /// What people call it.
    pub name: &'static str,
    /// Whether a thinking level is sent.
    pub thinking: Thinking,
    /// Takes `speechConfig.languageCode`.
    pub language_code: bool,
    /// Takes a voice.
    pub voice: bool,
    /// Takes a system instruction.
    pub instruction: bool,
    /// Takes tools.
    pub tools: bool,
    /// How typed text is sent in the middle of a session.
    pub text_by: TextBy,
    /// What becomes of `behavior` in function declarations.
    pub tool_behavior: ToolBehavior,
    /// Takes `scheduling` in a tool response.
    pub scheduling: bool,
    /// Sound may be sent while a call waits for its answer.
    pub audio_during_call: bool,
    /// `clientContent` without turns cuts the answer and starts nothing new.
    pub cancel_by_empty_turn: bool,
    /// Takes `contextUpdate` in the middle of a session.
    pub context_update: bool,
}

/// Whether a thinking level is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thinking {
    /// Never: refused or not known.
    Forbidden,
    /// When the configuration asks for one of these.
    Optional {
        /// As the API spells them.
        levels: &'static [&'static str],
    },
    /// Always.
    Required {
        /// Unless the configuration asks for another.
        default: &'static str,
        /// As the API spells them.
        levels: &'static [&'static str],
    },
}

impl Thinking {
    /// The level to send, if any, when the configuration asks for this one.
    pub fn level(self, asked: Option<&str>) -> Option<&'static str> {
        let among = |levels: &'static [&'static str]| {
            levels.iter().copied().find(|level| asked.is_some_and(|asked| asked.eq_ignore_ascii_case(level)))
        };
        match self {
            Self::Forbidden => None,
            Self::Optional { levels } => among(levels),
            Self::Required { default, levels } => Some(among(levels).unwrap_or(default)),
        }
    }
}

/// How typed text is sent in the middle of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextBy {
    /// As a turn of its own; interrupts the answer.
    ClientContent,
    /// As part of the stream.
    RealtimeInput,
}

/// What becomes of `behavior` in function declarations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToolBehavior {
    /// Sent as configured.
    AsGiven,
    /// Taken out.
    LeaveOut,
    /// Set to NON_BLOCKING everywhere.
    NonBlocking,
}

const LEVELS: &[&str] = &["MINIMAL", "LOW", "MEDIUM", "HIGH"];

/// What every current model accepted.
const UNKNOWN: Profile = Profile {
    name: "unknown",
    thinking: Thinking::Forbidden,
    language_code: false,
    voice: true,
    instruction: true,
    tools: true,
    text_by: TextBy::ClientContent,
    tool_behavior: ToolBehavior::LeaveOut,
    scheduling: false,
    audio_during_call: true,
    cancel_by_empty_turn: false,
    context_update: false,
};
const NATIVE_2_5: Profile = Profile {
    name: "2.5 native audio",
    thinking: Thinking::Optional { levels: LEVELS },
    language_code: true,
    tool_behavior: ToolBehavior::AsGiven,
    scheduling: true,
    ..UNKNOWN
};
const FLASH_3_1: Profile = Profile {
    name: "3.1",
    thinking: Thinking::Optional { levels: LEVELS },
    language_code: true,
    text_by: TextBy::RealtimeInput,
    audio_during_call: false,
    ..UNKNOWN
};
const LIVE_3_8: Profile = Profile {
    name: "3.8",
    language_code: true,
    tool_behavior: ToolBehavior::AsGiven,
    context_update: true,
    ..UNKNOWN
};
const EXTENDED_3_8: Profile = Profile {
    name: "3.8 extended thinking",
    thinking: Thinking::Required { default: "LOW", levels: &["LOW", "MEDIUM", "HIGH"] },
    tool_behavior: ToolBehavior::NonBlocking,
    cancel_by_empty_turn: true,
    context_update: true,
    ..UNKNOWN
};
const TRANSLATE: Profile = Profile { name: "translation", instruction: false, tools: false, ..UNKNOWN };
const TRANSCRIBE: Profile = Profile { name: "transcription", voice: false, ..TRANSLATE };

/// Names begin with these; the longest that fits decides.
static BY_PREFIX: &[(&str, Profile)] = &[
    ("", UNKNOWN),
    ("gemini-2.5-flash-native-audio", NATIVE_2_5),
    ("gemini-live-2.5-flash", NATIVE_2_5),
    ("gemini-3.1-flash-live", FLASH_3_1),
    ("gemini-3.8-live", LIVE_3_8),
    ("gemini-3.8-live-extended-thinking", EXTENDED_3_8),
    ("gemini-3.5-live-translate", TRANSLATE),
    ("gemini-3.5-transcribe-live", TRANSCRIBE),
];

impl Profile {
    /// The profile of a model, by its name with or without the path before it; letter case does not matter.
    pub fn of(model: &str) -> &'static Profile {
        let name = model.rsplit('/').next().unwrap_or(model).trim().to_ascii_lowercase();
        BY_PREFIX
            .iter()
            .filter(|(prefix, _)| name.starts_with(prefix))
            .max_by_key(|(prefix, _)| prefix.len())
            .map_or(&UNKNOWN_STATIC, |(_, profile)| profile)
    }
}

static UNKNOWN_STATIC: Profile = UNKNOWN;
