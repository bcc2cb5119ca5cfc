//! The virtual wire: what each link went through, and the server's messages as bytes. Sound of one answer consists of
//! samples that all have the answer's number, so that whoever plays them is known.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::script::Part;

/// Samples per millisecond of an answer; the service has 24, fewer are read sooner.
const PER_MS: usize = 8;
/// Longest piece of sound in one message, when it is not bundled.
const PIECE: Duration = Duration::from_millis(200);

/// One link.
#[derive(Clone, Debug, Default)]
pub(super) struct Link {
    pub(super) number: u32,
    /// The socket is open.
    pub(super) opened: bool,
    /// `setup` was sent.
    pub(super) set_up: bool,
    /// `setupComplete` was delivered.
    pub(super) complete: bool,
    /// We have closed it.
    pub(super) closing: bool,
    /// Nothing comes any more.
    pub(super) over: bool,
    /// Kinds of messages sent, repetitions once.
    pub(super) order: Vec<String>,
}

/// The virtual wire.
#[derive(Default)]
pub(super) struct Network {
    pub(super) links: Vec<Link>,
    /// Of the answer that the server is giving.
    pub(super) answer: i16,
}

impl Network {
    pub(super) fn newest(&mut self) -> Option<&mut Link> {
        self.links.last_mut()
    }

    pub(super) fn link(&mut self, number: u32) -> Option<&mut Link> {
        self.links.iter_mut().find(|link| link.number == number)
    }

    pub(super) fn dial(&mut self, number: u32) {
        self.answer += 1;
        self.links.push(Link { number, ..Link::default() });
    }

    /// Sound of so long as messages.
    pub(super) fn audio(&self, time: Duration) -> Vec<(Duration, Vec<u8>)> {
        let mut left = time;
        let mut messages = Vec::new();
        while !left.is_zero() {
            let piece = left.min(PIECE);
            left -= piece;
            let content = json!({ "modelTurn": { "parts": [self.sound(piece)] } });
            messages.push((piece, bytes(&json!({ "serverContent": content }))));
        }
        messages
    }

    fn sound(&self, time: Duration) -> Value {
        let pcm = self.answer.to_le_bytes().repeat(time.as_millis() as usize * PER_MS);
        json!({ "inlineData": { "mimeType": "audio/pcm;rate=8000", "data": STANDARD.encode(pcm) } })
    }

    /// One message; a completed turn makes what follows another answer.
    pub(super) fn message(&mut self, parts: &[Part]) -> Vec<u8> {
        let message = message(parts, |time| self.sound(time));
        if parts.contains(&Part::TurnComplete) {
            self.answer += 1;
        }
        message
    }
}

/// One message with these parts; `sound` makes a part of so long.
pub fn message(parts: &[Part], mut sound: impl FnMut(Duration) -> Value) -> Vec<u8> {
    let mut message = json!({});
    for part in parts {
        match part {
            Part::SetupComplete => message["setupComplete"] = json!({}),
            Part::Audio(time) => {
                let turn = &mut message["serverContent"]["modelTurn"]["parts"];
                if let Value::Array(parts) = turn {
                    parts.push(sound(*time));
                } else {
                    *turn = json!([sound(*time)]);
                }
            }
            Part::Said(text) => message["serverContent"]["outputTranscription"] = json!({ "text": text }),
            Part::Heard(text) => message["serverContent"]["inputTranscription"] = json!({ "text": text }),
            Part::Interrupted => message["serverContent"]["interrupted"] = json!(true),
            Part::GenerationComplete => message["serverContent"]["generationComplete"] = json!(true),
            Part::TurnComplete => message["serverContent"]["turnComplete"] = json!(true),
            Part::InProgress(more) => {
                let status = if *more { "IN_PROGRESS" } else { "IDLE" };
                message["serverContent"]["interactionStatus"] = json!(status);
            }
            Part::Handle(Some(handle)) => {
                message["sessionResumptionUpdate"] = json!({ "newHandle": handle, "resumable": true });
            }
            Part::Handle(None) => message["sessionResumptionUpdate"] = json!({ "newHandle": "" }),
            Part::GoAway(Some(left)) => {
                message["goAway"] = json!({ "timeLeft": format!("{}s", left.as_secs_f64()) });
            }
            Part::GoAway(None) => message["goAway"] = json!({}),
            Part::Call { name, id } => {
                let call = json!({ "name": name, "id": id, "args": { "on": true } });
                let calls = &mut message["toolCall"]["functionCalls"];
                if let Value::Array(calls) = calls {
                    calls.push(call);
                } else {
                    *calls = json!([call]);
                }
            }
            Part::Cancel(ids) => message["toolCallCancellation"] = json!({ "ids": ids }),
        }
    }
    bytes(&message)
}

/// As the service sends it: pretty-printed, with a line feed at the end.
fn bytes(message: &Value) -> Vec<u8> {
    format!("{message:#}\n").into_bytes()
}
