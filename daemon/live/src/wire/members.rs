//! Which member of a server message goes where. Those of `serverContent` are in `content`, of `usageMetadata` in `usage`,
//! of calls in `tool_call`.

use super::content::interaction;
use super::read::{Found, Leaf, Members, Object, Trouble, note};
use super::server::{Content, GoAway, Resumption, ServerError, ServerMessage, VoiceActivity};
use super::tool_call;
use super::value::{Anything, Value, leaves, object, only};
use crate::wire::Handle;
use serde::de::MapAccess;
use std::time::Duration;

/// A duration that could not be read.
const BAD_DURATION: &str = "bad duration";
/// The names of what was heard, in both of its messages.
const VOICE_ACTIVITY: &[&str] =
    &["type", "voiceActivityType", "voice_activity_type", "vadSignalType", "vad_signal_type"];

/// A message while it is read.
#[derive(Default)]
pub(super) struct Reading {
    message: ServerMessage,
    /// An error without its wrapper, if there is a code among these members.
    bare_error: ServerError,
    bare_members: usize,
}

impl Reading {
    /// The message, when all of it was read.
    pub(super) fn finish(self) -> ServerMessage {
        let Self { mut message, bare_error, bare_members } = self;
        if bare_error.code.is_some() {
            message.error.get_or_insert(bare_error);
        } else {
            message.unknown_members += bare_members;
        }
        message
    }
}

