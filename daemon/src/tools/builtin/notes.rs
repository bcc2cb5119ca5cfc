//! Short notes that the person asked to be kept: in one file of the state folder, whole or not at all.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tracing::error;

use crate::keep;
use crate::tools::Outcome;

/// Notes at a time; one more is refused, for nothing that somebody wanted kept is dropped unasked.
const NOTES_MAX: usize = 50;
/// Letters of one.
pub(super) const LETTERS_MAX: usize = 300;
/// A file of ours is never longer: every letter escaped.
const SIZE_MAX: u64 = 1 << 18;

/// A note.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Note {
    number: u64,
    text: String,
}

/// The file of notes. One at a time reads and writes it.
pub(super) struct Notes {
    path: PathBuf,
    turn: Mutex<()>,
}

impl Notes {
    pub(super) fn in_folder(folder: &Path) -> Self {
        Notes { path: folder.join("notes.json"), turn: Mutex::new(()) }
    }

    pub(super) fn is_in(&self, folder: Option<&Path>) -> bool {
        self.path.parent() == folder
    }

    /// Keeps a note; answered once it is on the card.
    pub(super) fn add(&self, text: &str) -> Outcome {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let text: String = text.chars().filter(|c| !c.is_control()).collect();
        if text.is_empty() {
            return Err("wrong arguments: note is empty".to_owned());
        }
        self.change(|notes| {
            if notes.len() >= NOTES_MAX {
                return Err(format!(
                    "not done: {NOTES_MAX} notes are kept already; one must be forgotten first"
                ));
            }
            let number = notes.last().map_or(1, |last| last.number + 1);
            notes.push(Note { number, text });
            Ok(json!({ "output": "kept", "number": number }))
        })
    }

    /// Drops the note of this number, or all with 0.
    pub(super) fn drop_one(&self, number: u64) -> Outcome {
        self.change(|notes| {
            let before = notes.len();
            notes.retain(|note| number != 0 && note.number != number);
            match before - notes.len() {
                0 if number != 0 => Err(format!("not done: there is no note {number}")),
                gone => Ok(json!({ "output": "forgotten", "notes": gone })),
            }
        })
    }

    /// All of them.
    pub(super) fn told(&self) -> Outcome {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let notes = self.read().map_err(|error| self.failed(&error))?;
        let told: Vec<Value> =
            notes.into_iter().map(|note| json!({ "number": note.number, "note": note.text })).collect();
        Ok(Map::from_iter([("notes".to_owned(), Value::Array(told))]))
    }

    fn change(&self, work: impl FnOnce(&mut Vec<Note>) -> Result<Value, String>) -> Outcome {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let mut notes = self.read().map_err(|error| self.failed(&error))?;
        let told = work(&mut notes)?;
        let bytes = serde_json::to_vec(&notes).expect("notes are plain JSON");
        keep::replace(&self.path, &bytes).map_err(|error| self.failed(&error))?;
        let Value::Object(told) = told else { unreachable!("it is an object") };
        Ok(told)
    }

    fn read(&self) -> io::Result<Vec<Note>> {
        match fs::metadata(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Ok(facts) if facts.len() > SIZE_MAX => return Err(io::Error::other("too large to be notes")),
            _ => {}
        }
        serde_json::from_slice(&fs::read(&self.path)?).map_err(io::Error::other)
    }

    fn failed(&self, error: &io::Error) -> String {
        error!(file = %self.path.display(), %error, "notes cannot be kept or told");
        "failed: the notes of this device are out of reach".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn told(notes: &Notes) -> Value {
        notes.told().unwrap()["notes"].clone()
    }

    #[test]
    fn notes_are_kept_told_and_dropped_by_number() {
        let folder = tempfile::tempdir().unwrap();
        let notes = Notes::in_folder(folder.path());
        assert_eq!(told(&notes), json!([]));
        assert_eq!(notes.add("The key is\n under the \u{1b}mat.").unwrap()["number"], 1);
        notes.add("Bins on Tuesday.").unwrap();
        let again = Notes::in_folder(folder.path());
        assert_eq!(
            told(&again),
            json!([{ "number": 1, "note": "The key is under the mat." }, { "number": 2, "note": "Bins on Tuesday." }])
        );
        assert_eq!(again.drop_one(7), Err("not done: there is no note 7".into()));
        assert_eq!(again.drop_one(1).unwrap()["notes"], 1);
        assert_eq!(again.add("third").unwrap()["number"], 3, "a number is not given twice in a row");
        assert_eq!(again.drop_one(0).unwrap()["notes"], 2);
        assert_eq!(told(&notes), json!([]));
        let mode = fs::metadata(folder.path().join("notes.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(notes.add(" \n").is_err());
    }

    #[test]
    fn they_have_a_bound_and_damage_is_not_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let notes = Notes::in_folder(folder.path());
        for _ in 0..NOTES_MAX {
            notes.add(&"ä".repeat(LETTERS_MAX)).unwrap();
        }
        assert!(notes.add("one more").unwrap_err().contains("forgotten first"));
        assert!(fs::metadata(folder.path().join("notes.json")).unwrap().len() < SIZE_MAX);
        fs::write(folder.path().join("notes.json"), "[{\"number\": 1, \"te").unwrap();
        assert!(notes.add("x").is_err() && notes.told().is_err());
        assert_eq!(fs::read_to_string(folder.path().join("notes.json")).unwrap(), "[{\"number\": 1, \"te");
    }

    #[test]
    fn a_cut_while_writing_leaves_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let notes = Notes::in_folder(folder.path());
        notes.add("kept").unwrap();
        // What a power cut leaves of a write that was not done.
        fs::write(folder.path().join("notes.json.new"), "[{\"num").unwrap();
        assert_eq!(told(&notes), json!([{ "number": 1, "note": "kept" }]));
        notes.add("later").unwrap();
        assert_eq!(told(&notes).as_array().unwrap().len(), 2);
    }
}
