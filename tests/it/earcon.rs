//! Sounds of the device's own stay in the room: the product's sound path between a loudspeaker and the microphone that hears it.

use std::time::Duration;

use fake_gemini::{Script, Turn, What};
use pressel_world::card::{CardOptions, Direction, Echo, StreamOptions};
use pressel_world::wav::Wav;
use tempfile::TempDir;
use tests::stage::Setting;

use crate::scene::{MIC_MS, PRE_ROLL_MS, Scene, setting};

/// From the DAC to the ADC, and how much of it comes back: half, which is a device whose microphone is beside its speaker.
const ECHO: Echo = Echo { delay: Duration::from_millis(40), gain: 0.5 };
/// 14 dB below full scale, as loud as the device's own tones.
const PEAK: f32 = 0.2;
const LENGTH_MS: u64 = 320;

fn dbfs(samples: &[i16]) -> f64 {
    let power = samples.iter().map(|s| (f64::from(*s) / 32768.0).powi(2)).sum::<f64>() / samples.len() as f64;
    10.0 * power.max(1e-12).log10()
}

/// Two notes, as a chime is.
fn chime() -> Vec<i16> {
    let note = |n: u64| if n < LENGTH_MS * MIC_MS / 2 { 523.3 } else { 784.0 };
    let sample = |n: u64| {
        let fade = (n.min(LENGTH_MS * MIC_MS - n) as f32 / 80.0).min(1.0);
        PEAK * fade * (std::f32::consts::TAU * note(n) * n as f32 / 16_000.0).sin()
    };
    (0..LENGTH_MS * MIC_MS).map(|n| (sample(n) * 32767.0) as i16).collect()
}

/// A press plays the chime while all that the microphone hears is sent. What was heard of it, and what went up.
fn pressed(scene: &Scene) -> (f64, f64) {
    let received = |scene: &Scene| -> Vec<i16> {
        let record = scene.server.events();
        let sound = |event: &fake_gemini::Event| match &event.what {
            What::Audio { samples, .. } => samples.to_vec(),
            _ => Vec::new(),
        };
        record.iter().flat_map(sound).collect()
    };
    let before = received(scene).len();
    let utterances = scene.server.events().iter().filter(|e| is_end(e)).count();
    let from = scene.card.now_sample(Direction::Playback);
    scene.press();
    scene.pass(LENGTH_MS + 400);
    scene.release();
    scene.received("activityEnd", utterances + 1);
    let played = scene.card.channel(Direction::Playback, 0, from..from + 700 * 48).unwrap();
    let loud: Vec<i16> = played.into_iter().filter(|sample| *sample != 0).collect();
    let heard = dbfs(&loud) + 20.0 * f64::from(ECHO.gain).log10();
    let sent = received(scene);
    (heard, dbfs(&sent[before + (PRE_ROLL_MS * MIC_MS) as usize..]))
}

fn is_end(event: &fake_gemini::Event) -> bool {
    matches!(&event.what, What::Received { name, .. } if name == "activityEnd")
}

/// Presses four times between a loudspeaker and the microphone that hears it, with these keys of `[sounds]`; how loud the
/// press was heard and what was sent of it, in dBFS, the first time and later. The first time the path to the microphone is
/// not known; after an answer it is.
#[track_caller]
fn check_kept_in_the_room(sounds: &str, heard_min: f64) {
    let card =
        CardOptions { microphone: StreamOptions::new(16_000, 1), speaker: StreamOptions::new(48_000, 1) };
    let script = Script { rest: Turn::recording("answer-time"), ..Script::default() };
    let more = format!("[sounds]\n{sounds}\n[hold]\ntail_ms = 0\n");
    let prepare = |card: &pressel_world::card::Card| card.set_echo(Some(ECHO));
    let scene =
        Scene::set(Setting { card, stages: String::new(), prepare, ..setting("hold", &more, script) });
    let mark = scene.remote.mark();
    let (heard, first) = pressed(&scene);
    scene.answered(mark);
    let later: Vec<f64> = (0..3)
        .map(|_| {
            let mark = scene.remote.mark();
            let (_, sent) = pressed(&scene);
            scene.answered(mark);
            sent
        })
        .collect();
    eprintln!("heard at {heard:.1} dBFS; sent: {first:.1} dBFS the first time, then {later:.1?}");
    assert!(heard > heard_min, "there is something to keep back: {heard:.1} dBFS");
    assert!(first <= -50.0, "the first one is sent at {first:.1} dBFS");
    assert!(later.iter().all(|sent| *sent <= -50.0), "sent at {later:.1?} dBFS");
    scene.end();
}

#[test]
fn an_earcon_is_not_sent_although_the_microphone_hears_it() {
    let folder = TempDir::new().unwrap();
    let wav = Wav { rate_hz: 16_000, channels: 1, samples: chime() };
    wav.write(&folder.path().join("listening.wav")).unwrap();
    check_kept_in_the_room(&format!("folder = \"{}\"", folder.path().display()), -30.0);
}

/// As it is shipped: a press is answered by a tone.
#[test]
fn the_tone_of_a_press_is_heard_and_not_sent() {
    check_kept_in_the_room("on = true", -45.0);
}

#[test]
fn what_needs_a_hand_sounds_once() {
    let more = "[sounds]\non = true\n";
    let scene = Scene::set(setting("hold", more, Script::default()));
    let from = scene.card.now_sample(Direction::Playback);
    let mark = scene.remote.mark();
    scene.card.unplug(Direction::Capture);
    scene.phase(mark, "no device");
    scene.pass(1500);
    let played = scene.card.channel(Direction::Playback, 0, from..from + 1500 * 24).unwrap();
    let first = played.iter().position(|sample| *sample != 0).expect("there is a tone");
    let last = played.iter().rposition(|sample| *sample != 0).expect("there is a tone");
    assert!(last - first <= 90 * 24, "{} samples", last - first);
    scene.end();
}
