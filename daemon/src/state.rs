//! The file in which a restarted daemon finds the talk. It holds secrets: written with mode 0600, whole or not at all.
//!
//! A thread of its own writes it, see [`crate::keep`].

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use pressel_live::Conversation;
use pressel_live::session::{HANDLE_LIFE, Session, Unusable};
use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use crate::keep::{self, Keep};

/// A file of ours is a tenth of this.
const SIZE_MAX: u64 = 1 << 20;

/// What the file holds.
#[derive(Serialize, Deserialize)]
struct Stored {
    /// Seconds since 1970.
    written_s: u64,
    /// As [`Session::to_json`] makes it, so that another version's is told from a damaged one.
    session: String,
}

/// Reads the talk that the file holds and how long ago it was written; `None`: there is no file.
///
/// # Errors
/// A sentence that says what is wrong with it and what follows.
pub fn read(path: &Path, now: SystemTime) -> Result<Option<(Session, Duration)>, String> {
    let fresh = |what: &str| Err(format!("{}: {what}; a new talk begins", path.display()));
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Ok(about) if about.len() > SIZE_MAX => return fresh("is too large to be the talk of this device"),
        _ => {}
    }
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => return fresh(&format!("cannot be read ({error})")),
    };
    let Ok(Stored { written_s, session }) = serde_json::from_str(&text) else { return fresh("is damaged") };
    let session = match Session::from_json(&session) {
        Ok(session) => session,
        Err(Unusable::Newer(version)) => {
            return fresh(&format!("was written by a later pressel (form {version})"));
        }
        Err(Unusable::Damaged | Unusable::Stale) => return fresh("is damaged"),
    };
    let written = UNIX_EPOCH.checked_add(Duration::from_secs(written_s));
    let Some(age) = written.and_then(|written| now.duration_since(written).ok()) else {
        return fresh("is from the future: the clock was set back, or is not set yet");
    };
    if age > HANDLE_LIFE {
        return fresh("is older than the service keeps a session");
    }
    Ok(Some((session, age)))
}

/// Lets the conversation go on with what the file holds, and begins to write there; nothing without a file.
pub fn take_up(file: &str, conversation: &mut Conversation, now: Instant) -> Option<StateFile> {
    if file.is_empty() {
        return None;
    }
    let path = PathBuf::from(file);
    match read(&path, SystemTime::now()) {
        Ok(Some((session, age))) => match conversation.resume(now, session, age) {
            Ok(()) => info!(age_s = age.as_secs(), "the talk before the restart goes on"),
            Err(_) => info!("the talk before the restart is over"),
        },
        Ok(None) => {}
        Err(why) => warn!("{why}"),
    }
    StateFile::begin(path)
        .map_err(|error| warn!(%error, "no thread for the state file: the talk is not kept for a restart"))
        .ok()
}

/// Replaces the file, or removes it where there is nothing to go on with.
///
/// # Errors
/// What the file system says.
fn write(path: &Path, session: Option<&Session>, now: SystemTime) -> io::Result<()> {
    let Some(session) = session else {
        return match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
    };
    let written_s = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let text = serde_json::to_string(&Stored { written_s, session: session.to_json() })?;
    keep::replace(path, text.as_bytes())
}

/// Writes snapshots, one after the other, away from the loop.
pub struct StateFile(Keep<Option<Session>>);

impl StateFile {
    /// Begins to write there.
    ///
    /// # Errors
    /// When no thread can be made.
    pub fn begin(path: PathBuf) -> io::Result<StateFile> {
        let write = |path: &Path, session: &Option<Session>| write(path, session.as_ref(), SystemTime::now());
        Keep::begin(path, Duration::ZERO, write, "the talk is not kept for a restart: see [live] state_file")
            .map(StateFile)
    }

    /// Writes this as soon as the card takes it.
    pub fn put(&self, session: Option<Session>) {
        self.0.put(session);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use pressel_live::session::{Said, VERSION};

    use super::*;

    fn session(handle: &str) -> Session {
        let talk = vec![Said { person: "My name is Ada.".into(), assistant: "Hello Ada.".into() }];
        Session { version: VERSION, model: "gemini-3.8-live".into(), handle: Some(handle.into()), talk }
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn what_was_written_is_read_with_its_age_and_by_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("session.json");
        assert_eq!(read(&path, at(50)).unwrap(), None);
        write(&path, Some(&session("old")), at(90)).unwrap();
        write(&path, Some(&session("h")), at(100)).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let (found, age) = read(&path, at(160)).unwrap().unwrap();
        assert_eq!((found, age), (session("h"), Duration::from_secs(60)));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
        write(&path, None, at(170)).unwrap();
        write(&path, None, at(170)).unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn what_cannot_be_used_is_one_sentence_and_no_secret() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("session.json");
        let mut later = session("secret-handle");
        later.version = VERSION + 1;
        let stored = |session: &Session| {
            serde_json::to_string(&Stored { written_s: 1000, session: session.to_json() }).unwrap()
        };
        let good = stored(&session("secret-handle"));
        for (text, now_s, why) in [
            ("", 1000, "is damaged"),
            ("{\"written_s\":1000,\"session\":\"{}\"}", 1000, "is damaged"),
            (&good[..good.len() / 2], 1000, "is damaged"),
            (stored(&later).as_str(), 1000, "later pressel"),
            (good.as_str(), 999, "from the future"),
            (good.as_str(), 1000 + 7201, "older than the service"),
        ] {
            fs::write(&path, text).unwrap();
            let told = read(&path, at(now_s)).unwrap_err();
            assert!(told.contains(why) && told.ends_with("a new talk begins"), "{told}");
            assert!(!told.contains("secret-handle") && !told.contains("Ada"), "{told}");
        }
    }

    #[test]
    fn the_newest_snapshot_is_on_the_card_when_the_writer_ends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("session.json");
        let file = StateFile::begin(path.clone()).unwrap();
        for number in 0..50 {
            file.put(Some(session(&format!("h-{number}"))));
        }
        drop(file);
        let (found, _) = read(&path, SystemTime::now()).unwrap().unwrap();
        assert_eq!(found, session("h-49"));
    }
}
