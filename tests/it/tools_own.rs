//! Tools of the device itself, those of Home Assistant, and what is found before the first call.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};

use fake_gemini::{Script, Turn};
use serde_json::{Value, json};
use tests::measure::find;

use crate::scene::{SPK_MS, Scene, WAIT, closes, messages};
use crate::tools::Bench;
use crate::tools_gpio::calling;

impl Bench {
    fn file(&self, name: &str, text: &str) {
        fs::write(self.path("tools.d").join(format!("{name}.toml")), text).unwrap();
    }

    fn builtin(&self, name: &str, more: &str) {
        self.file(name, &format!("builtin = \"{name}\"\n{more}\n"));
    }

    fn config_with_notes(&self) -> String {
        let folder = self.path("notes");
        fs::create_dir_all(&folder).unwrap();
        format!("{}notes_folder = \"{}\"\n", self.config(), folder.display())
    }
}

#[test]
fn the_volume_the_time_and_the_state_are_told_within_their_limits() {
    let bench = Bench::new();
    for (name, more) in [("volume", ""), ("time_and_date", ""), ("device_status", "per_minute_max = 1")] {
        bench.builtin(name, more);
    }
    let calls = [
        ("volume", json!({ "step": "down" })),
        ("volume", json!({ "percent": 40 })),
        ("volume", json!({ "step": "sideways" })),
        ("time_and_date", json!({})),
        ("device_status", json!({})),
        ("device_status", json!({})),
    ];
    let scene = Scene::of("hold", &bench.config(), calling(&calls));
    let told: Vec<Value> = (1..=calls.len()).map(|count| scene.asks_for(count)).collect();
    assert_eq!(told[0], json!({ "percent": 90, "softest": 10, "loudest": 100 }));
    assert_eq!(told[1]["percent"], 40);
    assert_eq!(told[2]["error"], "wrong arguments: step is not one of up, down");
    assert_eq!(scene.remote.status().unwrap()["volume"]["percent"], 40);
    let today = Command::new("date").arg("+%F %Z").output().unwrap();
    let today = String::from_utf8(today.stdout).unwrap();
    assert!(today.starts_with(told[3]["date"].as_str().unwrap()), "{today} {}", told[3]);
    for key in ["time", "weekday", "time_zone", "utc_offset", "clock"] {
        assert!(told[3][key].is_string(), "{}", told[3]);
    }
    assert_eq!((&told[4]["status"], &told[4]["volume_percent"]), (&json!("All is well."), &json!(40)));
    assert!(told[5]["error"].as_str().unwrap().starts_with("not done: device_status may be called 1 times"));
    let (_, log, _) = bench.pressel(&["log"]);
    assert_eq!(log.lines().count(), calls.len(), "{log}");
    scene.end();
}

#[test]
fn a_note_that_was_confirmed_outlives_a_kill() {
    let bench = Bench::new();
    ["remember", "recall", "forget"].iter().for_each(|name| bench.builtin(name, ""));
    let calls = [
        ("remember", json!({ "note": "The spare key is with Ann." })),
        ("recall", json!({})),
        ("forget", json!({ "number": 1 })),
        ("recall", json!({})),
    ];
    let mut scene = Scene::of("hold", &bench.config_with_notes(), calling(&calls));
    assert_eq!(scene.asks_for(1), json!({ "output": "kept", "number": 1 }));
    scene.daemon.signal(libc::SIGKILL);
    scene.restart().unwrap();
    let notes = json!([{ "number": 1, "note": "The spare key is with Ann." }]);
    assert_eq!(scene.asks_for(2), json!({ "notes": notes }));
    assert_eq!(scene.asks_for(3)["notes"], 1);
    assert_eq!(scene.asks_for(4), json!({ "notes": [] }));
    assert!(!scene.log().contains("spare key"), "a note is nobody else's business");
    scene.end();
}

#[test]
fn the_talk_ends_once_the_goodbye_has_been_heard() {
    let bench = Bench::new();
    bench.builtin("end_the_talk", "");
    let goodbye = Turn { think_ms: Some(10), ..Turn::noise(900, 1) }.call("end_the_talk", json!({}));
    let scene = Scene::of("hold", &bench.config(), Script::default().turn(goodbye));
    let response = scene.asks_for(1);
    assert!(response["output"].as_str().unwrap().contains("once your answer has been played"));
    scene.server_until("hung up", |events| closes(events).iter().any(|(.., code)| *code == 1000));
    let events = scene.server.events();
    let sent = events.spoken(1);
    assert!(find(&scene.played(0), &sent, 0).is_some(), "the goodbye was not heard whole");
    assert_eq!(scene.remote.status().unwrap()["phase"], "idle");
    scene.end();
}

