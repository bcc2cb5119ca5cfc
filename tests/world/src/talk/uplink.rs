//! What the server received on one link, and what must hold for it.

use std::time::Duration;

use serde_json::Value;

use super::capture::{Capture, TICK};
use super::order::{Order, Said, kind};

/// What one link's server received.
#[derive(Debug, Default)]
pub(super) struct Uplink {
    pub(super) link: u32,
    order: Order,
    /// Chunks of the newest utterance.
    chunks: Vec<u64>,
    /// The newest chunk on this link.
    last: Option<u64>,
    /// Speech kept at most, in chunks.
    kept_max: u64,
}

impl Uplink {
    pub(super) fn new(link: u32, utterance_max: Duration) -> Self {
        let kept_max = (utterance_max.as_millis() / TICK.as_millis()) as u64;
        Uplink { link, kept_max, ..Uplink::default() }
    }

    /// Takes a message the client sent; tells what kind it is, or what is wrong with it.
    pub(super) fn take(&mut self, complete: bool, text: &str, capture: &Capture) -> Result<String, String> {
        let message: Value = serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?;
        let kind = kind(&message).ok_or_else(|| format!("not exactly one member: {text:.80}"))?;
        match self.order.take(&kind, &message, complete)? {
            Said::Begin => self.chunks.clear(),
            Said::Sound { samples, begins } => self.hear(&samples, begins, capture)?,
            Said::Other => {}
        }
        Ok(kind)
    }

    fn hear(&mut self, samples: &[i16], begins: bool, capture: &Capture) -> Result<(), String> {
        let chunks = capture.recognize(samples).ok_or("sound that no microphone delivered")?;
        if begins {
            self.chunks.clear();
        }
        for chunk in chunks {
            let newest = capture.newest();
            let forgotten = newest.saturating_sub(chunk) + 10 >= self.kept_max;
            let gap = capture.begins_stretch(chunk) || forgotten || capture.was_spoken_over(chunk);
            match (self.chunks.last(), self.last) {
                (_, Some(last)) if chunk <= last => {
                    return Err(format!("chunk {chunk} after chunk {last}: sent again or out of order"));
                }
                (Some(last), _) if chunk > last + 1 && !gap => {
                    return Err(format!("chunk {chunk} after chunk {last}: some are missing"));
                }
                (None, Some(last)) if chunk == last + 1 => {} // the stream only paused
                (None, _) if !gap => return Err(format!("begins with chunk {chunk}, in the middle")),
                _ => {}
            }
            self.last = Some(chunk);
            self.chunks.push(chunk);
        }
        Ok(())
    }

    /// Silence since the last sound, or since the stream paused.
    pub(super) fn hush(&self) -> Duration {
        self.order.hush()
    }

    /// Length of the newest utterance, and how much of it is speech.
    pub(super) fn utterance(&self, capture: &Capture) -> (Duration, Duration) {
        let speech = self.chunks.iter().filter(|&&chunk| capture.is_speech(chunk)).count();
        (TICK * self.chunks.len() as u32, TICK * speech as u32)
    }
}
