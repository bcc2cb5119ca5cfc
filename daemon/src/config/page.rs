//! Files of settings: found, read as text, and known by line.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::mistake::{Mistake, Place};
use super::nearest::nearest;

/// A file's text, which knows its lines.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    path: &'a Path,
    text: &'a str,
}

impl<'a> Page<'a> {
    /// The text of a file.
    pub fn new(path: &'a Path, text: &'a str) -> Self {
        Page { path, text }
    }

    /// The line of a byte, from 1.
    pub fn line(&self, offset: usize) -> usize {
        1 + self.text.as_bytes()[..offset.min(self.text.len())].iter().filter(|&&b| b == b'\n').count()
    }

    /// The line of a byte, or the file as a whole.
    pub fn place(&self, offset: Option<usize>) -> Place {
        Place::File(self.path.to_owned(), offset.map_or(0, |offset| self.line(offset)))
    }
}

/// The text of a file; `None` if there is no such file.
///
/// # Errors
/// Why it cannot be read, with the line if it is not UTF-8.
pub fn read_text(path: &Path) -> Result<Option<String>, Box<Mistake>> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(Box::new(Mistake::file(path, format!("cannot be read: {error}"))));
        }
    };
    String::from_utf8(bytes).map(Some).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let line = 1 + error.as_bytes()[..good].iter().filter(|&&b| b == b'\n').count();
        let problem = "a byte that is not UTF-8; save the file as UTF-8".to_owned();
        Box::new(Mistake::plain(Place::File(path.to_owned(), line), problem))
    })
}

/// The `*.toml` of a folder by name, without hidden ones. A folder that is not there holds none.
///
/// # Errors
/// Why it cannot be listed.
pub fn toml_files(folder: &Path) -> Result<Vec<PathBuf>, Box<Mistake>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => {
            return Err(Box::new(Mistake::file(folder, format!("cannot be listed: {error}"))));
        }
    };
    let hidden = |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "toml") && !hidden(path))
        .collect();
    paths.sort();
    Ok(paths)
}

/// There is no such thing; was this one meant?
pub fn unknown(what: &str, name: &str, known: &[&str]) -> String {
    match nearest(name, known.iter().copied()) {
        Some(meant) => format!("no such {what}; did you mean \"{meant}\"?"),
        None if known.is_empty() => format!("no such {what}; there are none"),
        None => format!("no such {what}; there are {}", known.join(", ")),
    }
}
