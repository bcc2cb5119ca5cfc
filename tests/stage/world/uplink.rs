//! What arrived on one link, held against what the microphone heard, sample for sample.

use std::io;
use std::ops::Range;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pressel_world::card::{Card, Direction};
use serde_json::Value;

use crate::measure::find;

/// So many samples in a row tell where they are from: a block, of which all that is sent consists.
const KNOWN: usize = 160;

/// What one link's server received.
#[derive(Default)]
pub(super) struct Uplink {
    pub(super) link: u32,
    /// The person's activity is marked by the client.
    manual: bool,
    set_up: bool,
    activity: bool,
    any_sound: bool,
    /// The utterance in hand has ended; the next sound begins another.
    ended: bool,
    /// Samples of silence since the last sound, or since the stream paused.
    hush: usize,
    /// Microphone samples of the newest utterance.
    parts: Vec<Range<u64>>,
    /// After the newest sample on this link.
    next: Option<u64>,
    /// Microphone samples that are missing within utterances.
    pub(super) gaps: Vec<Range<u64>>,
}

impl Uplink {
    pub(super) fn new(link: u32) -> Self {
        Uplink { link, ..Uplink::default() }
    }

    /// Takes a message; what is wrong with it.
    pub(super) fn take(
        &mut self,
        kind: &str,
        message: &Value,
        complete: bool,
        card: &Card,
    ) -> Result<(), String> {
        if kind == "setup" {
            let detection = &message["setup"]["realtimeInputConfig"]["automaticActivityDetection"];
            self.manual = detection["disabled"] == true;
            let again = std::mem::replace(&mut self.set_up, true);
            return if again { Err("a second setup".to_owned()) } else { Ok(()) };
        }
        if !complete {
            return Err(format!("{kind} before setupComplete"));
        }
        let fits = match kind {
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
        match kind {
            "activityStart" => self.begin(),
            "activityEnd" | "audioStreamEnd" => {
                self.ended = true;
                self.hush = 0;
            }
            "audio" => {
                let samples = samples(message).ok_or("sound that is not PCM of 16 kHz")?;
                self.hear(&samples, card)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn begin(&mut self) {
        self.parts.clear();
        self.ended = false;
    }

    fn hear(&mut self, samples: &[i16], card: &Card) -> Result<(), String> {
        if samples.is_empty() {
            return Err("sound without samples".to_owned());
        }
        self.any_sound = true;
        if samples.iter().all(|&sample| sample == 0) {
            self.hush += samples.len();
            return if self.manual { Err("made-up silence".to_owned()) } else { Ok(()) };
        }
        self.hush = 0;
        if self.ended {
            self.begin();
        }
        let mut rest = samples;
        while !rest.is_empty() {
            let found = self.place(rest, card).map_err(|error| error.to_string())?;
            let found = found.ok_or("sound that the microphone never heard, or out of order")?;
            rest = &rest[(found.end - found.start) as usize..];
            self.next = Some(found.end);
            match self.parts.last_mut() {
                Some(last) if last.end == found.start => last.end = found.end,
                Some(last) => {
                    self.gaps.push(last.end..found.start);
                    self.parts.push(found);
                }
                None => self.parts.push(found),
            }
        }
        Ok(())
    }

    /// Where the microphone heard the beginning of this, not before what arrived already, and for how long it goes on:
    /// a message may hold the end of one stretch and the beginning of the next.
    fn place(&self, samples: &[i16], card: &Card) -> io::Result<Option<Range<u64>>> {
        let now = card.now_sample(Direction::Capture);
        let from = self.next.unwrap_or(0).min(now);
        let same = |at: u64| -> io::Result<Range<u64>> {
            let end = now.min(at + samples.len() as u64);
            let heard = card.channel(Direction::Capture, 0, at..end)?;
            let length = heard.iter().zip(samples).take_while(|(heard, sample)| heard == sample).count();
            Ok(at..at + length as u64)
        };
        let known = samples.len().min(KNOWN);
        let next = same(from)?;
        if self.next.is_some() && next.end - next.start >= known as u64 {
            return Ok(Some(next));
        }
        let heard = card.channel(Direction::Capture, 0, from..now)?;
        find(&heard, &samples[..known], 0).map(|at| same(from + at as u64)).transpose()
    }

    /// Silence since the last sound, or since the stream paused.
    pub(super) fn hush(&self) -> Duration {
        Duration::from_millis(self.hush as u64 / 16)
    }

    /// Microphone samples of the newest utterance.
    pub(super) fn parts(&self) -> &[Range<u64>] {
        &self.parts
    }
}

/// The samples of an audio message.
fn samples(message: &Value) -> Option<Vec<i16>> {
    let audio = &message["realtimeInput"]["audio"];
    if audio["mimeType"] != "audio/pcm;rate=16000" {
        return None;
    }
    let bytes = STANDARD.decode(audio["data"].as_str()?).ok()?;
    (bytes.len() % 2 == 0)
        .then(|| bytes.chunks_exact(2).map(|two| i16::from_le_bytes([two[0], two[1]])).collect())
}
