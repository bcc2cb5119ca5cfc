//! Press to begin; press again or fall silent to end.

use fake_gemini::{Fault, Rule, Script, Turn, When};

use crate::scene::{MIC_MS, PRE_ROLL_MS, Scene, WAIT};

/// What a machine with other things to do may add to a bound of the daemon's.
const SLACK: u64 = 400 * MIC_MS;

fn script() -> Script {
    Script { rest: Turn::noise(400, 1), ..Script::default() }
}

#[test]
fn silence_ends_the_utterance_and_a_pause_within_it_does_not() {
    let scene = Scene::of("tap", "", script());
    let mark = scene.remote.mark();
    let pressed = scene.press();
    let words = scene.speak("question-moon"); // holds a pause of 900 ms; 1200 ms of silence end an utterance
    scene.release(); // says nothing in this mode
    scene.answered(mark);
    let utterances = scene.utterances();
    assert_eq!(utterances.len(), 1);
    let span = utterances[0].whole();
    assert!(span.start <= scene.mic_at(pressed.end) - PRE_ROLL_MS * MIC_MS);
    assert!(span.start < words.start);
    let silence = span.end - words.end;
    assert!((1100 * MIC_MS..1300 * MIC_MS).contains(&silence), "{} ms of silence", silence / MIC_MS);
    scene.end();
}

#[test]
fn a_second_press_ends_the_utterance_at_once() {
    let scene = Scene::of("tap", "", script());
    let mark = scene.remote.mark();
    scene.press();
    let words = scene.speak("question-time");
    scene.until_heard(words.end);
    let pressed = scene.press();
    scene.answered(mark);
    let utterances = scene.utterances();
    assert_eq!(utterances.len(), 1);
    let span = utterances[0].whole();
    assert!(span.end >= scene.mic_at(pressed.start), "words before the press are lost");
    assert!(span.end <= scene.mic_at(pressed.end) + SLACK);
    scene.end();
}

#[test]
fn nothing_said_is_nothing_sent_while_there_is_no_link() {
    let slow = script().fault(Rule::new(When::Setup, Fault::Wait { ms: 4000 }));
    let scene = Scene::of("tap", "[tap]\nno_speech_s = 1", slow);
    let mark = scene.remote.mark();
    scene.press();
    let listening = scene.phase(mark, "listening").at_ns;
    let idle = scene.remote.wait(mark, WAIT, |e| e.at_ns > listening && e.is_phase("idle")).unwrap().at_ns;
    let waited = idle - listening;
    assert!((900_000_000..2_500_000_000).contains(&waited), "gave up after {} ms", waited / 1_000_000);
    assert_eq!(scene.utterances().len(), 0);
    scene.end();
}

#[test]
fn nothing_said_on_a_link_that_is_up_ends_as_well() {
    let scene = Scene::of("tap", "[tap]\nno_speech_s = 1", script());
    let pressed = scene.press();
    scene.received("activityEnd", 1); // what the model makes of it is the model's business
    let span = scene.utterances()[0].whole();
    let listened = span.end - scene.mic_at(pressed.start);
    assert!((1000 * MIC_MS..1000 * MIC_MS + SLACK).contains(&listened), "{} ms", listened / MIC_MS);
    scene.end();
}

#[test]
fn a_tap_during_the_answer_silences_it_and_listens() {
    let scene = Scene::of("tap", "", script().turn(Turn::noise(10_000, 2)));
    let mark = scene.remote.mark();
    scene.press();
    scene.speak("question-time");
    scene.phase(mark, "speaking");
    scene.pass(500);
    let mark = scene.remote.mark();
    let pressed = scene.press();
    scene.phase(mark, "listening");
    let words = scene.speak("stop");
    scene.answered(mark);
    let utterances = scene.utterances();
    assert_eq!(utterances.len(), 2);
    let span = utterances[1].whole();
    assert!(span.start <= scene.mic_at(pressed.end) - PRE_ROLL_MS * MIC_MS);
    assert!(span.start < words.start && span.end > words.end);
    // Cut by activityStart before its second second.
    let heard = scene.played(0).iter().filter(|sample| **sample != 0).count();
    assert!(heard < 5 * 24_000, "the first answer went on: {heard} samples");
    scene.end();
}
