//! The API key: where it is looked for, and how it never gets out again.
//!
//! Looked for in the systemd credential `gemini-api-key`, then the one that was kept encrypted, then the file that `[live] key_file` names, then the
//! environment. A place that holds nothing is passed over; a place that holds something unfit is an error, since
//! going on with another key would hide it.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tokio_tungstenite::tungstenite::http::HeaderValue;
use zeroize::Zeroizing;

use crate::secret_file::{self, Unusable};

/// Names of the systemd credentials: as a file holds it, and as a file holds it encrypted. A unit can give one name only one
/// of both.
pub const CREDENTIALS: [&str; 2] = ["gemini-api-key", "gemini-api-key-encrypted"];
/// Environment variables that may hold the key, in order.
pub const VARIABLES: [&str; 2] = ["GEMINI_API_KEY", "GOOGLE_API_KEY"];
/// Keys are some 40 letters; a file longer than this is some other file.
const LENGTH_MAX: u64 = 512;

/// A key that cannot be printed, and that leaves no copy behind when it is dropped.
pub struct Key {
    text: Zeroizing<String>,
    source: Source,
}

/// Where a key came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// systemd's credential.
    Credential(PathBuf),
    /// The file that the configuration names.
    File(PathBuf),
    /// An environment variable.
    Environment(&'static str),
}

/// Why there is no key.
#[derive(Debug)]
pub enum NoKey {
    /// Every place is empty; what was looked at, in order.
    NotFound(Vec<String>),
    /// The file exists and cannot be read.
    Unreadable(Source, io::Error),
    /// Everybody on the device can read the file.
    Exposed(PathBuf),
    /// What is there cannot be a key.
    Unfit(Source, &'static str),
}

impl Key {
    /// Takes a text that may have white space around it; `None` when nothing is left of it.
    fn new(text: Zeroizing<String>, source: Source) -> Result<Option<Self>, NoKey> {
        let text = Zeroizing::new(text.trim().to_owned());
        if text.is_empty() {
            return Ok(None);
        }
        if text.chars().any(char::is_whitespace) {
            return Err(NoKey::Unfit(source, "has more than one word or line"));
        }
        if !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(NoKey::Unfit(source, "has letters that no key has"));
        }
        Ok(Some(Key { text, source }))
    }

    /// The header `x-goog-api-key`, marked so that nothing prints it.
    pub fn header_value(&self) -> HeaderValue {
        let mut value = HeaderValue::from_str(&self.text)
            .expect("new() lets only visible ASCII in, which headers may hold");
        value.set_sensitive(true);
        value
    }

    /// Somebody else's words, in which the key is blotted out should they quote it.
    pub fn blot_out(&self, words: String) -> String {
        if words.contains(self.text.as_str()) { words.replace(self.text.as_str(), "…") } else { words }
    }

    /// Where it came from.
    pub fn source(&self) -> &Source {
        &self.source
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        *self.text == *other.text && self.source == other.source
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key(from {})", self.source)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key from {}", self.source)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Credential(path) => {
                write!(f, "systemd credential {}", path.file_name().unwrap_or_default().to_string_lossy())
            }
            Source::File(path) => write!(f, "{}", path.display()),
            Source::Environment(name) => write!(f, "environment {name}"),
        }
    }
}

impl fmt::Display for NoKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoKey::NotFound(looked) => write!(f, "no API key found; looked at {}", looked.join(", ")),
            NoKey::Unreadable(source, error) => write!(f, "API key in {source}: {error}"),
            NoKey::Exposed(path) => {
                write!(f, "API key in {}: {}", path.display(), Unusable::Exposed.about(path))
            }
            NoKey::Unfit(source, why) => write!(f, "API key in {source}: {why}"),
        }
    }
}

impl std::error::Error for NoKey {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            NoKey::Unreadable(_, error) => Some(error),
            _ => None,
        }
    }
}

/// Looks for the key. `key_file` is `[live] key_file`.
///
/// # Errors
/// [`NoKey`].
pub fn find(key_file: &str) -> Result<Key, NoKey> {
    let folder = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    find_in(folder.as_deref(), key_file, |name| std::env::var(name).ok())
}

