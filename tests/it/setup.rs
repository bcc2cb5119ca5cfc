//! `pressel setup`: from a file as on a boot partition, and with a person at a terminal.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use fake_gemini::{FakeGemini, Options};
use pressel_world::card::{Card, CardOptions, Echo, StreamOptions};
use tempfile::TempDir;
use tests::stage::{KEY, program};

use crate::scene::WAIT;

/// A device with a card and a server, and a configuration that knows the way to both and nothing else.
struct Device {
    folder: TempDir,
    card: Card,
    server: FakeGemini,
}

const HAND_WRITTEN: &str =
    "[playback]\nrate_hz = 24000\nvolume_percent = 40\n[capture]\nrate_hz = 16000\nchannels = 1\n";

impl Device {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let streams =
            CardOptions { microphone: StreamOptions::new(16_000, 1), speaker: StreamOptions::new(24_000, 1) };
        let card = Card::create(&folder.path().join("card"), streams).unwrap();
        card.fill_noise(1, 60).unwrap();
        card.set_echo(Some(Echo { delay: Duration::from_millis(30), gain: 0.5 }));
        let server =
            FakeGemini::spawn_thread(Options { key: Some(KEY.into()), ..Options::default() }).unwrap();
        let ca = folder.path().join("ca.pem");
        server.write_ca(&ca).unwrap();
        let device = Device { folder, card, server };
        let control = device.folder.path().join("control");
        let config = format!(
            "{HAND_WRITTEN}[live]\nendpoint = \"{}\"\nca_file = \"{}\"\n[control]\npath = \"{}\"\n",
            device.server.url(),
            ca.display(),
            control.display()
        );
        fs::create_dir_all(device.etc("")).unwrap();
        fs::write(device.etc("config.toml"), config).unwrap();
        device
    }

    fn etc(&self, name: &str) -> PathBuf {
        self.folder.path().join("root/etc/pressel").join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program("pressel").unwrap());
        let (name, conf) = self.card.env();
        command
            .arg("setup")
            .arg("--root")
            .arg(self.folder.path().join("root"))
            .args(arguments)
            .env(name, conf);
        for variable in ["GEMINI_API_KEY", "GOOGLE_API_KEY", "CREDENTIALS_DIRECTORY"] {
            command.env_remove(variable);
        }
        command
    }

    fn set_up(&self, text: &str, arguments: &[&str]) -> (Output, String) {
        let file = self.folder.path().join("pressel.toml");
        fs::write(&file, text).unwrap();
        let all = [&["--from", file.to_str().unwrap()], arguments].concat();
        let output = self.command(&all).stdin(Stdio::null()).output().unwrap();
        (output, fs::read_to_string(file).unwrap())
    }
}

#[track_caller]
fn check(output: &Output, code: i32, parts: &[&str]) {
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{said}");
    for part in parts {
        assert!(said.contains(part), "{part} is not in\n{said}");
    }
    assert!(!said.contains(KEY), "the key is told: {said}");
}

#[test]
fn a_file_on_the_boot_partition_sets_a_device_up_and_loses_its_key() {
    let device = Device::new();
    let before = fs::read_to_string(device.etc("config.toml")).unwrap();
    let text = format!(
        "key = \"{KEY}\"\nmicrophone = \"pressel_mic\"\nspeaker = \"pressel_speaker\"\nmode = \"tap\"\nlanguage = \"de-DE\"\n"
    );
    let (dry, left) = device.set_up(&text, &["--dry-run"]);
    check(&dry, 0, &["[talk] mode: \"hold\" → \"tap\"", "a new key in "]);
    assert!(left.contains(KEY) && !device.etc("key").exists(), "{left}");

    let (output, left) = device.set_up(&text, &[]);
    // No button is set: that is a drawback, and told; but nobody waits for it.
    check(
        &output,
        0,
        &["ok    microphone", "the loudspeaker is heard after", "ok    session", "warn  button"],
    );
    assert!(!left.contains(KEY) && left.contains("mode = \"tap\""), "{left}");
    assert_eq!(left.len(), text.len(), "the key was not overwritten where it stood");
    assert_eq!(fs::read_to_string(device.etc("key")).unwrap().trim(), KEY);
    assert_eq!(fs::metadata(device.etc("key")).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_to_string(device.etc("config.toml")).unwrap(), before);
    let fragment = fs::read_to_string(device.etc("config.d/00-setup.toml")).unwrap();
    assert!(fragment.contains("[live]\nlanguage = \"de-DE\"") && !fragment.contains(KEY), "{fragment}");

    // With the next start the file is still there, without its key.
    let again =
        device.command(&["--no-test", "--from", device.folder.path().join("pressel.toml").to_str().unwrap()]);
    let again = { again }.stdin(Stdio::null()).output().unwrap();
    check(&again, 0, &["nothing to change"]);
    assert_eq!(fs::read_to_string(device.etc("key")).unwrap().trim(), KEY);
    assert_eq!(device.server.events().complaints(), [""; 0]);
}

