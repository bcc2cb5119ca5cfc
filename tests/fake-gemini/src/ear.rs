//! The person's side of the talk: when somebody speaks, by level or by the client's word.

use serde_json::Value;

use crate::schema::whole;
use crate::script::Service;
use crate::vad::{Detected, Detector, Settings};

/// What the ear made of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Perceived {
    /// An utterance began.
    Start { offset_ms: u64 },
    /// So much of an utterance was heard by now.
    Speech { ms: u64 },
    /// The utterance ended after so much audio.
    End { ms: u64, offset_ms: u64 },
}

/// How activity is known.
#[derive(Debug)]
enum Activity {
    Detected(Detector),
    Marked { open: bool, ever: bool },
}

/// The ear of one link.
#[derive(Debug)]
pub(crate) struct Ear {
    activity: Activity,
    /// Samples of the utterance, over its rate; `None` while nobody speaks.
    utterance_ms: Option<f64>,
    /// Whether any audio came.
    pub any_audio: bool,
}

impl Ear {
    /// Listens as `realtimeInputConfig` says.
    pub(crate) fn new(config: &Value, service: &Service) -> Self {
        let detection = &config["automaticActivityDetection"];
        let activity = if detection["disabled"] == true {
            Activity::Marked { open: false, ever: false }
        } else {
            let number = |name: &str| whole(&detection[name]).and_then(|ms| u64::try_from(ms).ok());
            let quiet_start = detection["startOfSpeechSensitivity"] == "START_SENSITIVITY_LOW";
            let late_end = detection["endOfSpeechSensitivity"] == "END_SENSITIVITY_LOW";
            let silence_ms = service.silence_duration_ms + if late_end { 300 } else { 0 };
            Activity::Detected(Detector::new(Settings {
                speech_dbfs: service.speech_dbfs + if quiet_start { 10.0 } else { 0.0 },
                prefix_padding_ms: number("prefixPaddingMs").unwrap_or(service.prefix_padding_ms),
                silence_duration_ms: number("silenceDurationMs").unwrap_or(silence_ms),
            }))
        };
        Self { activity, utterance_ms: None, any_audio: false }
    }

    /// Whether the client marks activity itself.
    pub(crate) fn marked(&self) -> bool {
        matches!(self.activity, Activity::Marked { .. })
    }

    /// Whether an utterance is going on.
    pub(crate) fn open(&self) -> bool {
        self.utterance_ms.is_some()
    }

    /// Whether audio is heard at all now.
    pub(crate) fn hears(&self) -> bool {
        match &self.activity {
            Activity::Detected(_) => true,
            Activity::Marked { open, .. } => *open,
        }
    }

    /// Whether the client marks activity and has not yet done so once.
    pub(crate) fn untouched(&self) -> bool {
        matches!(self.activity, Activity::Marked { ever: false, .. })
    }

    /// Hears a chunk.
    pub(crate) fn hear(&mut self, samples: &[i16], rate_hz: u32) -> Vec<Perceived> {
        self.any_audio = true;
        let chunk_ms = samples.len() as f64 * 1000.0 / f64::from(rate_hz);
        let detected = match &mut self.activity {
            Activity::Detected(detector) => detector.hear(samples, rate_hz),
            Activity::Marked { .. } => Vec::new(),
        };
        let mut perceived = Vec::new();
        if let Some(ms) = &mut self.utterance_ms {
            *ms += chunk_ms;
            perceived.push(Perceived::Speech { ms: *ms as u64 });
        }
        for event in detected {
            match event {
                Detected::Start { offset_ms } => {
                    self.utterance_ms = Some(0.0);
                    perceived.push(Perceived::Start { offset_ms });
                }
                Detected::End { offset_ms } => perceived.extend(self.end(offset_ms)),
            }
        }
        perceived
    }

    /// The client says that somebody begins to speak; `None` where it said so already.
    pub(crate) fn mark_start(&mut self) -> Option<Perceived> {
        match &mut self.activity {
            Activity::Marked { open, ever } if !*open => {
                (*open, *ever) = (true, true);
                self.utterance_ms = Some(0.0);
                Some(Perceived::Start { offset_ms: 0 })
            }
            _ => None,
        }
    }

    /// The client says that somebody has spoken; `None` where nobody spoke.
    pub(crate) fn mark_end(&mut self) -> Option<Perceived> {
        match &mut self.activity {
            Activity::Marked { open, .. } if *open => {
                *open = false;
                self.end(0)
            }
            _ => None,
        }
    }

    /// The client says that its microphone pauses.
    pub(crate) fn pause(&mut self) -> Option<Perceived> {
        match &mut self.activity {
            Activity::Detected(detector) => match detector.pause()? {
                Detected::End { offset_ms } => self.end(offset_ms),
                Detected::Start { .. } => None,
            },
            Activity::Marked { .. } => None,
        }
    }

    fn end(&mut self, offset_ms: u64) -> Option<Perceived> {
        self.utterance_ms.take().map(|ms| Perceived::End { ms: ms as u64, offset_ms })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn marked_activity_hears_only_between_its_marks() {
        let config = json!({"automaticActivityDetection": {"disabled": true}});
        let mut ear = Ear::new(&config, &Service::default());
        assert!(ear.untouched() && !ear.hears());
        assert_eq!(ear.mark_end(), None);
        assert_eq!(ear.mark_start(), Some(Perceived::Start { offset_ms: 0 }));
        assert_eq!(ear.mark_start(), None);
        assert_eq!(ear.hear(&[0; 320], 16_000), [Perceived::Speech { ms: 20 }]);
        assert_eq!(ear.mark_end(), Some(Perceived::End { ms: 20, offset_ms: 0 }));
        assert!(!ear.hears() && !ear.untouched());
    }

    #[test]
    fn the_setup_decides_when_speech_ends() {
        let check = |detection: Value, expected_ms: u64| {
            let mut ear = Ear::new(&json!({"automaticActivityDetection": detection}), &Service::default());
            ear.hear(&[5000; 1600], 16_000);
            let ends = ear.hear(&[0; 32_000], 16_000);
            let offsets: Vec<u64> = ends
                .iter()
                .filter_map(|p| match p {
                    Perceived::End { offset_ms, .. } => Some(*offset_ms),
                    _ => None,
                })
                .collect();
            assert_eq!(offsets, [100 + expected_ms]);
        };
        check(json!({}), 500);
        check(json!({"endOfSpeechSensitivity": "END_SENSITIVITY_LOW"}), 800);
        check(json!({"silenceDurationMs": 1200}), 1200);
        check(json!({"silenceDurationMs": "700", "endOfSpeechSensitivity": "END_SENSITIVITY_LOW"}), 700);
    }
}
