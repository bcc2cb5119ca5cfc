//! The kernel's switches: modules, simulated chips, drivers that are taken off their devices.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use pressel_world::card::monotonic_ns;

/// Runs a command; what it printed.
#[track_caller]
pub fn run(command: &str) -> String {
    let output = Command::new("sh").args(["-c", command]).output().unwrap();
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    assert!(output.status.success(), "{command}: {}\n{}", said(&output.stdout), said(&output.stderr));
    said(&output.stdout)
}

#[track_caller]
pub fn write(path: impl AsRef<Path>, text: &str) {
    let path = path.as_ref();
    std::fs::write(path, text).unwrap_or_else(|error| panic!("{} = {text}: {error}", path.display()));
}

/// Waits for something that the kernel does by and by.
#[track_caller]
pub fn until(what: &str, is: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(1)); // sysfs tells nobody
    }
}

/// A GPIO chip of gpio-sim's. Dropping it takes it away.
pub struct Chip {
    config: PathBuf,
    /// Where its lines' switches are.
    switches: PathBuf,
}

impl Chip {
    /// One with so many lines, of which some have names.
    #[track_caller]
    pub fn make(name: &str, label: &str, lines: u32, names: &[(u32, &str)]) -> Chip {
        run("modprobe gpio-sim");
        let config = Path::new("/sys/kernel/config/gpio-sim").join(name);
        let bank = config.join("bank0");
        std::fs::create_dir_all(&bank).unwrap();
        write(bank.join("num_lines"), &lines.to_string());
        if !label.is_empty() {
            write(bank.join("label"), label);
        }
        for (offset, name) in names {
            let line = bank.join(format!("line{offset}"));
            std::fs::create_dir(&line).unwrap();
            write(line.join("name"), name);
        }
        let mut chip = Chip { config, switches: PathBuf::new() };
        chip.plug();
        chip
    }

    /// It appears.
    #[track_caller]
    pub fn plug(&mut self) {
        write(self.config.join("live"), "1");
        let read = |path: PathBuf| std::fs::read_to_string(path).unwrap().trim().to_owned();
        let (device, chip) = (read(self.config.join("dev_name")), read(self.config.join("bank0/chip_name")));
        self.switches = Path::new("/sys/devices/platform").join(device).join(&chip);
        until("udev has seen the chip", || Path::new("/dev").join(&chip).exists());
    }

    /// It is gone, whoever holds its lines.
    #[track_caller]
    pub fn unplug(&self) {
        write(self.config.join("live"), "0");
    }

    fn line(&self, line: u32) -> PathBuf {
        self.switches.join(format!("sim_gpio{line}"))
    }

    /// A line is pulled up or down from outside; when, in CLOCK_MONOTONIC ns.
    #[track_caller]
    pub fn pull(&self, line: u32, up: bool) -> u64 {
        let at = monotonic_ns();
        write(self.line(line).join("pull"), if up { "pull-up" } else { "pull-down" });
        at
    }

    /// What is on a line.
    #[track_caller]
    pub fn level(&self, line: u32) -> bool {
        std::fs::read_to_string(self.line(line).join("value")).unwrap().trim() == "1"
    }

    /// Waits for a level; when it was first seen, in CLOCK_MONOTONIC ns.
    #[track_caller]
    pub fn until_level(&self, line: u32, up: bool) -> u64 {
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.level(line) != up {
            assert!(Instant::now() < deadline, "line {line} never becomes {up}");
            std::thread::sleep(Duration::from_micros(200)); // a level tells nobody
        }
        monotonic_ns()
    }
}

impl Drop for Chip {
    fn drop(&mut self) {
        // What is left of it would be in the next test's way, no more.
        let _ = std::fs::write(self.config.join("live"), "0");
        for entry in std::fs::read_dir(self.config.join("bank0")).into_iter().flatten().flatten() {
            let _ = std::fs::remove_dir(entry.path());
        }
        let _ = std::fs::remove_dir(self.config.join("bank0"));
        let _ = std::fs::remove_dir(&self.config);
    }
}

/// The loopback card, which may lose its driver.
pub struct Aloop;

impl Aloop {
    const DRIVER: &str = "/sys/bus/platform/drivers/snd_aloop";

    /// Loads it.
    #[track_caller]
    pub fn load() -> Aloop {
        run("modprobe snd-aloop pcm_substreams=2");
        Aloop
    }

    #[track_caller]
    pub fn unplug(&self) {
        write(format!("{}/unbind", Self::DRIVER), "snd_aloop.0");
    }

    #[track_caller]
    pub fn plug(&self) {
        write(format!("{}/bind", Self::DRIVER), "snd_aloop.0");
    }
}
