//! What is kept of calls: each is on record with how it ended, and a day's limit outlives a restart.

use std::path::PathBuf;

use fake_gemini::{Script, Turn};
use serde_json::{Value, json};
use tests::stage::Setting;

use crate::scene::{Scene, WAIT, messages, setting};
use crate::tools::{Bench, calls, until};
use crate::tools_gpio::calling;

impl Bench {
    fn kept(&self) -> Vec<Value> {
        let (_, log, _) = self.pressel(&["log", "--json"]);
        log.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

#[test]
fn what_goes_on_after_it_was_cancelled_is_on_record_with_its_own_end() {
    let bench = Bench::new();
    bench.tool("valve", "sleep 2; echo shut", "on_cancel = \"finish\"", "");
    let turn = Turn { think_ms: Some(10), cancel_tools_after_ms: Some(500), ..Turn::noise(300, 1) };
    let script = Script::default().turn(turn.call("valve", json!({})));
    let scene = Scene::of("hold", &bench.config(), script);
    scene.ask("question-time");
    scene.server_until("toolCallCancellation", |events| {
        let cancels = |event: &fake_gemini::Event| matches!(&event.what, fake_gemini::What::Sent { name, .. } if name == "toolCallCancellation");
        events.iter().any(cancels)
    });
    assert_eq!(bench.kept(), [json!(null); 0], "it has not ended");
    until("it is on record", WAIT, || !bench.kept().is_empty());
    let kept = bench.kept();
    assert_eq!((kept.len(), &kept[0]["outcome"]), (1, &json!("done")), "{kept:?}");
    let (took, cancelled) = (kept[0]["took_ms"].as_u64().unwrap(), kept[0]["cancelled_ms"].as_u64().unwrap());
    assert!(took >= 1900 && (300..1900).contains(&cancelled), "{kept:?}");
    assert!(scene.log().contains(&format!("cancelled_ms={cancelled}")), "in the journal too");
    scene.end();
}

#[test]
fn what_is_at_work_at_the_end_of_the_daemon_is_on_record() {
    let bench = Bench::new();
    bench.tool("pump", "sleep 60", "", "");
    let scene = Scene::of("hold", &bench.config(), calls("pump", json!({})));
    scene.ask("question-time");
    let program = bench.path("pump");
    until("it is at work", WAIT, || crate::tools::with_word(program.to_str().unwrap()) > 0);
    scene.end();
    let kept = bench.kept();
    assert_eq!((kept.len(), &kept[0]["outcome"]), (1, &json!("cancelled")), "{kept:?}");
}

#[test]
fn a_limit_of_the_day_outlives_a_kill_without_any_log() {
    let bench = Bench::new();
    bench.tool("door", "echo open", "per_day_max = 2", "");
    let folder = bench.path("state");
    std::fs::create_dir(&folder).unwrap();
    let env: Vec<(&'static str, PathBuf)> = vec![("STATE_DIRECTORY", folder)];
    let path = bench.path("tools.d");
    let config = format!("[tools]\nfolder = \"{}\"\nsocket = \"\"\nlog_folder = \"\"\n", path.display());
    let script = calling(&[("door", json!({})), ("door", json!({})), ("door", json!({}))]);
    let mut scene = Scene::set(Setting { env, ..setting("hold", &config, script) });
    for count in 1..=2 {
        assert_eq!(scene.asks_for(count), json!({ "output": "open" }));
        scene.daemon.signal(libc::SIGKILL);
        scene.restart().unwrap();
    }
    let told = scene.asks_for(3);
    assert_eq!(told["error"], "not done: door may be called 2 times a day, and was");
    scene.end();
}

#[test]
fn each_role_is_offered_its_own_tools_and_has_no_others() {
    let bench = Bench::new();
    bench.tool("map", "echo the hall is on the left", "roles = [\"visitor\", \"staff\"]", "");
    bench.tool("open_safe", "echo open", "roles = [\"staff\"]", "");
    bench.tool("hours", "echo nine to five", "", "");
    for (role, offered, safe) in [
        ("visitor", vec!["hours", "map"], "not done: there is no such tool; the tools are: hours, map"),
        ("staff", vec!["hours", "map", "open_safe"], ""),
        ("", vec!["hours"], "not done: there is no such tool; the tools are: hours"),
    ] {
        let config = format!("{}role = \"{role}\"\n", bench.config());
        let scene = Scene::of("hold", &config, calls("open_safe", json!({})));
        let told = scene.asks_for(1);
        let events = scene.server.events();
        let (_, setup) = messages(&events, "setup").next().unwrap();
        let declared = setup["setup"]["tools"][0]["functionDeclarations"].as_array().unwrap();
        assert_eq!(declared.iter().map(|tool| &tool["name"]).collect::<Vec<_>>(), offered, "{role}");
        match safe {
            "" => assert_eq!(told["output"], "open"),
            safe => assert_eq!(told["error"], safe, "{role}"),
        }
        scene.end();
    }
}
