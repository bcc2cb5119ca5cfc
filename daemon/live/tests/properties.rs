//! Anything in any order at any time: no panic, no stuck phase, no timer that goes round and round, bounded memory.

mod rig;

use std::time::Duration;

use pressel_live::event::{
    Action, Agree, AgreeBy, Budget, ButtonInput, Cause, ConsentInput, Input, LinkInput, MicrophoneInput,
    SpeakerInput, ToolAsk, ToolResult,
};
use pressel_live::settings::{BargeIn, OpenStart, TalkMode};
use proptest::collection::vec;
use proptest::prelude::*;
use rig::{Rig, settings};
use serde_json::{Map, Value, json};

/// Something that happens.
#[derive(Clone, Debug)]
enum Step {
    Press,
    Release,
    Chunk { old: bool, len: usize, speech: bool, late_ms: i64 },
    Opened,
    Closed,
    Suspected,
    Confirmed,
    Dismissed,
    Gap(u64),
    MicrophoneHere(bool),
    SpeakerHere(bool),
    Heard { ended: bool, turn: u32 },
    News { old: bool, news: LinkInput },
    Tool { id: String, ok: bool },
    Agree(AgreeBy),
    Key(bool),
    Mode(TalkMode),
    Around(Input),
    Timeout,
    Wait(u64),
}

fn modes() -> impl Strategy<Value = TalkMode> {
    let seconds = |s| Duration::from_secs(s);
    let starts = prop_oneof![Just(OpenStart::Press), Just(OpenStart::Speech), Just(OpenStart::Always)];
    prop_oneof![
        (0..1000u64).prop_map(|ms| TalkMode::Hold { tail: Duration::from_millis(ms) }),
        (200..3000u64).prop_map(move |ms| TalkMode::Tap {
            end_silence: Duration::from_millis(ms),
            no_speech: seconds(8)
        }),
        (starts, proptest::option::of(3..60u64))
            .prop_map(move |(start, idle)| TalkMode::Open { start, idle: idle.map(seconds) }),
    ]
}

fn policies() -> impl Strategy<Value = BargeIn> {
    proptest::sample::select(vec![BargeIn::Server, BargeIn::Local, BargeIn::Both, BargeIn::Off])
}

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

