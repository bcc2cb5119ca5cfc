//! What was used: tokens by kind, time of sound, turns, talks and money.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use super::money::Money;

/// Tokens by what they are billed as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tokens {
    /// Text in.
    pub text_in: u64,
    /// Sound in.
    pub audio_in: u64,
    /// Text out, thoughts with it.
    pub text_out: u64,
    /// Sound out.
    pub audio_out: u64,
}

impl Tokens {
    /// All that was read by the model.
    pub fn read(&self) -> u64 {
        self.text_in.saturating_add(self.audio_in)
    }

    /// All that was made by the model.
    pub fn made(&self) -> u64 {
        self.text_out.saturating_add(self.audio_out)
    }
}

impl AddAssign for Tokens {
    fn add_assign(&mut self, other: Tokens) {
        for (own, more) in [
            (&mut self.text_in, other.text_in),
            (&mut self.audio_in, other.audio_in),
            (&mut self.text_out, other.text_out),
            (&mut self.audio_out, other.audio_out),
        ] {
            *own = own.saturating_add(more);
        }
    }
}

/// What was used in some time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Count {
    /// Talks that began.
    pub talks: u64,
    /// Turns that were billed.
    pub turns: u64,
    /// Tokens.
    #[serde(flatten)]
    pub tokens: Tokens,
    /// Sound sent, in ms.
    pub sent_ms: u64,
    /// Answers received, in ms.
    pub received_ms: u64,
    /// What it cost.
    #[serde(rename = "micro")]
    pub money: Money,
}

impl Count {
    /// Nothing at all.
    pub fn is_empty(&self) -> bool {
        *self == Count::default()
    }
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Count) {
        self.tokens += other.tokens;
        self.money += other.money;
        for (own, more) in [
            (&mut self.talks, other.talks),
            (&mut self.turns, other.turns),
            (&mut self.sent_ms, other.sent_ms),
            (&mut self.received_ms, other.received_ms),
        ] {
            *own = own.saturating_add(more);
        }
    }
}
