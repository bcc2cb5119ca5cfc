//! The talk as lines on a terminal: the light, and the captions of both sides.

use std::io::{IsTerminal, Write, stdout};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

use tests::stage::{Happened, Remote, Stage};

/// Follows the daemon until it is finished.
pub struct Show {
    /// When it began, CLOCK_MONOTONIC in nanoseconds.
    pub began_ns: u64,
    over: Arc<AtomicBool>,
    follower: std::cell::RefCell<Option<JoinHandle<()>>>,
}

impl Show {
    /// Begins to print what the daemon tells.
    pub fn start(stage: &Stage) -> Self {
        let began_ns = pressel_world::card::monotonic_ns();
        let over = Arc::new(AtomicBool::new(false));
        let (remote, stop) = (stage.remote.clone(), over.clone());
        let follower = std::thread::spawn(move || follow(&remote, began_ns, &stop));
        Show { began_ns, over, follower: std::cell::RefCell::new(Some(follower)) }
    }

    /// Prints the rest.
    pub fn finish(&self) {
        self.over.store(true, Relaxed);
        if let Some(follower) = self.follower.borrow_mut().take() {
            // It only prints; a closed terminal may have ended it early.
            let _ = follower.join();
        }
    }
}

fn follow(remote: &Remote, began_ns: u64, over: &AtomicBool) {
    let colour = stdout().is_terminal();
    let mut seen = 0;
    let mut said = String::new();
    loop {
        let last = over.load(Relaxed);
        let found = remote.wait(seen, Duration::from_millis(200), |_| true).is_ok();
        for event in remote.events().iter().skip(seen) {
            seen += 1;
            print(event, began_ns, colour, &mut said);
        }
        if last && !found {
            return;
        }
    }
}

fn print(event: &Happened, began_ns: u64, colour: bool, said: &mut String) {
    let at = event.at_ns.saturating_sub(began_ns) as f64 / 1e9;
    let text = event.value["text"].as_str().unwrap_or_default();
    let mut out = stdout().lock();
    let mut line = |what: &str, paint: &str, text: &str| {
        let (on, off) = if colour { (paint, "\x1b[0m") } else { ("", "") };
        // A closed terminal is no reason to stop the talk.
        let _ = writeln!(out, "{at:7.2} s  {on}{what:<10}{off} {text}");
    };
    match event.name.as_str() {
        "phase" => {
            let phase = event.value["phase"].as_str().unwrap_or_default();
            let paint = match phase {
                "listening" => "\x1b[32m",
                "thinking" => "\x1b[33m",
                "speaking" => "\x1b[34m",
                _ => "\x1b[2m",
            };
            line("● light", paint, phase);
        }
        "heard" => line("person", "\x1b[1m", text),
        "said" => said.push_str(text),
        "link_up" => line("link", "\x1b[2m", "up, over TLS"),
        "interrupted" => line("assistant", "\x1b[2m", "(interrupted)"),
        "turn_complete" if !said.trim().is_empty() => {
            line("assistant", "\x1b[1m", said.trim());
            said.clear();
        }
        _ => {}
    }
}
