//! What setup needs to know, and the file that may say it: a few plain lines that anybody can write on the boot partition
//! of a memory card.

use std::fmt;
use std::fs;
use std::io::{self, Seek, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::de::DeTable;
use zeroize::Zeroizing;

use crate::config::{Config, Found, nearest};

/// Such a file has a handful of lines.
const LENGTH_MAX: u64 = 16 << 10;
/// Its keys.
const KEYS: [&str; 7] = ["key", "microphone", "speaker", "button", "light", "mode", "language"];

/// What is to be set; `None` leaves it as it is.
#[derive(Default)]
pub struct Answers {
    /// The API key.
    pub key: Option<Zeroizing<String>>,
    /// Keys of the configuration: table, name, value.
    pub values: Vec<(&'static str, &'static str, String)>,
}

impl fmt::Debug for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = if self.key.is_some() { "a key" } else { "no key" };
        write!(f, "Answers({key}, {:?})", self.values)
    }
}

impl Answers {
    /// Takes an answer by its name in the file.
    ///
    /// # Errors
    /// What is wrong with it, and what is allowed.
    pub fn take(&mut self, name: &str, answer: &str) -> Result<(), String> {
        let answer = answer.trim();
        match name {
            "key" if answer.is_empty() => self.key = None,
            "key" => {
                if answer.len() > 512 || !answer.bytes().all(|b| b.is_ascii_graphic()) {
                    return Err("key: is none: one word of letters, digits and signs is wanted".to_owned());
                }
                self.key = Some(Zeroizing::new(answer.to_owned()));
            }
            "button" => {
                for (key, value) in button(answer) {
                    self.set("button", key, value)?;
                }
            }
            "light" => {
                for (key, value) in light(answer) {
                    self.set("light", key, value)?;
                }
            }
            "microphone" => self.set("capture", "device", answer)?,
            "speaker" => self.set("playback", "device", answer)?,
            "mode" => self.set("talk", "mode", answer)?,
            "language" => self.set("live", "language", answer)?,
            other => {
                let meant = nearest(other, KEYS);
                let meant = meant.map(|meant| format!("; did you mean \"{meant}\"?")).unwrap_or_default();
                return Err(format!("{other}: there is no such key{meant} (there are {})", KEYS.join(", ")));
            }
        }
        Ok(())
    }

    fn set(&mut self, table: &'static str, key: &'static str, value: &str) -> Result<(), String> {
        let mut config = Config::default();
        let target = config.table_mut(table).expect("tables named here exist");
        target.set(key, &Found::Text(value.to_owned())).map_err(|refused| {
            let allowed = if refused.allowed.is_empty() {
                String::new()
            } else {
                format!("; allowed: {}", refused.allowed)
            };
            format!("\"{value}\" {}{allowed}", refused.problem)
        })?;
        self.values.retain(|(t, k, _)| (*t, *k) != (table, key));
        self.values.push((table, key, value.to_owned()));
        Ok(())
    }
}

/// `none`, a line such as `GPIO17`, or `KEY_F13@PCsensor FootSwitch`.
fn button(answer: &str) -> Vec<(&'static str, &str)> {
    match answer.split_once('@') {
        Some((key, device)) => vec![("kind", "evdev"), ("device", device), ("key", key)],
        None if answer.is_empty() || answer == "none" => vec![("kind", "none")],
        None => vec![("kind", "gpio"), ("line", answer)],
    }
}

/// `none`, a line such as `GPIO27`, or `led:ACT` for a light that the kernel drives.
fn light(answer: &str) -> Vec<(&'static str, &str)> {
    match answer.strip_prefix("led:") {
        Some(name) => vec![("kind", "sysfs"), ("name", name)],
        None if answer.is_empty() || answer == "none" => vec![("kind", "none")],
        None => vec![("kind", "gpio"), ("line", answer)],
    }
}

/// The file with the answers, which gives its key away once.
#[derive(Debug)]
pub struct AnswerFile {
    path: PathBuf,
    /// Where in the file the key is written, quotes included.
    key: Option<Range<usize>>,
    /// What it said.
    pub answers: Answers,
}

