//! `cargo xtask bench`: figures of the real daemon on the virtual card, each beside its bar and the last recorded run.
//!
//! Times come from the card's sample clock and from the server's socket. Nothing is asserted while measuring; a
//! missed bar is marked, and the exit code says so.

mod duck;
mod load;
mod run;
mod scenes;
mod stages;
mod tools;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use pressel_world::table::{Machine, Table};
use serde_json::Value;

const USAGE: &str = "\
cargo xtask bench [scene…] [--record] [--rounds N]

  scenes: start talk answer idle open stages duck tools load size    (all by default)
  --record   keep this run as the one to compare with (docs/benchmarks.json, docs/benchmarks.md)";

fn main() -> ExitCode {
    let mut wanted = Vec::new();
    let (mut record, mut rounds) = (false, 1);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--record" => record = true,
            "--rounds" => rounds = arguments.next().and_then(|n| n.parse().ok()).unwrap_or(1),
            "--help" => {
                eprintln!("{USAGE}");
                return ExitCode::SUCCESS;
            }
            scene if scenes::ALL.iter().any(|(name, _)| *name == scene) => wanted.push(scene.to_owned()),
            other => {
                eprintln!("pressel-bench: no scene \"{other}\"\n\n{USAGE}");
                return ExitCode::from(2);
            }
        }
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut table = Table::new(&recorded());
    for round in 0..rounds.max(1) {
        for (name, scene) in scenes::ALL {
            if !wanted.is_empty() && !wanted.iter().any(|w| w == name) {
                continue;
            }
            eprintln!("measuring: {name}");
            if let Err(error) = scene(&folder.path().join(format!("{name}-{round}")), &mut table) {
                eprintln!("pressel-bench: {name}: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    println!("{table}");
    if record {
        if let Err(error) = table.record(&recorded(), Value::Null, page) {
            eprintln!("pressel-bench: {error}");
            return ExitCode::FAILURE;
        }
    }
    if table.missed() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The page of a recorded run.
fn page(rows: &str) -> String {
    format!(
        "# Benchmarks\n\nPrinted by `cargo xtask bench --record`: the release binary on the virtual card, the server on \
         loopback over TLS,\n{}. Median of the rounds; worst in brackets.\n\n{rows}\n",
        Machine::this()
    )
}

fn recorded() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/benchmarks.json")
}
