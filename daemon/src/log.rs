//! Where the log goes: the journal when it owns our output, else standard error.
//!
//! Keys, transcripts and audio are never logged, at any level. Other crates speak from `warn` up only: their finer
//! levels may show the bytes they carry.

mod journal;

use std::fmt;
use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::sync::OnceLock;

use tracing::Level as TracingLevel;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, Registry, reload};

use crate::config::{Level, Log, LogTarget};
use journal::Journal;

/// The filter of the process's log, which is as global as the log itself.
static LEVEL: OnceLock<reload::Handle<Targets, Registry>> = OnceLock::new();

/// Why there is no log.
#[derive(Debug)]
pub enum LogError {
    /// `[log] to = "journal"` and there is none.
    NoJournal(io::Error),
    /// Somebody started one already.
    Started(TryInitError),
}

impl fmt::Display for LogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LogError::NoJournal(_) => f.write_str("[log] to = \"journal\": the journal does not answer"),
            LogError::Started(_) => f.write_str("the log was started before"),
        }
    }
}

impl std::error::Error for LogError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            LogError::NoJournal(error) => Some(error),
            LogError::Started(error) => Some(error),
        }
    }
}

/// Starts the log of this process, once.
///
/// # Errors
/// A journal that was asked for and is not there; a second start.
pub fn start(config: &Log) -> Result<(), LogError> {
    let journal = match config.to {
        LogTarget::Stderr => None,
        LogTarget::Journal => Some(Journal::connect().map_err(LogError::NoJournal)?),
        LogTarget::Auto => journal_owns_stderr().then(Journal::connect).and_then(Result::ok),
    };
    let (filter, handle) = reload::Layer::new(filter(config.level));
    let registry = tracing_subscriber::registry();
    match journal {
        Some(journal) => registry.with(journal.with_filter(filter)).try_init(),
        None => {
            let terminal = io::stderr().is_terminal();
            let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
            let detailed = matches!(config.level, Level::Debug | Level::Trace);
            let lines = tracing_subscriber::fmt::layer()
                .with_writer(io::stderr)
                .with_ansi(colour)
                .with_target(detailed)
                .with_filter(filter);
            registry.with(lines).try_init()
        }
    }
    .map_err(LogError::Started)?;
    // The one log of the process; there is no second start.
    let _ = LEVEL.set(handle);
    Ok(())
}

/// Changes the least level that is told.
pub fn set_level(level: Level) {
    if let Some(handle) = LEVEL.get() {
        // Fails only without a log.
        let _ = handle.reload(filter(level));
    }
}

fn filter(level: Level) -> Targets {
    let level = match level {
        Level::Error => TracingLevel::ERROR,
        Level::Warn => TracingLevel::WARN,
        Level::Info => TracingLevel::INFO,
        Level::Debug => TracingLevel::DEBUG,
        Level::Trace => TracingLevel::TRACE,
    };
    let others = LevelFilter::from_level(level.min(TracingLevel::WARN));
    Targets::new().with_target("pressel", level).with_default(others)
}

/// systemd sets JOURNAL_STREAM to the device and inode of the stream it gave us; a pipe or file put in its place
/// has others.
fn journal_owns_stderr() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else { return false };
    let stderr = io::stderr().as_fd().try_clone_to_owned().map(File::from);
    stderr.and_then(|file| file.metadata()).is_ok_and(|facts| is_stream(&stream, facts.dev(), facts.ino()))
}

fn is_stream(stream: &str, device: u64, inode: u64) -> bool {
    let numbers = stream.split_once(':').map(|(d, i)| (d.parse::<u64>(), i.parse::<u64>()));
    matches!(numbers, Some((Ok(d), Ok(i))) if d == device && i == inode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_crates_never_speak_below_warn() {
        let filter = filter(Level::Trace);
        for ours in ["pressel", "pressel::wire", "pressel_live::link", "pressel_hal"] {
            assert!(filter.would_enable(ours, &TracingLevel::TRACE), "{ours}");
        }
        for other in ["tungstenite::protocol", "rustls", "mio"] {
            assert!(!filter.would_enable(other, &TracingLevel::INFO), "{other}");
            assert!(filter.would_enable(other, &TracingLevel::WARN), "{other}");
        }
    }

    #[test]
    fn the_level_is_kept() {
        let filter = filter(Level::Error);
        assert!(filter.would_enable("pressel", &TracingLevel::ERROR));
        assert!(!filter.would_enable("pressel", &TracingLevel::WARN));
        assert!(!filter.would_enable("rustls", &TracingLevel::WARN));
    }

    #[test]
    fn the_journal_is_known_by_device_and_inode() {
        assert!(is_stream("9:31415", 9, 31415));
        assert!(!is_stream("9:31415", 9, 31416));
        assert!(!is_stream("8:31415", 9, 31415));
        assert!(!is_stream("", 0, 0));
        assert!(!is_stream("9", 9, 0));
    }
}
