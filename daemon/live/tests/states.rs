//! Makes docs/states.md by driving the real machine, and fails when the file says something else. `PRESSEL_BLESS=1`
//! rewrites it.

mod rig;

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use pressel_live::event::{
    Action, ButtonInput, Cause, Input, LinkInput, Listen, MicrophoneInput, SpeakerInput, ToolResult,
};
use pressel_live::settings::{BargeIn, OpenStart, TalkMode};
use rig::{Rig, hold, is_silence, kind, settings};
use serde_json::{Map, Value, json};

/// Leads a fresh conversation into a state, or lets something happen to it.
type Deed = fn(&mut Rig);
type Named = (&'static str, Deed);

const MS: fn(u64) -> Duration = Duration::from_millis;

fn tap() -> TalkMode {
    TalkMode::Tap { end_silence: MS(1200), no_speech: MS(8000) }
}

fn open() -> TalkMode {
    TalkMode::Open { start: OpenStart::Press, idle: Some(MS(30_000)) }
}

fn rig(talk: TalkMode) -> Rig {
    let mut settings = settings(talk);
    settings.barge_in = BargeIn::Both;
    settings.tools = vec![json!({ "functionDeclarations": [{ "name": "lamp" }] })];
    Rig::new(settings, false)
}

fn link(rig: &mut Rig, news: LinkInput) {
    rig.input(Input::Link(rig.link, news));
}

fn closed(rig: &mut Rig, code: u16, reason: &str) {
    link(rig, LinkInput::Closed { code, reason: reason.to_owned() });
}

fn failed(rig: &mut Rig, cause: Cause) {
    link(rig, LinkInput::Failed { cause, reason: "no route".to_owned() });
}

fn press(rig: &mut Rig) {
    rig.input(Input::Button(ButtonInput::Press));
}

fn release(rig: &mut Rig) {
    rig.input(Input::Button(ButtonInput::Release));
}

fn content(rig: &mut Rig, content: Value) {
    rig.says(&json!({ "serverContent": content }));
}

fn sound(rig: &mut Rig) {
    let part = json!({ "inlineData": { "mimeType": "audio/pcm;rate=24000", "data": "AQAB".repeat(1600) } });
    content(rig, json!({ "modelTurn": { "parts": [part] } }));
}

/// A second of speech.
fn speak(rig: &mut Rig) {
    for _ in 0..50 {
        rig.pass(MS(20));
        rig.chunk(true);
    }
}

fn silence(rig: &mut Rig, chunks: usize) {
    for _ in 0..chunks {
        rig.pass(MS(20));
        rig.chunk(false);
    }
}

fn gate(rig: &mut Rig, opens: bool) {
    let listen = rig.listen;
    rig.input(Input::Microphone(if opens {
        MicrophoneInput::Opened { listen }
    } else {
        MicrophoneInput::Closed { listen }
    }));
}

/// As the microphone tells it: the gate opens with it.
fn suspected(rig: &mut Rig) {
    let listen = rig.listen;
    gate(rig, true);
    rig.chunk(true);
    rig.input(Input::Microphone(MicrophoneInput::Suspected { listen }));
}

fn opened(rig: &mut Rig) {
    link(rig, LinkInput::Opened);
}

fn completed(rig: &mut Rig) {
    rig.says(&json!({ "setupComplete": {} }));
    rig.says(&json!({ "sessionResumptionUpdate": { "newHandle": "h", "resumable": true } }));
}

/// A press on a working link, in any mode: the person has the word.
fn listening(rig: &mut Rig) {
    press(rig);
    if rig.conversation.state_names().0 == "Opening" {
        opened(rig);
        completed(rig);
    }
    if matches!(rig.conversation.mode(), TalkMode::Open { .. }) {
        gate(rig, true);
    }
    speak(rig);
}

fn thinking(rig: &mut Rig) {
    listening(rig);
    match rig.conversation.mode() {
        TalkMode::Hold { .. } => release(rig),
        TalkMode::Tap { .. } => press(rig),
        TalkMode::Open { .. } => gate(rig, false),
    }
    silence(rig, 15);
}

fn speaking(rig: &mut Rig) {
    thinking(rig);
    sound(rig);
}

fn spoken(rig: &mut Rig) {
    speaking(rig);
    content(rig, json!({ "generationComplete": true }));
}

fn heard(rig: &mut Rig) {
    let played = rig.done.iter().rev().find_map(|action| match action {
        Action::Play { turn, .. } => Some(*turn),
        _ => None,
    });
    rig.input(Input::Speaker(SpeakerInput::Drained { turn: played.unwrap_or(1) }));
}

fn idle(rig: &mut Rig) {
    spoken(rig);
    content(rig, json!({ "turnComplete": true }));
    rig.says(&json!({ "sessionResumptionUpdate": { "newHandle": "after", "resumable": true } }));
    heard(rig);
}

fn tired(rig: &mut Rig) {
    press(rig);
    speak(rig);
    for _ in 0..4 {
        failed(rig, Cause::Connect);
    }
    rig.pass(MS(250));
    failed(rig, Cause::Connect);
}

const LINK_STATES: [Named; 7] = [
    ("Down", |_| {}),
    ("Opening", |rig| {
        press(rig);
        speak(rig);
    }),
    ("SettingUp", |rig| {
        press(rig);
        speak(rig);
        opened(rig);
    }),
    ("Up", idle),
    ("Leaving", |rig| {
        idle(rig);
        rig.pass(Duration::from_secs(60));
    }),
    ("Waiting", tired),
    ("Refused", |rig| {
        press(rig);
        opened(rig);
        closed(rig, 1007, "API key not valid");
    }),
];

const LINK_EVENTS: [Named; 16] = [
    ("a press", press),
    ("a typed question", |rig| rig.input(Input::Ask("What time is it?".to_owned()))),
    ("the socket is open", opened),
    ("setupComplete", completed),
    ("never opened: no network", |rig| failed(rig, Cause::Connect)),
    ("never opened: HTTP 403", |rig| failed(rig, Cause::Http(403))),
    ("lost, or closed with 1000, 1001, 1011 …", |rig| closed(rig, 1006, "")),
    ("closed: refused for good", |rig| closed(rig, 1007, "API key not valid")),
    ("closed: the handle is dead", |rig| closed(rig, 1008, "BidiGenerateContent session not found")),
    ("closed: quota", |rig| closed(rig, 1011, "You exceeded your current quota")),
    ("goAway", |rig| rig.says(&json!({ "goAway": { "timeLeft": "50s" } }))),
    ("its time is over", |rig| {
        if let Some(due) = rig.conversation.poll_timeout() {
            rig.pass(due - rig.now);
        }
    }),
    ("another VAD setting (open)", |rig| rig.input(Input::Mode(open()))),
    ("no key any more", |rig| rig.input(Input::Key(false))),
    ("another key", |rig| {
        rig.input(Input::Key(false));
        rig.input(Input::Key(true));
    }),
    ("the end", |rig| rig.input(Input::Shutdown)),
];

const OPEN_STATES: [Named; 5] = [
    ("Idle", idle),
    ("Idle, gate open", listening),
    ("Thinking", thinking),
    ("Speaking", speaking),
    ("Speaking, all there", spoken),
];

const TURN_STATES: [Named; 5] = [
    ("Idle", idle),
    ("Listening", listening),
    ("Thinking", thinking),
    ("Speaking", speaking),
    ("Speaking, all there", spoken),
];

const TURN_EVENTS: [Named; 29] = [
    ("press", press),
    ("release, and its tail", |rig| {
        release(rig);
        silence(rig, 15);
    }),
    ("1.2 s of silence", |rig| silence(rig, 60)),
    ("the gate opens, speech", |rig| {
        gate(rig, true);
        rig.chunk(true);
    }),
    ("the gate closes", |rig| gate(rig, false)),
    ("speech is suspected", suspected),
    ("suspected, dismissed", |rig| {
        suspected(rig);
        let listen = rig.listen;
        rig.input(Input::Microphone(MicrophoneInput::Dismissed { listen }));
    }),
    ("suspected, confirmed", |rig| {
        suspected(rig);
        let listen = rig.listen;
        rig.input(Input::Microphone(MicrophoneInput::Confirmed { listen }));
    }),
    ("sound of an answer", sound),
    ("generationComplete", |rig| content(rig, json!({ "generationComplete": true }))),
    ("turnComplete", |rig| content(rig, json!({ "turnComplete": true }))),
    ("turnComplete, IN_PROGRESS", |rig| {
        content(rig, json!({ "turnComplete": true, "interactionStatus": "IN_PROGRESS" }));
    }),
    ("interrupted", |rig| content(rig, json!({ "interrupted": true }))),
    ("a tool call", |rig| {
        rig.says(&json!({ "toolCall": { "functionCalls": [{ "id": "id-1", "name": "lamp", "args": {} }] } }));
    }),
    ("a tool call and its result", |rig| {
        rig.says(&json!({ "toolCall": { "functionCalls": [{ "id": "id-1", "name": "lamp", "args": {} }] } }));
        rig.input(Input::ToolResult(ToolResult { id: "id-1".to_owned(), outcome: Ok(Map::new()) }));
    }),
    ("heard to its end", heard),
    ("its time is over", |rig| {
        if let Some(due) = rig.conversation.poll_timeout() {
            rig.pass(due - rig.now);
        }
    }),
    ("goAway, 50 s", |rig| rig.says(&json!({ "goAway": { "timeLeft": "50s" } }))),
    ("goAway, no time left", |rig| rig.says(&json!({ "goAway": { "timeLeft": "0s" } }))),
    ("the link is lost", |rig| closed(rig, 1006, "")),
    ("refused for good", |rig| closed(rig, 1007, "API key not valid")),
    ("the microphone is lost", |rig| rig.input(Input::Microphone(MicrophoneInput::Lost))),
    ("the microphone is switched off", |rig| rig.input(Input::Muted(true))),
    ("stop", |rig| rig.input(Input::Stop)),
    ("a press is taken back", |rig| rig.input(Input::TakeBack)),
    ("the speaker is lost", |rig| rig.input(Input::Speaker(SpeakerInput::Lost))),
    ("mode hold", |rig| rig.input(Input::Mode(hold()))),
    ("mode open", |rig| rig.input(Input::Mode(open()))),
    ("the end", |rig| rig.input(Input::Shutdown)),
];

/// What was done, each thing once in a row.
fn deeds(rig: &Rig) -> String {
    let mut words: Vec<String> = Vec::new();
    for action in &rig.done {
        let word = match action {
            Action::Dial { .. } => "dial".to_owned(),
            Action::Send { message, .. } if is_silence(message) => "silence".to_owned(),
            Action::Send { message, .. } => kind(message),
            Action::Close { .. } => "close".to_owned(),
            Action::Listen(Listen::Rest) => "microphone rests".to_owned(),
            Action::Listen(Listen::All { .. }) => "microphone".to_owned(),
            Action::Listen(Listen::Gated { watch: false, .. }) => "gate".to_owned(),
            Action::Listen(Listen::Gated { watch: true, .. }) => "watched gate".to_owned(),
            Action::Play { .. } => "play".to_owned(),
            Action::EndOfTurn { .. } => "end of sound".to_owned(),
            Action::Flush { .. } => "flush".to_owned(),
            Action::Duck { ducked: true } => "duck".to_owned(),
            Action::Duck { ducked: false } => "unduck".to_owned(),
            Action::CallTool { .. } => "call".to_owned(),
            Action::CancelTools { .. } => "stop tools".to_owned(),
            Action::Ping { .. } => "ping".to_owned(),
            Action::Ask(asked) => if asked.is_some() { "ask" } else { "ask no more" }.to_owned(),
            Action::AskAloud { .. } => "say the question".to_owned(),
            Action::Decide { .. } => "decide".to_owned(),
            Action::Tell(line) => format!("say {}", line.word()),
            Action::Show(_) | Action::Note(_) => continue,
        };
        if words.last() != Some(&word) {
            words.push(word);
        }
    }
    words.join(", ")
}

/// What an event leads to: the state after it, in bold where it is another, and what is done.
fn cell(
    talk: TalkMode,
    lead: Deed,
    event: Deed,
    name: fn((&'static str, &'static str)) -> &'static str,
) -> String {
    let mut rig = rig(talk);
    lead(&mut rig);
    let before = name(rig.conversation.state_names());
    rig.done.retain(|action| matches!(action, Action::Play { .. }));
    let played = rig.done.len();
    event(&mut rig);
    rig.done.drain(..played);
    let after = name(rig.conversation.state_names());
    let deeds = deeds(&rig);
    match (after == before, deeds.is_empty()) {
        (true, true) => "·".to_owned(),
        (true, false) => deeds,
        (false, true) => format!("**{after}**"),
        (false, false) => format!("**{after}**: {deeds}"),
    }
}

fn table(
    talk: TalkMode,
    states: &[Named],
    events: &[Named],
    name: fn((&'static str, &'static str)) -> &'static str,
) -> String {
    let mut text = "| |".to_owned();
    for (state, lead) in states {
        let mut rig = rig(talk);
        lead(&mut rig);
        let is = name(rig.conversation.state_names());
        assert!(state.starts_with(is), "{state} is {is}");
        let _ = write!(text, " {state} |");
    }
    let _ = write!(text, "\n|---|{}", "---|".repeat(states.len()));
    for (event, deed) in events {
        let _ = write!(text, "\n| {event} |");
        for (_, lead) in states {
            let _ = write!(text, " {} |", cell(talk, *lead, *deed, name));
        }
    }
    text
}

fn page() -> String {
    let link = table(hold(), &LINK_STATES, &LINK_EVENTS, |names| names.0);
    let [hold, tap] = [hold(), tap()].map(|talk| table(talk, &TURN_STATES, &TURN_EVENTS, |names| names.1));
    let open = table(open(), &OPEN_STATES, &TURN_EVENTS, |names| names.1);
    format!(
        "# States

Made by `daemon/live/tests/states.rs`, which drives the conversation itself; after a change of behaviour
`PRESSEL_BLESS=1 cargo test -p pressel-live --test states` makes it anew. Columns are states, rows are what happens. A cell
tells the state that follows, in bold where it is another one, and what is done; `·` means that nothing follows. What the
light shows is computed from both states (`Conversation::phase`) and is a state of its own nowhere.

## Link: is there a line?

In hold mode. *Opening*, *SettingUp* and *Waiting* with a question under way, *Up* and *Leaving* with nobody talking.

{link}

## Turn: who is speaking?

The link is up, and device and server both decide that speech ends an answer. *Speaking* means that more sound may come; *Speaking, all there* that the rest is only being heard.

### Hold

{hold}

### Tap

{tap}

### Open

In a talk that a press began. There is no *Listening*: the gate decides what is sent, and the server what of it is a turn.

{open}
"
    )
}

#[test]
fn the_documentation_shows_what_the_machine_does() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/states.md");
    let page = page();
    if std::env::var_os("PRESSEL_BLESS").is_some() {
        std::fs::write(&path, &page).expect("docs/states.md can be written");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = written.lines().zip(page.lines()).find(|(is, should)| is != should);
    assert!(
        written == page,
        "docs/states.md differs (PRESSEL_BLESS=1 makes it anew), first here: {differs:#?}"
    );
}
