//! The disk image as it is put on a card, in an emulated arm64 board. Runs where `cargo xtask test --image` has set
//! PRESSEL_IMAGE to the folder that holds it.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fake_gemini::{Event, FakeGemini, Options, Script, Turn, What};
use tempfile::TempDir;
use tests::stage::{BUTTON, Board, Disk, HOST, KEY, SPEAKER};

use crate::scene::messages;

const READY: &str = "Started pressel.service";
/// An emulated board on a busy machine gets to things when it gets to them.
const WAIT: Duration = Duration::from_secs(180);
/// What a WAV file has before its samples.
const HEAD: usize = 44;

fn made() -> Option<PathBuf> {
    let made = std::env::var_os("PRESSEL_IMAGE").filter(|folder| !folder.is_empty());
    if made.is_none() {
        println!("skipped: boots an emulated board, `cargo xtask test --image`");
    }
    made.map(PathBuf::from)
}

/// Puts a file on the boot partition, as an owner does.
#[track_caller]
fn put(folder: &Path, disk: &Disk, name: &str, text: &str) {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    disk.put(&path, name).unwrap();
}

/// What setup asks, and what it does not ask. With the line ends of an editor that knows no others.
fn settings(folder: &Path, disk: &Disk, server: &FakeGemini) {
    let endpoint = server.url().replace("localhost", HOST);
    let config = format!(
        "[live]\r\nendpoint = \"{endpoint}\"\r\nca_file = \"/etc/pressel/ca.pem\"\r\n\
         [phrases]\r\non = false\r\n[sounds]\r\non = false\r\n[button]\r\nactive_low = false\r\nbias = \"none\"\r\n"
    );
    put(folder, disk, "pressel.toml", &config);
    let answers = format!(
        "key = \"{KEY}\"\r\nmicrophone = \"hw:0\"\r\nspeaker = \"hw:1\"\r\nmode = \"hold\"\r\n\
         button = \"{BUTTON}\"\r\nlight = \"none\"\r\n"
    );
    put(folder, disk, "pressel-setup.toml", &answers);
    server.write_ca(&folder.join("ca.pem")).unwrap();
    disk.put(&folder.join("ca.pem"), "ca.pem").unwrap();
}

/// Samples of speech that have arrived, the silence of this board's microphone.
fn heard(events: &[Event]) -> usize {
    let lengths = events.iter().map(|event| match &event.what {
        What::Audio { samples, .. } => samples.len(),
        _ => 0,
    });
    lengths.sum()
}

/// Holds the button for at least a second.
#[track_caller]
fn ask(board: &mut Board, server: &FakeGemini) {
    let (before, asked) = (heard(&server.events()), messages(&server.events(), "activityEnd").count());
    board.press(true).unwrap();
    let arrived = server.wait_blocking(WAIT, |events| heard(events) >= before + 16_000);
    assert!(arrived, "nothing is heard of the board:\n{}", board.console());
    board.press(false).unwrap();
    let ended = server.wait_blocking(WAIT, |events| messages(events, "activityEnd").count() == asked + 1);
    assert!(ended, "the utterance does not end:\n{}", board.console());
}

/// Waits until the board's speaker has played something.
#[track_caller]
fn answered(board: &Board, folder: &Path) {
    let deadline = Instant::now() + WAIT;
    let played = || std::fs::read(folder.join(SPEAKER)).unwrap_or_default();
    while !played().iter().skip(HEAD).any(|byte| *byte != 0) {
        assert!(Instant::now() < deadline, "no answer is heard:\n{}", board.console());
        std::thread::sleep(Duration::from_millis(100)); // a file grows without a word
    }
}

#[test]
fn a_card_with_settings_on_it_boots_to_a_daemon_that_is_pressed_and_answered() {
    let Some(made) = made() else { return };
    let folder = TempDir::new().unwrap();
    let script = Script { rest: Turn::noise(2000, 1), ..Script::default() };
    let server = FakeGemini::spawn_thread(Options::script(script)).unwrap();
    let disk = Disk::write(&made, folder.path()).unwrap();
    settings(folder.path(), &disk, &server);

    let mut board = disk.boot(folder.path()).unwrap();
    let ready = board.says(READY).unwrap_or_else(|error| panic!("{error}"));
    println!("first boot to ready: {:.1} s", ready.as_secs_f64());
    ask(&mut board, &server);
    answered(&board, folder.path());
    let console = board.console();
    assert!(console.contains("Using hardware watchdog"), "the watchdog is off:\n{console}");
    assert!(!console.contains(KEY), "the key is told");
    assert!(!console.contains("Started ssh.service"), "somebody may log in:\n{console}");

    // The power is cut in mid-sentence, as an owner does; the card then holds no secret where any computer reads it.
    let disk = board.cut();
    assert!(disk.state_bytes().unwrap() > 200_000_000, "the card is not used to its end");
    let taken = |disk: &Disk| {
        let names = disk.names().unwrap();
        let left = ["pressel.toml", "pressel-setup.toml", "key.txt", "ca.pem"];
        assert!(
            !left.iter().any(|file| names.lines().any(|name| name.ends_with(file))),
            "not taken: {names}"
        );
    };
    taken(&disk);
    put(folder.path(), &disk, "key.txt", &format!("{KEY}\r\n"));
    let mut board = disk.boot(folder.path()).unwrap();
    let again = board.says(READY).unwrap_or_else(|error| panic!("{error}"));
    println!("second boot to ready: {:.1} s", again.as_secs_f64());
    ask(&mut board, &server);
    answered(&board, folder.path());
    let console = board.console();
    assert!(!console.contains("FAILED"), "not well:\n{console}");
    let disk = board.cut();
    taken(&disk);
    assert!(disk.root_is_the_images().unwrap(), "something has written to the root");
    assert_eq!(server.events().complaints(), [""; 0]);
}
