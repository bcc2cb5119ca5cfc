//! No key, no words, no handle and no sound in a log, at any level, or anywhere else they do not belong.

use std::path::Path;

use fake_gemini::{Fault, Rule, Script, Turn, What, When};
use serde_json::json;
use tests::stage::{KEY, Setting};

use crate::scene::{Scene, dials, messages, setting};

/// Words that nothing but the talk can have brought into a text.
const HEARD: &str = "xylograph quokka";
const GUESSED: &str = "wombat larkspur";
const SAID: &str = "zymurgy ocelot";
const THOUGHT: &str = "narwhal thistle";
const CALLED: &str = "axolotl juniper";
const NONSENSE: &str = "pangolin hyssop";
const INSTRUCTION: &str = "echidna marjoram";

fn secrets() -> [&'static str; 15] {
    let words = [HEARD, GUESSED, SAID, THOUGHT, CALLED, NONSENSE, INSTRUCTION];
    let mut all = [KEY; 15];
    for (n, pair) in words.iter().enumerate() {
        // Deltas bring the words one by one.
        let (first, second) = pair.split_once(' ').unwrap();
        (all[2 * n], all[2 * n + 1]) = (first, second);
    }
    all
}

/// Every handle that was sent.
fn handles(scene: &Scene) -> Vec<String> {
    let record = scene.server.events();
    let handle = |event: &fake_gemini::Event| match &event.what {
        What::Sent { message, .. } => {
            message["sessionResumptionUpdate"]["newHandle"].as_str().map(str::to_owned)
        }
        _ => None,
    };
    record.iter().filter_map(handle).filter(|handle| !handle.is_empty()).collect()
}

/// The longest run of base64: sound would have runs of hundreds.
fn longest_base64(text: &str) -> usize {
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || c == '+' || c == '/' || c == '=';
    text.split(|c| !is_base64(c)).map(str::len).max().unwrap_or(0)
}

/// The longest row of numbers: samples printed as such.
fn longest_row(text: &str) -> usize {
    let is_number = |word: &str| {
        let word = word.trim_matches([' ', '[', ']', '-']);
        !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit())
    };
    let mut longest = 0;
    for line in text.lines() {
        let mut row = 0;
        for word in line.split(',') {
            let word = word.rsplit('[').next().unwrap_or_default();
            row = if is_number(word) { row + 1 } else { 0 };
            longest = longest.max(row);
        }
    }
    longest
}

#[track_caller]
fn check_clean(place: &str, text: &str, handles: &[String]) {
    for secret in secrets() {
        assert!(!text.contains(secret), "{secret} is in {place}:\n{text}");
    }
    for handle in handles {
        assert!(!text.contains(handle.as_str()), "a handle is in {place}");
    }
    assert!(longest_base64(text) < 80, "base64 is in {place}:\n{text}");
    assert!(longest_row(text) < 8, "samples are in {place}:\n{text}");
}

/// A talk with everything in it, at the most talkative level.
fn talkative(mode: &str, level: &str) -> Setting {
    let turn = Turn {
        interim: Some(GUESSED.into()),
        words: Some(format!("{SAID} {SAID}")),
        thought: Some(THOUGHT.into()),
        ..Turn::noise(700, 1)
    };
    let called = turn.clone().hear(HEARD).call("axolotl", json!({"juniper": CALLED}));
    let faults = [
        Rule::new(When::Answer { ms: 200 }, Fault::Text(format!("{NONSENSE} no JSON"))),
        Rule::new(When::Answer { ms: 200 }, Fault::Json(json!({"serverContent": NONSENSE, NONSENSE: 1}))),
        Rule::new(When::Answer { ms: 200 }, Fault::Truncated),
    ];
    let script =
        Script { turns: vec![called], rest: turn.hear(HEARD), faults: faults.into(), ..Script::default() };
    let mut setting = setting(mode, &format!("[log]\nlevel = \"{level}\""), script);
    setting.live = format!("instruction = \"{INSTRUCTION}\"");
    setting
}

