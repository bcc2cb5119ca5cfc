//! Tools on a simulated GPIO chip of the kernel's: who holds a line, what it is after a kill, and a chip that goes away.

use std::time::Duration;

use fake_gemini::{Script, Turn};
use pressel_world::card::monotonic_ns;
use serde_json::{Value, json};
use tests::stage::{Loopback, Setting};

use super::kernel::{Aloop, Chip, run};
use super::{inside, ms};
use crate::scene::{Scene, setting};
use crate::tools::Bench;
use crate::tools_gpio::calling;

const RELAY: u32 = 22;
const DOOR: u32 = 24;
const LINES: [(u32, &str); 2] = [(RELAY, "GPIO22"), (DOOR, "GPIO24")];

fn bench() -> Bench {
    let bench = Bench::new();
    bench.gpio("door", "", "line = \"GPIO22\"\naction = \"pulse\"\npulse_ms = 500");
    bench.gpio("lamp", "", "line = \"GPIO22\"\naction = \"on\"");
    let contact = "line = \"GPIO24\"\ndirection = \"in\"\nbias = \"pull-up\"\non_word = \"open\"\noff_word = \"closed\"";
    bench.gpio("contact", "", contact);
    bench
}

fn scene(bench: &Bench, calls: &[(&str, Value)]) -> Scene {
    let script = Script { rest: Turn::noise(300, 1), ..calling(calls) };
    let usual = setting("hold", &bench.config(), script);
    Scene::set(Setting { loopback: Some(Loopback::find().unwrap()), ..usual })
}

#[test]
fn a_relay_is_pulsed_held_and_safe_after_a_kill() {
    if !inside() {
        return;
    }
    let _card = Aloop::load();
    let chip = Chip::make("relays", "", 32, &LINES);
    let bench = bench();
    let mut scene = scene(&bench, &[("door", json!({})), ("contact", json!({})), ("lamp", json!({}))]);
    chip.pull(DOOR, false); // stronger than the pull-up that the daemon has asked for
    // Held by name, and so said.
    run("mountpoint -q /sys/kernel/debug || mount -t debugfs none /sys/kernel/debug");
    let held = run("grep -c 'pressel tool' /sys/kernel/debug/gpio");
    assert_eq!(held.trim(), "2");
    let told = bench.call("lamp", &json!({})).unwrap_err();
    assert!(
        told.contains("is used by \"pressel tool\"") && told.contains("systemctl stop pressel"),
        "{told}"
    );
    assert_eq!(bench.pressel(&["check"]).0, Some(0), "a line of the daemon's own is well");

    let asked = monotonic_ns();
    let pulse = std::thread::scope(|scope| {
        let watch = scope.spawn(|| (chip.until_level(RELAY, true), chip.until_level(RELAY, false)));
        scene.asks_for(1);
        watch.join().unwrap()
    });
    let length = ms(pulse.0, pulse.1);
    println!("asked → on: {:.0} ms; pulse of 500 ms: {length:.1} ms", ms(asked, pulse.0));
    assert!((450.0..800.0).contains(&length), "{length}");
    assert_eq!(scene.asks_for(2), json!({ "state": "closed" }));

    scene.asks_for(3);
    assert!(chip.level(RELAY));
    scene.daemon.signal(libc::SIGKILL);
    scene.restart().unwrap();
    assert!(!chip.level(RELAY), "safe first of all");
    scene.end();
    assert!(!chip.level(RELAY));
}

#[test]
fn a_chip_that_goes_away_takes_its_lines_and_brings_them_back_safe() {
    if !inside() {
        return;
    }
    let _card = Aloop::load();
    let mut chip = Chip::make("relays", "", 32, &LINES);
    let bench = bench();
    let scene = scene(&bench, &[("lamp", json!({})), ("contact", json!({})), ("lamp", json!({}))]);
    scene.asks_for(1);
    assert!(chip.level(RELAY));
    chip.unplug();
    assert_eq!(scene.asks_for(2)["error"], "failed: the line is not there");
    chip.plug();
    crate::tools::until("the line is back", Duration::from_secs(15), || {
        scene.log().matches("a tool's line line=").count() >= 3
    });
    assert!(!chip.level(RELAY), "safe when it is back");
    scene.asks_for(3);
    assert!(chip.level(RELAY));
    scene.end();
}
