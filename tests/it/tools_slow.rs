//! A tool that takes its time: it blocks neither the talk nor the button, on any model.

use std::fs;
use std::process::Command;
use std::time::Duration;

use fake_gemini::{Script, Turn};
use serde_json::json;
use tests::stage::{Happened, Setting};

use crate::scene::{Scene, WAIT, messages, setting};
use crate::tools::{Bench, until, with_word};

/// Questions that are asked and answered meanwhile.
const TURNS: u64 = 4;
/// From a press to the light, on a machine that is busy with other things.
const LIGHT: Duration = Duration::from_millis(250);

/// Whether what the tool finds is told: where what a person says cancels the call, it is not.
fn meanwhile(model: &str, is_told: bool) {
    let bench = Bench::new();
    // It ends when the test lets it, and not before: nobody has to wait for a minute to see what a minute would do.
    let (gate, tool) = (bench.path("gate"), bench.path("slow"));
    assert!(Command::new("mkfifo").arg(&gate).status().unwrap().success());
    let script = format!("read -r words < {} && echo \"$words\"", gate.display());
    let head = "timeout_s = 120\non_cancel = \"finish\"";
    bench.tool("slow", &script, head, &format!("read = [\"{}\"]", gate.display()));
    let at_work = || with_word(tool.to_str().unwrap()) > 0;

    let quick = |seed: u64| Turn { think_ms: Some(10), ..Turn::noise(300, seed) };
    let script = Script { rest: quick(2), ..Script::default() };
    let script = script.turn(quick(1).call("slow", json!({})));
    let live = format!("model = \"{model}\"");
    let scene = Scene::set(Setting { live, ..setting("hold", &bench.config(), script) });
    scene.ask("question-lamp");
    until("it is at work", WAIT, at_work);
    for turn in 0..TURNS {
        let mark = scene.remote.mark();
        let pressed = scene.ask("question-time").pressed.start;
        let lit = Duration::from_nanos(scene.phase(mark, "listening").at_ns - pressed);
        assert!(lit < LIGHT, "{model}, {turn}: the light shows a press after {lit:?}");
        let speaking = scene.phase(mark, "speaking").at_ns;
        let over = |event: &Happened| event.at_ns > speaking && event.name == "phase";
        scene.remote.wait(mark, WAIT, over).unwrap();
        assert!(at_work(), "{model}, {turn}: it should still be at work");
    }
    let answers = messages(&scene.server.events(), "activityEnd").count() as u64;
    assert_eq!(answers, TURNS + 1, "{model}: every question was heard");

    fs::write(&gate, "45 Nm\n").unwrap();
    let told = || {
        let events = scene.server.events();
        let of = |name| messages(&events, name).filter(|(_, m)| m.to_string().contains("45 Nm")).count();
        of("toolResponse") + of("clientContent") + of("text")
    };
    if is_told {
        until("what it found is told", WAIT, || told() == 1);
    } else {
        until("it ends", WAIT, || !at_work());
    }
    assert_eq!(told(), usize::from(is_told), "{model}");
    scene.end();
}

#[test]
fn a_tool_that_takes_long_holds_up_neither_talk_nor_button() {
    meanwhile("gemini-3.8-live-extended-thinking", true);
    meanwhile("gemini-3.1-flash-live-preview", true);
}

#[test]
fn a_tool_whose_call_speech_cancels_may_finish_beside_the_talk() {
    meanwhile("gemini-3.8-live", false);
    meanwhile("gemini-2.5-flash-native-audio-latest", false);
}
