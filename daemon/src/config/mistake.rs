//! What is wrong with a configuration, told so that it can be put right.

use std::fmt;
use std::path::{Path, PathBuf};

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A line of a file, from 1; 0 = the file as a whole.
    File(PathBuf, usize),
    /// An environment variable.
    Environment(String),
    /// Nobody set it.
    Default,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File(path, 0) => write!(f, "{}", path.display()),
            Place::File(path, line) => write!(f, "{}:{line}", path.display()),
            Place::Environment(name) => write!(f, "environment {name}"),
            Place::Default => f.write_str("default"),
        }
    }
}

/// One mistake: where, which key, what was found, what is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Where it stands.
    pub place: Place,
    /// `[table] key`, or empty when it is not about a key.
    pub key: String,
    /// What was found, as TOML; empty when it is not about a value.
    pub found: String,
    /// What is wrong with it.
    pub problem: String,
    /// What is allowed; empty when the problem says it already.
    pub allowed: String,
}

impl Mistake {
    /// A mistake about a whole file or folder.
    pub fn file(path: &Path, problem: impl Into<String>) -> Self {
        Mistake::plain(Place::File(path.to_owned(), 0), problem.into())
    }

    /// A mistake that is not about one key.
    pub fn plain(place: Place, problem: String) -> Self {
        Mistake { place, key: String::new(), found: String::new(), problem, allowed: String::new() }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if !self.key.is_empty() {
            write!(f, "{}", self.key)?;
            if !self.found.is_empty() {
                write!(f, " = {}", self.found)?;
            }
            f.write_str(if self.problem.starts_with("is ") || self.problem.starts_with("has ") {
                " "
            } else {
                ": "
            })?;
        }
        f.write_str(&self.problem)?;
        if !self.allowed.is_empty() {
            write!(f, "; allowed: {}", self.allowed)?;
        }
        Ok(())
    }
}

/// Every mistake of all files and the environment, never an empty list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistakes(pub Vec<Mistake>);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => f.write_str("one mistake in the configuration")?,
            count => write!(f, "{count} mistakes in the configuration")?,
        }
        for mistake in &self.0 {
            write!(f, "\n{mistake}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_reads_as_one_line() {
        let mistake = Mistake {
            place: Place::File("/etc/pressel/config.toml".into(), 12),
            key: "[capture] rate_hz".into(),
            found: "100".into(),
            problem: "is out of range".into(),
            allowed: "8000 to 192000".into(),
        };
        let text =
            "/etc/pressel/config.toml:12: [capture] rate_hz = 100 is out of range; allowed: 8000 to 192000";
        assert_eq!(mistake.to_string(), text);
        assert_eq!(Mistakes(vec![mistake]).to_string(), format!("one mistake in the configuration\n{text}"));
    }
}
