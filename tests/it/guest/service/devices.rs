//! Devices of the installed service, which is not root: what udev hands over and the unit lets through.

use pressel_world::card::monotonic_ns;
use tests::stage::{Remote, STAGES_OFF};

use super::super::kernel::{Chip, run, until, write};
use super::super::{BACK, inside, ms};
use super::Service;

const BUTTON: u32 = 17;
const LIGHT: u32 = 27;
const WIRED: &str =
    "[button]\nkind = \"gpio\"\nline = \"GPIO17\"\n[light]\nkind = \"gpio\"\nline = \"GPIO27\"\n";
const DROP_IN: &str = "/etc/systemd/system/pressel.service.d/led.conf";

#[test]
fn the_service_has_its_button_and_its_light_and_finds_them_again() {
    if !inside() {
        return;
    }
    let mut chip = Chip::make("panel", "", 32, &[(BUTTON, "GPIO17"), (LIGHT, "GPIO27")]);
    chip.pull(BUTTON, true);
    // An emulated processor has enough to do without the product's sound path.
    let service = Service::install(&format!("{WIRED}{STAGES_OFF}"));
    assert_eq!(run(&format!("stat --format %U /proc/{}", service.pid())), "pressel");
    let remote = service.remote();
    let mut lit = Vec::new();
    for _ in 0..5 {
        chip.until_level(LIGHT, false);
        let pressed = std::cell::Cell::new(0);
        service.talk_by(&remote, |down| {
            let at = chip.pull(BUTTON, !down);
            if down {
                pressed.set(chip.until_level(LIGHT, true) - at);
            }
        });
        lit.push(pressed.get() as f64 / 1e6);
    }
    println!("press → light under the unit, ms: {lit:.1?}");

    chip.unplug();
    let gone = |remote: &Remote| remote.status().unwrap()["button"].is_null();
    until("the button is missed", || gone(&remote));
    chip.plug();
    let back = monotonic_ns();
    chip.pull(BUTTON, true);
    until("the button is back", || !gone(&remote));
    let took = ms(back, monotonic_ns());
    println!("chip back → button, under the unit: {took:.0} ms");
    assert!(took < BACK.as_millis() as f64, "{took:.0} ms\n{}", service.journal());
    service.talk_by(&remote, |down| {
        chip.pull(BUTTON, !down);
    });
}

#[test]
fn the_service_lights_a_led_of_the_kernels_where_a_drop_in_lets_it() {
    if !inside() {
        return;
    }
    // The keyboard's: a PC has no other. What is told in pressel.service of a LED elsewhere is done for it.
    let name = run("basename \"$(ls -d /sys/class/leds/*::capslock | head -n 1)\"");
    let folder = run(&format!("readlink -f /sys/class/leds/{name}"));
    std::fs::create_dir_all("/etc/systemd/system/pressel.service.d").unwrap();
    write(DROP_IN, &format!("[Service]\nReadWritePaths={folder}\n"));
    let service = Service::install(&format!("[light]\nkind = \"sysfs\"\nname = \"{name}\"\n{STAGES_OFF}"));
    let status = service.remote().status().unwrap();
    assert!(status["light"].is_string(), "{status:#}\n{}", service.journal());
    let bright = || std::fs::read_to_string(format!("{folder}/brightness")).unwrap().trim() != "0";
    until("it is dark", || !bright());
    let remote = service.remote();
    service.talk_by(&remote, |down| {
        if down {
            remote.press().unwrap()
        } else {
            remote.release().unwrap()
        }
        if down {
            until("it is lit", bright);
        }
    });
    until("it is dark again", || !bright());
}