#[test]
fn a_new_talk_knows_nothing_of_the_former_one() {
    let bench = Bench::new();
    bench.builtin("new_talk", "");
    let scene = Scene::of("hold", &bench.config(), calling(&[("new_talk", json!({}))]));
    scene.asks_for(1);
    let mark = scene.remote.mark();
    scene.ask("question-moon");
    scene.answered(mark);
    let link = scene.remote.events().into_iter().skip(mark).find(|event| event.name == "link_up");
    assert_eq!(link.expect("a link of its own").value["resumed"], false);
    scene.end();
}

#[test]
fn stop_is_answered_and_nothing_more_is_heard() {
    let bench = Bench::new();
    bench.builtin("stop", "");
    let script = Script { rest: Turn::noise(300, 1), ..calling(&[("stop", json!({}))]) };
    let scene = Scene::of("hold", &bench.config(), script);
    let mark = scene.remote.mark();
    scene.ask("question-time");
    scene.received("toolResponse", 1);
    scene.phase(mark, "idle");
    scene.pass(1500);
    let loud = scene.played(0).iter().filter(|sample| sample.unsigned_abs() > 0).count() as u64;
    assert!(loud < 30 * SPK_MS, "{loud} samples of it are heard");
    assert_eq!(messages(&scene.server.events(), "toolResponse").count(), 1);
    // The next question is answered aloud.
    let mark = scene.remote.mark();
    scene.ask("question-moon");
    scene.answered(mark);
    scene.end();
}

/// A web service that answers each request with the same; head and body of what it was asked.
fn home(answer: &'static str) -> (u16, Receiver<(String, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, asked) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut reader = BufReader::new(stream);
            let (mut head, mut length) = (String::new(), 0);
            loop {
                let before = head.len();
                if reader.read_line(&mut head).unwrap_or(0) == 0 || head[before..].trim().is_empty() {
                    break;
                }
                if let Some(number) = head[before..].to_lowercase().strip_prefix("content-length:") {
                    length = number.trim().parse().unwrap();
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            // Whoever asked may be gone, and the test may be over.
            let _ = reader.get_mut().write_all(answer.as_bytes());
            let _ = tell.send((head, String::from_utf8(body).unwrap()));
        }
    });
    (port, asked)
}

fn answer(body: &str) -> &'static str {
    let text = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    Box::leak(text.into_boxed_str())
}

#[test]
fn home_assistant_is_called_and_asked() {
    let bench = Bench::new();
    let token = bench.path("token");
    fs::write(&token, "long-lived-t0ken\n").unwrap();
    fs::set_permissions(&token, fs::Permissions::from_mode(0o600)).unwrap();
    let at = |port: u16| {
        let token = token.display();
        format!("[home_assistant]\nurl = \"http://127.0.0.1:{port}\"\nsecret_file = \"{token}\"\n")
    };
    let (port, asked) = home(answer("[{\"entity_id\": \"light.kitchen\", \"state\": \"on\"}]"));
    let light = format!(
        "name = \"kitchen_light\"\ndescription = \"Switches it.\"\n{}service = \"light.turn_{{state}}\"\n\
         entity = \"light.kitchen\"\n[data]\nbrightness_pct = \"{{percent?}}\"\n[parameters]\nrequired = [\"state\"]\n\
         [parameters.properties]\nstate = {{ type = \"string\", enum = [\"on\", \"off\"] }}\n\
         percent = {{ type = \"integer\", minimum = 1, maximum = 100 }}\n",
        at(port)
    );
    bench.file("light", &light);
    let state = "{\"entity_id\": \"sensor.outside\", \"state\": \"-3.5\", \"attributes\": {\"unit_of_measurement\": \"°C\", \
                 \"friendly_name\": \"Outside\"}}";
    let (port, asked_state) = home(answer(state));
    bench.file(
        "outside",
        &format!(
            "name = \"outside\"\ndescription = \"How cold.\"\n{}entity = \"sensor.outside\"\n",
            at(port)
        ),
    );
    let (port, _asked) =
        home("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n");
    bench.file(
        "moved",
        &format!("name = \"moved\"\ndescription = \"x\"\n{}entity = \"sensor.a\"\n", at(port)),
    );

    let calls = [("kitchen_light", json!({ "state": "on", "percent": 40 })), ("outside", json!({}))];
    let scene = Scene::of("hold", &bench.config(), calling(&calls));
    assert_eq!(scene.asks_for(1), json!({ "output": "done" }));
    let (head, body) = asked.recv_timeout(WAIT).unwrap();
    assert!(head.starts_with("POST /api/services/light/turn_on HTTP/1.1\r\n"), "{head}");
    assert!(head.to_lowercase().contains("authorization: bearer long-lived-t0ken\r\n"), "{head}");
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body, json!({ "entity_id": "light.kitchen", "brightness_pct": 40 }));
    assert_eq!(scene.asks_for(2), json!({ "state": "-3.5", "unit": "°C", "name": "Outside" }));
    assert!(
        asked_state.recv_timeout(WAIT).unwrap().0.starts_with("GET /api/states/sensor.outside HTTP/1.1\r\n")
    );
    assert!(!scene.log().contains("t0ken"));
    scene.end();
    assert!(bench.call("moved", &json!({})).unwrap_err().contains("it redirects (302)"));
}

