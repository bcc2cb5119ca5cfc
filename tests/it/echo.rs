//! The sound path as a product has it: what the loudspeaker says does not reach the server, what a person says does.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fake_gemini::audio::recording;
use fake_gemini::{Script, Turn};
use pressel_world::card::{CardOptions, Direction, StreamOptions};
use pressel_world::wav::Wav;
use serde_json::Value;
use tempfile::TempDir;
use tests::stage::{Setting, program};

use crate::scene::{MIC_MS, Scene, setting};

fn script() -> Script {
    Script { rest: Turn::noise(400, 1), ..Script::default() }
}

/// The product's stages on a card whose microphone hears its speaker, with a sound that a press plays.
fn on(sound: &[i16], folder: &TempDir, stages: &str, prepare: fn(&pressel_world::card::Card)) -> Setting {
    let path = folder.path().join("listening.wav");
    Wav { rate_hz: 16_000, channels: 1, samples: sound.to_vec() }.write(&path).unwrap();
    let sounds = format!("[sounds]\nfolder = \"{}\"\n", folder.path().display());
    let card =
        CardOptions { microphone: StreamOptions::new(16_000, 1), speaker: StreamOptions::new(48_000, 1) };
    Setting { card, stages: stages.to_owned(), prepare, ..setting("hold", &sounds, script()) }
}

/// Recordings one after the other, no longer than `ms`.
fn words(names: &[&str], ms: u64) -> Vec<i16> {
    let mut words: Vec<i16> =
        names.iter().flat_map(|name| recording(name).unwrap().samples.to_vec()).collect();
    words.truncate((ms * MIC_MS) as usize);
    words
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
    scene
        .card
        .say(
            scene.mic_at(0).max(scene.card.now_sample(Direction::Capture) + 8_000),
            &words(&["question-time"], 2_000),
        )
        .unwrap();
    let speech = meter.line(|levels| levels["open"] == true);
    assert!(speech["level_dbfs"].as_f64().unwrap() > -60.0, "{speech}");
    let floor = speech["floor_dbfs"].as_f64().unwrap();
    assert!((-95.0..-65.0).contains(&floor), "the room's noise is at -76 dBFS: {speech}");
    drop(meter);
    scene.daemon.stop().unwrap();
    let mut meter = Meter::start(&scene, false);
    let quiet = meter.line(|_| true);
    assert!(quiet["level_dbfs"].as_f64().unwrap() < -60.0, "{quiet}");
}
