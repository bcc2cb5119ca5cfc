//! Calls of today, kept over restarts: a small file that is written as a call with a limit for the day begins.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::keep::{self, Keep};

/// Of every tool.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Today {
    /// Days since 1970.
    day: u64,
    calls: BTreeMap<String, u32>,
}

/// The file, and the thread that writes it.
pub(super) struct Counts {
    path: Option<PathBuf>,
    keep: Option<Keep<Today>>,
}

impl Counts {
    /// In this folder; in none, a restart begins anew.
    pub(super) fn in_folder(folder: Option<PathBuf>) -> Self {
        Counts { path: folder.map(|folder| folder.join("tool-counts.json")), keep: None }
    }

    /// What was called on this day. A file that is not there or not whole tells of nothing.
    pub(super) fn read(&self, day: u64) -> BTreeMap<String, u32> {
        let Some(bytes) = self.path.as_ref().and_then(|path| fs::read(path).ok()) else {
            return BTreeMap::new();
        };
        match serde_json::from_slice::<Today>(&bytes) {
            Ok(today) if today.day == day => today.calls,
            Ok(_) => BTreeMap::new(),
            Err(error) => {
                warn!(%error, "the counts of calls cannot be read: limits of the day begin anew");
                BTreeMap::new()
            }
        }
    }

    /// Writes it, away from the loop.
    pub(super) fn put(&mut self, day: u64, calls: BTreeMap<String, u32>) {
        if let (None, Some(path)) = (&self.keep, &self.path) {
            let write =
                |path: &std::path::Path, today: &Today| keep::replace(path, &serde_json::to_vec(today)?);
            let complaint = "calls are not counted over restarts";
            match Keep::begin(path.clone(), Duration::ZERO, write, complaint) {
                Ok(begun) => self.keep = Some(begun),
                Err(error) => warn!(%error, "{complaint}"),
            }
        }
        if let Some(keep) = &self.keep {
            keep.put(Today { day, calls });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_day_is_counted_over_restarts_and_another_day_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        let counts = || Counts::in_folder(Some(folder.path().to_owned()));
        assert_eq!(counts().read(7), BTreeMap::new());
        let mut one = counts();
        one.put(7, BTreeMap::from([("door".to_owned(), 1)]));
        one.put(7, BTreeMap::from([("door".to_owned(), 2)]));
        drop(one);
        assert_eq!(counts().read(7)["door"], 2);
        assert_eq!(counts().read(8), BTreeMap::new());
        fs::write(folder.path().join("tool-counts.json"), "{\"day\": 7, \"ca").unwrap();
        assert_eq!(counts().read(7), BTreeMap::new());
    }
}
