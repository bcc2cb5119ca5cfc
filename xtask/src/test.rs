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

/// Builds the programs, then runs all tests of the workspace and the quick sets of calls and faults, or those of the tiers that are asked for. With `CI` set, lints
/// come first.
pub fn test(args: &[String]) -> Result<(), String> {
    let tiers: Vec<&Tier> = TIERS.iter().filter(|tier| wanted(args, tier.flag)).collect();
    apt::need(apt::BUILD)?;
    if std::env::var_os("CI").is_some() {
        lint::lint()?;
    }
    let mut needs = Needs::new();
    for tier in &tiers {
        needs.extend((tier.need)()?);
    }
    // The integration tests run the real programs.
    sh("cargo", &["build", "--workspace", "--bins", "--quiet"])?;
    if tiers.is_empty() {
        apt::need(apt::SERVICES)?;
        // Its tests first: they build what the program is made of.
        mcp::cargo("test", &["--quiet"])?;
        mcp::cargo("build", &["--quiet"])?;
    }
    let mut chosen = vec!["test"];
    if tiers.is_empty() {
        chosen.extend(["--workspace", "--no-fail-fast"]);
    } else {
        chosen.extend(["-p", "tests", "--test", "it", "--"]);
        chosen.extend(tiers.iter().map(|tier| tier.module));
        // One after the other: there is one card, and one machine at a time is enough for this one.
        chosen.extend(["--nocapture", "--test-threads=1"]);
    }
    let own = args.iter().position(|a| a == "--").map_or(&[][..], |i| &args[i + 1..]);
    eprintln!("$ cargo {} {}", chosen.join(" "), own.join(" "));
    let mut child = Command::new("cargo")
        .args(chosen)
        .args(own)
        .envs(needs)
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
    let passed = status.success() && sum.failed == 0 && sum.passed > 0;
    let all = tiers.is_empty() && own.is_empty();
    // With a test that fails there is something else to mend first.
    let quick = || run::calls(&["--quick".to_owned()]).and(run::faults(&[]));
    let faults = if passed && all { quick() } else { Ok(()) };
    let campaign = match (&faults, passed && all) {
        (_, false) => "passed over",
        (Ok(()), true) => "every bar reached",
        (Err(_), true) => "bars missed",
    };
    println!("\n{} passed, {} failed; campaigns of calls and faults: {campaign}", sum.passed, sum.failed);
    if passed { faults } else { Err(format!("cargo test: {status}")) }
}

/// Whether the command line asks for this; what follows two dashes is for the tests.
pub fn wanted(args: &[String], flag: &str) -> bool {
    args.iter().take_while(|a| *a != "--").any(|a| a == flag)
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
        assert_eq!(sum, Sum { passed: 15, failed: 2 });
    }
}