fn read(path: &str) -> String {
    String::from_utf8_lossy(&std::fs::read(Path::new(path)).unwrap()).into_owned()
}

/// Asks, is answered, asks over the answer, loses the link, comes back with the handle.
#[track_caller]
fn talk(scene: &Scene) {
    let mark = scene.remote.mark();
    scene.ask("question-time");
    scene.phase(mark, "speaking");
    scene.pass(200);
    let mark = scene.remote.mark();
    scene.ask("stop"); // cuts the answer
    scene.answered(mark);
    scene.server_until("a handle", |events| {
        events.iter().any(|e| matches!(&e.what, What::Sent { name, .. } if name == "sessionResumptionUpdate"))
    });
    // A server that quotes the key at us.
    let reason = format!("key {KEY} is odd");
    assert!(scene.server.strike(Fault::Close { code: 1011, reason }));
    scene.told(mark, "link_down");
    let mark = scene.remote.mark();
    scene.ask("stop");
    scene.answered(mark);
    let record = scene.server.events();
    assert_eq!(dials(&record), 2);
    let (_, setup) = messages(&record, "setup").last().unwrap();
    assert!(setup["setup"]["sessionResumption"]["handle"].is_string(), "the second link resumes: {setup}");
}

#[test]
fn no_log_level_lets_a_key_a_word_a_handle_or_a_sound_out() {
    for level in ["trace", "info"] {
        let scene = Scene::set(talkative("hold", level));
        talk(&scene);
        let handles = handles(&scene);
        assert!(!handles.is_empty(), "the test needs handles: {handles:?}");
        let log = scene.log();
        assert!(log.contains("link up") && log.contains("link down"), "the log says too little: {log}");
        check_clean("the log", &log, &handles);
        let pid = scene.daemon.pid();
        check_clean("argv", &read(&format!("/proc/{pid}/cmdline")), &handles);
        check_clean("the environment", &read(&format!("/proc/{pid}/environ")), &handles);
        check_clean("the status", &scene.remote.status().unwrap().to_string(), &handles);
        // Captions are for watchers; nothing else of the talk is.
        let captions = ["heard", "hearing", "said"];
        for event in scene.remote.events() {
            if !captions.contains(&event.name.as_str()) {
                check_clean("what watchers are told", &event.value.to_string(), &handles);
            }
            assert!(!event.value.to_string().contains(KEY));
        }
        let told: String = scene
            .remote
            .events()
            .iter()
            .filter_map(|e| e.value["text"].as_str().map(str::to_owned))
            .collect();
        assert!(
            told.contains(HEARD) && told.contains("ocelot"),
            "the talk was not what this test thinks: {told}"
        );
        assert!(!told.contains("narwhal"), "a thought is no caption");
        scene.end();
    }
}

#[test]
fn a_handshake_that_is_refused_with_the_key_in_its_words_does_not_print_it() {
    let mut setting = talkative("open", "trace");
    setting.server.script.faults = vec![Rule::new(
        When::Setup,
        Fault::Close { code: 1007, reason: format!("API key not valid: {KEY}") },
    )];
    let scene = Scene::set(setting);
    let mark = scene.remote.mark();
    scene.press();
    scene.phase(mark, "fault");
    assert!(scene.log().contains("API key not valid: …"), "{}", scene.log());
    check_clean("the log", &scene.log(), &[]);
    check_clean("the status", &scene.remote.status().unwrap().to_string(), &[]);
    for event in scene.remote.events() {
        check_clean("what watchers are told", &event.value.to_string(), &[]);
    }
    scene.end();
}

#[test]
fn the_checkers_find_what_they_look_for() {
    let sound =
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
    assert!(longest_base64(&format!("data: \"{sound}\"")) > 80);
    assert!(longest_row("samples: [12, -7, 0, 33, 1, 2, 3, 4]") >= 8);
    assert!(longest_row("format=16000 Hz, 1 ch, S16_LE, period 10.0 ms, buffer 400 ms") < 4);
}
