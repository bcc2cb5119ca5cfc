//! Button and light on a simulated GPIO chip of the kernel's, timed from the raw edge.

use std::time::Duration;

use fake_gemini::{Script, Turn};
use pressel_world::card::{Direction, monotonic_ns};
use tests::stage::{Loopback, Setting};

use super::kernel::{Aloop, Chip};
use super::{BACK, Bench, answers, inside, middle_and_most, ms};
use crate::scene::{Scene, setting};

const BUTTON: u32 = 17;
const LIGHT: u32 = 27;
const LINES: [(u32, &str); 2] = [(BUTTON, "GPIO17"), (LIGHT, "GPIO27")];
/// From a raw edge to the light, debounce included, in ms.
const SEEN: f64 = 30.0;
/// From a raw edge to the first sound of the device's own, in ms.
const HEARD: f64 = 60.0;
const PRESSES: usize = 20;

const WIRED: &str = "[talk]\nmode = \"hold\"\n[button]\nkind = \"gpio\"\nline = \"GPIO17\"\n\
    [light]\nkind = \"gpio\"\nline = \"GPIO27\"\n";

/// A chip with a button that is not pressed.
fn chip() -> Chip {
    let chip = Chip::make("pressel", "", 32, &LINES);
    chip.pull(BUTTON, true);
    chip
}

fn bench(answer_ms: u64) -> Bench {
    let loopback = Loopback::find().unwrap();
    let device = |name: String| format!("device = \"{name}\"\n");
    Bench::set(answers(answer_ms), &device(loopback.microphone()), &device(loopback.speaker()), WIRED)
}

/// A loud click that begins at once, of a phase's own.
fn earcon(folder: &std::path::Path, phase: &str) {
    let samples: Vec<i16> = (0..2400).map(|n| if n % 8 < 4 { 12_000 } else { -12_000 }).collect();
    let data: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    let length = data.len() as u32;
    let mut wav = Vec::new();
    wav.extend(b"RIFF");
    wav.extend((36 + length).to_le_bytes());
    wav.extend(b"WAVEfmt ");
    wav.extend(16u32.to_le_bytes());
    for field in [1u16, 1] {
        wav.extend(field.to_le_bytes());
    }
    for field in [24_000u32, 48_000] {
        wav.extend(field.to_le_bytes());
    }
    for field in [2u16, 16] {
        wav.extend(field.to_le_bytes());
    }
    wav.extend(b"data");
    wav.extend(length.to_le_bytes());
    wav.extend(data);
    std::fs::write(folder.join(format!("{phase}.wav")), wav).unwrap();
}

#[test]
fn a_press_lights_the_light_and_sounds_the_earcon_at_once() {
    if !inside() {
        return;
    }
    let _card = Aloop::load();
    let chip = chip();
    let sounds = tempfile::TempDir::new().unwrap();
    for phase in ["listening", "connecting"] {
        earcon(sounds.path(), phase);
    }
    let script = Script { rest: Turn::noise(300, 1), ..Script::default() };
    let config = format!("{WIRED}[sounds]\nfolder = \"{}\"\n", sounds.path().display());
    let usual = setting("hold", "", script);
    let scene = Scene::set(Setting { loopback: Some(Loopback::find().unwrap()), config, ..usual });
    let (mut seen, mut heard) = (Vec::new(), Vec::new());
    for _ in 0..PRESSES {
        let mark = scene.remote.mark();
        chip.until_level(LIGHT, false);
        let pressed = chip.pull(BUTTON, false);
        seen.push(ms(pressed, chip.until_level(LIGHT, true)));
        scene.pass(400); // a person holds it, and hears the earcon
        scene.catch_up().unwrap();
        let from = scene.spk_at(pressed) as usize;
        let first = tests::measure::first_sound(&scene.played(0)[from..]).expect("an earcon is heard");
        let at = scene.card.time_of(Direction::Playback, (from + first) as u64);
        heard.push(ms(pressed, at));
        chip.pull(BUTTON, true);
        scene.answered(mark);
        scene.pass(300); // what was played has ended
    }
    println!("press → light, ms: {seen:.1?}");
    println!("press → earcon, ms: {heard:.1?} (the loopback card is right to 10 ms)");
    let (light, light_most) = middle_and_most(&mut seen);
    let (sound, sound_most) = middle_and_most(&mut heard);
    println!(
        "press → light: median {light:.1}, most {light_most:.1} ms; earcon: median {sound:.1}, most {sound_most:.1} ms"
    );
    assert!(light <= SEEN, "the light comes {light:.1} ms after the edge");
    assert!(sound <= HEARD, "the earcon comes {sound:.1} ms after the edge");
    scene.end();
}

#[test]
fn bounces_are_one_press_and_one_release() {
    if !inside() {
        return;
    }
    let _card = Aloop::load();
    let chip = chip();
    let bench = bench(300);
    for _ in 0..10 {
        let mark = bench.remote.mark();
        for bounce in 0..5 {
            chip.pull(BUTTON, bounce % 2 == 1);
        }
        bench.phase(mark, "listening");
        std::thread::sleep(Duration::from_millis(600)); // a person holds it
        for bounce in 0..5 {
            chip.pull(BUTTON, bounce % 2 == 0);
        }
        bench.answered(mark);
    }
    let starts = super::messages(&bench.server.events(), "activityStart").count();
    let ends = super::messages(&bench.server.events(), "activityEnd").count();
    assert_eq!((starts, ends), (10, 10), "{}", bench.daemon.log());
    bench.end();
}

#[test]
fn a_chip_that_goes_away_and_returns_takes_the_button_and_the_light_with_it() {
    if !inside() {
        return;
    }
    let _card = Aloop::load();
    let mut chip = chip();
    let bench = bench(300);
    // Pulled out while it is pressed: that ends the press.
    let mark = bench.remote.mark();
    chip.pull(BUTTON, false);
    bench.phase(mark, "listening");
    std::thread::sleep(Duration::from_millis(600)); // a person holds it
    chip.unplug();
    bench.until("the button is missed", |status| status["button"].is_null());
    bench.answered(mark);
    bench.check_waiting("button");
    assert_eq!(bench.said("no button"), 1, "{}", bench.daemon.log());

    chip.plug();
    let back = monotonic_ns();
    chip.pull(BUTTON, true);
    bench.until("the button is back", |status| status["button"].is_string());
    let took = ms(back, monotonic_ns());
    println!("chip back → button: {took:.0} ms");
    assert!(took < BACK.as_millis() as f64, "{took:.0} ms");
    let mark = bench.remote.mark();
    let pressed = chip.pull(BUTTON, false);
    let lit = chip.until_level(LIGHT, true);
    println!("the first press after it → light: {:.1} ms", ms(pressed, lit));
    std::thread::sleep(Duration::from_millis(600)); // a person holds it
    chip.pull(BUTTON, true);
    bench.phase(mark, "speaking");
    bench.end();
}
