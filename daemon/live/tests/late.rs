//! Results of tools whose calls died with their link: told, and told again where the next link died before the model answered.
#![allow(clippy::disallowed_methods)]

mod rig;

use std::time::Duration;

use pressel_live::event::{Action, ButtonInput, Input, LinkInput, SpeakerInput, ToolResult};
use pressel_live::settings::{OpenStart, Settings, TalkMode};
use rig::{Rig, hold};
use serde_json::json;

const MS: fn(u64) -> Duration = Duration::from_millis;
/// One that is told by turns, and one by text that it always answers.
const MODELS: [&str; 2] = ["gemini-3.8-live", "gemini-3.1-flash-live-preview"];

/// The lamp was called for on a link that is gone; on the next one something else was asked and answered, and then the lamp
/// was done.
fn done_late(model: &str) -> Rig {
    let tools = vec![json!({ "functionDeclarations": [{ "name": "lamp" }] })];
    let mut rig = Rig::new(Settings { model: model.to_owned(), tools, ..rig::settings(hold()) }, true);
    asks(&mut rig);
    rig.says(&json!({ "serverContent": { "inputTranscription": { "text": "Light the lamp." } } }));
    calls(&mut rig, "id-1", "lamp");
    answers(&mut rig);
    lose_link(&mut rig);
    asks(&mut rig);
    answers(&mut rig);
    assert_eq!(told(&rig), 0);
    finishes(&mut rig, "id-1");
    assert_eq!(told(&rig), 1, "{model}");
    rig
}

fn asks(rig: &mut Rig) {
    rig.obliging = true;
    rig.input(Input::Button(ButtonInput::Press));
    rig.pass(MS(700)); // a link comes up
    rig.chunk(true);
    rig.input(Input::Button(ButtonInput::Release));
    rig.pass(MS(600));
    rig.obliging = false;
}

/// Something is asked of a server that is far away: it has heard nothing of it yet.
fn asks_afar(rig: &mut Rig) {
    let pings = |rig: &Rig| rig.done.iter().filter(|action| matches!(action, Action::Ping { .. })).count();
    let before = pings(rig);
    rig.input(Input::Button(ButtonInput::Press));
    rig.chunk(true);
    rig.input(Input::Button(ButtonInput::Release));
    while pings(rig) == before {
        rig.pass(MS(10));
    }
}

/// So much later, in ms, the server has heard everything.
fn pongs(rig: &mut Rig, ms: u64) {
    rig.pass(MS(ms));
    rig.input(Input::Link(rig.link, LinkInput::Pong));
}

fn calls(rig: &mut Rig, id: &str, name: &str) {
    rig.says(&json!({ "toolCall": { "functionCalls": [{ "id": id, "name": name, "args": {} }] } }));
}

fn finishes(rig: &mut Rig, id: &str) {
    let outcome = Ok([("output".to_owned(), json!("it is lit"))].into_iter().collect());
    rig.input(Input::ToolResult(ToolResult { id: id.to_owned(), outcome }));
}

fn answers(rig: &mut Rig) {
    speaks(rig);
    // The server holds all of it.
    rig.says(&json!({ "sessionResumptionUpdate": { "newHandle": "a-handle", "resumable": true } }));
}

fn speaks(rig: &mut Rig) {
    let parts = json!([{ "inlineData": { "mimeType": "audio/pcm;rate=24000", "data": "AQAB".repeat(600) } }]);
    rig.says(&json!({ "serverContent": { "modelTurn": { "parts": parts } } }));
    rig.says(&json!({ "serverContent": { "generationComplete": true, "turnComplete": true } }));
    let newest = |action: &Action| match action {
        Action::Play { turn, .. } => Some(*turn),
        _ => None,
    };
    let turn = rig.done.iter().filter_map(newest).max().unwrap();
    rig.input(Input::Speaker(SpeakerInput::Drained { turn }));
}

fn lose_link(rig: &mut Rig) {
    rig.obliging = true;
    rig.input(Input::Link(rig.link, LinkInput::Closed { code: 1006, reason: String::new() }));
    rig.pass(MS(5000));
    rig.obliging = false;
}

/// How often servers were told what the lamp did.
fn told(rig: &Rig) -> usize {
    let tells = |action: &&Action| match action {
        Action::Send { message, .. } => message.contains("it is lit"),
        _ => false,
    };
    rig.done.iter().filter(tells).count()
}

/// How often a tool was begun.
fn runs(rig: &Rig) -> usize {
    rig.done.iter().filter(|action| matches!(action, Action::CallTool { .. })).count()
}

#[test]
fn what_a_link_may_not_have_heard_is_told_to_the_next_one_and_to_no_third() {
    for model in MODELS {
        let mut rig = done_late(model);
        lose_link(&mut rig);
        asks(&mut rig);
        answers(&mut rig);
        assert_eq!(told(&rig), 2, "{model}: its link died before the model said anything");
        lose_link(&mut rig);
        asks(&mut rig);
        answers(&mut rig);
        assert_eq!(told(&rig), 2, "{model}: two links are enough");
    }
}

