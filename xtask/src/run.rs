//! Chores that build the product and run a program over it.

use std::process::Command;

use crate::{aloop, apt, root, sh, test};

/// Optimised, but linked without the minutes of link-time optimisation: for people who wait.
const QUICK: &[&str] = &["build", "--profile", "quick", "-p", "pressel", "-p", "tests", "--bins"];

/// Press, speak, be answered: without a key, a board or a sound card.
pub fn demo(args: &[String]) -> Result<(), String> {
    if test::wanted(args, "--aloop") {
        aloop::need()?;
    }
    apt::need(apt::BUILD)?;
    sh("cargo", QUICK)?;
    start("quick", "pressel-demo", args)
}

/// Figures of the real daemon, as it is shipped.
pub fn bench(args: &[String]) -> Result<(), String> {
    apt::need(apt::BUILD)?;
    match args.first().map(String::as_str) {
        Some("micro") => {
            sh("cargo", &["bench", "-p", "pressel-live"])?;
            sh("cargo", &["bench", "-p", "pressel-dsp"])
        }
        Some("sound") => {
            apt::want(apt::YARDSTICK);
            let mut build = vec!["build", "--profile", "quick", "-p", "pressel-rooms", "--bins"];
            if args.iter().any(|argument| argument == "--aec3") {
                build.extend(["--features", "aec3"]);
            }
            sh("cargo", &build)?;
            let rest: Vec<String> =
                std::iter::once("bench".into()).chain(args[1..].iter().cloned()).collect();
            start("quick", "pressel-rooms", &rest)
        }
        _ => {
            sh("cargo", &["build", "--release", "-p", "pressel", "-p", "tests", "--bins"])?;
            start("release", "pressel-bench", args)
        }
    }
}

/// The fault campaign against the real daemon and the conversation alone.
pub fn faults(args: &[String]) -> Result<(), String> {
    apt::need(apt::BUILD)?;
    sh("cargo", QUICK)?;
    start("quick", "pressel-faults", args)
}

/// Calls of tools by every model, against the conversation alone and the real daemon.
pub fn calls(args: &[String]) -> Result<(), String> {
    apt::need(apt::BUILD)?;
    sh("cargo", QUICK)?;
    start("quick", "pressel-calls", args)
}

/// Talk after talk, with faults by a seed.
pub fn soak(args: &[String]) -> Result<(), String> {
    apt::need(apt::BUILD)?;
    sh("cargo", QUICK)?;
    start("quick", "pressel-soak", args)
}

fn start(profile: &str, program: &str, args: &[String]) -> Result<(), String> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), Into::into);
    let path = target.join(profile).join(program);
    let status = Command::new(&path)
        .args(args)
        .current_dir(root())
        .status()
        .map_err(|e| format!("{}: {e}", path.display()))?;
    if status.success() { Ok(()) } else { Err(format!("{program}: {status}")) }
}
