//! Tools that need a person's consent, and calls that are not wanted any more, through the whole daemon.

mod gate;

use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use fake_gemini::{Fault, Rule, Script, Turn, When};
use pressel_world::card::Direction;
use serde_json::json;
use tests::stage::STAGES_OFF;

use crate::scene::{Scene, WAIT, messages};
use crate::tools::{Bench, calls, until, with_word};
use gate::{DOUBLE, Gate, asks_for_the_gate, gestures, wired};

#[test]
fn who_agrees_once_the_question_was_heard_has_it_done_once_on_every_model() {
    for model in [
        "gemini-3.8-live",
        "gemini-3.8-live-extended-thinking",
        "gemini-3.1-flash-live-preview",
        "gemini-2.5-flash-native-audio-latest",
    ] {
        let gate = Gate::new("button");
        let scene = gate.scene(&gestures(DOUBLE), model, asks_for_the_gate());
        let mark = scene.remote.mark();
        scene.wants_the_gate();
        let speaking = scene.phase(mark, "speaking");
        let asking = scene.asked(mark);
        let heard_ms = (asking.at_ns - speaking.at_ns) / 1_000_000;
        assert!((1400..3000).contains(&heard_ms), "{model}: asked {heard_ms} ms after its first sound");
        assert_eq!(gate.ran(), [""; 0]);
        scene.presses(0, 2);
        scene.until_text("the gate is open");
        assert_eq!(gate.ran(), ["north"], "{model}");
        let responses = scene.responses();
        assert_eq!(responses.len(), 1, "{model}: {responses:?}");
        assert_eq!(responses[0]["response"]["status"], "needs_consent");
        let say = "Shall I open the gate? Press the button twice to agree.";
        assert_eq!(responses[0]["response"]["say"], say);
        assert_eq!(gate.log(), [("done".to_owned(), json!("double"))], "{model}");
        // The model tells, and nothing is left of it.
        let mark = scene.remote.mark();
        scene.remote.wait(mark, WAIT, |e| e.is_phase("idle")).unwrap();
        scene.presses(0, 2);
        scene.pass(500);
        assert_eq!(gate.ran().len(), 1, "{model}: once");
        scene.end();
    }
}

#[test]
fn what_is_pressed_before_the_question_was_heard_is_no_consent() {
    let gate = Gate::new("button");
    let scene = gate.scene(&gestures(DOUBLE), "gemini-3.8-live", asks_for_the_gate());
    let mark = scene.remote.mark();
    scene.wants_the_gate();
    scene.phase(mark, "speaking");
    scene.pass(300);
    let mark = scene.remote.mark();
    scene.presses(0, 2);
    scene.phase(mark, "listening"); // talk
    scene.until_text("the person did not agree");
    scene.presses(0, 2);
    scene.pass(1000);
    assert_eq!(gate.ran(), [""; 0]);
    assert_eq!(gate.log(), [("refused".to_owned(), json!("refused"))]);
    let asked = scene.remote.events().into_iter().any(|e| e.is_phase("asking"));
    assert!(!asked, "nobody was asked to the end");
    scene.end();
}

#[test]
fn a_plain_press_is_talk_and_refuses_and_so_is_a_program_s_double_press() {
    let gate = Gate::new("button");
    let script = asks_for_the_gate();
    let again = script.turns[0].clone();
    let scene = gate.scene(&gestures(DOUBLE), "gemini-3.8-live", script.turn(again));
    let mark = scene.remote.mark();
    scene.wants_the_gate();
    scene.asked(mark);
    let mark = scene.remote.mark();
    scene.wants_the_gate();
    scene.phase(mark, "listening");
    scene.until_text("the person did not agree");
    scene.asked(mark);
    for _ in 0..2 {
        scene.press();
        scene.release();
    }
    until("refused twice", WAIT, || gate.log().len() == 2);
    assert_eq!(gate.log(), vec![("refused".to_owned(), json!("refused")); 2]);
    assert_eq!(gate.ran(), [""; 0]);
    scene.end();
}

#[test]
fn a_model_that_says_the_person_agreed_has_nothing_done() {
    let gate = Gate::new("button");
    let turn = Turn { words: Some("The person agreed, I open the gate.".into()), ..Turn::noise(300, 3) };
    let turn = turn.call("gate", json!({ "what": "south" }));
    let script = asks_for_the_gate();
    let rule = Rule::new(When::TurnComplete, Fault::Speak(Box::new(turn))).on_turn(1);
    let scene = gate.scene(&gestures(DOUBLE), "gemini-2.5-flash-native-audio-latest", script.fault(rule));
    let mark = scene.remote.mark();
    scene.wants_the_gate();
    scene.received("toolResponse", 2);
    let told = &scene.responses()[1]["response"]["error"];
    assert!(told.as_str().is_some_and(|told| told.contains("open already")), "{told}");
    scene.asked(mark);
    assert_eq!(gate.ran(), [""; 0]);
    // The gesture is about the call that was asked about, with its own arguments.
    scene.presses(0, 2);
    scene.until_text("the gate is open");
    assert_eq!(gate.ran(), ["north"]);
    let expected = [("refused".to_owned(), json!("withdrawn")), ("done".to_owned(), json!("double"))];
    assert_eq!(gate.log(), expected);
    scene.end();
}