#[test]
fn what_was_answered_is_not_told_again() {
    for model in MODELS {
        let mut rig = done_late(model);
        answers(&mut rig);
        lose_link(&mut rig);
        asks(&mut rig);
        answers(&mut rig);
        assert_eq!(told(&rig), 1, "{model}");
    }
}

#[test]
fn a_model_that_calls_for_the_same_again_when_it_is_told_has_nothing_done_twice() {
    let open = TalkMode::Open { start: OpenStart::Press, idle: None };
    for model in MODELS {
        let tools = vec![json!({ "functionDeclarations": [{ "name": "lamp" }, { "name": "bell" }] })];
        let mut rig = Rig::new(Settings { model: model.to_owned(), tools, ..rig::settings(open) }, true);
        rig.input(Input::Button(ButtonInput::Press));
        rig.obliging = false;
        calls(&mut rig, "id-1", "bell");
        calls(&mut rig, "id-2", "lamp");
        rig.input(Input::ToolResult(ToolResult {
            id: "id-1".to_owned(),
            outcome: Ok(serde_json::Map::new()),
        }));
        rig.input(Input::TakeBack); // nobody waits for the rest of the answer
        lose_link(&mut rig);
        finishes(&mut rig, "id-2");
        assert_eq!((told(&rig), runs(&rig)), (1, 2), "{model}");
        calls(&mut rig, "id-3", "bell");
        assert_eq!(runs(&rig), 2, "{model}");
    }
}

#[test]
fn calls_that_meet_the_next_words_on_the_way_are_of_those_before() {
    for model in MODELS {
        let tools = vec![json!({ "functionDeclarations": [{ "name": "lamp" }, { "name": "bell" }] })];
        let mut rig = Rig::new(Settings { model: model.to_owned(), tools, ..rig::settings(hold()) }, true);
        asks(&mut rig);
        asks_afar(&mut rig);
        pongs(&mut rig, 300);
        rig.says(&json!({ "serverContent": { "inputTranscription": { "text": "Light the lamp." } } }));
        for (id, name) in [("id-1", "lamp"), ("id-2", "bell")] {
            calls(&mut rig, id, name);
            finishes(&mut rig, id);
        }
        lose_link(&mut rig); // the next one is asked for the rest
        asks_afar(&mut rig);
        calls(&mut rig, "id-3", "lamp");
        calls(&mut rig, "id-4", "bell");
        assert_eq!(runs(&rig), 2, "{model}: called for before the server heard anything new");
        pongs(&mut rig, 300);
        calls(&mut rig, "id-5", "lamp");
        assert_eq!(runs(&rig), 3, "{model}: it is wanted again");
    }
}

#[test]
fn a_slow_pong_does_not_have_the_same_words_done_twice() {
    for model in MODELS {
        let tools = vec![json!({ "functionDeclarations": [{ "name": "lamp" }] })];
        let settings = Settings { transcribe_input: false, ..rig::settings(hold()) };
        let mut rig = Rig::new(Settings { model: model.to_owned(), tools, ..settings }, true);
        asks(&mut rig);
        asks_afar(&mut rig);
        pongs(&mut rig, 2000);
        speaks(&mut rig); // no handle holds it
        asks_afar(&mut rig);
        pongs(&mut rig, 300);
        calls(&mut rig, "id-1", "lamp");
        finishes(&mut rig, "id-1");
        rig.input(Input::Link(rig.link, LinkInput::Closed { code: 1006, reason: String::new() }));
        rig.pass(MS(3000));
        rig.input(Input::Link(rig.link, LinkInput::Opened));
        rig.says(&json!({ "setupComplete": {} }));
        rig.pass(MS(1300)); // what was said went up again
        calls(&mut rig, "id-2", "lamp");
        assert_eq!(runs(&rig), 1, "{model}");
    }
}

#[test]
fn what_a_link_may_not_have_heard_is_told_though_the_note_for_the_next_has_no_room_for_it() {
    let tools = vec![json!({ "functionDeclarations": [{ "name": "lamp" }] })];
    let settings = rig::settings(hold());
    let settings =
        Settings { model: MODELS[0].to_owned(), tools, recap: true, recap_max_chars: 1, ..settings };
    let mut rig = Rig::new(settings, true);
    asks(&mut rig);
    rig.says(&json!({ "serverContent": { "inputTranscription": { "text": "Light the lamp." } } }));
    calls(&mut rig, "id-1", "lamp");
    speaks(&mut rig);
    for _ in 0..2 {
        lose_link(&mut rig);
        asks(&mut rig);
        speaks(&mut rig);
        if told(&rig) == 0 {
            finishes(&mut rig, "id-1");
            assert_eq!(told(&rig), 1);
        }
    }
    assert_eq!(told(&rig), 2);
}
