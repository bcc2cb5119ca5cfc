//! The configuration read again while the daemon runs (SIGHUP): checked as a whole before anything changes, and refused
//! as a whole with the former one kept. What a key needs to come into effect is in one table, [`when`].

use std::path::{Path, PathBuf};

use crate::config::{self, Config};
use crate::credential::{Credential, NoCredential};
use crate::secret::{NoKey, Source};
use crate::wire::Way;

/// When a changed key comes into effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum When {
    /// At once.
    Now,
    /// In the next pause of the talk: nobody speaks, and no answer is due or heard.
    Pause,
    /// As [`When::Pause`]; the card is then closed and opened again.
    Card,
    /// When the daemon is started again.
    Start,
}

/// When a key comes into effect.
pub fn when(table: &str, key: &str) -> When {
    match (table, key) {
        ("live", "state_file") | ("log", "to") | ("playback", "queue_max_s") => When::Start,
        ("log" | "sounds" | "phrases" | "price" | "budget" | "volume", _) => When::Now,
        ("link", "warm") | ("playback", "volume_percent") => When::Now,
        ("playback", "jitter_max_ms") => When::Pause,
        ("capture" | "playback" | "array" | "echo" | "noise" | "gain" | "barge_in" | "gate", _) => When::Card,
        ("live" | "token" | "vertex" | "network" | "talk" | "hold" | "tap" | "open", _) => When::Pause,
        ("button" | "mute" | "light", _) => When::Pause,
        ("tools", _) => When::Pause,
        // control, usage, realtime: what was opened or begun once.
        _ => When::Start,
    }
}

/// Every key that is another than before, as `[table] key`, with when that counts.
pub fn changes(before: &Config, after: &Config) -> Vec<(String, When)> {
    let value = |config: &Config, table: &str, key: &str| config.table(table).and_then(|t| t.written(key));
    Config::keys()
        .filter(|(table, key)| value(before, table, key.name) != value(after, table, key.name))
        .map(|(table, key)| (format!("[{table}] {}", key.name), when(table, key.name)))
        .collect()
}

/// Where the configuration comes from, the one in effect, and a newer one that waits for a pause.
pub struct Reload {
    file: Option<PathBuf>,
    /// As it was taken up last, in full or in part.
    pub(crate) config: Config,
    /// What is to be taken up in the next pause.
    pub(crate) due: Option<Due>,
    /// Servers have other tools, which the model is told of after the next pause.
    pub(crate) offered: bool,
}

/// What waits for a pause.
pub(crate) struct Due {
    /// Another way to the server, or another credential.
    pub(crate) way: Option<Way>,
    /// The button, the mute switch or the light is another.
    pub(crate) panel: bool,
}

/// A configuration that can be taken up.
pub(crate) struct Fresh {
    pub(crate) config: Config,
    pub(crate) changes: Vec<(String, When)>,
    pub(crate) way: Option<Way>,
}

impl Reload {
    /// What is in effect was read from the installed places, or from `file`.
    pub fn new(file: Option<&Path>, config: Config) -> Self {
        Reload { file: file.map(Path::to_owned), config, due: None, offered: false }
    }

    /// Reads everything again.
    ///
    /// # Errors
    /// Every mistake, a line each; nothing is to change then.
    pub(crate) fn read(&self, way: &Way) -> Result<Fresh, Vec<String>> {
        let loaded = config::load(self.file.as_deref());
        let config =
            loaded.map_err(|mistakes| mistakes.0.iter().map(ToString::to_string).collect::<Vec<_>>())?.config;
        let changes = changes(&self.config, &config);
        let leads_elsewhere = |key: &str| {
            let table = key.trim_start_matches('[').split(']').next().unwrap_or_default();
            let of_the_way = ["backend", "endpoint", "api_version", "ca_file", "key_file"];
            matches!(table, "token" | "vertex" | "network")
                || (table == "live" && of_the_way.iter().any(|name| key.ends_with(&format!(" {name}"))))
        };
        let elsewhere = changes.iter().any(|(key, _)| leads_elsewhere(key));
        let credential = credential(&config, way.credential.as_deref()).map_err(|why| vec![why])?;
        let same = match (&credential, &way.credential) {
            (Kept::Same, _) => true,
            (Kept::Other(None), None) => true,
            (Kept::Other(Some(new)), Some(old)) => new.is_same(old),
            (Kept::Other(_), _) => false,
        };
        if same && !elsewhere {
            return Ok(Fresh { config, changes, way: None });
        }
        let mut new = Way::new(&config, None).map_err(|why| vec![why])?;
        new.credential = match credential {
            Kept::Other(Some(credential)) if !same => Some(std::sync::Arc::new(credential)),
            Kept::Other(None) => None,
            _ => way.credential.clone(),
        };
        Ok(Fresh { config, changes, way: Some(new) })
    }
}

/// What became of the credential.
enum Kept {
    /// It cannot be looked at again: it came from the environment, which was wiped.
    Same,
    /// What there is now; nothing, as there was nothing before.
    Other(Option<Credential>),
}

fn credential(config: &Config, before: Option<&Credential>) -> Result<Kept, String> {
    match (Credential::find(config), before) {
        (Ok(credential), _) => Ok(Kept::Other(Some(credential))),
        (Err(NoCredential::Key(NoKey::NotFound(_))), None) => Ok(Kept::Other(None)),
        (Err(NoCredential::Key(NoKey::NotFound(_))), Some(Credential::Key(key)))
            if matches!(key.source(), Source::Environment(_)) =>
        {
            Ok(Kept::Same)
        }
        (Err(why), _) => Err(why.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_named_with_when_it_counts() {
        let before = Config::default();
        let mut after = Config::default();
        after.capture.device = "hw:CARD=Array".into();
        after.playback.volume_percent = 40;
        after.live.voice = "Kore".into();
        after.control.path = "/elsewhere".into();
        let expected = [
            ("[live] voice", When::Pause),
            ("[capture] device", When::Card),
            ("[playback] volume_percent", When::Now),
            ("[control] path", When::Start),
        ];
        assert_eq!(changes(&before, &after), expected.map(|(key, when)| (key.to_owned(), when)));
        assert_eq!(changes(&before, &before), []);
    }

    #[test]
    fn the_list_in_the_docs_says_when_each_key_counts() {
        let page = include_str!("../../docs/reload.md");
        for (table, key) in Config::keys() {
            let word = match when(table, key.name) {
                When::Now => "at once",
                When::Pause => "in a pause",
                When::Card => "card reopened",
                When::Start => "restart",
            };
            let rows: Vec<&str> =
                page.lines().filter(|line| line.starts_with(&format!("| `[{table}]`"))).collect();
            let named = rows.iter().find(|row| row.contains(&format!("`{}`", key.name)));
            let rest = rows.iter().find(|row| row.contains("everything"));
            let row =
                named.or(rest).unwrap_or_else(|| panic!("[{table}] {} is not in docs/reload.md", key.name));
            assert!(row.contains(word), "[{table}] {}: {word}, and the page says: {row}", key.name);
        }
    }
}
