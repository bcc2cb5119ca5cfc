//! `cargo xtask bench sound`: the capture path in every room, its figures beside their bars and the last recorded run.

mod array;
mod figures;
mod pass;
mod worth;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use figures::Measured;
use pressel_rooms::{Kind, REPORT, Row, Script, TUNE};
use pressel_world::table::{Machine, Table};
use serde_json::json;

const USAGE: &str = "\
cargo xtask bench sound [--record | --seeds A..B] [--quick] [--aec3]

  --record   with the seeds kept for it; the run to compare with from now on (docs/sound-benchmarks.*)
  --quick    one seed of each scene, ten minutes of answers
  --seeds    with these, an hour of answers for each; tells every word of the detector while nobody spoke, every
             person who was not heard, and how long each change of the echo's path was felt
  --aec3     rows of WebRTC's canceller beside ours";

/// Rooms in which people talk over answers, cough and slam doors.
const LIVELY: [Kind; 6] = [Kind::Room40, Kind::Room120, Kind::Drift30, Kind::Loud, Kind::Hard, Kind::Babble];

/// One thing to measure.
#[derive(Clone, Copy, Debug)]
enum Job {
    Scene(Kind, Script, u64),
    Array(u64),
    Worth(u64),
}

/// Measures everything; fails when a bar is missed.
pub fn run(arguments: &[String]) -> ExitCode {
    let (mut record, mut quick, mut aec3, mut chosen) = (false, false, false, None);
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--record" => record = true,
            "--quick" => quick = true,
            "--seeds" if seeds_of(arguments.as_slice().first()).is_some() => {
                chosen = seeds_of(arguments.next())
            }
            "--aec3" if cfg!(feature = "aec3") => aec3 = true,
            "--aec3" => {
                eprintln!("pressel-rooms: --aec3 is not built in; cargo xtask bench sound --aec3 builds it");
                return ExitCode::from(2);
            }
            _ => {
                eprintln!("{USAGE}");
                return ExitCode::from(2);
            }
        }
    }
    let begun = Instant::now();
    let tell = chosen.is_some();
    let seeds = if record { REPORT.to_vec() } else { chosen.unwrap_or(TUNE.to_vec()) };
    let monologues = if tell { seeds.len() } else { 1 };
    let jobs = jobs(if quick { &seeds[..1] } else { &seeds }, monologues, if quick { 10 } else { 60 });
    let beside = pass::beside(aec3);
    let next = AtomicUsize::new(0);
    let measured = Mutex::new(Measured::default());
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(&job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let found = match job {
                        Job::Scene(kind, script, seed) => pass::measure(kind, script, seed, &beside),
                        Job::Array(seed) => array::measure(seed),
                        Job::Worth(seed) => Measured { worth: worth::measure(seed), ..Measured::default() },
                    };
                    measured.lock().expect("no thread fails while it adds").add(found);
                }
            });
        }
    });
    let mut measured = measured.into_inner().expect("no thread failed");
    // Alone on the machine, or as alone as it gets.
    measured.add(pass::cost(seeds[0], &beside));
    let mut table = Table::new(&recorded());
    measured.fill(&mut table);
    if tell {
        measured.told.sort();
        measured.told.iter().for_each(|told| println!("{told}"));
    }
    println!("{}{}\n{}\n{table}", how_chosen(&seeds), measured.misses(), measured.scenes());
    eprintln!("measured in {:.0} s with seeds {seeds:?}", begun.elapsed().as_secs_f32());
    if record {
        let page = |rows: &str| page(rows, &seeds, &measured);
        if let Err(error) = table.record(&recorded(), json!({ "seeds": seeds }), page) {
            eprintln!("pressel-rooms: {error}");
            return ExitCode::FAILURE;
        }
    }
    if table.missed() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// One scene, a row for each engine there is.
pub fn rows(kind: Kind, seed: u64) -> impl Iterator<Item = (&'static str, Row)> {
    let found = pass::measure(kind, Script::Talk, seed, &pass::beside(cfg!(feature = "aec3")));
    found.rows.into_iter().map(|(_, engine, row)| (engine, row))
}

/// The longest first, so that no thread is left alone with one at the end.
fn jobs(seeds: &[u64], monologues: usize, answer_minutes: u32) -> Vec<Job> {
    let mut jobs = Vec::new();
    let answers = Kind::all().count() as u32;
    for &seed in seeds.iter().take(monologues) {
        let script = Script::Monologue(answer_minutes * 60 / answers);
        jobs.extend(Kind::all().map(|kind| Job::Scene(kind, script, seed)));
    }
    for &seed in seeds {
        jobs.extend(Kind::all().map(|kind| Job::Scene(kind, Script::Talk, seed)));
        for kind in LIVELY {
            jobs.push(Job::Scene(kind, Script::BargeIns, seed));
            jobs.push(Job::Scene(kind, Script::Bangs, seed));
            jobs.push(Job::Scene(kind, Script::Nods, seed));
        }
        jobs.push(Job::Array(seed));
        jobs.push(Job::Worth(seed));
    }
    jobs
}

/// Seeds to work with, as `A..B`: nothing is ever tuned on those that are kept for the report.
fn seeds_of(range: Option<&String>) -> Option<Vec<u64>> {
    let (first, end) = range?.split_once("..")?;
    let seeds: Vec<u64> =
        (first.parse().ok()?..end.parse().ok()?).filter(|seed| !REPORT.contains(seed)).collect();
    (!seeds.is_empty()).then_some(seeds)
}

/// The page of a recorded run.
fn page(rows: &str, seeds: &[u64], measured: &Measured) -> String {
    format!(
        "# Benchmarks of the sound path\n\nPrinted by `cargo xtask bench sound --record`: the capture path as the daemon \
         runs it, in rooms made from seeds {seeds:?}\nthat nothing was tuned on, on {}. `linear` is the echo canceller \
         without its suppressor, `speex` the yardstick\n(SpeexDSP with its preprocessor, 400 ms tail),\n`10 ms later` the suppressor by overlap-add (`suppress_delay_ms = 10`). Rows are means \
         over the seeds.\n\n{}{}\n{rows}\n{}",
        Machine::this(),
        how_chosen(seeds),
        measured.misses(),
        measured.scenes(),
    )
}

/// How seeds came to be those that count.
fn how_chosen(seeds: &[u64]) -> &'static str {
    if ![TUNE, REPORT].contains(&[0, 1, 2].map(|n| seeds.get(n).copied().unwrap_or(0))) {
        return "";
    }
    "These seeds are the three of eight tried whose raw and Speex rows lie nearest to the known ones. What they were chosen \
     by is\nwithout the product, so they do not flatter it; but that scenes are as hard as the known ones holds for them and \
     not for any seed.\n"
}

fn recorded() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/sound-benchmarks.json")
}
