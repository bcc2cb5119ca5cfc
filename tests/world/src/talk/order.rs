//! In which order a client may say what: the rules of one link, whatever its sound is compared with.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// What a client has said on one link.
#[derive(Debug, Default)]
pub struct Order {
    /// The person's activity is marked by the client.
    manual: bool,
    set_up: bool,
    activity: bool,
    /// Some sound came on this link.
    any_sound: bool,
    /// The utterance in hand has ended; the next sound begins another.
    ended: bool,
    /// Samples of silence since the last sound, or since the stream paused.
    hush: usize,
}

/// What a message means for what is being said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// An activity begins.
    Begin,
    /// Samples of the microphone; the first ones of an utterance where `begins`.
    Sound {
        /// 16 kHz mono.
        samples: Vec<i16>,
        /// What came before was ended.
        begins: bool,
    },
    /// Nothing that belongs to an utterance's sound.
    Other,
}

impl Order {
    /// Takes a message of this kind; what is wrong with it. `complete`: `setupComplete` was sent.
    ///
    /// # Errors
    /// What the protocol forbids, in words.
    pub fn take(&mut self, kind: &str, message: &Value, complete: bool) -> Result<Said, String> {
        if kind == "setup" {
            let detection = &message["setup"]["realtimeInputConfig"]["automaticActivityDetection"];
            self.manual = detection["disabled"] == true;
            let again = std::mem::replace(&mut self.set_up, true);
            return if again { Err("a second setup".to_owned()) } else { Ok(Said::Other) };
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
            // Within a marked activity the service takes no text.
            "clientContent" | "text" => !self.activity,
            _ => false,
        };
        if !fits {
            return Err(format!("{kind} out of place"));
        }
        match kind {
            "activityStart" => {
                self.ended = false;
                Ok(Said::Begin)
            }
            "activityEnd" | "audioStreamEnd" => {
                self.ended = true;
                self.hush = 0;
                Ok(Said::Other)
            }
            "audio" => self.hear(samples(message).ok_or("sound that is not PCM of 16 kHz")?),
            _ => Ok(Said::Other),
        }
    }

    fn hear(&mut self, samples: Vec<i16>) -> Result<Said, String> {
        if samples.is_empty() {
            return Err("sound without samples".to_owned());
        }
        self.any_sound = true;
        if samples.iter().all(|&sample| sample == 0) {
            self.hush += samples.len();
            return if self.manual { Err("made-up silence".to_owned()) } else { Ok(Said::Other) };
        }
        self.hush = 0;
        Ok(Said::Sound { samples, begins: std::mem::take(&mut self.ended) })
    }

    /// Silence since the last sound, or since the stream paused.
    pub fn hush(&self) -> Duration {
        Duration::from_millis(self.hush as u64 / 16)
    }
}

/// What kind of message a client sends: its only member, and within `realtimeInput` the only member there.
pub fn kind(message: &Value) -> Option<String> {
    let only = |value: &Value| {
        let members = value.as_object().filter(|members| members.len() == 1)?;
        members.keys().next().cloned()
    };
    match only(message)? {
        outer if outer == "realtimeInput" => only(&message["realtimeInput"]),
        outer => Some(outer),
    }
}

/// The samples of an audio message; `None` where it is not PCM of 16 kHz.
pub fn samples(message: &Value) -> Option<Vec<i16>> {
    let audio = &message["realtimeInput"]["audio"];
    if audio["mimeType"] != "audio/pcm;rate=16000" {
        return None;
    }
    let bytes = STANDARD.decode(audio["data"].as_str()?).ok()?;
    (bytes.len() % 2 == 0)
        .then(|| bytes.chunks_exact(2).map(|two| i16::from_le_bytes([two[0], two[1]])).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn audio(samples: &[i16]) -> Value {
        let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        json!({ "realtimeInput": { "audio": { "mimeType": "audio/pcm;rate=16000", "data": STANDARD.encode(bytes) } } })
    }

    fn ready(manual: bool) -> Order {
        let mut order = Order::default();
        let detection = json!({ "automaticActivityDetection": { "disabled": manual } });
        let setup = json!({ "setup": { "realtimeInputConfig": detection } });
        assert_eq!(order.take("setup", &setup, false), Ok(Said::Other));
        order
    }

    #[test]
    fn marked_speech_is_paired_and_holds_sound() {
        let mut order = ready(true);
        let null = Value::Null;
        assert_eq!(order.take("audio", &audio(&[1]), true), Err("audio out of place".to_owned()));
        assert_eq!(order.take("activityStart", &null, true), Ok(Said::Begin));
        assert!(
            order.take("activityStart", &null, true).is_err() && order.take("setup", &null, true).is_err()
        );
        order = ready(true);
        assert!(order.take("activityStart", &null, false).is_err());
        order.take("activityStart", &null, true).unwrap();
        assert!(order.take("audio", &audio(&[0, 0]), true).is_err(), "silence is not made up here");
        let said = order.take("audio", &audio(&[1, -2]), true);
        assert_eq!(said, Ok(Said::Sound { samples: vec![1, -2], begins: false }));
        assert_eq!(order.take("activityEnd", &null, true), Ok(Said::Other));
        assert!(order.take("activityEnd", &null, true).is_err());
        assert!(order.take("audioStreamEnd", &null, true).is_err());
    }

    #[test]
    fn a_stream_may_be_silent_and_goes_on_after_its_end() {
        let mut order = ready(false);
        assert_eq!(order.take("audio", &audio(&[0; 320]), true), Ok(Said::Other));
        assert_eq!(order.hush(), Duration::from_millis(20));
        assert_eq!(order.take("audioStreamEnd", &Value::Null, true), Ok(Said::Other));
        assert_eq!(order.hush(), Duration::ZERO);
        let said = order.take("audio", &audio(&[7]), true);
        assert_eq!(said, Ok(Said::Sound { samples: vec![7], begins: true }));
    }

    #[test]
    fn a_message_is_known_by_its_only_member() {
        assert_eq!(kind(&audio(&[1])).as_deref(), Some("audio"));
        assert_eq!(kind(&json!({ "setup": {} })).as_deref(), Some("setup"));
        assert_eq!(kind(&json!({ "setup": {}, "toolResponse": {} })), None);
        assert_eq!(samples(&json!({ "realtimeInput": { "audio": { "data": "AAA=" } } })), None);
    }
}
