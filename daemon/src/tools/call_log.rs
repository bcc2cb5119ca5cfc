//! The log of calls: one line of JSON for each, kept on the device within a bound.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use pressel_live::event::{AgreeBy, Decision};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::tool::Kept;

/// A file is put aside when it is longer; one is kept aside.
const FILE_MAX: u64 = 256 * 1024;
/// Of arguments that are kept, so many bytes.
const ARGS_MAX: usize = 2048;

/// One call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Seconds since 1970 by the device's clock.
    pub at_s: u64,
    /// Name of the tool.
    pub tool: String,
    /// SHA-256 of the arguments as JSON with sorted keys, in hex.
    pub args_sha256: String,
    /// The arguments, if the tool's file says so.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub args: Option<Value>,
    /// How it ended.
    pub outcome: Ending,
    /// What a person said to it, if one was to be asked.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub consent: Option<Consent>,
    /// How long it took.
    pub took_ms: u64,
    /// Nobody waited for it any more after so long, and it went on (`on_cancel = "finish"`).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cancelled_ms: Option<u64>,
}

/// What a person said to a call that needs consent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Consent {
    /// Agreed by a double press.
    Double,
    /// Agreed by holding the button.
    Hold,
    /// Agreed by a button of its own.
    Line,
    /// Talked instead.
    Refused,
    /// Nothing, in time.
    TimedOut,
    /// Was not asked, or not to the end.
    Withdrawn,
}

impl Consent {
    /// The word for logs.
    pub fn word(self) -> &'static str {
        match self {
            Consent::Double => "double",
            Consent::Hold => "hold",
            Consent::Line => "line",
            Consent::Refused => "refused",
            Consent::TimedOut => "timed-out",
            Consent::Withdrawn => "withdrawn",
        }
    }
}

impl From<Decision> for Consent {
    fn from(decision: Decision) -> Self {
        match decision {
            Decision::Given(AgreeBy::Double) => Consent::Double,
            Decision::Given(AgreeBy::Hold) => Consent::Hold,
            Decision::Given(AgreeBy::Line) => Consent::Line,
            Decision::Refused => Consent::Refused,
            Decision::TimedOut => Consent::TimedOut,
            Decision::Withdrawn => Consent::Withdrawn,
        }
    }
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ending {
    /// It did what it does.
    Done,
    /// It could not.
    Failed,
    /// It was not begun: wrong arguments, too often, unknown.
    Refused,
    /// Nobody waited for it any more.
    Cancelled,
}

impl Ending {
    /// The word for logs.
    pub fn word(self) -> &'static str {
        match self {
            Ending::Done => "done",
            Ending::Failed => "failed",
            Ending::Refused => "refused",
            Ending::Cancelled => "cancelled",
        }
    }
}

/// Fingerprint and, if wanted, text of a call's arguments.
pub fn kept(args: &Map<String, Value>, kept: Kept) -> (String, Option<Value>) {
    let text = Value::Object(args.clone()).to_string(); // serde_json sorts keys
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    let hash = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let whole = (kept == Kept::Values).then(|| {
        if text.len() <= ARGS_MAX {
            Value::Object(args.clone())
        } else {
            Value::String("too long to keep".into())
        }
    });
    (hash, whole)
}

/// Two files in the state folder: the one that is written, and the one before it.
#[derive(Debug)]
pub struct CallLog {
    path: PathBuf,
}

impl CallLog {
    /// The log in this folder.
    pub fn in_folder(folder: &Path) -> Self {
        CallLog { path: folder.join("tools.log") }
    }

    /// Adds a call.
    ///
    /// # Errors
    /// The system's.
    pub fn add(&self, entry: &Entry) -> io::Result<()> {
        if fs::metadata(&self.path).is_ok_and(|facts| facts.len() > FILE_MAX) {
            fs::rename(&self.path, self.before())?;
        }
        let mut line = serde_json::to_string(entry)?;
        line.push('\n');
        let mut file = OpenOptions::new().create(true).append(true).mode(0o640).open(&self.path)?;
        file.write_all(line.as_bytes())
    }

    /// Every call that is kept, oldest first. Lines that a power cut tore are passed over.
    ///
    /// # Errors
    /// The system's; a log that is not there is empty.
    pub fn read(&self) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for path in [self.before(), self.path.clone()] {
            let file = match File::open(path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let lines = BufReader::new(file).split(b'\n');
            entries.extend(lines.map_while(Result::ok).filter_map(|line| serde_json::from_slice(&line).ok()));
        }
        Ok(entries)
    }

    fn before(&self) -> PathBuf {
        self.path.with_extension("log.1")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry(number: u64) -> Entry {
        let args =
            Map::from_iter([("b".to_owned(), json!(number)), ("a".to_owned(), json!("x".repeat(900)))]);
        let (args_sha256, args) = kept(&args, Kept::Values);
        Entry {
            at_s: number,
            tool: "door".into(),
            args_sha256,
            args,
            outcome: Ending::Done,
            consent: None,
            took_ms: 3,
            cancelled_ms: None,
        }
    }

    #[test]
    fn calls_are_kept_in_order_within_a_bound() {
        let folder = tempfile::tempdir().unwrap();
        let log = CallLog::in_folder(folder.path());
        assert_eq!(log.read().unwrap(), []);
        for number in 0..1000 {
            log.add(&entry(number)).unwrap();
        }
        let kept = log.read().unwrap();
        assert_eq!(kept.last(), Some(&entry(999)));
        assert!(kept.windows(2).all(|pair| pair[0].at_s + 1 == pair[1].at_s));
        let bytes: u64 =
            fs::read_dir(folder.path()).unwrap().map(|f| f.unwrap().metadata().unwrap().len()).sum();
        assert!((FILE_MAX..3 * FILE_MAX).contains(&bytes), "{bytes}");
    }

    #[test]
    fn a_torn_line_costs_itself_alone() {
        let folder = tempfile::tempdir().unwrap();
        let log = CallLog::in_folder(folder.path());
        log.add(&entry(1)).unwrap();
        fs::write(folder.path().join("tools.log.1"), b"{\"at_s\": 3, \"to\xff").unwrap();
        assert_eq!(log.read().unwrap(), [entry(1)]);
    }

    #[test]
    fn arguments_are_kept_as_a_fingerprint_unless_wanted() {
        let args = Map::from_iter([("pin".to_owned(), json!("1234"))]);
        let (hash, none) = kept(&args, Kept::Hash);
        assert_eq!(none, None);
        // printf '{"pin":"1234"}' | sha256sum
        assert_eq!(hash, "c302a557cdb40121c01df0461cae14877ebd5eb4ae4d3388e8cf7d72cc8bf422");
        let long = Map::from_iter([("a".to_owned(), json!("x".repeat(5000)))]);
        assert_eq!(kept(&long, Kept::Values).1, Some(json!("too long to keep")));
    }
}
