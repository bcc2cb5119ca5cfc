//! A conversation with everything around it that answers by itself when asked to: links open, setups complete, sound is
//! heard. What must always hold is asserted after every input.
#![allow(dead_code)] // each test uses its part

mod check;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use pressel_live::Conversation;
use pressel_live::event::{
    Action, Agree, Budget, ButtonInput, Cause, ConsentInput, Input, LinkInput, MicrophoneInput, Note, Phase,
    SpeakerInput, ToolResult,
};
use pressel_live::settings::{BargeIn, Settings, TalkMode};
use serde_json::{Map, Value};

/// A timer may have to be served so often at one time.
const TIMERS_MAX: usize = 8;
/// Actions that one input may lead to: a kept utterance goes out in messages of 100 ms.
const ACTIONS_MAX: usize = 2000;

/// A model of each profile.
pub const PROFILES: [&str; 5] = [
    "gemini-3.8-live",
    "gemini-3.8-live-extended-thinking",
    "gemini-3.1-flash-live-preview",
    "gemini-2.5-flash-native-audio-latest",
    "gemini-9-new",
];

/// Settings with one tool, which waits for a person.
pub fn gated(model: &str, talk: TalkMode) -> Settings {
    let tools = vec![serde_json::json!({ "functionDeclarations": [{ "name": "gate" }] })];
    Settings { model: model.to_owned(), tools, ..settings(talk) }
}

/// Settings of an empty configuration.
pub fn settings(talk: TalkMode) -> Settings {
    Settings {
        model: "gemini-3.8-live".to_owned(),
        talk,
        voice: None,
        language: None,
        instruction: None,
        transcribe_input: true,
        transcribe_output: true,
        compression: None,
        speech_interrupts: true,
        barge_in: BargeIn::Server,
        start_eager: None,
        end_eager: None,
        start_after: None,
        end_after: Some(Duration::from_millis(800)),
        temperature: None,
        thinking: None,
        tools: Vec::new(),
        finishes: Default::default(),
        utterance_max: Duration::from_secs(15),
        talk_max: None,
        quiet_close: Duration::from_secs(60),
        setup_timeout: Duration::from_secs(15),
        answer_timeout: Duration::from_secs(30),
        minted: false,
        recap: true,
        recap_max_chars: 2000,
        forget_after: Duration::from_secs(7200),
        open_forgets: true,
        seed: 1,
    }
}

/// Hold mode with the usual tail.
pub fn hold() -> TalkMode {
    TalkMode::Hold { tail: Duration::from_millis(200) }
}

/// The conversation and what it said it does.
pub struct Rig {
    pub conversation: Conversation,
    pub now: Instant,
    /// What it did, in order, since somebody last took it.
    pub done: Vec<Action>,
    /// Of the newest dial.
    pub link: u32,
    /// Of the newest listening.
    pub listen: u32,
    /// Of the newest listening: only what the gate lets through.
    gated: bool,
    /// As it was told.
    pub ducked: bool,
    phase: Option<Phase>,
    opened: bool,
    set_up: bool,
    complete: bool,
    over: bool,
    closing: bool,
    /// The person's activity is marked by us; it has begun and not ended.
    manual: bool,
    activity: bool,
    unanswered: Vec<String>,
    /// Calls that wait for a person.
    pub kept: BTreeSet<String>,
    /// Calls that a person agreed to, in order.
    pub runs: Vec<String>,
    /// What is asked for, as it was told.
    pub asked: Option<Agree>,
    due: Option<Instant>,
    /// Whether surroundings answer by themselves.
    pub obliging: bool,
    /// Then also: whether setups are completed.
    pub completes: bool,
    /// Then also: dials do not open, but fail for this reason.
    pub fails: Option<Cause>,
    stopped: bool,
    /// The microphone is switched off.
    muted: bool,
}

