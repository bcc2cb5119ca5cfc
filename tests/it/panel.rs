//! Button, mute switch, light and volume, through the real daemon with lines that are simulated (tests/wired).

use std::time::Duration;

use fake_gemini::{Script, Turn, What};
use pressel_world::card::Direction;
use serde_json::json;
use tests::stage::Setting;

use crate::scene::{Scene, WAIT, dials, setting};

fn wired(mode: &str, more: &str) -> Setting {
    let script = Script { rest: Turn::noise(600, 1), ..Script::default() };
    Setting { wired: true, ..setting(mode, more, script) }
}

impl Scene {
    #[track_caller]
    fn line(&self, command: &str) {
        self.daemon.line(command).unwrap();
    }

    /// The next act, from a mark on.
    #[track_caller]
    fn act(&self, mark: usize, act: &str) {
        let found = self.remote.wait(mark, WAIT, |e| e.name == "act" && e.value["act"] == act);
        found.unwrap_or_else(|e| panic!("{act}: {e}"));
    }

    /// Sound that has arrived at the server.
    fn sound(&self) -> usize {
        let record = self.server.events();
        let heard = |event: &fake_gemini::Event| match &event.what {
            What::Audio { samples, .. } => samples.len(),
            _ => 0,
        };
        record.iter().map(heard).sum()
    }
}

#[test]
fn a_press_to_talk_in_hold_mode_is_shown_at_once_although_a_double_press_means_something() {
    let scene = Scene::set(wired("hold", "[button]\ngestures = \"press talk, double new-talk\"\n"));
    for _ in 0..5 {
        let mark = scene.remote.mark();
        scene.line("0 down");
        scene.phase(mark, "listening");
        scene.pass(500); // no double press any more
        scene.line("0 up");
        scene.phase(mark, "idle");
    }
    let status = scene.remote.status().unwrap();
    let light = &status["latencies"]["press_to_light"];
    assert_eq!(light["count"], 5);
    let median = light["p50_ms"].as_f64().unwrap();
    assert!(median < 30.0, "press to light takes {median} ms");
    scene.end();
}

#[test]
fn what_a_double_press_began_is_taken_back() {
    let scene = Scene::set(wired("hold", "[button]\ngestures = \"press talk, double new-talk\"\n"));
    let mark = scene.remote.mark();
    scene.ask("question-time");
    scene.answered(mark);
    let mark = scene.remote.mark();
    for command in ["0 down", "0 up", "0 down", "0 up"] {
        scene.line(command);
        scene.pass(60);
    }
    scene.act(mark, "new-talk");
    scene.phase(mark, "idle");
    // Nothing is answered, and the next talk begins anew.
    scene.pass(1500);
    let spoken = scene.remote.events().into_iter().skip(mark).any(|e| e.is_phase("speaking"));
    assert!(!spoken, "the first press was answered");
    let mark = scene.remote.mark();
    scene.ask("question-moon");
    scene.answered(mark);
    let resumed = scene.remote.events().into_iter().skip(mark).find(|e| e.name == "link_up");
    assert_eq!(resumed.expect("a link of its own").value["resumed"], false);
    scene.end();
}

#[test]
fn stop_ends_an_answer_and_what_is_being_said() {
    let long = Turn { pace: Some(0.0), ..Turn::noise(10_000, 2) };
    let mut setting =
        wired("tap", "[button]\nlines = \"red GPIO5\"\ngestures = \"press talk, red press stop\"\n");
    setting.server =
        fake_gemini::Options::script(Script { rest: Turn::noise(600, 1), ..Script::default() }.turn(long));
    let scene = Scene::set(setting);
    let mark = scene.remote.mark();
    scene.line("0 down");
    scene.line("0 up");
    let words = scene.speak("question-time");
    scene.until_heard(words.end);
    scene.phase(mark, "speaking");
    let mark = scene.remote.mark();
    scene.line("1 down");
    scene.phase(mark, "idle");
    scene.line("1 up");
    // The next question is taken back in the middle: it is closed, and no answer to it is heard.
    let mark = scene.remote.mark();
    scene.line("0 down");
    scene.line("0 up");
    scene.phase(mark, "listening");
    let words = scene.speak("question-time");
    scene.until_heard(words.start + 8000);
    scene.line("1 down");
    scene.phase(mark, "idle");
    scene.line("1 up");
    scene.received("activityEnd", 2);
    scene.pass(2000);
    let spoken = scene.remote.events().into_iter().skip(mark).any(|e| e.is_phase("speaking"));
    assert!(!spoken, "what was taken back is answered");
    scene.end();
}

