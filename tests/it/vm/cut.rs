//! The power is cut: QEMU is killed in the middle of what the daemon writes, and the next start finds everything whole.
//!
//! What the machine's kernel had not yet written to its disk is lost, as it is on a device; what it had written is kept
//! in the disk's image. The machine has no system on it, only the writers (`tests/it/guest/cut.rs`), so that it starts
//! in seconds.

use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tests::stage::{Vm, vm};

use super::made;

/// So often.
const CUTS: u32 = 20;
/// A start, with other programs on this machine.
const START: Duration = Duration::from_secs(240);
/// Somewhere in this time after the first talks, in the middle of the next ones.
const WRITING_MS: std::ops::Range<u64> = 0..4000;

/// A machine that is killed, whatever happens.
struct Power(Child);

impl Drop for Power {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn twenty_power_cuts_in_the_middle_of_writing_lose_nothing_that_was_told() {
    let Some(made) = made() else { return };
    let shared = TempDir::new().unwrap();
    vm::hand_over(&made, shared.path()).unwrap();
    let script = "cp /run/shared/programs/it /run/shared/programs/pressel /run && mkdir -p /run/state && \
         mount -t ext4 -o noatime /dev/vdb /run/state && ip link set lo up && cd /run && \
         PRESSEL_CUT=1 ./it guest::cut:: --nocapture > /run/shared/told 2>&1\n\
         sync; echo o > /proc/sysrq-trigger; sleep 60\n";
    std::fs::write(shared.path().join("first"), script).unwrap();
    let disk = shared.path().join("state.img");
    let made_disk = Command::new("sh")
        .args(["-c", "PATH=$PATH:/usr/sbin:/sbin exec mke2fs -q -t ext4 \"$0\" 64M"])
        .arg(&disk)
        .status()
        .unwrap();
    assert!(made_disk.success());
    let mut seed = fastrand::Rng::with_seed(7);
    let began = Instant::now();
    // The first start finds an empty disk, the last one what the last cut left.
    for start in 0..=CUTS {
        for file in ["whole", "written"] {
            let _ = std::fs::remove_file(shared.path().join(file));
        }
        let options = [
            "-drive".into(),
            format!("file={},format=raw,if=none,id=state", disk.display()),
            "-device".into(),
            "virtio-blk-pci,drive=state".into(),
        ];
        let qemu = Vm::start(&made, shared.path(), "first=/vm/first", &options).unwrap();
        let mut power = Power(qemu);
        for file in ["whole", "written"] {
            until_there(&mut power.0, shared.path(), file);
        }
        std::thread::sleep(Duration::from_millis(seed.u64(WRITING_MS))); // when the power goes
        drop(power);
        let told = std::fs::read_to_string(shared.path().join("told")).unwrap_or_default();
        let found: Vec<&str> = told.lines().filter(|line| line.contains("told before the cut")).collect();
        println!("start {start}: {}", found.join("; "));
    }
    println!("{CUTS} power cuts in {:.0} s", began.elapsed().as_secs_f64());
}

#[track_caller]
fn until_there(machine: &mut Child, shared: &Path, file: &str) {
    let deadline = Instant::now() + START;
    let told = || {
        let read = |name: &str| std::fs::read_to_string(shared.join(name)).unwrap_or_default();
        format!("{}\n{}", read("console"), read("told"))
    };
    while !shared.join(file).exists() {
        assert!(machine.try_wait().unwrap().is_none(), "it ended by itself:\n{}", told());
        assert!(Instant::now() < deadline, "never {file}:\n{}", told());
        std::thread::sleep(Duration::from_millis(50)); // a file on a share tells nobody
    }
}