#[test]
fn where_the_model_says_nothing_the_device_asks_and_a_held_button_agrees() {
    let gate = Gate::new("hold");
    let turn = Turn { think_ms: Some(10), audio: false, transcript: false, ..Turn::default() };
    let script = Script { rest: Turn::noise(300, 2), ..Script::default() };
    let script = script.turn(turn.call("gate", json!({ "what": "north" })));
    let mut setting = wired(&gate.bench, &gestures("press talk, long 2 consent"), "gemini-3.8-live", script);
    setting.stages = STAGES_OFF.replace("[phrases]\non = false", "[phrases]\non = true\nfolder = \"\"");
    let scene = Scene::set(setting);
    let mark = scene.remote.mark();
    scene.wants_the_gate();
    let told = scene.told(mark, "line");
    assert_eq!(told.value["line"], "consent-hold");
    let asking = scene.asked(mark);
    let motif_ms = (asking.at_ns - told.at_ns) / 1_000_000;
    assert!((400..3000).contains(&motif_ms), "asked {motif_ms} ms after its own line began");
    scene.line_is("0 down");
    scene.pass(2300);
    scene.line_is("0 up");
    scene.until_text("the gate is open");
    assert_eq!((gate.ran().len(), gate.log()), (1, vec![("done".to_owned(), json!("hold"))]));
    scene.end();
}

#[test]
fn nobody_in_ten_seconds_is_no() {
    let gate = Gate::new("button");
    let lines = "lines = \"ok GPIO5\"\ngestures = \"press talk, ok press consent\"";
    let scene = gate.scene(lines, "gemini-3.1-flash-live-preview", asks_for_the_gate());
    let mark = scene.remote.mark();
    scene.wants_the_gate();
    let asking = scene.asked(mark);
    let thinking = scene.remote.wait(mark, WAIT, |e| e.at_ns > asking.at_ns && e.name == "phase").unwrap();
    let asked_ms = (thinking.at_ns - asking.at_ns) / 1_000_000;
    assert!((9_900..11_000).contains(&asked_ms), "asked for {asked_ms} ms");
    scene.presses(1, 1);
    scene.until_text("nobody agreed within 10 s");
    assert_eq!((gate.ran().len(), gate.log()), (0, vec![("refused".to_owned(), json!("timed-out"))]));
    scene.end();
}

#[test]
fn a_lost_link_leaves_the_question_and_its_answer_goes_to_the_next_one() {
    let gate = Gate::new("button");
    let lines = "lines = \"ok GPIO5\"\ngestures = \"press talk, ok press consent\"";
    let rule = Rule::new(When::TurnComplete, Fault::Wait { ms: 1500 }).and(Fault::Cut).on_turn(1);
    let scene = gate.scene(lines, "gemini-2.5-flash-native-audio-latest", asks_for_the_gate().fault(rule));
    let mark = scene.remote.mark();
    scene.wants_the_gate();
    scene.asked(mark);
    scene.told(mark, "link_down");
    scene.presses(1, 1);
    scene.until_text("the gate is open");
    assert_eq!((gate.ran().len(), gate.log()), (1, vec![("done".to_owned(), json!("line"))]));
    scene.end();
}

#[test]
fn stop_and_mute_end_a_question() {
    const MUTE: &str = "[mute]\nkind = \"gpio\"\n";
    let gate = Gate::new("button");
    let script = asks_for_the_gate();
    let again = script.turns[0].clone();
    let lines = "lines = \"red GPIO5\"\ngestures = \"press talk, double consent, red press stop\"";
    let mut setting = wired(&gate.bench, lines, "gemini-3.8-live", script.turn(again));
    setting.config += MUTE;
    let scene = Scene::set(setting);
    scene.line_is("mute found");
    scene.line_is("mute down");
    until("not muted", WAIT, || scene.remote.status().unwrap()["muted"] == false);
    for command in ["1 down", "mute up"] {
        let mark = scene.remote.mark();
        scene.wants_the_gate();
        scene.asked(mark);
        let before = gate.log().len();
        scene.line_is(command);
        until("withdrawn", WAIT, || gate.log().len() > before);
        scene.presses(0, 2);
    }
    assert_eq!(gate.log(), vec![("refused".to_owned(), json!("withdrawn")); 2]);
    assert_eq!(gate.ran(), [""; 0]);
    scene.end();
}

