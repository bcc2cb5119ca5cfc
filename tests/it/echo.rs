//! The sound path as a product has it: what the loudspeaker says does not reach the server, what a person says does.

mod beam;
mod cards;
mod troubles;

use std::f64::consts::LOG10_2;
use std::io::{BufRead, BufReader};
use std::ops::Range;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fake_gemini::audio::recording;
use fake_gemini::{Script, Turn, What};
use pressel_world::card::{Card, CardOptions, Direction, Echo, StreamOptions};
use pressel_world::wav::Wav;
use serde_json::Value;
use tempfile::TempDir;
use tests::measure::correlation;
use tests::stage::{Setting, program};

use crate::scene::{MIC_MS, PRE_ROLL_MS, Scene, setting};

/// Samples per millisecond of the speaker here.
const DAC_MS: u64 = 48;
/// From the DAC to the ADC.
const WAY: Duration = Duration::from_millis(40);

fn script() -> Script {
    Script { rest: Turn::noise(400, 1), ..Script::default() }
}

/// The product's stages on a card whose microphone hears its speaker, with a sound that a press plays.
fn on(sound: &[i16], folder: &TempDir, stages: &str, prepare: fn(&Card)) -> Setting {
    let path = folder.path().join("listening.wav");
    Wav { rate_hz: 16_000, channels: 1, samples: sound.to_vec() }.write(&path).unwrap();
    let sounds = format!("[sounds]\nfolder = \"{}\"\n", folder.path().display());
    let card =
        CardOptions { microphone: StreamOptions::new(16_000, 1), speaker: StreamOptions::new(48_000, 1) };
    Setting { card, stages: stages.to_owned(), prepare, ..setting("hold", &sounds, script()) }
}

/// Half a loudspeaker's sound comes back.
fn echoes(card: &Card) {
    card.set_echo(Some(Echo { delay: WAY, gain: 0.5 }));
}

/// Recordings one after the other, no longer than `ms`.
fn words(names: &[&str], ms: u64) -> Vec<i16> {
    let mut words: Vec<i16> =
        names.iter().flat_map(|name| recording(name).unwrap().samples.to_vec()).collect();
    words.truncate((ms * MIC_MS) as usize);
    words
}

fn power(samples: &[i16]) -> f64 {
    samples.iter().map(|&s| f64::from(s) * f64::from(s)).sum::<f64>() / samples.len().max(1) as f64
}

fn db(power: f64) -> f64 {
    10.0 * power.max(1e-3).log2() * LOG10_2
}

/// All sound that the server got.
fn received(scene: &Scene) -> Vec<i16> {
    let record = scene.server.events();
    let sound = |event: &fake_gemini::Event| match &event.what {
        What::Audio { samples, .. } => samples.to_vec(),
        _ => Vec::new(),
    };
    record.iter().flat_map(sound).collect()
}

/// What the server got in a range of the microphone's samples, of an utterance that began with a press.
fn got(sound: &[i16], pressed: u64, samples: &Range<u64>) -> Range<usize> {
    let first = pressed - PRE_ROLL_MS * MIC_MS;
    let at = |sample: u64| (sample - first) as usize;
    at(samples.start)..at(samples.end).min(sound.len())
}

/// The echo that is left at the server, and the person's words there, `settle_ms` after the cards were opened.
#[track_caller]
fn check(prepare: fn(&Card), settle_ms: u64) {
    let folder = TempDir::new().unwrap();
    let far = words(
        &["question-moon", "question-story", "question-lamp", "question-rain", "question-time"],
        12_000,
    );
    let scene = Scene::set(on(&far, &folder, "[gain]\non = false\n", prepare));
    scene.pass(settle_ms);
    let played_from = scene.card.now_sample(Direction::Playback);
    let pressed = scene.mic_at(scene.press().start);
    let near = words(&["stop", "question-time"], 2_000);
    let said = scene.card.now_sample(Direction::Capture) + 6_500 * MIC_MS;
    scene.card.say(said, &near).unwrap();
    scene.until_heard(said + near.len() as u64 + 500 * MIC_MS);
    scene.release();
    scene.received("activityEnd", 1);
    let sound = received(&scene);
    // From 2 s after the sound began until the person speaks.
    let alone = pressed + 2_000 * MIC_MS..said;
    let played = scene.card.channel(
        Direction::Playback,
        0,
        played_from + 2_000 * DAC_MS..played_from + (said - pressed) / MIC_MS * DAC_MS,
    );
    let echo_db = db(power(&played.unwrap()) / 4.0);
    let left_db = db(power(&sound[got(&sound, pressed, &alone)]));
    assert!(echo_db > 40.0, "there is something to cancel: {echo_db:.1} dB");
    assert!(echo_db - left_db >= 20.0, "an echo of {echo_db:.1} dB became {left_db:.1} dB");
    // The person's words, wherever the stages' delay has put them.
    let place = got(&sound, pressed, &(said..said + near.len() as u64));
    let best = (0..30 * MIC_MS as usize)
        .filter_map(|late| sound.get(place.start + late..place.end + late))
        .map(|heard| correlation(&near[..heard.len()], heard))
        .fold(0.0, f64::max);
    assert!(best > 0.8, "the person over the speaker: {best:.3} alike");
    scene.end();
}

#[test]
fn the_speaker_s_sound_does_not_reach_the_server_and_a_person_s_does() {
    check(echoes, 0);
}

