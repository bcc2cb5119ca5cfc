//! Consent through the shipped daemon: a button's line, a loudspeaker, programs that leave a mark. What is due is known by
//! what the finger did here and by what the card has played.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use fake_gemini::{Event, Fault, Options, Script, Turn, What};
use pressel_world::card::Direction;
use serde_json::json;
use tests::measure::find;
use tests::stage::{Setting, Stage};

use crate::plan::{ASKS, MODELS, NEW};
use crate::real::Found;

/// Whatever a person waits for has come by then.
const PATIENCE: Duration = Duration::from_secs(12);
/// Calls with each model.
const CALLS: usize = 5;
/// The end of a question by which it is known in what was played, in samples.
const END: usize = 480;

/// What somebody does who is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    Agrees,
    AgreesOnTheNextLink,
    Early,
    Refuses,
    Mistakes,
    ByProgram,
    Stops,
    Restarts,
    TakenBack,
    Late,
}

const DEEDS: [Deed; 10] = [
    Deed::Agrees,
    Deed::AgreesOnTheNextLink,
    Deed::Early,
    Deed::Refuses,
    Deed::Mistakes,
    Deed::ByProgram,
    Deed::Stops,
    Deed::Restarts,
    Deed::TakenBack,
    Deed::Late,
];

/// Some calls with each of the models.
pub fn agreed(found: &mut Found) -> io::Result<()> {
    let mut deeds = DEEDS.iter().cycle();
    for (n, model) in MODELS.iter().enumerate() {
        let folder = tempfile::tempdir()?;
        let mut room = Room::set(folder.path(), model)?;
        for number in 0..CALLS {
            let hold = (n + number) % 2 == 1;
            room.asked(number, hold, *deeds.next().expect("they go round"), found)?;
        }
    }
    Ok(())
}

/// A stage with a button.
struct Room {
    stage: Stage,
    model: String,
    ran: std::path::PathBuf,
}

impl Room {
    fn set(folder: &Path, model: &str) -> io::Result<Room> {
        let ran = folder.join("ran");
        fs::write(&ran, "")?;
        fs::create_dir(folder.join("tools.d"))?;
        for (name, confirm) in ASKS.iter().zip(["button", "hold"]) {
            let program = folder.join(name);
            fs::write(&program, format!("#!/bin/sh\necho $1 >> {}\necho done\n", ran.display()))?;
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
            let (program, ran) = (program.display(), ran.display());
            let text = format!(
                "name = \"{name}\"\ndescription = \"For a run.\"\nconfirm = \"{confirm}\"\nask = \"Shall I?\"\nper_minute_max = 0\n\
                 [command]\nargv = [\"{program}\", \"{{n}}\"]\nwrite = [\"{ran}\"]\n[parameters]\nrequired = [\"n\"]\n\
                 [parameters.properties]\nn = {{ type = \"integer\" }}\n"
            );
            fs::write(folder.join(format!("tools.d/{name}.toml")), text)?;
        }
        let path = folder.display();
        let config = format!(
            "[button]\nkind = \"gpio\"\nlines = \"red GPIO5\"\n\
             gestures = \"press talk, double consent, long 2 consent, red press stop\"\n\
             [tools]\nfolder = \"{path}/tools.d\"\nsocket = \"\"\nlog_folder = \"{path}\"\n"
        );
        let rest = Turn { think_ms: Some(10), ..Turn::noise(200, 1) };
        let script = Script { rest, ..Script::default() };
        let server = Options { new_model: Some(NEW.to_owned()), ..Options::script(script) };
        let live = format!("model = \"{model}\"");
        let stage_folder = folder.join("stage");
        fs::create_dir(&stage_folder)?;
        let setting = Setting { server, live, wired: true, ..Setting::mode("hold", &config) };
        Ok(Room { stage: Stage::set(&stage_folder, setting)?, model: model.to_owned(), ran })
    }

    fn pass(&self, ms: u64) {
        let now = self.stage.card.now_sample(Direction::Capture);
        self.stage.card.sleep_until(Direction::Capture, now + ms * 16);
    }

    fn presses(&self, edges: &[(&str, u64)]) -> io::Result<()> {
        for (command, then_ms) in edges {
            self.stage.daemon.line(command)?;
            self.pass(*then_ms);
        }
        Ok(())
    }

    /// The gesture of a tool.
    fn agrees(&self, hold: bool) -> io::Result<()> {
        match hold {
            true => self.presses(&[("0 down", 2200), ("0 up", 50)]),
            false => self.presses(&[("0 down", 60), ("0 up", 60), ("0 down", 60), ("0 up", 60)]),
        }
    }

