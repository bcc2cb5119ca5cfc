//! Push-to-talk: what arrived at the server against what was spoken, sample for sample.

use fake_gemini::{Fault, KeyFrom, Rule, Script, Turn, What, When};
use tests::stage::KEY;

use crate::scene::{Asked, MIC_MS, PRE_ROLL_MS, Scene, Utterance, WAIT, messages};

/// The pre-roll of 300 ms, and a block of 10 ms of which some belongs to it.
const PRE_ROLL: u64 = PRE_ROLL_MS * MIC_MS;
const BLOCK: u64 = 10 * MIC_MS;
/// The tail of 200 ms, and a chunk that is begun within it.
const TAIL: u64 = 200 * MIC_MS;
const CHUNK: u64 = 20 * MIC_MS;

fn quick() -> Turn {
    Turn::noise(300, 1)
}

fn script() -> Script {
    Script { rest: quick(), ..Script::default() }
}

/// A server whose first link takes so long to be set up.
fn slow_link(ms: u64) -> Script {
    script().fault(Rule::new(When::Setup, Fault::Wait { ms }).on_link(1))
}

/// From the pre-roll before the press to the tail after the release, with all words, and not a sample amiss.
#[track_caller]
fn check_whole(scene: &Scene, asked: &Asked, utterance: &Utterance) {
    let span = utterance.whole();
    let (earliest, latest) = (scene.mic_at(asked.pressed.start), scene.mic_at(asked.pressed.end));
    assert!(span.start <= latest - PRE_ROLL, "begins {} samples after the pre-roll", span.start);
    assert!(span.start + PRE_ROLL + BLOCK + CHUNK >= earliest, "begins too early: {}", span.start);
    assert!(span.start < asked.words.start && span.end > asked.words.end);
    let (earliest, latest) = (scene.mic_at(asked.released.start), scene.mic_at(asked.released.end));
    assert!(span.end >= earliest + TAIL, "ends {} samples before the tail does", earliest + TAIL - span.end);
    assert!(span.end <= latest + TAIL + 2 * CHUNK, "ends {} samples late", span.end - latest - TAIL);
}

#[test]
fn two_utterances_arrive_sample_for_sample_with_pre_roll_and_tail() {
    let scene = Scene::of("hold", "", script());
    let mark = scene.remote.mark();
    let cold = scene.ask("question-time");
    scene.answered(mark);
    let mark = scene.remote.mark();
    let warm = scene.ask("question-rain");
    scene.answered(mark);

    let utterances = scene.utterances();
    assert_eq!(utterances.len(), 2);
    check_whole(&scene, &cold, &utterances[0]);
    check_whole(&scene, &warm, &utterances[1]);
    assert!(utterances[1].began_ns < warm.released.start, "speech is sent while it is spoken");
    let record = scene.server.events();
    let talk = ["activityStart", "audio", "activityEnd"];
    assert_eq!(record.received(), [&["setup"][..], &talk, &talk].concat());
    assert_eq!(scene.counter("utterances"), 2);
    assert_eq!(scene.counter("speech_dropped_samples"), 0);
    scene.end();
}

#[test]
fn the_key_travels_in_the_header_alone() {
    let scene = Scene::of("hold", "", script());
    let mark = scene.remote.mark();
    scene.ask("question-time");
    scene.answered(mark);
    let record = scene.server.events();
    let requests: Vec<_> = record
        .iter()
        .filter_map(|e| match &e.what {
            What::Requested(request) => Some(request),
            _ => None,
        })
        .collect();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].key, KeyFrom::Header);
    let service = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent";
    assert_eq!(requests[0].path, service);
    for (_, message) in messages(&record, "setup") {
        assert!(!message.to_string().contains(KEY));
    }
    scene.end();
}

#[test]
fn a_cold_press_over_a_link_that_takes_three_seconds_loses_nothing() {
    let scene = Scene::of("hold", "", slow_link(3000));
    let mark = scene.remote.mark();
    let asked = scene.ask("question-moon"); // 3.35 s: the link comes up in the middle of it
    scene.answered(mark);
    let utterances = scene.utterances();
    assert_eq!(utterances.len(), 1);
    check_whole(&scene, &asked, &utterances[0]);
    assert!(utterances[0].began_ns > asked.pressed.start + 3_000_000_000);
    assert!(utterances[0].began_ns < asked.released.start, "the link came up too late for this test");
    let light = scene.phase(mark, "listening");
    assert!(light.at_ns < utterances[0].began_ns, "the light says at once that it listens");
    scene.end();
}

