//! What no microphone should deliver: the daemon lives, says so in one line of its log, and says when it is over.

use fake_gemini::Script;
use pressel_world::card::{Direction, StreamOptions};

use crate::scene::{Scene, WAIT, setting};

const RATE: u64 = 16_000;

/// Something goes wrong and ends: one line for each, the status has the word in between, and the daemon works on.
#[track_caller]
fn check(word: &str, words: &str, begins: impl Fn(&Scene), ends: impl Fn(&Scene)) {
    let scene = Scene::set(setting("hold", "", Script::default()));
    let mark = scene.remote.mark();
    begins(&scene);
    let told = |text: &str| {
        let found =
            scene.remote.wait(mark, WAIT, |e| e.value["text"].as_str().is_some_and(|t| t.contains(text)));
        found.unwrap_or_else(|error| panic!("{text}: {error}"));
    };
    told(&format!("now: {words}"));
    let troubles = &scene.remote.status().unwrap()["microphone"]["troubles"];
    assert!(troubles.as_array().unwrap().iter().any(|trouble| trouble == word), "{troubles}");
    ends(&scene);
    told(&format!("no longer: {words}"));
    let log = scene.log();
    let lines = |start: &str| log.lines().filter(|line| line.contains(&format!("{start}{words}"))).count();
    assert_eq!((lines("the microphone "), lines("before, it ")), (1, 1), "{log}");
    scene.end();
}

/// Puts `seconds` of this before the microphone, from now on.
fn hear(scene: &Scene, seconds: u64, sample: impl Fn(usize) -> i16) {
    let sound: Vec<i16> = (0..(seconds * RATE) as usize).map(sample).collect();
    let at = scene.card.now_sample(Direction::Capture) + RATE / 10;
    scene.card.say(at, &sound).unwrap();
}

#[test]
fn a_microphone_that_delivers_zeros_is_complained_of_once() {
    check("zeros", "delivers nothing but zeros", |scene| hear(scene, 7, |_| 0), |_| {});
}

#[test]
fn a_square_wave_at_full_scale_is_complained_of_once() {
    let square = |n: usize| if n / 40 % 2 == 0 { i16::MAX } else { i16::MIN };
    check("full-scale", "stands at full scale", |scene| hear(scene, 3, square), |_| {});
}

#[test]
fn frames_at_another_rate_than_agreed_are_complained_of_once() {
    let drifts = |ppm| move |scene: &Scene| scene.card.set_drift(Direction::Capture, ppm);
    check("rate", "delivers at another rate", drifts(50_000.0), drifts(0.0));
}

#[test]
fn times_that_jump_are_complained_of_once() {
    let pauses = |scene: &Scene| {
        scene.card.stall(Direction::Capture);
        // Half a second that no frame tells of; nothing happens meanwhile that could be awaited.
        std::thread::sleep(std::time::Duration::from_millis(500));
        scene.card.resume(Direction::Capture);
    };
    check("times", "tells times that jump", pauses, |_| {});
}

#[test]
fn a_dead_channel_is_left_out_and_taken_back_with_a_line_each() {
    let mut setting = setting("hold", "", Script::default());
    setting.card.microphone = StreamOptions::new(16_000, 4);
    setting.stages = String::new();
    setting.capture = String::new();
    let scene = Scene::set(setting);
    let mark = scene.remote.mark();
    let voice: Vec<i16> = (0..8 * RATE as usize).map(|n| ((n * n / 700) % 4_001) as i16 - 2_000).collect();
    let at = scene.card.now_sample(Direction::Capture) + RATE / 10;
    scene.card.say(at, &voice).unwrap();
    scene.card.say_on(&[2], at, &vec![0; 4 * RATE as usize]).unwrap();
    for text in ["channels left out: 2", "all channels are used again"] {
        let found =
            scene.remote.wait(mark, WAIT, |e| e.value["text"].as_str().is_some_and(|t| t.contains(text)));
        found.unwrap_or_else(|error| panic!("{text}: {error}"));
    }
    let log = scene.log();
    assert_eq!(log.matches("left out").count(), 1, "{log}");
    scene.end();
}
