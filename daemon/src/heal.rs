//! A refusal may be for a password or a token in a file that is read anew for each dial. While one stands nothing is
//! dialled, so those files are looked at instead: another one is what a person would otherwise have to press for.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::config::Config;

/// How often, and only while a refusal stands: nobody waits in front of the device for it.
const LOOK: Duration = Duration::from_secs(3);

/// Which file, when it was written and how long it is; `None` = it is not there.
type Stamp = Option<(u64, i64, i64, u64)>;

/// The files that may heal a refusal.
#[derive(Debug, Default)]
pub(crate) struct Heal {
    files: Vec<PathBuf>,
    /// As they were when the refusal came.
    seen: Vec<Stamp>,
    look_at: Option<Instant>,
}

impl Heal {
    /// The files that this configuration names and that are read for each dial.
    pub(crate) fn new(config: &Config) -> Self {
        let named = [
            &config.network.proxy_password_file,
            &config.token.file,
            &config.token.bearer_file,
            &config.token.client_cert_file,
            &config.token.client_key_file,
            &config.vertex.credential_file,
        ];
        let files = named.into_iter().filter(|name| !name.is_empty()).map(PathBuf::from).collect();
        Heal { files, ..Heal::default() }
    }

    /// When it wants to be asked although nothing happens.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.look_at
    }

    /// Tells whether a refusal that stands is worth another dial.
    pub(crate) fn look(&mut self, now: Instant, refused: bool) -> bool {
        if !refused || self.files.is_empty() {
            self.look_at = None;
            return false;
        }
        match self.look_at {
            Some(at) if at > now => false,
            Some(_) => {
                let stamps = self.stamps();
                self.look_at = Some(now + LOOK);
                std::mem::replace(&mut self.seen, stamps) != self.seen
            }
            None => {
                self.seen = self.stamps();
                self.look_at = Some(now + LOOK);
                false
            }
        }
    }

    fn stamps(&self) -> Vec<Stamp> {
        self.files.iter().map(|path| stamp(path)).collect()
    }
}

fn stamp(path: &Path) -> Stamp {
    let facts = path.metadata().ok()?;
    Some((facts.ino(), facts.mtime(), facts.mtime_nsec(), facts.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_file_that_changes_while_a_refusal_stands_is_worth_a_dial() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        let mut config = Config::default();
        config.network.proxy_password_file = file.to_str().unwrap().to_owned();
        let mut heal = Heal::new(&config);
        let mut now = Instant::now();
        let mut look = |heal: &mut Heal, refused| {
            now += LOOK;
            heal.look(now, refused)
        };
        assert!(!look(&mut heal, false) && heal.next().is_none(), "nothing is looked at while all is well");
        assert!(!look(&mut heal, true) && !look(&mut heal, true) && heal.next().is_some());
        std::fs::write(&file, "one").unwrap();
        assert!(look(&mut heal, true) && !look(&mut heal, true), "told once");
        std::fs::write(&file, "another").unwrap();
        assert!(!look(&mut heal, false) && !look(&mut heal, true), "a dial has read it meanwhile");
        assert!(!Heal::new(&Config::default()).look(now, true));
    }
}
