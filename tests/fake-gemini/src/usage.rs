//! Tokens: plausible numbers, some of them left out, as the service does it.

use serde_json::{Map, Value, json};

/// Tokens of a second of audio, in and out.
const AUDIO_PER_SECOND: u64 = 25;

/// The count of one link.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    /// What the model remembers.
    text: u64,
    audio: u64,
    /// Of the current turn.
    said: u64,
    turns: u64,
}

impl Usage {
    pub(crate) fn new(instruction: &str) -> Self {
        Self { text: 40 + instruction.len() as u64 / 4, ..Self::default() }
    }

    pub(crate) fn hear(&mut self, ms: u64) {
        self.audio += ms * AUDIO_PER_SECOND / 1000;
    }

    pub(crate) fn say(&mut self, ms: u64) {
        self.said += ms * AUDIO_PER_SECOND / 1000;
    }

    /// The `usageMetadata` of the turn that ends; every second one leaves numbers out.
    pub(crate) fn of_turn(&mut self) -> Value {
        let said = std::mem::take(&mut self.said);
        let prompt = self.text + self.audio;
        self.turns += 1;
        let mut usage = Map::new();
        let mut put = |name: &str, value: Value| usage.insert(name.to_owned(), value);
        put("promptTokenCount", json!(prompt));
        let text = json!({"modality": "TEXT", "tokenCount": self.text});
        if self.turns % 2 == 1 {
            let audio = json!({"modality": "AUDIO", "tokenCount": self.audio});
            put("promptTokensDetails", json!([text, audio]));
            put("responseTokenCount", json!(said));
            put("responseTokensDetails", json!([{"modality": "AUDIO", "tokenCount": said}]));
            put("thoughtsTokenCount", json!(30));
            put("totalTokenCount", json!(prompt + said + 30));
        } else {
            put("promptTokensDetails", json!([text, {"modality": "AUDIO"}]));
            put("totalTokenCount", json!(prompt + said));
        }
        self.audio += said;
        Value::Object(usage)
    }
}
