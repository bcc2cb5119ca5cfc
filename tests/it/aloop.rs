//! A talk over a sound card of the kernel's: snd-aloop, whose streams overrun as hardware's do. Runs where
//! `cargo xtask test --aloop` has set PRESSEL_ALOOP=1; see docs/aloop.md.

use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fake_gemini::{Script, Turn};
use tests::measure::{Stretch, find, first_sound, last_sound, place};
use tests::stage::{Gaps, Loopback, Setting};

use crate::scene::{MIC_MS, PRE_ROLL_MS, SPK_MS, Scene, WAIT, setting};

/// How far the loopback card's clock, which is the kernel's tick, is behind the stage's.
const SLACK_MS: u64 = 60;
/// Longer than either ring of the daemon holds.
const TOO_LONG: Duration = Duration::from_millis(1500);

/// There is one card, and its cables have one user.
static CARD: Mutex<()> = Mutex::new(());

/// Keeps the card for one test, or says that the test is skipped.
fn card() -> Option<(Loopback, MutexGuard<'static, ()>)> {
    if std::env::var_os("PRESSEL_ALOOP").is_none_or(|on| on != "1") {
        println!("skipped: needs a host with snd-aloop, `cargo xtask test --aloop`");
        return None;
    }
    let card = CARD.lock().unwrap_or_else(PoisonError::into_inner);
    match Loopback::find() {
        Ok(loopback) => Some((loopback, card)),
        Err(error) => panic!("{error}"),
    }
}

fn scene(loopback: Loopback, turn: Turn) -> Scene {
    let script = Script { rest: turn, ..Script::default() };
    Scene::set(Setting { loopback: Some(loopback), ..setting("hold", "", script) })
}

/// The stage carried every sample: what is missing now is the daemon's fault.
#[track_caller]
fn check_bridge(scene: &Scene) {
    scene.catch_up().unwrap();
    let gaps = scene.bridge.as_ref().expect("it was set").gaps().unwrap();
    assert_eq!(gaps, Gaps::default(), "the stage itself was too late; is this machine busy?");
}

/// An utterance: all of its words, as they were spoken, from the pre-roll on.
#[track_caller]
fn check_asked(scene: &Scene, asked: &crate::scene::Asked, number: usize) {
    let span = scene.utterances()[number].whole();
    assert!(span.start < asked.words.start && span.end > asked.words.end);
    let pressed = scene.mic_at(asked.pressed.end);
    assert!(span.start <= pressed - PRE_ROLL_MS * MIC_MS, "the pre-roll is too short");
    let released = scene.mic_at(asked.released.start);
    assert!(span.end + SLACK_MS * MIC_MS >= released + 200 * MIC_MS, "the tail is too short");
}

/// Where an answer was played: whole, once, and silent before it.
#[track_caller]
fn check_answer(played: &[i16], sent: &[i16], from: usize) -> Range<usize> {
    let begin = find(played, &sent[..480], from).expect("the answer is heard");
    let same = played[begin..].iter().zip(sent).take_while(|(a, b)| a == b).count();
    assert_eq!(same, sent.len(), "after so many samples something else was heard");
    assert_eq!(first_sound(&played[from..begin]), None, "something was heard before it");
    begin..begin + same
}

#[test]
fn two_questions_and_answers_cross_the_loopback_card_sample_for_sample() {
    let Some((loopback, _card)) = card() else { return };
    let scene = scene(loopback, Turn::noise(3000, 1));
    let mut from = 0;
    for turn in 1..=2 {
        let mark = scene.remote.mark();
        let asked = scene.ask("question-time");
        scene.answered(mark);
        check_bridge(&scene);
        check_asked(&scene, &asked, turn - 1);
        let answer = check_answer(&scene.played(0), &scene.server.events().spoken(turn as u32), from);
        from = answer.end;
    }
    assert_eq!(first_sound(&scene.played(0)[from..]), None, "something was heard after the last answer");
    assert_eq!(xruns(&scene, "microphone"), 0);
    scene.end();
}

