//! MCP servers through `pressel-mcp` and the whole daemon: a real one over pipes and over HTTP, and odd ones.

mod published;
mod shop;

use std::fs;
use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use fake_gemini::{Script, Turn};
use serde_json::{Value, json};
use tests::stage::Setting;

use crate::scene::{Scene, messages, setting};
use crate::services;
use shop::{Shop, python3, until, with_word};

/// A real server, whichever way, through a whole talk; and by hand.
fn real_server(keys: impl Fn(&Shop) -> String) {
    let mut shop = Shop::closed();
    let allow = "allow = [\"torque\", \"stock\", \"label\", \"order\", \"wipe\", \"count_all\", \"gone\"]";
    shop.put("parts", &format!("{}{allow}\n", keys(&shop)));
    shop.open();
    let (code, told) = shop.pressel(&["check"]);
    assert_eq!(code, Some(0), "{told}");
    let has = |line: &str| assert!(told.contains(line), "{line}: {told}");
    has("ok    parts: its tools are count_all, label, order, stock, torque, wipe");
    has("note  parts: it has no tool \"gone\", which allow names");
    has("note  parts: order: filter: no model takes its type: asked for as JSON text");

    let call = Turn::noise(300, 1).call("torque", json!({ "size": "M8" }));
    let script = Script::default().turn(Turn { think_ms: Some(10), ..call });
    let scene = Scene::of("hold", &shop.config(), script);
    let mark = scene.remote.mark();
    scene.ask("question-time");
    scene.answered(mark);
    let events = scene.server.events();
    let (_, setup) = messages(&events, "setup").next().unwrap();
    let declared = setup["setup"]["tools"][0]["functionDeclarations"].as_array().unwrap();
    let torque = declared.iter().find(|tool| tool["name"] == "torque").unwrap();
    assert_eq!(torque["description"], "Tightening torque of a metric bolt.");
    assert_eq!(torque["parameters"]["properties"]["size"]["enum"], json!(["M6", "M8", "M10"]));
    assert_eq!(torque["parameters"]["required"], json!(["size"]));
    let responses: Vec<&Value> = messages(&events, "toolResponse").map(|(_, message)| message).collect();
    assert_eq!(responses.len(), 1, "one call, one response");
    let response = &responses[0]["toolResponse"]["functionResponses"][0]["response"];
    assert!(response.to_string().contains("25 Nm for M8, grade 8.8"), "{response}");
    scene.end();

    let stock = json!({ "part": "seal", "place": { "hall": "south" } });
    let place = json!({ "hall": "south", "shelf": null });
    assert_eq!(shop.call("stock", &stock), Ok(json!({ "part": "seal", "count": 12, "place": place })));
    let wrong = shop.call("stock", &json!({ "part": "x" })).unwrap_err();
    assert!(wrong.contains("part is not 2 to 20 characters long"), "{wrong}");
    let label = shop.call("label", &json!({ "part": "seal" })).unwrap();
    assert_eq!(label["output"], "label of seal\n(a picture, image/png, 4 kB)");
    let ordered = shop.call("order", &json!({ "filter": "{\"b\": 1, \"a\": 2}" })).unwrap();
    assert!(ordered.to_string().contains("ordered ['a', 'b']"), "{ordered}");
    let failed = shop.call("wipe", &json!({})).unwrap_err();
    assert!(failed.starts_with("failed: ") && failed.contains("nothing is forgotten here"), "{failed}");

    let mut waiting = shop.command(&["call", "count_all", "{}"]).stdout(Stdio::null()).spawn().unwrap();
    until("it counts", || shop.trace().contains("counting"));
    waiting.kill().unwrap();
    waiting.wait().unwrap();
    let took = until("the server is told that nobody waits", || shop.trace().contains("given up"));
    assert!(took < Duration::from_millis(500), "{took:?}");
}

