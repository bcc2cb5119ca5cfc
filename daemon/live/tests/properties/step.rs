//! Anything that may happen to a conversation.

use std::time::Duration;

use pressel_live::event::{
    Agree, AgreeBy, Budget, ButtonInput, ConsentInput, Input, LinkInput, MicrophoneInput, SpeakerInput,
    ToolAsk, ToolResult,
};
use pressel_live::settings::{BargeIn, OpenStart, TalkMode};
use proptest::prelude::*;
use serde_json::Map;

use crate::rig::Rig;
use crate::server::news;

/// Something that happens.
#[derive(Clone, Debug)]
pub enum Step {
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

pub fn modes() -> impl Strategy<Value = TalkMode> {
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

pub fn policies() -> impl Strategy<Value = BargeIn> {
    proptest::sample::select(vec![BargeIn::Server, BargeIn::Local, BargeIn::Both, BargeIn::Off])
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

pub fn steps() -> impl Strategy<Value = Step> {
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

pub fn take(rig: &mut Rig, step: Step) {
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
