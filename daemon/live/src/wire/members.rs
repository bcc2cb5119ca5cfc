//! Which member of a server message goes where; `content` has those of `serverContent`.

use super::content::interaction;
use super::read::{Found, Leaf, List, Members, Object, Trouble, WRONG_TYPE, note};
use super::server::{Content, FunctionCall, GoAway, Resumption, ServerError, ServerMessage, VoiceActivity};
use crate::event::Usage;
use crate::wire::Handle;
use serde::de::MapAccess;
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::time::Duration;

/// A duration that could not be read.
const BAD_DURATION: &str = "bad duration";

/// Reads the next value as an object of its own; `None` when it is something else.
pub(super) fn object<'de, T: Members<'de> + Default, A: MapAccess<'de>>(
    map: &mut A,
    trouble: Trouble<'_>,
) -> Result<Option<T>, A::Error> {
    let mut into = T::default();
    let found = map.next_value_seed(Object { into: &mut into, trouble })?;
    Ok(Some(into).filter(|_| found == Found::Object))
}

/// An object of which only its being there counts.
#[derive(Default)]
pub(super) struct Anything;

impl<'de> Members<'de> for Anything {
    fn member<A: MapAccess<'de>>(&mut self, _: &str, _: &mut A, _: Trouble<'_>) -> Result<bool, A::Error> {
        Ok(false)
    }
}

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
                let calls = object::<Calls, A>(map, trouble)?.unwrap_or_default().0;
                self.message.tool_calls.extend(calls.into_iter().filter(|call| {
                    let answerable = !(call.id.is_empty() && call.name.is_empty());
                    if !answerable {
                        note(trouble, WRONG_TYPE);
                    }
                    answerable
                }));
            }
            "toolCallCancellation" | "tool_call_cancellation" => {
                let ids = object::<Ids<'de>, A>(map, trouble)?.unwrap_or_default().0;
                self.message
                    .cancelled_calls
                    .extend(ids.into_iter().filter_map(|id| id.text(trouble)).map(Cow::into_owned));
            }
            "goAway" | "go_away" => {
                if let Some(TimeLeft(time_left)) = object(map, trouble)? {
                    self.message.go_away = Some(GoAway { time_left });
                }
            }
            "sessionResumptionUpdate" | "session_resumption_update" => {
                if let Some(Update { handle, resumable }) = object(map, trouble)? {
                    self.message.resumption = Some(Resumption { handle, resumable });
                }
            }
            "voiceActivity"
            | "voice_activity"
            | "voiceActivityDetectionSignal"
            | "voice_activity_detection_signal" => {
                if let Some(Voice(activity)) = object(map, trouble)? {
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

#[derive(Default)]
struct Calls(Vec<FunctionCall>);

impl<'de> Members<'de> for Calls {
    fn member<A: MapAccess<'de>>(
        &mut self,
        key: &str,
        map: &mut A,
        trouble: Trouble<'_>,
    ) -> Result<bool, A::Error> {
        let known = matches!(key, "functionCalls" | "function_calls");
        if known {
            map.next_value_seed(List { into: &mut self.0, trouble })?;
        }
        Ok(known)
    }
}

impl<'de> Members<'de> for FunctionCall {
    fn member<A: MapAccess<'de>>(
        &mut self,
        key: &str,
        map: &mut A,
        trouble: Trouble<'_>,
    ) -> Result<bool, A::Error> {
        match key {
            "id" => self.id = Leaf::of(map)?.text(trouble).unwrap_or_default().into_owned(),
            "name" => self.name = Leaf::of(map)?.text(trouble).unwrap_or_default().into_owned(),
            // Skipped as a text first: what cannot be read of it costs this call alone, and the call is answered.
            "args" => match serde_json::from_str(map.next_value::<Box<RawValue>>()?.get()) {
                Ok(Value::Object(args)) => (self.args, self.unread) = (args, false),
                Ok(Value::Null) => {}
                Ok(_) | Err(_) => {
                    self.unread = true;
                    note(trouble, WRONG_TYPE);
                }
            },
            _ => return Ok(false),
        }
        Ok(true)
    }
}

#[derive(Default)]
struct Ids<'de>(Vec<Leaf<'de>>);

