//! The rows that are measured in virtual time, against the conversation alone.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use pressel_world::table::Bar;
use pressel_world::talk::campaign::{Away, Finding, Outage, Outcome, Plan, Press, matrix, run};

use crate::report::Figure;
use crate::rows::Extent;

/// Nobody waits longer than this while there is a network.
const DEAF: Duration = Duration::from_secs(10);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Stories of failing runs that are written down.
const STORIES: usize = 10;

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// All of them, from this seed on.
pub fn figures(extent: &Extent, seed: u64) -> Vec<Figure> {
    let mut figures = seeded(extent, seed);
    figures.extend(endings());
    figures.extend(slow_pongs(extent, seed));
    figures.extend(outages(seed));
    figures.extend(days(seed));
    figures
}

/// Plays so many plans on all cores.
fn play<T: Send>(count: u64, of: impl Fn(u64) -> T + Sync) -> Vec<T> {
    let next = AtomicU64::new(0);
    let found = Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= count {
                        return;
                    }
                    let value = of(n);
                    found.lock().unwrap_or_else(PoisonError::into_inner).push((n, value));
                }
            });
        }
    });
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.sort_by_key(|(n, _)| *n);
    found.into_iter().map(|(_, value)| value).collect()
}

/// What a run broke, in a few words; empty where nothing.
fn failures(outcome: &Outcome) -> Vec<String> {
    let mut failures = Vec::new();
    let longest = outcome.longest();
    if longest > DEAF {
        failures.push(format!("deaf for {:.1} s", longest.as_secs_f32()));
    }
    for (count, what) in [
        (outcome.lost_ms, "ms of speech lost and not counted"),
        (u64::from(outcome.asked_twice), "questions asked twice"),
        (u64::from(outcome.tools_twice), "tools run twice"),
        (u64::from(outcome.killed), "good links given up"),
    ] {
        if count > 0 {
            failures.push(format!("{count} {what}"));
        }
    }
    failures.extend(outcome.broken.iter().take(2).cloned());
    failures
}

/// Everything at once, as seeds have it. Failing runs are told, and the first of them written down.
pub fn seeded(extent: &Extent, seed: u64) -> Vec<Figure> {
    let count = if extent.long { 5000 } else { 1000 };
    let outcomes = play(count, |n| run(&Plan::of_seed(seed + n)));
    let mut written = 0;
    let mut told: Vec<(usize, &Outcome)> = outcomes.iter().enumerate().collect();
    // What is lost or done twice says more than a wait.
    told.sort_by_key(|(_, o)| {
        o.lost_ms == 0 && o.asked_twice == 0 && o.tools_twice == 0 && o.broken.is_empty()
    });
    for (n, outcome) in told {
        let failures = failures(outcome);
        if !failures.is_empty() && written < STORIES {
            written += 1;
            let seed = seed + n as u64;
            let told = run(&Plan { told: true, ..Plan::of_seed(seed) });
            let path = story(&format!("talk-{seed}"), &told);
            eprintln!("in virtual time, seed {seed}: {}; {}", failures.join(", "), path.display());
        }
    }
    let runs = |so: &dyn Fn(&Outcome) -> bool| outcomes.iter().filter(|outcome| so(outcome)).count() as f64;
    let none = Bar::Exactly(0.0);
    let waits: usize = outcomes.iter().map(|outcome| outcome.waits.len()).sum();
    let longest = outcomes.iter().map(Outcome::longest).max().unwrap_or_default().as_secs_f64();
    vec![
        Figure::new(
            format!("of {count} runs in virtual time: deaf for more than 10 s"),
            runs(&|o| o.longest() > DEAF),
            "",
            none,
        ),
        Figure::new(format!("  longest of {waits} waits to be heard whole"), longest, "s", Bar::None),
        Figure::new("  runs with speech lost and not counted", runs(&|o| o.lost_ms > 0), "", none),
        Figure::new("  runs with a question asked twice", runs(&|o| o.asked_twice > 0), "", none),
        Figure::new("  runs with a tool run twice for one question", runs(&|o| o.tools_twice > 0), "", none),
        Figure::new("  runs that broke the protocol", runs(&|o| !o.broken.is_empty()), "", none),
    ]
}

/// Every close and status at every phase.
fn endings() -> Vec<Figure> {
    let found = matrix();
    for Finding { at, what } in &found.findings {
        eprintln!("{at}: {what}");
    }
    let (first, each) = found.fatal_dials;
    let name = format!("{} endings of links at every phase: gone wrong", found.tried);
    vec![
        Figure::new(name, found.findings.len() as f64, "", Bar::Exactly(0.0)),
        Figure::new("dials after a fatal refusal, every one of them", first as f64, "", Bar::Exactly(1.0)),
        Figure::new("  for a press after that", each as f64, "", Bar::Exactly(1.0)),
    ]
}

