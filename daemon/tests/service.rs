//! The real daemon as a service manager sees it: ready, status, watchdog, key, end. Without cards and network.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

const KEY: &str = "AIzaTest-0123456789-never-seen";

struct Service {
    child: Child,
    manager: UnixDatagram,
    folder: tempfile::TempDir,
}

impl Service {
    fn start(environment: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let config = format!(
            "[live]\nendpoint = \"ws://127.0.0.1:1\"\n[capture]\ndevice = \"no-such-card\"\n[playback]\ndevice = \
             \"no-such-card\"\n[control]\npath = \"{}\"\n[log]\nlevel = \"trace\"\n",
            at("control").display()
        );
        fs::write(at("config.toml"), config).unwrap();
        let manager = UnixDatagram::bind(at("notify")).unwrap();
        manager.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_pressel"));
        command.env_clear().env("NOTIFY_SOCKET", at("notify"));
        command.args(["--config", at("config.toml").to_str().unwrap(), "run"]);
        for (name, value) in environment {
            command.env(name, value);
        }
        let log = fs::File::create(at("log")).unwrap();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        Service { child, manager, folder }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.at("log")).unwrap()
    }

    /// Waits until the daemon tells the manager something that begins so.
    #[track_caller]
    fn hears(&self, start: &str) -> String {
        let mut buffer = [0; 1024];
        loop {
            let length = self.manager.recv(&mut buffer).unwrap_or_else(|error| {
                panic!("\"{start}\" never came: {error}; the log:\n{}", self.log());
            });
            let message = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if message.starts_with(start) {
                return message;
            }
        }
    }

    fn pressel(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_pressel"))
            .args(["--config", self.at("config.toml").to_str().unwrap()])
            .args(arguments)
            .output()
            .unwrap();
        let text =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (output.status.code(), text)
    }

    fn terminate(&mut self) -> (ExitStatus, Duration) {
        let started = Instant::now();
        // SAFETY: signals the child, which has not been waited for.
        unsafe { libc::kill(self.child.id() as libc::pid_t, libc::SIGTERM) };
        let status = self.child.wait().unwrap();
        (status, started.elapsed())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn it_is_ready_without_cards_and_says_what_is_missing_and_ends_within_a_second() {
    let mut service = Service::start(&[("GEMINI_API_KEY", KEY), ("WATCHDOG_USEC", "2000000")]);
    service.hears("READY=1");
    // Asked and answered, while it waits for its cards.
    let (code, text) = service.pressel(&["status", "--json"]);
    let status: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &status["phase"]), (Some(0), &"no device".into()), "{text}");
    assert_eq!(status["pid"], service.child.id());
    assert_eq!(status["key"], "environment GEMINI_API_KEY");
    assert!(status["missing"].to_string().contains("no-such-card"), "{text}");
    let (code, text) = service.pressel(&["status"]);
    assert!(code == Some(0) && text.starts_with("phase ") && text.contains("no-such-card"), "{text}");
    // The doctor asks instead of opening the cards.
    let (code, text) = service.pressel(&["doctor"]);
    assert!(code == Some(1) && text.contains("fail  microphone   the daemon waits for it"), "{text}");
    assert!(text.contains("ok    key          the daemon has one from environment GEMINI_API_KEY"), "{text}");
    // Cards that are missing are no death.
    for _ in 0..4 {
        service.hears("WATCHDOG=1");
    }
    let (status, took) = service.terminate();
    service.hears("STOPPING=1");
    assert!(status.success() && took < Duration::from_secs(1), "{status} after {took:?}\n{}", service.log());
    assert!(!service.at("control").exists(), "the socket is left behind");
}

#[test]
fn the_key_is_neither_logged_nor_left_in_the_environment() {
    let service = Service::start(&[("GEMINI_API_KEY", KEY), ("GOOGLE_API_KEY", KEY)]);
    service.hears("READY=1");
    let (code, _) = service.pressel(&["press"]);
    assert_eq!(code, Some(0));
    let environment = fs::read(format!("/proc/{}/environ", service.child.id())).unwrap();
    let environment = String::from_utf8_lossy(&environment);
    assert!(environment.contains("NOTIFY_SOCKET="), "{environment}");
    assert!(!environment.contains(KEY), "{environment}");
    assert!(!service.log().contains(KEY), "{}", service.log());
    assert!(service.log().contains("ready"), "{}", service.log());
}

#[test]
fn without_a_key_a_service_stays_up_and_says_so() {
    let service = Service::start(&[]);
    service.hears("READY=1");
    let (_, text) = service.pressel(&["status", "--json"]);
    let status: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(status["phase"], "needs set-up", "{text}");
    assert_eq!(status["key"], serde_json::Value::Null);
    assert!(service.log().contains("no API key found"), "{}", service.log());
}

#[test]
fn a_watcher_is_told_how_things_stand_and_when_the_daemon_ends() {
    use std::io::{BufRead, BufReader, Read};
    let mut service = Service::start(&[("GEMINI_API_KEY", KEY)]);
    service.hears("READY=1");
    let mut watcher = Command::new(env!("CARGO_BIN_EXE_pressel"))
        .args(["--config", service.at("config.toml").to_str().unwrap(), "watch", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(watcher.stdout.take().unwrap()).lines();
    let first: serde_json::Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!((&first["event"], &first["phase"]), (&"phase".into(), &"no device".into()));
    service.terminate();
    assert_eq!(watcher.wait().unwrap().code(), Some(1));
    let mut told = String::new();
    watcher.stderr.take().unwrap().read_to_string(&mut told).unwrap();
    assert!(told.contains("the daemon has ended"), "{told}");
}
