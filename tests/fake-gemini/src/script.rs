//! What the service is to do, as data: built by a test, or read from a JSON file.
//!
//! ```json
//! {
//!   "service": {"think_ms": 100},
//!   "turns": [{"hear": "What time is it?", "answer": {"recording": "answer-time"}},
//!             {"tools": [{"name": "lamp", "args": {"on": true}}]}],
//!   "faults": [{"link": 1, "when": {"answer": {"ms": 800}}, "do": ["reset"]},
//!              {"link": 2, "when": "request", "do": [{"http": {"status": 503}}]}]
//! }
//! ```

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::rule::Rule;

/// Everything the service is to do.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Script {
    /// How it behaves throughout.
    pub service: Service,
    /// The first turn, the second, …: counted over all links.
    pub turns: Vec<Turn>,
    /// Every turn after these.
    pub rest: Turn,
    /// What goes wrong.
    pub faults: Vec<Rule>,
}

impl Script {
    /// Reads a script.
    ///
    /// # Errors
    /// What does not fit, with its line.
    pub fn from_json(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|e| e.to_string())
    }

    /// Adds a turn.
    pub fn turn(mut self, turn: Turn) -> Self {
        self.turns.push(turn);
        self
    }

    /// Adds a fault.
    pub fn fault(mut self, rule: Rule) -> Self {
        self.faults.push(rule);
        self
    }
}

/// How the service behaves throughout. Times in milliseconds.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Service {
    /// From a valid setup to `setupComplete`.
    pub setup_ms: u64,
    /// From the end of the utterance (activityEnd; or silence_duration after the last speech, in stream time) to
    /// the first sound of the answer.
    pub think_ms: u64,
    /// How many times faster than real time an answer is sent; 0 = all at once.
    pub pace: f64,
    /// Length of an answer's first part.
    pub first_part_ms: u64,
    /// Length of its other parts.
    pub part_ms: u64,
    /// From `interrupted` to its `turnComplete`.
    pub cut_ms: u64,
    /// Parts of the cut answer that still come after `interrupted`.
    pub stale_parts: usize,
    /// Whether the message with `interrupted` holds one more part as well.
    pub interrupted_with_audio: bool,
    /// So long after a call, or its cancellation, what comes may have been sent before it was known.
    pub in_flight_ms: u64,
    /// From `setupComplete` to the first resumption handle.
    pub first_handle_ms: u64,
    /// From `turnComplete` to the next one.
    pub handle_ms: u64,
    /// A link on which nothing comes for so long is closed; 0 = never.
    pub idle_close_ms: u64,
    /// `goAway` is sent this long after `setupComplete`; 0 = never.
    pub go_away_after_ms: u64,
    /// What it says is left; then the link is closed.
    pub go_away_left_ms: u64,
    /// Level from which a 10 ms frame counts as speech, in dBFS; 10 dB more with START_SENSITIVITY_LOW.
    pub speech_dbfs: f64,
    /// Speech needed for a start where the setup names no prefixPaddingMs.
    pub prefix_padding_ms: u64,
    /// Silence needed for an end where the setup names no silenceDurationMs; 300 more with END_SENSITIVITY_LOW.
    pub silence_duration_ms: u64,
}

impl Default for Service {
    fn default() -> Self {
        Self {
            setup_ms: 10,
            think_ms: 250,
            pace: 4.0,
            first_part_ms: 200,
            part_ms: 240,
            cut_ms: 60,
            stale_parts: 0,
            interrupted_with_audio: false,
            in_flight_ms: 250,
            first_handle_ms: 200,
            handle_ms: 20,
            idle_close_ms: 150_000,
            go_away_after_ms: 0,
            go_away_left_ms: 50_000,
            speech_dbfs: -45.0,
            prefix_padding_ms: 20,
            silence_duration_ms: 500,
        }
    }
}