/// Pongs of 8 to 30 s, answers that take their time, and nothing wrong with the link.
fn slow_pongs(extent: &Extent, seed: u64) -> Vec<Figure> {
    let count = if extent.long { 2000 } else { 300 };
    let outcomes = play(count, |n| {
        let mut random = fastrand::Rng::with_seed(seed + n);
        let mut plan = Plan::of_seed(seed + n);
        (plan.outages, plan.blows) = (Vec::new(), Vec::new());
        plan.pong = Duration::from_millis(random.u64(8_000..30_000));
        plan.think = s(20);
        run(&plan)
    });
    let killed: u32 = outcomes.iter().map(|outcome| outcome.killed).sum();
    vec![Figure::new("  good links given up, pongs of 8 to 30 s", f64::from(killed), "", Bar::Exactly(0.0))]
}

/// A talk is wanted all the time, and the network goes and comes.
fn outages(seed: u64) -> Vec<Figure> {
    let header = "mode open\nstart always\nidle never";
    let mut figures = Vec::new();
    let told = [Away::Refused, Away::NoName, Away::Gone, Away::Status(503), Away::Captive];
    // A dial that is on its way into nothing when the network comes back has to fail first.
    let untold = [Away::Silent, Away::Hung];
    for (name, kinds, lengths, most_s) in [
        ("ready again after outages up to 60 s", told.to_vec(), [1, 5, 20, 60].as_slice(), 1.5),
        (
            "ready again after outages of minutes and hours",
            [&told[..], &untold].concat(),
            &[90, 300, 3600, 6 * 3600],
            33.0,
        ),
    ] {
        let mut worst = 0.0_f64;
        for away in kinds {
            for lasts in lengths {
                let mut plan = Plan::quiet(seed, header, s(lasts + 200));
                plan.outages.push(Outage { from: s(0), to: s(*lasts), away });
                let outcome = run(&plan);
                let after = outcome.ready_again(&plan).map_or(f64::INFINITY, |after| after.as_secs_f64());
                if after > most_s {
                    eprintln!("{name}: {after:.1} s after {away:?} of {lasts} s");
                }
                worst = worst.max(after);
            }
        }
        figures.push(Figure::new(name, worst, "s", Bar::AtMost(most_s)));
    }
    figures
}

/// A day without a network, and days in which nobody talks.
fn days(seed: u64) -> Vec<Figure> {
    let mut figures = Vec::new();
    let mut most = 0;
    for header in ["mode open\nstart always\nidle never", "mode hold"] {
        for away in [Away::Refused, Away::Silent, Away::Hung, Away::Status(503), Away::Status(429)] {
            let mut plan = Plan::quiet(seed, header, DAY + s(60));
            plan.outages.push(Outage { from: s(10), to: DAY + s(10), away });
            // In hold mode only who presses wants a link: once an hour.
            if header == "mode hold" {
                plan.presses = (0..24).map(|n| Press { at: s(20 + n * 3600), speech: s(2) }).collect();
            }
            let dials = run(&plan).dials.len();
            if dials > 3000 {
                eprintln!("{dials} dials in 24 h of {away:?}, {}", header.lines().next().unwrap_or_default());
            }
            most = most.max(dials);
        }
    }
    figures.push(Figure::new("dials in an outage of 24 h", most as f64, "", Bar::AtMost(3000.0)));
    for mode in ["hold", "tap"] {
        let mut plan = Plan::quiet(seed, &format!("mode {mode}"), DAY);
        plan.presses.push(Press { at: s(1), speech: s(2) });
        let talk = run(&Plan { length: s(60), ..plan.clone() });
        let bytes = run(&plan).sound_bytes - talk.sound_bytes;
        figures.push(Figure::new(
            format!("bytes of sound sent in 24 h idle, {mode}"),
            bytes as f64,
            "B",
            Bar::Exactly(0.0),
        ));
    }
    figures
}

/// Writes down what happened in a run.
fn story(name: &str, outcome: &Outcome) -> PathBuf {
    let folder = std::env::temp_dir().join("pressel-faults");
    let path = folder.join(format!("{name}.txt"));
    let written =
        std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&path, outcome.story.join("\n")));
    if let Err(error) = written {
        eprintln!("{}: {error}", path.display());
    }
    path
}