#[test]
fn a_real_server_that_is_a_program_takes_part_in_a_talk() {
    let python = services::python();
    real_server(|shop| shop.script(python.to_str().unwrap(), "parts.py", "stdio"));
}

#[test]
fn a_real_server_on_the_net_takes_part_in_a_talk() {
    let python = services::python();
    let port = services::free_port();
    let started = std::cell::OnceCell::new();
    real_server(|shop| {
        let mut command = Command::new(&python);
        command.arg(services::file("parts.py")).arg(port.to_string()).arg(shop.path("trace"));
        let log = fs::File::create(shop.path("parts.log")).unwrap();
        let _ = started.set(services::listening(command.stderr(log), port));
        format!("url = \"http://127.0.0.1:{port}/mcp\"\nprivate = true\ntls = false\n")
    });
}

#[test]
fn an_odd_server_costs_its_own_calls_alone() {
    let mut shop = Shop::closed();
    for way in ["chatty", "crash", "huge", "endless", "nonsense", "hang"] {
        let keys = shop.script(python3(), "odd.py", way);
        shop.put(way, &format!("{keys}allow = [\"act\"]\n"));
    }
    let mute = shop.script(python3(), "odd.py", "mute");
    shop.put("mute", &format!("{mute}allow = [\"*\"]\nstart_timeout_s = 1\n"));
    let text = fs::read_to_string(shop.path("tools.d/hang.toml")).unwrap();
    fs::write(shop.path("tools.d/hang.toml"), format!("timeout_s = 1\n{text}")).unwrap();
    shop.open();
    let (code, told) = shop.pressel(&["check"]);
    assert_eq!(code, Some(1), "{told}");
    let has = |line: &str| assert!(told.contains(line), "{line}: {told}");
    has("fail  mute: the server is not there: it has not said what it has within 1 s");
    has("ok    chatty: its tools are chatty_act");
    has("note  chatty: act is chatty_act to the model");
    has("note  chatty: not allowed: late, child");

    let none = json!({});
    assert_eq!(shop.call("chatty_act", &none), Ok(json!({ "output": "done [2Jwell" })));
    let check = |name: &str, expected: &str| {
        let told = shop.call(name, &none).unwrap_err();
        assert!(told.contains(expected), "{name}: {told}");
    };
    check("crash_act", "failed: the connection to the service behind it was lost");
    check("huge_act", "failed: it answered with more than 32 kB");
    check("endless_act", "failed: the connection to the service behind it was lost");
    check("nonsense_act", "failed: ");
    check("hang_act", "failed: not done after 1 s");
    until("a call that took too long is cancelled", || shop.trace().contains("cancelled"));
    // Down after the crash, and up again by itself.
    until("it is started again", || {
        shop.call("crash_act", &none).is_err_and(|told| told.contains("was lost"))
    });
    let log = fs::read_to_string(shop.path("helper.log")).unwrap();
    assert!(!log.contains('\u{1b}') && !log.contains('\u{7}'), "nothing of theirs moves a terminal");
    assert!(log.matches("noise").count() <= 200, "a chatty server does not fill the journal");
}

#[test]
fn what_may_be_called_stands_in_the_files_whoever_asks() {
    let mut shop = Shop::closed();
    let keys = shop.script(python3(), "odd.py", "plain");
    shop.put("plain", &format!("{keys}allow = [\"act\"]\n"));
    shop.open();
    assert!(shop.call("act", &json!({})).is_ok());
    let ask = |line: &str| shop.ask(line);
    let call = |server: &str, tool: &str| {
        ask(&json!({ "call": { "server": server, "tool": tool, "args": {} } }).to_string())
    };
    assert_eq!(call("plain", "late"), json!({ "failed": "not done: this device does not allow it" }));
    assert_eq!(call("other", "act"), json!({ "failed": "failed: the service behind it is not there now" }));
    assert_eq!(ask("{\"call\": 7}"), json!({ "failed": "the call could not be read" }));
    assert_eq!(
        ask("{\"run\": {\"command\": \"/bin/sh\"}}"),
        json!({ "failed": "the call could not be read" })
    );
    assert_eq!(shop.trace().matches("call ").count(), 1, "{}", shop.trace());
}

