//! What setup would change, and the change: a fragment of configuration of its own, and the key's file. What somebody wrote
//! by hand is never touched, and wins where it lies behind.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::Answers;
use crate::config::{Config, FOLDER, Loaded, load_from, quoted};
use crate::keep;

/// The first in its folder: whatever else lies there has the last word.
const FRAGMENT: &str = "config.d/00-setup.toml";
const HEAD: &str = "# Written by `pressel setup`, which replaces this file. Settings of your own belong into ../config.toml or into\n\
                    # another file here; those here win.\n";

/// What would change.
#[derive(Debug)]
pub struct Plan {
    folder: PathBuf,
    fragment: String,
    /// Each change as a line: `[talk] mode: "hold" → "tap"`; answers that something else overrules are told as well.
    pub changes: Vec<String>,
    /// What the configuration will be.
    pub loaded: Loaded,
    key: Option<Zeroizing<String>>,
}

impl Plan {
    /// What these answers change in the system whose files lie below `root`.
    ///
    /// # Errors
    /// The configuration has mistakes already, or has some with the answers; or files cannot be read.
    pub fn new(root: &Path, answers: Answers) -> Result<Self, String> {
        let folder = root.join(FOLDER.trim_start_matches('/'));
        let before =
            load_from(&folder, None, []).map_err(|mistakes| format!("mend this first: {mistakes}"))?;
        let fragment = fragment(&folder, &answers);
        let (loaded, trial) = with(&folder, &fragment)?;
        let mut changes: Vec<String> = Vec::new();
        for (table, key) in Config::keys() {
            let written =
                |config: &Config| config.table(table).and_then(|t| t.written(key.name)).unwrap_or_default();
            let (old, new) = (written(&before.config), written(&loaded.config));
            if old != new {
                changes.push(format!("[{table}] {}: {old} → {new}", key.name));
            }
        }
        for (table, key, value) in &answers.values {
            let new = loaded.config.table(table).and_then(|t| t.written(key)).unwrap_or_default();
            if new != quoted(value) {
                let place = loaded.origins.get(&(*table, *key)).map(ToString::to_string).unwrap_or_default();
                let place = place.replace(&trial, &folder.display().to_string());
                changes.push(format!("[{table}] {key} stays {new}: it is set in {place}, which wins"));
            }
        }
        let key = answers.key.filter(|key| {
            fs::read_to_string(folder.join("key")).map_or(true, |old| old.trim() != key.as_str())
        });
        if key.is_some() {
            changes.push(format!("a new key in {}", folder.join("key").display()));
        }
        Ok(Plan { folder, fragment, changes, loaded, key })
    }

    /// Changes it.
    ///
    /// # Errors
    /// The file, and what the system says.
    pub fn carry_out(&self) -> Result<(), String> {
        let fragment = self.folder.join(FRAGMENT);
        if fs::read_to_string(&fragment).map_or(true, |old| old != self.fragment) {
            replace(&fragment, &self.fragment, 0o644)?;
        }
        if let Some(key) = &self.key {
            let text = Zeroizing::new(format!("{}\n", key.as_str()));
            replace(&self.folder.join("key"), &text, 0o600)?;
        }
        Ok(())
    }
}

/// The fragment: what it said before, and the answers.
fn fragment(folder: &Path, answers: &Answers) -> String {
    let mut values: Vec<(String, String, String)> = Vec::new();
    let former = load_from(Path::new("/nonexistent"), Some(&folder.join(FRAGMENT)), []).ok();
    if let Some(former) = former {
        for (table, key) in former.origins.keys() {
            let value = former.config.table(table).and_then(|t| t.written(key)).unwrap_or_default();
            values.push(((*table).to_owned(), (*key).to_owned(), value));
        }
    }
    for (table, key, value) in &answers.values {
        values.retain(|(t, k, _)| (t.as_str(), k.as_str()) != (*table, *key));
        values.push(((*table).to_owned(), (*key).to_owned(), quoted(value)));
    }
    values.sort();
    let mut text = HEAD.to_owned();
    let mut last = String::new();
    for (table, key, value) in values {
        if table != last {
            text += &format!("\n[{table}]\n");
            last = table;
        }
        text += &format!("{key} = {value}\n");
    }
    text
}

