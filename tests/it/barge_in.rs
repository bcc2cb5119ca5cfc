//! Speaking over the answer, through the whole daemon: the detector listens to the virtual microphone, which does not
//! hear the speaker, and the server finds speech by itself in the time of its stream.

use std::ops::Range;
use std::time::Duration;

use fake_gemini::{Event, Script, Turn, What};
use tests::measure::find;
use tests::stage::{STAGES_OFF, Setting};

use crate::answer::played_whole;
use crate::scene::{MIC_MS, SPK_MS, Scene, WAIT, setting};

/// From something said to what is done about it, on a machine that does other things as well.
const SLACK_NS: u64 = 150_000_000;
/// From a decision to cough to the first sound.
const BREATH: Duration = Duration::from_millis(300);

/// A talk in which a long answer has begun.
fn answering(mode: &str, policy: &str) -> Scene {
    let stages = STAGES_OFF.replace("policy = \"server\"", &format!("policy = \"{policy}\""));
    assert!(stages.contains(policy));
    let script = Script { turns: vec![Turn::noise(6000, 8)], rest: Turn::noise(700, 9), ..Script::default() };
    let scene = Scene::set(Setting { stages, ..setting(mode, "", script) });
    let mark = scene.remote.mark();
    scene.press();
    let words = scene.speak("question-time");
    if mode == "tap" {
        scene.until_heard(words.end);
        scene.press();
    }
    scene.phase(mark, "speaking");
    scene.pass(700);
    scene
}

/// 120 ms that begin hard and die away.
fn cough() -> Vec<i16> {
    let mut random = 1_u32;
    (0..120 * MIC_MS)
        .map(|n| {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = f64::from(random >> 8) / f64::from(1_u32 << 23) - 1.0;
            (9000.0 * noise * (1.0 - n as f64 / (120 * MIC_MS) as f64)) as i16
        })
        .collect()
}

/// Sound that arrived after a time, from its first message that is not silence, and how many samples of silence before.
fn arrived(record: &[Event], after_ns: u64) -> (Vec<i16>, usize) {
    let (mut sound, mut silence) = (Vec::new(), 0);
    for event in record.iter().filter(|event| event.at_ns > after_ns) {
        let What::Audio { samples, .. } = &event.what else { continue };
        // A recording has moments of pure silence, too.
        if !sound.is_empty() || samples.iter().any(|sample| *sample != 0) {
            sound.extend_from_slice(samples);
        } else {
            silence += samples.len();
        }
    }
    sound.truncate(sound.iter().rposition(|sample| *sample != 0).map_or(0, |last| last + 1));
    (sound, silence)
}

/// Where the microphone heard this, all of it in one piece.
#[track_caller]
fn heard(scene: &Scene, sound: &[i16]) -> Range<u64> {
    let microphone = scene.microphone(0);
    let loud = sound.iter().position(|sample| *sample != 0).expect("there is sound");
    let begin = find(&microphone, &sound[loud..loud + 480], 0).expect("the microphone heard it") - loud;
    let same = microphone[begin..].iter().zip(sound).take_while(|(a, b)| a == b).count();
    assert_eq!(same, sound.len(), "after so many samples something is missing");
    begin as u64..(begin + sound.len()) as u64
}

/// The words without the silence around them in their recording.
fn loud(scene: &Scene, words: Range<u64>) -> Range<u64> {
    let microphone = scene.microphone(0);
    let spoken = &microphone[words.start as usize..words.end as usize];
    let first = spoken.iter().position(|sample| *sample != 0).expect("words");
    let last = spoken.iter().rposition(|sample| *sample != 0).expect("words");
    words.start + first as u64..words.start + last as u64 + 1
}

fn level(samples: &[i16]) -> f64 {
    let energy: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    10.0 * (energy / samples.len() as f64).max(1e-9).log10()
}

/// All that was heard of an answer between two times, in dB.
fn played_level(scene: &Scene, from_ns: u64, to_ns: u64) -> f64 {
    let played = scene.played(0);
    level(&played[scene.spk_at(from_ns) as usize..scene.spk_at(to_ns) as usize])
}

#[test]
fn words_over_the_answer_turn_it_down_then_end_it_and_arrive_from_their_first_syllable_on() {
    let scene = answering("open", "both");
    let mark = scene.remote.mark();
    let began_ns = scene.remote.events().last().unwrap().at_ns;
    let words = scene.speak("stop");
    let duck = scene.told(mark, "duck");
    assert_eq!(duck.value["ducked"], true);
    let cut = scene.told(mark, "barge_in");
    let interrupted = scene.told(mark, "interrupted");
    assert!(duck.at_ns < cut.at_ns && cut.at_ns < interrupted.at_ns, "the device is first");
    // The answer to it, whole; and then the talk goes on.
    let again = scene.phase(mark, "speaking").at_ns;
    scene.remote.wait(mark, WAIT, |e| e.at_ns > again && e.is_phase("listening")).unwrap();

    // How soon, and how far down, and for how long.
    let spoken_ns = scene.card.time_of(pressel_world::card::Direction::Capture, words.start);
    assert!(duck.at_ns > spoken_ns && duck.at_ns < spoken_ns + 2 * SLACK_NS, "ducked too early or too late");
    let before = played_level(&scene, duck.at_ns - 300_000_000, duck.at_ns - 20_000_000);
    let during = played_level(&scene, duck.at_ns + 100_000_000, cut.at_ns - 5_000_000);
    assert!(during < before - 12.0, "ducked from {before:.1} to {during:.1} dB");
    let after = played_level(&scene, cut.at_ns + SLACK_NS, again - 20_000_000);
    assert!(after < 0.0, "{after:.1} dB are left of the answer");

    // What the server heard: silence until the device was sure, and then everything.
    let record = scene.server.events();
    let first = record.iter().find(|event| {
        let What::Audio { samples, .. } = &event.what else { return false };
        event.at_ns > began_ns && samples.iter().any(|sample| *sample != 0)
    });
    assert!(first.unwrap().at_ns > cut.at_ns - 5_000_000, "something was heard before it was decided");
    let (sound, silence) = arrived(&record, began_ns);
    let (span, words) = (heard(&scene, &sound), loud(&scene, words));
    assert!(span.start <= words.start, "{} samples of the first word are missing", span.start - words.start);
    assert!(span.end >= words.end, "{} samples of the last word are missing", words.end - span.end);
    assert!(silence as u64 >= 200 * MIC_MS, "only {silence} samples of silence in its place");
    let played = scene.played(0);
    played_whole(&played[scene.spk_at(again - SLACK_NS) as usize..], &record.spoken(2), 0);
    assert_eq!((scene.counter("barge_ins"), scene.counter("interruptions")), (1, 1));
    scene.end();
}

