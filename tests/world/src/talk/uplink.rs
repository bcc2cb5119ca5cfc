//! What the server received on one link, and what must hold for it.

use std::time::Duration;

use serde_json::Value;

use super::capture::{Capture, TICK};
use super::network::{kind, samples};

/// What one link's server received.
#[derive(Debug, Default)]
pub(super) struct Uplink {
    pub(super) link: u32,
    /// The person's activity is marked by the client.
    manual: bool,
    set_up: bool,
    activity: bool,
    /// Some sound came on this link.
    any_sound: bool,
    /// The utterance in hand has ended; the next chunk begins another.
    ended: bool,
    /// Chunks of the newest utterance.
    chunks: Vec<u64>,
    /// The newest chunk on this link.
    last: Option<u64>,
    /// Samples of silence since the last sound, or since the stream paused.
    hush: usize,
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
        if kind == "setup" {
            if std::mem::replace(&mut self.set_up, true) {
                return Err("a second setup".to_owned());
            }
            let detection = &message["setup"]["realtimeInputConfig"]["automaticActivityDetection"];
            self.manual = detection["disabled"] == true;
            return Ok(kind);
        }
        if !complete {
            return Err(format!("{kind} before setupComplete"));
        }
        let fits = match kind.as_str() {
            "activityStart" => self.manual && !std::mem::replace(&mut self.activity, true),
            "activityEnd" => self.manual && std::mem::replace(&mut self.activity, false) && self.any_sound,
            "audioStreamEnd" => !self.manual,
            "audio" => !self.manual || self.activity,
            "toolResponse" => true,
            _ => false,
        };
        if !fits {
            return Err(format!("{kind} out of place"));
        }
        match kind.as_str() {
            "activityStart" => self.begin(),
            "activityEnd" | "audioStreamEnd" => {
                self.ended = true;
                self.hush = 0;
            }
            "audio" => {
                let samples = samples(&message).ok_or("sound that is not PCM of 16 kHz")?;
                self.hear(&samples, capture)?;
            }
            _ => {}
        }
        Ok(kind)
    }

    fn begin(&mut self) {
        self.chunks.clear();
        self.ended = false;
    }

    fn hear(&mut self, samples: &[i16], capture: &Capture) -> Result<(), String> {
        if samples.is_empty() {
            return Err("sound without samples".to_owned());
        }
        self.any_sound = true;
        if samples.iter().all(|&sample| sample == 0) {
            self.hush += samples.len();
            return if self.manual { Err("made-up silence".to_owned()) } else { Ok(()) };
        }
        self.hush = 0;
        let chunks = capture.recognize(samples).ok_or("sound that no microphone delivered")?;
        if self.ended {
            self.begin();
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
        Duration::from_millis(self.hush as u64 / 16)
    }

    /// Length of the newest utterance, and how much of it is speech.
    pub(super) fn utterance(&self, capture: &Capture) -> (Duration, Duration) {
        let speech = self.chunks.iter().filter(|&&chunk| capture.is_speech(chunk)).count();
        (TICK * self.chunks.len() as u32, TICK * speech as u32)
    }
}
