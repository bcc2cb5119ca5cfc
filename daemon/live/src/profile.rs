//! What each family of models takes and refuses, as data.
//!
//! The service closes the connection with 1007 over one member too many, so what a model was not seen to accept is left
//! out. Sources and dates are in docs/protocol.md.

use crate::settings::Settings;

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
    /// Takes Google Search beside functions.
    pub search_beside_functions: bool,
    /// Says a word before a call or while one waits, when it is told to.
    pub speaks_while_waiting: bool,
    /// Sound and words may be sent while a call waits for its answer; otherwise they close the link.
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
    /// Taken out.
    LeaveOut,
    /// Set to BLOCKING everywhere: the model waits, and what the person says takes its calls back.
    Blocking,
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
    text_by: TextBy::RealtimeInput,
    tool_behavior: ToolBehavior::LeaveOut,
    search_beside_functions: false,
    speaks_while_waiting: false,
    audio_during_call: false,
    cancel_by_empty_turn: false,
    context_update: false,
};
const NATIVE_2_5: Profile = Profile {
    name: "2.5 native audio",
    thinking: Thinking::Optional { levels: LEVELS },
    language_code: true,
    tool_behavior: ToolBehavior::Blocking,
    speaks_while_waiting: true,
    audio_during_call: true,
    text_by: TextBy::ClientContent,
    ..UNKNOWN
};
const FLASH_3_1: Profile = Profile {
    name: "3.1",
    thinking: Thinking::Optional { levels: LEVELS },
    language_code: true,
    search_beside_functions: true,
    ..UNKNOWN
};
const LIVE_3_8: Profile = Profile {
    name: "3.8",
    language_code: true,
    tool_behavior: ToolBehavior::Blocking,
    search_beside_functions: true,
    audio_during_call: true,
    text_by: TextBy::ClientContent,
    context_update: true,
    ..UNKNOWN
};
const EXTENDED_3_8: Profile = Profile {
    name: "3.8 extended thinking",
    thinking: Thinking::Required { default: "LOW", levels: &["LOW", "MEDIUM", "HIGH"] },
    tool_behavior: ToolBehavior::NonBlocking,
    speaks_while_waiting: true,
    search_beside_functions: true,
    audio_during_call: true,
    text_by: TextBy::ClientContent,
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
        let fits = BY_PREFIX.iter().filter(|(prefix, _)| name.starts_with(prefix));
        fits.max_by_key(|(prefix, _)| prefix.len()).map_or(&BY_PREFIX[0].1, |(_, profile)| profile)
    }

    /// What becomes of `behavior` where this model is served: on Vertex AI, where models have a place, it is not known.
    pub fn behavior_of(&self, model: &str) -> ToolBehavior {
        if model.starts_with("projects/") { ToolBehavior::LeaveOut } else { self.tool_behavior }
    }

    /// Whether Google Search may be offered, with functions beside it or without.
    pub fn takes_search(&self, functions: bool) -> bool {
        self.tools && (self.search_beside_functions || !functions)
    }

    /// Which settings the model does not take, so that they are left out; fit for a warning.
    pub fn left_out(&self, settings: &Settings) -> Vec<&'static str> {
        let given = |setting: &Option<String>| setting.as_deref().is_some_and(|text| !text.is_empty());
        let asked = settings.thinking.as_deref().filter(|level| !level.is_empty());
        let heeded = |asked: &str| {
            self.thinking.level(Some(asked)).is_some_and(|level| level.eq_ignore_ascii_case(asked))
        };
        let left_out = [
            ("voice", given(&settings.voice) && !self.voice),
            ("language", given(&settings.language) && !self.language_code),
            ("instruction", given(&settings.instruction) && !self.instruction),
            ("tools", !settings.tools.is_empty() && !self.tools),
            ("thinking", asked.is_some_and(|asked| !heeded(asked))),
        ];
        left_out.into_iter().filter(|(_, out)| *out).map(|(name, _)| name).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::tests::settings;

    #[test]
    fn search_stands_beside_functions_where_that_was_seen_to_work() {
        let check = |model, alone, beside| {
            let profile = Profile::of(model);
            assert_eq!((profile.takes_search(false), profile.takes_search(true)), (alone, beside), "{model}");
        };
        check("gemini-3.8-live", true, true);
        check("gemini-3.8-live-extended-thinking", true, true);
        check("gemini-3.1-flash-live-preview", true, true);
        check("gemini-2.5-flash-native-audio-latest", true, false);
        check("gemini-3.5-transcribe-live", false, false);
    }

    #[test]
    fn the_longest_prefix_decides_and_letter_case_does_not() {
        for (model, name) in [
            ("gemini-3.8-live", "3.8"),
            ("GEMINI-3.8-LIVE-001", "3.8"),
            ("gemini-3.8-live-extended-thinking", "3.8 extended thinking"),
            ("models/Gemini-3.8-Live-Extended-Thinking-preview", "3.8 extended thinking"),
            ("gemini-3.1-flash-live-preview", "3.1"),
            ("gemini-2.5-flash-native-audio-preview-12-2025", "2.5 native audio"),
            ("gemini-2.5-flash-native-audio-latest", "2.5 native audio"),
            (
                "projects/p/locations/us/publishers/google/models/gemini-live-2.5-flash-native-audio",
                "2.5 native audio",
            ),
            ("gemini-3.5-live-translate-preview", "translation"),
            ("gemini-3.5-transcribe-live", "transcription"),
            ("gemini-3.8", "unknown"),
            ("gemini-4.0-live", "unknown"),
            ("models/", "unknown"),
            ("", "unknown"),
        ] {
            assert_eq!(Profile::of(model).name, name, "{model}");
        }
    }

    #[test]
    fn a_thinking_level_is_sent_only_where_it_is_taken() {
        let level = |model, asked| Profile::of(model).thinking.level(asked);
        assert_eq!(level("gemini-3.8-live", Some("low")), None);
        assert_eq!(level("gemini-4.0-live", Some("low")), None);
        assert_eq!(level("gemini-3.1-flash-live-preview", None), None);
        assert_eq!(level("gemini-3.1-flash-live-preview", Some("low")), Some("LOW"));
        assert_eq!(level("gemini-3.1-flash-live-preview", Some("much")), None);
        assert_eq!(level("gemini-3.8-live-extended-thinking", None), Some("LOW"));
        assert_eq!(level("gemini-3.8-live-extended-thinking", Some("High")), Some("HIGH"));
        assert_eq!(level("gemini-3.8-live-extended-thinking", Some("minimal")), Some("LOW"));
    }

    #[test]
    fn what_is_left_out_is_told() {
        let mut settings = settings();
        assert_eq!(UNKNOWN.left_out(&settings), [""; 0]);
        settings.language = Some("de-DE".to_owned());
        settings.thinking = Some("minimal".to_owned());
        settings.tools = vec![serde_json::json!({ "googleSearch": {} })];
        settings.voice = Some("Kore".to_owned());
        settings.instruction = Some("Be brief.".to_owned());
        assert_eq!(UNKNOWN.left_out(&settings), ["language", "thinking"]);
        assert_eq!(NATIVE_2_5.left_out(&settings), [""; 0]);
        assert_eq!(LIVE_3_8.left_out(&settings), ["thinking"]);
        assert_eq!(EXTENDED_3_8.left_out(&settings), ["language", "thinking"]);
        assert_eq!(TRANSCRIBE.left_out(&settings), ["voice", "language", "instruction", "tools", "thinking"]);
    }

    /// The table as the documentation shows it.
    fn table() -> String {
        let yes = |flag| if flag { "yes" } else { "no" };
        let line = |(prefix, profile): &(&str, Profile)| {
            let thinking = match profile.thinking {
                Thinking::Forbidden => "never".to_owned(),
                Thinking::Optional { levels } => format!("when asked: {}", levels.join(" ")),
                Thinking::Required { default, levels } => format!("always ({default}): {}", levels.join(" ")),
            };
            let text = match profile.text_by {
                TextBy::ClientContent => "clientContent",
                TextBy::RealtimeInput => "realtimeInput",
            };
            let behavior = match profile.tool_behavior {
                ToolBehavior::LeaveOut => "left out",
                ToolBehavior::Blocking => "BLOCKING",
                ToolBehavior::NonBlocking => "NON_BLOCKING",
            };
            let prefix = if prefix.is_empty() { "any other" } else { prefix };
            let flags = [
                profile.language_code,
                profile.voice,
                profile.instruction && profile.tools,
                profile.audio_during_call,
                profile.speaks_while_waiting,
                profile.cancel_by_empty_turn,
                profile.context_update,
            ];
            let flags = flags.map(yes).join(" | ");
            format!("| {} | {prefix} | {thinking} | {text} | {behavior} | {flags} |", profile.name)
        };
        BY_PREFIX.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_documentation_shows_this_table() {
        let docs = include_str!("../../../docs/protocol.md");
        assert!(docs.contains(&table()), "docs/protocol.md should hold\n{}", table());
    }
}
