//! `cargo xtask soak`: talk after talk with the real daemon, and in between whatever a seed does to cards, network,
//! configuration and button. Nothing may grow, and nothing may drift.
//!
//! Accelerated: a talk follows the other within seconds, where a household has a few in an hour.

mod fault;
mod look;
mod round;

use std::collections::BTreeMap;
use std::io;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use ::tests::measure::percentile;
use ::tests::stage::proxy::Proxy;
use ::tests::stage::{Setting, Stage};
use fake_gemini::{Options, Script, Turn};
use pressel_world::card::{CardOptions, StreamOptions};

use crate::fault::Fault;
use crate::look::{Look, Looks};
use crate::round::Lag;

const USAGE: &str = "\
cargo xtask soak [LENGTH] [--seed N]

  LENGTH     5m (the default), 20m, 8h, or a number of hours
  --seed N   of what goes wrong and when; a run without one says which it took";

/// Talks between two looks at what the daemon holds.
const TALKS_PER_LOOK: u32 = 6;
/// Every so-manieth talk is left alone, and looked at sample by sample.
const LEFT_ALONE: u32 = 3;
/// Resident memory may grow by so much once it is warm.
const GROWTH_KB: u64 = 1024;
/// The microphone's way to the wire may become longer or shorter by so much over the run, in ms.
const DRIFT_MS: f64 = 5.0;

struct Arguments {
    length: Duration,
    seed: u64,
}

fn parse(arguments: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let mut parsed = Arguments { length: Duration::from_secs(300), seed: fastrand::u64(1..1_000_000) };
    let mut arguments = arguments.peekable();
    while let Some(argument) = arguments.next() {
        if argument == "--seed" {
            let number = arguments.next().and_then(|number| number.parse().ok());
            parsed.seed = number.ok_or("--seed needs a number")?;
        } else {
            parsed.length = length(&argument).ok_or(format!("\"{argument}\" is no length: 5m, 8h, 0.5"))?;
        }
    }
    Ok(parsed)
}

fn length(text: &str) -> Option<Duration> {
    let (number, unit_s) = match text.strip_suffix('m') {
        Some(minutes) => (minutes, 60.0),
        None => (text.strip_suffix('h').unwrap_or(text), 3600.0),
    };
    let number: f64 = number.parse().ok()?;
    (number > 0.0 && number <= 1000.0).then(|| Duration::from_secs_f64(number * unit_s))
}

