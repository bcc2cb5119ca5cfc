//! Tables about talking: the service, and how turns are taken. config.example.toml says the same to people.

use super::backend::Backend;
use super::rule::{Rule, SWITCH, Special, TEXT, checked, real_or, whole, whole_or};
use super::table::table;
use super::words::words;

table! {
    /// `[live]`: which model, and how it speaks.
    Live {
        /// Which service is talked to, and with what.
        backend: Backend = Backend::Developer, Rule::Words(Backend::WORDS);
        /// Any model that speaks BidiGenerateContent, without `models/`.
        model: String = "gemini-3.8-live", checked(super::text::model);
        /// Base URL.
        endpoint: String = "wss://generativelanguage.googleapis.com", checked(super::text::endpoint);
        /// Version in the path.
        api_version: ApiVersion = ApiVersion::V1Beta, Rule::Words(ApiVersion::WORDS);
        /// PEM file, trusted beside the public authorities; empty = none.
        ca_file: String = "", Rule::Text { empty: true, check: Some(super::text::ca_file) };
        /// File with the key; empty = none.
        key_file: String = "", TEXT;
        /// Prebuilt voice; empty = the model's own.
        voice: String = "", TEXT;
        /// BCP 47; empty = the model follows the speaker.
        language: String = "", TEXT;
        /// Who the assistant is and how it answers; empty = none.
        instruction: String = "", TEXT;
        /// Ask for the words the person said.
        transcribe_input: bool = true, SWITCH;
        /// Ask for the words the assistant says.
        transcribe_output: bool = true, SWITCH;
        /// Context size that triggers compression; 0 = never.
        compress_above_tokens: u32 = 8_000u32, whole_or(5_000, 128_000, Special::Zero("never"));
        /// Context size after compression.
        compress_to_tokens: u32 = 4_000u32, whole(0, 128_000);
        /// Below 0 = the model's own.
        temperature: f32 = -1.0, real_or(0.0, 2.0, Special::Negative("the model's own"));
        /// How much the model thinks before it answers.
        thinking: Thinking = Thinking::Own, Rule::Words(Thinking::WORDS);
        /// Where a session is lost, the next one is told what was said.
        recap: bool = true, SWITCH;
        /// Length of what it is told, in bytes.
        recap_max_chars: u32 = 2_000u32, whole(200, 20_000);
        /// File in which a restarted daemon finds the talk; empty = none is written.
        state_file: String = "", TEXT;
    }
}

words! {
    /// Version in the path of the endpoint.
    ApiVersion {
        /// The usual one.
        V1Beta = "v1beta",
        /// Early features.
        V1Alpha = "v1alpha",
    }
}

words! {
    /// Thinking level; only some models take one.
    Thinking {
        /// Nothing is sent.
        Own = "",
        /// Least.
        Minimal = "minimal",
        /// Little.
        Low = "low",
        /// Some.
        Medium = "medium",
        /// Most.
        High = "high",
    }
}

table! {
    /// `[talk]`: how turns are taken.
    Talk {
        /// Hold, tap or open.
        mode: Mode = Mode::Hold, Rule::Words(Mode::WORDS);
        /// Speech kept while there is no link.
        utterance_max_s: u32 = 15u32, whole(1, 120);
        /// A talk is over after this, whatever is said; 0 = never.
        talk_max_min: u32 = 30u32, whole_or(1, 1440, Special::Zero("never"));
        /// Hold and tap: an unused link is closed after this.
        quiet_close_s: u32 = 60u32, whole(5, 3600);
        /// An answer that never starts.
        answer_timeout_s: u32 = 30u32, whole(5, 300);
        /// A talk that nobody used for this long is over, and nothing of it is known any more.
        forget_after_min: u32 = 120u32, whole(1, 120);
    }
}

words! {
    /// How a person and the assistant take turns.
    Mode {
        /// Speak while the button is down.
        Hold = "hold",
        /// Press to begin; press again or fall silent to end.
        Tap = "tap",
        /// The server hears when somebody speaks.
        Open = "open",
    }
}

table! {
    /// `[hold]`: push-to-talk.
    Hold {
        /// Kept after the release.
        tail_ms: u32 = 200u32, whole(0, 2000);
    }
}

table! {
    /// `[tap]`: press to begin.
    Tap {
        /// Silence that ends the utterance.
        end_silence_ms: u32 = 1200u32, whole(200, 10_000);
        /// An utterance in which nothing is said ends after this.
        no_speech_s: u32 = 8u32, whole(1, 60);
    }
}

table! {
    /// `[open]`: kiosk.
    Open {
        /// What begins a talk.
        start: OpenStart = OpenStart::Press, Rule::Words(OpenStart::WORDS);
        /// What ends it.
        end: OpenEnd = OpenEnd::Idle, Rule::Words(OpenEnd::WORDS);
        /// Time without speech or answer that ends it.
        idle_s: u32 = 30u32, whole(3, 3600);
        /// The end of a talk forgets it: the next person is another one.
        forget: bool = true, SWITCH;
        /// Speaking over the answer cuts it.
        speech_interrupts: bool = true, SWITCH;
        /// Does the slightest sound begin a turn?
        start_eager: Eager = Eager::Auto, Rule::Words(Eager::WORDS);
        /// Does the first pause end a turn?
        end_eager: Eager = Eager::Auto, Rule::Words(Eager::WORDS);
        /// Speech needed before a turn begins; below 0 = the server's own.
        start_after_ms: i32 = -1, whole_or(0, 3000, Special::Negative("the server's own"));
        /// Silence that ends a turn; below 0 = the server's own.
        end_after_ms: i32 = 800, whole_or(0, 3000, Special::Negative("the server's own"));
    }
}

words! {
    /// What begins a talk in open mode.
    OpenStart {
        /// The button.
        Press = "press",
        /// The gate.
        Speech = "speech",
        /// Nothing: there is always one.
        Always = "always",
    }
}

words! {
    /// What ends a talk in open mode.
    OpenEnd {
        /// Time without speech or answer, or the button.
        Idle = "idle",
        /// The button alone.
        Button = "button",
    }
}

words! {
    /// A choice that can be left to the server.
    Eager {
        /// The server's own.
        Auto = "auto",
        /// Eager.
        Yes = "yes",
        /// Patient.
        No = "no",
    }
}

impl Eager {
    /// `None` = left to the server.
    pub fn choice(self) -> Option<bool> {
        match self {
            Eager::Auto => None,
            Eager::Yes => Some(true),
            Eager::No => Some(false),
        }
    }
}
