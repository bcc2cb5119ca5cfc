//! Every file of tests/talks against the conversation in virtual time, and again with faults by seed.

use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use pressel_world::talk::{Failure, Faults, Simulation, Talk, World, play, play_through};

/// Fewer talks than this: the folder was not found, or files got lost.
const TALKS_MIN: usize = 25;
/// Runs with faults of each talk. `PRESSEL_SEEDS=500` runs more, `PRESSEL_SEED=7` that one alone.
const SEEDS: u64 = 12;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("talks")
}

/// Every file with its name and text, in order.
pub fn files() -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = std::fs::read_dir(folder())
        .expect("tests/talks")
        .map(|entry| entry.expect("an entry of tests/talks").path())
        .filter(|path| path.file_name().is_some_and(|name| name != "README.md"))
        .map(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            assert!(name.ends_with(".talk"), "tests/talks/{name} is not a talk");
            (name, std::fs::read_to_string(&path).expect("a talk is text"))
        })
        .collect();
    files.sort();
    files
}

/// Plays one talk; a panic is a failure like others.
fn failures(text: &str, faults: Option<u64>) -> Vec<String> {
    let talk = match Talk::parse(text) {
        Ok(talk) => talk,
        Err(mistake) => return vec![mistake.to_string()],
    };
    let played = catch_unwind(AssertUnwindSafe(|| {
        let mut world = Simulation::new(&talk, faults.map(Faults::new));
        let world: &mut dyn World = &mut world;
        if faults.is_some() { play_through(&talk, world) } else { play(&talk, world) }
    }));
    match played {
        Ok(failures) => failures.iter().map(Failure::to_string).collect(),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            vec![format!("panic: {}", text.unwrap_or_default())]
        }
    }
}

#[test]
fn every_talk_goes_as_it_is_written() {
    let files = files();
    assert!(files.len() >= TALKS_MIN, "only {} talks were found", files.len());
    let mut report = String::new();
    for (name, text) in &files {
        for failure in failures(text, None) {
            let _ = writeln!(report, "{name}: {failure}");
        }
    }
    assert!(report.is_empty(), "\n{report}");
}

#[test]
fn under_faults_every_talk_keeps_what_every_talk_promises() {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds = match number("PRESSEL_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("PRESSEL_SEEDS").unwrap_or(SEEDS),
    };
    let mut report = String::new();
    for (name, text) in &files() {
        for seed in seeds.clone() {
            for failure in failures(text, Some(seed)).iter().take(3) {
                let _ = writeln!(report, "{name} with PRESSEL_SEED={seed}: {failure}");
            }
        }
    }
    assert!(report.is_empty(), "\n{report}");
}
