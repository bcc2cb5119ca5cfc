//! Other settings while the conversation goes on.

mod rig;

use std::time::Duration;

use pressel_live::event::{Action, ButtonInput, Cause, Input, Phase};
use pressel_live::settings::Settings;
use rig::{Rig, hold, settings};
use serde_json::json;

const MS: fn(u64) -> Duration = Duration::from_millis;

/// After a talk: a link is up, nobody speaks, and a handle holds all of it.
fn talked() -> Rig {
    let mut rig = Rig::new(settings(hold()), true);
    rig.input(Input::Button(ButtonInput::Press));
    rig.pass(MS(300));
    rig.chunk(true);
    rig.input(Input::Button(ButtonInput::Release));
    rig.pass(MS(250));
    rig.chunk(false);
    rig.pass(MS(1_500));
    let sound = json!({ "inlineData": { "mimeType": "audio/pcm;rate=24000", "data": "AAAAAAAA" } });
    rig.says(&json!({ "serverContent": { "modelTurn": { "parts": [sound] } } }));
    rig.says(&json!({ "serverContent": { "generationComplete": true } }));
    rig.says(&json!({ "serverContent": { "turnComplete": true } }));
    rig.says(&json!({ "sessionResumptionUpdate": { "newHandle": "h-1", "resumable": true } }));
    rig.pass(MS(500));
    let states = rig.conversation.state_names();
    assert!(rig.conversation.is_pause() && rig.conversation.is_link_up(), "{states:?}");
    rig.done.clear();
    rig
}

fn change(rig: &mut Rig, relink: bool, change: impl FnOnce(&mut Settings)) {
    let mut new = settings(hold());
    change(&mut new);
    rig.input(Input::Settings { settings: Box::new(new), relink });
}

fn closes(rig: &Rig) -> usize {
    rig.done.iter().filter(|action| matches!(action, Action::Close { .. })).count()
}

fn next_setup(rig: &mut Rig) -> String {
    rig.input(Input::Button(ButtonInput::Press));
    rig.pass(MS(500));
    let setup = rig.done.iter().rev().find_map(|action| match action {
        Action::Send { message, .. } if message.contains("\"setup\"") => Some(message.clone()),
        _ => None,
    });
    setup.expect("a press dials")
}

#[test]
fn another_voice_needs_another_link_that_continues_the_session() {
    let mut rig = talked();
    change(&mut rig, false, |new| new.voice = Some("Kore".into()));
    assert_eq!(closes(&rig), 1);
    assert_eq!(rig.conversation.phase(), Phase::Idle);
    let setup = next_setup(&mut rig);
    assert!(setup.contains("Kore") && setup.contains("h-1"), "{setup}");
}

#[test]
fn another_model_begins_a_session_of_its_own() {
    let mut rig = talked();
    change(&mut rig, false, |new| new.model = "gemini-2.5-flash-native-audio-latest".into());
    let setup = next_setup(&mut rig);
    assert!(setup.contains("gemini-2.5-flash") && !setup.contains("h-1"), "{setup}");
}

#[test]
fn what_no_link_is_set_up_with_leaves_the_link_alone() {
    let mut rig = talked();
    change(&mut rig, false, |new| {
        new.quiet_close = MS(5_000);
        new.utterance_max = MS(9_000);
        new.seed = 99;
    });
    assert_eq!(closes(&rig), 0);
    rig.pass(MS(6_000));
    assert_eq!(closes(&rig), 1, "the new time counts");
    let mut rig = talked();
    change(&mut rig, true, |_| {});
    assert_eq!(closes(&rig), 1, "another way needs another link");
}

#[test]
fn a_refusal_was_for_what_was_set_before() {
    let mut rig = Rig::new(settings(hold()), true);
    rig.fails = Some(Cause::Http(403));
    rig.input(Input::Button(ButtonInput::Press));
    rig.pass(MS(500));
    rig.input(Input::Button(ButtonInput::Release));
    rig.pass(MS(500));
    assert_eq!(rig.conversation.phase(), Phase::Fault);
    rig.fails = None;
    change(&mut rig, true, |_| {});
    assert_eq!(rig.conversation.phase(), Phase::Idle);
}

#[test]
fn settings_in_the_middle_of_an_utterance_lose_nothing_of_it() {
    let mut rig = Rig::new(settings(hold()), true);
    rig.input(Input::Button(ButtonInput::Press));
    rig.pass(MS(300));
    rig.chunk(true);
    assert!(!rig.conversation.is_pause());
    rig.done.clear();
    change(&mut rig, true, |_| {});
    rig.pass(MS(3_000));
    rig.chunk(true);
    rig.input(Input::Button(ButtonInput::Release));
    rig.pass(MS(500));
    let sent = rig.sent();
    let heard = sent.iter().filter(|kind| kind.as_str() == "audio").count();
    assert!(heard >= 2, "{sent:?}");
}
