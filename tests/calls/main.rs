//! `cargo xtask calls`: thousands of calls of tools in virtual time, over every model's profile, against the strict
//! server; and some hundred through the shipped daemon, with real programs and real sockets. What must hold of each call is
//! in `account.rs`.

mod account;
mod agreed;
mod law;
mod plan;
mod real;
mod run;
mod tools;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use fake_gemini::Script;
use plan::Plan;
use pressel_world::table::{Bar, Machine, Table};
use run::World;
use serde_json::{Value, json};

const USAGE: &str = "\
cargo xtask calls [--quick | --long] [--seed N] [--record]

  --quick    what every commit is held against: 2,000 calls in virtual time
  --long     100,000 calls in virtual time; 10,000 otherwise
  --virtual  none by the daemon
  --real     only those by the daemon
  --seed N   of all runs; a failing run names its own
  --run N    only the run with this seed, and what happened in it
  --record   keep this run as the one to compare with (docs/calls.json, docs/calls.md)";

/// Runs in which something was wrong once, of the device or of the judge. They are always among those in virtual time.
const ONCE_FAILED: [u64; 13] = [
    5002, 200_133, 200_583, 200_833, 200_989, 201_171, 400_019, 600_043, 900_874, 1_000_040, 1_000_090,
    1_000_104, 1_001_376,
];
/// Stories of failing runs that are told.
const STORIES: usize = 5;

struct Arguments {
    calls: usize,
    /// Of the daemon, with each model.
    turns: usize,
    seed: u64,
    run: Option<u64>,
    record: bool,
}

fn parse() -> Result<Arguments, String> {
    let mut parsed = Arguments { calls: 10_000, turns: 8, seed: 1, run: None, record: false };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || {
            let number = arguments.next().and_then(|number| number.parse().ok());
            number.ok_or(format!("{argument} needs a number"))
        };
        match argument.as_str() {
            "--quick" => (parsed.calls, parsed.turns) = (2000, 0),
            "--virtual" => parsed.turns = 0,
            "--long" => parsed.calls = 100_000,
            "--real" => parsed.calls = 0,
            "--record" => parsed.record = true,
            "--seed" => parsed.seed = number()?,
            "--run" => parsed.run = Some(number()?),
            other => return Err(format!("no option {other}")),
        }
    }
    Ok(parsed)
}

/// What is counted over all runs.
#[derive(Default)]
struct Sum {
    runs: u64,
    calls: usize,
    ran: usize,
    cancelled: usize,
    late: u32,
    links: u32,
    signs: u32,
    closes: u32,
    missing: usize,
    double: usize,
    twice: usize,
    untold: usize,
    asked: usize,
    agreed: u32,
    undue: usize,
    other: usize,
    failed: Vec<(u64, String)>,
}

impl Sum {
    fn add(&mut self, seed: u64, world: &World<'_>) {
        let account = &world.account;
        self.runs += 1;
        self.calls += account.made.len();
        self.ran += account.runs.len();
        self.cancelled += account.made.values().filter(|made| made.cancelled.is_some()).count();
        self.late += account.late;
        self.links += account.links;
        self.signs += account.signs;
        self.closes += account.closes;
        self.asked += account.asked;
        self.agreed += account.agreed;
        for what in &account.broken {
            let has = |word: &str| what.contains(word);
            let count = match () {
                () if has("the server closed") => continue,
                () if has("no response") => &mut self.missing,
                () if has("without due consent") => &mut self.undue,
                () if has("response ") => &mut self.double,
                () if has(" ran ") || has("runs already") => &mut self.twice,
                () if has("nobody was told") => &mut self.untold,
                () => &mut self.other,
            };
            *count += 1;
        }
        if let Some(first) = account.broken.first() {
            self.failed.push((seed, format!("{first} ({} in all)", account.broken.len())));
        }
    }

    fn put(&self, table: &mut Table) {
        let none = Bar::Exactly(0.0);
        let Sum { runs, calls, ran, .. } = self;
        let mut row = |name: String, value: f64, bar| table.put(name, value, "", bar);
        row(
            format!("of {calls} calls in {runs} runs: links closed by the server"),
            f64::from(self.closes),
            none,
        );
        row("  calls without a response".into(), self.missing as f64, none);
        row("  calls with two, or with none that was made".into(), self.double as f64, none);
        row("  tools run twice for one call".into(), self.twice as f64, none);
        row("  results that no server was told".into(), self.untold as f64, none);
        row("  runs without due consent".into(), self.undue as f64, none);
        row(
            "  anything else: a cancelled tool that goes on, silence, a complaint".into(),
            self.other as f64,
            none,
        );
        row("  calls that a person was asked about".into(), self.asked as f64, Bar::None);
        row("  of them run with consent".into(), f64::from(self.agreed), Bar::None);
        row(format!("  of {ran} tools that ran: taken back by the server"), self.cancelled as f64, Bar::None);
        row("  told in words, their call being dead or answered".into(), f64::from(self.late), Bar::None);
        row("  links".into(), f64::from(self.links), Bar::None);
        row("  times that somebody was told to wait".into(), f64::from(self.signs), Bar::None);
    }
}

