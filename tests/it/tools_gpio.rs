//! Tools on lines of the device, through the real daemon; the lines are files (tests/wired).

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use fake_gemini::{Script, Turn};
use serde_json::{Value, json};
use tests::stage::Setting;

use crate::scene::{Scene, WAIT, messages, setting};
use crate::tools::{Bench, until};

impl Bench {
    /// A line that is there, at this level.
    fn pin(&self, line: &str, level: &str) {
        fs::create_dir_all(self.path("pins")).unwrap();
        fs::write(self.path("pins").join(line), level).unwrap();
    }

    fn level(&self, line: &str) -> String {
        fs::read_to_string(self.path("pins").join(line)).unwrap()
    }

    /// Every level that was driven, and when, in ms of CLOCK_MONOTONIC.
    fn driven(&self, line: &str) -> Vec<(String, u64)> {
        let told = fs::read_to_string(self.path("pins").join(format!("{line}.told"))).unwrap_or_default();
        let one = |line: &str| {
            let (level, ns) = line.split_once(' ').unwrap();
            (level.to_owned(), ns.parse::<u64>().unwrap() / 1_000_000)
        };
        told.lines().map(one).collect()
    }

    pub fn gpio(&self, name: &str, head: &str, keys: &str) {
        let text = format!("name = \"{name}\"\ndescription = \"For a test.\"\n{head}\n[gpio]\n{keys}\n");
        fs::write(self.path("tools.d").join(format!("{name}.toml")), text).unwrap();
    }

