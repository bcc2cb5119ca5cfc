//! `kind = "rppal"` without a Raspberry Pi: its registers are a file, its header's chip is a simulated one, and
//! /proc/cpuinfo names a board. Edges are the kernel's, levels are the file's; nothing links the two, so the test sets both.
//! This proves who asks whom for what, not how registers behave.

use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use pressel_world::card::monotonic_ns;
use tests::stage::Loopback;

use super::kernel::{Aloop, Chip, run};
use super::{Bench, answers, inside, ms};

const BUTTON: u32 = 17;
const LIGHT: u32 = 27;
/// Offsets of the BCM2837's registers for lines 0 to 31: set, clear, level.
const GPSET0: u64 = 0x1c;
const GPCLR0: u64 = 0x28;
const GPLEV0: u64 = 0x34;

/// A board for rppal. Dropping it takes the name off this machine again.
struct Board {
    chip: Chip,
    registers: std::fs::File,
}

impl Board {
    #[track_caller]
    fn make() -> Board {
        let chip = Chip::make("pi", "pinctrl-bcm2835", 54, &[(BUTTON, "GPIO17"), (LIGHT, "GPIO27")]);
        run("umount /proc/cpuinfo 2> /dev/null || true
             sed '$a Hardware\\t: BCM2835\\nRevision\\t: a02082\\nModel\\t\\t: Raspberry Pi 3 Model B Rev 1.2' /proc/cpuinfo > /run/cpuinfo
             mount --bind /run/cpuinfo /proc/cpuinfo
             rm -f /dev/gpiomem; head -c 4096 /dev/zero > /dev/gpiomem");
        let registers = std::fs::File::options().read(true).write(true).open("/dev/gpiomem").unwrap();
        let board = Board { chip, registers };
        board.pull(true);
        board
    }

    fn word(&self, at: u64) -> u32 {
        let mut bytes = [0; 4];
        self.registers.read_exact_at(&mut bytes, at).unwrap();
        u32::from_le_bytes(bytes)
    }

    /// The button's line is pulled; when.
    fn pull(&self, up: bool) -> u64 {
        let level = u32::from(up) << BUTTON;
        self.registers.write_all_at(&level.to_le_bytes(), GPLEV0).unwrap();
        self.chip.pull(BUTTON, up)
    }

    /// Waits until the light's bit is written to a register; when that was seen.
    #[track_caller]
    fn until_written(&self, register: u64) -> u64 {
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.word(register) & (1 << LIGHT) == 0 {
            assert!(Instant::now() < deadline, "nobody writes to register {register:#x}");
            std::thread::sleep(Duration::from_micros(200)); // a register tells nobody
        }
        let at = monotonic_ns();
        self.registers.write_all_at(&[0; 4], register).unwrap();
        at
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        run("umount /proc/cpuinfo; rm -f /dev/gpiomem");
    }
}

#[test]
fn rppal_hears_presses_and_lights_the_light() {
    if !inside() {
        return;
    }
    let _card = Aloop::load();
    let board = Board::make();
    let loopback = Loopback::find().unwrap();
    let device = |name: String| format!("device = \"{name}\"\n");
    let config = "[talk]\nmode = \"hold\"\n[button]\nkind = \"rppal\"\nline = \"GPIO17\"\n\
        [light]\nkind = \"rppal\"\nline = \"27\"\n";
    let bench = Bench::set(answers(300), &device(loopback.microphone()), &device(loopback.speaker()), config);
    let status = bench.until("the button is found", |status| status["button"].is_string());
    assert_eq!((&status["button"], &status["light"]), (&"GPIO17 (rppal)".into(), &"GPIO27 (rppal)".into()));
    for _ in 0..3 {
        board.registers.write_all_at(&[0; 4], GPSET0).unwrap();
        let mark = bench.remote.mark();
        let pressed = board.pull(false);
        println!("press → light, by registers: {:.1} ms", ms(pressed, board.until_written(GPSET0)));
        board.registers.write_all_at(&[0; 4], GPCLR0).unwrap();
        std::thread::sleep(Duration::from_millis(600)); // a person holds it
        board.pull(true);
        board.until_written(GPCLR0); // it blinks while the answer is thought up
        bench.answered(mark);
    }
    assert_eq!(super::messages(&bench.server.events(), "activityEnd").count(), 3);
    bench.end();
}
