//! Every test, and one closing line that counts them.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::{aloop, apt, arm, image, lint, mcp, nspawn, root, run, sh, vm};

/// What a tier's tests find out from their environment: where that is which they need.
pub type Needs = Vec<(&'static str, PathBuf)>;

/// Tests that need more than any machine has.
struct Tier {
    /// How they are asked for.
    flag: &'static str,
    /// Their module.
    module: &'static str,
    /// Sees that what they need is there.
    need: fn() -> Result<Needs, String>,
}

const TIERS: &[Tier] = &[
    Tier { flag: "--aloop", module: "aloop::", need: aloop::test },
    Tier { flag: "--nspawn", module: "nspawn::", need: nspawn::test },
    Tier { flag: "--vm", module: "vm::", need: vm::test },
    Tier { flag: "--arm64", module: "arm::", need: arm::test },
    Tier { flag: "--image", module: "image::", need: image::test },
];

/// Builds the programs, then runs all tests of the workspace and the quick sets of calls and faults, or those of the tiers
/// that are asked for. With `CI` set, lints come first, and the tests of the installed service last where root may boot a container.
pub fn test(args: &[String]) -> Result<(), String> {
    let tiers: Vec<&Tier> = TIERS.iter().filter(|tier| wanted(args, tier.flag)).collect();
    apt::need(apt::BUILD)?;
    let ci = std::env::var_os("CI").is_some();
    if ci {
        lint::lint()?;
    }
    let mut needs = Needs::new();
    for tier in &tiers {
        needs.extend((tier.need)()?);
    }
    // The integration tests run the real programs.
    sh("cargo", &["build", "--workspace", "--bins", "--quiet"])?;
    let own = args.iter().position(|a| a == "--").map_or(&[][..], |i| &args[i + 1..]);
    let mut sum = Sum::default();
    if !tiers.is_empty() {
        run_tiers(&tiers, needs, own, &mut sum)?;
        return sum.close("not asked for");
    }
    apt::need(apt::SERVICES)?;
    // Its tests first: they build what the program is made of.
    mcp::cargo("test", &["--quiet"])?;
    mcp::cargo("build", &["--quiet"])?;
    run_tests(&["--workspace", "--no-fail-fast"], own, Needs::new(), &mut sum)?;
    if !own.is_empty() || !sum.passed_all() {
        return sum.close("passed over");
    }
    if ci && root_here() {
        let installed: Vec<&Tier> = TIERS.iter().filter(|tier| tier.flag == "--nspawn").collect();
        run_tiers(&installed, nspawn::test()?, own, &mut sum)?;
    }
    let campaigns = run::calls(&["--quick".to_owned()]).and_then(|()| run::faults(&[]));
    sum.close(if campaigns.is_ok() { "every bar reached" } else { "bars missed" })?;
    campaigns
}

/// One after the other: there is one card, and one machine at a time is enough for this one.
fn run_tiers(tiers: &[&Tier], needs: Needs, own: &[String], sum: &mut Sum) -> Result<(), String> {
    let mut chosen = vec!["-p", "tests", "--test", "it", "--"];
    // Names of tests add up: one of a person's own stands for itself.
    if own.first().is_none_or(|first| first.starts_with('-')) {
        chosen.extend(tiers.iter().map(|tier| tier.module));
    }
    chosen.extend(["--nocapture", "--test-threads=1"]);
    run_tests(&chosen, own, needs, sum)
}

/// Runs tests and counts them as they tell.
fn run_tests(chosen: &[&str], own: &[String], needs: Needs, sum: &mut Sum) -> Result<(), String> {
    eprintln!("$ cargo test {} {}", chosen.join(" "), own.join(" "));
    // Most of them wait for a sound to end: one more at a time than there are processors for. A tier says its own number.
    let threads = std::thread::available_parallelism().map_or(2, |processors| processors.get() + 1);
    let threads = std::env::var("RUST_TEST_THREADS").unwrap_or_else(|_| threads.to_string());
    let mut child = Command::new("cargo")
        .arg("test")
        .env("RUST_TEST_THREADS", threads)
        .args(chosen)
        .args(own)
        .envs(needs)
        .current_dir(root())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| format!("cargo: {e}"))?;
    let out = child.stdout.take().expect("stdout is piped");
    for line in BufReader::new(out).lines() {
        let line = line.map_err(|e| format!("cargo test: {e}"))?;
        println!("{line}");
        sum.add(&line);
    }
    let status = child.wait().map_err(|e| format!("cargo: {e}"))?;
    if !status.success() {
        sum.broken.get_or_insert(format!("cargo test: {status}"));
    }
    Ok(())
}

/// Containers are booted by root alone.
fn root_here() -> bool {
    let output = Command::new("id").arg("-u").output();
    output.is_ok_and(|output| output.stdout == b"0\n")
}

/// Whether the command line asks for this; what follows two dashes is for the tests.
pub fn wanted(args: &[String], flag: &str) -> bool {
    args.iter().take_while(|a| *a != "--").any(|a| a == flag)
}

#[derive(Default, Debug, PartialEq)]
struct Sum {
    passed: u64,
    failed: u64,
    /// What the runner said of tests that failed, or of itself.
    broken: Option<String>,
}

impl Sum {
    fn passed_all(&self) -> bool {
        self.broken.is_none() && self.failed == 0 && self.passed > 0
    }

    /// The closing line.
    fn close(&self, campaigns: &str) -> Result<(), String> {
        println!(
            "\n{} passed, {} failed; campaigns of calls and faults: {campaigns}",
            self.passed, self.failed
        );
        match &self.broken {
            Some(broken) => Err(broken.clone()),
            None if self.passed == 0 => Err("no test was run".into()),
            None => Ok(()),
        }
    }

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
    fn what_follows_two_dashes_is_for_the_tests() {
        let args = |line: &str| line.split(' ').map(String::from).collect::<Vec<_>>();
        assert!(wanted(&args("--out x --aloop"), "--aloop"));
        assert!(!wanted(&args("--out x -- --aloop"), "--aloop"));
    }

    #[test]
    fn sums_the_runners_own_counts() {
        let mut sum = Sum::default();
        sum.add(
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.02s",
        );
        sum.add("test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out");
        sum.add("running 5 tests");
        assert_eq!((sum.passed, sum.failed), (15, 2));
        assert!(!sum.passed_all() && Sum { passed: 1, ..Sum::default() }.passed_all());
    }
}
