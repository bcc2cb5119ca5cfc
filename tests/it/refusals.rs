//! Servers that are away, that refuse, or that nobody vouches for.

use std::future::Future;
use std::time::Duration;

use fake_gemini::{FakeGemini, Fault, Options, Rule, Script, Turn, What, When};
use serde_json::json;

use crate::scene::{Scene, WAIT, dials, setting};

/// Long enough for a daemon that dials again although it should not.
pub const NO_MORE: Duration = Duration::from_millis(1500);

fn script() -> Script {
    Script { rest: Turn::noise(400, 1), ..Script::default() }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// A press is refused for this reason: one dial, the light says fault, the log says why, and that is all until the
/// next press.
#[track_caller]
fn check_refused(scene: &Scene, reason: &str) {
    let mark = scene.remote.mark();
    for press in 1..=2 {
        let mark = scene.remote.mark();
        scene.press();
        scene.release();
        if press == 2 {
            scene.remote.wait(mark, WAIT, |e| !e.is_phase("fault") && e.name == "phase").unwrap();
        }
        scene.phase(mark, "fault");
        let more = scene.server.wait_blocking(NO_MORE, |events| dials(events) > press);
        assert!(!more, "it dialled again by itself");
        assert_eq!(dials(&scene.server.events()), press);
        if press == 1 {
            assert_eq!(scene.log().matches(reason).count(), 1, "{}", scene.log());
        }
    }
    let status = scene.remote.status().unwrap();
    assert_eq!((&status["phase"], &status["link"]["state"]), (&json!("fault"), &json!("refused")));
    assert!(status["link"]["last_end"].as_str().unwrap().contains(reason));
    let down = scene.told(mark, "link_down").value;
    assert!(down["reason"].as_str().unwrap().contains(reason) && down["retry"] == false);
}

#[test]
fn a_refused_key_is_said_once_and_not_tried_again_until_a_press() {
    let mut setting = setting("hold", "", script());
    setting.server = Options { key: Some("the right one".into()), ..setting.server };
    check_refused(&Scene::set(setting), "API key not valid");
}

#[test]
fn a_refused_model_voice_or_handshake_is_a_fault_too() {
    for (live, fault, reason) in [
        ("model = \"gemini-9-live\"", None, "is not found for API version"),
        ("voice = \"Nobody\"", None, "Requested voice"),
        ("", Some(Fault::Http { status: 403 }), "scripted refusal"),
    ] {
        let mut script = script();
        script.faults.extend(fault.map(|fault| Rule::new(When::Request, fault).times(0)));
        let mut setting = setting("hold", "", script);
        setting.live = live.into();
        check_refused(&Scene::set(setting), reason);
    }
}

#[test]
fn an_unavailable_service_is_dialled_again_and_hears_every_word() {
    let away = script().fault(Rule::new(When::Request, Fault::Http { status: 503 }).times(3));
    let scene = Scene::of("hold", "", away);
    let mark = scene.remote.mark();
    let asked = scene.ask("question-rain");
    scene.answered(mark);
    let utterances = scene.utterances();
    assert_eq!((utterances.len(), utterances[0].link), (1, 4));
    let span = utterances[0].whole();
    assert!(span.start < asked.words.start && span.end > asked.words.end);
    scene.end();
}

#[test]
fn a_server_that_goes_and_comes_back_gets_what_was_said_meanwhile() {
    let scene = Scene::of("hold", "", script());
    let mark = scene.remote.mark();
    scene.ask("question-time");
    scene.answered(mark);
    block_on(scene.server.offline()).unwrap();
    let mark = scene.remote.mark();
    let asked = scene.ask("question-rain");
    scene.phase(mark, "offline");
    assert_eq!(scene.utterances().len(), 1);
    block_on(scene.server.online()).unwrap();
    scene.answered(mark);
    let utterances = scene.utterances();
    let span = utterances[1].whole();
    assert!(span.start < asked.words.start && span.end > asked.words.end);
    assert_eq!(scene.log().matches("refused").count(), 1, "an absent server is logged once");
    scene.end();
}

#[test]
fn a_server_nobody_vouches_for_gets_neither_key_nor_speech() {
    let stranger = FakeGemini::spawn_thread(Options::default()).unwrap();
    let mut setting = setting("hold", "", script());
    setting.endpoint = Some(stranger.url());
    let scene = Scene::set(setting);
    let mark = scene.remote.mark();
    scene.ask("question-time");
    scene.phase(mark, "offline");
    let record = stranger.events();
    assert!(dials(&record) > 0);
    let talked = |what: &What| matches!(what, What::Secured | What::Requested(_) | What::Opened);
    assert!(!record.iter().any(|event| talked(&event.what)));
    assert!(scene.log().contains("TLS with localhost"), "{}", scene.log());
    scene.end();
}
