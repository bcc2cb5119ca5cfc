//! The ledger's thread: the loop never waits for a disk.
//!
//! Entries go through a bounded queue. When it is full (the disk stands still) they are added up and handed in as one.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tracing::warn;

use super::ledger::{Entry, Ledger, Totals};

/// Entries that may wait for the disk.
const WAITING_MAX: usize = 64;

enum Job {
    Append(Entry),
    Replace(Box<Totals>),
}

/// Hands entries to the ledger's thread.
#[derive(Debug)]
pub struct Book {
    jobs: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
    /// What found no place in the queue.
    kept: Option<Entry>,
    problem: Arc<Mutex<Option<String>>>,
}

impl Book {
    /// Writes to this ledger from now on; `None` counts in memory alone.
    pub fn new(ledger: Option<Ledger>) -> Self {
        let problem = Arc::new(Mutex::new(None));
        let mut book = Book { jobs: None, thread: None, kept: None, problem: problem.clone() };
        let Some(ledger) = ledger else { return book };
        let (tell, jobs) = sync_channel(WAITING_MAX);
        let body = move || work(ledger, &jobs, &problem);
        match std::thread::Builder::new().name("ledger".into()).stack_size(128 << 10).spawn(body) {
            Ok(thread) => {
                book.jobs = Some(tell);
                book.thread = Some(thread);
            }
            Err(error) => book.fails(format!("the system grants no thread: {error}")),
        }
        book
    }

    /// Adds an entry; returns at once.
    pub fn append(&mut self, entry: Entry) {
        let entry = match self.kept.take() {
            None => entry,
            Some(kept) => {
                let mut count = kept.count;
                count += entry.count;
                Entry { count, ..entry }
            }
        };
        let Some(jobs) = &self.jobs else { return };
        if let Err(TrySendError::Full(Job::Append(entry))) = jobs.try_send(Job::Append(entry)) {
            self.kept = Some(entry);
        }
    }

    /// Replaces all that was written.
    pub fn replace(&mut self, totals: Totals) {
        if let Some(jobs) = &self.jobs {
            let _ = jobs.try_send(Job::Replace(Box::new(totals))); // a disk that stands still: it is made up at the start
        }
    }

    /// Why nothing is kept at present, for a person.
    pub fn problem(&self) -> Option<String> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn fails(&self, why: String) {
        *self.problem.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
    }

    /// Waits until all is written.
    pub fn close(&mut self) {
        if let (Some(kept), Some(jobs)) = (self.kept.take(), &self.jobs) {
            let _ = jobs.send(Job::Append(kept)); // fails only when the thread is gone
        }
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // it has nothing to tell
        }
    }
}

impl Drop for Book {
    fn drop(&mut self) {
        self.close();
    }
}

fn work(mut ledger: Ledger, jobs: &Receiver<Job>, problem: &Mutex<Option<String>>) {
    while let Ok(job) = jobs.recv() {
        let done = match job {
            Job::Append(entry) => ledger.append(&entry),
            Job::Replace(totals) => ledger.replace(*totals),
        };
        let mut problem = problem.lock().unwrap_or_else(PoisonError::into_inner);
        match done {
            Ok(()) => *problem = None,
            Err(error) => {
                let why = format!("usage cannot be written: {error}");
                if problem.is_none() {
                    warn!(%error, "usage cannot be written; it is counted on, and forgotten at the end");
                }
                *problem = Some(why);
            }
        }
    }
}
