//! Makes docs/states.md by driving the real machine, and fails when the file says something else. `PRESSEL_BLESS=1`
//! rewrites it.

mod axes;
mod deed;
#[path = "../rig/mod.rs"]
mod rig;

use std::fmt::Write as _;
use std::path::Path;

use pressel_live::event::{Action, Listen};
use pressel_live::settings::TalkMode;

use crate::axes::{LINK_EVENTS, LINK_STATES, OPEN_STATES, TURN_EVENTS, TURN_STATES};
use crate::deed::{Deed, Named, open, rig, tap};
use crate::rig::{Rig, hold, is_silence, kind};

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

Made by `daemon/live/tests/states`, which drives the conversation itself; after a change of behaviour
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
