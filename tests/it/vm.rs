//! A virtual machine with devices of the kernel's own. Runs where `cargo xtask test --vm` has set PRESSEL_VM to what it
//! has made for one: boots it and runs tests of this binary inside, `tests/it/guest`.

mod cut;

use std::path::Path;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tests::stage::{Vm, vm};

/// All tests inside one machine.
const INSIDE: Duration = Duration::from_secs(1200);

/// Where the programs are inside.
const PROGRAMS: &str = "/run/programs";

/// What the chore has made, or the test is skipped.
pub fn made() -> Option<std::path::PathBuf> {
    let made = vm::made();
    if made.is_none() {
        println!("skipped: boots a virtual machine, `cargo xtask test --vm`");
    }
    made
}

/// A machine that has the programs of this one.
struct Inside {
    machine: Vm,
    shared: TempDir,
    began: Instant,
}

impl Inside {
    #[track_caller]
    fn boot() -> Option<Inside> {
        let made = made()?;
        let shared = TempDir::new().unwrap();
        vm::hand_over(&made, shared.path()).unwrap();
        let began = Instant::now();
        let booted = Vm::boot(&made, shared.path());
        let mut machine = booted.unwrap_or_else(|error| panic!("{error}\n{}", console(shared.path())));
        println!("booted in {:.0} s", began.elapsed().as_secs_f64());
        // Not over the shared folder: what a program does not find in memory it would fetch from there in mid-sentence.
        // And not into /run itself, where the service has a folder of the program's name.
        let copy = format!("mkdir {PROGRAMS} && cp {}/programs/* {PROGRAMS}", shared.path().display());
        machine.run(&copy, INSIDE).unwrap();
        Some(Inside { machine, shared, began })
    }

    /// Runs a program there, which must end well; what it said, which is also printed.
    #[track_caller]
    fn run(&mut self, command: &str) -> String {
        let told = self.shared.path().join("told");
        // Not over the shared folder either: a test that fails says much.
        let ended = self.machine.run(&format!("cd {PROGRAMS} && {command} > told 2>&1"), INSIDE);
        let fetched = self.machine.run(&format!("cp {PROGRAMS}/told {}", told.display()), INSIDE);
        fetched.unwrap_or_else(|error| panic!("{error}"));
        let told = std::fs::read_to_string(told).unwrap_or_default();
        print!("{told}");
        println!("{:.0} s after it was switched on", self.began.elapsed().as_secs_f64());
        assert!(ended.is_ok(), "{command}: {}", ended.unwrap_err());
        told
    }

    /// Runs the tests of these names there.
    #[track_caller]
    fn test(&mut self, names: &str) {
        let set = "PRESSEL_GUEST=1 PRESSEL_ALOOP=1 RUST_BACKTRACE=1";
        let only = std::env::var("PRESSEL_VM_ONLY").unwrap_or_else(|_| names.into());
        let told = self.run(&format!("{set} ./it {only} --nocapture --test-threads=1"));
        assert!(!told.contains("running 0 tests") && !told.contains("skipped:"), "nothing was run");
    }
}

/// Runs the tests of these names in a machine of their own.
#[track_caller]
fn inside(names: &str) {
    if let Some(mut inside) = Inside::boot() {
        inside.test(names);
    }
}

fn console(shared: &Path) -> String {
    std::fs::read_to_string(shared.join("console")).unwrap_or_default()
}

#[test]
fn sound_on_kernel_cards() {
    let Some(mut inside) = Inside::boot() else { return };
    inside.run("modprobe snd-aloop pcm_substreams=2");
    inside.test("aloop:: guest::sound::");
    let told = inside.run("modprobe snd-aloop pcm_substreams=2 && ./pressel-demo --aloop --out /run/demo");
    assert!(told.contains("gaps"), "the demo counts nothing");
}

#[test]
fn button_and_light_on_kernel_lines() {
    inside("guest::panel:: guest::rppal:: guest::tools::");
}

#[test]
fn cards_that_are_pulled_out() {
    inside("guest::plug::");
}

#[test]
fn networks_that_are_bad_and_a_service_that_is_killed() {
    inside("network::a_network_that guest::network:: guest::service::the_service_on_kernel_cards");
}

#[test]
fn devices_of_the_installed_service() {
    inside("guest::service::devices::");
}
