//! Cards that are opened again: the echo of what was played before is cancelled at once, as if nothing had been.

use std::ops::Range;
use std::time::Duration;

use fake_gemini::What;
use pressel_world::card::{Card, Direction, Echo};
use tempfile::TempDir;
use tests::measure::first_sound;

use super::{DAC_MS, WAY, db, echoes, got, on, power, words};
use crate::scene::{MIC_MS, Scene};

/// After so many ms of sound the canceller is what it was; that is measured for a second.
pub(super) const AGAIN: Range<u64> = 500..1_500;
/// The half second before that.
pub(super) const FIRST: Range<u64> = 0..500;

/// What the server got since the last press.
fn last_utterance(scene: &Scene) -> Vec<i16> {
    let mut sound = Vec::new();
    for event in scene.server.events().iter() {
        match &event.what {
            What::Received { name, .. } if name == "activityStart" => sound.clear(),
            What::Audio { samples, .. } => sound.extend_from_slice(samples),
            _ => {}
        }
    }
    sound
}

/// Where the echo comes from, after a card was opened again.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Same,
    Another,
}

/// What a press plays here.
pub(super) fn far() -> Vec<i16> {
    words(&["question-moon", "question-story", "question-lamp"], 6_000)
}

/// A press whose sound is heard; how much of its echo is taken off in these ms after its first sound, in dB.
#[track_caller]
pub(super) fn taken_off<const N: usize>(scene: &Scene, spans: [Range<u64>; N]) -> [f64; N] {
    let mark = scene.remote.mark();
    let since = scene.card.now_sample(Direction::Playback);
    let pressed = scene.mic_at(scene.press().start);
    let played = |span: Range<u64>| scene.card.channel(Direction::Playback, 0, span).unwrap();
    let first = loop {
        scene.pass(100);
        if let Some(first) = first_sound(&played(since..scene.card.now_sample(Direction::Playback))) {
            break since + first as u64;
        }
    };
    let heard =
        scene.mic_at(scene.card.time_of(Direction::Playback, first)) + WAY.as_millis() as u64 * MIC_MS;
    let end_ms = spans.iter().map(|span| span.end).max().unwrap_or_default();
    scene.until_heard(heard + (end_ms + 100) * MIC_MS);
    scene.release();
    scene.answered(mark);
    let sound = last_utterance(scene);
    spans.map(|Range { start, end }| {
        let echo_db = db(power(&played(first + start * DAC_MS..first + end * DAC_MS)) / 4.0);
        let left = got(&sound, pressed, &(heard + start * MIC_MS..heard + end * MIC_MS));
        assert!(echo_db > 40.0, "there is something to cancel: {echo_db:.1} dB");
        echo_db - db(power(&sound[left]))
    })
}

/// What a card that is opened again costs: how much is taken off at once, and half a second after the first sound. Where
/// the echo comes from the same `place`, at once means more than what a canceller takes off that has learnt nothing yet.
#[track_caller]
fn check(what: &str, place: Place, again: impl Fn(&Scene)) {
    let folder = TempDir::new().unwrap();
    let scene = Scene::set(on(&far(), &folder, "[gain]\non = false\n", echoes));
    let [new_db, before_db] = taken_off(&scene, [FIRST, 3_000..4_000]);
    again(&scene);
    let [first_db, after_db] = taken_off(&scene, [FIRST, AGAIN]);
    println!("{what}: {new_db:.1} and {before_db:.1} dB before, {first_db:.1} and {after_db:.1} dB after");
    assert!(before_db >= 20.0, "before: {before_db:.1} dB");
    assert!(
        place == Place::Another || first_db >= new_db + 2.0,
        "{what}: {first_db:.1} dB at once, {new_db:.1} new"
    );
    assert!(after_db >= 18.0, "{what}: {after_db:.1} dB from {AGAIN:?} ms on, {before_db:.1} dB before");
    scene.end();
}

/// Pulls a card out and puts it back.
fn replug(scene: &Scene, direction: Direction, meanwhile: impl Fn(&Card)) {
    let mark = scene.remote.mark();
    scene.card.unplug(direction);
    scene.phase(mark, "no device");
    meanwhile(&scene.card);
    let mark = scene.remote.mark();
    scene.card.replug(direction);
    scene.phase(mark, "idle");
    scene.pass(600); // the pre-roll
}

#[test]
fn a_speaker_that_is_put_back_costs_less_than_half_a_second_of_cancellation() {
    check("the speaker again", Place::Same, |scene| replug(scene, Direction::Playback, |_| {}));
}

#[test]
fn a_microphone_that_is_put_back_costs_less_than_half_a_second_of_cancellation() {
    check("the microphone again", Place::Same, |scene| replug(scene, Direction::Capture, |_| {}));
}

/// A card's converters may take another time whenever they start.
fn comes(card: &Card, after_ms: u64) {
    card.set_echo(Some(Echo { delay: Duration::from_millis(after_ms), gain: 0.5 }));
}

#[test]
fn nor_does_one_that_comes_back_with_another_delay() {
    for (what, direction, ms) in [
        ("the speaker, 7 ms later", Direction::Playback, 47),
        ("the speaker, 25 ms sooner", Direction::Playback, 15),
        ("the microphone, 7 ms later", Direction::Capture, 47),
    ] {
        check(what, Place::Another, |scene| replug(scene, direction, |card| comes(card, ms)));
    }
}

#[test]
fn nor_does_an_underrun_or_an_overrun() {
    for direction in [Direction::Playback, Direction::Capture] {
        check(&format!("{direction:?} broken"), Place::Same, |scene| scene.card.force_xrun(direction));
    }
}
