//! What of a model's words is the question, and when all of it was heard.

use pressel_live::event::{Action, ButtonInput, Decision, Input, Line, MicrophoneInput, Phase};
use pressel_live::settings::{OpenStart, TalkMode};
use serde_json::json;

use crate::rig::{PROFILES, Rig, gated};
use crate::scene::{MS, Scene, decisions};

#[test]
fn what_was_said_before_the_question_is_not_the_question() {
    let mut scene = Scene::new(PROFILES[1]);
    scene.sound(); // "Let me see."
    scene.due("id-1");
    scene.says();
    scene.heard();
    scene.agrees();
    assert_eq!(scene.rig.runs, [""; 0], "the question was not heard yet");
    assert_ne!(scene.rig.shown(), Some(Phase::Asking));
    scene.says();
    scene.heard();
    scene.agrees();
    assert_eq!(scene.rig.runs, ["id-1"]);
}

#[test]
fn what_else_is_said_does_not_give_more_time() {
    let mut scene = Scene::new(PROFILES[0]).asked();
    scene.rig.pass(MS(9000));
    scene.says();
    scene.rig.pass(MS(500));
    scene.heard();
    assert_eq!(scene.rig.shown(), Some(Phase::Asking));
    scene.rig.pass(MS(499));
    assert_eq!(decisions(&scene.rig), []);
    scene.rig.pass(MS(1));
    assert_eq!(decisions(&scene.rig), [Decision::TimedOut]);
    scene.agrees();
    assert_eq!(scene.rig.runs, [""; 0]);
}

#[test]
fn who_had_their_time_is_not_asked_again_by_the_light() {
    let mut scene = Scene::new(PROFILES[0]).asked();
    scene.rig.pass(MS(9000));
    scene.sound();
    scene.rig.pass(MS(2000));
    scene.rig.says(&json!({ "serverContent": { "generationComplete": true, "turnComplete": true } }));
    let before = scene.rig.done.len();
    scene.heard();
    assert_eq!(decisions(&scene.rig), [Decision::TimedOut]);
    let asks = |action: &Action| matches!(action, Action::Ask(Some(_)) | Action::Show(Phase::Asking));
    assert!(!scene.rig.done[before..].iter().any(asks), "it flashed");
}

#[test]
fn a_word_before_another_call_is_not_the_question() {
    let mut scene = Scene::new(PROFILES[4]);
    scene.due("id-1");
    scene.sound(); // "Let me see."
    scene
        .rig
        .says(&json!({ "toolCall": { "functionCalls": [{ "id": "id-2", "name": "lamp", "args": {} }] } }));
    scene.finishes("id-2");
    scene.rig.says(&json!({ "serverContent": { "turnComplete": true } })); // before the answer's own turn
    scene.heard();
    assert_ne!(scene.rig.shown(), Some(Phase::Asking));
    scene.agrees();
    assert_eq!(scene.rig.runs, [""; 0]);
    scene.says();
    scene.heard();
    scene.agrees();
    assert_eq!(scene.rig.runs, ["id-1"]);
}

#[test]
fn a_model_that_says_late_that_it_was_all_has_asked() {
    let mut scene = Scene::new(PROFILES[1]);
    scene.due("id-1");
    let status = |of: &str| json!({ "serverContent": { "interactionStatus": of, "turnComplete": true } });
    scene.rig.says(&status("IN_PROGRESS"));
    scene.sound();
    scene.rig.says(&json!({ "serverContent": { "generationComplete": true } }));
    scene.heard();
    scene.agrees();
    assert_eq!((scene.rig.shown(), scene.rig.runs.len()), (Some(Phase::Thinking), 0), "more may come");
    scene.rig.says(&status("IDLE"));
    assert_eq!(scene.rig.shown(), Some(Phase::Asking));
    scene.agrees();
    assert_eq!(scene.rig.runs, ["id-1"]);
}

#[test]
fn a_model_that_has_more_to_say_has_not_asked_though_it_ends_without_a_word() {
    let status = |of: &str| json!({ "serverContent": { "interactionStatus": of, "turnComplete": true } });
    for before in [true, false] {
        let mut scene = Scene::new(PROFILES[1]);
        scene.due("id-1");
        scene.rig.says(&status("IN_PROGRESS"));
        scene.sound(); // "Let me see."
        scene.rig.says(&json!({ "serverContent": { "generationComplete": true } }));
        if before {
            scene.rig.says(&status("IN_PROGRESS"));
        }
        scene.heard();
        if !before {
            scene.rig.says(&status("IN_PROGRESS"));
        }
        scene.rig.says(&status("IDLE"));
        assert_ne!(scene.rig.shown(), Some(Phase::Asking));
        scene.agrees();
        assert_eq!(scene.rig.runs, [""; 0]);
    }
}

