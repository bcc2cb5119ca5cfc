//! What the daemon runs on: board, kernel, overlay, power, disk.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use pressel_hal::alsa::card_ids_in;

use super::facts::{Facts, value_of};
use super::{Finding, Ground};
use crate::usage;

/// GPIO lines are asked for by name since this kernel.
const KERNEL_MIN: (u32, u32) = (5, 10);
/// From here on a Pi lowers its clock (raspberrypi.com, "Frequency management and thermal control").
const HOT_C: f64 = 80.0;
/// Free space below which a small disk is soon full, and below which it is, in bytes.
const LITTLE: u64 = 20 << 20;
const NOTHING: u64 = 256 << 10;
/// Settings of a Pi's firmware, since Raspberry Pi OS 12 and before.
const FIRMWARE: [&str; 2] = ["/boot/firmware/config.txt", "/boot/config.txt"];
/// Cards that only an overlay brings: the id, and what to write.
const OVERLAYS: [(&str, &str); 6] = [
    ("MAX98357A", "max98357a,no-sdmode"),
    ("sndrpihifiberry", "hifiberry-dac"),
    ("sndrpigooglevoi", "googlevoicehat-soundcard"),
    ("IQaudIODAC", "iqaudio-dac"),
    ("wm8960soundcard", "wm8960-soundcard"),
    ("seeed2micvoicec", "seeed-2mic-voicecard"),
];

pub(super) fn board(ground: &Ground) -> Finding {
    let facts = &ground.facts;
    let board = ["/proc/device-tree/model", "/sys/class/dmi/id/product_name"]
        .iter()
        .find_map(|path| facts.text(path))
        .map_or_else(|| "unknown board".to_owned(), |name| name.trim().to_owned());
    let release = facts.text("/etc/os-release").unwrap_or_default();
    let system = value_of(&release, "PRETTY_NAME").unwrap_or("unknown system");
    let kernel = facts.word("/proc/sys/kernel/osrelease").unwrap_or_default();
    let text = format!("{board}, {system}, Linux {kernel}, {}", std::env::consts::ARCH);
    let mut numbers = kernel.split(['.', '-']).map_while(|number| number.parse::<u32>().ok());
    match (numbers.next(), numbers.next()) {
        (Some(major), Some(minor)) if (major, minor) < KERNEL_MIN => Finding::fail(
            format!("{text}: this kernel is too old"),
            format!("update the system: GPIO lines need Linux {}.{} or later", KERNEL_MIN.0, KERNEL_MIN.1),
        ),
        _ => Finding::ok(text),
    }
}

/// A card of an overlay that is configured and not there.
pub(super) fn overlay(ground: &Ground) -> Finding {
    let Some(config) = ground.config() else { return Finding::skip("the configuration has mistakes") };
    let found = FIRMWARE.iter().find_map(|path| Some((path, ground.facts.text(path)?)));
    let Some((path, settings)) = found else { return Finding::ok("no Pi: no overlays") };
    let there = card_ids_in(&ground.facts.path("/proc"));
    let loaded: Vec<&str> = settings
        .lines()
        .filter_map(|line| line.trim().strip_prefix("dtoverlay="))
        .map(str::trim)
        .filter(|overlay| !overlay.is_empty())
        .collect();
    for device in [&config.capture.device, &config.playback.device] {
        let Some((card, overlay)) = OVERLAYS.iter().find(|(card, _)| names(device, card)) else { continue };
        if there.iter().any(|id| id == card) {
            continue;
        }
        let base = overlay.split(',').next().unwrap_or(overlay);
        return if loaded.iter().any(|line| line.split(',').next() == Some(base)) {
            Finding::fail(
                format!("dtoverlay={base} is in {path}, and card {card} is not there"),
                "reboot, if it was just written; else: dmesg | grep -e i2s -e asoc -e deferred",
            )
        } else {
            Finding::fail(
                format!("card {card} needs an overlay that {path} does not load"),
                format!("add the line dtoverlay={overlay} to {path}, then reboot"),
            )
        };
    }
    match loaded.as_slice() {
        [] => Finding::ok(format!("none in {path}, and none is needed")),
        all => Finding::ok(all.join(", ")),
    }
}

fn names(device: &str, card: &str) -> bool {
    device.split_once(':').is_some_and(|(_, rest)| {
        rest.split(',').any(|part| part == card || part.strip_prefix("CARD=") == Some(card))
    })
}

/// Temperature, and what the firmware says of the supply.
pub(super) fn power(ground: &Ground) -> Finding {
    let facts = &ground.facts;
    let celsius = temperature(facts);
    let mut text = celsius.map_or("temperature unknown".to_owned(), |celsius| format!("{celsius:.0} °C"));
    let bits = throttled(facts);
    if bits & 1 != 0 || alarm(facts) {
        return Finding::fail(
            format!("{text}, the supply's voltage is too low now"),
            "use the board's own power supply and a short, thick cable; USB devices may need a powered hub",
        );
    }
    if celsius.is_some_and(|celsius| celsius >= HOT_C) || bits & 0b1100 != 0 {
        return Finding::warn(
            format!("{text}: it is hot, the processor is slowed down"),
            "give the case air or a heat sink",
        );
    }
    if bits & 1 << 16 != 0 {
        return Finding::warn(
            format!("{text}, the supply's voltage was too low since the start"),
            "use the board's own power supply and a short, thick cable",
        );
    }
    if bits & 0b1100 << 16 != 0 {
        text += ", was slowed down by heat since the start";
        return Finding::warn(text, "give the case air or a heat sink");
    }
    Finding::ok(text)
}

