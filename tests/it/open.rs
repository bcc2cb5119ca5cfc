//! Kiosk: the server hears when somebody speaks, and the gate decides what it hears.

use std::ops::Range;
use std::time::Duration;

use fake_gemini::{Event, Fault, Rule, Script, Side, Turn, What, When};
use tests::measure::find;

use crate::scene::{MIC_MS, PRE_ROLL_MS, Scene, WAIT, closes, dials, messages};

/// Bytes per second of speech on the wire: 16-bit samples as base64.
const SPEECH_BYTES_S: usize = 16_000 * 2 * 4 / 3;

/// What the gate let through in one piece.
#[derive(Debug)]
struct Segment {
    /// On which link.
    link: u32,
    /// Samples of the microphone.
    heard: Range<u64>,
    /// Pure silence after it, in samples.
    silence: usize,
}

fn script() -> Script {
    Script { rest: Turn::noise(400, 1), ..Script::default() }
}

/// All segments; sound that the microphone never heard is a failure.
#[track_caller]
fn segments(scene: &Scene) -> Vec<Segment> {
    let microphone = scene.microphone(0);
    let mut found: Vec<Segment> = Vec::new();
    for event in scene.server.events().iter() {
        let What::Audio { samples, .. } = &event.what else { continue };
        // Right after what came before: a recording has moments of pure silence, too.
        let last = found.last_mut().filter(|last| last.link == event.link);
        let next = last.as_ref().map_or(0, |last| last.heard.end as usize);
        let goes_on = microphone.get(next..next + samples.len()) == Some(samples);
        match last {
            Some(last) if goes_on => last.heard.end += samples.len() as u64,
            Some(last) if samples.iter().all(|sample| *sample == 0) => last.silence += samples.len(),
            _ => {
                let begin = find(&microphone, samples, 0).expect("the microphone heard it") as u64;
                let heard = begin..begin + samples.len() as u64;
                found.push(Segment { link: event.link, heard, silence: 0 });
            }
        }
    }
    found
}

/// The words with most of the pre-roll before them and the hangover after them, and enough silence for the server.
#[track_caller]
fn check_segment(segment: &Segment, words: &Range<u64>) {
    // The gate opens 60 ms into a word, and later where it begins softly.
    let before = words.start.checked_sub(segment.heard.start).expect("the first word is whole");
    assert!(before >= (PRE_ROLL_MS - 200) * MIC_MS, "only {} ms before the words", before / MIC_MS);
    assert!(before <= PRE_ROLL_MS * MIC_MS, "{} ms before the words", before / MIC_MS);
    let after = segment.heard.end.checked_sub(words.end).expect("the last word is whole");
    assert!((500 * MIC_MS..800 * MIC_MS).contains(&after), "{} ms after the words", after / MIC_MS);
    assert!(segment.silence as u64 >= 800 * MIC_MS, "{} samples of silence", segment.silence);
}

fn bytes_after(events: &[Event], ns: u64) -> usize {
    let bytes = |event: &Event| match &event.what {
        What::Received { bytes, .. } | What::Audio { bytes, .. } => *bytes,
        _ => 0,
    };
    events.iter().filter(|event| event.at_ns > ns).map(bytes).sum()
}

/// Waits until an answer was heard and the microphone is listened to again.
#[track_caller]
fn answered(scene: &Scene, mark: usize) {
    let speaking = scene.phase(mark, "speaking").at_ns;
    scene.remote.wait(mark, WAIT, |e| e.at_ns > speaking && e.is_phase("listening")).unwrap();
}

#[test]
fn segments_have_their_pre_roll_and_end_the_servers_turn_and_silence_costs_nothing() {
    let scene = Scene::of("open", "", script());
    let mark = scene.remote.mark();
    scene.press();
    scene.phase(mark, "listening");
    let first = scene.speak("question-time");
    answered(&scene, mark);
    let mark = scene.remote.mark();
    let second = scene.speak("question-rain");
    answered(&scene, mark);
    let segments = segments(&scene);
    assert_eq!(segments.len(), 2, "{segments:?}");
    check_segment(&segments[0], &first);
    check_segment(&segments[1], &second);
    let record = scene.server.events();
    let ends = record.iter().filter(|e| matches!(e.what, What::UtteranceEnded { .. })).count();
    assert_eq!(ends, 2, "one turn for each question");

    let quiet_from = record.last().unwrap().at_ns;
    scene.pass(4000);
    let bytes = bytes_after(&scene.server.events(), quiet_from);
    assert!(bytes * 20 <= 4 * SPEECH_BYTES_S, "{bytes} bytes in 4 s of silence");
    scene.end();
}

