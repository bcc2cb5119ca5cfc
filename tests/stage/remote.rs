//! The daemon's control socket, from the outside.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

/// One event that the daemon told.
#[derive(Clone, Debug)]
pub struct Happened {
    /// CLOCK_MONOTONIC in nanoseconds.
    pub at_ns: u64,
    /// `phase`, `heard`, `said`, …
    pub name: String,
    /// All its members.
    pub value: Value,
}

impl Happened {
    /// Whether the light showed this phase.
    pub fn is_phase(&self, phase: &str) -> bool {
        self.name == "phase" && self.value["phase"] == phase
    }
}

#[derive(Default)]
struct Told {
    events: Mutex<Vec<Happened>>,
    news: Condvar,
}

/// Asks, presses, and remembers what it is told. Clones share what was told.
#[derive(Clone)]
pub struct Remote {
    path: PathBuf,
    told: Arc<Told>,
}

impl Remote {
    /// Connects as soon as the socket is there.
    ///
    /// # Errors
    /// When `alive` says that the daemon has ended, or after 10 s.
    pub fn connect(path: &Path, mut alive: impl FnMut() -> io::Result<()>) -> io::Result<Self> {
        let deadline = Instant::now() + Duration::from_secs(10);
        let stream = loop {
            match UnixStream::connect(path) {
                Ok(stream) => break stream,
                Err(error) if Instant::now() > deadline => return Err(error),
                Err(_) => {
                    alive()?;
                    std::thread::sleep(Duration::from_millis(1)); // a socket's birth cannot be awaited
                }
            }
        };
        let told = Arc::new(Told::default());
        let mut lines = BufReader::new(stream.try_clone()?);
        writeln!(&stream, "{{\"op\":\"watch\"}}")?;
        let mut accepted = String::new();
        lines.read_line(&mut accepted)?;
        let listener = told.clone();
        std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                let Ok(value) = serde_json::from_str::<Value>(&line) else { continue };
                let happened = Happened {
                    at_ns: value["at_ns"].as_u64().unwrap_or_default(),
                    name: value["event"].as_str().unwrap_or_default().to_owned(),
                    value,
                };
                listener.events.lock().expect("nobody panics with it").push(happened);
                listener.news.notify_all();
            }
        });
        Ok(Remote { path: path.to_owned(), told })
    }

    /// Asks once; the answer's `ok`.
    ///
    /// # Errors
    /// No daemon, or its refusal.
    pub fn ask(&self, request: &str) -> io::Result<Value> {
        let stream = UnixStream::connect(&self.path)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        writeln!(&stream, "{request}")?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line)?;
        let mut answer: Value = serde_json::from_str(&line).map_err(io::Error::other)?;
        match answer.get_mut("ok") {
            Some(ok) => Ok(ok.take()),
            None => Err(io::Error::other(line)),
        }
    }

    /// The daemon's status.
    ///
    /// # Errors
    /// No daemon.
    pub fn status(&self) -> io::Result<Value> {
        self.ask("{\"op\":\"status\"}")
    }

    /// Presses the button.
    ///
    /// # Errors
    /// No daemon.
    pub fn press(&self) -> io::Result<()> {
        self.ask("{\"op\":\"button\",\"gesture\":\"press\"}").map(|_| ())
    }

    /// Releases the button.
    ///
    /// # Errors
    /// No daemon.
    pub fn release(&self) -> io::Result<()> {
        self.ask("{\"op\":\"button\",\"gesture\":\"release\"}").map(|_| ())
    }

    /// Everything told so far.
    pub fn events(&self) -> Vec<Happened> {
        self.told.events.lock().expect("nobody panics with it").clone()
    }

    /// How many were told: a place to wait from.
    pub fn mark(&self) -> usize {
        self.told.events.lock().expect("nobody panics with it").len()
    }

    /// The first event from `mark` on that fits, as soon as it is told.
    ///
    /// # Errors
    /// After `within`, with what was told instead.
    pub fn wait(
        &self,
        mark: usize,
        within: Duration,
        fits: impl Fn(&Happened) -> bool,
    ) -> io::Result<Happened> {
        let deadline = Instant::now() + within;
        let mut events = self.told.events.lock().expect("nobody panics with it");
        loop {
            if let Some(found) = events.iter().skip(mark).find(|e| fits(e)) {
                return Ok(found.clone());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let told = |e: &Happened| {
                    let members = ["phase", "what", "text", "kind", "reason"];
                    let word = members.iter().map(|name| &e.value[*name]).find(|value| value.is_string());
                    format!("{}={}", e.name, word.unwrap_or(&Value::Null))
                };
                let names: Vec<String> = events.iter().skip(mark).map(told).collect();
                return Err(io::Error::other(format!(
                    "it did not happen within {within:?}; told: {names:?}"
                )));
            }
            events = self.told.news.wait_timeout(events, left).expect("nobody panics with it").0;
        }
    }

    /// Waits for a phase.
    ///
    /// # Errors
    /// As [`Remote::wait`].
    pub fn wait_phase(&self, mark: usize, phase: &str, within: Duration) -> io::Result<Happened> {
        self.wait(mark, within, |e| e.is_phase(phase))
            .map_err(|e| io::Error::other(format!("phase {phase}: {e}")))
    }
}
