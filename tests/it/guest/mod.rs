//! Tests over kernel devices that only a virtual machine has: `cargo xtask test --vm` boots one and runs these inside
//! (`tests/it/vm.rs`). Anywhere else they say that they are skipped.

mod cut;
mod kernel;
mod network;
mod panel;
mod plug;
mod rppal;
mod service;
mod sound;
mod tools;

use std::time::{Duration, Instant};

use fake_gemini::{Event, FakeGemini, Options, Script, Turn, What};
use serde_json::Value;
use tempfile::TempDir;
use tests::stage::{Daemon, KEY, Remote, STAGES_OFF};

use crate::nspawn::thread_of;
use crate::scene::{WAIT, messages};

/// A card that is back is in use again after this.
const BACK: Duration = Duration::from_secs(3);
/// What a thread that waits for its device may use of a processor.
const WAITING_CPU: f64 = 0.02;

/// Whether this is the machine; otherwise the test is skipped.
fn inside() -> bool {
    let inside = std::env::var_os("PRESSEL_GUEST").is_some_and(|on| on == "1");
    if !inside {
        println!("skipped: runs in a virtual machine, `cargo xtask test --vm`");
    }
    inside
}

/// Answers as long as this, as fast as they are fetched.
fn answers(ms: u64) -> Script {
    Script { rest: Turn { pace: Some(0.0), ..Turn::noise(ms, 1) }, ..Script::default() }
}

/// A daemon before cards of the kernel's, with a server that listens.
struct Bench {
    daemon: Daemon,
    remote: Remote,
    server: FakeGemini,
    _folder: TempDir,
}

impl Bench {
    /// Starts it with these keys of `[capture]` and `[playback]` and more TOML.
    #[track_caller]
    fn set(script: Script, capture: &str, playback: &str, config: &str) -> Bench {
        let folder = TempDir::new().unwrap();
        let at = |name: &str| folder.path().join(name);
        let server = FakeGemini::spawn_thread(Options::script(script)).unwrap();
        server.write_ca(&at("ca.pem")).unwrap();
        let text = format!(
            "[live]\nendpoint = \"{}\"\nca_file = \"{}\"\n[capture]\n{capture}\n[playback]\n{playback}\n\
             [control]\npath = \"{}\"\n{STAGES_OFF}\n{config}",
            server.url(),
            at("ca.pem").display(),
            at("control").display(),
        );
        std::fs::write(at("pressel.toml"), text).unwrap();
        let mut daemon = Daemon::start(&at("pressel.toml"), &at("log"), &[], Some(KEY)).unwrap();
        let remote = Remote::connect(&at("control"), || daemon.check_alive());
        let remote = remote.unwrap_or_else(|error| panic!("{error}"));
        let bench = Bench { daemon, remote, server, _folder: folder };
        bench.until("the daemon looks for its cards", |status| {
            ["microphone", "speaker"]
                .iter()
                .all(|side| !status[side]["format"].is_null() || !status[side]["problem"].is_null())
        });
        bench
    }

    /// Waits until the status is so.
    #[track_caller]
    fn until(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + WAIT;
        loop {
            let status = self.remote.status().unwrap();
            if fits(&status) {
                return status;
            }
            assert!(Instant::now() < deadline, "never: {what}\n{status:#}\n{}", self.daemon.log());
            std::thread::sleep(Duration::from_millis(5)); // status is asked for, not told
        }
    }

    /// The next time the light shows this phase, from a mark on.
    #[track_caller]
    fn phase(&self, mark: usize, phase: &str) -> u64 {
        match self.remote.wait_phase(mark, phase, WAIT) {
            Ok(happened) => happened.at_ns,
            Err(error) => panic!("{error}\n{}", self.daemon.log()),
        }
    }

    /// Presses for so long, and waits until the answer begins; when it did.
    #[track_caller]
    fn ask(&self, held: Duration) -> u64 {
        let mark = self.remote.mark();
        self.remote.press().unwrap();
        std::thread::sleep(held); // a person's finger
        self.remote.release().unwrap();
        self.phase(mark, "speaking")
    }

    /// Waits until the answer that is due from a mark on is over.
    #[track_caller]
    fn answered(&self, mark: usize) {
        let speaking = self.phase(mark, "speaking");
        let over = self.remote.wait(mark, WAIT, |e| e.at_ns > speaking && e.is_phase("idle"));
        over.unwrap_or_else(|error| panic!("{error}\n{}", self.daemon.log()));
    }

    /// Asks, is answered, and both went over the cards.
    #[track_caller]
    fn talk(&self) {
        let (mark, heard) = (self.remote.mark(), samples(&self.server.events()));
        self.ask(Duration::from_millis(700));
        self.answered(mark);
        let heard = samples(&self.server.events()) - heard;
        assert!(heard > 8_000, "{heard} samples of a press of 700 ms\n{}", self.daemon.log());
    }

    /// How often the log says this.
    fn said(&self, words: &str) -> usize {
        self.daemon.log().lines().filter(|line| line.contains(words)).count()
    }

    /// What one of the daemon's threads uses of a processor for a while.
    #[track_caller]
    fn cpu(&self, thread: &str, during: Duration) -> f64 {
        let task =
            format!("/proc/{0}/task/{1}/schedstat", self.daemon.pid(), thread_of(self.daemon.pid(), thread));
        let used = || -> u64 {
            let text = std::fs::read_to_string(&task).unwrap();
            text.split(' ').next().unwrap().parse().unwrap()
        };
        let (before, began) = (used(), Instant::now());
        std::thread::sleep(during); // what is measured
        (used() - before) as f64 / began.elapsed().as_nanos() as f64
    }

    /// A thread that waits for its device costs next to nothing.
    #[track_caller]
    fn check_waiting(&self, thread: &str) {
        let cpu = self.cpu(thread, Duration::from_secs(10));
        println!("processor of the {thread} thread while it waits: {:.2} %", cpu * 100.0);
        assert!(cpu <= WAITING_CPU, "{:.1} % of a processor: {thread}", cpu * 100.0);
    }

    /// Ends the daemon: it must do so by itself, and the server must have nothing to complain of.
    #[track_caller]
    fn end(mut self) {
        let (code, _) = self.daemon.stop().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(code, Some(0), "{}", self.daemon.log());
        assert_eq!(self.server.events().complaints(), [""; 0]);
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the daemon's log\n{}", self.daemon.log());
        }
    }
}

/// What the server heard so far.
fn samples(events: &[Event]) -> usize {
    let heard = |event: &Event| match &event.what {
        What::Audio { samples, .. } => samples.len(),
        _ => 0,
    };
    events.iter().map(heard).sum()
}

/// Milliseconds between two times of CLOCK_MONOTONIC.
fn ms(from_ns: u64, to_ns: u64) -> f64 {
    (to_ns as f64 - from_ns as f64) / 1e6
}

/// The middle and the largest of some figures.
fn middle_and_most(figures: &mut [f64]) -> (f64, f64) {
    figures.sort_by(f64::total_cmp);
    (figures[figures.len() / 2], figures[figures.len() - 1])
}