#[test]
fn what_was_said_before_the_link_is_there_waits_for_it() {
    let scene = Scene::of("hold", "", slow_link(3000));
    let mark = scene.remote.mark();
    let asked = scene.ask("question-time");
    scene.phase(mark, "connecting"); // released, and nobody to tell it to yet
    scene.answered(mark);
    let utterances = scene.utterances();
    assert_eq!(utterances.len(), 1);
    check_whole(&scene, &asked, &utterances[0]);
    assert!(utterances[0].began_ns > asked.released.end);
    scene.end();
}

#[test]
fn two_questions_before_the_link_is_there_are_sent_as_one() {
    let scene = Scene::of("hold", "", slow_link(5000));
    let mark = scene.remote.mark();
    let first = scene.ask("question-time");
    scene.phase(mark, "connecting");
    let second = scene.ask("stop");
    scene.answered(mark);
    let utterances = scene.utterances();
    assert_eq!(utterances.len(), 1);
    let heard = &utterances[0].heard;
    assert_eq!((heard.repeated, heard.foreign), (0, 0));
    for words in [first.words, second.words] {
        let placed = |at: u64| heard.placed.iter().any(|p| p.range.contains(&(at as usize)));
        assert!(words.into_iter().all(placed));
    }
    scene.end();
}

#[test]
fn beyond_the_bound_the_oldest_speech_goes_and_is_counted() {
    let scene = Scene::of("hold", "utterance_max_s = 1", slow_link(4000));
    let mark = scene.remote.mark();
    let asked = scene.ask("question-rain");
    scene.answered(mark);
    let utterances = scene.utterances();
    let span = utterances[0].whole();
    let kept = span.end - span.start;
    assert!(kept <= 16_000 && kept > 16_000 - 2 * CHUNK, "{kept}");
    assert!(span.end >= scene.mic_at(asked.released.start) + TAIL, "the newest is kept");
    let said = span.end + PRE_ROLL - scene.mic_at(asked.pressed.end);
    let dropped = scene.counter("speech_dropped_samples");
    assert!(dropped.abs_diff(said - kept) <= BLOCK + 2 * CHUNK, "{dropped} of {said} dropped, {kept} kept");
    assert_eq!(scene.log().matches("speech was lost").count(), 1, "said once, not for every chunk");
    scene.end();
}

#[test]
fn a_slip_of_the_finger_on_a_cold_link_says_nothing() {
    let scene = Scene::of("hold", "", slow_link(1500));
    let mark = scene.remote.mark();
    scene.press();
    scene.release();
    let begun = scene.phase(mark, "listening").at_ns;
    scene.remote.wait(mark, WAIT, |e| e.at_ns > begun && e.is_phase("idle")).unwrap();
    // The link that was asked for comes up, and the next question finds nothing in its way.
    scene.pass(2 * PRE_ROLL_MS);
    let asked = scene.ask("question-time");
    scene.answered(mark);
    let utterances = scene.utterances();
    assert_eq!(utterances.len(), 1);
    check_whole(&scene, &asked, &utterances[0]);
    scene.end();
}

#[test]
fn a_press_within_the_tail_goes_on_with_the_same_utterance() {
    let scene = Scene::of("hold", "[hold]\ntail_ms = 1500", script());
    let mark = scene.remote.mark();
    let first = scene.ask("question-time");
    let second = scene.ask("stop"); // pressed at once: the tail of the first is not over
    scene.answered(mark);
    let utterances = scene.utterances();
    assert_eq!(utterances.len(), 1);
    let span = utterances[0].whole();
    assert!(span.start < first.words.start && span.end > second.words.end);
    assert!(span.end >= scene.mic_at(second.released.start) + 1500 * MIC_MS);
    scene.end();
}

#[test]
fn a_press_before_the_answer_asks_anew() {
    let mut script = script().turn(Turn { think_ms: Some(3000), ..Turn::noise(400, 7) });
    script.service.cut_ms = 100;
    let scene = Scene::of("hold", "", script);
    let mark = scene.remote.mark();
    let first = scene.ask("question-time");
    scene.phase(mark, "thinking");
    scene.received("activityEnd", 1);
    let mark = scene.remote.mark();
    let second = scene.ask("question-rain");
    scene.answered(mark);
    let utterances = scene.utterances();
    assert_eq!(utterances.len(), 2);
    check_whole(&scene, &first, &utterances[0]);
    let span = utterances[1].whole();
    assert_eq!(span.start, utterances[0].whole().end, "what was sent once is not sent twice");
    assert!(span.end >= scene.mic_at(second.released.start) + TAIL);
    scene.end();
}