/// The configuration with this fragment in it, tried in a folder of its own, and what that was called.
fn with(folder: &Path, fragment: &str) -> Result<(Loaded, String), String> {
    let wrong = |path: &Path, error: io::Error| format!("{}: {error}", path.display());
    let trial =
        std::env::temp_dir().join(format!("pressel-setup-{}-{:08x}", std::process::id(), fastrand::u32(..)));
    let parts = trial.join("config.d");
    fs::create_dir_all(&parts).map_err(|error| wrong(&parts, error))?;
    let copied = (|| {
        let own = folder.join("config.toml");
        if own.exists() {
            fs::copy(&own, trial.join("config.toml")).map_err(|error| wrong(&own, error))?;
        }
        for entry in fs::read_dir(folder.join("config.d")).into_iter().flatten().flatten() {
            fs::copy(entry.path(), parts.join(entry.file_name()))
                .map_err(|error| wrong(&entry.path(), error))?;
        }
        let path = trial.join(FRAGMENT);
        fs::write(&path, fragment).map_err(|error| wrong(&path, error))
    })();
    let loaded = copied.and_then(|()| load_from(&trial, None, []).map_err(|mistakes| mistakes.to_string()));
    let name = trial.display().to_string();
    // What is left of it is a copy that nobody reads.
    let _ = fs::remove_dir_all(&trial);
    match loaded {
        Ok(loaded) => Ok((loaded, name)),
        Err(text) => Err(text.replace(&name, &folder.display().to_string())),
    }
}

fn replace(path: &Path, text: &str, mode: u32) -> Result<(), String> {
    let made = path.parent().map_or(Ok(()), fs::create_dir_all);
    made.and_then(|()| keep::replace_as(path, text.as_bytes(), mode))
        .map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn answers(list: &[(&str, &str)]) -> Answers {
        let mut answers = Answers::default();
        for (name, answer) in list {
            answers.take(name, answer).unwrap();
        }
        answers
    }

    #[test]
    fn what_is_written_by_hand_stays_and_wins_where_it_lies_behind() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("etc/pressel");
        fs::create_dir_all(folder.join("config.d")).unwrap();
        let own = "[talk]\nmode = \"open\"\n[playback]\nvolume_percent = 40\n";
        fs::write(folder.join("config.toml"), own).unwrap();
        fs::write(folder.join("config.d/mine.toml"), "[live]\nlanguage = \"fr-FR\"\n").unwrap();
        let said =
            answers(&[("key", "AIzaSyTest"), ("mode", "tap"), ("language", "de-DE"), ("button", "GPIO17")]);
        let plan = Plan::new(root.path(), said).unwrap();
        let told = plan.changes.join("\n");
        for part in [
            "[talk] mode: \"open\" → \"tap\"",
            "[button] kind: \"none\" → \"gpio\"",
            "[live] language stays \"fr-FR\": it is set in ",
            "a new key in ",
        ] {
            assert!(told.contains(part), "{part} is not in\n{told}");
        }
        assert!(!told.contains("AIza") && !folder.join(FRAGMENT).exists());
        plan.carry_out().unwrap();
        assert_eq!(fs::read_to_string(folder.join("config.toml")).unwrap(), own);
        let key = folder.join("key");
        assert_eq!(fs::read_to_string(&key).unwrap(), "AIzaSyTest\n");
        assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
        let loaded = load_from(&folder, None, []).unwrap().config;
        assert_eq!((loaded.playback.volume_percent, loaded.button.line.as_str()), (40, "GPIO17"));
        // Once more, and with one answer only: the rest of the former ones stays.
        let again = Plan::new(root.path(), answers(&[("key", "AIzaSyTest"), ("mode", "tap")])).unwrap();
        assert_eq!(again.changes, [""; 0]);
        let other = Plan::new(root.path(), answers(&[("mode", "hold")])).unwrap();
        assert_eq!(other.changes, ["[talk] mode: \"tap\" → \"hold\""]);
        other.carry_out().unwrap();
        assert_eq!(load_from(&folder, None, []).unwrap().config.button.line, "GPIO17");
    }

    #[test]
    fn a_configuration_with_mistakes_is_to_be_mended_first() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("etc/pressel");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("config.toml"), "[talk]\nmode = \"tab\"\n").unwrap();
        let said = Plan::new(root.path(), answers(&[("mode", "hold")])).unwrap_err();
        assert!(said.starts_with("mend this first") && said.contains("config.toml:2"), "{said}");
    }
}