fn payloads() -> impl Strategy<Value = Vec<u8>> {
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

fn news() -> impl Strategy<Value = LinkInput> {
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

fn around() -> impl Strategy<Value = Input> {
    prop_oneof![
        any::<bool>().prop_map(Input::Network),
        any::<bool>().prop_map(Input::Clock),
        any::<bool>().prop_map(Input::Warm),
        proptest::sample::select(vec![Budget::Fine, Budget::Low, Budget::Spent]).prop_map(Input::Budget),
        ".{0,20}".prop_map(Input::Ask),
        Just(Input::Forget),
        Just(Input::HangUp),
        Just(Input::Stop),
        Just(Input::TakeBack),
        consent().prop_map(Input::Consent),
        consent().prop_map(Input::Consent),
        any::<bool>().prop_map(Input::Muted),
    ]
}

fn gestures() -> impl Strategy<Value = AgreeBy> {
    proptest::sample::select(vec![AgreeBy::Double, AgreeBy::Hold, AgreeBy::Line])
}

fn consent() -> impl Strategy<Value = ConsentInput> {
    let agree = proptest::sample::select(vec![Agree::Button, Agree::Hold]);
    prop_oneof![
        4 => ("id-[0-3]", agree, gestures()).prop_map(|(id, agree, by)| {
            ConsentInput::Due(ToolAsk { id, agree, by, say: "May I?".to_owned() })
        }),
        1 => Just(ConsentInput::Unspoken),
    ]
}

fn steps() -> impl Strategy<Value = Step> {
    let waits = prop_oneof![4 => 0..500u64, 2 => 0..5_000u64, 1 => 0..120_000u64];
    prop_oneof![
        3 => Just(Step::Press),
        3 => Just(Step::Release),
        8 => (proptest::bool::weighted(0.1), 0..2500usize, any::<bool>(), -500..500i64)
            .prop_map(|(old, len, speech, late_ms)| Step::Chunk { old, len, speech, late_ms }),
        2 => Just(Step::Opened),
        2 => Just(Step::Closed),
        3 => Just(Step::Suspected),
        2 => Just(Step::Confirmed),
        1 => Just(Step::Dismissed),
        1 => (0..100_000u64).prop_map(Step::Gap),
        1 => any::<bool>().prop_map(Step::MicrophoneHere),
        1 => any::<bool>().prop_map(Step::SpeakerHere),
        2 => (any::<bool>(), 0..6u32).prop_map(|(ended, turn)| Step::Heard { ended, turn }),
        14 => (proptest::bool::weighted(0.1), news()).prop_map(|(old, news)| Step::News { old, news }),
        1 => ("id-[0-3]", any::<bool>()).prop_map(|(id, ok)| Step::Tool { id, ok }),
        1 => gestures().prop_map(Step::Agree),
        1 => proptest::bool::weighted(0.7).prop_map(Step::Key),
        1 => modes().prop_map(Step::Mode),
        2 => around().prop_map(Step::Around),
        3 => Just(Step::Timeout),
        8 => waits.prop_map(Step::Wait),
    ]
}

fn take(rig: &mut Rig, step: Step) {
    let here = |here, microphone| match (here, microphone) {
        (true, true) => Input::Microphone(MicrophoneInput::Back),
        (false, true) => Input::Microphone(MicrophoneInput::Lost),
        (true, false) => Input::Speaker(SpeakerInput::Back),
        (false, false) => Input::Speaker(SpeakerInput::Lost),
    };
    let number = |old: bool, newest: u32| if old { newest.wrapping_sub(1) } else { newest };
    let listen = rig.listen;
    rig.input(match step {
        Step::Press => Input::Button(ButtonInput::Press),
        Step::Release => Input::Button(ButtonInput::Release),
        Step::Chunk { old, len, speech, late_ms } => {
            let late = Duration::from_millis(late_ms.unsigned_abs());
            let at = if late_ms < 0 { rig.now - late } else { rig.now + late };
            let samples = vec![7; len];
            Input::Microphone(MicrophoneInput::Chunk { listen: number(old, listen), samples, speech, at })
        }
        Step::Opened => Input::Microphone(MicrophoneInput::Opened { listen }),
        Step::Closed => Input::Microphone(MicrophoneInput::Closed { listen }),
        Step::Suspected => Input::Microphone(MicrophoneInput::Suspected { listen }),
        Step::Confirmed => Input::Microphone(MicrophoneInput::Confirmed { listen }),
        Step::Dismissed => Input::Microphone(MicrophoneInput::Dismissed { listen }),
        Step::Gap(samples) => Input::Microphone(MicrophoneInput::Gap { listen, samples }),
        Step::MicrophoneHere(is) => here(is, true),
        Step::SpeakerHere(is) => here(is, false),
        Step::Heard { ended: true, turn } => Input::Speaker(SpeakerInput::Drained { turn }),
        Step::Heard { ended: false, turn } => Input::Speaker(SpeakerInput::Started { turn }),
        Step::News { old, news } => Input::Link(number(old, rig.link), news),
        Step::Tool { id, ok } => {
            let outcome = if ok { Ok(Map::new()) } else { Err("no".to_owned()) };
            Input::ToolResult(ToolResult { id, outcome })
        }
        Step::Agree(by) => Input::Consent(ConsentInput::Given { by, since: rig.now }),
        Step::Key(present) => Input::Key(present),
        Step::Mode(mode) => Input::Mode(mode),
        Step::Around(input) => input,
        Step::Timeout => Input::Timeout,
        Step::Wait(ms) => return rig.pass(Duration::from_millis(ms)),
    });
}

fn config(cases: u32) -> ProptestConfig {
    // PROPTEST_CASES still decides where it is set.
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(cases);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(256))]

    /// The surroundings do what they like.
    #[test]
    fn anything_in_any_order(
        mode in modes(),
        tools in any::<bool>(),
        policy in policies(),
        steps in vec(steps(), 0..80),
        stop in proptest::bool::weighted(0.2),
    ) {
        let mut settings = settings(mode);
        settings.barge_in = policy;
        if tools {
            settings.tools = vec![json!({ "functionDeclarations": [{ "name": "lamp" }] })];
        }
        let mut rig = Rig::new(settings, false);
        for step in steps {
            take(&mut rig, step);
        }
        if stop {
            rig.done.clear();
            rig.input(Input::Shutdown);
            rig.done.clear();
            take(&mut rig, Step::Press);
            rig.pass(Duration::from_secs(600));
            prop_assert!(rig.done.is_empty(), "{:?} after the end", rig.done);
        } else {
            rig.let_go();
        }
    }

    /// The surroundings answer as they should, the server and the person do what they like.
    #[test]
    fn any_talk_on_a_link_that_works(mode in modes(), policy in policies(), steps in vec(steps(), 0..60)) {
        let mut settings = settings(mode);
        settings.barge_in = policy;
        let mut rig = Rig::new(settings, true);
        for step in steps {
            take(&mut rig, step);
        }
        rig.let_go();
    }

    /// Any JSON while an answer is awaited, and while one is heard.
    #[test]
    fn any_message_at_any_moment(payloads in vec(payloads(), 1..20), speaking in any::<bool>()) {
        let mut rig = Rig::new(settings(rig::hold()), true);
        take(&mut rig, Step::Press);
        rig.chunk(true);
        take(&mut rig, Step::Release);
        rig.pass(Duration::from_secs(1));
        if speaking {
            let data = "AQAB".repeat(6000);
            let parts = json!([{ "inlineData": { "mimeType": "audio/pcm;rate=24000", "data": data } }]);
            rig.says(&json!({ "serverContent": { "modelTurn": { "parts": parts } } }));
        }
        for payload in payloads {
            rig.input(Input::Link(rig.link, LinkInput::Message(payload)));
        }
        rig.let_go();
    }

    /// However much is said without a link: no more than the bound is kept, and the newest of it.
    #[test]
    fn what_is_kept_has_a_bound(
        chunks in vec((0..2500usize, any::<bool>()), 1..200),
        bound_ms in 100..2000u64,
    ) {
        let mut settings = settings(rig::hold());
        settings.utterance_max = Duration::from_millis(bound_ms);
        let mut rig = Rig::new(settings, false);
        take(&mut rig, Step::Press);
        for (len, speech) in &chunks {
            take(&mut rig, Step::Chunk { old: false, len: *len, speech: *speech, late_ms: 0 });
        }
        rig.obliging = true;
        rig.input(Input::Link(rig.link, LinkInput::Opened));
        let sent: usize = rig.done.iter().filter_map(|action| match action {
            Action::Send { message, .. } if rig::kind(message) == "audio" => Some(rig::samples(message)),
            _ => None,
        }).sum();
        let said: usize = chunks.iter().map(|(len, _)| len).sum();
        let bound = bound_ms as usize * 16;
        let longest = chunks.iter().map(|(len, _)| *len).max().unwrap_or(0);
        prop_assert!(sent <= bound.max(longest), "{sent} of {said} kept, the bound is {bound}");
        prop_assert!(sent + longest > said.min(bound), "{sent} of {said} kept, the bound is {bound}");
    }
}
