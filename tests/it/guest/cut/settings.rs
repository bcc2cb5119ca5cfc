//! Settings and key, changed by `pressel setup` until the power goes.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tests::stage::program;

use super::{DISK, SHARED};

/// Each change has a number, which stands in every setting and in the key.
pub struct Settings {
    /// Of the last change that is known to be whole.
    number: u64,
}

fn root() -> PathBuf {
    Path::new(DISK).join("root")
}

/// Runs setup with the answers of this number.
fn setup(number: u64, more: &[&str]) -> Output {
    let answers = Path::new("/run/answers.toml");
    let text = format!(
        "key = \"AIzaSy{number:020}\"\nmicrophone = \"hw:CARD=a{number}\"\nspeaker = \"hw:CARD=b{number}\"\n\
         button = \"GPIO{number}\"\nmode = \"tap\"\nlanguage = \"de-DE\"\n"
    );
    std::fs::write(answers, text).unwrap();
    // Those who talk come first: this is done again and again.
    let mut command = Command::new("nice");
    command.args(["-n", "15"]).arg(program("pressel").unwrap());
    command.args(["setup", "--no-test", "--no-start", "--from"]).arg(answers);
    command.arg("--root").arg(root()).args(more).output().unwrap()
}

impl Settings {
    /// Looks at what the last power cut left.
    #[track_caller]
    pub fn look() -> Settings {
        let read = |path: PathBuf| std::fs::read_to_string(path).ok();
        let folder = root().join("etc/pressel");
        let told = read(Path::new(SHARED).join("settings")).map_or(0, |text| text.parse::<u64>().unwrap());
        let Some(fragment) = read(folder.join("config.d/00-setup.toml")) else {
            assert_eq!(told, 0, "the settings are lost");
            std::fs::create_dir_all(folder.join("config.d")).unwrap();
            return Settings { number: 0 };
        };
        let number =
            fragment.split("\"GPIO").nth(1).and_then(|rest| rest.split('"').next()?.parse::<u64>().ok());
        let number = number.unwrap_or_else(|| panic!("half a configuration:\n{fragment}"));
        // The settings come first, then the key.
        let key = read(folder.join("key")).unwrap_or_default();
        let with_key = [number, number - 1].into_iter().find(|number| key == format!("AIzaSy{number:020}\n"));
        let with_key = with_key.filter(|with_key| *with_key >= told);
        assert!(with_key.is_some() || key.is_empty() && told == 0, "{number} with {key:?}, {told} was told");
        // Every setting is of that number, and the whole is a configuration.
        let looked = setup(number, &["--dry-run"]);
        let said = String::from_utf8_lossy(&looked.stdout).into_owned();
        let other =
            said.lines().find(|line| *line != "nothing to change" && !line.starts_with("a new key in "));
        assert!(looked.status.success() && other.is_none(), "{looked:?}");
        println!("settings {number}, key {with_key:?}, {told} told before the cut");
        Settings { number }
    }

    /// Changes all of them, again and again; what has been told must be there after a cut.
    pub fn change_for_ever(mut self) {
        loop {
            self.number += 1;
            let done = setup(self.number, &[]);
            assert!(done.status.success(), "{done:?}");
            let told = Path::new(SHARED).join("settings");
            std::fs::write(told.with_extension("new"), self.number.to_string()).unwrap();
            std::fs::rename(told.with_extension("new"), told).unwrap();
        }
    }
}
