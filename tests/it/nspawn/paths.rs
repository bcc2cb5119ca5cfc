//! Files that somebody leaves, and that path units see: the key, put down or replaced, and the wish to be switched off.

use std::time::{Duration, Instant};

use fake_gemini::{Options, Script, Turn};
use pressel_world::card::monotonic_ns;
use tests::stage::KEY;

use super::{SERVICE, machine, machine_before};
use crate::scene::WAIT;

#[test]
fn a_key_that_is_put_down_later_is_taken_by_itself() {
    let Some(installed) = machine() else { return };
    let said = installed.install(false);
    assert!(said.contains("no key yet"), "{said}");
    assert!(
        installed.property("StatusText").contains("needs set-up"),
        "{}",
        installed.property("StatusText")
    );
    let former = installed.property("MainPID");
    let put = monotonic_ns();
    installed
        .machine
        .run(&format!(
            "umask 077; echo {KEY} > /etc/pressel/key.new; mv /etc/pressel/key.new /etc/pressel/key"
        ))
        .unwrap();
    let took = Duration::from_nanos(installed.ready_again(&former) - put);
    println!("key put down → ready: {:.0} ms", took.as_secs_f64() * 1e3);
    installed.talk();
}

#[test]
fn a_key_that_takes_the_place_of_another_one_is_used() {
    let script = Script { rest: Turn::noise(500, 1), ..Script::default() };
    let server = Options { key: Some("AIzaSyTheNewOne".into()), ..Options::script(script) };
    let Some(installed) = machine_before(server) else { return };
    installed.install(true); // with KEY, which this server does not take
    let remote = installed.remote();
    let mark = remote.mark();
    remote.press().unwrap();
    let refused = remote.wait_phase(mark, "fault", WAIT);
    refused.unwrap_or_else(|error| panic!("{error}\n{}", installed.journal()));
    remote.release().unwrap();
    let former = installed.property("MainPID");
    let put = monotonic_ns();
    // As an editor saves it: the same file, other words.
    installed.machine.run("printf '%s\\n' AIzaSyTheNewOne > /etc/pressel/key").unwrap();
    let took = Duration::from_nanos(installed.ready_again(&former) - put);
    println!("key replaced → ready: {:.0} ms", took.as_secs_f64() * 1e3);
    installed.talk();
}

#[test]
fn a_long_press_switches_the_machine_off() {
    let Some(mut installed) = machine() else { return };
    // Where the press to talk is not held.
    let gestures = "[talk]\nmode = \"tap\"\n[button]\ngestures = \"press talk, long 1 shutdown\"\n";
    installed.machine.write("/etc/pressel/config.d/zz.toml", gestures).unwrap();
    installed.install(true);
    assert_eq!(installed.machine.property("pressel-poweroff.path", "ActiveState").unwrap(), "active");
    assert_eq!(installed.machine.property(SERVICE, "ActiveState").unwrap(), "active");
    let remote = installed.remote();
    let mark = remote.mark();
    let pressed = Instant::now();
    remote.press().unwrap();
    remote.wait(mark, WAIT, |e| e.name == "act" && e.value["act"] == "shutdown").unwrap();
    remote.release().unwrap();
    let status = installed.machine.wait(WAIT).unwrap_or_else(|error| panic!("{error}"));
    println!("long press → off: {:.1} s", pressed.elapsed().as_secs_f64());
    assert!(status.success(), "it was not switched off in order: {status}");
}