#[test]
fn a_press_silences_the_answer_on_the_loopback_card() {
    let Some((loopback, _card)) = card() else { return };
    let scene = scene(loopback, Turn { pace: Some(0.0), ..Turn::noise(12_000, 2) });
    let mark = scene.remote.mark();
    scene.ask("question-time");
    scene.phase(mark, "speaking");
    scene.pass(1000);
    let pressed = scene.press();
    scene.pass(500);
    check_bridge(&scene);
    let (played, sent) = (scene.played(0), scene.server.events().spoken(1));
    let begin = find(&played, &sent[..480], 0).expect("the answer is heard");
    let end = begin + last_sound(&played[begin..]).unwrap();
    let late_ms = (end as u64).saturating_sub(scene.spk_at(pressed.start)) / SPK_MS;
    println!("silent {late_ms} ms after the press");
    assert!(late_ms <= 150, "silent only {late_ms} ms after the press");
    assert!((end - begin) as u64 > 500 * SPK_MS, "it was hardly begun");
    scene.release();
    scene.end();
}

#[test]
fn a_daemon_that_stood_still_recovers_from_the_overrun_and_hears_the_next_question() {
    let Some((loopback, _card)) = card() else { return };
    let scene = scene(loopback, Turn::noise(1000, 3));
    stand_still(&scene);
    let deadline = Instant::now() + WAIT;
    while xruns(&scene, "microphone") == 0 {
        assert!(Instant::now() < deadline, "the overrun was not noticed");
        std::thread::sleep(Duration::from_millis(5)); // status is asked for, not told
    }
    scene.pass(2 * PRE_ROLL_MS);
    let mark = scene.remote.mark();
    let asked = scene.ask("question-time");
    scene.answered(mark);
    check_bridge(&scene);
    check_asked(&scene, &asked, 0);
    check_answer(&scene.played(0), &scene.server.events().spoken(1), 0);
    println!("{} overruns", xruns(&scene, "microphone"));
    scene.end();
}

#[test]
fn an_answer_whose_ring_ran_dry_goes_on_after_a_pause_and_loses_nothing() {
    let Some((loopback, _card)) = card() else { return };
    let scene = scene(loopback, Turn { pace: Some(0.0), ..Turn::noise(4000, 4) });
    let mark = scene.remote.mark();
    scene.ask("question-time");
    scene.phase(mark, "speaking");
    scene.pass(800);
    stand_still(&scene);
    scene.remote.wait_phase(mark + 1, "idle", WAIT).unwrap();
    check_bridge(&scene);
    let (played, sent) = (scene.played(0), scene.server.events().spoken(1));
    let begin = find(&played, &sent[..480], 0).expect("the answer is heard");
    let before = played[begin..].iter().zip(&sent).take_while(|(a, b)| a == b).count();
    assert!(before < sent.len(), "it went on although the daemon stood still");
    let again = first_sound(&played[begin + before..]).expect("it goes on") + begin + before;
    let end = last_sound(&played).unwrap() + 1;
    assert!((again - begin - before) as u64 > 500 * SPK_MS, "the pause is too short for this test");
    let parts = [&played[begin..begin + before], &played[again..end]];
    let placed = place(&sent, 0, parts.map(|samples| Stretch { at_ns: 0, samples }));
    // A zero at the edge of a part is silence, too.
    assert_eq!((placed.repeated, placed.foreign), (0, 0));
    assert!(placed.lost <= 2, "{} samples lost", placed.lost);
    assert!(xruns(&scene, "speaker") > 0);
    scene.end();
}

/// Stops the daemon's process for longer than its rings hold.
fn stand_still(scene: &Scene) {
    scene.daemon.signal(libc::SIGSTOP);
    scene.pass(TOO_LONG.as_millis() as u64);
    scene.daemon.signal(libc::SIGCONT);
}

/// Overruns or underruns that the daemon has counted.
#[track_caller]
fn xruns(scene: &Scene, side: &str) -> u64 {
    scene.remote.status().unwrap()[side]["xruns"].as_u64().unwrap()
}
