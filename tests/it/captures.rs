//! Recorded sessions of the real service, said again to the real daemon: every message is survived, and all of the
//! sound comes out of the speaker in order. What they mean to the conversation is tested beside it.

use serde_json::Value;
use tests::measure::{find, first_sound};

use crate::replay::{Recording, Replay};
use crate::scene::{Scene, WAIT, setting};

/// What the recordings hold and we do not use.
const KNOWN_UNREAD: [&str; 1] = ["unknown member"];

/// Plays every second recording, from the first or the second on.
fn replay(odd: usize) {
    let Some(all) = Recording::all() else {
        return println!("skipped: there are no recordings");
    };
    let recordings: Vec<Recording> = all.into_iter().skip(odd).step_by(2).collect();
    let server = Replay::start(recordings.clone());
    // Where a recording ends with a tool call, the answer to it never comes.
    let mut setting = setting("hold", "answer_timeout_s = 5", fake_gemini::Script::default());
    setting.endpoint = Some(server.url.clone());
    let scene = Scene::set(setting);
    let mut from = 0;
    for recording in &recordings {
        from = check(&scene, &server, recording, from);
    }
    let unread = scene.unread();
    let kinds: Vec<&String> = unread.as_object().unwrap().keys().collect();
    assert!(kinds.iter().all(|kind| KNOWN_UNREAD.contains(&kind.as_str())), "{unread}");
    scene.end();
}

/// Asks, hears all of the recording; where the speaker stands then.
#[track_caller]
fn check(scene: &Scene, server: &Replay, recording: &Recording, from: usize) -> usize {
    let name = &recording.name;
    let before = scene.counter("messages_down");
    let mark = scene.remote.mark();
    scene.press();
    server.received("activityStart");
    scene.release();
    for message in &recording.messages {
        let calls = message["toolCall"]["functionCalls"].as_array().into_iter().flatten();
        let asked: Vec<&Value> = calls.map(|call| &call["id"]).collect();
        if !asked.is_empty() {
            let response = server.received("toolResponse");
            let answers = response["toolResponse"]["functionResponses"].as_array().unwrap();
            let answered: Vec<&Value> = answers.iter().map(|answer| &answer["id"]).collect();
            assert_eq!(answered, asked, "{name}");
        }
    }
    let listening = scene.phase(mark, "listening").at_ns;
    let mut ended = mark;
    for _ in 0..recording.turns {
        // The place behind this event is where the next one is looked for.
        scene
            .remote
            .wait(ended, WAIT, |e| e.name == "turn_complete")
            .unwrap_or_else(|e| panic!("{name}: {e}"));
        let events = scene.remote.events();
        ended += 1 + events[ended..].iter().position(|e| e.name == "turn_complete").expect("just told");
    }
    scene.remote.wait(mark, WAIT, |e| e.at_ns > listening && e.is_phase("idle")).unwrap();
    assert_eq!(scene.counter("messages_down") - before, recording.messages.len() as u64, "{name}");

    let played = scene.played(0);
    let mut at = from;
    for turn in recording.sound() {
        // The edges of a turn may be silent.
        let begin = find(&played, &turn, at).unwrap_or_else(|| panic!("{name}: a turn is not whole"));
        assert_eq!(first_sound(&played[at..begin]), None, "{name}: something else was heard");
        at = begin + turn.len();
    }
    assert_eq!(first_sound(&played[at..]), None, "{name}: more was heard");
    let told = |kind: &str| -> String {
        let events = scene.remote.events();
        let of = events.iter().skip(mark).filter(|e| e.name == kind);
        of.filter_map(|e| e.value["text"].as_str().map(str::to_owned)).collect()
    };
    assert_eq!(told("said"), recording.words("outputTranscription"), "{name}");
    assert_eq!(told("heard"), recording.words("inputTranscription"), "{name}");
    let mark = scene.remote.mark();
    server.next();
    scene.told(mark, "link_down");
    played.len()
}

#[test]
fn every_recording_is_survived_and_heard() {
    replay(0);
}

#[test]
fn every_other_recording_is_survived_and_heard() {
    replay(1);
}
