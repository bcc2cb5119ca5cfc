//! A tool runs, and the person does something else meanwhile: speech alone stops nothing.
#![allow(clippy::disallowed_methods)]

mod rig;

use std::time::Duration;

use pressel_live::event::{Action, ButtonInput, Input, MicrophoneInput, ToolResult};
use pressel_live::settings::{OpenStart, TalkMode};
use rig::{PROFILES, Rig, gated, hold};
use serde_json::json;

const MS: fn(u64) -> Duration = Duration::from_millis;

/// A talk in which the gate's tool runs.
fn running(model: &str, talk: TalkMode) -> Rig {
    let mut rig = Rig::new(gated(model, talk), true);
    rig.input(Input::Button(ButtonInput::Press));
    says(&mut rig, talk, true);
    rig.obliging = false;
    rig.says(&json!({ "toolCall": { "functionCalls": [{ "id": "id-1", "name": "gate", "args": {} }] } }));
    rig.done.clear();
    rig.obliging = true; // pings are answered
    rig
}

/// Words, or a noise, to the end of the utterance.
fn says(rig: &mut Rig, talk: TalkMode, speech: bool) {
    let listen = rig.listen;
    let open = matches!(talk, TalkMode::Open { .. });
    if open {
        rig.input(Input::Microphone(MicrophoneInput::Opened { listen }));
    }
    rig.chunk(speech);
    rig.input(if open {
        Input::Microphone(MicrophoneInput::Closed { listen })
    } else {
        Input::Button(ButtonInput::Release)
    });
    rig.pass(MS(600));
}

/// The tool is done after a minute, and what it found is told.
fn is_done_and_told(rig: &mut Rig, what: &str) {
    rig.pass(MS(60_000));
    assert!(!rig.done.iter().any(|action| matches!(action, Action::CancelTools { .. })), "{what}: stopped");
    let outcome = Ok([("output".to_owned(), json!("it is open"))].into_iter().collect());
    rig.input(Input::ToolResult(ToolResult { id: "id-1".to_owned(), outcome }));
    rig.pass(MS(1000));
    let told =
        |action: &Action| matches!(action, Action::Send { message, .. } if message.contains("it is open"));
    assert_eq!(rig.done.iter().filter(|action| told(action)).count(), 1, "{what}");
}

#[test]
fn a_button_that_is_brushed_stops_no_tool() {
    for model in PROFILES {
        for speech in [false, true] {
            let mut rig = running(model, hold());
            rig.input(Input::Button(ButtonInput::Press));
            says(&mut rig, hold(), speech);
            is_done_and_told(&mut rig, &format!("{model}, speech {speech}"));
        }
    }
}

#[test]
fn a_noise_in_an_open_talk_stops_no_tool() {
    let open = TalkMode::Open { start: OpenStart::Press, idle: None };
    for model in PROFILES {
        for speech in [false, true] {
            let mut rig = running(model, open);
            says(&mut rig, open, speech);
            is_done_and_told(&mut rig, &format!("{model}, speech {speech}"));
        }
    }
}
