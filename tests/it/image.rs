//! The disk image as it is put on a card, in an emulated arm64 board. Runs where `cargo xtask test --image` has set
//! PRESSEL_IMAGE to the folder that holds it.

use std::path::{Path, PathBuf};

use fake_gemini::audio::recording;
use fake_gemini::{FakeGemini, Options, Script, Turn, What};
use pressel_world::card::{Card, CardOptions, Direction, StreamOptions};
use tempfile::TempDir;
use tests::measure::first_sound;
use tests::stage::{BUTTON, Disk, HOST, KEY};

use crate::scene::{WAIT, messages};

const READY: &str = "Started pressel.service";

fn made() -> Option<PathBuf> {
    let made = std::env::var_os("PRESSEL_IMAGE").filter(|folder| !folder.is_empty());
    if made.is_none() {
        println!("skipped: boots an emulated board, `cargo xtask test --image`");
    }
    made.map(PathBuf::from)
}

/// What an owner puts on the boot partition.
fn settings(folder: &Path, disk: &Disk, server: &FakeGemini) {
    let put = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        disk.put(&path, name).unwrap();
    };
    let endpoint = server.url().replace("localhost", HOST);
    // With the line ends of an editor that knows no others.
    let config = format!(
        "[live]\r\nendpoint = \"{endpoint}\"\r\nca_file = \"/etc/pressel/ca.pem\"\r\n\
         [capture]\r\ndevice = \"hw:CARD=SoundCard\"\r\n[playback]\r\ndevice = \"hw:CARD=SoundCard\"\r\n\
         [talk]\r\nmode = \"hold\"\r\n[phrases]\r\non = false\r\n\
         [button]\r\nkind = \"gpio\"\r\nline = \"{BUTTON}\"\r\nactive_low = false\r\nbias = \"none\"\r\n"
    );
    put("pressel.toml", &config);
    put("key.txt", &format!("{KEY}\r\n"));
    server.write_ca(&folder.join("ca.pem")).unwrap();
    disk.put(&folder.join("ca.pem"), "ca.pem").unwrap();
}

#[test]
fn a_card_with_settings_on_it_boots_to_a_daemon_that_is_pressed_and_answered() {
    let Some(made) = made() else { return };
    let folder = TempDir::new().unwrap();
    let server =
        FakeGemini::spawn_thread(Options::script(Script { rest: Turn::noise(2000, 1), ..Script::default() }))
            .unwrap();
    let microphone = StreamOptions { seconds: 3000, ..StreamOptions::new(16_000, 1) };
    let speaker = StreamOptions { seconds: 3000, ..StreamOptions::new(48_000, 1) };
    let options = CardOptions { microphone, speaker };
    let card = Card::create_for(&folder.path().join("card"), options, &made.join("card.so")).unwrap();
    card.fill_noise(1, 6).unwrap();
    let disk = Disk::write(&made, folder.path()).unwrap();
    settings(folder.path(), &disk, &server);

    let mut board = disk.boot_with(&card, folder.path()).unwrap();
    let ready = board.says(READY).unwrap_or_else(|error| panic!("{error}"));
    println!("first boot to ready: {:.1} s", ready.as_secs_f64());
    board.press(true).unwrap();
    let words = recording("question-time").unwrap().samples;
    let at = card.now_sample(Direction::Capture) + 16_000;
    card.say(at, &words).unwrap();
    card.sleep_until(Direction::Capture, at + words.len() as u64 + 16_000);
    board.press(false).unwrap();
    let answered = server.wait_blocking(2 * WAIT, |events| messages(events, "activityEnd").count() == 1);
    assert!(answered, "no utterance has come:\n{}", board.console());
    let loudest = server.events().iter().fold(0, |loudest, event| match &event.what {
        What::Audio { samples, .. } => samples.iter().fold(loudest, |max, s| s.unsigned_abs().max(max)),
        _ => loudest,
    });
    assert!(loudest > 1000, "the words were not heard: {loudest}");
    let from = card.now_sample(Direction::Playback);
    card.sleep_until(Direction::Playback, from + 48_000 * 8);
    let played = card.channel(Direction::Playback, 0, 0..from + 48_000 * 8).unwrap();
    assert!(first_sound(&played).is_some(), "no answer is heard:\n{}", board.console());
    assert_eq!(server.events().complaints(), [""; 0]);
    let console = board.console();
    assert!(console.contains("Using hardware watchdog"), "the watchdog is off:\n{console}");
    assert!(!console.contains(KEY), "the key is told");
    assert!(!console.contains("Started ssh.service"), "somebody may log in:\n{console}");

    // The power is cut in mid-sentence, as an owner does; the card then holds no secret where any computer reads it.
    let disk = board.cut();
    card.process_died();
    assert!(disk.state_bytes().unwrap() > 200_000_000, "the card is not used to its end");
    let names = disk.names().unwrap();
    assert!(!names.contains("key.txt") && !names.contains("pressel.toml"), "not taken: {names}");
    let mut board = disk.boot_with(&card, folder.path()).unwrap();
    let again = board.says(READY).unwrap_or_else(|error| panic!("{error}"));
    println!("second boot to ready: {:.1} s", again.as_secs_f64());
    board.press(true).unwrap();
    card.sleep_until(Direction::Capture, card.now_sample(Direction::Capture) + 32_000);
    board.press(false).unwrap();
    let answered = server.wait_blocking(2 * WAIT, |events| messages(events, "activityEnd").count() == 2);
    assert!(answered, "the settings did not last:\n{}", board.console());
    let console = board.console();
    assert!(!console.contains("Failed") && !console.contains("FAILED"), "not well:\n{console}");
}
