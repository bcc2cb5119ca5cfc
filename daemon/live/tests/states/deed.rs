//! Deeds: what leads a fresh conversation into a state, step by step, and what may happen to it there.

use std::time::Duration;

use pressel_live::event::{Action, ButtonInput, Cause, Input, LinkInput, MicrophoneInput, SpeakerInput};
use pressel_live::settings::{BargeIn, OpenStart, TalkMode};
use serde_json::{Value, json};

use crate::rig::{Rig, settings};

/// Leads a fresh conversation into a state, or lets something happen to it.
pub type Deed = fn(&mut Rig);
pub type Named = (&'static str, Deed);

pub const MS: fn(u64) -> Duration = Duration::from_millis;

pub fn tap() -> TalkMode {
    TalkMode::Tap { end_silence: MS(1200), no_speech: MS(8000) }
}

pub fn open() -> TalkMode {
    TalkMode::Open { start: OpenStart::Press, idle: Some(MS(30_000)) }
}

pub fn rig(talk: TalkMode) -> Rig {
    let mut settings = settings(talk);
    settings.barge_in = BargeIn::Both;
    settings.tools = vec![json!({ "functionDeclarations": [{ "name": "lamp" }] })];
    Rig::new(settings, false)
}

fn link(rig: &mut Rig, news: LinkInput) {
    rig.input(Input::Link(rig.link, news));
}

pub fn closed(rig: &mut Rig, code: u16, reason: &str) {
    link(rig, LinkInput::Closed { code, reason: reason.to_owned() });
}

pub fn failed(rig: &mut Rig, cause: Cause) {
    link(rig, LinkInput::Failed { cause, reason: "no route".to_owned() });
}

pub fn press(rig: &mut Rig) {
    rig.input(Input::Button(ButtonInput::Press));
}

pub fn release(rig: &mut Rig) {
    rig.input(Input::Button(ButtonInput::Release));
}

pub fn content(rig: &mut Rig, content: Value) {
    rig.says(&json!({ "serverContent": content }));
}

pub fn sound(rig: &mut Rig) {
    let part = json!({ "inlineData": { "mimeType": "audio/pcm;rate=24000", "data": "AQAB".repeat(1600) } });
    content(rig, json!({ "modelTurn": { "parts": [part] } }));
}

/// A second of speech.
pub fn speak(rig: &mut Rig) {
    for _ in 0..50 {
        rig.pass(MS(20));
        rig.chunk(true);
    }
}

pub fn silence(rig: &mut Rig, chunks: usize) {
    for _ in 0..chunks {
        rig.pass(MS(20));
        rig.chunk(false);
    }
}

pub fn gate(rig: &mut Rig, opens: bool) {
    let listen = rig.listen;
    rig.input(Input::Microphone(if opens {
        MicrophoneInput::Opened { listen }
    } else {
        MicrophoneInput::Closed { listen }
    }));
}

/// As the microphone tells it: the gate opens with it.
pub fn suspected(rig: &mut Rig) {
    let listen = rig.listen;
    gate(rig, true);
    rig.chunk(true);
    rig.input(Input::Microphone(MicrophoneInput::Suspected { listen }));
}

pub fn opened(rig: &mut Rig) {
    link(rig, LinkInput::Opened);
}

pub fn completed(rig: &mut Rig) {
    rig.says(&json!({ "setupComplete": {} }));
    rig.says(&json!({ "sessionResumptionUpdate": { "newHandle": "h", "resumable": true } }));
}

/// A press on a working link, in any mode: the person has the word.
pub fn listening(rig: &mut Rig) {
    press(rig);
    if rig.conversation.state_names().0 == "Opening" {
        opened(rig);
        completed(rig);
    }
    if matches!(rig.conversation.mode(), TalkMode::Open { .. }) {
        gate(rig, true);
    }
    speak(rig);
}

pub fn thinking(rig: &mut Rig) {
    listening(rig);
    match rig.conversation.mode() {
        TalkMode::Hold { .. } => release(rig),
        TalkMode::Tap { .. } => press(rig),
        TalkMode::Open { .. } => gate(rig, false),
    }
    silence(rig, 15);
}

pub fn speaking(rig: &mut Rig) {
    thinking(rig);
    sound(rig);
}

pub fn spoken(rig: &mut Rig) {
    speaking(rig);
    content(rig, json!({ "generationComplete": true }));
}

pub fn heard(rig: &mut Rig) {
    let played = rig.done.iter().rev().find_map(|action| match action {
        Action::Play { turn, .. } => Some(*turn),
        _ => None,
    });
    rig.input(Input::Speaker(SpeakerInput::Drained { turn: played.unwrap_or(1) }));
}

pub fn idle(rig: &mut Rig) {
    spoken(rig);
    content(rig, json!({ "turnComplete": true }));
    rig.says(&json!({ "sessionResumptionUpdate": { "newHandle": "after", "resumable": true } }));
    heard(rig);
}

pub fn tired(rig: &mut Rig) {
    press(rig);
    speak(rig);
    for _ in 0..4 {
        failed(rig, Cause::Connect);
    }
    rig.pass(MS(250));
    failed(rig, Cause::Connect);
}
