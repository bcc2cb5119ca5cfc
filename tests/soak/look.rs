//! What the daemon holds while nothing goes on: memory, descriptors, threads.

use std::fmt;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use ::tests::stage::Stage;

/// A link that nobody uses is gone by then, and whatever a look-up or a fault has left behind.
const QUIET: Duration = Duration::from_secs(40);
/// Looks until caches and arenas are warm, as a share of all.
const WARM: usize = 5;

/// One look.
pub struct Look {
    minutes: f64,
    rss_kb: u64,
    descriptors: usize,
    threads: u64,
}

impl Look {
    /// Waits until the link is closed, both cards are there and no short-lived thread is left.
    pub fn at(stage: &mut Stage, begun: Instant) -> io::Result<Look> {
        let deadline = Instant::now() + QUIET;
        loop {
            stage.daemon.check_alive()?;
            let status = stage.remote.status()?;
            if status["link"]["state"] == "down" && status["phase"] == "idle" {
                break;
            }
            if Instant::now() > deadline {
                let (link, phase) = (&status["link"]["state"], &status["phase"]);
                return Err(io::Error::other(format!("no rest: the link is {link}, the phase {phase}")));
            }
            std::thread::sleep(Duration::from_millis(100)); // asked for, not told
        }
        std::thread::sleep(Duration::from_millis(500)); // what a closed link leaves behind goes unannounced
        let usage = stage.daemon.usage()?;
        let folder = Path::new("/proc").join(stage.daemon.pid().to_string()).join("fd");
        Ok(Look {
            minutes: begun.elapsed().as_secs_f64() / 60.0,
            rss_kb: usage.rss_kb,
            descriptors: std::fs::read_dir(folder)?.count(),
            threads: usage.threads,
        })
    }
}

/// All looks of a run.
#[derive(Default)]
pub struct Looks(Vec<Look>);

impl Looks {
    pub fn add(&mut self, look: Look) {
        println!(
            "{:6.1} min  {:6} kB  {:3} descriptors  {:2} threads",
            look.minutes, look.rss_kb, look.descriptors, look.threads
        );
        self.0.push(look);
    }

    /// What grew.
    pub fn broken(&self, growth_kb: u64) -> Vec<String> {
        let mut broken = Vec::new();
        let warm = &self.0[(self.0.len() / WARM).min(self.0.len())..];
        let (Some(first), Some(last)) = (warm.first(), warm.last()) else {
            return vec!["too short for a look".to_owned()];
        };
        if last.rss_kb > first.rss_kb + growth_kb {
            broken.push(format!("resident memory grew by {} kB", last.rss_kb - first.rss_kb));
        }
        if last.descriptors != first.descriptors {
            broken.push(format!("{} descriptors became {}", first.descriptors, last.descriptors));
        }
        if last.threads != first.threads {
            broken.push(format!("{} threads became {}", first.threads, last.threads));
        }
        broken
    }
}

impl fmt::Display for Looks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n| once warm | first | last | least | most |\n|---|---|---|---|---|")?;
        let mut row = |name: &str, value: &dyn Fn(&Look) -> u64| {
            let warm = &self.0[(self.0.len() / WARM).min(self.0.len())..];
            let at = |look: Option<&Look>| look.map_or(0, value);
            let (least, most) = (warm.iter().map(value).min(), warm.iter().map(value).max());
            writeln!(
                f,
                "| {name} | {} | {} | {} | {} |",
                at(warm.first()),
                at(warm.last()),
                least.unwrap_or(0),
                most.unwrap_or(0)
            )
        };
        row("resident, kB", &|look| look.rss_kb)?;
        row("descriptors", &|look| look.descriptors as u64)?;
        row("threads", &|look| look.threads)
    }
}

/// The end of a log.
pub fn last_lines(log: &str, count: usize) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looks(last: (u64, usize, u64)) -> Looks {
        let look = |(rss_kb, descriptors, threads)| Look { minutes: 0.0, rss_kb, descriptors, threads };
        // The first is cold and does not count.
        let mut all = vec![(1_000, 3, 2)];
        all.extend([(9_000, 20, 5); 8]);
        all.push(last);
        Looks(all.into_iter().map(look).collect())
    }

    #[test]
    fn what_grows_is_named() {
        assert_eq!(looks((9_900, 20, 5)).broken(1024), [""; 0]);
        assert!(looks((10_100, 20, 5)).broken(1024)[0].contains("grew by 1100 kB"));
        assert!(looks((9_000, 21, 5)).broken(1024)[0].contains("20 descriptors became 21"));
        assert!(looks((9_000, 20, 6)).broken(1024)[0].contains("5 threads became 6"));
        assert_eq!(Looks::default().broken(1024).len(), 1);
    }
}