impl<'de> Members<'de> for Ids<'de> {
    fn member<A: MapAccess<'de>>(
        &mut self,
        key: &str,
        map: &mut A,
        trouble: Trouble<'_>,
    ) -> Result<bool, A::Error> {
        if key == "ids" {
            map.next_value_seed(List { into: &mut self.0, trouble })?;
        }
        Ok(key == "ids")
    }
}

#[derive(Default)]
struct TimeLeft(Option<Duration>);

impl<'de> Members<'de> for TimeLeft {
    fn member<A: MapAccess<'de>>(
        &mut self,
        key: &str,
        map: &mut A,
        trouble: Trouble<'_>,
    ) -> Result<bool, A::Error> {
        let known = matches!(key, "timeLeft" | "time_left");
        if known {
            self.0 = duration(Leaf::of(map)?, trouble);
        }
        Ok(known)
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

#[derive(Default)]
struct Update {
    handle: Option<Handle>,
    resumable: bool,
}

impl<'de> Members<'de> for Update {
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

#[derive(Default)]
struct Voice(Option<VoiceActivity>);

impl<'de> Members<'de> for Voice {
    fn member<A: MapAccess<'de>>(
        &mut self,
        key: &str,
        map: &mut A,
        trouble: Trouble<'_>,
    ) -> Result<bool, A::Error> {
        let known = matches!(
            key,
            "type" | "voiceActivityType" | "voice_activity_type" | "vadSignalType" | "vad_signal_type"
        );
        if known {
            self.0 = Leaf::of(map)?.text(trouble).map(|name| match name.as_ref() {
                "ACTIVITY_START" | "VAD_SIGNAL_TYPE_SOS" => VoiceActivity::Start,
                "ACTIVITY_END" | "VAD_SIGNAL_TYPE_EOS" => VoiceActivity::End,
                _ => VoiceActivity::Other,
            });
        }
        Ok(known)
    }
}

impl<'de> Members<'de> for Usage {
    fn member<A: MapAccess<'de>>(
        &mut self,
        key: &str,
        map: &mut A,
        trouble: Trouble<'_>,
    ) -> Result<bool, A::Error> {
        let count = match key {
            "promptTokenCount" | "prompt_token_count" => &mut self.prompt,
            "cachedContentTokenCount" | "cached_content_token_count" => &mut self.cached,
            // Vertex names the second pair.
            "responseTokenCount"
            | "response_token_count"
            | "candidatesTokenCount"
            | "candidates_token_count" => &mut self.response,
            "thoughtsTokenCount" | "thoughts_token_count" => &mut self.thoughts,
            "toolUsePromptTokenCount" | "tool_use_prompt_token_count" => &mut self.tool_use,
            "totalTokenCount" | "total_token_count" => &mut self.total,
            "promptTokensDetails" | "prompt_tokens_details" => {
                self.prompt_text = text_of(map, trouble)?;
                return Ok(true);
            }
            "responseTokensDetails"
            | "response_tokens_details"
            | "candidatesTokensDetails"
            | "candidates_tokens_details" => {
                self.response_text = text_of(map, trouble)?;
                return Ok(true);
            }
            _ => return Ok(false),
        };
        *count = Leaf::of(map)?.whole(trouble).map_or(0, |number| u64::try_from(number).unwrap_or(0));
        Ok(true)
    }
}

/// Tokens of one kind: of text, or of something else.
#[derive(Default)]
struct Modality {
    text: bool,
    tokens: u64,
}