/// One turn of the model. The default hears "Utterance N." and says the next recording.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Turn {
    /// What the person is understood to say.
    pub hear: Option<String>,
    /// A hypothesis sent before it (`interimInputTranscription`).
    pub interim: Option<String>,
    /// What is said.
    pub answer: Sound,
    /// The answer is repeated or cut to this length.
    pub length_ms: Option<u64>,
    /// Its words; those of the recording where absent.
    pub words: Option<String>,
    /// Instead of the service's own.
    pub think_ms: Option<u64>,
    /// Instead of the service's own.
    pub pace: Option<f64>,
    /// Pauses in the sending.
    pub stalls: Vec<Stall>,
    /// Functions called before the answer, all in one message.
    pub tools: Vec<Call>,
    /// Functions called once those are answered, all in one message.
    pub then_tools: Vec<Call>,
    /// A word is said while calls wait, where the model goes on meanwhile; before them elsewhere.
    pub filler: bool,
    /// The calls are cancelled after this, unasked.
    pub cancel_tools_after_ms: Option<u64>,
    /// Calls that are taken back are made again: with the next turn, or in this one where it goes on.
    pub calls_again: bool,
    /// A thought, sent as a text part before the answer.
    pub thought: Option<String>,
    /// False: an answer without sound.
    pub audio: bool,
    /// False: no output transcription.
    pub transcript: bool,
    /// True: the last part, generationComplete and turnComplete are one message.
    pub bundled: bool,
    /// True: an empty turnComplete first, the answer in a turn of its own.
    pub empty_first: bool,
    /// True: nothing ever comes.
    pub never: bool,
    /// True: generationComplete and turnComplete never come.
    pub endless: bool,
    /// `turnCompleteReason` beside turnComplete.
    pub reason: Option<String>,
    /// `groundingMetadata` beside generationComplete; only where the setup has googleSearch.
    pub grounding: Option<Value>,
}

impl Default for Turn {
    fn default() -> Self {
        Self {
            hear: None,
            interim: None,
            answer: Sound::Next,
            length_ms: None,
            words: None,
            think_ms: None,
            pace: None,
            stalls: Vec::new(),
            tools: Vec::new(),
            then_tools: Vec::new(),
            filler: false,
            cancel_tools_after_ms: None,
            calls_again: false,
            thought: None,
            audio: true,
            transcript: true,
            bundled: false,
            empty_first: false,
            never: false,
            endless: false,
            reason: None,
            grounding: None,
        }
    }
}

impl Turn {
    /// A turn that says the recording of this name.
    pub fn recording(name: &str) -> Self {
        Self { answer: Sound::Recording(name.to_owned()), ..Self::default() }
    }

    /// A turn that says white noise: every sample can be told from every other, which shows gaps and repeats.
    pub fn noise(ms: u64, seed: u64) -> Self {
        Self { answer: Sound::Noise { ms, seed }, ..Self::default() }
    }

    /// Sets what the person is understood to say.
    pub fn hear(mut self, words: &str) -> Self {
        self.hear = Some(words.to_owned());
        self
    }

    /// Adds a function call.
    pub fn call(mut self, name: &str, args: Value) -> Self {
        let args = args.as_object().cloned().unwrap_or_default();
        self.tools.push(Call { name: name.to_owned(), args });
        self
    }
}

/// What an answer sounds like. 24 kHz mono.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sound {
    /// The answers among the recordings, one after the other.
    Next,
    /// The recording of this name, see `tests/audio/words.txt`.
    Recording(String),
    /// White noise at -12 dBFS.
    Noise {
        /// Length.
        ms: u64,
        /// The same seed gives the same noise.
        seed: u64,
    },
    /// A sine at -12 dBFS.
    Tone {
        /// Frequency.
        hz: f64,
        /// Length.
        ms: u64,
    },
    /// A WAV file: 16 bit, mono, 24 kHz.
    File(PathBuf),
}

/// A pause in the sending of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stall {
    /// Before the part that begins here or later in the answer.
    pub at_ms: u64,
    /// How long.
    pub ms: u64,
}

/// A function call.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// Name of the function.
    pub name: String,
    /// Its arguments.
    #[serde(default)]
    pub args: Map<String, Value>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::{Fault, When};
    use serde_json::json;

    #[test]
    fn the_file_and_the_builders_say_the_same() {
        let text = r#"{
            "service": {"think_ms": 100},
            "turns": [{"hear": "What time is it?", "answer": {"recording": "answer-time"}},
                      {"answer": {"noise": {"ms": 500, "seed": 7}}, "tools": [{"name": "lamp", "args": {"on": true}}]}],
            "faults": [{"link": 1, "when": {"answer": {"ms": 800}}, "do": ["reset"]},
                       {"when": "request", "do": [{"wait": {"ms": 5}}, {"http": {"status": 503}}], "times": 0}]
        }"#;
        let mut built = Script::default()
            .turn(Turn::recording("answer-time").hear("What time is it?"))
            .turn(Turn::noise(500, 7).call("lamp", json!({"on": true})))
            .fault(Rule::new(When::Answer { ms: 800 }, Fault::Reset).on_link(1))
            .fault(Rule::new(When::Request, Fault::Wait { ms: 5 }).and(Fault::Http { status: 503 }).times(0));
        built.service.think_ms = 100;
        assert_eq!(Script::from_json(text), Ok(built));
    }

    #[test]
    fn a_mistake_is_named_with_its_line() {
        let error = Script::from_json("{\n \"turns\": [{\"anser\": \"next\"}]\n}").unwrap_err();
        assert!(error.contains("unknown field `anser`") && error.contains("line 2"), "{error}");
    }
}
