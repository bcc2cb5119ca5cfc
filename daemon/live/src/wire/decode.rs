//! From the bytes of a message to [`ServerMessage`]: what is no JSON is an error, of what is damaged the calls are kept.

use super::members::Reading;
use super::read::{Found, Object};
use super::server::ServerMessage;
use serde::de::DeserializeSeed;
use serde_json::Map;
use std::cell::Cell;

/// A payload nothing could be taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// One of "not UTF-8", "not JSON", "not an object", "wrong type", "bad audio", "bad duration".
    pub kind: &'static str,
}

/// Reads one WebSocket payload, text or binary alike.
///
/// # Errors
/// When it is not a JSON object, or when nothing in it could be read and something was wrong with it.
pub fn decode(payload: &[u8]) -> Result<ServerMessage, Unreadable> {
    match std::str::from_utf8(payload) {
        Ok(text) => decode_text(text),
        Err(_) => calls_of(&String::from_utf8_lossy(payload)).ok_or(Unreadable { kind: NO_UTF8 }),
    }
}

const NO_UTF8: &str = "not UTF-8";

/// The calls of a message that is damaged: they can be answered, and not be made.
fn calls_of(damaged: &str) -> Option<ServerMessage> {
    let mut tool_calls = decode_text(damaged).ok()?.tool_calls;
    tool_calls.retain(|call| !call.id.contains(char::REPLACEMENT_CHARACTER));
    for call in &mut tool_calls {
        (call.args, call.unread) = (Map::new(), true);
    }
    let any = !tool_calls.is_empty();
    any.then(|| ServerMessage { tool_calls, unread: Some(NO_UTF8), ..ServerMessage::default() })
}

