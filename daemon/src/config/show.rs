//! The configuration in effect, as TOML. There is no secret in it: the key is never part of the configuration.

use std::fmt::Write;

use super::{Config, Loaded, Place, TABLES};

impl Loaded {
    /// Every key with its value, and where it was set if it was.
    pub fn show(&self) -> String {
        let mut out = String::from("# In effect, in order: built in");
        for file in &self.files {
            let _ = write!(out, ", {}", file.display()); // writing to a String cannot fail
        }
        out.push_str(", environment.\n");
        for name in TABLES {
            let table = self.config.table(name).expect("TABLES lists them");
            let _ = write!(out, "\n[{name}]\n");
            for key in table.keys() {
                let value = table.written(key.name).expect("keys() lists them");
                let _ = match self.origins.get(&(*name, key.name)) {
                    Some(place) if *place != Place::Default => {
                        writeln!(out, "{} = {value}  # {place}", key.name)
                    }
                    _ => writeln!(out, "{} = {value}", key.name),
                };
            }
        }
        out
    }
}

impl Config {
    /// Every key with its value, as TOML that reads back to the same.
    pub fn show(&self) -> String {
        Loaded { config: self.clone(), files: Vec::new(), origins: Default::default() }.show()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ButtonKind, load_from};
    use super::*;

    #[test]
    fn what_is_shown_reads_back_to_the_same() {
        let mut config = Config::default();
        config.live.instruction = "Say \"hi\".\nBe brief.".into();
        config.capture.channels = 6;
        config.capture.use_channels = vec![0, 5];
        config.gate.above_floor_db = 9.5;
        config.open.start_after_ms = -1;
        config.button.kind = ButtonKind::Gpio;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("shown.toml");
        std::fs::write(&file, config.show()).unwrap();
        let loaded = load_from(folder.path(), Some(&file), []).unwrap();
        assert_eq!(loaded.config, config);
        assert_eq!(loaded.origins.len(), Config::keys().count(), "a key is not shown");
    }

    #[test]
    fn a_set_key_names_its_place() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.toml"), "[log]\nlevel = \"debug\"\n").unwrap();
        let shown = load_from(folder.path(), None, []).unwrap().show();
        let place = format!("level = \"debug\"  # {}/config.toml:2\n", folder.path().display());
        assert!(shown.contains(&place), "{shown}");
        assert!(shown.contains("\nto = \"auto\"\n"), "{shown}");
    }
}
