//! Recorded sessions of the real service, replayed: every frame is understood or knowingly ignored, all of the answer's
//! sound comes out in order, and nothing is stuck afterwards.
//!
//! They are looked for beside the workspace, in `../shared/captures`, or where `PRESSEL_CAPTURES` says.

mod rig;

use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pressel_live::event::{Action, ButtonInput, Input, LinkInput, MicrophoneInput, Note, Phase};
use pressel_live::settings::{OpenStart, TalkMode};
use rig::{Rig, hold, settings};
use serde_json::{Value, json};

/// One frame of a recording.
struct Frame {
    from_server: bool,
    t_ms: Option<u64>,
    text: String,
}

fn recordings() -> Option<Vec<(String, Vec<Frame>)>> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/captures");
    let folder = std::env::var_os("PRESSEL_CAPTURES").map_or(beside, PathBuf::from);
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ending| ending == "jsonl"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no recordings in {}", folder.display());
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).expect("a recording is text");
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        (name, text.lines().map(frame).collect())
    };
    Some(files.into_iter().map(read).collect())
}

fn frame(line: &str) -> Frame {
    let frame: Value = serde_json::from_str(line).expect("a line of a recording is JSON");
    Frame {
        from_server: frame["dir"] == "server",
        t_ms: frame["t_ms"].as_u64(),
        text: frame["text"].as_str().expect("a frame has a text").to_owned(),
    }
}

/// What should be heard: everything but what belongs to an answer that was interrupted.
#[derive(Default)]
struct Expected {
    samples: Vec<i16>,
    cut: bool,
}

impl Expected {
    fn take(&mut self, message: &Value) {
        let content = &message["serverContent"];
        self.cut |= content["interrupted"] == true;
        for part in content["modelTurn"]["parts"].as_array().into_iter().flatten() {
            let Some(data) = part["inlineData"]["data"].as_str().filter(|_| !self.cut) else { continue };
            let bytes = STANDARD.decode(data).expect("base64");
            self.samples.extend(bytes.chunks_exact(2).map(|two| i16::from_le_bytes([two[0], two[1]])));
        }
        if content["turnComplete"] == true {
            self.cut = false;
        }
    }
}

/// A question is asked; the link waits for the recorded setupComplete.
fn ask(rig: &mut Rig, talk: TalkMode) {
    rig.input(Input::Button(ButtonInput::Press));
    let listen = rig.listen;
    let open = matches!(talk, TalkMode::Open { .. });
    if open {
        rig.input(Input::Microphone(MicrophoneInput::Opened { listen }));
    }
    for _ in 0..50 {
        rig.pass(Duration::from_millis(20));
        rig.chunk(true);
    }
    if open {
        rig.input(Input::Microphone(MicrophoneInput::Closed { listen }));
    }
    rig.input(Input::Button(ButtonInput::Release));
    for _ in 0..15 {
        rig.pass(Duration::from_millis(20));
        rig.chunk(false);
    }
}

fn replay(name: &str, frames: &[Frame], talk: TalkMode) {
    let mut settings = settings(talk);
    settings.tools = vec![json!({ "functionDeclarations": [{ "name": "any" }] })];
    let mut rig = Rig::new(settings, true);
    rig.completes = false;
    ask(&mut rig, talk);
    rig.done.clear();
    let (mut expected, mut phases, mut before_ms) = (Expected::default(), Vec::new(), None);
    for frame in frames.iter().filter(|frame| frame.from_server) {
        let since = frame.t_ms.zip(before_ms).map_or(20, |(now, before): (u64, u64)| now - before);
        before_ms = frame.t_ms;
        rig.pass(Duration::from_millis(since));
        rig.input(Input::Link(rig.link, LinkInput::Message(frame.text.clone().into_bytes())));
        expected.take(&serde_json::from_str(&frame.text).expect("a recorded frame is JSON"));
        phases.extend(rig.shown());
    }
    for note in rig.notes() {
        assert!(!matches!(note, Note::Unread { .. }), "{name}: {note:?}");
        assert!(!matches!(note, Note::LinkDown { .. }), "{name}: {note:?}");
    }
    let mut heard = Vec::new();
    for action in &rig.done {
        if let Action::Play { samples, .. } = action {
            heard.extend_from_slice(samples);
        }
    }
    assert_eq!(heard.len(), expected.samples.len(), "{name}: samples heard");
    assert!(heard == expected.samples, "{name}: another order");
    assert_eq!(phases.contains(&Phase::Speaking), !heard.is_empty(), "{name}: {phases:?}");
    let calls =
        frames.iter().filter(|frame| frame.from_server && frame.text.contains("\"toolCall\"")).count();
    let answers = rig.sent().iter().filter(|kind| *kind == "toolResponse").count();
    assert_eq!(answers, calls, "{name}: calls answered");
    rig.let_go();
}

#[test]
fn recorded_sessions_are_heard_whole() {
    let Some(recordings) = recordings() else {
        eprintln!("skipped: no recordings beside the workspace");
        return;
    };
    let open = TalkMode::Open { start: OpenStart::Press, idle: Some(Duration::from_secs(30)) };
    let mut sounds = 0;
    for (name, frames) in &recordings {
        replay(name, frames, hold());
        replay(name, frames, open);
        sounds += usize::from(frames.iter().any(|frame| frame.text.contains("inlineData")));
    }
    assert!(sounds > 0, "no recording has sound");
    eprintln!("{} recordings, {sounds} with sound", recordings.len());
}