#[test]
fn a_file_with_mistakes_changes_nothing_and_keeps_its_key() {
    let device = Device::new();
    let (output, left) = device.set_up(&format!("key = \"{KEY}\"\nmode = \"tab\"\nspeeker = \"x\"\n"), &[]);
    check(&output, 78, &["pressel.toml:2: \"tab\"", "did you mean \"speaker\"?"]);
    assert!(left.contains(KEY) && !device.etc("key").exists() && !device.etc("config.d").exists());
}

#[test]
fn the_example_of_the_image_is_understood() {
    let device = Device::new();
    let example = include_str!("../../image/boot/pressel-setup.example.toml").replace('\n', "\r\n");
    let (output, _) = device.set_up(&example, &["--dry-run"]);
    check(&output, 0, &["[button] kind: \"none\" → \"gpio\"", "[light] kind: \"none\" → \"gpio\""]);
}

/// A terminal, and what has been seen on it.
struct Terminal {
    person: File,
    seen: Arc<Mutex<String>>,
    reader: JoinHandle<()>,
}

impl Terminal {
    fn open() -> (Self, OwnedFd) {
        let (mut person, mut program) = (-1, -1);
        let (none, size) = (std::ptr::null_mut(), std::ptr::null());
        // SAFETY: writes two numbers, locals; no name, mode or size is given.
        let opened =
            unsafe { libc::openpty(&raw mut person, &raw mut program, none, size, std::ptr::null()) };
        assert_eq!(opened, 0, "{}", std::io::Error::last_os_error());
        // SAFETY: both were just opened, and nobody else has them.
        let (person, program) = unsafe { (File::from_raw_fd(person), OwnedFd::from_raw_fd(program)) };
        let seen = Arc::new(Mutex::new(String::new()));
        let (mut reader, shown) = (person.try_clone().unwrap(), seen.clone());
        let reader = std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // Ends with an error when the last process at the other end has gone.
            while let Ok(length @ 1..) = reader.read(&mut bytes) {
                shown.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..length]));
            }
        });
        (Terminal { person, seen, reader }, program)
    }

    fn seen(&self) -> String {
        self.seen.lock().unwrap().clone()
    }

    /// All that was ever shown, once the programs at the other end have gone.
    fn all(self) -> String {
        self.reader.join().unwrap();
        self.seen.lock().unwrap().clone()
    }

    /// Types a line once this has been shown.
    #[track_caller]
    fn answer(&mut self, question: &str, line: &str) {
        let deadline = Instant::now() + WAIT;
        while !self.seen().contains(question) {
            assert!(Instant::now() < deadline, "{question} was not asked:\n{}", self.seen());
            std::thread::sleep(Duration::from_millis(5)); // the terminal's own thread has the only wait there is
        }
        self.person.write_all(format!("{line}\n").as_bytes()).unwrap();
    }
}

#[test]
fn a_person_is_asked_and_the_key_is_not_shown() {
    let device = Device::new();
    let (mut terminal, program) = Terminal::open();
    let mut child = device
        .command(&[])
        .stdin(program.try_clone().unwrap())
        .stdout(program.try_clone().unwrap())
        .stderr(program.try_clone().unwrap())
        .spawn()
        .unwrap();
    // No argument of any process may hold it.
    terminal.answer("it is not shown", KEY);
    terminal.answer("microphone [", "pressel_mic");
    terminal.answer("speaker [", "pressel_speaker");
    terminal.answer("button [none]", "");
    terminal.answer("light [none]", "");
    terminal.answer("mode [hold]", "9");
    terminal.answer("\"9\" ", "3");
    terminal.answer("language []", "de-DE");
    terminal.answer("change this? [Y/n]", "");
    let cmdline = fs::read_to_string(format!("/proc/{}/cmdline", child.id())).unwrap();
    let status = child.wait().unwrap();
    // SAFETY: all of its fields are numbers, for which zero is a value.
    let mut mode: libc::termios = unsafe { std::mem::zeroed() };
    // SAFETY: writes one termios, a local.
    assert_eq!(unsafe { libc::tcgetattr(program.as_raw_fd(), &raw mut mode) }, 0);
    assert!(mode.c_lflag & libc::ECHO != 0, "the terminal stays mute");
    drop(program);
    let seen = terminal.all();
    for part in
        ["[talk] mode: \"hold\" → \"open\"", "ok    session", "the loudspeaker is heard", "ok    microphone"]
    {
        assert!(seen.contains(part), "{part} is not in\n{seen}");
    }
    assert!(!seen.contains(KEY) && !cmdline.contains(KEY), "the key is shown: {seen}");
    assert_eq!(status.code(), Some(3), "{seen}"); // open mode without a button: begun by `pressel press` alone
    assert_eq!(fs::read_to_string(device.etc("key")).unwrap().trim(), KEY);
}

#[test]
fn no_answers_change_nothing() {
    let device = Device::new();
    let output = device.command(&[]).stdin(Stdio::null()).output().unwrap();
    check(&output, 1, &["nothing was changed", "--from FILE"]);
    assert!(!device.etc("config.d").exists());
}