#[test]
fn what_cannot_be_called_is_told_at_the_start_and_looked_at_again_by_a_reload() {
    let bench = Bench::new();
    bench.tool("torque", "echo 45", "", "");
    let program = bench.path("torque");
    fs::rename(&program, bench.path("elsewhere")).unwrap();
    bench.tool("other", "echo fine", "", "");
    bench.builtin("volume", "name = \"loudness\"\ndescription = \"Wie laut es ist.\"");
    bench.builtin("recall", "");
    let config = bench.config() + "notes_folder = \"\"\n";
    let scene = Scene::of("hold", &config, calling(&[("other", json!({}))]));
    let log = scene.log();
    assert!(log.contains("there is no program") && log.contains("notes_folder is empty"), "{log}");
    scene.asks_for(1);
    let declared = |scene: &Scene| -> Vec<String> {
        let events = scene.server.events();
        let (_, setup) = messages(&events, "setup").last().unwrap();
        let all = setup["setup"]["tools"][0]["functionDeclarations"].as_array().unwrap();
        all.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(declared(&scene), ["loudness", "other"]);
    fs::rename(bench.path("elsewhere"), &program).unwrap();
    scene.daemon.signal(libc::SIGHUP);
    crate::tools::until("taken up", WAIT, || scene.log().contains("configuration taken up"));
    let mark = scene.remote.mark();
    scene.ask("question-moon");
    scene.answered(mark);
    assert_eq!(declared(&scene), ["loudness", "other", "torque"]);
    scene.end();
}

#[test]
fn hosts_and_words_are_checked_without_a_call() {
    let bench = Bench::new();
    let http = |name: &str, url: &str, more: &str| {
        let text = format!("name = \"{name}\"\ndescription = \"x\"\n[http]\nurl = \"{url}\"\n{more}\n");
        bench.file(name, &text);
    };
    http("nobody", "https://pressel.invalid/x", "");
    http("neighbour", "http://127.0.0.1:9/x", "tls = false");
    http("allowed", "http://127.0.0.1:9/x", "tls = false\nprivate = true");
    bench.file("typo", "builtin = \"volumes\"\n");
    bench.file("both", "builtin = \"stop\"\n[command]\nargv = [\"/bin/true\"]\n");
    let (code, out, _) = bench.pressel(&["check"]);
    assert_eq!(code, Some(1), "{out}");
    let has = |line: &str| assert!(out.lines().any(|found| found.contains(line)), "{line}: {out}");
    has("nobody.toml: look up pressel.invalid");
    assert!(out.lines().any(|line| line.starts_with("warn  ") && line.contains("nobody.toml")), "{out}");
    has("neighbour.toml: connect 127.0.0.1: an address of this machine or its neighbours");
    has("ok    allowed");
    has("typo.toml:1: builtin = \"volumes\" is not built in; allowed: \"volume\", \"stop\"");
    has("both.toml:2: [command]: stands beside builtin = \"stop\"");
}

#[test]
fn a_program_of_a_tool_is_not_favoured_as_the_daemon_is() {
    let bench = Bench::new();
    // nice value and policy of a process, by proc(5) fields 19 and 41.
    bench.tool("place", "echo $(cut -d' ' -f19,41 /proc/self/stat) $(cat /proc/self/oom_score_adj)", "", "");
    let scene = Scene::of("hold", &bench.config(), calling(&[("place", json!({}))]));
    let own = fs::read_to_string(format!("/proc/{}/stat", scene.daemon.pid())).unwrap();
    eprintln!("the daemon's own: nice {}", own.rsplit(')').next().unwrap().split(' ').nth(17).unwrap());
    let told = scene.asks_for(1)["output"].as_str().unwrap().to_owned();
    let [nice, policy, spared] = told.split(' ').map(|n| n.parse::<i32>().unwrap()).collect::<Vec<_>>()[..]
    else {
        panic!("{told}");
    };
    assert!(nice >= 0 && policy == 0 && spared >= 0, "{told}");
    scene.end();
}
