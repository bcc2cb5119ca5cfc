//! A gate that opens only for who agrees, the person in front of it, and what the model was told.

use std::fs;

use fake_gemini::{Script, Turn};
use serde_json::{Value, json};
use tests::stage::{Happened, Setting};

use crate::scene::{Scene, WAIT, messages, setting};
use crate::tools::{Bench, until};

pub(super) const DOUBLE: &str = "press talk, double consent";
const ASK: &str = "ask = \"Shall I open the gate?\"\nlogged = \"values\"";

/// A device with lines that are simulated and a gate.
pub(super) struct Gate {
    pub(super) bench: Bench,
}

impl Gate {
    pub(super) fn new(confirm: &str) -> Gate {
        let bench = Bench::new();
        fs::write(bench.path("ran"), "").unwrap();
        let script = format!("echo \"$1\" >> {}; echo the gate is open", bench.path("ran").display());
        let more = format!("write = [\"{}\"]", bench.path("ran").display());
        bench.tool("gate", &script, &format!("confirm = \"{confirm}\"\n{ASK}"), &more);
        Gate { bench }
    }

    pub(super) fn scene(&self, gestures: &str, model: &str, script: Script) -> Scene {
        Scene::set(wired(&self.bench, gestures, model, script))
    }

    /// What it was opened for.
    pub(super) fn ran(&self) -> Vec<String> {
        fs::read_to_string(self.bench.path("ran")).unwrap().lines().map(str::to_owned).collect()
    }

    pub(super) fn log(&self) -> Vec<(String, Value)> {
        let (_, log, _) = self.bench.pressel(&["log", "--json"]);
        let entries = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        entries
            .map(|entry| (entry["outcome"].as_str().unwrap().to_owned(), entry["consent"].clone()))
            .collect()
    }
}

pub(super) fn wired(bench: &Bench, gestures: &str, model: &str, script: Script) -> Setting {
    let button = format!("[button]\nkind = \"gpio\"\n{gestures}\n{}", bench.config());
    Setting { wired: true, live: format!("model = \"{model}\""), ..setting("hold", &button, script) }
}

pub(super) fn gestures(text: &str) -> String {
    format!("gestures = \"{text}\"")
}

/// The gate is asked for; the announcement takes 1.5 s.
pub(super) fn asks_for_the_gate() -> Script {
    let turn = Turn { think_ms: Some(10), ..Turn::noise(1500, 1) };
    let rest = Turn::noise(400, 2);
    Script { rest, ..Script::default() }.turn(turn.call("gate", json!({ "what": "north" })))
}

impl Scene {
    #[track_caller]
    pub(super) fn line_is(&self, command: &str) {
        self.daemon.line(command).unwrap();
    }

    #[track_caller]
    pub(super) fn presses(&self, line: u32, times: u32) {
        for _ in 0..times {
            self.line_is(&format!("{line} down"));
            self.pass(60);
            self.line_is(&format!("{line} up"));
            self.pass(60);
        }
    }

    /// Somebody asks for the gate, by the button's own line.
    #[track_caller]
    pub(super) fn wants_the_gate(&self) {
        self.line_is("0 down");
        let words = self.speak("question-time");
        self.until_heard(words.end);
        self.line_is("0 up");
    }

    /// Until the light asks.
    #[track_caller]
    pub(super) fn asked(&self, mark: usize) -> Happened {
        self.phase(mark, "asking")
    }

    /// What went to the model as text.
    pub(super) fn texts(&self) -> Vec<String> {
        let events = self.server.events();
        let of = |name| messages(&events, name).map(|(_, message)| message.to_string()).collect::<Vec<_>>();
        [of("clientContent"), of("text")].concat()
    }

    #[track_caller]
    pub(super) fn until_text(&self, words: &str) {
        until(&format!("a text with {words:?}"), WAIT, || {
            self.texts().iter().any(|text| text.contains(words))
        });
    }

    pub(super) fn responses(&self) -> Vec<Value> {
        let events = self.server.events();
        let of = |message: &Value| message["toolResponse"]["functionResponses"].as_array().cloned().unwrap();
        messages(&events, "toolResponse").flat_map(|(_, message)| of(message)).collect()
    }
}
