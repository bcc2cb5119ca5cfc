//! Consent: nothing that needs it is run without, twice, or with another call's arguments, whatever happens.
#![allow(clippy::disallowed_methods)]

mod announcement;
mod ending;
#[path = "../rig/mod.rs"]
mod rig;
mod scene;

use pressel_live::event::{Action, AgreeBy, ConsentInput, Decision, Input, Phase};
use serde_json::json;

use crate::rig::PROFILES;
use crate::scene::{MS, Scene, decisions};

#[test]
fn who_agrees_to_what_was_heard_has_it_done_once_and_told_on_every_model() {
    for model in PROFILES {
        let mut scene = Scene::new(model).asked();
        let response = &scene.responses("id-1")[0]["response"];
        assert_eq!(response["status"], "needs_consent", "{model}");
        assert_eq!(response["say"], "Shall I open the gate?");
        scene.agrees();
        scene.agrees();
        assert_eq!(scene.rig.runs, ["id-1"], "{model}");
        assert_eq!(scene.rig.shown(), Some(Phase::Thinking));
        scene.finishes("id-1");
        let texts = scene.texts();
        assert!(texts.len() == 1 && texts[0].contains("gate is open"), "{model}: {texts:?}");
        assert_eq!(scene.responses("id-1").len(), 1, "{model}: its one response");
        scene.rig.let_go();
    }
}

#[test]
fn a_gesture_before_the_end_or_of_another_kind_does_not_count() {
    let mut scene = Scene::new(PROFILES[0]);
    scene.due("id-1");
    scene.agrees();
    scene.sound();
    scene.agrees();
    scene.says();
    scene.agrees();
    let early = scene.rig.now;
    scene.rig.pass(MS(100));
    scene.heard();
    let late = scene.rig.now;
    for (by, since) in [(AgreeBy::Double, early), (AgreeBy::Hold, late)] {
        scene.rig.input(Input::Consent(ConsentInput::Given { by, since }));
    }
    assert_eq!(scene.rig.runs, [""; 0]);
    scene.rig.pass(MS(9999));
    scene.agrees();
    assert_eq!(scene.rig.runs, ["id-1"]);
}

#[test]
fn nobody_in_ten_seconds_is_no_and_told() {
    for model in PROFILES {
        let mut scene = Scene::new(model).asked();
        scene.rig.pass(MS(10_000));
        scene.agrees();
        assert_eq!(decisions(&scene.rig), [Decision::TimedOut], "{model}");
        let texts = scene.texts();
        assert!(texts.len() == 1 && texts[0].contains("nobody agreed"), "{model}: {texts:?}");
        assert_eq!((scene.rig.runs.len(), scene.rig.asked), (0, None));
    }
}

#[test]
fn a_model_that_does_not_ask_has_the_device_ask() {
    let mut scene = Scene::new(PROFILES[0]);
    scene.due("id-1");
    scene.rig.says(&json!({ "serverContent": { "turnComplete": true } }));
    scene.rig.pass(MS(4999));
    assert!(!scene.rig.done.iter().any(|action| matches!(action, Action::AskAloud { .. })));
    scene.rig.pass(MS(1));
    assert!(
        scene.rig.done.iter().any(|action| matches!(action, Action::AskAloud { by: AgreeBy::Double, .. }))
    );
    assert_eq!(scene.rig.shown(), Some(Phase::Speaking));
    scene.agrees();
    scene.rig.pass(MS(3000));
    scene.heard();
    assert_eq!(scene.rig.shown(), Some(Phase::Asking));
    scene.agrees();
    assert_eq!(scene.rig.runs, ["id-1"]);
}

#[test]
fn a_device_that_may_say_nothing_asks_nobody() {
    let mut scene = Scene::new(PROFILES[0]);
    scene.due("id-1");
    scene.rig.pass(MS(5000));
    scene.rig.input(Input::Consent(ConsentInput::Unspoken));
    assert_eq!(decisions(&scene.rig), [Decision::Withdrawn]);
    assert!(scene.texts()[0].contains("nobody could be asked"), "{:?}", scene.texts());
}

#[test]
fn a_model_that_says_the_person_agreed_and_calls_again_has_nothing_done() {
    let mut scene = Scene::new(PROFILES[0]).asked();
    scene.rig.says(&json!({ "serverContent": { "inputTranscription": { "text": "yes, I agree" } } }));
    scene.rig.says(&json!({ "serverContent": { "outputTranscription": { "text": "The person agreed." } } }));
    scene.calls("id-2");
    scene.due("id-2");
    let told = &scene.responses("id-2")[0]["response"]["error"];
    assert!(told.as_str().unwrap().contains("open already"), "{told}");
    scene.calls("id-1"); // the same one once more
    assert_eq!(scene.responses("id-1").len(), 1);
    assert_eq!(scene.rig.runs, [""; 0]);
    scene.agrees();
    assert_eq!(scene.rig.runs, ["id-1"], "and the gesture is about the first");
}