#[test]
fn two_clocks_that_drift_make_no_difference() {
    let drifting: fn(&Card) = |card| {
        echoes(card);
        card.set_drift(Direction::Capture, -50.0);
        card.set_drift(Direction::Playback, 50.0);
    };
    check(drifting, 8_000);
}

/// A person who talks over an answer that comes back from the room, and nobody else, turns it down and ends it.
#[test]
fn an_answer_does_not_interrupt_itself_and_a_person_does() {
    let card =
        CardOptions { microphone: StreamOptions::new(16_000, 1), speaker: StreamOptions::new(48_000, 1) };
    let script = Script { turns: vec![Turn::recording("answer-story")], ..script() };
    let product = Setting { card, stages: String::new(), prepare: echoes, ..setting("open", "", script) };
    let scene = Scene::set(product);
    let mark = scene.remote.mark();
    scene.press();
    scene.phase(mark, "listening");
    scene.speak("question-time");
    scene.phase(mark, "speaking");
    let mark = scene.remote.mark();
    scene.pass(3_500);
    let ducks = scene.remote.events().iter().filter(|e| e.name == "duck" || e.name == "barge_in").count();
    assert_eq!(ducks, 0, "nobody has spoken over it");
    let words = scene.speak("question-rain");
    let sound = recording("question-rain").unwrap().samples;
    let loud = sound.iter().position(|sample| sample.unsigned_abs() > 1_500).unwrap() as u64;
    let began = scene.heard_at(words.start + loud);
    let ducked = scene.told(mark, "duck");
    assert_eq!(ducked.value["ducked"], true);
    let late_ms = ducked.at_ns.saturating_sub(began) / 1_000_000;
    assert!(late_ms <= 300, "turned down after {late_ms} ms");
    scene.told(mark, "barge_in");
    scene.end();
}

/// The drift that the daemon has found.
fn drift(scene: &Scene) -> Option<f64> {
    scene.remote.ask(r#"{"op":"levels"}"#).unwrap()["drift_ppm"].as_f64()
}

#[test]
fn the_drift_between_two_cards_is_found_within_20_s_and_survives_a_card_that_is_opened_again() {
    let folder = TempDir::new().unwrap();
    let setting = on(&words(&["question-moon"], 1_000), &folder, "", |card| {
        card.set_drift(Direction::Capture, 60.0);
        card.set_drift(Direction::Playback, -40.0);
    });
    let began = Instant::now();
    let scene = Scene::set(setting);
    let right = |drift: Option<f64>| drift.is_some_and(|ppm| (ppm + 100.0).abs() <= 3.0);
    while began.elapsed() < Duration::from_secs(20) && !right(drift(&scene)) {
        scene.pass(250);
    }
    scene.pass(20_000_u64.saturating_sub(began.elapsed().as_millis() as u64));
    for _ in 0..10 {
        assert!(right(drift(&scene)), "{:?}", drift(&scene));
        scene.pass(100);
    }
    for direction in [Direction::Playback, Direction::Capture] {
        let mark = scene.remote.mark();
        scene.card.unplug(direction);
        scene.phase(mark, "no device");
        scene.card.replug(direction);
        scene.phase(mark, "idle");
        for _ in 0..20 {
            assert!(
                drift(&scene).is_none_or(|ppm| right(Some(ppm))),
                "{direction:?} again: {:?}",
                drift(&scene)
            );
            scene.pass(250);
        }
        assert!(right(drift(&scene)), "{direction:?} again: {:?}", drift(&scene));
    }
    let told = scene.remote.status().unwrap()["levels"]["drift_ppm"].as_f64();
    assert!(right(told), "{told:?}");
    scene.end();
}

/// A meter that runs until it is dropped.
struct Meter(Child);

impl Meter {
    fn start(scene: &Scene, daemon: bool) -> Meter {
        let mut config = std::fs::read_to_string(scene.folder().join("pressel.toml")).unwrap();
        if !daemon {
            config = config.replace("/control\"", "/nobody-listens-here\"");
        }
        let path = scene.folder().join("meter.toml");
        std::fs::write(&path, config).unwrap();
        let mut command = Command::new(program("pressel").unwrap());
        let (name, conf) = scene.card.env();
        command.args(["levels", "--json", "--config"]).arg(path).env(name, conf);
        Meter(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap())
    }

    /// The first line that fits.
    fn line(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        let lines = BufReader::new(self.0.stdout.as_mut().unwrap()).lines();
        let mut values = lines.map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
        values.find(|value| fits(value)).expect("it goes on until it fits")
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn the_meter_follows_the_daemon_and_the_microphone_alone() {
    let mut scene = Scene::of("hold", "", script());
    let mut meter = Meter::start(&scene, true);
    let (begin, said) = (scene.card.now_sample(Direction::Capture) + 8_000, words(&["question-time"], 2_000));
    scene.card.say(begin, &said).unwrap();
    let speech = meter.line(|levels| levels["open"] == true);
    assert!(speech["level_dbfs"].as_f64().unwrap() > -60.0, "{speech}");
    let floor = speech["floor_dbfs"].as_f64().unwrap();
    assert!((-95.0..-65.0).contains(&floor), "the room's noise is at -76 dBFS: {speech}");
    drop(meter);
    scene.daemon.stop().unwrap();
    scene.until_heard(begin + said.len() as u64);
    let mut meter = Meter::start(&scene, false);
    let quiet = meter.line(|_| true);
    assert!(quiet["level_dbfs"].as_f64().unwrap() < -60.0, "{quiet}");
}
