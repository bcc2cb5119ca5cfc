//! All servers of a folder.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use serde_json::{Map, Value};
use tokio::sync::watch;

use crate::answer::Outcome;
use crate::file;
use crate::server::{Now, Server};

/// What the daemon is told: a line.
#[derive(Serialize)]
pub struct Listing {
    servers: Vec<Now>,
}

/// The servers, by name.
pub struct Servers {
    folder: PathBuf,
    all: Mutex<BTreeMap<String, Server>>,
    changes: watch::Sender<u64>,
}

impl Servers {
    /// Of this folder. None is started yet.
    pub fn new(folder: PathBuf) -> Self {
        Servers { folder, all: Mutex::default(), changes: watch::Sender::new(0) }
    }

    /// Reads the folder again: what is new or another is started, what is gone is ended.
    pub fn read(&self) {
        let found = file::read_folder(&self.folder);
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|name, server| found.iter().any(|(other, keys)| other == name && keys == server.keys()));
        for (name, keys) in found {
            let start = || Server::start(name.clone(), keys, self.changes.clone());
            all.entry(name.clone()).or_insert_with(start);
        }
    }

    /// How they are.
    pub fn listing(&self) -> Listing {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        Listing { servers: all.values().map(Server::now).collect() }
    }

    /// Changes whenever one of them does.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Makes a call. `None`: nobody waits for it any more.
    pub async fn call(
        &self,
        server: &str,
        tool: String,
        args: Map<String, Value>,
        unwanted: impl Future<Output = ()>,
    ) -> Option<Outcome> {
        // Started for this call, nobody has asked yet what there is.
        if !self.all.lock().unwrap_or_else(PoisonError::into_inner).contains_key(server) {
            self.read();
        }
        let call = {
            let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
            match all.get(server) {
                Some(server) => server.call(tool, args, unwanted),
                None => return Some(Err("failed: the service behind it is not there now".to_owned())),
            }
        };
        call.await
    }

    /// Ends them all.
    pub fn end(&self) {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