    /// A daemon with these lines.
    fn wired(&self, script: Script) -> Setting {
        let env: Vec<(&'static str, PathBuf)> = vec![("WIRED_PINS", self.path("pins"))];
        Setting { wired: true, env, ..setting("hold", &self.config(), script) }
    }
}

/// Turns that call these, one each.
pub fn calling(calls: &[(&str, Value)]) -> Script {
    calls.iter().fold(Script::default(), |script, (name, args)| {
        script.turn(Turn { think_ms: Some(10), ..Turn::noise(300, 1) }.call(name, args.clone()))
    })
}

impl Scene {
    /// Asks, and the so-manieth response to a call.
    #[track_caller]
    pub fn asks_for(&self, count: usize) -> Value {
        let mark = self.remote.mark();
        self.ask("question-time");
        self.answered(mark);
        let events = self.server.events();
        let responses: Vec<&Value> = messages(&events, "toolResponse").map(|(_, message)| message).collect();
        assert_eq!(responses.len(), count, "one call, one response");
        responses[count - 1]["toolResponse"]["functionResponses"][0]["response"].clone()
    }
}

#[test]
fn a_pulse_is_as_long_as_its_file_says_and_is_answered_at_once() {
    let bench = Bench::new();
    bench.pin("GPIO22", "1"); // left on by somebody: active low
    bench.gpio("open_door", "", "line = \"GPIO22\"\naction = \"pulse\"\npulse_ms = 700\nactive_low = true");
    bench.pin("GPIO24", "1");
    bench.gpio(
        "garage",
        "",
        "line = \"GPIO24\"\ndirection = \"in\"\non_word = \"open\"\noff_word = \"closed\"",
    );
    let scene = Scene::set(bench.wired(calling(&[("open_door", json!({})), ("garage", json!({}))])));
    assert_eq!(scene.asks_for(1), json!({ "state": "on", "switches_off_after_s": 0.7 }));
    until("the pulse is over", WAIT, || bench.level("GPIO22") == "1" && bench.driven("GPIO22").len() == 3);
    let driven = bench.driven("GPIO22");
    let levels: Vec<&str> = driven.iter().map(|(level, _)| level.as_str()).collect();
    assert_eq!(levels, ["1", "0", "1"], "safe, on, off");
    let length = driven[2].1 - driven[1].1;
    assert!((600..1500).contains(&length), "{length} ms");
    assert_eq!(scene.asks_for(2), json!({ "state": "open" }));
    assert_eq!(bench.driven("GPIO24"), []);
    let (_, log, _) = bench.pressel(&["log"]);
    assert!(log.contains("open_door  done") && log.contains("garage  done"), "{log}");
    scene.end();
    assert_eq!(bench.level("GPIO22"), "1", "safe at the end");
}

#[test]
fn what_is_on_is_off_in_time_although_the_talk_and_the_call_are_gone() {
    let bench = Bench::new();
    bench.pin("GPIO23", "0");
    bench.gpio("lamp", "", "line = \"GPIO23\"\naction = \"on\"\non_max_s = 2\ninterval_min_s = 1");
    let scene = Scene::set(bench.wired(calling(&[("lamp", json!({}))])));
    scene.pass(1000); // its rest since the start
    scene.ask("question-time");
    until("it is on", WAIT, || bench.level("GPIO23") == "1");
    scene.remote.ask("{\"op\":\"act\",\"act\":\"stop\"}").unwrap();
    until("it is off", Duration::from_secs(4), || bench.level("GPIO23") == "0");
    let driven = bench.driven("GPIO23");
    let length = driven.last().unwrap().1 - driven[driven.len() - 2].1;
    assert!((1900..3500).contains(&length), "{length} ms");
    until("it is told", WAIT, || scene.log().contains("switched off by itself"));
    scene.end();
}

#[test]
fn a_line_is_safe_after_a_kill_after_a_reload_and_after_the_end() {
    let bench = Bench::new();
    bench.pin("GPIO23", "0");
    bench.gpio("lamp", "", "line = \"GPIO23\"\naction = \"on\"");
    let mut scene = Scene::set(bench.wired(calling(&[("lamp", json!({})), ("lamp", json!({}))])));
    assert_eq!(scene.asks_for(1), json!({ "state": "on" }));
    assert_eq!(bench.level("GPIO23"), "1");
    // Killed, it leaves the line as it was; the next one begins with it.
    scene.daemon.signal(libc::SIGKILL);
    scene.daemon.wait(WAIT).unwrap().expect("killed");
    assert_eq!(bench.level("GPIO23"), "1");
    let restarted = Instant::now();
    scene.restart().unwrap();
    eprintln!("up again after {:?}", restarted.elapsed());
    assert_eq!(bench.level("GPIO23"), "0", "safe first of all");
    assert_eq!(scene.asks_for(2), json!({ "state": "on" }));
    // The tool is taken away.
    fs::remove_file(bench.path("tools.d/lamp.toml")).unwrap();
    scene.daemon.signal(libc::SIGHUP);
    until("the line is let go of", WAIT, || bench.level("GPIO23") == "0");
    until("taken up", WAIT, || scene.log().contains("configuration taken up"));
    // It is back, and so is the line; another one has the end of the daemon to see to it.
    bench.gpio("lamp", "", "line = \"GPIO23\"\naction = \"on\"\nsafe = \"on\"");
    scene.daemon.signal(libc::SIGHUP);
    until("safe is on", WAIT, || bench.level("GPIO23") == "1");
    scene.end();
    assert_eq!(bench.level("GPIO23"), "1");
}

#[test]
fn a_line_that_is_not_there_or_held_is_told_and_its_tool_not_offered() {
    let bench = Bench::new();
    bench.pin("GPIO22", "kitchen-relay");
    bench.pin("GPIO24", "0");
    bench.gpio("held", "", "line = \"GPIO22\"\naction = \"on\"");
    bench.gpio("nowhere", "", "line = \"GPIO99\"\naction = \"on\"");
    bench.gpio("mine", "", "line = \"GPIO24\"\naction = \"on\"");
    bench.gpio("button", "", "line = \"5\"\naction = \"on\"");
    let mut setting = bench.wired(Script::default());
    setting.config += "[button]\nkind = \"gpio\"\nline = \"GPIO5\"\n";
    let scene = Scene::set(setting);
    let log = scene.log();
    for words in
        ["line \\\"GPIO22\\\" is used by \\\"kitchen-relay\\\"", "GPIO99", "is the line of [button] already"]
    {
        assert!(log.contains(words), "{words}: {log}");
    }
    let mark = scene.remote.mark();
    scene.ask("question-time");
    scene.told(mark, "link_up");
    scene.received("setup", 1);
    let events = scene.server.events();
    let (_, setup) = messages(&events, "setup").next().unwrap();
    let declared = setup["setup"]["tools"][0]["functionDeclarations"].as_array().unwrap();
    assert_eq!(declared.iter().map(|tool| &tool["name"]).collect::<Vec<_>>(), ["mine"]);
    // By hand the same is said, of the kernel's own lines.
    let (code, out, _) = bench.pressel(&["check"]);
    assert_eq!(code, Some(1));
    assert!(out.contains("mine.toml: ") && out.contains("pressel devices"), "{out}");
}
