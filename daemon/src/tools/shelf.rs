//! The folder of tools: what it holds, and what of that this device can use. A bad file is named, and the others still
//! load.

use std::path::Path;

use tracing::warn;

use super::check::unusable;
use super::file::{place, read_file};
use super::gpio::{Lines, OpenPin, Wiring};
use super::tool::{Tool, Way};
use crate::config::{self, Config, Mistake, quoted};

/// More tools than this no model tells apart.
const TOOLS_MAX: usize = 64;
/// What a folder holds.
#[derive(Debug, Default)]
pub struct Shelf {
    /// By name.
    pub tools: Vec<Tool>,
    /// What is wrong with the others.
    pub mistakes: Vec<Mistake>,
}

/// Reads every `*.toml` of a folder, by name. A folder that is not there holds nothing.
pub fn read_folder(folder: &Path) -> Shelf {
    let mut shelf = Shelf::default();
    let paths = match config::toml_files(folder) {
        Ok(paths) => paths,
        Err(mistake) => {
            shelf.mistakes.push(*mistake);
            return shelf;
        }
    };
    for path in paths {
        match read_file(&path) {
            Ok(tool) => shelf.add(tool),
            Err(mistakes) => shelf.mistakes.extend(mistakes),
        }
    }
    shelf.tools.sort_by(|a, b| a.head.name.cmp(&b.head.name));
    shelf
}

impl Shelf {
    fn add(&mut self, tool: Tool) {
        if let Some(mistake) = clash(&tool, &self.tools) {
            return self.mistakes.push(mistake);
        }
        let problem = if let Some(other) = self.tools.iter().find(|other| other.head.name == tool.head.name) {
            format!("is the name of another tool, in {}", other.file.display())
        } else if self.tools.len() == TOOLS_MAX {
            format!("is one tool too many; allowed: {TOOLS_MAX}")
        } else {
            return self.tools.push(tool);
        };
        self.mistakes.push(Mistake {
            place: place(&tool.file, "", if tool.head.builtin.is_empty() { "name" } else { "builtin" }),
            key: "name".into(),
            found: quoted(&tool.head.name),
            problem,
            allowed: String::new(),
        });
    }
}

/// Several tools may share a line, and then what they say of it must be the same.
fn clash(tool: &Tool, others: &[Tool]) -> Option<Mistake> {
    let Way::Gpio(contact) = &tool.way else { return None };
    let other = others.iter().find(|other| match &other.way {
        Way::Gpio(theirs) => theirs.line() == contact.line() && theirs.wiring() != contact.wiring(),
        _ => false,
    })?;
    Some(Mistake {
        place: place(&tool.file, "gpio", "line"),
        key: "[gpio] line".into(),
        found: quoted(&contact.keys.line),
        problem: format!(
            "is the line of {} too, with another kind, direction, active_low, bias, on_max_s, interval_min_s or safe",
            other.file.display()
        ),
        allowed: String::new(),
    })
}

/// A daemon that was killed may have left something switched on, and one whose configuration has mistakes does not come
/// back: what the tools of the usual folder switch is made safe all the same.
pub fn leave_safe() {
    leave_folder_safe(&Config::default().tools, crate::world::pins());
}

fn leave_folder_safe(settings: &config::Tools, pins: OpenPin) {
    let mut lines = Lines::new(pins);
    let contacts: Vec<Wiring> =
        shelf(settings).tools.iter().filter_map(|tool| Some(tool.contact()?.wiring())).collect();
    let driven = contacts.into_iter().filter(|wiring| wiring.pin.safe.is_some()).collect();
    for (line, problem) in lines.hold(driven) {
        warn!(line, problem, "a tool's line cannot be made safe");
    }
}

/// What can be used of the folder's tools, each with its line.
pub(super) fn offered(config: &Config, lines: &mut Lines) -> Vec<Tool> {
    let shelf = shelf(&config.tools);
    for mistake in &shelf.mistakes {
        warn!(%mistake, "a tool cannot be used");
    }
    let refused = |tool: &Tool, problem: &str| warn!(tool = tool.head.name, problem, "a tool cannot be used");
    let mut tools = shelf.tools;
    tools.retain(|tool| tool.is_for(&config.tools.role));
    tools.retain(|tool| {
        let problem = unusable(tool, config, Path::new("/"));
        problem.iter().for_each(|problem| refused(tool, problem));
        problem.is_none()
    });
    let wanted: Vec<Wiring> = tools.iter().filter_map(|tool| Some(tool.contact()?.wiring())).collect();
    let problems = lines.hold(wanted);
    tools.retain(|tool| {
        let problem = tool.contact().and_then(|contact| problems.get(&contact.line()));
        problem.iter().for_each(|problem| refused(tool, problem));
        problem.is_none()
    });
    tools
}

