//! Manual pages and completions, made of the words that the program itself uses: its command line and the example of its
//! configuration.

use std::fs;
use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::{dist, root};

/// The daemon's own file, so that no word is written twice. What the program does with the fields is not looked at here.
#[allow(dead_code)]
#[path = "../../daemon/src/cli/arguments.rs"]
mod arguments;

/// Where each shell looks, below `share`.
pub const SHELLS: [(Shell, &str); 3] = [
    (Shell::Bash, "bash-completion/completions/pressel"),
    (Shell::Zsh, "zsh/vendor-completions/_pressel"),
    (Shell::Fish, "fish/vendor_completions.d/pressel.fish"),
];

/// Writes them below `target/manual`, to be looked at.
pub fn manual() -> Result<(), String> {
    let share = dist::target().join("manual");
    write(&share)?;
    println!("man -l {}/man/man1/pressel.1", share.display());
    Ok(())
}

/// Writes them below a folder that will be `/usr/share`.
pub fn write(share: &Path) -> Result<(), String> {
    let wrong = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    let mut command = arguments::Arguments::command();
    let pages = share.join("man/man1");
    fs::create_dir_all(&pages).map_err(|error| wrong(&pages, error))?;
    clap_mangen::generate_to(command.clone(), &pages).map_err(|error| wrong(&pages, error))?;
    let example = root().join("daemon/config.example.toml");
    let example = fs::read_to_string(&example).map_err(|error| wrong(&example, error))?;
    let page = share.join("man/man5/pressel.toml.5");
    put(&page, settings(&example).as_bytes())?;
    for (shell, place) in SHELLS {
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut command, "pressel", &mut text);
        put(&share.join(place), &text)?;
    }
    Ok(())
}

fn put(path: &Path, text: &[u8]) -> Result<(), String> {
    let folder = path.parent().expect("a file lies in a folder");
    let written = fs::create_dir_all(folder).and_then(|()| fs::write(path, text));
    written.map_err(|error| format!("{}: {error}", path.display()))
}

/// pressel.toml(5), from the example: comments before the first table, then each table with its keys.
fn settings(example: &str) -> String {
    let mut page = format!(
        ".TH pressel.toml 5 \"\" \"pressel {}\"\n.SH NAME\npressel.toml \\- settings of pressel(1)\n.SH DESCRIPTION\n",
        env!("CARGO_PKG_VERSION")
    );
    let mut tables = false;
    for line in example.lines() {
        if let Some(table) = line.strip_prefix('[') {
            if !std::mem::replace(&mut tables, true) {
                page += ".SH SETTINGS\nThe value shown is the default.\n";
            }
            page += &format!(".SS [{}\n", escaped(table.trim()));
        } else if let Some(comment) = line.strip_prefix('#') {
            page += &format!("{}\n", escaped(comment.trim()));
        } else if let Some((key, meaning)) = key_of(line) {
            if !key.is_empty() {
                // Not .B, which would take quotes for its own.
                page += &format!(".TP\n\\fB{}\\fR\n", escaped(key));
            }
            page += &format!("{}\n", escaped(meaning));
        }
    }
    page + ".SH FILES\n.I /etc/pressel/config.toml\n.br\n.I /etc/pressel/config.d/*.toml\n.SH SEE ALSO\n.BR pressel (1),\n\
            .BR pressel\\-config (1),\n.BR pressel\\-doctor (1)\n"
}

/// `key = value # meaning`; a `#` inside quotes belongs to the value. A line without a key goes on with the meaning.
fn key_of(line: &str) -> Option<(&str, &str)> {
    let mut quoted = false;
    let end = line.find(|c| {
        quoted ^= c == '"';
        c == '#' && !quoted
    });
    let (key, meaning) = line.split_at(end.unwrap_or(line.len()));
    (!line.trim().is_empty()).then(|| (key.trim(), meaning.trim_start_matches('#').trim()))
}

/// A text that troff takes as it is.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_and_is_completed() {
        let share = std::env::temp_dir().join(format!("pressel-manual-{}", std::process::id()));
        write(&share).unwrap();
        let read = |path: &str| {
            fs::read_to_string(share.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
        };
        let whole = read("man/man1/pressel.1");
        for command in arguments::Arguments::command().get_subcommands() {
            let name = command.get_name();
            let page = read(&format!("man/man1/pressel-{name}.1"));
            assert!(page.contains(".SH NAME") && page.contains(".SH SYNOPSIS"), "{page}");
            assert!(
                whole.contains(&format!("pressel\\-{}(1)", name.replace('-', "\\-"))),
                "{name} is not in\n{whole}"
            );
            for (_, place) in SHELLS {
                assert!(read(place).contains(name), "{name} is not in {place}");
            }
        }
        assert!(read("man/man1/pressel-doctor.1").contains("bundle"));
        fs::remove_dir_all(share).unwrap();
    }

    #[test]
    fn settings_are_listed_with_their_meaning() {
        let page = settings("# every key\n[live]\nmodel = \"a#b\"   # which - one\n.odd = 1\n");
        for part in [
            "\nevery key\n",
            ".SS [live]\n",
            ".TP\n\\fBmodel = \"a#b\"\\fR\nwhich \\- one\n",
            "\\fB\\&.odd = 1\\fR\n",
        ] {
            assert!(page.contains(part), "{part} is not in\n{page}");
        }
        let example = fs::read_to_string(root().join("daemon/config.example.toml")).unwrap();
        let keys = example.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase())).count();
        assert_eq!(settings(&example).matches(".TP\n").count(), keys);
    }
}
