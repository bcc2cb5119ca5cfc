//! Anything that a server may say, and whatever may become of a link.

use pressel_live::event::{Cause, LinkInput};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Names the server uses, so that arbitrary JSON gets below the surface.
fn names() -> impl Strategy<Value = String> {
    let known = [
        "setupComplete",
        "serverContent",
        "toolCall",
        "toolCallCancellation",
        "goAway",
        "sessionResumptionUpdate",
        "usageMetadata",
        "modelTurn",
        "parts",
        "inlineData",
        "mimeType",
        "data",
        "text",
        "thought",
        "interrupted",
        "generationComplete",
        "turnComplete",
        "interactionStatus",
        "inputTranscription",
        "outputTranscription",
        "functionCalls",
        "id",
        "ids",
        "name",
        "args",
        "timeLeft",
        "newHandle",
        "resumable",
        "error",
        "code",
        "totalTokenCount",
        "voiceActivity",
        "waitingForInput",
    ];
    prop_oneof![
        8 => proptest::sample::select(known.to_vec()).prop_map(str::to_owned),
        1 => ".{0,8}",
    ]
}

fn leaves() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        Just(json!("audio/pcm;rate=24000")),
        Just(json!("AAECAwQF")),
        Just(json!("IN_PROGRESS")),
        Just(json!("IDLE")),
        "[0-9]{1,20}(\\.[0-9]{1,3})?s".prop_map(Value::from),
        "id-[0-3]".prop_map(Value::from),
    ]
}

fn anything() -> impl Strategy<Value = Value> {
    leaves().prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((names(), inner), 0..6).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// What a server says, bundled at will.
fn sensible() -> impl Strategy<Value = Value> {
    let sound = (1..2000usize, 8_000..48_000u32).prop_map(|(len, rate)| {
        let data = "AQAB".repeat(len);
        json!([{ "inlineData": { "mimeType": format!("audio/pcm;rate={rate}"), "data": data } }])
    });
    let content = (
        proptest::option::weighted(0.5, sound),
        proptest::option::weighted(0.2, Just("IN_PROGRESS").prop_union(Just("IDLE")).boxed()),
        [any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>()],
    )
        .prop_map(|(sound, status, [interrupted, generated, complete, heard])| {
            let mut content = Map::new();
            if let Some(parts) = sound {
                content.insert("modelTurn".to_owned(), json!({ "parts": parts }));
            }
            if let Some(status) = status {
                content.insert("interactionStatus".to_owned(), json!(status));
            }
            let flags =
                [("interrupted", interrupted), ("generationComplete", generated), ("turnComplete", complete)];
            content.extend(
                flags.into_iter().filter(|flag| flag.1).map(|(name, _)| (name.to_owned(), json!(true))),
            );
            if heard {
                content.insert("inputTranscription".to_owned(), json!({ "text": "so" }));
            }
            json!({ "serverContent": content })
        });
    prop_oneof![
        6 => content,
        2 => Just(json!({ "setupComplete": {} })),
        1 => "id-[0-3]".prop_map(|id| json!({ "toolCall": { "functionCalls": [{ "id": id, "name": "lamp" }] } })),
        1 => "id-[0-3]".prop_map(|id| json!({ "toolCallCancellation": { "ids": [id] } })),
        1 => (0..70u32).prop_map(|s| json!({ "goAway": { "timeLeft": format!("{s}s") } })),
        1 => any::<bool>().prop_map(|ok| json!({ "sessionResumptionUpdate": { "newHandle": "h", "resumable": ok } })),
    ]
}

pub fn payloads() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => sensible().prop_map(|message| message.to_string().into_bytes()),
        3 => (names(), anything()).prop_map(|(name, value)| json!({ name: value }).to_string().into_bytes()),
        1 => anything().prop_map(|value| value.to_string().into_bytes()),
        1 => vec(any::<u8>(), 0..200),
    ]
}

fn reasons() -> impl Strategy<Value = String> {
    let known = [
        "",
        "API key not valid. Please pass a valid API key.",
        "Internal error encountered.",
        "The operation was aborted.",
        "BidiGenerateContent session not found",
        "Request contains an invalid argument.",
        "You exceeded your current quota, please check your plan and billing details",
    ];
    prop_oneof![6 => proptest::sample::select(known.to_vec()).prop_map(str::to_owned), 1 => ".{0,40}"]
}

fn causes() -> impl Strategy<Value = Cause> {
    prop_oneof![
        2 => (100..600u16).prop_map(Cause::Http),
        1 => proptest::option::of(100..600u16).prop_map(Cause::Proxy),
        1 => any::<bool>().prop_map(|fatal| Cause::Credential { fatal }),
        3 => proptest::sample::select(vec![
            Cause::Lookup, Cause::Connect, Cause::Captive, Cause::Tls, Cause::Clock, Cause::Cut,
        ]),
    ]
}

pub fn news() -> impl Strategy<Value = LinkInput> {
    let codes = prop_oneof![4 => proptest::sample::select(vec![1000u16, 1001, 1006, 1007, 1008, 1011]), 1 => any::<u16>()];
    prop_oneof![
        3 => Just(LinkInput::Opened),
        3 => Just(LinkInput::Message(b"{\"setupComplete\":{}}\n".to_vec())),
        8 => payloads().prop_map(LinkInput::Message),
        1 => (codes, reasons()).prop_map(|(code, reason)| LinkInput::Closed { code, reason }),
        1 => (causes(), reasons()).prop_map(|(cause, reason)| LinkInput::Failed { cause, reason }),
        1 => Just(LinkInput::Pong),
    ]
}