#[test]
fn a_loudspeaker_that_is_pulled_out_of_the_question_ends_it() {
    let gate = Gate::new("button");
    let scene = gate.scene(&gestures(DOUBLE), "gemini-3.8-live", asks_for_the_gate());
    let mark = scene.remote.mark();
    scene.wants_the_gate();
    scene.phase(mark, "speaking");
    scene.pass(300);
    scene.card.unplug(Direction::Playback);
    until("withdrawn", WAIT, || gate.log().len() == 1);
    scene.card.replug(Direction::Playback);
    scene.presses(0, 2);
    scene.until_text("nobody can be asked");
    assert_eq!((gate.ran().len(), gate.log()), (0, vec![("refused".to_owned(), json!("withdrawn"))]));
    let asked = scene.remote.events().into_iter().any(|e| e.is_phase("asking"));
    assert!(!asked, "nobody heard it to the end");
}

#[test]
fn a_tool_that_nobody_can_agree_to_is_found_and_not_offered() {
    let gate = Gate::new("hold");
    gate.bench.tool("lamp", "echo on", "", "");
    let scene =
        Scene::set(wired(&gate.bench, &gestures(DOUBLE), "gemini-3.8-live", calls("lamp", json!({}))));
    let mark = scene.remote.mark();
    scene.wants_the_gate();
    scene.answered(mark);
    let events = scene.server.events();
    let (_, setup) = messages(&events, "setup").next().unwrap();
    let declared = setup["setup"]["tools"][0]["functionDeclarations"].as_array().unwrap();
    assert!(declared.len() == 1 && declared[0]["name"] == "lamp", "{setup}");
    assert!(scene.log().contains("has no gesture on this device"), "{}", scene.log());
    scene.end();
    let (code, out, _) = gate.bench.pressel(&["check"]);
    assert_eq!(code, Some(1), "{out}");
    let told = "gate.toml: confirm = \"hold\" has no gesture on this device";
    assert!(out.contains(told) && out.contains("\"long 2 consent\""), "{out}");
}

/// A tool that runs until it is stopped, whatever asks for it to be.
#[track_caller]
fn ends(on_cancel: &str, stop: impl FnOnce(&mut Scene), expected: &str) {
    let bench = Bench::new();
    static NUMBER: AtomicU32 = AtomicU32::new(1);
    let word = format!("7{}{:010}", NUMBER.fetch_add(1, Ordering::Relaxed), std::process::id());
    let head = format!("on_cancel = \"{on_cancel}\"");
    bench.tool("wait", &format!("setsid sleep {word} & sleep {word}"), &head, "");
    let lines = "lines = \"red GPIO5\"\ngestures = \"press talk, double new-talk, red press stop\"";
    let turn = Turn { think_ms: Some(10), ..Turn::noise(300, 1) };
    let script = Script::default().turn(turn.call("wait", json!({})));
    let mut scene = Scene::set(wired(&bench, lines, "gemini-3.8-live", script));
    scene.wants_the_gate();
    until("two sleep", WAIT, || with_word(&word) == 2);
    stop(&mut scene);
    if expected == "killed" {
        let took = until("none is left", Duration::from_millis(500), || with_word(&word) == 0);
        eprintln!("dead after {took:?}");
    } else {
        scene.pass(1000);
        assert_eq!(with_word(&word), 2, "it goes on");
        assert!(std::process::Command::new("pkill").args(["-f", &word]).status().unwrap().success());
    }
    let kept = if expected == "killed" { "wait  cancelled" } else { "  cancelled after " };
    until("it is on record", WAIT, || bench.pressel(&["log"]).1.contains(kept));
    assert!(scene.responses().is_empty(), "nothing is sent for it");
}

#[test]
fn stop_new_talk_and_the_end_stop_a_tool_with_all_its_children() {
    ends("kill", |scene| scene.line_is("1 down"), "killed");
    ends("kill", |scene| scene.presses(0, 2), "killed");
    ends("kill", |scene| assert_eq!(scene.daemon.stop().unwrap().0, Some(0)), "killed");
}

#[test]
fn what_must_not_stop_half_way_goes_on() {
    ends("finish", |scene| scene.line_is("1 down"), "goes on");
}

#[test]
fn talk_stops_nothing_that_somebody_agreed_to_and_its_result_waits_for_the_end_of_it() {
    let gate = Gate::new("button");
    let program = gate.bench.path("gate");
    let slow = fs::read_to_string(&program).unwrap().replace("#!/bin/sh\n", "#!/bin/sh\nsleep 3\n");
    fs::write(&program, slow).unwrap();
    let scene = gate.scene(&gestures(DOUBLE), "gemini-3.8-live", asks_for_the_gate());
    let mark = scene.remote.mark();
    scene.wants_the_gate();
    scene.asked(mark);
    scene.presses(0, 2);
    let mark = scene.remote.mark();
    scene.wants_the_gate(); // the question of the recording is another one
    scene.answered(mark);
    scene.until_text("the gate is open");
    assert_eq!((gate.ran().len(), gate.log()), (1, vec![("done".to_owned(), json!("double"))]));
    scene.end();
}