#[test]
fn a_word_that_is_still_being_heard_when_the_model_ends_without_another_is_no_question() {
    let status = |of: &str| json!({ "serverContent": { "interactionStatus": of, "turnComplete": true } });
    let mut scene = Scene::new(PROFILES[1]);
    scene.due("id-1");
    scene.sound(); // "Let me see."
    scene.rig.says(&status("IN_PROGRESS"));
    scene.rig.says(&json!({ "serverContent": { "generationComplete": true } }));
    scene.rig.says(&status("IDLE"));
    scene.heard();
    assert_ne!(scene.rig.shown(), Some(Phase::Asking));
    scene.agrees();
    assert_eq!(scene.rig.runs, [""; 0]);
    scene.rig.pass(MS(5000)); // the device asks
    scene.heard();
    scene.agrees();
    assert_eq!(scene.rig.runs, ["id-1"]);
}

#[test]
fn a_question_that_another_call_holds_up_is_no_silence() {
    let mut scene = Scene::new(PROFILES[1]);
    scene.calls("id-2");
    scene.due("id-1");
    let signs = |scene: &Scene| {
        scene.rig.done.iter().filter(|action| matches!(action, Action::Tell(Line::Working))).count()
    };
    scene.rig.pass(MS(1200));
    assert_eq!(signs(&scene), 1);
    scene.says();
    scene.heard();
    scene.rig.pass(MS(9000));
    assert_eq!(
        (scene.rig.shown(), signs(&scene)),
        (Some(Phase::Asking), 1),
        "the light says what is waited for"
    );
}

#[test]
fn in_an_open_talk_nobody_is_told_to_wait_while_they_speak() {
    let mut rig = Rig::new(gated(PROFILES[0], TalkMode::Open { start: OpenStart::Press, idle: None }), true);
    rig.input(Input::Button(ButtonInput::Press));
    rig.pass(MS(600));
    rig.obliging = false;
    let mut scene = Scene { rig };
    scene.calls("id-1");
    let mut scene = scene.asked();
    scene.agrees();
    let signs = |scene: &Scene| {
        scene.rig.done.iter().filter(|action| matches!(action, Action::Tell(Line::Working))).count()
    };
    scene.rig.pass(MS(1200));
    assert_eq!(signs(&scene), 1);
    let listen = scene.rig.listen;
    scene.rig.input(Input::Microphone(MicrophoneInput::Opened { listen }));
    scene.rig.pass(MS(10_000));
    assert_eq!(signs(&scene), 1);
    scene.rig.input(Input::Microphone(MicrophoneInput::Closed { listen }));
    scene.rig.pass(MS(1200));
    assert_eq!(signs(&scene), 2);
}

#[test]
fn a_word_before_a_call_that_takes_its_time_is_not_the_question() {
    let status = |of: &str| json!({ "serverContent": { "interactionStatus": of, "turnComplete": true } });
    for finishes in [true, false] {
        let mut scene = Scene::new(PROFILES[1]);
        scene.due("id-1");
        scene.rig.says(&status("IN_PROGRESS"));
        scene.sound(); // "One moment."
        scene.rig.says(&json!({ "serverContent": { "generationComplete": true } }));
        scene.heard();
        scene.calls("id-2");
        if finishes {
            scene.finishes("id-2");
        }
        scene.rig.says(&status("IDLE"));
        assert_ne!(scene.rig.shown(), Some(Phase::Asking));
        scene.agrees();
        assert_eq!(scene.rig.runs, [""; 0]);
    }
}

#[test]
fn what_is_said_to_somebody_who_speaks_already_is_not_the_question() {
    let open = TalkMode::Open { start: OpenStart::Press, idle: None };
    let mut rig = Rig::new(gated(PROFILES[0], open), true);
    rig.input(Input::Button(ButtonInput::Press));
    rig.obliging = false;
    let listen = rig.listen;
    rig.input(Input::Microphone(MicrophoneInput::Opened { listen }));
    rig.chunk(true);
    let mut scene = Scene { rig };
    scene.calls("id-1");
    scene.due("id-1");
    scene.rig.input(Input::Microphone(MicrophoneInput::Closed { listen }));
    scene.says(); // the answer to what was said
    scene.heard();
    assert_ne!(scene.rig.shown(), Some(Phase::Asking));
    scene.rig.pass(MS(1)); // the device asks
    scene.heard();
    scene.agrees();
    assert_eq!(scene.rig.runs, ["id-1"]);
}