impl<'de> Members<'de> for Modality {
    fn member<A: MapAccess<'de>>(
        &mut self,
        key: &str,
        map: &mut A,
        trouble: Trouble<'_>,
    ) -> Result<bool, A::Error> {
        match key {
            "modality" => self.text = Leaf::of(map)?.text(trouble).is_some_and(|name| name == "TEXT"),
            "tokenCount" | "token_count" => {
                let count = Leaf::of(map)?.whole(trouble);
                self.tokens = count.map_or(0, |number| u64::try_from(number).unwrap_or(0));
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// The tokens of text in a list of counts by modality.
fn text_of<'de, A: MapAccess<'de>>(map: &mut A, trouble: Trouble<'_>) -> Result<u64, A::Error> {
    let mut kinds: Vec<Modality> = Vec::new();
    map.next_value_seed(List { into: &mut kinds, trouble })?;
    let text = kinds.iter().filter(|kind| kind.text);
    Ok(text.fold(0, |sum, kind| sum.saturating_add(kind.tokens)))
}

impl<'de> Members<'de> for ServerError {
    fn member<A: MapAccess<'de>>(
        &mut self,
        key: &str,
        map: &mut A,
        trouble: Trouble<'_>,
    ) -> Result<bool, A::Error> {
        match key {
            "code" => self.code = Leaf::of(map)?.whole(trouble),
            "message" => self.message = Leaf::of(map)?.text(trouble).unwrap_or_default().into_owned(),
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
    use serde_json::json;

    fn check(message: Value, expected: ServerMessage) {
        assert_eq!(decode(message.to_string().as_bytes()), Ok(expected), "{message}");
    }

    fn call(id: &str, name: &str, args: Value) -> FunctionCall {
        let args = args.as_object().cloned().unwrap_or_default();
        FunctionCall { id: id.to_owned(), name: name.to_owned(), args, unread: false }
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
    fn several_calls_with_and_without_arguments() {
        check(
            json!({ "toolCall": { "functionCalls": [
                { "id": "c1", "name": "lamp", "args": { "on": true, "deep": [{ "a": 1 }] } },
                { "id": 2, "name": "time" },
                { "name": "vertex", "args": null, "partialArgs": [] },
                {},
                null,
            ] } }),
            ServerMessage {
                tool_calls: vec![
                    call("c1", "lamp", json!({ "on": true, "deep": [{ "a": 1 }] })),
                    call("2", "time", json!({})),
                    call("", "vertex", json!({})),
                ],
                unread: Some(WRONG_TYPE),
                ..ServerMessage::default()
            },
        );
    }

    #[test]
    fn cancelled_calls() {
        check(
            json!({ "toolCallCancellation": { "ids": ["c1", 2] } }),
            ServerMessage {
                cancelled_calls: vec!["c1".to_owned(), "2".to_owned()],
                ..ServerMessage::default()
            },
        );
    }

    #[test]
    fn going_away_in_some_time() {
        let left = |time_left: Value| {
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
        let resumption = |update: Value| {
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
    fn counts_are_numbers_texts_or_absent() {
        let usage = |usage: Value| {
            let message = json!({ "usageMetadata": usage }).to_string();
            decode(message.as_bytes()).expect("readable").usage
        };
        let all = Usage {
            prompt: 1,
            cached: 2,
            response: 3,
            thoughts: 4,
            tool_use: 5,
            total: 15,
            ..Usage::default()
        };
        assert_eq!(
            usage(json!({ "promptTokenCount": 1, "cachedContentTokenCount": "2", "responseTokenCount": 3.0,
                "thoughtsTokenCount": 4, "toolUsePromptTokenCount": 5, "totalTokenCount": 15, "serviceTier": "x",
                "promptTokensDetails": [{ "modality": "AUDIO" }] })),
            Some(all)
        );
        assert_eq!(
            usage(
                json!({ "prompt_token_count": 1, "cached_content_token_count": 2, "candidates_token_count": 3,
                "thoughts_token_count": 4, "tool_use_prompt_token_count": 5, "total_token_count": 15 })
            ),
            Some(all)
        );
        assert_eq!(
            usage(json!({ "candidatesTokenCount": 3 })),
            Some(Usage { response: 3, ..Usage::default() })
        );
        assert_eq!(usage(json!({})), Some(Usage::default()));
        let details = json!([{ "modality": "AUDIO", "tokenCount": 7 }, { "modality": "TEXT", "tokenCount": "2" },
            { "modality": "TEXT" }, { "modality": 3 }, "TEXT"]);
        assert_eq!(
            usage(json!({ "promptTokensDetails": details, "candidatesTokensDetails": details })),
            Some(Usage { prompt_text: 2, response_text: 2, ..Usage::default() })
        );
        assert_eq!(
            usage(json!({ "promptTokenCount": -1, "totalTokenCount": [], "responseTokenCount": u64::MAX })),
            Some(Usage { response: i64::MAX as u64, ..Usage::default() })
        );
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