#[test]
fn a_call_is_answered_though_nobody_has_asked_before_what_there_is() {
    let mut shop = Shop::closed();
    let keys = shop.script(python3(), "odd.py", "plain");
    shop.put("plain", &format!("{keys}allow = [\"act\"]\n"));
    let mute = shop.script(python3(), "odd.py", "mute");
    shop.put("mute", &format!("{mute}allow = [\"act\"]\nstart_timeout_s = 1\n"));
    shop.open();
    let call = |server: &str| {
        let ask = json!({ "call": { "server": server, "tool": "act", "args": {} } });
        shop.ask(&ask.to_string())
    };
    assert_eq!(call("plain"), json!({ "done": { "output": "done [2Jwell" } }));
    let begun = Instant::now();
    assert_eq!(call("mute"), json!({ "failed": "failed: the service behind it is not there now" }));
    assert!(begun.elapsed() < Duration::from_secs(5), "it is waited for as long as its start may take");
}

#[test]
fn a_servers_tool_waits_for_consent_like_any_other() {
    let mut shop = Shop::closed();
    let keys = shop.script(python3(), "odd.py", "plain");
    let head = "name = \"plain\"\nconfirm = \"button\"\nask = \"Shall I?\"\n[mcp]\n";
    let keys = format!("{head}{keys}allow = [\"act\", \"late\"]\nconfirm_for = [\"act\"]\n");
    fs::write(shop.path("tools.d/plain.toml"), keys).unwrap();
    shop.open();
    let (_, told) = shop.pressel(&["list"]);
    assert!(told.contains("act(") && told.contains("late("), "{told}");
    let turn = |seed: u64| Turn { think_ms: Some(10), ..Turn::noise(1000, seed) };
    let script = Script { rest: Turn::noise(400, 3), ..Script::default() };
    let script = script.turn(turn(1).call("late", json!({}))).turn(turn(2).call("act", json!({})));
    let button = "[button]\nkind = \"gpio\"\ngestures = \"press talk, double consent\"\n";
    let config = format!("{button}{}", shop.config());
    let scene = Scene::set(Setting { wired: true, ..setting("hold", &config, script) });
    let line = |command: &str| scene.daemon.line(command).unwrap();
    let ask = || {
        let mark = scene.remote.mark();
        line("0 down");
        let words = scene.speak("question-time");
        scene.until_heard(words.end);
        line("0 up");
        mark
    };
    let mark = ask();
    scene.answered(mark);
    assert!(shop.trace().contains("call late"), "confirm is not about this one");
    let mark = ask();
    scene.phase(mark, "asking");
    assert!(!shop.trace().contains("call act"), "nobody has agreed yet");
    for _ in 0..2 {
        line("0 down");
        scene.pass(60);
        line("0 up");
        scene.pass(60);
    }
    until("it is called once somebody has agreed", || shop.trace().contains("call act"));
    scene.end();
}

