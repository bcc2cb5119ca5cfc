//! A long press asks how the device is: the doctor's verdict is spoken, and blinked for whoever cannot hear it.

use std::time::{Duration, Instant};

use fake_gemini::{Script, Turn};
use pressel_world::card::Direction;
use pressel_world::wav::Wav;
use tests::stage::{STAGES_OFF, Setting};

use crate::scene::{Scene, WAIT, setting};

/// Louder than the device's own tones, which one line is not.
const LOUD: i16 = 12_000;
const SPOKEN_MS: usize = 500;
/// What the group of the line is blinked as: sound.
const FLASHES: usize = 3;

#[test]
fn a_long_press_tells_what_is_wrong_by_voice_and_by_light() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::write(at.join("brightness"), "0\n").unwrap();
    // One digit: a file keeps what lay behind a shorter number.
    std::fs::write(at.join("max_brightness"), "9\n").unwrap();
    std::fs::create_dir(at.join("en")).unwrap();
    let samples = (0..SPOKEN_MS * 24).map(|n| if n / 24 % 2 == 0 { LOUD } else { -LOUD }).collect();
    let spoken = Wav { rate_hz: 24_000, channels: 1, samples };
    spoken.write(&at.join("en/microphone-trouble.wav")).unwrap();
    let own = format!("[phrases]\nfolder = \"{}\"\n", at.display());
    let config = format!(
        "[button]\ngestures = \"press talk, long 1 doctor\"\n\
         [light]\nkind = \"sysfs\"\nname = \"{}\"\npatterns = \"no-device off\"\n",
        at.display()
    );
    let script = Script { rest: Turn::noise(600, 1), ..Script::default() };
    let scene = Scene::set(Setting {
        wired: true,
        stages: STAGES_OFF.replace("[phrases]\non = false\n", &own),
        prepare: |card| card.unplug(Direction::Capture),
        ..setting("tap", &config, script)
    });
    let mark = scene.remote.mark();
    scene.daemon.line("0 down").unwrap();
    let act = scene.remote.wait(mark, WAIT, |e| e.name == "act" && e.value["act"] == "doctor");
    act.unwrap_or_else(|error| panic!("{error}"));
    scene.daemon.line("0 up").unwrap();
    assert_eq!(scene.told(mark, "line").value["line"], "microphone-trouble", "{}", scene.log());

    let lit = || !std::fs::read_to_string(at.join("brightness")).is_ok_and(|text| text.trim() == "0");
    let (mut flashes, mut was, began) = (0, false, Instant::now());
    while began.elapsed() < Duration::from_millis(2300) {
        let is = lit();
        flashes += usize::from(is && !was);
        was = is;
        scene.pass(5); // a file tells nobody
    }
    assert_eq!(flashes, FLASHES, "{}", scene.log());
    let loud = || scene.played(0).iter().filter(|sample| sample.unsigned_abs() > 9_000).count();
    let deadline = Instant::now() + WAIT;
    while loud() < SPOKEN_MS * 24 * 9 / 10 {
        assert!(Instant::now() < deadline, "{} samples of the line are heard\n{}", loud(), scene.log());
        scene.pass(50);
    }
    scene.end();
}
