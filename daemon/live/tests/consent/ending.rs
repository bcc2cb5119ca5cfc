//! What ends a question that stands, or what was agreed to.

use pressel_live::event::{
    Action, ButtonInput, Decision, Input, LinkInput, MicrophoneInput, Phase, SpeakerInput,
};
use pressel_live::settings::{OpenStart, TalkMode};
use serde_json::json;

use crate::rig::{PROFILES, Rig, gated};
use crate::scene::{MS, Scene, Stage, decisions};

#[test]
fn each_that_ends_a_question_ends_it_for_good() {
    use Decision::{Refused, Withdrawn};
    let stages: [Stage; 3] = [
        ("due", || {
            let mut scene = Scene::new(PROFILES[0]);
            scene.due("id-1");
            scene
        }),
        ("announced", || {
            let mut scene = Scene::new(PROFILES[0]);
            scene.due("id-1");
            scene.sound();
            scene
        }),
        ("asking", || Scene::new(PROFILES[0]).asked()),
    ];
    let ends: [(&str, Input, Decision, bool); 9] = [
        ("press", Input::Button(ButtonInput::Press), Refused, true),
        ("typed question", Input::Ask("what time is it?".to_owned()), Refused, true),
        ("stop", Input::Stop, Withdrawn, false), // told once they speak again
        ("mute", Input::Muted(true), Withdrawn, true),
        ("new talk", Input::Forget, Withdrawn, false),
        ("shutdown", Input::Shutdown, Withdrawn, false),
        ("speaker", Input::Speaker(SpeakerInput::Lost), Withdrawn, true),
        ("microphone", Input::Microphone(MicrophoneInput::Lost), Withdrawn, true),
        ("key", Input::Key(false), Withdrawn, true),
    ];
    for (stage, scene) in stages {
        for (end, input, decision, told) in &ends {
            let mut scene = scene();
            scene.rig.input(input.clone());
            scene.agrees();
            assert_eq!(decisions(&scene.rig), [*decision], "{stage}, {end}");
            assert_eq!((scene.rig.runs.len(), scene.rig.asked), (0, None), "{stage}, {end}");
            scene.rig.pass(MS(100));
            scene.agrees();
            assert_eq!(scene.rig.runs.len(), 0);
            if *told && stage == "asking" {
                assert!(scene.texts().iter().any(|text| text.contains("not done: ")), "{stage}, {end}");
            }
        }
    }
}

#[test]
fn in_an_open_talk_a_press_is_no_and_the_talk_goes_on() {
    let open = TalkMode::Open { start: OpenStart::Press, idle: Some(MS(60_000)) };
    let mut rig = Rig::new(gated(PROFILES[0], open), true);
    rig.input(Input::Button(ButtonInput::Press));
    rig.pass(MS(600));
    rig.obliging = false;
    rig.done.clear();
    let mut scene = Scene { rig };
    scene.calls("id-1");
    let mut scene = scene.asked();
    scene.rig.input(Input::Button(ButtonInput::Press));
    scene.agrees();
    assert_eq!((decisions(&scene.rig), scene.rig.runs.len()), (vec![Decision::Refused], 0));
    assert_eq!(scene.rig.shown(), Some(Phase::Listening), "the talk goes on");
    scene.rig.input(Input::Button(ButtonInput::Press));
    assert_eq!(scene.rig.shown(), Some(Phase::Idle));
}

#[test]
fn a_call_that_was_taken_back_is_neither_asked_nor_answered() {
    let mut scene = Scene::new(PROFILES[0]);
    scene.rig.says(&json!({ "toolCallCancellation": { "ids": ["id-1"] } }));
    scene.due("id-1");
    scene.says();
    scene.heard();
    scene.agrees();
    assert_eq!((decisions(&scene.rig), scene.responses("id-1").len()), (vec![Decision::Withdrawn], 0));
    let mut scene = Scene::new(PROFILES[0]).asked();
    scene.rig.says(&json!({ "toolCallCancellation": { "ids": ["id-1"] } }));
    scene.agrees();
    assert_eq!((decisions(&scene.rig), scene.rig.runs.len()), (vec![Decision::Withdrawn], 0));
}

