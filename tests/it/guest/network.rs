//! Networks that are slow and lose packets: netem, on the way to a server on loopback.

use std::time::Duration;

use fake_gemini::{Script, Turn};
use tests::stage::Loopback;

use super::kernel::{Aloop, run};
use super::{Bench, inside, messages};

/// While it lasts, all that this machine sends to itself is late, and some of it lost.
struct Netem;

impl Netem {
    #[track_caller]
    fn set(how: &str) -> Netem {
        run("modprobe sch_netem");
        run(&format!("tc qdisc add dev lo root netem {how}"));
        Netem
    }
}

impl Drop for Netem {
    fn drop(&mut self) {
        run("tc qdisc del dev lo root");
    }
}

#[test]
fn talks_go_through_a_network_of_600_ms_that_loses_every_twentieth_packet() {
    if !inside() {
        return;
    }
    let _card = Aloop::load();
    let loopback = Loopback::find().unwrap();
    let device = |name: String| format!("device = \"{name}\"\n");
    let script = Script { rest: Turn::noise(2000, 1), ..Script::default() };
    let (capture, playback) = (device(loopback.microphone()), device(loopback.speaker()));
    let bench = Bench::set(script, &capture, &playback, "[talk]\nmode = \"hold\"\n");
    let netem = Netem::set("delay 300ms 20ms loss 5% seed 1");
    for talk in 1..=5 {
        bench.talk();
        println!("talk {talk} over 600 ms and 5 % loss");
    }
    drop(netem);
    assert_eq!(messages(&bench.server.events(), "activityEnd").count(), 5);
    bench.end();
}

#[test]
fn an_answer_goes_on_after_the_network_was_dead_for_two_seconds() {
    if !inside() {
        return;
    }
    let _card = Aloop::load();
    let loopback = Loopback::find().unwrap();
    let device = |name: String| format!("device = \"{name}\"\n");
    let script = Script { rest: Turn::noise(6000, 1), ..Script::default() };
    let (capture, playback) = (device(loopback.microphone()), device(loopback.speaker()));
    let bench = Bench::set(script, &capture, &playback, "[talk]\nmode = \"hold\"\n");
    bench.ask(Duration::from_millis(700));
    let mark = bench.remote.mark();
    let netem = Netem::set("loss 100%");
    std::thread::sleep(Duration::from_secs(2)); // what is tried
    drop(netem);
    bench.phase(mark, "idle");
    bench.talk();
    bench.end();
}
