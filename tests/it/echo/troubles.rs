//! A microphone that is not itself for a while: a second after it is again, echo and gate are what they were.

use std::time::Duration;

use pressel_world::card::Direction;
use tempfile::TempDir;

use super::cards::{AGAIN, FIRST, far, taken_off};
use super::{echoes, on, words};
use crate::scene::{MIC_MS, Scene, WAIT};

/// The sound of a press is over after this, and the gate has closed if what was left of its echo had opened it.
const OVER_MS: u64 = 6_000;

/// From a second after the trouble on at least so much echo is taken off, and the gate hears who speaks and nobody else.
#[track_caller]
fn check(least_db: f64, trouble: impl Fn(&Scene)) {
    let folder = TempDir::new().unwrap();
    let scene = Scene::set(on(&far(), &folder, "[gain]\non = false\n", echoes));
    let is_open = || scene.remote.ask(r#"{"op":"levels"}"#).unwrap()["open"] == true;
    let [_, before_db] = taken_off(&scene, [FIRST, 3_000..4_000]);
    scene.pass(OVER_MS);
    trouble(&scene);
    scene.pass(1_000);
    assert!(!is_open(), "nobody speaks");
    let [after_db] = taken_off(&scene, [AGAIN]);
    println!("{before_db:.1} dB before, {after_db:.1} dB after");
    assert!(after_db >= least_db, "{after_db:.1} dB, {before_db:.1} dB before");
    scene.pass(OVER_MS);
    assert!(!is_open(), "nobody has spoken yet");
    let said = words(&["question-time"], 2_000);
    let loud = said.iter().position(|sample| sample.unsigned_abs() > 1_500).unwrap() as u64;
    let at = scene.say(Duration::from_millis(300), &said).unwrap();
    scene.until_heard(at + loud + 300 * MIC_MS);
    assert!(is_open(), "somebody speaks");
    scene.until_heard(at + said.len() as u64 + 2_000 * MIC_MS);
    assert!(!is_open(), "nobody speaks any more");
    scene.end();
}

/// Waits for a line of the log.
#[track_caller]
fn told(scene: &Scene, mark: usize, text: &str) {
    let found =
        scene.remote.wait(mark, WAIT, |event| event.value["text"].as_str().is_some_and(|t| t.contains(text)));
    found.unwrap_or_else(|error| panic!("{text}: {error}"));
}

#[test]
fn after_frames_at_another_rate() {
    // The model of its clock needs some more seconds to believe in the old rate: until then 15 to 21 dB were measured.
    check(12.0, |scene| {
        let mark = scene.remote.mark();
        scene.card.set_drift(Direction::Capture, 50_000.0);
        told(scene, mark, "now: delivers at another rate");
        scene.card.set_drift(Direction::Capture, 0.0);
    });
}

#[test]
fn after_times_that_jump() {
    check(18.0, |scene| {
        let mark = scene.remote.mark();
        scene.card.stall(Direction::Capture);
        // Half a second that no frame tells of; nothing happens meanwhile that could be awaited.
        std::thread::sleep(Duration::from_millis(500));
        scene.card.resume(Direction::Capture);
        told(scene, mark, "now: tells times that jump");
    });
}
