//! Tools of the device itself: a file with `builtin = "volume"` offers one. Everything else that a tool's file says (roles,
//! limits, words for the model) holds for it as for every other.
//!
//! What concerns the talk is a [`Wish`], granted by the engine; time and notes are seen to here.

mod clock;
mod notes;

use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use tokio::sync::{mpsc, oneshot};

use super::Outcome;
use super::schema::Schema;
use crate::config::words;
use crate::volume::VolumeChange;
use notes::Notes;

/// Wishes that wait for the engine; more than calls at a time.
const WISHES_MAX: usize = 32;

words! {
    /// What the device itself can do for the model.
    Builtin {
        /// Tell or change how loud it is.
        Volume = "volume",
        /// Be silent.
        Stop = "stop",
        /// Forget the talk and begin another.
        NewTalk = "new_talk",
        /// How the device is.
        DeviceStatus = "device_status",
        /// Time and date.
        TimeAndDate = "time_and_date",
        /// Keep a short note.
        Remember = "remember",
        /// Tell the notes.
        Recall = "recall",
        /// Drop a note.
        Forget = "forget",
        /// Hang up.
        EndTheTalk = "end_the_talk",
    }
}

impl Builtin {
    const ALL: [Builtin; 9] = [
        Builtin::Volume,
        Builtin::Stop,
        Builtin::NewTalk,
        Builtin::DeviceStatus,
        Builtin::TimeAndDate,
        Builtin::Remember,
        Builtin::Recall,
        Builtin::Forget,
        Builtin::EndTheTalk,
    ];

    /// By its word.
    pub(super) fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.word() == word)
    }

    /// What the model is told, where the file says nothing else.
    pub(super) fn description(self) -> &'static str {
        match self {
            Builtin::Volume => {
                "Changes how loud this device is, or tells it. Call it when the person wants it louder, softer or at a \
                 percentage; without arguments it tells the volume."
            }
            Builtin::Stop => {
                "Silences this device at once. Call it when the person wants you to be quiet or to stop."
            }
            Builtin::NewTalk => {
                "Begins a new talk that knows nothing of this one, once your answer has been played. Call it when the \
                 person wants to start over or wants what was said to be forgotten."
            }
            Builtin::DeviceStatus => {
                "Tells how this device is: network, microphone, loudspeaker, volume, budget. Call it when the person asks \
                 whether it works."
            }
            Builtin::TimeAndDate => "Tells the time and the date where this device is.",
            Builtin::Remember => {
                "Keeps a short note on this device, for later talks. Call it only when the person asks you to remember \
                 something."
            }
            Builtin::Recall => "Tells the notes that are kept on this device, each with its number.",
            Builtin::Forget => {
                "Drops a note from this device by its number, or all of them with 0. Recall them first."
            }
            Builtin::EndTheTalk => {
                "Hangs up once your answer has been played. Call it when the person says goodbye or wants to end the talk."
            }
        }
    }

    /// What it may be called with.
    pub(super) fn parameters(self) -> Schema {
        let json = match self {
            Builtin::Volume => json!({ "properties": {
                "step": { "type": "string", "enum": ["up", "down"], "description": "One step louder or softer." },
                "percent": { "type": "integer", "minimum": 0, "maximum": 100, "description": "The volume to set." }
            } }),
            Builtin::Remember => json!({ "required": ["note"], "properties": { "note": {
                "type": "string", "minLength": 1, "maxLength": notes::LETTERS_MAX,
                "description": "What to remember, in one sentence that can be understood alone."
            } } }),
            Builtin::Forget => json!({ "required": ["number"], "properties": { "number": {
                "type": "integer", "minimum": 0, "description": "Number of the note; 0 = all of them."
            } } }),
            _ => return Schema::nothing(),
        };
        Schema::read(&json).expect("it is ours, and a test reads it")
    }
}

/// What the engine is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Change the volume, or tell it.
    Volume(Option<VolumeChange>),
    /// Be silent once this is answered.
    Stop,
    /// Forget the talk once the answer has been played.
    NewTalk,
    /// How the device is.
    Status,
    /// Hang up once the answer has been played.
    EndTheTalk,
}

/// A wish, and who waits for what came of it.
#[derive(Debug)]
pub struct Wished {
    /// What it is.
    pub wish: Wish,
    /// For the outcome.
    pub tell: oneshot::Sender<Outcome>,
}

/// Where built in tools are called.
#[derive(Clone)]
pub struct Desk {
    wishes: mpsc::Sender<Wished>,
    notes: Option<Arc<Notes>>,
}