#[test]
fn a_secret_goes_to_its_server_and_nowhere_else() {
    let mut shop = Shop::closed();
    services::secret(&shop.path("secret"), "s3cret-token\n");
    let secret = format!("secret_file = \"{}\"\nallow = [\"*\"]\n", shop.path("secret").display());
    let keys = shop.script(python3(), "odd.py", "plain");
    shop.put("plain", &format!("{keys}{secret}secret_env = \"TOKEN\"\nenv = [\"COLOUR=off\"]\n"));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    shop.put("web", &format!("url = \"{url}\"\nprivate = true\ntls = false\n{secret}start_timeout_s = 1\n"));
    shop.put("near", &format!("url = \"{url}\"\ntls = false\n{secret}"));
    shop.open();
    let check = shop.command(&["check"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        let count = stream.read(&mut buffer).unwrap();
        assert!(count > 0, "the request breaks off");
        request.extend_from_slice(&buffer[..count]);
    }
    let request = String::from_utf8_lossy(&request).to_lowercase();
    assert!(request.contains("authorization: bearer s3cret-token\r\n"), "{request}");
    let told = String::from_utf8(check.wait_with_output().unwrap().stdout).unwrap();
    assert!(told.contains("fail  near: the server is not there: its address is this machine's"), "{told}");
    assert!(told.contains("fail  web: the server is not there"), "{told}");
    assert!(shop.trace().contains("token of 12"), "{}", shop.trace());
    assert!(
        shop.trace().contains("start COLOUR HOME LANG PATH TOKEN"),
        "and nothing of ours: {}",
        shop.trace()
    );
    let log = fs::read_to_string(shop.path("helper.log")).unwrap();
    assert!(!told.contains("s3cret") && !log.contains("s3cret"), "{told}{log}");
}

#[test]
fn a_server_goes_with_its_children_when_its_file_does() {
    let word = format!("87{:09}", std::process::id());
    let mut shop = Shop::closed();
    let keys = shop.script(python3(), "odd.py", "plain");
    shop.put("plain", &format!("{keys}allow = [\"child\"]\n"));
    shop.open();
    assert!(shop.call("child", &json!({ "what": word })).is_ok());
    until("the child is there", || with_word(&word) == 1);
    fs::remove_file(shop.path("tools.d/plain.toml")).unwrap();
    shop.put("other", "command = [\"/bin/cat\"]\nallow = [\"*\"]\nstart_timeout_s = 1");
    shop.pressel(&["list"]); // it looks again
    until("the child is gone", || with_word(&word) == 0);
    shop.put("plain", &format!("{keys}allow = [\"child\"]\n"));
    assert!(shop.call("child", &json!({ "what": word })).is_ok());
    let helper = shop.helper.as_ref().unwrap();
    let id = libc::pid_t::try_from(helper.0.id()).unwrap();
    // SAFETY: a signal to a child of ours that is not yet waited for.
    unsafe { libc::kill(id, libc::SIGTERM) };
    until("and with pressel-mcp", || with_word(&word) == 0);
}

#[test]
fn tools_that_come_later_are_declared_with_the_next_link() {
    let mut shop = Shop::closed();
    let keys = shop.script(python3(), "odd.py", "grows");
    shop.put("grows", &format!("{keys}allow = [\"act\", \"more\"]\n"));
    let quick = |turn: Turn| Turn { think_ms: Some(10), ..turn };
    let script = Script::default()
        .turn(quick(Turn::noise(300, 1)))
        .turn(quick(Turn::noise(300, 2).call("act", json!({}))))
        .turn(quick(Turn::noise(300, 3)));
    let scene = Scene::of("hold", &shop.config(), script);
    let ask = |question: &str| {
        let mark = scene.remote.mark();
        scene.ask(question);
        scene.answered(mark);
    };
    let offered = |count: usize| scene.log().matches("other tools are offered").count() >= count;
    let declared = || {
        let events = scene.server.events();
        let setups: Vec<Value> = messages(&events, "setup").map(|(_, message)| message.clone()).collect();
        let tools = setups.last().unwrap()["setup"]["tools"][0]["functionDeclarations"].clone();
        let names =
            tools.as_array().into_iter().flatten().map(|tool| tool["name"].as_str().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    ask("question-time");
    assert_eq!(declared(), [""; 0], "nobody is there yet");
    shop.open();
    until("its tools are taken up", || offered(1));
    ask("question-lamp");
    assert_eq!(declared(), ["act"]);
    until("the one it has grown is taken up", || offered(2));
    ask("question-moon");
    assert_eq!(declared(), ["act", "more"]);
    scene.end();
}