fn main() -> ExitCode {
    let arguments = match parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(mistake) => {
            eprintln!("pressel-soak: {mistake}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    println!("soak of {} min, --seed {}", arguments.length.as_secs() / 60, arguments.seed);
    match soak(&arguments) {
        Ok(broken) if broken.is_empty() => ExitCode::SUCCESS,
        Ok(broken) => {
            for text in broken {
                eprintln!("pressel-soak: {text}");
            }
            eprintln!("pressel-soak: again with --seed {}", arguments.seed);
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("pressel-soak: {error}; again with --seed {}", arguments.seed);
            ExitCode::FAILURE
        }
    }
}

/// The stage behind a network that can be torn.
struct Ground {
    stage: Stage,
    proxy: Proxy,
}

fn ground(folder: &std::path::Path, arguments: &Arguments) -> io::Result<Ground> {
    let proxy = Proxy::start(arguments.seed, true)?;
    let seconds = arguments.length.as_secs() as u32 + 600;
    let stream = |rate_hz| StreamOptions { seconds, ..StreamOptions::new(rate_hz, 1) };
    let script = Script { rest: Turn::noise(700, 1), ..Script::default() };
    let setting = Setting {
        card: CardOptions { microphone: stream(16_000), speaker: stream(24_000) },
        server: Options { realtime: true, ..Options::script(script) },
        endpoint: Some(proxy.url()),
        ..Setting::mode("hold", "quiet_close_s = 5\n")
    };
    let stage = Stage::set(folder, setting)?;
    proxy.lead_to(stage.server.address());
    Ok(Ground { stage, proxy })
}

fn soak(arguments: &Arguments) -> io::Result<Vec<String>> {
    let folder = tempfile::tempdir()?;
    let mut ground = ground(folder.path(), arguments)?;
    let mut random = fastrand::Rng::with_seed(arguments.seed);
    let (mut looks, mut lags, mut faults) = (Looks::default(), Vec::new(), BTreeMap::new());
    let mut broken = Vec::new();
    let begun = Instant::now();
    let (mut talks, mut passed_over) = (0, 0);
    while begun.elapsed() < arguments.length && broken.is_empty() {
        let fault = (talks % LEFT_ALONE != 0).then(|| Fault::by_chance(&mut random));
        let done = match fault {
            None => round::whole(&ground).map(|lag| match lag {
                Some(lag) => lags.push(lag),
                None => passed_over += 1,
            }),
            Some(fault) => {
                *faults.entry(fault.word()).or_insert(0) += 1;
                round::torn(&ground, fault, &mut random)
            }
        };
        if let Err(error) = done {
            let what = fault.map_or("left alone", Fault::word);
            broken.push(format!(
                "talk {talks} ({what}): {error}\n{}",
                look::last_lines(&ground.stage.log(), 30)
            ));
        }
        talks += 1;
        if talks % TALKS_PER_LOOK == 0 && broken.is_empty() {
            match Look::at(&mut ground.stage, begun) {
                Ok(look) => looks.add(look),
                Err(error) => broken.push(format!("after {talks} talks: {error}")),
            }
        }
    }
    let (code, _) = ground.stage.daemon.stop()?;
    if code != Some(0) {
        broken.push(format!("the daemon ended with {code:?}\n{}", look::last_lines(&ground.stage.log(), 30)));
    }
    println!("{looks}");
    let torn: Vec<String> = faults.iter().map(|(word, count)| format!("{count} {word}")).collect();
    println!("{talks} talks in {:.0} min; {}", begun.elapsed().as_secs_f64() / 60.0, torn.join(", "));
    if passed_over > 0 {
        println!("passed over, since this machine was too busy for them: {passed_over}");
    }
    broken.extend(looks.broken(GROWTH_KB));
    broken.extend(drift(&lags));
    Ok(broken)
}

/// From the microphone to the wire, at the run's beginning and at its end.
fn drift(lags: &[Lag]) -> Option<String> {
    let part = (lags.len() / 4).max(1);
    if lags.len() < 4 {
        return Some(format!("{} talks were left alone: too few to see a drift", lags.len()));
    }
    let half = |lags: &[Lag]| percentile(&mut lags.iter().map(|lag| lag.ms).collect::<Vec<_>>(), 0.5);
    let (first, last) = (half(&lags[..part]), half(&lags[lags.len() - part..]));
    println!(
        "microphone → wire: {first:.2} ms in the first quarter, {last:.2} ms in the last; {} samples of {} talks, none lost",
        lags.iter().map(|lag| lag.samples).sum::<u64>(),
        lags.len()
    );
    ((last - first).abs() > DRIFT_MS).then(|| format!("it drifted by {:.1} ms", last - first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_minutes_or_hours() {
        let s = |text| length(text).map(|length| length.as_secs());
        assert_eq!((s("5m"), s("8h"), s("0.5"), s("2")), (Some(300), Some(28_800), Some(1800), Some(7200)));
        assert_eq!((s("m"), s("-1"), s("0"), s("soon"), s("9999h")), (None, None, None, None, None));
    }

    #[test]
    fn a_way_that_grows_longer_is_a_drift() {
        let lags = |last: f64| -> Vec<Lag> {
            (0..40).map(|n| Lag { ms: 25.0 + last * f64::from(n) / 40.0, samples: 1 }).collect()
        };
        assert_eq!(drift(&lags(0.0)), None);
        assert!(drift(&lags(20.0)).is_some_and(|text| text.contains("drifted")));
        assert!(drift(&[]).is_some());
    }
}