/// What the folder of this configuration holds.
pub fn shelf(settings: &config::Tools) -> Shelf {
    if settings.folder.is_empty() { Shelf::default() } else { read_folder(Path::new(&settings.folder)) }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;

    use super::*;

    const TOOL: &str =
        "name = \"log_reading\"\ndescription = \"x\"\n[command]\nargv = [\"/usr/bin/logger\"]\n";

    #[test]
    fn a_bad_file_leaves_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        put("a.toml", TOOL);
        put("b.toml", "name = 7");
        put("c.toml", TOOL);
        put("notes.txt", "no tool");
        put(".d.toml", "hidden");
        put("e.toml", &"#".repeat(100_000));
        let shelf = read_folder(folder.path());
        assert_eq!(shelf.tools.len(), 1);
        let told: Vec<String> = shelf.mistakes.iter().map(Mistake::to_string).collect();
        assert!(
            told.iter()
                .any(|line| line.contains("c.toml:1: name = \"log_reading\" is the name of another tool")),
            "{told:#?}"
        );
        assert!(told.iter().any(|line| line.contains("b.toml:1: name = 7 is not a text")), "{told:#?}");
        assert!(told.iter().any(|line| line.contains("e.toml: is far too long")), "{told:#?}");
        assert!(read_folder(Path::new("/nowhere/tools.d")).mistakes.is_empty());
    }

    #[test]
    fn a_name_or_a_line_that_is_there_twice_is_named_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        let lamp = "description = \"x\"\nname = \"lamp\"\n[gpio]\naction = \"on\"\nline = \"GPIO22\"\n";
        put("a.toml", lamp);
        put("b.toml", lamp);
        put("c.toml", &lamp.replace("\"lamp\"", "\"other\"").replace("line =", "active_low = true\nline ="));
        put("d.toml", "builtin = \"stop\"\n");
        put("e.toml", "on_cancel = \"finish\"\nbuiltin = \"stop\"\n");
        let told: Vec<String> = read_folder(folder.path()).mistakes.iter().map(Mistake::to_string).collect();
        let has = |words: &str| assert!(told.iter().any(|line| line.contains(words)), "{words}: {told:#?}");
        has("b.toml:2: name = \"lamp\"");
        has("c.toml:6: [gpio] line = \"GPIO22\"");
        has("e.toml:2: name = \"stop\"");
    }

    #[test]
    fn what_a_killed_daemon_left_on_is_made_safe_and_what_is_only_read_is_let_be() {
        let folder = tempfile::tempdir().unwrap();
        let tool = |name: &str, keys: &str| {
            let text = format!("name = \"{name}\"\ndescription = \"x\"\n[gpio]\n{keys}\n");
            std::fs::write(folder.path().join(format!("{name}.toml")), text).unwrap();
        };
        tool("relay", "line = \"GPIO22\"\naction = \"on\"");
        tool("siren", "line = \"GPIO23\"\naction = \"off\"\nsafe = \"on\"");
        tool("door", "line = \"GPIO24\"\ndirection = \"in\"");
        std::fs::write(folder.path().join("broken.toml"), "name = ").unwrap();
        let settings =
            config::Tools { folder: folder.path().display().to_string(), ..config::Tools::default() };
        let driven = Arc::new(std::sync::Mutex::new(Vec::new()));
        let told = Arc::clone(&driven);
        let pins: OpenPin = Arc::new(move |wiring| {
            told.lock().unwrap().push((wiring.pin.line.clone(), wiring.pin.safe));
            // One that cannot be had does not keep the others from it.
            Err(pressel_hal::Error::new(pressel_hal::ErrorKind::NotFound, "not there"))
        });
        leave_folder_safe(&settings, pins);
        let mut driven = driven.lock().unwrap().clone();
        driven.sort();
        assert_eq!(driven, [("GPIO22".to_owned(), Some(false)), ("GPIO23".to_owned(), Some(true))]);
    }
}
