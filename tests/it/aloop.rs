//! A talk over a sound card of the kernel's: snd-aloop, whose streams overrun as hardware's do. Runs where
//! `cargo xtask test --aloop` has set PRESSEL_ALOOP=1; see docs/aloop.md.

use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fake_gemini::{Script, Turn, What};
use pressel_world::card::Direction;
use tests::measure::{Placed, Stretch, find, first_sound, last_sound, place};
use tests::stage::{Gaps, Loopback, Setting};

use crate::scene::{Asked, MIC_MS, PRE_ROLL_MS, SPK_MS, Scene, WAIT, setting};

/// The button is held so much longer than the words last: the loopback card and an emulated machine are late by some.
const HELD_MS: u64 = 500;
/// From a press to silence, at most: an emulated machine may stand still for a while, but the answer is 12 s long.
const SILENT_MS: u64 = 1500;
/// From the server's socket into the speaker's ring: an answer may pause so much before its next part was sent.
const HANDED_OVER_NS: u64 = 200_000_000;
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

/// Asks, and is slow to let go.
#[track_caller]
fn ask(scene: &Scene) -> Asked {
    let pressed = scene.press();
    let words = scene.speak("question-time");
    scene.until_heard(words.end + HELD_MS * MIC_MS);
    Asked { pressed, words, released: scene.release() }
}

/// An utterance: all of its words, as they were spoken, and the pre-roll before the press.
#[track_caller]
fn check_asked(scene: &Scene, asked: &Asked, number: usize) {
    let span = scene.utterances()[number].whole();
    let pre_roll = scene.mic_at(asked.pressed.end) - PRE_ROLL_MS * MIC_MS;
    assert!(span.start <= pre_roll, "begins {} samples after the pre-roll", span.start - pre_roll);
    assert!(span.start < asked.words.start, "begins at {}, the words at {}", span.start, asked.words.start);
    assert!(span.end > asked.words.end, "ends at {}, the words at {}", span.end, asked.words.end);
}

/// Where the answer begins.
#[track_caller]
fn begin_of(played: &[i16], sent: &[i16], from: usize) -> usize {
    find(played, &sent[..480], from).unwrap_or_else(|| {
        let later = find(played, &sent[2400..2880], from);
        panic!("the answer's first 20 ms are not heard as they were sent; later ones are, at {later:?}")
    })
}

/// Stretches of sound with at least 1 ms of silence between them.
fn runs(samples: &[i16]) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for (n, _) in samples.iter().enumerate().filter(|(_, sample)| **sample != 0) {
        match found.last_mut() {
            Some(run) if n - run.end < SPK_MS as usize => run.end = n + 1,
            _ => found.push(n..n + 1),
        }
    }
    found
}

/// Everything that was heard from a sample on is this turn's answer, whole and once; where it pauses, its next part had
/// not been sent in time. Where it ended.
#[track_caller]
fn check_answer(scene: &Scene, turn: u32, from: usize) -> usize {
    let (played, record) = (scene.played(0), scene.server.events());
    let sent = record.spoken(turn);
    let heard = runs(&played[from..]);
    let stretches = heard.iter().map(|run| Stretch { at_ns: 0, samples: &played[from..][run.clone()] });
    let placed = place(&sent, 0, stretches);
    assert_eq!((placed.repeated, placed.foreign), (0, 0));
    let (first, last) = (placed.placed.first().unwrap(), placed.placed.last().unwrap());
    // A zero at the edge of a stretch is silence, too.
    let edges = placed.lost + first.range.start + sent.len() - last.range.end;
    assert!(edges <= 2 * heard.len(), "{edges} samples lost in {} stretches", heard.len());
    let mut end = 0;
    let parts: Vec<(usize, u64)> = (record.iter())
        .filter_map(|event| match &event.what {
            What::SentAudio { samples, done_ns, turn: of, .. } if *of == turn => {
                end += samples.len();
                Some((end, *done_ns))
            }
            _ => None,
        })
        .collect();
    let in_time = |(run, part): &(&Range<usize>, &Placed)| {
        let silent_ns = scene.card.time_of(Direction::Playback, (from + run.end) as u64);
        let missing = parts.iter().find(|(end, _)| part.range.end + 2 < *end).expect("it goes on");
        missing.1 + HANDED_OVER_NS <= silent_ns
    };
    let pauses = heard.len() - 1;
    let gaps = heard.iter().zip(&placed.placed).take(pauses).filter(in_time).count() as u64;
    println!("turn {turn}: {} samples, {pauses} pauses, {gaps} of them gaps", sent.len());
    // A ring that cannot be taken back is shallow, and an emulated machine may stand still for longer: counted, then.
    let speaker = &scene.remote.status().unwrap()["speaker"];
    let allowed = if speaker["rewinds"] == true { 0 } else { xruns(scene, "speaker") };
    assert!(gaps <= allowed, "{gaps} gaps in an answer that was there in time, {allowed} underruns counted");
    from + heard.last().expect("something was heard").end
}

#[test]
fn two_questions_and_answers_cross_the_loopback_card_sample_for_sample() {
    let Some((loopback, _card)) = card() else { return };
    let scene = scene(loopback, Turn::noise(3000, 1));
    let mut from = 0;
    for turn in 1..=2 {
        let mark = scene.remote.mark();
        let asked = ask(&scene);
        scene.answered(mark);
        check_bridge(&scene);
        check_asked(&scene, &asked, turn as usize - 1);
        from = check_answer(&scene, turn, from);
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
    ask(&scene);
    scene.phase(mark, "speaking");
    scene.pass(1000);
    let pressed = scene.press();
    scene.pass(2 * SILENT_MS);
    check_bridge(&scene);
    let (played, sent) = (scene.played(0), scene.server.events().spoken(1));
    let begin = begin_of(&played, &sent, 0);
    let end = begin + last_sound(&played[begin..]).unwrap();
    let late_ms = (end as u64).saturating_sub(scene.spk_at(pressed.start)) / SPK_MS;
    println!("silent {late_ms} ms after the press");
    assert!(late_ms <= SILENT_MS, "silent only {late_ms} ms after the press");
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
    let asked = ask(&scene);
    scene.answered(mark);
    check_bridge(&scene);
    check_asked(&scene, &asked, 0);
    check_answer(&scene, 1, 0);
    println!("{} overruns", xruns(&scene, "microphone"));
    scene.end();
}

#[test]
fn an_answer_whose_ring_ran_dry_goes_on_after_a_pause_and_loses_nothing() {
    let Some((loopback, _card)) = card() else { return };
    let scene = scene(loopback, Turn { pace: Some(0.0), ..Turn::noise(4000, 4) });
    let mark = scene.remote.mark();
    ask(&scene);
    scene.phase(mark, "speaking");
    scene.pass(800);
    stand_still(&scene);
    scene.remote.wait_phase(mark + 1, "idle", WAIT).unwrap();
    check_bridge(&scene);
    let (played, sent) = (scene.played(0), scene.server.events().spoken(1));
    let begin = begin_of(&played, &sent, 0);
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
