//! What a conversation is told once, at the start. Filled by the daemon from its configuration.

use std::collections::BTreeSet;
use std::time::Duration;

/// How a person and the assistant take turns.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TalkMode {
    /// Push-to-talk: speak while the button is down.
    Hold {
        /// Kept after the release, so that the last word is whole.
        tail: Duration,
    },
    /// Press to begin; press again or fall silent to end.
    Tap {
        /// Silence that ends the utterance.
        end_silence: Duration,
        /// An utterance in which nothing was said ends after this.
        no_speech: Duration,
    },
    /// Kiosk: the server hears when somebody speaks.
    Open {
        /// What begins a talk.
        start: OpenStart,
        /// What ends it: this long without speech or answer; `None` = only the button.
        idle: Option<Duration>,
    },
}

/// What begins a talk in open mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenStart {
    /// The button.
    Press,
    /// The gate.
    Speech,
    /// Nothing: there is always one.
    Always,
}

/// Who decides that speech over an answer ends it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BargeIn {
    /// The server. The microphone's sound goes up during an answer; the device only ducks.
    Server,
    /// The device. The wire carries silence during an answer until it is sure.
    Local,
    /// The device as in `Local`, and the server's `interrupted` counts too.
    #[default]
    Both,
    /// Nobody (half duplex): what is said during an answer is not heard.
    Off,
}

/// Everything a conversation must know.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Model name without `models/`.
    pub model: String,
    /// How turns are taken.
    pub talk: TalkMode,
    /// Prebuilt voice; `None` = the model's own.
    pub voice: Option<String>,
    /// BCP 47; `None` = the model follows the speaker.
    pub language: Option<String>,
    /// System instruction.
    pub instruction: Option<String>,
    /// Ask for the person's words.
    pub transcribe_input: bool,
    /// Ask for the assistant's words.
    pub transcribe_output: bool,
    /// Context compression: trigger and target in tokens; `None` = off.
    pub compression: Option<(u64, u64)>,
    /// Open mode: does speech cut the answer?
    pub speech_interrupts: bool,
    /// Open and tap mode: who decides that speech over an answer ends it.
    pub barge_in: BargeIn,
    /// Open mode: does the server begin a turn at the slightest sound? `None` = its default.
    pub start_eager: Option<bool>,
    /// Open mode: does the server end a turn at the first pause? `None` = its default.
    pub end_eager: Option<bool>,
    /// Open mode: speech needed before a start counts.
    pub start_after: Option<Duration>,
    /// Open mode: silence that ends a turn.
    pub end_after: Option<Duration>,
    /// 0 to 2; `None` = the model's own.
    pub temperature: Option<f32>,
    /// Only for models that take one: minimal, low, medium, high.
    pub thinking: Option<String>,
    /// Function declarations and other tools, as the API spells them; empty = none.
    pub tools: Vec<serde_json::Value>,
    /// Names of tools that go on to their end when their call is stopped, and report it all the same; none that a person
    /// must agree to.
    pub finishes: BTreeSet<String>,
    /// Speech kept while there is no link.
    pub utterance_max: Duration,
    /// A talk ends after this at the next pause, whatever is said; `None` = never. Not with [`OpenStart::Always`].
    pub talk_max: Option<Duration>,
    /// Hold and tap: a link nobody used for this long is closed, its handle kept.
    pub quiet_close: Duration,
    /// Give up waiting for `setupComplete` after this.
    pub setup_timeout: Duration,
    /// Give up waiting for an answer that never starts after this.
    pub answer_timeout: Duration,
    /// What is shown to the server is made anew for each link (a token): a refusal may be of the old one.
    pub minted: bool,
    /// A session that was lost is continued by a fresh one with a note of what was said.
    pub recap: bool,
    /// Length of that note, in bytes.
    pub recap_max_chars: usize,
    /// A talk that nobody used for this long is over: nothing of it is known any more.
    pub forget_after: Duration,
    /// Open mode: the end of a talk forgets it; otherwise the next talk goes on with the same session.
    pub open_forgets: bool,
    /// Seed of the redial's jitter.
    pub seed: u64,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Nothing asked for beyond what must be.
    pub(crate) fn settings() -> Settings {
        Settings {
            model: "gemini-3.8-live".to_owned(),
            talk: TalkMode::Open { start: OpenStart::Press, idle: None },
            voice: None,
            language: None,
            instruction: None,
            transcribe_input: false,
            transcribe_output: false,
            compression: None,
            barge_in: BargeIn::default(),
            speech_interrupts: true,
            start_eager: None,
            end_eager: None,
            start_after: None,
            end_after: None,
            temperature: None,
            thinking: None,
            tools: Vec::new(),
            finishes: BTreeSet::new(),
            utterance_max: Duration::from_secs(15),
            talk_max: None,
            quiet_close: Duration::from_secs(60),
            setup_timeout: Duration::from_secs(20),
            answer_timeout: Duration::from_secs(30),
            minted: false,
            recap: true,
            recap_max_chars: 2000,
            forget_after: Duration::from_secs(7200),
            open_forgets: true,
            seed: 1,
        }
    }
}