#[test]
fn after_idle_seconds_the_link_is_closed_and_the_next_talk_resumes() {
    let scene = Scene::of("open", "[open]\nidle_s = 3\nforget = false", script());
    let mark = scene.remote.mark();
    scene.press();
    scene.speak("question-time");
    answered(&scene, mark);
    let mark = scene.remote.mark();
    scene.phase(mark, "idle");
    scene.server_until("the first link is over", |events| !closes(events).is_empty());
    assert_eq!(closes(&scene.server.events()), [(1, Side::Client, 1000)]);

    let mark = scene.remote.mark();
    scene.press();
    let words = scene.speak("question-rain");
    answered(&scene, mark);
    let record = scene.server.events();
    let setups: Vec<_> = messages(&record, "setup").map(|(_, message)| message.clone()).collect();
    assert_eq!(setups.len(), 2);
    assert!(setups[0]["setup"]["sessionResumption"]["handle"].is_null());
    assert!(setups[1]["setup"]["sessionResumption"]["handle"].is_string(), "{}", setups[1]);
    let sessions: Vec<_> = record
        .iter()
        .filter_map(|e| match e.what {
            What::Ready { session, resumed } => Some((session, resumed)),
            _ => None,
        })
        .collect();
    assert_eq!(sessions, [(1, false), (1, true)]);
    let segments = segments(&scene);
    check_segment(&segments[1], &words);
    assert_eq!(segments[1].link, 2);
    scene.end();
}

#[test]
fn a_second_press_ends_the_talk() {
    let scene = Scene::of("open", "[open]\nend = \"button\"", script());
    let mark = scene.remote.mark();
    scene.press();
    scene.speak("question-time");
    answered(&scene, mark);
    let mark = scene.remote.mark();
    scene.press();
    scene.phase(mark, "idle");
    scene.server_until("the link is over", |events| !closes(events).is_empty());
    assert_eq!(closes(&scene.server.events()), [(1, Side::Client, 1000)]);
    // And what is said now is between those in the room.
    let heard = segments(&scene).len();
    let words = scene.speak("stop");
    scene.until_heard(words.end + 8000);
    assert_eq!((segments(&scene).len(), dials(&scene.server.events())), (heard, 1));
    scene.end();
}

#[test]
fn a_press_during_the_answer_silences_it_and_the_talk_goes_on() {
    let scene = Scene::of("open", "", script().turn(Turn::noise(10_000, 2)));
    let mark = scene.remote.mark();
    scene.press();
    scene.speak("question-time");
    scene.phase(mark, "speaking");
    scene.pass(300);
    let mark = scene.remote.mark();
    scene.press();
    scene.phase(mark, "listening");
    // The server goes on talking to nobody until it is interrupted.
    let words = scene.speak("stop");
    scene.server_until("the second turn", |events| {
        events.iter().any(|e| matches!(e.what, What::SentAudio { turn: 2, .. }))
    });
    answered(&scene, mark);
    check_segment(segments(&scene).last().unwrap(), &words);
    let heard = scene.played(0).iter().filter(|sample| **sample != 0).count();
    assert!(heard < 5 * 24_000, "the first answer went on: {heard} samples");
    scene.end();
}

#[test]
fn speech_begins_a_talk_and_its_first_words_wait_for_the_link() {
    let slow = script().fault(Rule::new(When::Setup, Fault::Wait { ms: 2000 }));
    let scene = Scene::of("open", "[open]\nstart = \"speech\"", slow);
    scene.pass(1000);
    assert_eq!(dials(&scene.server.events()), 0, "nobody has said anything");
    let mark = scene.remote.mark();
    let words = scene.speak("question-rain");
    answered(&scene, mark);
    let segments = segments(&scene);
    assert_eq!(segments.len(), 1);
    check_segment(&segments[0], &words);
    scene.end();
}

#[test]
fn where_speech_must_not_interrupt_the_answer_is_heard_to_its_end() {
    let scene = Scene::of("open", "[open]\nspeech_interrupts = false", script().turn(Turn::noise(4000, 3)));
    let mark = scene.remote.mark();
    scene.press();
    scene.speak("question-time");
    scene.phase(mark, "speaking");
    scene.speak("stop");
    scene.server_until("the second turn", |events| {
        events.iter().any(|e| matches!(e.what, What::SentAudio { turn: 2, .. }))
    });
    let mark = scene.remote.mark();
    scene.phase(mark.saturating_sub(1), "listening");
    let (record, played) = (scene.server.events(), scene.played(0));
    let first = find(&played, &record.spoken(1), 0).expect("all of the first answer was heard");
    assert!(find(&played, &record.spoken(2), first).is_some());
    scene.end();
}

#[test]
fn an_open_talk_in_silence_keeps_its_link_with_a_trickle() {
    let mut quiet = script();
    quiet.service.idle_close_ms = 33_000;
    let scene = Scene::of("open", "[open]\nstart = \"always\"", quiet);
    scene.server_until("the link is there without a press", |events| {
        events.iter().any(|e| matches!(e.what, What::Ready { .. }))
    });
    let began = scene.server.events().last().unwrap().at_ns;
    let sent = |events: &[Event]| events.iter().any(|e| matches!(e.what, What::Audio { .. }));
    assert!(scene.server.wait_blocking(Duration::from_secs(45), sent), "nothing keeps the link");
    let record = scene.server.events();
    let kept = record.iter().find_map(|e| match &e.what {
        What::Audio { samples, .. } => Some((e.at_ns - began, samples.clone())),
        _ => None,
    });
    let (after_ns, samples) = kept.unwrap();
    assert!(samples.len() == 1600 && samples.iter().all(|sample| *sample == 0));
    assert!((25_000_000_000..32_000_000_000).contains(&after_ns), "after {} ms", after_ns / 1_000_000);
    let bytes = bytes_after(&record, began);
    assert!(bytes * 20 <= 30 * SPEECH_BYTES_S, "{bytes} bytes in 30 s of silence");
    assert_eq!(closes(&record), []);
    scene.end();
}
