//! The axes of the tables: the states, and what happens in each of them.

use std::time::Duration;

use pressel_live::event::{Cause, Input, MicrophoneInput, SpeakerInput, ToolResult};
use serde_json::{Map, json};

use crate::deed::{
    Named, closed, completed, content, failed, gate, heard, idle, listening, open, opened, press, release,
    silence, sound, speak, speaking, spoken, suspected, thinking, tired,
};
use crate::rig::hold;

pub const LINK_STATES: [Named; 7] = [
    ("Down", |_| {}),
    ("Opening", |rig| {
        press(rig);
        speak(rig);
    }),
    ("SettingUp", |rig| {
        press(rig);
        speak(rig);
        opened(rig);
    }),
    ("Up", idle),
    ("Leaving", |rig| {
        idle(rig);
        rig.pass(Duration::from_secs(60));
    }),
    ("Waiting", tired),
    ("Refused", |rig| {
        press(rig);
        opened(rig);
        closed(rig, 1007, "API key not valid");
    }),
];

pub const LINK_EVENTS: [Named; 16] = [
    ("a press", press),
    ("a typed question", |rig| rig.input(Input::Ask("What time is it?".to_owned()))),
    ("the socket is open", opened),
    ("setupComplete", completed),
    ("never opened: no network", |rig| failed(rig, Cause::Connect)),
    ("never opened: HTTP 403", |rig| failed(rig, Cause::Http(403))),
    ("lost, or closed with 1000, 1001, 1011 …", |rig| closed(rig, 1006, "")),
    ("closed: refused for good", |rig| closed(rig, 1007, "API key not valid")),
    ("closed: the handle is dead", |rig| closed(rig, 1008, "BidiGenerateContent session not found")),
    ("closed: quota", |rig| closed(rig, 1011, "You exceeded your current quota")),
    ("goAway", |rig| rig.says(&json!({ "goAway": { "timeLeft": "50s" } }))),
    ("its time is over", |rig| {
        if let Some(due) = rig.conversation.poll_timeout() {
            rig.pass(due - rig.now);
        }
    }),
    ("another VAD setting (open)", |rig| rig.input(Input::Mode(open()))),
    ("no key any more", |rig| rig.input(Input::Key(false))),
    ("another key", |rig| {
        rig.input(Input::Key(false));
        rig.input(Input::Key(true));
    }),
    ("the end", |rig| rig.input(Input::Shutdown)),
];

pub const OPEN_STATES: [Named; 5] = [
    ("Idle", idle),
    ("Idle, gate open", listening),
    ("Thinking", thinking),
    ("Speaking", speaking),
    ("Speaking, all there", spoken),
];

pub const TURN_STATES: [Named; 5] = [
    ("Idle", idle),
    ("Listening", listening),
    ("Thinking", thinking),
    ("Speaking", speaking),
    ("Speaking, all there", spoken),
];

pub const TURN_EVENTS: [Named; 29] = [
    ("press", press),
    ("release, and its tail", |rig| {
        release(rig);
        silence(rig, 15);
    }),
    ("1.2 s of silence", |rig| silence(rig, 60)),
    ("the gate opens, speech", |rig| {
        gate(rig, true);
        rig.chunk(true);
    }),
    ("the gate closes", |rig| gate(rig, false)),
    ("speech is suspected", suspected),
    ("suspected, dismissed", |rig| {
        suspected(rig);
        let listen = rig.listen;
        rig.input(Input::Microphone(MicrophoneInput::Dismissed { listen }));
    }),
    ("suspected, confirmed", |rig| {
        suspected(rig);
        let listen = rig.listen;
        rig.input(Input::Microphone(MicrophoneInput::Confirmed { listen }));
    }),
    ("sound of an answer", sound),
    ("generationComplete", |rig| content(rig, json!({ "generationComplete": true }))),
    ("turnComplete", |rig| content(rig, json!({ "turnComplete": true }))),
    ("turnComplete, IN_PROGRESS", |rig| {
        content(rig, json!({ "turnComplete": true, "interactionStatus": "IN_PROGRESS" }));
    }),
    ("interrupted", |rig| content(rig, json!({ "interrupted": true }))),
    ("a tool call", |rig| {
        rig.says(&json!({ "toolCall": { "functionCalls": [{ "id": "id-1", "name": "lamp", "args": {} }] } }));
    }),
    ("a tool call and its result", |rig| {
        rig.says(&json!({ "toolCall": { "functionCalls": [{ "id": "id-1", "name": "lamp", "args": {} }] } }));
        rig.input(Input::ToolResult(ToolResult { id: "id-1".to_owned(), outcome: Ok(Map::new()) }));
    }),
    ("heard to its end", heard),
    ("its time is over", |rig| {
        if let Some(due) = rig.conversation.poll_timeout() {
            rig.pass(due - rig.now);
        }
    }),
    ("goAway, 50 s", |rig| rig.says(&json!({ "goAway": { "timeLeft": "50s" } }))),
    ("goAway, no time left", |rig| rig.says(&json!({ "goAway": { "timeLeft": "0s" } }))),
    ("the link is lost", |rig| closed(rig, 1006, "")),
    ("refused for good", |rig| closed(rig, 1007, "API key not valid")),
    ("the microphone is lost", |rig| rig.input(Input::Microphone(MicrophoneInput::Lost))),
    ("the microphone is switched off", |rig| rig.input(Input::Muted(true))),
    ("stop", |rig| rig.input(Input::Stop)),
    ("a press is taken back", |rig| rig.input(Input::TakeBack)),
    ("the speaker is lost", |rig| rig.input(Input::Speaker(SpeakerInput::Lost))),
    ("mode hold", |rig| rig.input(Input::Mode(hold()))),
    ("mode open", |rig| rig.input(Input::Mode(open()))),
    ("the end", |rig| rig.input(Input::Shutdown)),
];
