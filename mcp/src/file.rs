//! The part of a tool's file that is about an MCP server. `pressel tools check` names its mistakes; here a file that
//! cannot be used is said and passed over.

use std::fs;
use std::path::Path;

use serde::Deserialize;
use tracing::warn;

/// Files beyond this are some other files.
const SIZE_MAX: u64 = 64 * 1024;

/// One server.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct File {
    /// What it is called by.
    pub name: String,
    #[serde(default = "yes")]
    on: bool,
    /// Where it is, and what of it is offered.
    pub mcp: Option<Keys>,
}

/// `[mcp]`, with the daemon's defaults.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Keys {
    /// Program and arguments.
    pub command: Vec<String>,
    /// Or address.
    pub url: String,
    /// Tools that may be called.
    pub allow: Vec<String>,
    /// The daemon's business.
    pub confirm_for: Vec<String>,
    /// `NAME=value`.
    pub env: Vec<String>,
    /// File, or credential.
    pub secret_file: String,
    /// Variable that gets it.
    pub secret_env: String,
    /// Whether `url` may be a neighbour.
    pub private: bool,
    /// Whether `url` must be encrypted; none = yes.
    pub tls: Option<bool>,
    /// How long it may take to start; none = 30.
    pub start_timeout_s: Option<u64>,
    /// Longest answer; none = 32.
    pub answer_max_kb: Option<usize>,
}

impl Keys {
    /// Whether a tool may be called.
    pub fn allows(&self, name: &str) -> bool {
        self.allow.iter().any(|allowed| allowed == "*" || allowed == name)
    }
}

fn yes() -> bool {
    true
}

/// The servers of a folder, by name.
pub fn read_folder(folder: &Path) -> Vec<(String, Keys)> {
    let mut found: Vec<(String, Keys)> = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else { return found };
    let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with('.') || !name.ends_with(".toml") {
            continue;
        }
        match read(&path) {
            Ok(Some((name, keys))) if !found.iter().any(|(other, _)| *other == name) => {
                found.push((name, keys))
            }
            Ok(_) => {}
            Err(problem) => warn!(file = %path.display(), problem, "passed over; see: pressel tools check"),
        }
    }
    found
}

fn read(path: &Path) -> Result<Option<(String, Keys)>, String> {
    if fs::metadata(path).is_ok_and(|facts| facts.len() > SIZE_MAX) {
        return Err("far too long".to_owned());
    }
    let text = fs::read_to_string(path).map_err(|error| error.to_string())?;
    let file: File = toml::from_str(&text).map_err(|error| error.message().to_owned())?;
    Ok(if file.on { file.mcp.map(|keys| (file.name, keys)) } else { None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_read_and_other_tools_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        put(
            "b.toml",
            "name = \"shop\"\nconfirm = \"hold\"\n[mcp]\ncommand = [\"/bin/cat\"]\nallow = [\"find\"]\n",
        );
        put("a.toml", "name = \"lamp\"\ndescription = \"On.\"\n[command]\nargv = [\"/bin/true\"]\n");
        put("c.toml", "name = \"off\"\non = false\n[mcp]\nurl = \"https://example.com\"\nallow = [\"*\"]\n");
        put("d.toml", "name = \"broken\"\n[mcp]\nurls = 7\n");
        put("e.toml", "name = \"shop\"\n[mcp]\nallow = [\"*\"]\n");
        let found = read_folder(folder.path());
        assert_eq!(found.len(), 1);
        let (name, keys) = &found[0];
        assert_eq!((name.as_str(), keys.command[0].as_str()), ("shop", "/bin/cat"));
        assert!(keys.allows("find") && !keys.allows("wipe"));
        assert!(read_folder(Path::new("/nowhere")).is_empty());
    }
}