fn find_in(
    credentials: Option<&Path>,
    key_file: &str,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Key, NoKey> {
    let mut looked = Vec::new();
    let mut files = Vec::new();
    if let Some(folder) = credentials {
        files.extend(CREDENTIALS.map(|name| Source::Credential(folder.join(name))));
    }
    if !key_file.is_empty() {
        files.push(Source::File(PathBuf::from(key_file)));
    }
    for source in files {
        let state = match read(&source) {
            Ok(text) => match Key::new(text, source.clone())? {
                Some(key) => return Ok(key),
                None => "empty",
            },
            Err(NoKey::Unreadable(_, error)) if error.kind() == io::ErrorKind::NotFound => "missing",
            Err(error) => return Err(error),
        };
        looked.push(format!("{source} ({state})"));
    }
    for name in VARIABLES {
        if let Some(text) = variable(name) {
            if let Some(key) = Key::new(Zeroizing::new(text), Source::Environment(name))? {
                return Ok(key);
            }
        }
        looked.push(format!("environment {name}"));
    }
    Err(NoKey::NotFound(looked))
}

fn read(source: &Source) -> Result<Zeroizing<String>, NoKey> {
    let (Source::Credential(path) | Source::File(path)) = source else {
        unreachable!("only files are read");
    };
    secret_file::read(path, LENGTH_MAX).map_err(|unusable| match unusable {
        Unusable::Unreadable(error) => NoKey::Unreadable(source.clone(), error),
        Unusable::Exposed => NoKey::Exposed(path.clone()),
        Unusable::NoFile => NoKey::Unfit(source.clone(), "is not a file"),
        Unusable::TooLong => NoKey::Unfit(source.clone(), "is far too long"),
        Unusable::NoText => NoKey::Unfit(source.clone(), "is not a text"),
    })
}

/// Wipes the key's variables from the environment, so that neither a child nor /proc/PID/environ shows them.
/// Does nothing, and says so with false, once the process has a second thread: another thread might be reading
/// the environment.
pub fn wipe_environment() -> bool {
    if fs::read_dir("/proc/self/task").map_or(0, Iterator::count) != 1 {
        return false;
    }
    for name in VARIABLES {
        if std::env::var_os(name).is_none() {
            continue;
        }
        let c_name = std::ffi::CString::new(name).expect("names have no zero byte");
        // SAFETY: this is the only thread, so nobody else reads or changes the environment meanwhile; getenv
        // returns a zero-terminated text inside this process's writable environment block, of which only the
        // bytes before the zero are overwritten.
        unsafe {
            let value = libc::getenv(c_name.as_ptr());
            if !value.is_null() {
                std::ptr::write_bytes(value, 0, libc::strlen(value));
            }
            std::env::remove_var(name);
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const SECRET: &str = "AIzaSyTest-0123456789";

    fn nothing(_: &str) -> Option<String> {
        None
    }

    fn file(folder: &Path, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn places_are_tried_in_order_and_empty_ones_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = file(folder.path(), "key", "  from-file\n", 0o600);
        let environment = |name: &str| (name == "GOOGLE_API_KEY").then(|| "from-environment".to_owned());
        let find = |credentials, key_file: &str| {
            let key = find_in(credentials, key_file, environment).unwrap();
            (key.header_value().to_str().unwrap().to_owned(), key.source)
        };
        let path = path.to_str().unwrap();

        for name in CREDENTIALS.into_iter().rev() {
            file(folder.path(), name, "from-credential", 0o600);
            let credential = Source::Credential(folder.path().join(name));
            assert_eq!(find(Some(folder.path()), path), ("from-credential".into(), credential));
        }
        for name in CREDENTIALS {
            fs::write(folder.path().join(name), "").unwrap();
        }
        assert_eq!(find(Some(folder.path()), path), ("from-file".into(), Source::File(path.into())));
        assert_eq!(find(None, ""), ("from-environment".into(), Source::Environment("GOOGLE_API_KEY")));
    }

    #[test]
    fn nothing_found_names_the_places() {
        let folder = tempfile::tempdir().unwrap();
        let error = find_in(Some(folder.path()), "/nowhere/key", nothing).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no API key found; looked at systemd credential gemini-api-key (missing), systemd credential \
             gemini-api-key-encrypted (missing), /nowhere/key (missing), \
             environment GEMINI_API_KEY, environment GOOGLE_API_KEY"
        );
    }

    #[test]
    fn a_file_that_everybody_can_read_is_refused_with_the_line_to_type() {
        let folder = tempfile::tempdir().unwrap();
        let path = file(folder.path(), "key", SECRET, 0o604);
        let error = find_in(None, path.to_str().unwrap(), nothing).unwrap_err().to_string();
        assert!(error.ends_with(&format!("type: chmod o= {}", path.display())), "{error}");
        file(folder.path(), "key", SECRET, 0o640);
        assert!(find_in(None, path.to_str().unwrap(), nothing).is_ok());
    }

    #[test]
    fn what_cannot_be_a_key_is_refused_without_showing_it() {
        let folder = tempfile::tempdir().unwrap();
        for text in ["AIza one\ntwo", "AIza\u{fc}", &"AIza".repeat(200)] {
            let path = file(folder.path(), "key", text, 0o600);
            let error = find_in(None, path.to_str().unwrap(), nothing).unwrap_err();
            assert!(matches!(error, NoKey::Unfit(..)), "{error}");
            assert!(!format!("{error} {error:?}").contains("AIza"), "{error}");
        }
        fs::write(folder.path().join("key"), [0x41, 0xff]).unwrap();
        let path = folder.path().join("key");
        assert!(matches!(
            find_in(None, path.to_str().unwrap(), nothing),
            Err(NoKey::Unfit(_, "is not a text"))
        ));
    }

    #[test]
    fn a_key_is_never_printed() {
        let key =
            Key::new(Zeroizing::new(SECRET.into()), Source::Environment("GEMINI_API_KEY")).unwrap().unwrap();
        let printed = format!("{key} {key:?} {:?}", key.header_value());
        assert!(!printed.contains(SECRET), "{printed}");
        assert_eq!(key.header_value().as_bytes(), SECRET.as_bytes());
    }

    #[test]
    fn a_quoted_key_is_blotted_out() {
        let key =
            Key::new(Zeroizing::new(SECRET.into()), Source::Environment(VARIABLES[0])).unwrap().unwrap();
        let words = format!("API key {SECRET} not valid ({SECRET})");
        assert_eq!(key.blot_out(words), "API key … not valid (…)");
        assert_eq!(key.blot_out("not valid".into()), "not valid");
    }

    #[test]
    fn the_environment_is_left_alone_beside_other_threads() {
        // The test runner itself has threads.
        assert!(!wipe_environment());
    }
}
