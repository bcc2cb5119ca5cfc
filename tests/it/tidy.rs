//! The shape of the source: who may import whom, how long files may grow, and pages that name what is not there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Longer than this, a file has two subjects.
const LINES_MAX: usize = 400;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// All files of the workspace with this ending, but what is built.
fn files(ending: &str) -> Vec<PathBuf> {
    fn walk(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            let own = !name.starts_with('.') && !["target", "out"].contains(&name.as_str());
            if entry.file_type().unwrap().is_dir() {
                if own {
                    walk(&path, ending, found);
                }
            } else if path.extension().is_some_and(|found| found == ending) {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root(), ending, &mut found);
    assert!(!found.is_empty(), "no file ends in {ending}");
    found
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO")).args(arguments).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "cargo {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What each package of the workspace depends on, not counting what only its tests do.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let metadata: Value =
        serde_json::from_str(&cargo(&["metadata", "--no-deps", "--offline", "--format-version", "1"]))
            .unwrap();
    let names = |package: &Value| {
        let all = package["dependencies"].as_array().unwrap().iter();
        let shipped = all.filter(|dependency| dependency["kind"].is_null());
        shipped.map(|dependency| dependency["name"].as_str().unwrap().to_owned()).collect()
    };
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages.map(|package| (package["name"].as_str().unwrap().to_owned(), names(package))).collect()
}

#[test]
fn each_crate_imports_what_it_may() {
    let all = dependencies();
    let allowed = |name: &str, list: &[&str]| {
        let more: Vec<&String> = all[name].iter().filter(|name| !list.contains(&name.as_str())).collect();
        assert!(more.is_empty(), "{name} may not import {more:?}");
    };
    allowed("pressel-dsp", &["heapless", "realfft", "wide", "aec3"]); // the last one only on demand
    allowed("pressel-live", &["serde", "serde_json", "base64", "tracing"]);
    allowed("pressel-hal", &["alsa", "alsa-sys", "rppal", "gpiocdev", "gpiocdev-uapi", "evdev", "libc"]);
    // The server shares no type with the daemon: a misspelt name must not cancel itself out.
    let own = all["fake-gemini"].iter().find(|name| name.starts_with("pressel"));
    assert_eq!(own, None);
    for (name, dependencies) in &all {
        let only_tests = ["tests", "pressel-world", "pressel-rooms", "fake-gemini"];
        let table = name == "pressel-rooms"; // prints its figures as the other benchmarks do
        let may = |found: &str| table && found == "pressel-world";
        let wrong = dependencies.iter().find(|found| only_tests.contains(&found.as_str()) && !may(found));
        assert!(name == "tests" || wrong.is_none(), "{name} depends on {wrong:?}");
    }
}

#[test]
fn what_must_not_be_there_does_not_come_in_by_a_back_door() {
    let tree = |package: &str| {
        cargo(&["tree", "--offline", "--edges", "normal", "--prefix", "none", "--package", package])
    };
    for (package, absent) in [
        ("pressel-live", ["tokio ", "alsa ", "pressel-hal ", "pressel-dsp ", "libc "].as_slice()),
        ("pressel-dsp", &["tokio ", "serde ", "pressel-hal ", "pressel-live ", "libc ", "aec3 "]),
        ("pressel-hal", &["tokio ", "rustls ", "pressel-live ", "pressel-dsp "]),
        // One implementation of TLS, and none of C's.
        (
            "pressel",
            &["openssl-sys ", "native-tls ", "aws-lc-sys ", "fake-gemini ", "pressel-world ", "tests "],
        ),
    ] {
        let tree = tree(package);
        assert!(tree.starts_with(package), "{tree}");
        for name in absent {
            assert!(!tree.lines().any(|line| line.starts_with(name)), "{package} brings {name}in");
        }
    }
}

#[test]
fn no_file_has_grown_too_long() {
    for ending in ["rs", "c", "h", "md"] {
        for path in files(ending) {
            let lines = text(&path).lines().count();
            assert!(lines <= LINES_MAX, "{} has {lines} lines", path.display());
        }
    }
}

#[test]
fn no_test_is_switched_off() {
    let attribute = concat!("#[ign", "ore");
    for path in files("rs") {
        assert!(!text(&path).contains(attribute), "{}", path.display());
    }
}

#[test]
fn every_talk_lies_where_talks_are_played() {
    let folder = root().join("tests/talks");
    for path in files("talk") {
        assert_eq!(path.parent(), Some(folder.as_path()), "{} is never played", path.display());
    }
}

/// Words behind `before` in a text, as far as they look like a command's.
fn commands<'a>(text: &'a str, before: &'a str) -> impl Iterator<Item = &'a str> {
    let is_word = |c: char| c.is_ascii_lowercase() || c == '-';
    text.split(before).skip(1).map(move |rest| rest.split(|c| !is_word(c)).next().unwrap_or_default())
}

#[test]
fn the_pages_name_chores_and_commands_that_exist() {
    let usage = text(&root().join("xtask/src/main.rs"));
    let chores: BTreeSet<&str> =
        usage.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next()).collect();
    assert!(chores.contains("demo") && chores.contains("test"), "{chores:?}");
    let help = Command::new(tests::stage::program("pressel").unwrap()).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let known: BTreeSet<&str> =
        help.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next()).collect();
    assert!(known.contains("run") && known.contains("doctor"), "{help}");
    for path in files("md") {
        let page = text(&path);
        for chore in commands(&page, "cargo xtask ") {
            assert!(chores.contains(chore), "{}: there is no chore \"{chore}\"", path.display());
        }
        for command in commands(&page, "`pressel ").chain(commands(&page, "`sudo pressel ")) {
            let option = command.is_empty() || command.starts_with('-');
            assert!(option || known.contains(command), "{}: no command \"{command}\"", path.display());
        }
    }
}

#[test]
fn containers_of_cross_are_for_the_targets_of_the_packages() {
    // ("arm64", "aarch64-unknown-linux-gnu"),
    let chores = text(&root().join("xtask/src/dist.rs"));
    let made: BTreeMap<&str, &str> = chores
        .lines()
        .filter_map(|line| line.trim().strip_prefix("(\"")?.strip_suffix("\"),")?.split_once("\", \""))
        .filter(|(name, target)| *name != "amd64" && target.contains("-linux-"))
        .collect();
    assert_eq!(made.keys().collect::<Vec<_>>(), [&"arm64", &"armhf"]);
    let cross = text(&root().join("Cross.toml"));
    let parts: Vec<&str> = cross.split("\n[target.").skip(1).collect();
    assert_eq!(parts.len(), made.len());
    for (name, target) in made {
        let part = parts.iter().find(|part| part.starts_with(&format!("{target}]\n")));
        let part = part.unwrap_or_else(|| panic!("Cross.toml has no {target}"));
        for needed in [format!("--add-architecture {name}\""), format!(" libasound2-dev:{name} ")] {
            assert!(part.contains(&needed), "Cross.toml, {target}: no {needed}");
        }
        for page in ["README.md", "docs/releasing.md"] {
            assert!(text(&root().join(page)).contains(target), "{page} does not name {target}");
        }
    }
}
