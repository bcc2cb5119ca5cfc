//! Every test, and one closing line that counts them.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::{aloop, apt, dist, lint, nspawn, root, sh};

const ALL: &[&str] = &["test", "--workspace", "--no-fail-fast"];
/// One after the other: there is one card.
const OVER_ALOOP: &[&str] =
    &["test", "-p", "tests", "--test", "it", "--", "aloop::", "--nocapture", "--test-threads=1"];

/// One machine at a time.
const IN_NSPAWN: &[&str] =
    &["test", "-p", "tests", "--test", "it", "--", "nspawn::", "--nocapture", "--test-threads=1"];

/// Builds the programs, then runs all tests of the workspace; with `--aloop` those that use the kernel's loopback card,
/// with `--nspawn` those that boot a machine. With `CI` set, lints come first.
pub fn test(args: &[String]) -> Result<(), String> {
    let aloop = aloop::wanted(args);
    if aloop {
        aloop::need()?;
    }
    let machine = if nspawn::wanted(args) { Some(nspawn::need()?) } else { None };
    apt::need(apt::BUILD)?;
    if std::env::var_os("CI").is_some() {
        lint::lint()?;
    }
    let own = args.iter().position(|a| a == "--").map_or(&[][..], |i| &args[i + 1..]);
    // The integration tests run the real programs.
    sh("cargo", &["build", "--workspace", "--bins", "--quiet"])?;

    let package = match &machine {
        Some(_) => dist::package("amd64", &dist::target().join("debug/pressel"))?,
        None => Default::default(),
    };
    let chosen = match (aloop, &machine) {
        (true, _) => OVER_ALOOP,
        (false, Some(_)) => IN_NSPAWN,
        (false, None) => ALL,
    };
    eprintln!("$ cargo {} {}", chosen.join(" "), own.join(" "));
    let mut child = Command::new("cargo")
        .args(chosen)
        .args(own)
        .env("PRESSEL_ALOOP", if aloop { "1" } else { "" })
        .env("PRESSEL_NSPAWN", machine.unwrap_or_default())
        .env("PRESSEL_DEB", package)
        .current_dir(root())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| format!("cargo: {e}"))?;
    let out = child.stdout.take().expect("stdout is piped");
    let mut sum = Sum::default();
    for line in BufReader::new(out).lines() {
        let line = line.map_err(|e| format!("cargo test: {e}"))?;
        println!("{line}");
        sum.add(&line);
    }
    let status = child.wait().map_err(|e| format!("cargo: {e}"))?;
    println!("\n{} passed, {} failed", sum.passed, sum.failed);
    if status.success() && sum.failed == 0 && sum.passed > 0 {
        Ok(())
    } else {
        Err(format!("cargo test: {status}"))
    }
}

#[derive(Default, Debug, PartialEq)]
struct Sum {
    passed: u64,
    failed: u64,
}

impl Sum {
    fn add(&mut self, line: &str) {
        let Some(counts) = line.strip_prefix("test result: ") else { return };
        let number = |word: &str| {
            let before = counts.split(word).next()?;
            before.rsplit([' ', '.']).find(|t| !t.is_empty())?.parse::<u64>().ok()
        };
        self.passed += number(" passed").unwrap_or(0);
        self.failed += number(" failed").unwrap_or(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_the_runners_own_counts() {
        let mut sum = Sum::default();
        sum.add(
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.02s",
        );
        sum.add("test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out");
        sum.add("running 5 tests");
        assert_eq!(sum, Sum { passed: 15, failed: 2 });
    }
}