/// Plays runs until there are so many calls.
fn virtual_time(calls: usize, seed: u64, declared: &[Value]) -> Sum {
    let (next, made) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let of = |n: usize| {
        let later = || seed + (n - ONCE_FAILED.len()) as u64;
        ONCE_FAILED.get(n).copied().unwrap_or_else(later)
    };
    let sum = Mutex::new(Sum::default());
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while made.load(Ordering::Relaxed) < calls {
                    let seed = of(next.fetch_add(1, Ordering::Relaxed));
                    let plan = Plan::of_seed(seed);
                    let mut world = World::new(&plan, declared, false);
                    world.run();
                    made.fetch_add(world.account.made.len(), Ordering::Relaxed);
                    sum.lock().expect("no thread fails while it counts").add(seed, &world);
                }
            });
        }
    });
    let mut sum = sum.into_inner().expect("no thread failed");
    sum.failed.sort();
    sum
}

/// Models that take no tools are offered none.
fn without(declared: &[Value]) -> u32 {
    let closes = plan::WITHOUT.iter().map(|model| {
        let script = Script::default();
        let deeds = vec![(Duration::from_secs(1), plan::Deed::Ask(Duration::from_secs(1)))];
        let (header, rtt) = ("mode hold".to_owned(), Duration::from_millis(50));
        let length = Duration::from_secs(20);
        let plan =
            Plan { seed: 1, model, header, rtt, script, errands: Vec::new(), deeds, length, phrases: true };
        let mut world = World::new(&plan, declared, false);
        world.run();
        world.account.closes + u32::from(world.account.links != 1)
    });
    closes.sum()
}

fn main() -> ExitCode {
    let arguments = match parse() {
        Ok(arguments) => arguments,
        Err(mistake) => {
            eprintln!("pressel-calls: {mistake}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match calls(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("pressel-calls: {error}");
            ExitCode::FAILURE
        }
    }
}

fn calls(arguments: &Arguments) -> Result<bool, String> {
    let folder = tempfile::tempdir().map_err(|error| format!("a temporary folder: {error}"))?;
    let tools = tools::tools(folder.path())?;
    let declared: Vec<Value> = tools.iter().map(pressel::tools::Tool::declare).collect();
    if let Some(seed) = arguments.run {
        let plan = Plan::of_seed(seed);
        let mut world = World::new(&plan, &declared, true);
        world.run();
        println!("{} {:?} rtt {:?}", plan.model, plan.header, plan.rtt);
        println!("{}", world.story.take().unwrap_or_default().join("\n"));
        println!("{}", world.account.broken.join("\n"));
        return Ok(world.account.broken.is_empty());
    }
    let begun = Instant::now();
    let mut table = Table::new(&recorded());
    let sum = virtual_time(arguments.calls, arguments.seed, &declared);
    let virtually = arguments.calls > 0;
    for (seed, what) in sum.failed.iter().take(STORIES) {
        eprintln!("run {seed}, {}: {what}", Plan::of_seed(*seed).model);
    }
    if virtually {
        sum.put(&mut table);
    }
    table.put("models without tools that were offered some", without(&declared), "", Bar::Exactly(0.0));
    put_real(&mut table, arguments)?;
    println!("{table}");
    eprintln!("seed {}, {:.1} s", arguments.seed, begun.elapsed().as_secs_f32());
    if arguments.record {
        let page = |rows: &str| page(rows, arguments.seed);
        let kept = table.record(&recorded(), json!({ "seed": arguments.seed }), page);
        kept.map_err(|error| format!("{}: {error}", recorded().display()))?;
    }
    Ok(table.missed() == 0)
}

/// By the daemon: 5 calls a turn, with each of the models.
fn put_real(table: &mut Table, arguments: &Arguments) -> Result<(), String> {
    if arguments.turns == 0 {
        return Ok(());
    }
    let found = real::real(arguments.turns, arguments.seed).map_err(|error| error.to_string())?;
    found.told.iter().take(2 * STORIES).for_each(|what| eprintln!("by the daemon: {what}"));
    let none = Bar::Exactly(0.0);
    let mut row = |name: String, value: usize| table.put(name, value as f64, "", none);
    row(format!("of {} calls by the daemon: links closed, or complaints", found.calls), found.closes);
    row("  calls without a response".into(), found.missing);
    row("  calls with two, or with none that was made".into(), found.double);
    row("  programs or requests for one call: more than one".into(), found.twice);
    row("  processes left over".into(), found.orphans);
    row(
        format!("  of {} calls that a person was asked about: run without due consent", found.asked),
        found.undue,
    );
    row(format!("  of {} that were run with consent: agreed to, and not run", found.agreed), found.unheeded);
    let mut some = |name: &str, value: usize| table.put(name, value as f64, "", Bar::AtLeast(1.0));
    some("  calls that somebody agreed to once the question was heard", found.due);
    some("  daemon killed with a program at work", found.killed);
    let name = "  daemon killed: dead with all it started";
    table.put(name, found.dead_ms, "ms", Bar::AtMost(500.0));
    Ok(())
}

fn page(rows: &str, seed: u64) -> String {
    format!(
        "# Calls of tools\n\nPrinted by `cargo xtask calls --record --seed {seed}`. {}.\n\n{rows}\n{}",
        Machine::this(),
        include_str!("page.md")
    )
}

fn recorded() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/calls.json")
}
