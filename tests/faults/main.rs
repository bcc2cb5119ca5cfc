//! `cargo xtask faults`: everything that a network, a server or a device may do, and what the daemon makes of it, each
//! figure beside its bar and the last recorded run.

mod ground;
mod report;
mod rows;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use pressel_world::table::Table;
use report::Figure;
use rows::{Extent, Row};
use serde_json::json;

const USAGE: &str = "\
cargo xtask faults [--quick | --long] [--seed N] [--record] [ROW…]

  --quick    what every commit is held against: about 90 s (the default)
  --long     hundreds of runs of the real daemon, thousands in virtual time: by hand
  --seed N   of all runs; a failing run names its own
  --record   keep this run as the one to compare with (docs/faults.json, docs/faults.md)
  ROW        only rows whose name holds this";

/// Rows that are measured at the same time: most of them wait.
const AT_ONCE: usize = 5;
/// A row that this machine was too busy for is measured again so often.
const TRIES: usize = 2;

struct Arguments {
    long: bool,
    seed: u64,
    record: bool,
    only: Vec<String>,
}

fn parse() -> Result<Arguments, String> {
    let mut parsed = Arguments { long: false, seed: 1, record: false, only: Vec::new() };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--quick" => parsed.long = false,
            "--long" => parsed.long = true,
            "--record" => parsed.record = true,
            "--seed" => {
                let number = arguments.next().and_then(|number| number.parse().ok());
                parsed.seed = number.ok_or("--seed needs a number")?;
            }
            other if other.starts_with('-') => return Err(format!("no option {other}")),
            row => parsed.only.push(row.to_owned()),
        }
    }
    Ok(parsed)
}

fn main() -> ExitCode {
    let arguments = match parse() {
        Ok(arguments) => arguments,
        Err(mistake) => {
            eprintln!("pressel-faults: {mistake}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let begun = Instant::now();
    let extent = Extent { long: arguments.long };
    let wanted = |rows: &[(&'static str, Row)]| -> Vec<(&'static str, Row)> {
        let named =
            |name: &str| arguments.only.is_empty() || arguments.only.iter().any(|part| name.contains(part));
        rows.iter().copied().filter(|(name, _)| named(name)).collect()
    };
    let mut table = Table::new(&recorded());
    let mut failed = 0;
    let alone = wanted(&rows::ALONE);
    for row in (0..rows::ROUNDS).flat_map(|_| &alone) {
        failed += put(&mut table, measure(row, &extent));
    }
    for figures in together(&wanted(&rows::TOGETHER), &extent) {
        failed += put(&mut table, figures);
    }
    println!("{table}");
    eprintln!(
        "seed {}, {failed} rows without figures, {:.0} s",
        arguments.seed,
        begun.elapsed().as_secs_f32()
    );
    if arguments.record {
        let page = |rows: &str| report::page(rows, arguments.seed, arguments.long);
        if let Err(error) = table.record(&recorded(), json!({ "seed": arguments.seed }), page) {
            eprintln!("pressel-faults: {error}");
            return ExitCode::FAILURE;
        }
    }
    if table.missed() == 0 && failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Puts figures into the table; 1 where there are none.
fn put(table: &mut Table, figures: Option<Vec<Figure>>) -> usize {
    let none = usize::from(figures.is_none());
    for figure in figures.into_iter().flatten() {
        figure.put(table);
    }
    none
}

/// Measures several rows at a time; gives their figures in the rows' order.
fn together(rows: &[(&'static str, Row)], extent: &Extent) -> Vec<Option<Vec<Figure>>> {
    let found: Vec<Mutex<Option<Vec<Figure>>>> = rows.iter().map(|_| Mutex::default()).collect();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((row, found)) = {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    rows.get(at).zip(found.get(at))
                } {
                    *found.lock().expect("no thread fails while it writes") = measure(row, extent);
                }
            });
        }
    });
    found.into_iter().map(|figures| figures.into_inner().expect("no thread failed")).collect()
}

fn measure((name, row): &(&'static str, Row), extent: &Extent) -> Option<Vec<Figure>> {
    for attempt in 1..=TRIES {
        match row(extent) {
            Ok(figures) => return Some(figures),
            Err(error) => eprintln!("{name}, attempt {attempt}: {error}"),
        }
    }
    None
}

fn recorded() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/faults.json")
}