    fn has_run(&self, number: usize) -> io::Result<usize> {
        Ok(fs::read_to_string(&self.ran)?.lines().filter(|line| *line == number.to_string()).count())
    }

    /// The samples that the server has sent since the newest question was its to ask, once it has sent all of them.
    fn question(events: &[Event]) -> Option<Vec<i16>> {
        let asks = |event: &Event| match &event.what {
            What::Received { message, .. } => {
                let text = message["toolResponse"].to_string();
                text.contains("needs_consent")
            }
            _ => false,
        };
        let since = events.iter().rposition(asks)?;
        let mut said = Vec::new();
        for event in &events[since..] {
            match &event.what {
                What::SentAudio { samples, .. } => said.extend_from_slice(samples),
                What::Sent { name, .. } if name == "generationComplete" => return Some(said),
                _ => {}
            }
        }
        None
    }

    /// Whether the loudspeaker has played the question to its end.
    fn heard(&self) -> io::Result<bool> {
        let Some(question) = Room::question(&self.stage.server.events()) else { return Ok(false) };
        let now = self.stage.card.now_sample(Direction::Playback);
        let played = self.stage.card.channel(Direction::Playback, 0, 0..now)?;
        let end = question.len().checked_sub(END);
        Ok(end.is_some_and(|end| find(&played, &question[end..], 0).is_some()))
    }

    /// The model calls, somebody is asked and does something; afterwards it has run or not.
    fn asked(&mut self, number: usize, hold: bool, deed: Deed, found: &mut Found) -> io::Result<()> {
        // Somebody talks, so that there is a link.
        let mark = self.stage.remote.mark();
        self.presses(&[("0 down", 400), ("0 up", 0)])?;
        self.stage.remote.wait_phase(mark, "speaking", PATIENCE)?;
        let speaking = self.stage.remote.mark();
        self.stage.remote.wait_phase(speaking, "idle", PATIENCE)?;
        let mark = self.stage.remote.mark();
        let turn = Turn { think_ms: Some(10), ..Turn::noise(500, 7 + number as u64) };
        let turn = turn.call(ASKS[usize::from(hold)], json!({ "n": number }));
        self.stage.server.strike(Fault::Speak(Box::new(turn)));
        if deed == Deed::Early {
            self.stage.server.wait_blocking(PATIENCE, |events| Room::question(events).is_some());
            self.stage.remote.wait_phase(mark, "speaking", PATIENCE)?;
        } else {
            self.stage.remote.wait_phase(mark, "asking", PATIENCE)?;
        }
        found.calls += 1;
        found.asked += 1;
        match deed {
            Deed::Agrees | Deed::Early => {}
            Deed::AgreesOnTheNextLink => drop(self.stage.server.strike(Fault::Reset)),
            Deed::Refuses => self.presses(&[("0 down", 100), ("0 up", 900)])?,
            Deed::Mistakes => self.agrees(!hold)?,
            Deed::ByProgram => {
                for _ in 0..2 {
                    self.stage.remote.press()?;
                    self.pass(60);
                    self.stage.remote.release()?;
                    self.pass(60);
                }
            }
            Deed::Stops => self.presses(&[("1 down", 60), ("1 up", 60)])?,
            Deed::Restarts => self.stage.restart()?,
            Deed::TakenBack => {
                let ids = json!([self.newest_id()]);
                self.stage.server.strike(Fault::Json(json!({ "toolCallCancellation": { "ids": ids } })));
                self.pass(300);
            }
            Deed::Late => self.pass(10_100),
        }
        let heard = self.heard()?;
        let before = self.has_run(number)?;
        self.agrees(hold)?;
        self.pass(1500);
        let due = heard && matches!(deed, Deed::Agrees | Deed::AgreesOnTheNextLink);
        let runs = self.has_run(number)?;
        found.due += usize::from(due);
        let mut tell = |what: &str| {
            found.told.push(format!("{}, number {number}, {deed:?}, hold {hold}: {what}", self.model));
        };
        if before > 0 || runs > usize::from(due) {
            found.undue += 1;
            tell("run without due consent");
        }
        if due && runs == 0 {
            found.unheeded += 1;
            tell("somebody agreed and nothing came of it");
        }
        found.agreed += runs;
        let mark = self.stage.remote.mark();
        if self.stage.remote.status()?["phase"] != "idle" {
            self.stage.remote.wait_phase(mark, "idle", PATIENCE)?;
        }
        Ok(())
    }

    fn newest_id(&self) -> String {
        let called = |event: &Event| match &event.what {
            What::Sent { message, .. } => {
                message["toolCall"]["functionCalls"][0]["id"].as_str().map(str::to_owned)
            }
            _ => None,
        };
        self.stage.server.events().iter().rev().find_map(called).unwrap_or_default()
    }
}