impl Rig {
    /// Everything answers by itself if `obliging`, nothing does otherwise.
    #[allow(clippy::disallowed_methods)] // a beginning is needed, and only that
    pub fn new(settings: Settings, obliging: bool) -> Self {
        let now = Instant::now() + Duration::from_secs(100); // room for what was captured before
        let mut rig = Rig {
            conversation: Conversation::new(settings, now),
            now,
            done: Vec::new(),
            link: 0,
            listen: 0,
            gated: false,
            ducked: false,
            phase: None,
            opened: false,
            set_up: false,
            complete: false,
            over: true,
            closing: false,
            manual: false,
            activity: false,
            unanswered: Vec::new(),
            kept: BTreeSet::new(),
            runs: Vec::new(),
            asked: None,
            due: None,
            obliging,
            completes: true,
            fails: None,
            stopped: false,
            muted: false,
        };
        rig.drain();
        rig
    }

    /// What the light shows.
    pub fn shown(&self) -> Option<Phase> {
        self.phase
    }

    /// Something happens.
    pub fn input(&mut self, input: Input) {
        if let Input::Link(number, news) = &input {
            let current = *number == self.link;
            match news {
                LinkInput::Opened if current => self.opened = true,
                LinkInput::Message(payload) if current && self.set_up => {
                    let completes = |value: Value| {
                        value.get("setupComplete").is_some_and(Value::is_object)
                            || value.get("setup_complete").is_some_and(Value::is_object)
                    };
                    self.complete |= serde_json::from_slice(payload).is_ok_and(completes);
                }
                LinkInput::Closed { .. } | LinkInput::Failed { .. } if current => self.over = true,
                _ => {}
            }
        }
        if let Input::Consent(ConsentInput::Due(ask)) = &input {
            self.unanswered.retain(|waiting| *waiting != ask.id);
            self.kept.insert(ask.id.clone());
        }
        if let Input::ToolResult(ToolResult { id, .. }) = &input {
            self.unanswered.retain(|waiting| waiting != id);
        }
        self.stopped |= input == Input::Shutdown;
        if let Input::Muted(muted) = input {
            self.muted = muted;
        }
        self.conversation.handle_input(self.now, input);
        self.drain();
    }

