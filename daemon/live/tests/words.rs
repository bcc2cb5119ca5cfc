//! A dictation of 16 words, cut anywhere by anything: each word reaches the session that lives on exactly once or is
//! counted as lost, and no tool runs twice for it.

mod rig;

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pressel_live::event::{Action, ButtonInput, Cause, Input, LinkInput, MicrophoneInput, Note, ToolResult};
use pressel_live::settings::{OpenStart, TalkMode};
use proptest::prelude::*;
use rig::{Rig, hold, settings};
use serde_json::{Map, Value, json};

/// A word is 400 ms of samples that all have its number.
const WORDS: usize = 16;
const CHUNKS: usize = 20;
const MS: fn(u64) -> Duration = Duration::from_millis;

/// How a link ends.
#[derive(Clone, Copy, Debug)]
enum End {
    Reset,
    Internal,
    GoAwayNow,
}

/// A link ends after this many chunks, and so many dials fail before one opens.
#[derive(Clone, Copy, Debug)]
struct Cut {
    after: usize,
    end: End,
    refused: usize,
}

/// The server as far as it remembers: per session what it holds, saved with each handle.
#[derive(Default)]
struct Server {
    /// What each handle holds, by number.
    saved: BTreeMap<String, Vec<u16>>,
    /// Samples of each word on the present link, and the session's from before.
    held: Vec<u16>,
    calls: usize,
    lost: u64,
}

impl Server {
    /// Takes what was done since; a word counts with each of its samples.
    fn take(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Send { message, .. } => self.message(&message),
                Action::CallTool { .. } => self.calls += 1,
                Action::Note(Note::SpeechDropped { samples }) => self.lost += samples,
                _ => {}
            }
        }
    }

    fn message(&mut self, text: &str) {
        let message: Value = serde_json::from_str(text).unwrap();
        if let Some(setup) = message.get("setup") {
            let handle = setup["sessionResumption"]["handle"].as_str();
            self.held = handle.map(|handle| self.saved[handle].clone()).unwrap_or_default();
        }
        if let Some(data) = message["realtimeInput"]["audio"]["data"].as_str() {
            let bytes = STANDARD.decode(data).unwrap();
            self.held
                .extend(bytes.chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]])).filter(|w| *w > 0));
        }
    }

    fn handle(&mut self, name: &str) -> Value {
        self.saved.insert(name.to_owned(), self.held.clone());
        json!({ "sessionResumptionUpdate": { "newHandle": name, "resumable": true } })
    }
}

struct Dictation {
    rig: Rig,
    server: Server,
}

impl Dictation {
    fn new(talk: TalkMode) -> Self {
        let mut settings = settings(talk);
        settings.tools = vec![json!({ "functionDeclarations": [{ "name": "lamp" }] })];
        settings.end_after = Some(MS(800));
        Dictation { rig: Rig::new(settings, true), server: Server::default() }
    }

    fn look(&mut self) {
        let done = std::mem::take(&mut self.rig.done);
        self.server.take(done);
    }

    fn input(&mut self, input: Input) {
        self.rig.input(input);
        self.look();
    }

    fn says(&mut self, message: &Value) {
        self.rig.says(message);
        self.look();
    }

    fn pass(&mut self, time: Duration) {
        self.rig.pass(time);
        self.look();
    }

    fn word(&mut self, number: usize) {
        let at = self.rig.now;
        let listen = self.rig.listen;
        let samples = vec![number as i16; 320];
        self.input(Input::Microphone(MicrophoneInput::Chunk { listen, samples, speech: true, at }));
    }

    fn cut(&mut self, cut: Cut) {
        self.rig.obliging = cut.refused == 0;
        let link = self.rig.link;
        match cut.end {
            End::Reset => {
                self.input(Input::Link(link, LinkInput::Closed { code: 1006, reason: String::new() }))
            }
            End::Internal => {
                let reason = "Internal error encountered.".to_owned();
                self.input(Input::Link(link, LinkInput::Closed { code: 1011, reason }));
            }
            End::GoAwayNow => self.says(&json!({ "goAway": { "timeLeft": "0s" } })),
        }
        for left in (0..cut.refused).rev() {
            self.pass(MS(1500));
            let link = self.rig.link;
            self.rig.obliging = left == 0;
            let failed = LinkInput::Failed { cause: Cause::Http(503), reason: String::new() };
            self.input(Input::Link(link, failed));
        }
        self.rig.obliging = true;
    }