#[test]
fn a_cough_turns_the_answer_down_and_the_same_sentence_comes_back() {
    for policy in ["both", "local"] {
        let scene = answering("open", policy);
        let mark = scene.remote.mark();
        let began_ns = scene.remote.events().last().unwrap().at_ns;
        scene.say(BREATH, &cough()).unwrap();
        let duck = scene.told(mark, "duck");
        let back = scene.remote.wait(mark, WAIT, |e| e.name == "duck" && e.value["ducked"] == false).unwrap();
        let length_ms = (back.at_ns - duck.at_ns) / 1_000_000;
        assert!(length_ms < 450, "it came back only after {length_ms} ms");
        scene.phase(mark, "listening");
        let record = scene.server.events();
        let (sound, silence) = arrived(&record, began_ns);
        assert_eq!(sound.len(), 0, "the server heard it");
        assert!(silence as u64 >= 100 * MIC_MS, "{silence} samples of silence");
        // Down, and then to its end as it was sent.
        let (played, sent) = (scene.played(0), record.spoken(1));
        let begin = find(&played, &sent[..480], 0).unwrap();
        let tail = sent.len() - 2000 * SPK_MS as usize;
        assert!(played[begin + tail..begin + sent.len()] == sent[tail..], "another sentence");
        let down = played_level(&scene, duck.at_ns + 60_000_000, back.at_ns - 5_000_000);
        let up = played_level(&scene, back.at_ns + 500_000_000, back.at_ns + 900_000_000);
        assert!(down < up - 12.0, "from {up:.1} to {down:.1} dB");
        assert_eq!((scene.counter("barge_ins"), scene.counter("interruptions")), (0, 0));
        scene.end();
    }
}

#[test]
fn where_the_server_decides_the_same_cough_ends_the_answer() {
    let scene = answering("open", "server");
    let mark = scene.remote.mark();
    scene.say(BREATH, &cough()).unwrap();
    let duck = scene.told(mark, "duck");
    assert_eq!(duck.value["ducked"], true);
    let interrupted = scene.told(mark, "interrupted");
    scene.pass(300);
    let after =
        played_level(&scene, interrupted.at_ns + SLACK_NS, interrupted.at_ns + SLACK_NS + 100_000_000);
    assert!(after < 0.0, "{after:.1} dB are left of the answer");
    assert_eq!((scene.counter("barge_ins"), scene.counter("interruptions")), (0, 1));
    scene.end();
}

#[test]
fn half_duplex_hears_nothing_during_the_answer_and_sends_silence() {
    let scene = answering("open", "off");
    let mark = scene.remote.mark();
    let began_ns = scene.remote.events().last().unwrap().at_ns;
    let words = scene.speak("stop");
    scene.phase(mark, "listening");
    let record = scene.server.events();
    let (sound, silence) = arrived(&record, began_ns);
    assert_eq!(sound.len(), 0, "it was heard");
    assert!(silence as u64 >= words.end - words.start, "{silence} samples of silence");
    played_whole(&scene.played(0), &record.spoken(1), 0);
    assert!(!scene.remote.events().iter().any(|event| event.name == "duck"));
    scene.end();
}

#[test]
fn in_tap_mode_words_over_the_answer_are_a_tap() {
    let scene = answering("tap", "both");
    let mark = scene.remote.mark();
    let words = scene.speak("stop");
    let duck = scene.told(mark, "duck");
    let cut = scene.told(mark, "barge_in");
    assert!(duck.at_ns < cut.at_ns);
    let again = scene.phase(mark, "speaking").at_ns;
    scene.remote.wait(mark, WAIT, |e| e.at_ns > again && e.is_phase("idle")).unwrap();
    let utterances = scene.utterances();
    assert_eq!(utterances.len(), 2);
    assert!(utterances[1].began_ns + 5_000_000 > cut.at_ns, "marked before it was decided");
    let (span, words) = (utterances[1].whole(), loud(&scene, words));
    assert!(span.start <= words.start && span.end >= words.end, "{span:?} of {words:?}");
    played_whole(
        &scene.played(0)[scene.spk_at(again - SLACK_NS) as usize..],
        &scene.server.events().spoken(2),
        0,
    );
    scene.end();
}