impl Desk {
    /// With a folder for notes, and the queue of wishes for the engine.
    pub fn new(folder: Option<&Path>) -> (Self, mpsc::Receiver<Wished>) {
        let (wishes, wished) = mpsc::channel(WISHES_MAX);
        let notes = folder.map(|folder| Arc::new(Notes::in_folder(folder)));
        (Desk { wishes, notes }, wished)
    }

    /// The same with notes elsewhere.
    pub(super) fn move_notes(&mut self, folder: Option<&Path>) {
        let there = |notes: &Arc<Notes>| notes.is_in(folder);
        if !self.notes.as_ref().map_or(folder.is_none(), there) {
            self.notes = folder.map(|folder| Arc::new(Notes::in_folder(folder)));
        }
    }

    /// Makes a call with arguments that fit.
    pub(super) async fn run(&self, what: Builtin, args: Map<String, Value>) -> Outcome {
        match what {
            Builtin::Volume => self.wish(Wish::Volume(volume(&args)?)).await,
            Builtin::Stop => self.wish(Wish::Stop).await,
            Builtin::NewTalk => self.wish(Wish::NewTalk).await,
            Builtin::DeviceStatus => self.wish(Wish::Status).await,
            Builtin::EndTheTalk => self.wish(Wish::EndTheTalk).await,
            Builtin::TimeAndDate => Ok(clock::told()),
            Builtin::Remember => {
                let note = args.get("note").and_then(Value::as_str).unwrap_or_default().to_owned();
                self.notes(move |notes| notes.add(&note)).await
            }
            Builtin::Recall => self.notes(Notes::told).await,
            Builtin::Forget => {
                let number = args.get("number").and_then(Value::as_u64).unwrap_or_default();
                self.notes(move |notes| notes.drop_one(number)).await
            }
        }
    }

    async fn wish(&self, wish: Wish) -> Outcome {
        let only = || "failed: only the running daemon can do this".to_owned();
        let (tell, told) = oneshot::channel();
        self.wishes.send(Wished { wish, tell }).await.map_err(|_| only())?;
        told.await.unwrap_or_else(|_| Err(only()))
    }

    /// Away from the loop: a card takes as long as it likes.
    async fn notes(&self, work: impl FnOnce(&Notes) -> Outcome + Send + 'static) -> Outcome {
        let Some(notes) = self.notes.clone() else {
            return Err("failed: this device keeps no notes".to_owned());
        };
        let done = tokio::task::spawn_blocking(move || work(&notes)).await;
        done.unwrap_or_else(|_| Err("failed: the notes of this device are out of reach".to_owned()))
    }
}

fn volume(args: &Map<String, Value>) -> Result<Option<VolumeChange>, String> {
    let percent = args.get("percent").and_then(Value::as_u64).map(|percent| percent.min(100) as u32);
    match (args.get("step").and_then(Value::as_str), percent) {
        (None, None) => Ok(None),
        (None, Some(percent)) => Ok(Some(VolumeChange::To(percent))),
        (Some("up"), None) => Ok(Some(VolumeChange::Up)),
        (Some(_), None) => Ok(Some(VolumeChange::Down)),
        (Some(_), Some(_)) => Err("wrong arguments: step and percent do not go together".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_word_a_description_and_parameters_that_can_be_declared() {
        assert_eq!(Builtin::ALL.map(Builtin::word).as_slice(), Builtin::WORDS);
        for one in Builtin::ALL {
            assert_eq!(Builtin::of(one.word()), Some(one));
            assert!(one.description().ends_with('.'));
            let names: Vec<String> = one.parameters().members().iter().map(|m| m.name.clone()).collect();
            let expected: &[&str] = match one {
                Builtin::Volume => &["percent", "step"],
                Builtin::Remember => &["note"],
                Builtin::Forget => &["number"],
                _ => &[],
            };
            assert_eq!(names, expected, "{one}");
        }
    }

    #[test]
    fn a_volume_is_told_stepped_or_set() {
        let check = |args: Value, expected: Result<Option<VolumeChange>, ()>| {
            let Value::Object(args) = args else { panic!("an object") };
            assert_eq!(volume(&args).map_err(drop), expected);
        };
        check(json!({}), Ok(None));
        check(json!({ "step": "up" }), Ok(Some(VolumeChange::Up)));
        check(json!({ "step": "down" }), Ok(Some(VolumeChange::Down)));
        check(json!({ "percent": 40 }), Ok(Some(VolumeChange::To(40))));
        check(json!({ "percent": 40, "step": "up" }), Err(()));
    }
}