/// The hottest sensor, in °C.
fn temperature(facts: &Facts) -> Option<f64> {
    let zones = facts.names("/sys/class/thermal");
    let read = |zone: &String| -> Option<f64> {
        let folder = Path::new("/sys/class/thermal").join(zone);
        Some(facts.word(folder.join("temp"))?.parse::<f64>().ok()? / 1000.0)
    };
    zones.iter().filter(|zone| zone.starts_with("thermal_zone")).filter_map(read).reduce(f64::max)
}

/// The firmware's bits: 0 voltage too low, 2 slowed down, 3 near its limit, each 16 higher: since the start.
fn throttled(facts: &Facts) -> u32 {
    let told = facts
        .word("/sys/devices/platform/soc/soc:firmware/get_throttled")
        .or_else(|| facts.told_by("vcgencmd", &["get_throttled"]))
        .unwrap_or_default();
    let number = told.trim().trim_start_matches("throttled=").trim_start_matches("0x");
    u32::from_str_radix(number, 16).unwrap_or(0)
}

/// The kernel's own watch over a Pi's supply.
fn alarm(facts: &Facts) -> bool {
    facts.names("/sys/class/hwmon").iter().any(|name| {
        let folder = Path::new("/sys/class/hwmon").join(name);
        facts.word(folder.join("name")).as_deref() == Some("rpi_volt")
            && facts.word(folder.join("in0_lcrit_alarm")).as_deref() == Some("1")
    })
}

/// Where the daemon writes: the ledger, and the talk for a restart.
pub(super) fn disk(ground: &Ground) -> Finding {
    let Some(config) = ground.config() else { return Finding::skip("the configuration has mistakes") };
    let facts = &ground.facts;
    let state = Path::new(&config.live.state_file).parent().filter(|folder| folder.is_absolute());
    let folders = usage::folder_of(config).into_iter().chain(state.map(Path::to_owned));
    let (mut least, mut told) = (u64::MAX, "nothing is written".to_owned());
    let mounts = facts.text("/proc/self/mounts").unwrap_or_default();
    for folder in folders {
        let name = folder.display();
        if read_only(&mounts, &folder) {
            return Finding::fail(
                format!("{name} is on a read-only disk"),
                "mount it writable, or name another folder: [usage] ledger_folder, [live] state_file; a card that \
                 turned read-only by itself is worn out: replace it",
            );
        }
        let Some((free, all)) = space(&existing(facts.path(&folder))) else { continue };
        if free < least {
            least = free;
            told = format!("{name}: {} MB of {} MB are free", free >> 20, all >> 20);
        }
    }
    match least {
        ..NOTHING => Finding::fail(format!("{told}: the disk is full"), FULL),
        NOTHING..LITTLE => Finding::warn(told, FULL),
        _ => Finding::ok(told),
    }
}

const FULL: &str = "make room: sudo journalctl --vacuum-size=50M; sudo apt clean; what is large: sudo du -xh / | sort -h | tail";

/// The folder itself or the nearest above it that exists.
fn existing(mut folder: PathBuf) -> PathBuf {
    while !folder.exists() && folder.pop() {}
    folder
}

/// Whether the mount that holds a folder is read-only, by /proc/self/mounts.
fn read_only(mounts: &str, folder: &Path) -> bool {
    let holding = mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            let (place, options) = (fields.next()?, fields.nth(1)?);
            folder.starts_with(place).then_some((place.len(), options))
        })
        // Of two at the same place the later one lies above.
        .max_by_key(|(length, _)| *length);
    holding.is_some_and(|(_, options)| options.split(',').any(|option| option == "ro"))
}

/// Bytes that are free for anybody, and all.
fn space(folder: &Path) -> Option<(u64, u64)> {
    let path = CString::new(folder.as_os_str().as_bytes()).ok()?;
    // SAFETY: all of its fields are numbers, for which zero is a value.
    let mut found: libc::statvfs = unsafe { std::mem::zeroed() };
    // SAFETY: `path` ends with a zero byte, and `found` may be written to.
    if unsafe { libc::statvfs(path.as_ptr(), &mut found) } != 0 {
        return None;
    }
    // Their widths differ between 32 and 64 bits.
    #[allow(clippy::useless_conversion, clippy::unnecessary_cast)]
    let bytes = |blocks| blocks as u64 * found.f_frsize as u64;
    Some((bytes(found.f_bavail), bytes(found.f_blocks)))
}