fn decode_text(text: &str) -> Result<ServerMessage, Unreadable> {
    let trouble = Cell::new(None);
    let mut reading = Reading::default();
    let mut json = serde_json::Deserializer::from_str(text);
    let found = Object { into: &mut reading, trouble: &trouble }
        .deserialize(&mut json)
        .and_then(|found| json.end().map(|()| found))
        .map_err(|_| Unreadable { kind: "not JSON" })?;
    if found != Found::Object {
        return Err(Unreadable { kind: "not an object" });
    }
    let message = reading.finish();
    match trouble.get() {
        Some(kind) if message.says_nothing() => Err(Unreadable { kind }),
        unread => Ok(ServerMessage { unread, ..message }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::server::AudioPart;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    #[test]
    fn arguments_that_cannot_be_read_cost_their_call_alone() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        for args in [deep.as_str(), "{\"a\":1e999}", "{\"a\":\"\\ud800\"}", "[1]", "\"text\"", "7"] {
            let text = format!(
                "{{\"toolCall\":{{\"functionCalls\":[{{\"id\":\"c1\",\"name\":\"lamp\",\"args\":{args}}},\
                 {{\"id\":\"c2\",\"name\":\"lamp\",\"args\":{{\"on\":false,\"on\":true}}}}]}}}}"
            );
            let message = decode(text.as_bytes()).expect("the rest is read");
            let calls: Vec<_> =
                message.tool_calls.iter().map(|call| (call.id.as_str(), call.unread)).collect();
            assert_eq!(calls, [("c1", true), ("c2", false)], "{args:.40}");
            assert_eq!(message.tool_calls[1].args["on"], true, "the last of two counts");
        }
        let damaged = b"{\"toolCall\":{\"functionCalls\":[{\"id\":\"c1\",\"name\":\"lamp\",\"args\":{\"a\":\"\xff\"}}]}}";
        let message = decode(damaged).expect("it can be answered");
        assert!(message.tool_calls[0].unread && message.unread == Some("not UTF-8"));
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        for (payload, kind) in [
            (&b"\xff{}"[..], "not UTF-8"),
            (b"", "not JSON"),
            (b"hello", "not JSON"),
            (b"{\"setupComplete\":", "not JSON"),
            (b"{} {}", "not JSON"),
            (b"[]", "not an object"),
            (b"7", "not an object"),
            (b"null", "not an object"),
            (b"\"text\"", "not an object"),
            (b"{\"serverContent\":[{}]}", "wrong type"),
            (b"{\"toolCall\":{\"functionCalls\":{}}}", "wrong type"),
            (b"{\"serverContent\":{\"turnComplete\":\"yes\"}}", "wrong type"),
        ] {
            assert_eq!(decode(payload), Err(Unreadable { kind }), "{}", String::from_utf8_lossy(payload));
        }
        let deep = "[".repeat(100_000);
        assert_eq!(decode(format!("{{\"x\":{deep}").as_bytes()), Err(Unreadable { kind: "not JSON" }));
    }

    #[test]
    fn padding_is_readable_and_says_nothing() {
        for payload in [&b"{}"[..], b"{\n}\n", b"{\"serverContent\":{}}", b"{\"news\":1}"] {
            let message = decode(payload).expect("readable");
            assert!(message.says_nothing(), "{message:?}");
        }
    }

    #[test]
    fn bad_usage_does_not_cost_the_sound() {
        let message = json!({
            "usageMetadata": "many",
            "serverContent": { "turnComplete": 1, "interrupted": true,
                "modelTurn": { "parts": [{ "inlineData": { "mimeType": "audio/pcm", "data": "AQA=" } }] } },
        });
        let message = decode(message.to_string().as_bytes()).expect("readable");
        let content = message.content.expect("content");
        assert_eq!(content.audio[0].samples, [1]);
        assert!(content.interrupted && !content.turn_complete);
        assert_eq!((message.usage, message.unread), (None, Some("wrong type")));
    }

    /// Every name the reader knows, and one it does not.
    const NAMES: &[&str] = &[
        "setupComplete",
        "serverContent",
        "server_content",
        "toolCall",
        "toolCallCancellation",
        "goAway",
        "voiceActivity",
        "voiceActivityDetectionSignal",
        "sessionResumptionUpdate",
        "usageMetadata",
        "error",
        "code",
        "message",
        "status",
        "interrupted",
        "interactionStatus",
        "modelTurn",
        "parts",
        "inlineData",
        "mimeType",
        "data",
        "text",
        "thought",
        "inputTranscription",
        "interimInputTranscription",
        "outputTranscription",
        "turnComplete",
        "generationComplete",
        "turnCompleteReason",
        "waitingForInput",
        "functionCalls",
        "id",
        "name",
        "args",
        "ids",
        "timeLeft",
        "newHandle",
        "resumable",
        "type",
        "promptTokenCount",
        "totalTokenCount",
        "novelty",
    ];

    fn name() -> impl Strategy<Value = String> {
        proptest::sample::select(NAMES).prop_map(str::to_owned)
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,12}".prop_map(Value::from),
            proptest::sample::select(
                &["AQA=", "audio/pcm", "audio/pcm;rate=16000", "50s", "IDLE", "ACTIVITY_END"][..]
            )
            .prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 40, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::vec((name(), inner), 0..5)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(payload in proptest::collection::vec(any::<u8>(), 0..300)) {
            let object = payload.contains(&b'{');
            prop_assert!(decode(&payload).is_err() || object);
        }

        #[test]
        fn any_json_is_read_or_named(json in json()) {
            let kinds = ["not an object", "wrong type", "bad audio", "bad duration"];
            match decode(json.to_string().as_bytes()) {
                Ok(_) => prop_assert!(json.is_object()),
                Err(unreadable) => prop_assert!(kinds.contains(&unreadable.kind), "{unreadable:?} for {json}"),
            }
        }

        #[test]
        fn a_cut_message_is_not_json(json in json(), cut in any::<proptest::sample::Index>()) {
            let text = serde_json::json!({ "serverContent": json }).to_string();
            let mut end = cut.index(text.len());
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            prop_assert_eq!(decode(&text.as_bytes()[..end]), Err(Unreadable { kind: "not JSON" }));
        }

        #[test]
        fn nothing_beside_it_costs_the_sound(
            beside in proptest::collection::vec((name(), json()), 0..4),
            within in proptest::collection::vec((name(), json()), 0..4),
        ) {
            let mut content: Map<String, Value> = within.into_iter().collect();
            let sound = json!({ "mimeType": "audio/pcm", "data": "AQACAA==" });
            content.insert("modelTurn".into(), json!({ "parts": [7, { "inlineData": sound }] }));
            let mut message: Map<String, Value> = beside.into_iter().collect();
            message.remove("server_content");
            message.insert("serverContent".into(), content.into());
            let message = decode(Value::Object(message).to_string().as_bytes()).expect("readable");
            let audio = message.content.expect("content").audio;
            prop_assert_eq!(audio, [AudioPart { rate_hz: 24_000, samples: vec![1, 2] }]);
        }
    }

    /// Recorded sessions of the real service, where they are at hand.
    #[test]
    fn every_recorded_frame_is_read() {
        let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/captures");
        let folder = std::env::var("PRESSEL_CAPTURES").unwrap_or_else(|_| beside.to_owned());
        let Ok(files) = std::fs::read_dir(&folder) else {
            println!("skipped: no recordings in {folder}");
            return;
        };
        let (mut frames, mut sounds, mut unknown) = (0, 0, 0);
        for file in files.map(|file| file.expect("an entry").path()) {
            if file.extension().is_none_or(|extension| extension != "jsonl") {
                continue;
            }
            let lines = std::fs::read_to_string(&file).expect("a recording");
            for line in lines.lines() {
                let line: Value = serde_json::from_str(line).expect("a line of JSON");
                if line["dir"] != "server" {
                    continue;
                }
                let text = line["text"].as_str().expect("a text");
                let message = decode(text.as_bytes());
                let message = message.unwrap_or_else(|unreadable| panic!("{unreadable:?}: {file:?}: {text}"));
                assert_eq!(message.unread, None, "{file:?}: {text}");
                let content = message.content.unwrap_or_default();
                let parts = text.matches("\"data\": \"").count() - text.matches("\"data\": \"\"").count();
                assert_eq!(content.audio.len(), parts, "{file:?}: {text}");
                assert!(content.audio.iter().all(|part| !part.samples.is_empty()), "{file:?}: {text}");
                frames += 1;
                sounds += parts;
                unknown += message.unknown_members;
            }
        }
        println!("{frames} frames read, {sounds} with sound, {unknown} unknown members");
        assert!(frames > 0 && unknown == 0, "{frames} frames, {unknown} unknown members in {folder}");
    }
}