impl<'de> Members<'de> for Reading {
    fn member<A: MapAccess<'de>>(
        &mut self,
        key: &str,
        map: &mut A,
        trouble: Trouble<'_>,
    ) -> Result<bool, A::Error> {
        match key {
            "setupComplete" | "setup_complete" => {
                self.message.setup_complete |= object::<Anything, A>(map, trouble)?.is_some();
            }
            "serverContent" | "server_content" => {
                let mut content = self.message.content.take().unwrap_or_default();
                let had = content != Content::default();
                let found = map.next_value_seed(Object { into: &mut content, trouble })?;
                self.message.content = Some(content).filter(|_| had || found == Found::Object);
            }
            // Some pages show these two beside serverContent.
            "interrupted" => {
                if Leaf::of(map)?.flag(trouble) {
                    self.message.content.get_or_insert_default().interrupted = true;
                }
            }
            "interactionStatus" | "interaction_status" => {
                if let Some(status) = interaction(Leaf::of(map)?, trouble) {
                    self.message.content.get_or_insert_default().interaction = Some(status);
                }
            }
            "toolCall" | "tool_call" => {
                self.message.tool_calls.extend(tool_call::made(map, trouble)?);
            }
            "toolCallCancellation" | "tool_call_cancellation" => {
                self.message.cancelled_calls.extend(tool_call::cancelled(map, trouble)?);
            }
            "goAway" | "go_away" => {
                if let Some(time_left) = only(&["timeLeft", "time_left"], map, trouble)? {
                    self.message.go_away = Some(GoAway { time_left });
                }
            }
            "sessionResumptionUpdate" | "session_resumption_update" => {
                if let Some(resumption) = object(map, trouble)? {
                    self.message.resumption = Some(resumption);
                }
            }
            "voiceActivity"
            | "voice_activity"
            | "voiceActivityDetectionSignal"
            | "voice_activity_detection_signal" => {
                if let Some(activity) = only::<Option<VoiceActivity>, A>(VOICE_ACTIVITY, map, trouble)? {
                    self.message.voice_activity = Some(activity.unwrap_or(VoiceActivity::Other));
                }
            }
            "usageMetadata" | "usage_metadata" => {
                if let Some(usage) = object(map, trouble)? {
                    self.message.usage = Some(usage);
                }
            }
            "error" => {
                let mut error = ServerError::default();
                // Of another type, it is still an error.
                let found = map.next_value_seed(Object { into: &mut error, trouble })?;
                self.message.error = Some(error).filter(|_| found != Found::Null);
            }
            "code" | "message" | "status" => {
                self.bare_members += 1;
                return self.bare_error.member(key, map, trouble);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn unknown(&mut self) {
        self.message.unknown_members += 1;
    }
}

leaves! {
    Option<Duration>: |leaf, trouble| duration(leaf, trouble);
    Option<VoiceActivity>: |leaf, trouble| leaf.text(trouble).map(|name| match name.as_ref() {
        "ACTIVITY_START" | "VAD_SIGNAL_TYPE_SOS" => VoiceActivity::Start,
        "ACTIVITY_END" | "VAD_SIGNAL_TYPE_EOS" => VoiceActivity::End,
        _ => VoiceActivity::Other,
    });
}

impl<'de> Members<'de> for Resumption {
    fn member<A: MapAccess<'de>>(
        &mut self,
        key: &str,
        map: &mut A,
        trouble: Trouble<'_>,
    ) -> Result<bool, A::Error> {
        match key {
            "newHandle" | "new_handle" => {
                self.handle = Leaf::of(map)?.text(trouble).map(|handle| Handle::new(handle.into_owned()));
            }
            "resumable" => self.resumable = Leaf::of(map)?.flag(trouble),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// Reads "50s", "1.200s" or a number of seconds; less than nothing is nothing.
fn duration(leaf: Leaf<'_>, trouble: Trouble<'_>) -> Option<Duration> {
    let seconds = match leaf {
        Leaf::Null => return None,
        Leaf::Text(text) => text.trim().trim_end_matches('s').parse().ok(),
        Leaf::Whole(seconds) => Some(seconds as f64),
        Leaf::Number(seconds) => Some(seconds),
        Leaf::Bool(_) | Leaf::Other => None,
    };
    let duration = seconds.and_then(|seconds: f64| Duration::try_from_secs_f64(seconds.max(0.0)).ok());
    if duration.is_none() {
        note(trouble, BAD_DURATION);
    }
    duration
}

impl<'de> Members<'de> for ServerError {
    fn member<A: MapAccess<'de>>(
        &mut self,
        key: &str,
        map: &mut A,
        trouble: Trouble<'_>,
    ) -> Result<bool, A::Error> {
        match key {
            "code" => self.code.read(map, trouble)?,
            "message" => self.message.read(map, trouble)?,
            "status" => {
                let status = Leaf::of(map)?.text(trouble);
                if self.message.is_empty() {
                    self.message = status.unwrap_or_default().into_owned();
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::server::decode;
    use serde_json::{Value as Json, json};

    fn check(message: Json, expected: ServerMessage) {
        assert_eq!(decode(message.to_string().as_bytes()), Ok(expected), "{message}");
    }

    #[test]
    fn setup_is_complete_with_or_without_an_id() {
        let complete = ServerMessage { setup_complete: true, ..ServerMessage::default() };
        check(json!({ "setupComplete": {} }), complete.clone());
        check(json!({ "setupComplete": { "sessionId": "9f5a799e" } }), complete.clone());
        check(json!({ "setup_complete": {} }), complete);
        check(json!({ "setupComplete": null }), ServerMessage::default());
    }

    #[test]
    fn two_members_at_once() {
        let message = json!({ "serverContent": {}, "voiceActivity": { "type": "ACTIVITY_START", "audioOffset": "1s" } });
        let voice_activity = Some(VoiceActivity::Start);
        let content = Some(Content::default());
        check(message, ServerMessage { content, voice_activity, ..ServerMessage::default() });
    }

    #[test]
    fn marks_at_the_top_join_the_content() {
        let content = |content| ServerMessage { content: Some(content), ..ServerMessage::default() };
        let interrupted = Content { interrupted: true, ..Content::default() };
        check(json!({ "interrupted": true }), content(interrupted.clone()));
        check(json!({ "interrupted": false }), ServerMessage::default());
        check(
            json!({ "interrupted": true, "serverContent": { "turnComplete": true } }),
            content(Content { turn_complete: true, ..interrupted }),
        );
        let interaction = Some(super::super::server::Interaction::Idle);
        check(json!({ "interactionStatus": "IDLE" }), content(Content { interaction, ..Content::default() }));
        // Whichever comes first.
        let text = r#"{"serverContent":{"turnComplete":true},"interrupted":true}"#;
        let both = decode(text.as_bytes()).expect("JSON").content.expect("content");
        assert!(both.interrupted && both.turn_complete);
        let text = r#"{"interrupted":true,"serverContent":{"turnComplete":true}}"#;
        assert_eq!(decode(text.as_bytes()).expect("JSON").content, Some(both));
    }

    #[test]
    fn going_away_in_some_time() {
        let left = |time_left: Json| {
            let message = json!({ "goAway": { "timeLeft": time_left } }).to_string();
            decode(message.as_bytes()).map(|message| message.go_away.and_then(|go_away| go_away.time_left))
        };
        for (text, ms) in [("50s", 50_000), ("1.200s", 1_200), ("0s", 0), ("-3s", 0), ("0.5", 500)] {
            assert_eq!(left(json!(text)), Ok(Some(Duration::from_millis(ms))), "{text}");
        }
        assert_eq!(left(json!(7)), Ok(Some(Duration::from_secs(7))));
        for odd in [json!("soon"), json!(true), json!({}), json!("infs"), json!("1e99s"), json!(null)] {
            assert_eq!(left(odd.clone()), Ok(None), "{odd}");
        }
        let go_away = Some(GoAway { time_left: None });
        check(json!({ "goAway": {} }), ServerMessage { go_away, ..ServerMessage::default() });
    }

    #[test]
    fn handles() {
        let resumption = |update: Json| {
            let message = json!({ "sessionResumptionUpdate": update }).to_string();
            decode(message.as_bytes()).expect("JSON").resumption
        };
        let handle = Some(Handle::new("h".to_owned()));
        assert_eq!(
            resumption(json!({ "newHandle": "h", "resumable": true, "lastConsumedClientMessageIndex": "7" })),
            Some(Resumption { handle: handle.clone(), resumable: true })
        );
        assert_eq!(
            resumption(json!({ "newHandle": "" })),
            Some(Resumption { handle: None, resumable: false })
        );
        assert_eq!(resumption(json!({})), Some(Resumption { handle: None, resumable: false }));
        assert_eq!(resumption(json!({ "new_handle": "h" })), Some(Resumption { handle, resumable: false }));
    }

    #[test]
    fn voice_activity_by_both_names() {
        for (message, activity) in [
            (json!({ "voiceActivity": { "type": "ACTIVITY_START" } }), VoiceActivity::Start),
            (json!({ "voiceActivity": { "voiceActivityType": "ACTIVITY_END" } }), VoiceActivity::End),
            (json!({ "voiceActivity": { "type": "HUM" } }), VoiceActivity::Other),
            (json!({ "voiceActivity": {} }), VoiceActivity::Other),
            (
                json!({ "voiceActivityDetectionSignal": { "vadSignalType": "VAD_SIGNAL_TYPE_SOS" } }),
                VoiceActivity::Start,
            ),
            (
                json!({ "voice_activity_detection_signal": { "vad_signal_type": "VAD_SIGNAL_TYPE_EOS" } }),
                VoiceActivity::End,
            ),
        ] {
            check(message, ServerMessage { voice_activity: Some(activity), ..ServerMessage::default() });
        }
    }

    #[test]
    fn errors_wrapped_or_bare() {
        let error = |code, message: &str| ServerMessage {
            error: Some(ServerError { code, message: message.to_owned() }),
            ..ServerMessage::default()
        };
        check(
            json!({ "error": { "code": 400, "message": "no", "status": "INVALID_ARGUMENT" } }),
            error(Some(400), "no"),
        );
        check(json!({ "error": { "status": "INTERNAL" } }), error(None, "INTERNAL"));
        check(json!({ "code": "13", "message": "oh", "status": "INTERNAL" }), error(Some(13), "oh"));
        check(json!({ "error": null }), ServerMessage::default());
        // A status alone is some new member.
        check(json!({ "status": "fine" }), ServerMessage { unknown_members: 1, ..ServerMessage::default() });
    }

    #[test]
    fn unknown_names_at_the_top_are_counted() {
        check(
            json!({ "novelty": { "a": [1, 2] }, "setupComplete": {}, "other": null }),
            ServerMessage { setup_complete: true, unknown_members: 2, ..ServerMessage::default() },
        );
    }
}