    /// Speaks all words, cut where it is told.
    fn dictate(&mut self, cuts: &[Cut]) {
        for chunk in 0..WORDS * CHUNKS {
            for cut in cuts.iter().filter(|cut| cut.after == chunk) {
                self.cut(*cut);
            }
            self.word(1 + chunk / CHUNKS);
            self.pass(MS(20));
        }
    }

    fn check(&self, called: usize) {
        let spoken: Vec<u16> = (0..WORDS * CHUNKS * 320).map(|n| (1 + n / (CHUNKS * 320)) as u16).collect();
        let held = &self.server.held;
        if self.server.lost == 0 {
            assert_eq!(held.len(), spoken.len(), "samples");
            assert_eq!(held, &spoken, "each word once, in order");
        } else {
            let missing = (spoken.len() - held.len()) as u64;
            assert!(missing <= self.server.lost, "{missing} are missing, {} are counted", self.server.lost);
            assert!(held.windows(2).all(|two| two[0] <= two[1]), "in order");
        }
        assert_eq!(self.server.calls, called, "tools that ran");
    }
}

fn cuts() -> impl Strategy<Value = Vec<Cut>> {
    let ends = prop_oneof![Just(End::Reset), Just(End::Internal), Just(End::GoAwayNow)];
    let cut =
        (0..WORDS * CHUNKS, ends, 0..3usize).prop_map(|(after, end, refused)| Cut { after, end, refused });
    proptest::collection::vec(cut, 0..3)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(40),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Push-to-talk.
    #[test]
    fn a_dictation_is_held_whole_however_it_is_cut(cuts in cuts(), again in any::<bool>(), words in any::<bool>()) {
        let mut talk = Dictation::new(hold());
        talk.input(Input::Button(ButtonInput::Press));
        talk.says(&json!({ "setupComplete": {} }));
        let handle = talk.server.handle("h-0");
        talk.says(&handle);
        talk.dictate(&cuts);
        talk.input(Input::Button(ButtonInput::Release));
        talk.pass(MS(1500));
        talk.check(0);
        // A tool is called, and the link is lost with it, before or after its words were understood.
        if words {
            talk.says(&json!({ "serverContent": { "inputTranscription": { "text": "all of it" } } }));
        }
        let args = json!({ "on": true });
        let call = |id: &str| json!({ "toolCall": { "functionCalls": [{ "id": id, "name": "lamp", "args": args }] } });
        talk.says(&call("id-1"));
        let done = || ToolResult { id: "id-1".to_owned(), outcome: Ok(Map::new()) };
        if again {
            talk.input(Input::ToolResult(done()));
        }
        talk.cut(Cut { after: 0, end: End::Reset, refused: 0 });
        talk.says(&call("id-2"));
        if !again {
            talk.input(Input::ToolResult(done()));
            talk.says(&call("id-3"));
        }
        prop_assert_eq!(talk.server.calls, 1, "the tool ran once");
    }

    /// Open mode: the gate is open all the time.
    #[test]
    fn so_it_is_where_the_server_finds_the_speech(cuts in cuts()) {
        let mut talk = Dictation::new(TalkMode::Open { start: OpenStart::Press, idle: Some(MS(60_000)) });
        talk.input(Input::Button(ButtonInput::Press));
        talk.says(&json!({ "setupComplete": {} }));
        let handle = talk.server.handle("h-0");
        talk.says(&handle);
        let listen = talk.rig.listen;
        talk.input(Input::Microphone(MicrophoneInput::Opened { listen }));
        talk.dictate(&cuts);
        talk.input(Input::Microphone(MicrophoneInput::Closed { listen }));
        talk.pass(MS(1500));
        talk.check(0);
    }
}

/// Three seconds that the network swallowed before it was cut: all of it is sent again.
#[test]
fn what_the_network_swallowed_is_sent_again() {
    let mut talk = Dictation::new(hold());
    talk.input(Input::Button(ButtonInput::Press));
    let handle = talk.server.handle("h-0");
    talk.says(&handle);
    talk.dictate(&[Cut { after: 8 * CHUNKS, end: End::Reset, refused: 2 }]);
    talk.input(Input::Button(ButtonInput::Release));
    talk.pass(MS(1000));
    talk.check(0);
    assert_eq!(talk.server.lost, 0);
}
