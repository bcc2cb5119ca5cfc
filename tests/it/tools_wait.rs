//! While a tool is at work, and when nobody waits for it any more: what is heard, and what a service sees.

use std::io::Read;
use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

use fake_gemini::{Event, Script, Turn, What};
use pressel_world::card::{CardOptions, StreamOptions};
use pressel_world::wav::Wav;
use serde_json::json;
use tests::stage::{STAGES_OFF, Setting};

use crate::scene::{Scene, WAIT, setting};
use crate::tools::{Bench, calls, until, with_word};

fn sent(events: &[Event], wanted: &str) -> Option<u64> {
    let is = |event: &&Event| matches!(&event.what, What::Sent { name, .. } if name == wanted);
    events.iter().find(is).map(|event| event.at_ns)
}

#[test]
fn a_request_that_was_cancelled_is_dropped_within_half_a_second() {
    let bench = Bench::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let text = format!(
        "name = \"slow\"\ndescription = \"For a test.\"\n[http]\nprivate = true\ntls = false\nurl = \"http://127.0.0.1:{port}/\"\n"
    );
    std::fs::write(bench.path("tools.d/slow.toml"), text).unwrap();
    let (tell, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut buffer = [0; 4096];
        // It is asked, and answers never.
        while stream.read(&mut buffer).is_ok_and(|count| count > 0) {
            tell.send(None).unwrap();
        }
        tell.send(Some(Instant::now())).unwrap();
    });
    let turn = Turn { think_ms: Some(10), cancel_tools_after_ms: Some(1000), ..Turn::noise(300, 1) };
    let scene = Scene::of("hold", &bench.config(), Script::default().turn(turn.call("slow", json!({}))));
    scene.ask("question-time");
    assert_eq!(ended.recv_timeout(WAIT).unwrap(), None, "it is asked");
    scene.server_until("cancelled", |events| sent(events, "toolCallCancellation").is_some());
    let cancelled = Instant::now();
    let at = loop {
        if let Some(at) = ended.recv_timeout(WAIT).unwrap() {
            break at;
        }
    };
    let took = at.saturating_duration_since(cancelled);
    assert!(took < Duration::from_millis(500), "hung up after {took:?}");
    scene.end();
}

/// How much of something is heard somewhere, however loud: 1 is all of it.
fn likeness(heard: &[i16], wanted: &[i16]) -> f64 {
    let power = |samples: &[i16]| samples.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>();
    let like = |part: &[i16]| {
        let both: f64 = part.iter().zip(wanted).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
        both / (power(part) * power(wanted)).sqrt().max(1.0)
    };
    heard.windows(wanted.len()).filter(|part| part[0] != 0).map(like).fold(0.0, f64::max)
}

/// A tool that takes four seconds, on a loudspeaker of the phrases' own rate.
fn slow(bench: &Bench, stages: String) -> Scene {
    bench.tool("look", "sleep 4; echo found", "", "");
    let card =
        CardOptions { microphone: StreamOptions::new(16_000, 1), speaker: StreamOptions::new(16_000, 1) };
    let setting = setting("hold", &bench.config(), calls("look", json!({})));
    let scene = Scene::set(Setting { card, stages, ..setting });
    scene.ask("question-time");
    scene
}

#[test]
fn who_waits_for_a_tool_hears_one_moment_after_a_second_or_so() {
    let bench = Bench::new();
    let phrases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../daemon/phrases");
    let on = format!("[phrases]\non = true\nfolder = \"{}\"", phrases.display());
    let scene = slow(&bench, STAGES_OFF.replace("[phrases]\non = false", &on));
    let from = scene.played(0).len();
    let working = scene.told(0, "line");
    assert_eq!(working.value["line"], "working");
    let called = sent(&scene.server.events(), "toolCall").unwrap();
    let after_ms = working.at_ns.saturating_sub(called) / 1_000_000;
    assert!((1100..2500).contains(&after_ms), "said {after_ms} ms after the call");
    let words = Wav::read(&phrases.join("en/working.wav")).unwrap();
    let spoken = &words.samples[16_000 / 5..16_000 / 3];
    assert!(spoken.iter().any(|sample| sample.unsigned_abs() > 1000), "a part that has sound in it");
    scene.pass(1500);
    assert!(with_word(bench.path("look").to_str().unwrap()) > 0, "the tool has ended already");
    let heard = scene.played(0);
    let like = likeness(&heard[from..], spoken);
    assert!(like > 0.95, "the phrase is heard by {like}");
    scene.end();
}

#[test]
fn a_device_that_says_nothing_by_itself_ticks_instead() {
    let bench = Bench::new();
    let scene = slow(&bench, STAGES_OFF.to_owned());
    let loud = || scene.played(0).iter().filter(|sample| sample.unsigned_abs() > 1000).count();
    until("something is heard", WAIT, || loud() > 16 * 20);
    assert!(with_word(bench.path("look").to_str().unwrap()) > 0, "before the tool has ended");
    scene.end();
}
