//! Small files that outlive a restart and a power cut: whole or not at all, readable by nobody else.
//!
//! A thread of its own writes each, since fsync may take as long as an SD card likes. Bounded: the newest value waits, older
//! ones that were not written yet are dropped.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tracing::warn;

/// Where the service's state is, for readers that are not the service.
pub const STATE: &str = "/var/lib/pressel";

/// The folder that a setting means: none, the service's state (`auto`; of a reader that is not the service, the usual
/// place), or the one it names.
pub fn folder(setting: &str, state: Option<OsString>, reads: bool) -> Option<PathBuf> {
    match setting {
        "" => None,
        "auto" => {
            // systemd joins several with colons.
            let state = state.filter(|state| !state.is_empty()).map(PathBuf::from);
            state.or_else(|| reads.then(|| PathBuf::from(STATE)))
        }
        folder => Some(folder.into()),
    }
}

/// Puts these bytes in the place of a file that nobody else reads: after a power cut there is the old one or the new one.
///
/// # Errors
/// What the file system says.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_as(path, bytes, 0o600)
}

/// The same for a file of this mode.
///
/// # Errors
/// What the file system says.
pub fn replace_as(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    // Left over from a power cut, perhaps of another owner's mode.
    let _ = fs::remove_file(&beside);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    // The rename itself is on the card only when its folder is.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// Writes values to a file, one after the other, away from the loop.
pub struct Keep<T> {
    newest: Arc<Mutex<Option<T>>>,
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl<T: Send + 'static> Keep<T> {
    /// Begins to write there; a value is written once no newer one came for `settle`, so that one that is turned does not
    /// wear the card out. `complaint` is said once while it fails.
    ///
    /// # Errors
    /// When no thread can be made.
    pub fn begin(
        path: PathBuf,
        settle: Duration,
        write: fn(&Path, &T) -> io::Result<()>,
        complaint: &'static str,
    ) -> io::Result<Self> {
        let newest = Arc::new(Mutex::new(None));
        let (wake, woken) = sync_channel(1);
        let theirs = Arc::clone(&newest);
        let mut told = false;
        let body = move || {
            while woken.recv().is_ok() {
                rest(&woken, settle);
                let Some(value) = theirs.lock().unwrap_or_else(PoisonError::into_inner).take() else {
                    continue;
                };
                match write(&path, &value) {
                    Ok(()) => told = false,
                    Err(error) if !std::mem::replace(&mut told, true) => {
                        warn!(file = %path.display(), %error, "{complaint}");
                    }
                    Err(_) => {}
                }
            }
        };
        let thread = std::thread::Builder::new().name("state".to_owned()).spawn(body)?;
        Ok(Keep { newest, wake: Some(wake), thread: Some(thread) })
    }

    /// Writes this as soon as it has settled and the card takes it.
    pub fn put(&self, value: T) {
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
        if let Some(wake) = &self.wake {
            let _ = wake.try_send(()); // full: it is woken anyway, and finds this one
        }
    }
}

/// Until nothing newer has come for so long, or the program ends; not for ever.
fn rest(woken: &Receiver<()>, settle: Duration) {
    let until = Instant::now() + 10 * settle;
    while Instant::now() < until {
        match woken.recv_timeout(settle) {
            Ok(()) => {}
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return,
        }
    }
}

impl<T> Drop for Keep<T> {
    /// Waits for what is still to be written.
    fn drop(&mut self) {
        drop(self.wake.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_is_being_turned_is_written_once_and_not_lost_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("value");
        // Appends, to see how often it is written.
        let write = |path: &Path, value: &u32| {
            OpenOptions::new().create(true).append(true).open(path)?.write_all(format!("{value} ").as_bytes())
        };
        let keep = Keep::begin(path.clone(), Duration::from_secs(60), write, "not kept").unwrap();
        for value in 0..20 {
            keep.put(value);
        }
        let start = Instant::now();
        drop(keep);
        assert!(start.elapsed() < Duration::from_secs(30), "the end does not wait until it has settled");
        assert_eq!(fs::read_to_string(path).unwrap(), "19 ");
    }

    #[test]
    fn the_folder_is_systemd_s_or_the_owner_s() {
        let state = || Some("/var/lib/other".into());
        assert_eq!(folder("auto", state(), false), Some("/var/lib/other".into()));
        assert_eq!((folder("auto", None, false), folder("auto", None, true)), (None, Some(STATE.into())));
        assert_eq!((folder("", state(), true), folder("/x", state(), true)), (None, Some("/x".into())));
    }
}
