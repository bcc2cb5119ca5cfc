//! An array whose geometry is known: the daemon turns a beam to whoever speaks, and tells where that is.

use fake_gemini::audio::recording;
use pressel_dsp::Geometry;
use pressel_world::card::{CardOptions, Direction, StreamOptions};
use serde_json::Value;
use tests::measure::{alike, between};
use tests::stage::Setting;

use super::{echoes, script};
use crate::scene::{Scene, setting};

/// Frames per sample of a recording, and per ms.
const TIMES: f64 = 3.0;
const FRAMES_MS: u64 = 48;
/// In dry air at 20 °C, in m/s.
const SOUND_M_S: f64 = 343.0;

/// What each microphone hears of words from this direction.
fn plane_wave(words: &[i16], azimuth_deg: f64) -> Vec<Vec<i16>> {
    let (sin, cos) = azimuth_deg.to_radians().sin_cos();
    let heard = |position: &[f64; 3]| {
        let lead = (position[0] * cos + position[1] * sin) / SOUND_M_S * 48_000.0;
        (0..words.len() * 3).map(|n| between(words, ((n as f64 + lead) / TIMES).max(0.0))).collect()
    };
    Geometry::ReSpeakerUsb4.positions_m().iter().map(heard).collect()
}

/// How far apart two directions are, in degrees.
fn apart(told: &Value, azimuth_deg: f64) -> f64 {
    let told = told.as_f64().unwrap_or_else(|| panic!("no direction: {told}"));
    let off = (told - azimuth_deg).rem_euclid(360.0);
    off.min(360.0 - off)
}

#[test]
fn a_beam_follows_who_speaks_and_the_daemon_tells_where() {
    let array = StreamOptions { seconds: 60, ..StreamOptions::new(48_000, 4) };
    let card = CardOptions { microphone: array, speaker: StreamOptions::new(48_000, 1) };
    let stages = "[array]\ngeometry = \"respeaker-usb-4\"\n[gain]\non = false\n".to_owned();
    let scene = Scene::set(Setting {
        card,
        stages,
        capture: String::new(),
        prepare: echoes,
        ..setting("hold", "", script())
    });
    let levels = || scene.remote.ask(r#"{"op":"levels"}"#).unwrap();
    assert!(levels()["direction_deg"].is_null(), "nobody has spoken: {}", levels());
    let words = recording("question-story").unwrap().samples;
    for azimuth_deg in [60.0, 200.0] {
        let heard = plane_wave(&words, azimuth_deg);
        let mark = scene.remote.mark();
        scene.press();
        let begin = scene.card.now_sample(Direction::Capture) + 3_000 * FRAMES_MS; // a busy machine writes slowly
        for (channel, sound) in heard.iter().enumerate() {
            scene.card.say_on(&[channel], begin, sound).unwrap();
        }
        assert!(scene.card.now_sample(Direction::Capture) < begin, "spoken too late: this machine is busy");
        scene.until_heard(begin + words.len() as u64 * 3 + 100 * FRAMES_MS);
        scene.release();
        scene.answered(mark);
        let told = levels()["direction_deg"].take();
        assert!(apart(&told, azimuth_deg) <= 15.0, "{told} for {azimuth_deg}");
        assert_eq!(scene.remote.status().unwrap()["levels"]["direction_deg"], told);
    }
    let heard = scene.server.events().heard();
    let alike = alike(&words, &heard, 3_000);
    assert!(alike > 0.8, "{alike:.3} alike");
    scene.end();
}