#[test]
fn a_lost_link_leaves_the_question_and_a_torn_announcement_is_made_again() {
    let lost = || LinkInput::Closed { code: 1006, reason: String::new() };
    // Heard already: it stays open, and what comes of it is told to the next link.
    let mut scene = Scene::new(PROFILES[0]).asked();
    scene.rig.obliging = true;
    scene.rig.input(Input::Link(scene.rig.link, lost()));
    assert_eq!(scene.rig.shown(), Some(Phase::Asking));
    scene.rig.pass(MS(3000));
    scene.rig.obliging = false;
    scene.agrees();
    assert_eq!(scene.rig.runs, ["id-1"]);
    scene.finishes("id-1");
    assert!(scene.texts().last().unwrap().contains("gate is open"), "{:?}", scene.texts());
    // Torn in the middle: nobody has heard what they would agree to.
    let mut scene = Scene::new(PROFILES[0]);
    scene.due("id-1");
    scene.sound();
    scene.rig.input(Input::Link(scene.rig.link, lost()));
    scene.heard();
    scene.agrees();
    assert_eq!(scene.rig.runs, [""; 0]);
    scene.rig.pass(MS(5000));
    assert!(scene.rig.done.iter().any(|action| matches!(action, Action::AskAloud { .. })));
    scene.heard();
    scene.agrees();
    assert_eq!(scene.rig.runs, ["id-1"]);
}

/// A question of which nothing was said when its link was lost; the next one is up.
fn due_on_a_lost_link() -> Scene {
    let mut scene = Scene::new(PROFILES[0]);
    scene.due("id-1");
    scene.rig.obliging = true;
    scene.rig.input(Input::Link(scene.rig.link, LinkInput::Closed { code: 1006, reason: String::new() }));
    scene.rig.pass(MS(1000));
    scene.rig.obliging = false;
    scene
}

#[test]
fn what_the_next_link_says_is_no_question_before_it_was_told_to_ask() {
    let mut scene = due_on_a_lost_link();
    scene.says(); // "Sorry, I am back."
    scene.heard();
    assert_ne!(scene.rig.shown(), Some(Phase::Asking));
    scene.rig.pass(MS(1)); // the device asks
    scene.heard();
    assert_eq!(scene.rig.shown(), Some(Phase::Asking));
}

#[test]
fn a_call_that_the_next_link_makes_again_and_takes_back_is_not_asked_any_more() {
    let mut scene = due_on_a_lost_link();
    // Another id, the same call: it is answered from the record.
    let call = json!({ "id": "id-9", "name": "gate", "args": { "n": "id-1" } });
    scene.rig.says(&json!({ "toolCall": { "functionCalls": [call] } }));
    assert_eq!(scene.responses("id-9")[0]["response"]["status"], "needs_consent");
    scene.says();
    scene.heard();
    assert_eq!(scene.rig.shown(), Some(Phase::Asking));
    scene.rig.says(&json!({ "toolCallCancellation": { "ids": ["id-9"] } }));
    scene.agrees();
    assert_eq!((decisions(&scene.rig), scene.rig.runs.len()), (vec![Decision::Withdrawn], 0));
}

#[test]
fn stop_and_a_new_talk_stop_what_runs_and_a_press_does_not() {
    let running = |input: Input| {
        let mut scene = Scene::new(PROFILES[0]).asked();
        scene.agrees();
        scene.calls("id-2");
        scene.rig.done.clear();
        scene.rig.input(input);
        let stopped = |action: &Action| match action {
            Action::CancelTools { ids } => ids.clone(),
            _ => Vec::new(),
        };
        let mut ids: Vec<String> = scene.rig.done.iter().flat_map(stopped).collect();
        ids.sort();
        scene.finishes("id-1");
        scene.finishes("id-2");
        (ids.join(" "), scene.responses("id-2").len())
    };
    assert_eq!(running(Input::Stop), ("id-1 id-2".to_owned(), 0));
    assert_eq!(running(Input::Forget), ("id-1 id-2".to_owned(), 0));
    assert_eq!(running(Input::Shutdown), ("id-1 id-2".to_owned(), 0));
    assert_eq!(running(Input::Button(ButtonInput::Press)), (String::new(), 1));
    assert_eq!(running(Input::TakeBack), (String::new(), 1));
    assert_eq!(running(Input::Muted(true)), (String::new(), 1));
}
