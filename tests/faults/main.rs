//! `cargo xtask faults`: everything that a network, a server or a device may do, and what the daemon makes of it, each
//! figure beside its bar and the last recorded run.

mod ground;
mod report;
mod rows;
mod runs;
mod simulated;

use std::io;
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
  --run N    only the run of the daemon with this seed, and what happened in it
  --record   keep this run as the one to compare with (docs/faults.json, docs/faults.md)
  ROW        only rows whose name holds this; virtual: all in virtual time; seeds: of these the seeded runs";

/// Rows that are measured at the same time: most of them wait.
const AT_ONCE: usize = 8;
/// A row that this machine was too busy for is measured again so often.
const TRIES: usize = 2;

struct Arguments {
    long: bool,
    seed: u64,
    record: bool,
    run: Option<u64>,
    only: Vec<String>,
}

fn parse() -> Result<Arguments, String> {
    let mut parsed = Arguments { long: false, seed: 1, record: false, run: None, only: Vec::new() };
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
            "--run" => {
                let number = arguments.next().and_then(|number| number.parse().ok());
                parsed.run = Some(number.ok_or("--run needs a number")?);
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
    if let Some(seed) = arguments.run {
        return match runs::run(seed, true) {
            Ok(found) => {
                println!("{}", found.story.join("\n"));
                ExitCode::SUCCESS
            }
            Err(error) => {
                eprintln!("pressel-faults: {error}");
                ExitCode::FAILURE
            }
        };
    }
    let begun = Instant::now();
    let extent = Extent { long: arguments.long };
    let wanted = |rows: &[(&'static str, Row)]| -> Vec<(&'static str, Row)> {
        let named =
            |name: &str| arguments.only.is_empty() || arguments.only.iter().any(|part| name.contains(part));
        rows.iter().copied().filter(|(name, _)| named(name)).collect()
    };
    let mut table = Table::new(&recorded());
    let mut failed = 0;
    let named = |name: &str| arguments.only.iter().any(|part| part == name);
    let figures = if arguments.only.is_empty() || named("virtual") {
        simulated::figures(&extent, arguments.seed)
    } else if named("seeds") {
        simulated::seeded(&extent, arguments.seed)
    } else {
        Vec::new()
    };
    for figure in figures {
        figure.put(&mut table);
    }
    let alone = wanted(&rows::ALONE);
    for row in (0..rows::ROUNDS).flat_map(|_| &alone) {
        failed += put(&mut table, measure(row, &extent));
    }
    let rows = wanted(&rows::TOGETHER);
    let count =
        if !wanted(&[("runs", rows::none)]).is_empty() { if extent.long { 200 } else { 12 } } else { 0 };
    // Longest first: rows, then runs of which each takes as long as another.
    let mut jobs: Vec<Job<'_>> = Vec::new();
    for row in &rows {
        jobs.push(Box::new(|| Done::Figures(measure_fairly(row, &extent))));
    }
    for n in 0..count {
        jobs.push(Box::new(move || {
            Done::Run(again(&format!("run {}", arguments.seed + n), || runs::run(arguments.seed + n, false)))
        }));
    }
    let mut found = Vec::new();
    for done in together(&jobs) {
        match done {
            Done::Figures(figures) => failed += put(&mut table, figures),
            Done::Run(Some(run)) => found.push(run),
            Done::Run(None) => failed += 1,
        }
    }
    if count > 0 {
        put(&mut table, Some(runs::figures(&found)));
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

/// Something to do beside others, and what comes of it.
type Job<'a> = Box<dyn Fn() -> Done + Sync + 'a>;

enum Done {
    Figures(Option<Vec<Figure>>),
    Run(Option<runs::Found>),
}

/// Does several things at a time; gives what came of each, in order.
fn together(jobs: &[Job<'_>]) -> Vec<Done> {
    let next = AtomicUsize::new(0);
    let found = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(job) = jobs.get(at) else { return };
                    let done = job();
                    found.lock().expect("no thread fails while it writes").push((at, done));
                }
            });
        }
    });
    let mut found = found.into_inner().expect("no thread failed");
    found.sort_by_key(|(at, _)| *at);
    found.into_iter().map(|(_, done)| done).collect()
}

fn measure((name, row): &(&'static str, Row), extent: &Extent) -> Option<Vec<Figure>> {
    again(name, || row(extent))
}

/// A bar that is missed once may be this machine's doing, which does other things as well: the second time counts.
fn measure_fairly(row: &(&'static str, Row), extent: &Extent) -> Option<Vec<Figure>> {
    let figures = measure(row, extent)?;
    let missed: Vec<&str> = figures.iter().filter_map(Figure::missed).collect();
    if missed.is_empty() {
        return Some(figures);
    }
    eprintln!("{}, measured once more, missed: {}", row.0, missed.join("; "));
    measure(row, extent)
}

/// Tries again what this machine was too busy for.
fn again<T>(name: &str, of: impl Fn() -> io::Result<T>) -> Option<T> {
    for attempt in 1..=TRIES {
        match of() {
            Ok(found) => return Some(found),
            Err(error) => eprintln!("{name}, attempt {attempt}: {error}"),
        }
    }
    None
}

fn recorded() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/faults.json")
}