impl AnswerFile {
    /// Reads it.
    ///
    /// # Errors
    /// Every mistake with its line, one to a line; never the key.
    pub fn read(path: &Path) -> Result<Self, String> {
        let name = path.display();
        let length = fs::metadata(path).map_err(|error| format!("{name}: {error}"))?.len();
        if length > LENGTH_MAX {
            return Err(format!("{name}: is far too long"));
        }
        let text = Zeroizing::new(fs::read_to_string(path).map_err(|error| format!("{name}: {error}"))?);
        let line_of = |offset: usize| {
            1 + text.as_bytes()[..offset.min(text.len())].iter().filter(|&&b| b == b'\n').count()
        };
        let (document, errors) = DeTable::parse_recoverable(&text);
        let mut mistakes: Vec<String> = errors
            .iter()
            // The message alone: the rest would quote the line, and the key with it.
            .map(|error| {
                format!(
                    "{name}:{}: {}",
                    error.span().map_or(0, |span| line_of(span.start)),
                    error.message().replace('\n', ", ")
                )
            })
            .collect();
        let (mut answers, mut key) = (Answers::default(), None);
        for (own, value) in document.get_ref() {
            let place = || format!("{name}:{}", line_of(own.span().start));
            if own.get_ref() == "key" {
                key = Some(value.span());
            }
            match value.get_ref().as_str() {
                Some(text) => {
                    if let Err(problem) = answers.take(own.get_ref(), text) {
                        mistakes.push(format!("{}: {problem}", place()));
                    }
                }
                None => mistakes.push(format!("{}: {}: a text in quotes is wanted", place(), own.get_ref())),
            }
        }
        mistakes.sort();
        match mistakes.is_empty() {
            true => Ok(AnswerFile { path: path.to_owned(), key, answers }),
            false => Err(mistakes.join("\n")),
        }
    }

    /// Overwrites the key where it stands, so that the card holds it no more: a copy in place of what was written, since a
    /// new file beside the old one would leave the old one's blocks as they are.
    ///
    /// # Errors
    /// What the system says.
    pub fn forget_key(&self) -> io::Result<()> {
        let Some(place) = &self.key else { return Ok(()) };
        let mut file = fs::OpenOptions::new().write(true).open(&self.path)?;
        file.seek(io::SeekFrom::Start(place.start as u64))?;
        let mut blank = vec![b' '; place.len()];
        blank[..2].copy_from_slice(b"\"\"");
        file.write_all(&blank)?;
        file.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pressel.toml");
        fs::write(&path, text).unwrap();
        (folder, path)
    }

    const WHOLE: &str = "# my device\nkey = \"AIzaSyTest\"\nspeaker = \"hw:CARD=MAX98357A\"\nbutton = \"GPIO17\"\n\
                         mode = \"tap\"\nlanguage = \"de-DE\"\n";

    #[test]
    fn a_file_says_what_is_to_be_set_and_loses_its_key() {
        let (_folder, path) = file(WHOLE);
        let read = AnswerFile::read(&path).unwrap();
        assert_eq!(read.answers.key.as_ref().unwrap().as_str(), "AIzaSyTest");
        let values: Vec<String> =
            read.answers.values.iter().map(|(t, k, v)| format!("{t}.{k}={v}")).collect();
        let mut sorted = values.clone();
        sorted.sort();
        let expected = [
            "button.kind=gpio",
            "button.line=GPIO17",
            "live.language=de-DE",
            "playback.device=hw:CARD=MAX98357A",
            "talk.mode=tap",
        ];
        assert_eq!(sorted, expected);
        assert!(!format!("{read:?}").contains("AIza"), "{read:?}");
        read.forget_key().unwrap();
        let left = fs::read_to_string(&path).unwrap();
        assert_eq!(left, WHOLE.replace("\"AIzaSyTest\"", "\"\"          "));
        assert!(AnswerFile::read(&path).unwrap().answers.key.is_none());
    }

    #[test]
    fn mistakes_are_named_with_their_lines_and_without_the_key() {
        let (_folder, path) =
            file("key = \"AIza Sy\"\nmodes = \"tap\"\nmode = \"tab\"\nbutton = 17\nspeaker = \"x\n");
        let said = AnswerFile::read(&path).unwrap_err();
        for part in [
            ":1: key: is none",
            ":2: modes: there is no such key; did you mean \"mode\"?",
            ":3: \"tab\"",
            ":4: button: a text",
            ":5: ",
        ] {
            assert!(said.contains(part), "{part} is not in\n{said}");
        }
        assert!(!said.contains("AIza"), "{said}");
    }

    #[test]
    fn buttons_are_lines_or_keys_and_lights_lines_or_leds() {
        assert_eq!(light("led:ACT"), [("kind", "sysfs"), ("name", "ACT")]);
        assert_eq!(light("GPIO27"), [("kind", "gpio"), ("line", "GPIO27")]);
        assert_eq!(light(""), [("kind", "none")]);
        assert_eq!(button("none"), [("kind", "none")]);
        assert_eq!(button("KEY_B@Pedal"), [("kind", "evdev"), ("device", "Pedal"), ("key", "KEY_B")]);
        assert_eq!(button("pinctrl-rp1:17"), [("kind", "gpio"), ("line", "pinctrl-rp1:17")]);
    }
}
