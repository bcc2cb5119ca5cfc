//! The daemon on a sound card of the kernel's own: snd-aloop, which can lose its driver and change its format.

use std::time::Duration;

use alsa::pcm::{Access, Format, HwParams, PCM, State};
use alsa::{Direction, ValueOr};
use pressel_world::card::monotonic_ns;
use serde_json::Value;
use tests::stage::Loopback;

use super::kernel::{Aloop, run};
use super::{BACK, Bench, answers, inside, messages, ms};

const HOLD: &str = "[talk]\nmode = \"hold\"\n";

fn bench(answer_ms: u64) -> Bench {
    let loopback = Loopback::find().unwrap();
    let capture = format!("device = \"{}\"\nrate_hz = 16000\nchannels = 1\n", loopback.microphone());
    let playback = format!("device = \"{}\"\nrate_hz = 24000\nchannels = 1\n", loopback.speaker());
    Bench::set(answers(answer_ms), &capture, &playback, HOLD)
}

#[test]
fn a_card_that_loses_its_driver_in_the_middle_of_an_answer_is_used_again() {
    if !inside() {
        return;
    }
    let card = Aloop::load();
    let bench = bench(20_000);
    bench.ask(Duration::from_millis(700));
    let mark = bench.remote.mark();
    let pulled = monotonic_ns();
    card.unplug();
    let missed = bench.phase(mark, "no device");
    println!("driver gone → light: {:.0} ms", ms(pulled, missed));
    let status = bench.until("both are missed", |status| {
        ["microphone", "speaker"].iter().all(|side| status[side]["problem"].is_string())
    });
    println!("the microphone: {}", status["microphone"]["problem"]);
    println!("the speaker: {}", status["speaker"]["problem"]);
    for thread in ["capture", "playback"] {
        bench.check_waiting(thread);
    }
    for side in ["no microphone, waiting for it", "no speaker, waiting for it"] {
        let said = bench.said(side);
        assert_eq!(said, 1, "{}", bench.daemon.log());
    }
    let mark = bench.remote.mark();
    let back = monotonic_ns();
    card.plug();
    let used = bench.phase(mark, "idle");
    println!("driver back → ready: {:.0} ms", ms(back, used));
    assert!(used - back < BACK.as_nanos() as u64, "only after {:.0} ms", ms(back, used));
    bench.until("both are back", |status| status["missing"] == serde_json::json!([]));
    bench.end();
}

#[test]
fn a_microphone_that_loses_its_driver_in_the_middle_of_a_question_ends_it_there() {
    if !inside() {
        return;
    }
    let card = Aloop::load();
    let bench = bench(500);
    bench.talk();
    let before = messages(&bench.server.events(), "activityEnd").count();
    let mark = bench.remote.mark();
    bench.remote.press().unwrap();
    std::thread::sleep(Duration::from_secs(1)); // somebody speaks
    card.unplug();
    bench.phase(mark, "no device");
    let ended = bench
        .server
        .wait_blocking(crate::scene::WAIT, |events| messages(events, "activityEnd").count() > before);
    assert!(ended, "the question never ends");
    bench.remote.release().unwrap();
    let mark = bench.remote.mark();
    card.plug();
    bench
        .remote
        .wait_phase(mark, "idle", BACK)
        .unwrap_or_else(|error| panic!("{error}\n{}", bench.daemon.log()));
    bench.talk();
    bench.end();
}

/// Somebody else's end of the microphone's cable, which decides its format.
#[track_caller]
fn near_end(rate: u32, channels: u32) -> PCM {
    let pcm = PCM::new("hw:CARD=Loopback,DEV=0,SUBDEV=0", Direction::Playback, false).unwrap();
    {
        let hw = HwParams::any(&pcm).unwrap();
        hw.set_access(Access::RWInterleaved).unwrap();
        hw.set_format(Format::S16LE).unwrap();
        hw.set_channels(channels).unwrap();
        hw.set_rate(rate, ValueOr::Nearest).unwrap();
        pcm.hw_params(&hw).unwrap();
    }
    pcm.prepare().unwrap();
    // Only one that plays imposes its format on the other end.
    let silence = vec![0i16; (rate / 4 * channels) as usize];
    pcm.io_i16().unwrap().writei(&silence).unwrap();
    if pcm.state() != State::Running {
        pcm.start().unwrap();
    }
    pcm
}

#[test]
fn a_format_other_than_the_one_asked_for_is_taken_and_one_that_changes_is_agreed_on_anew() {
    if !inside() {
        return;
    }
    run("modprobe --remove snd-aloop; modprobe snd-aloop pcm_substreams=2 pcm_notify=1");
    let first = near_end(48_000, 2);
    let bench = bench(500);
    let format = bench.until("it is open", |status| !status["microphone"]["format"].is_null());
    let is = |status: &Value, format: &str| {
        status["microphone"]["format"].as_str().is_some_and(|found| found.starts_with(format))
    };
    assert!(is(&format, "48000 Hz, 2 ch"), "{format:#}");
    bench.talk();
    drop(first);
    let changed = monotonic_ns();
    let _second = near_end(32_000, 1);
    bench.until("the microphone has the other format", |status| is(status, "32000 Hz, 1 ch"));
    let took = ms(changed, monotonic_ns());
    println!("format changed → agreed on: {took:.0} ms");
    assert!(took < BACK.as_millis() as f64, "{took:.0} ms");
    bench.talk();
    bench.end();
    drop(_second);
    run("modprobe --remove snd-aloop");
}
