//! Where the configuration comes from: files in order, then the environment. All mistakes are collected.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::de::DeTable;

use super::across;
use super::mistake::{Mistake, Mistakes, Place};
use super::nearest::nearest;
use super::page::{Page, read_text, toml_files, unknown};
use super::value::Found;
use super::{Config, TABLES};

/// The folder the installed service reads.
pub const FOLDER: &str = "/etc/pressel";

/// A valid configuration and where each key came from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The values.
    pub config: Config,
    /// Files read, in order.
    pub files: Vec<PathBuf>,
    /// Where each key that is not at its default was set, by table and key.
    pub origins: BTreeMap<(&'static str, &'static str), Place>,
}

/// Reads the installed configuration, or `file` instead of it, then the process's environment.
///
/// # Errors
/// Every mistake of all files and the environment.
pub fn load(file: Option<&Path>) -> Result<Loaded, Mistakes> {
    load_below(Path::new("/"), file)
}

/// As [`load`], with the installed configuration of the system whose files lie below `root`.
///
/// # Errors
/// Every mistake of all files and the environment.
pub fn load_below(root: &Path, file: Option<&Path>) -> Result<Loaded, Mistakes> {
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())));
    load_from(&root.join(FOLDER.trim_start_matches('/')), file, environment)
}

/// As [`load`], with the folder and the environment as arguments.
///
/// # Errors
/// Every mistake of all files and the environment.
pub fn load_from(
    folder: &Path,
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Loaded, Mistakes> {
    let mut reader = Reader::default();
    match file {
        Some(file) => reader.file(file, true),
        None => {
            reader.file(&folder.join("config.toml"), false);
            reader.folder(&folder.join("config.d"));
        }
    }
    let mut environment: Vec<_> = environment.into_iter().collect();
    environment.sort(); // the order of an environment is an accident
    for (name, value) in environment {
        reader.variable(&name, &value);
    }
    reader.finish()
}

#[derive(Default)]
struct Reader {
    config: Config,
    files: Vec<PathBuf>,
    origins: BTreeMap<(&'static str, &'static str), Place>,
    mistakes: Vec<Mistake>,
    /// Keys with a mistake of their own, which rules that span keys do not look at.
    refused: Vec<(&'static str, &'static str)>,
}

impl Reader {
    fn file(&mut self, path: &Path, required: bool) {
        let text = match read_text(path) {
            Ok(None) if !required => return,
            Ok(None) => Err(Box::new(Mistake::file(path, "there is no such file"))),
            Ok(Some(text)) => Ok(text),
            Err(mistake) => Err(mistake),
        };
        self.files.push(path.to_owned());
        match text {
            Ok(text) => self.document(&Page::new(path, &text), &text),
            Err(mistake) => self.mistakes.push(*mistake),
        }
    }

    fn folder(&mut self, folder: &Path) {
        match toml_files(folder) {
            Ok(paths) => paths.iter().for_each(|path| self.file(path, true)),
            Err(mistake) => self.mistakes.push(*mistake),
        }
    }

    fn document(&mut self, page: &Page<'_>, text: &str) {
        let (document, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            let place = page.place(error.span().map(|span| span.start));
            self.mistake(place, String::new(), error.message().replace('\n', ", "));
        }
        let broken: Vec<usize> =
            errors.iter().filter_map(|e| e.span()).map(|span| page.line(span.start)).collect();
        let mut tables: Vec<_> = document.get_ref().iter().collect();
        tables.sort_by_key(|(name, _)| name.span().start);
        for (name, value) in tables {
            let place = page.place(Some(name.span().start));
            let Some(keys) = value.get_ref().as_table() else {
                let problem = stray_key(name.get_ref());
                if !broken.contains(&page.line(name.span().start)) {
                    self.mistake(place, name.get_ref().to_string(), problem);
                }
                continue;
            };
            if !TABLES.contains(&name.get_ref().as_ref()) {
                self.mistake(
                    place,
                    format!("[{}]", name.get_ref()),
                    unknown("table", name.get_ref(), TABLES),
                );
                continue;
            }
            let mut keys: Vec<_> = keys.iter().collect();
            keys.sort_by_key(|(key, _)| key.span().start);
            for (key, value) in keys {
                if broken.contains(&page.line(key.span().start)) {
                    continue; // what recovery made of a broken line is a guess
                }
                let found = Found::in_toml(value.get_ref());
                let place = page.place(Some(key.span().start));
                self.set(name.get_ref(), key.get_ref(), |_| found, place);
            }
        }
    }

    /// `PRESSEL_TABLE_KEY`. Other programs' variables that merely begin alike are none of our business, so an
    /// unknown table is a mistake only if the whole name is nearly one of ours.
    fn variable(&mut self, name: &str, value: &str) {
        let Some(rest) = name.strip_prefix("PRESSEL_") else { return };
        let rest = rest.to_lowercase();
        let place = Place::Environment(name.to_owned());
        let table = TABLES.iter().find(|t| rest.strip_prefix(**t).is_some_and(|key| key.starts_with('_')));
        if let Some(table) = table {
            let key = &rest[table.len() + 1..];
            let key = key.to_owned();
            return self.set(table, &key, |rule| Found::in_environment(value, rule), place);
        }
        let ours: Vec<String> = Config::keys().map(|(table, key)| format!("{table}_{}", key.name)).collect();
        if let Some(meant) = nearest(&rest, ours.iter().map(String::as_str)) {
            let problem = format!("no such key; did you mean PRESSEL_{}?", meant.to_uppercase());
            self.mistake(place, String::new(), problem);
        }
    }

    fn set(&mut self, table: &str, key: &str, found: impl FnOnce(&super::Rule) -> Found, place: Place) {
        let Some((table, known)) = Config::keys().find(|(t, k)| *t == table && k.name == key) else {
            let names: Vec<&str> = Config::keys().filter(|(t, _)| *t == table).map(|(_, k)| k.name).collect();
            return self.mistake(place, format!("[{table}] {key}"), unknown("key", key, &names));
        };
        let found = found(&known.rule);
        let target = self.config.table_mut(table).expect("keys() names existing tables only");
        match target.set(known.name, &found) {
            Ok(()) => {
                self.origins.insert((table, known.name), place);
            }
            Err(refused) => {
                self.refused.push((table, known.name));
                self.mistakes.push(Mistake {
                    place,
                    key: format!("[{table}] {key}"),
                    found: crate::net::without_password(&found.to_string()),
                    problem: refused.problem,
                    allowed: refused.allowed,
                });
            }
        }
    }

    fn mistake(&mut self, place: Place, key: String, problem: String) {
        self.mistakes.push(Mistake { place, key, found: String::new(), problem, allowed: String::new() });
    }

    fn finish(mut self) -> Result<Loaded, Mistakes> {
        for rule in across::rules() {
            if rule.keys.iter().any(|key| self.refused.contains(key)) {
                continue;
            }
            let Some(problem) = (rule.wrong)(&self.config) else { continue };
            let (table, key) = rule.keys[0];
            // The key to blame may stand at its default; then the line that disagrees with it is shown.
            let place =
                rule.keys.iter().find_map(|key| self.origins.get(key)).cloned().unwrap_or(Place::Default);
            let found = self.config.table(table).and_then(|t| t.written(key)).unwrap_or_default();
            let key = format!("[{table}] {key}");
            self.mistakes.push(Mistake { place, key, found, problem, allowed: String::new() });
        }
        if self.mistakes.is_empty() {
            Ok(Loaded { config: self.config, files: self.files, origins: self.origins })
        } else {
            Err(Mistakes(self.mistakes))
        }
    }
}

/// A key before the first table header; says where it belongs if that is clear.
fn stray_key(name: &str) -> String {
    let homes: Vec<String> =
        Config::keys().filter(|(_, key)| key.name == name).map(|(table, _)| format!("[{table}]")).collect();
    match homes.as_slice() {
        [] => format!("is outside of a table; the tables are {}", TABLES.join(", ")),
        homes => format!("is outside of a table; it belongs below {}", homes.join(" or ")),
    }
}

#[cfg(test)]
mod tests;
