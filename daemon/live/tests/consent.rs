//! Consent: nothing that needs it is run without, twice, or with another call's arguments, whatever happens.
#![allow(clippy::disallowed_methods)]

mod rig;

use std::time::Duration;

use pressel_live::event::{
    Action, Agree, AgreeBy, ButtonInput, ConsentInput, Decision, Input, Line, LinkInput, MicrophoneInput,
    Phase, SpeakerInput, ToolAsk, ToolResult,
};
use pressel_live::settings::{OpenStart, TalkMode};
use rig::{PROFILES, Rig, gated, hold, kind};
use serde_json::{Value, json};

const MS: fn(u64) -> Duration = Duration::from_millis;

/// How far a question is, by name.
type Stage = (&'static str, fn() -> Scene);

/// A talk in which the gate was just asked for.
struct Scene {
    rig: Rig,
}

impl Scene {
    fn new(model: &str) -> Scene {
        let mut rig = Rig::new(gated(model, hold()), true);
        rig.input(Input::Button(ButtonInput::Press));
        rig.chunk(true);
        rig.input(Input::Button(ButtonInput::Release));
        rig.pass(MS(600));
        rig.obliging = false;
        rig.done.clear();
        let mut scene = Scene { rig };
        scene.calls("id-1");
        scene
    }

    fn calls(&mut self, id: &str) {
        self.rig.says(
            &json!({ "toolCall": { "functionCalls": [{ "id": id, "name": "gate", "args": { "n": id } }] } }),
        );
    }

    fn due(&mut self, id: &str) {
        let (agree, by, say) = (Agree::Button, AgreeBy::Double, "Shall I open the gate?".to_owned());
        let ask = ToolAsk { id: id.to_owned(), agree, by, say };
        self.rig.input(Input::Consent(ConsentInput::Due(ask)));
    }

    /// The model says something; all of it has come.
    fn says(&mut self) {
        self.sound();
        self.rig.says(&json!({ "serverContent": { "generationComplete": true } }));
        self.rig.says(&json!({ "serverContent": { "turnComplete": true } }));
    }

    fn sound(&mut self) {
        let data = "AQAB".repeat(6000);
        let parts = json!([{ "inlineData": { "mimeType": "audio/pcm;rate=24000", "data": data } }]);
        self.rig.says(&json!({ "serverContent": { "modelTurn": { "parts": parts } } }));
    }

    /// The loudspeaker has played all of the newest turn.
    fn heard(&mut self) {
        let newest = |action: &Action| match action {
            Action::Play { turn, .. } | Action::AskAloud { turn, .. } => Some(*turn),
            _ => None,
        };
        let turn = self.rig.done.iter().filter_map(newest).max().unwrap();
        self.rig.input(Input::Speaker(SpeakerInput::Drained { turn }));
    }

    fn agrees(&mut self) {
        let since = self.rig.now;
        self.rig.input(Input::Consent(ConsentInput::Given { by: AgreeBy::Double, since }));
    }

    fn asked(mut self) -> Scene {
        self.due("id-1");
        self.says();
        self.heard();
        assert_eq!(self.rig.shown(), Some(Phase::Asking));
        self
    }

    fn responses(&self, id: &str) -> Vec<Value> {
        responses(&self.rig.done).into_iter().filter(|response| response["id"] == id).collect()
    }

    fn texts(&self) -> Vec<String> {
        let sent = |action: &Action| match action {
            Action::Send { message, .. } if ["text", "clientContent"].contains(&kind(message).as_str()) => {
                Some(message.clone())
            }
            _ => None,
        };
        self.rig.done.iter().filter_map(sent).collect()
    }

    fn finishes(&mut self, id: &str) {
        let outcome = Ok([("output".to_owned(), json!("gate is open"))].into_iter().collect());
        self.rig.input(Input::ToolResult(ToolResult { id: id.to_owned(), outcome }));
    }
}

fn responses(done: &[Action]) -> Vec<Value> {
    let mut found = Vec::new();
    for action in done {
        if let Action::Send { message, .. } = action {
            let message: Value = serde_json::from_str(message).unwrap();
            found
                .extend(message["toolResponse"]["functionResponses"].as_array().cloned().unwrap_or_default());
        }
    }
    found
}

fn decisions(rig: &Rig) -> Vec<Decision> {
    let decided = |action: &Action| match action {
        Action::Decide { decision, .. } => Some(*decision),
        _ => None,
    };
    rig.done.iter().filter_map(decided).collect()
}

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

#[test]
fn a_call_that_the_next_link_makes_again_and_takes_back_is_not_asked_any_more() {
    let mut scene = Scene::new(PROFILES[0]);
    scene.due("id-1");
    scene.rig.obliging = true;
    scene.rig.input(Input::Link(scene.rig.link, LinkInput::Closed { code: 1006, reason: String::new() }));
    scene.rig.pass(MS(1000));
    scene.rig.obliging = false;
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
