//! The record a test or a benchmark reads afterwards.

use std::ops::Deref;

use crate::events::{Event, What};

/// All that happened so far, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record(pub Vec<Event>);

impl Deref for Record {
    type Target = [Event];
    fn deref(&self) -> &[Event] {
        &self.0
    }
}

impl Record {
    /// The events of one link.
    pub fn of_link(&self, link: u32) -> Record {
        Record(self.iter().filter(|e| e.link == link).cloned().collect())
    }

    /// Names of the client's messages in order; a run of `audio` is one.
    pub fn received(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for event in self.iter() {
            match &event.what {
                What::Received { name, .. } => names.push(name),
                What::Audio { .. } if names.last() != Some(&"audio") => names.push("audio"),
                _ => {}
            }
        }
        names
    }

    /// Names of the server's messages in order; a run of `audio` is one.
    pub fn sent(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for event in self.iter() {
            match &event.what {
                What::Sent { name, .. } => names.push(name),
                What::SentAudio { .. } if names.last() != Some(&"audio") => names.push("audio"),
                _ => {}
            }
        }
        names
    }

    /// All audio the model heard, in order of arrival.
    pub fn heard(&self) -> Vec<i16> {
        let mut all = Vec::new();
        for event in self.iter() {
            if let What::Audio { samples, heard: true, .. } = &event.what {
                all.extend_from_slice(samples);
            }
        }
        all
    }

    /// All audio sent for this turn, in order.
    pub fn spoken(&self, turn: u32) -> Vec<i16> {
        let mut all = Vec::new();
        for event in self.iter() {
            match &event.what {
                What::SentAudio { turn: of, samples, .. } if *of == turn => all.extend_from_slice(samples),
                _ => {}
            }
        }
        all
    }

    /// What a good client does not do.
    pub fn complaints(&self) -> Vec<&str> {
        self.iter()
            .filter_map(|e| match &e.what {
                What::Complaint(text) => Some(text.as_str()),
                _ => None,
            })
            .collect()
    }

    /// When the first event that fits happened.
    pub fn time_of(&self, fits: impl Fn(&What) -> bool) -> Option<u64> {
        self.iter().find(|e| fits(&e.what)).map(|e| e.at_ns)
    }

    /// Bytes of payload that came in, all messages together.
    pub fn bytes_received(&self) -> usize {
        self.iter()
            .map(|e| match &e.what {
                What::Received { bytes, .. } | What::Audio { bytes, .. } => *bytes,
                _ => 0,
            })
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_run_of_audio_is_one_name() {
        let audio = |heard| What::Audio { samples: [1, 2].into(), rate_hz: 16_000, heard, bytes: 70 };
        let message = |name: &str| What::Received { name: name.into(), message: json!({}), bytes: 9 };
        let all = [message("activityStart"), audio(true), audio(false), message("activityEnd"), audio(true)];
        let record = Record(all.into_iter().map(|what| Event { at_ns: 1, link: 1, what }).collect());
        assert_eq!(record.received(), ["activityStart", "audio", "activityEnd", "audio"]);
        assert_eq!(record.heard(), [1, 2, 1, 2]);
        assert_eq!(record.bytes_received(), 3 * 70 + 2 * 9);
    }
}