    /// Time passes; timers are served when they are due.
    pub fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        loop {
            let mut served = 0;
            while let Some(due) = self.conversation.poll_timeout().filter(|due| *due <= self.now) {
                assert!(self.due != Some(due) || served == 0, "the timer does not move on");
                self.due = Some(due);
                served += 1;
                assert!(served < TIMERS_MAX, "the timer goes round and round");
                self.input(Input::Timeout);
            }
            match self.conversation.poll_timeout() {
                Some(due) if due <= until => self.now = due,
                _ => break,
            }
        }
        self.now = until;
    }

    /// The actions, as far as the surroundings need not answer them.
    fn drain(&mut self) {
        let mut answers = Vec::new();
        let mut count = 0;
        while let Some(action) = self.conversation.poll_action() {
            count += 1;
            assert!(count < ACTIONS_MAX, "one input leads to no end of actions");
            self.check(&action);
            if self.obliging {
                answers.extend(self.answer(&action));
            }
            self.done.push(action);
        }
        let speaking = self.conversation.state_names().1 == "Speaking";
        assert!(!self.ducked || (speaking && !self.stopped), "ducked while nothing is being heard");
        for answer in answers {
            self.input(answer);
        }
        if self.stopped {
            assert_eq!(self.conversation.poll_timeout(), None, "a timer after the end");
        }
    }

    fn answer(&self, action: &Action) -> Option<Input> {
        Some(match action {
            Action::Dial { link } => {
                let failed = |cause| LinkInput::Failed { cause, reason: "no route".to_owned() };
                Input::Link(*link, self.fails.map_or(LinkInput::Opened, failed))
            }
            Action::Ping { link } => Input::Link(*link, LinkInput::Pong),
            Action::Send { link, message } if self.completes && kind(message) == "setup" => {
                Input::Link(*link, LinkInput::Message(b"{\"setupComplete\":{}}".to_vec()))
            }
            Action::Close { link, .. } => {
                Input::Link(*link, LinkInput::Closed { code: 1000, reason: String::new() })
            }
            Action::AskAloud { turn, .. } | Action::EndOfTurn { turn } => {
                Input::Speaker(SpeakerInput::Drained { turn: *turn })
            }
            Action::CallTool { id, .. } => {
                Input::ToolResult(ToolResult { id: id.clone(), outcome: Ok(Map::new()) })
            }
            _ => return None,
        })
    }

    /// Everything is let go and much time passes: nothing may go on.
    pub fn let_go(&mut self) {
        (self.obliging, self.completes) = (true, true);
        if !self.over {
            // Whatever became of it, it is gone.
            self.input(Input::Link(self.link, LinkInput::Closed { code: 1006, reason: String::new() }));
        }
        self.input(Input::Microphone(MicrophoneInput::Back));
        self.input(Input::Speaker(SpeakerInput::Back));
        self.input(Input::Muted(false));
        self.input(Input::Key(true));
        self.input(Input::Clock(true));
        self.input(Input::Network(true));
        self.input(Input::Budget(Budget::Fine));
        self.input(Input::Warm(false));
        self.input(Input::Button(ButtonInput::Release));
        self.input(Input::Microphone(MicrophoneInput::Closed { listen: self.listen }));
        for id in std::mem::take(&mut self.unanswered) {
            self.input(Input::ToolResult(ToolResult { id, outcome: Err("let go".to_owned()) }));
        }
        // An hour of sound may be on its way to the speaker, which says nothing of it here.
        self.pass(Duration::from_secs(2 * 3600));
        let mode = self.conversation.mode();
        let open_for_ever = matches!(mode, TalkMode::Open { idle: None, .. })
            || matches!(mode, TalkMode::Open { start: pressel_live::settings::OpenStart::Always, .. });
        let rests = matches!(self.phase, Some(Phase::Idle | Phase::Fault))
            || (open_for_ever && self.phase == Some(Phase::Listening));
        assert!(rests, "everything is let go and the light shows {:?} in {mode:?}", self.phase);
        assert!(open_for_ever || self.over || self.closing, "nobody talks and a link is kept");
    }

    /// Sends a message from the server.
    pub fn says(&mut self, message: &Value) {
        self.input(Input::Link(self.link, LinkInput::Message(message.to_string().into_bytes())));
    }

    /// One chunk of 20 ms as the microphone delivers it now.
    pub fn chunk(&mut self, speech: bool) {
        let chunk =
            MicrophoneInput::Chunk { listen: self.listen, samples: vec![1; 320], speech, at: self.now };
        self.input(Input::Microphone(chunk));
    }

    /// Kinds of messages sent since somebody last took what was done.
    pub fn sent(&self) -> Vec<String> {
        let message = |action: &Action| match action {
            Action::Send { message, .. } => Some(kind(message)),
            _ => None,
        };
        self.done.iter().filter_map(message).collect()
    }

    /// Notes since then.
    pub fn notes(&self) -> Vec<&Note> {
        let mut notes = Vec::new();
        for action in &self.done {
            if let Action::Note(note) = action {
                notes.push(note);
            }
        }
        notes
    }
}

/// The one member of a client message, and within realtimeInput the one there.
pub fn kind(message: &str) -> String {
    let message: Value = serde_json::from_str(message).expect("a client message is JSON");
    let one = |value: &Value| {
        let members = value.as_object().expect("an object");
        assert_eq!(members.len(), 1, "{value}");
        members.keys().next().cloned().unwrap_or_default()
    };
    let outer = one(&message);
    if outer == "realtimeInput" { one(&message[outer.as_str()]) } else { outer }
}

/// Whether an audio message holds nothing but zeros.
pub fn is_silence(message: &str) -> bool {
    let message: Value = serde_json::from_str(message).expect("a client message is JSON");
    let data = message["realtimeInput"]["audio"]["data"].as_str();
    data.is_some_and(|data| data.bytes().all(|byte| byte == b'A' || byte == b'='))
}

/// How many samples an audio message holds.
pub fn samples(message: &str) -> usize {
    let message: Value = serde_json::from_str(message).expect("a client message is JSON");
    let data = message["realtimeInput"]["audio"]["data"].as_str().expect("sound");
    (data.len() / 4 * 3 - data.bytes().rev().take_while(|&byte| byte == b'=').count()) / 2
}

/// Responses to calls that were sent.
pub fn responses(done: &[Action]) -> Vec<Value> {
    let mut found = Vec::new();
    for action in done {
        if let Action::Send { message, .. } = action {
            let message: Value = serde_json::from_str(message).unwrap();
            found
                .extend(message["toolResponse"]["functionResponses"].as_array().cloned().unwrap_or_default());
        }
    }
    found
}