#[test]
fn a_button_torn_off_in_the_middle_of_a_question_ends_it_and_is_found_again() {
    let scene = Scene::set(wired("hold", ""));
    let mark = scene.remote.mark();
    scene.line("0 down");
    let words = scene.speak("question-time");
    scene.until_heard(words.end);
    scene.line("0 lost");
    scene.answered(mark);
    let status = scene.remote.status().unwrap();
    assert_eq!(status["button"], json!(null));
    assert!(status["missing"].to_string().contains("[\"button: "), "{status}");
    scene.line("0 found");
    let mark = scene.remote.mark();
    scene.line("0 down");
    scene.phase(mark, "listening");
    assert_eq!(scene.remote.status().unwrap()["missing"], json!([]));
    scene.line("0 up");
    scene.phase(mark, "idle");
    scene.end();
}

const MUTE: &str = "[mute]\nkind = \"gpio\"\n";

#[test]
fn a_switch_that_does_not_say_on_is_off_and_nothing_is_sent() {
    let scene = Scene::set(wired("hold", MUTE));
    let status = scene.remote.status().unwrap();
    assert_eq!((&status["muted"], &status["phase"]), (&json!(true), &json!("muted")));
    assert!(status["missing"].to_string().contains("mute switch: open line mute"), "{status}");
    scene.press();
    let words = scene.speak("question-time");
    scene.until_heard(words.end);
    scene.release();
    let dialled = |events: &[fake_gemini::Event]| dials(events) > 0;
    assert!(!scene.server.wait_blocking(Duration::from_millis(1000), dialled), "dialled while muted");
    // Once it says on, all is as usual.
    let mark = scene.remote.mark();
    scene.line("mute found");
    scene.line("mute down");
    scene.phase(mark, "idle");
    let mark = scene.remote.mark();
    let asked = scene.ask("question-time");
    scene.answered(mark);
    let heard = scene.utterances().pop().unwrap().whole();
    assert!(heard.start < asked.words.start && heard.end > asked.words.end);
    scene.end();
}

/// Switched off in the middle of a question, by hand or by a chip that goes away: the wire is silent from then on.
#[track_caller]
fn check_cut(command: &str) {
    let scene = Scene::set(wired("hold", MUTE));
    let mark = scene.remote.mark();
    scene.line("mute found");
    scene.line("mute down");
    scene.phase(mark, "idle");
    let mark = scene.remote.mark();
    scene.line("0 down");
    let words = scene.speak("question-moon");
    scene.until_heard(words.start + 16_000);
    scene.received("activityStart", 1);
    let before = scene.card.now_sample(Direction::Capture);
    scene.line(command);
    scene.phase(mark, "muted");
    scene.received("activityEnd", 1);
    let sent = scene.sound();
    scene.until_heard(words.end);
    scene.line("0 up");
    scene.pass(1500);
    assert_eq!(scene.sound(), sent, "sound was sent while muted");
    let heard = scene.utterances()[0].heard.span().unwrap();
    assert!(
        heard.end as u64 <= before + 1600,
        "heard {} samples after the switch",
        heard.end as u64 - before
    );
    assert_eq!(scene.remote.status().unwrap()["phase"], "muted");
    let spoken = scene.remote.events().into_iter().skip(mark).any(|e| e.is_phase("speaking"));
    assert!(!spoken, "half a question is answered");
    scene.end();
}

#[test]
fn switched_off_in_the_middle_of_a_question() {
    check_cut("mute up");
}

#[test]
fn a_switch_that_is_torn_off_in_the_middle_of_a_question_switches_off() {
    check_cut("mute lost");
}

#[test]
fn in_open_mode_nothing_goes_up_while_muted_and_the_answer_in_hand_is_heard_to_its_end() {
    let long = Turn { pace: Some(0.0), ..Turn::noise(3_000, 2) };
    let mut setting = wired("open", &format!("[open]\nstart = \"always\"\nend_after_ms = 800\n{MUTE}"));
    setting.server =
        fake_gemini::Options::script(Script { rest: Turn::noise(600, 1), ..Script::default() }.turn(long));
    let scene = Scene::set(setting);
    scene.line("mute found");
    let mark = scene.remote.mark();
    scene.line("mute down");
    scene.phase(mark, "listening");
    let words = scene.speak("question-time");
    scene.until_heard(words.end);
    scene.phase(mark, "speaking");
    scene.line("mute up");
    scene.phase(mark, "muted");
    let silent = |scene: &Scene| {
        let record = scene.server.events();
        let loud = |event: &fake_gemini::Event| match &event.what {
            What::Audio { samples, .. } => samples.iter().filter(|sample| **sample != 0).count(),
            _ => 0,
        };
        record.iter().map(loud).sum::<usize>()
    };
    let sent = silent(&scene);
    let words = scene.speak("question-moon");
    scene.until_heard(words.end);
    scene.pass(1000);
    assert_eq!(silent(&scene), sent, "sound was sent while muted");
    // Switching the microphone off does not silence who speaks.
    assert!(tests::measure::find(&scene.played(0), &scene.server.events().spoken(1), 0).is_some());
    scene.end();
}

#[test]
fn the_volume_goes_by_button_and_command_within_limits_and_outlives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "[button]\nlines = \"up GPIO5, down GPIO6\"\n\
         gestures = \"press talk, up press volume-up, down press volume-down\"\n\
         [volume]\nkeep_folder = \"{}\"\nmax_percent = 90\n",
        folder.path().display()
    );
    let mut setting = wired("hold", &config);
    setting.playback = "volume_percent = 70".into();
    let scene = Scene::set(setting);
    let percent = |scene: &Scene| scene.remote.ask("{\"op\":\"volume\"}").unwrap()["percent"].as_u64();
    assert_eq!(percent(&scene), Some(70));
    let mut expected = 70;
    for (line, step) in [(1, 10), (1, 10), (1, 0), (2, -10)] {
        let mark = scene.remote.mark();
        scene.line(&format!("{line} down"));
        scene.line(&format!("{line} up"));
        expected += step;
        let told = scene.told(mark, "volume");
        assert_eq!(told.value["percent"], json!(expected));
    }
    let answer = scene.remote.ask("{\"op\":\"volume\",\"to\":35}").unwrap();
    assert_eq!(answer["percent"], 35);
    // The answer is as loud as that.
    let mark = scene.remote.mark();
    scene.pass(600);
    let from = scene.card.now_sample(Direction::Playback) as usize;
    scene.ask("question-time");
    scene.answered(mark);
    let rms = |sound: &[i16]| {
        let sum: f64 = sound.iter().map(|sample| f64::from(*sample).powi(2)).sum();
        (sum / sound.len() as f64).sqrt()
    };
    let spoken = scene.server.events().spoken(1);
    let played = scene.played(0);
    let loudest = played[from..].chunks(2400).map(rms).fold(0.0, f64::max);
    let gain = loudest / rms(&spoken);
    let expected = 0.35_f64.powi(3);
    assert!((gain / expected - 1.0).abs() < 0.3, "gain {gain:.4}, expected {expected:.4}");
    scene.end();
    assert_eq!(std::fs::read_to_string(folder.path().join("volume")).unwrap(), "35 70\n");
}

#[test]
fn the_light_shows_the_phases_and_flashes_a_status() {
    let led = tempfile::tempdir().unwrap();
    std::fs::write(led.path().join("brightness"), "0\n").unwrap();
    std::fs::write(led.path().join("max_brightness"), "255\n").unwrap();
    let config = format!(
        "{MUTE}[light]\nkind = \"sysfs\"\nname = \"{}\"\nbrightness_percent = 50\npatterns = \"muted steady\"\n",
        led.path().display()
    );
    let scene = Scene::set(wired("hold", &config));
    let brightness =
        || std::fs::read_to_string(led.path().join("brightness")).unwrap().trim().parse::<u32>().unwrap();
    assert_eq!(brightness(), 64, "muted, at half the brightness the eye sees");
    let mark = scene.remote.mark();
    scene.line("mute found");
    scene.line("mute down");
    scene.phase(mark, "idle");
    assert_eq!(brightness(), 0);
    let mark = scene.remote.mark();
    scene.remote.ask("{\"op\":\"act\",\"act\":\"status\"}").unwrap();
    assert_eq!(scene.told(mark, "line").value["line"], "all-is-well");
    let mut lit = 0;
    for _ in 0..100 {
        lit += u32::from(brightness() > 0);
        scene.pass(10);
    }
    assert!((5..60).contains(&lit), "one flash of 180 ms in a second, lit {lit} of 100 times");
    assert_eq!(brightness(), 0);
    scene.end();
}
