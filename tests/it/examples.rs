//! The tools that people begin with: every one is read, checked and run.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::json;
use tests::stage::Setting;

use crate::scene::{Scene, messages, setting};
use crate::services::{self, Service};
use crate::tools::{Bench, calls};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("packaging/examples")
}

/// Puts an example into the bench, with other words in some places, each of which must be there.
#[track_caller]
fn take(bench: &Bench, name: &str, swaps: &[(&str, &str)]) {
    let mut text = fs::read_to_string(examples().join("tools.d").join(format!("{name}.toml"))).unwrap();
    for (from, to) in swaps {
        assert!(text.contains(from), "{name}: {from}");
        text = text.replace(from, to);
    }
    fs::write(bench.path("tools.d").join(format!("{name}.toml")), text).unwrap();
}

/// A program that apt installs.
fn installed(program: &str) -> PathBuf {
    let places = ["/usr/bin", "/usr/sbin"].map(|folder| Path::new(folder).join(program));
    let found = places.into_iter().find(|path| path.exists());
    found.unwrap_or_else(|| panic!("{program} IS NOT INSTALLED; type: cargo xtask setup"))
}

/// A broker, and somebody who hears what is published on it: the first message's topic and text.
fn broker(config: &Path) -> (Service, u16, BufReader<std::process::ChildStdout>, Service) {
    let port = services::free_port();
    let open = "amqtt.plugins.authentication.AnonymousAuthPlugin: {allow_anonymous: true}";
    let text =
        format!("listeners: {{default: {{type: tcp, bind: '127.0.0.1:{port}'}}}}\nplugins: {{{open}}}\n",);
    fs::write(config, text).unwrap();
    let mut command = Command::new(services::python().with_file_name("amqtt"));
    let broker = services::listening(command.arg("-c").arg(config).stderr(Stdio::null()), port);
    let mut command = Command::new("stdbuf"); // or it keeps its words until there are many
    command.arg("-oL").arg(installed("mosquitto_sub"));
    command.args(["-h", "127.0.0.1", "-p", &port.to_string(), "-t", "house/#", "-C", "1", "-v", "-d"]);
    let mut listener = Service(command.stdout(Stdio::piped()).spawn().unwrap());
    let mut said = BufReader::new(listener.0.stdout.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("Subscribed") {
        line.clear();
        assert!(said.read_line(&mut line).unwrap() > 0, "the listener has ended");
    }
    (broker, port, said, listener)
}

#[test]
fn every_example_is_checked_and_does_what_it_says() {
    let bench = Bench::new();
    let (_web, port) = crate::web::service();
    let (_broker, mqtt, mut heard, _listener) = broker(&bench.path("broker.yaml"));
    let folder = bench.path("").display().to_string();
    let folder = folder.trim_end_matches('/');
    services::secret(&bench.path("secret"), "s3cret-token\n");
    let program = bench.path("log-reading");
    fs::copy(examples().join("programs/log-reading"), &program).unwrap();
    fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let sql = fs::File::open(examples().join("parts.sql")).unwrap();
    let made = Command::new(installed("sqlite3")).arg(bench.path("parts.db")).stdin(sql).status().unwrap();
    assert!(made.success());

    let own = [("/var/lib/pressel-tool", folder)];
    let here = format!("http://127.0.0.1:{port}/");
    let near = ("[http]\n", "[http]\nprivate = true\ntls = false\n");
    let secret = bench.path("secret").display().to_string();
    take(&bench, "log_reading", &[own[0], ("/usr/local/bin/log-reading", program.to_str().unwrap())]);
    take(&bench, "find_part", &own);
    let broker = format!("\"localhost\", \"-p\", \"{mqtt}\"");
    take(&bench, "switch_lamp", &[("\"localhost\"", &broker)]);
    take(&bench, "get_weather", &[near, ("https://api.open-meteo.com/", &here)]);
    let shop = ("/etc/pressel/secrets/shop", secret.as_str());
    take(&bench, "get_order_status", &[near, ("https://shop.example/", &here), shop]);
    let maintenance = ("/etc/pressel/secrets/maintenance", secret.as_str());
    take(&bench, "report_reading", &[near, ("https://maintenance.example/", &here), maintenance]);
    let tried = fs::read_dir(bench.path("tools.d")).unwrap().count() + 1;
    let there = fs::read_dir(examples().join("tools.d")).unwrap().count();
    assert_eq!(tried, there, "an example that nobody tries; the door has a test of its own");

    let (code, told, _) = bench.pressel(&["check", "--call"]);
    assert_eq!(code, Some(0), "{told}");
    let has = |line: &str| assert!(told.contains(line), "{line}: {told}");
    has(
        "ok    find_part: its test call gave {\"output\":[{\"name\":\"Shaft seal 10 mm\",\"number\":\"4711-10\"",
    );
    has("ok    get_order_status: its test call gave {\"number\":\"100042\"");
    has("ok    get_weather: its test call gave {\"current\":{\"temperature_2m\":7.5},\"latitude\":52.52");
    has("ok    report_reading: its test call gave {\"output\":7}");
    has("ok    log_reading: its test call gave {\"output\":\"written: P1 -0.5 bar");
    has("ok    switch_lamp: its test call gave {\"output\":\"done\"}");
    let mut message = String::new();
    while !message.starts_with("house/") {
        message.clear();
        assert!(heard.read_line(&mut message).unwrap() > 0, "nothing was published");
    }
    assert_eq!(message.trim(), "house/kitchen/lamp/set on");
    let readings = fs::read_to_string(bench.path("readings.csv")).unwrap();
    let (_, fields) = readings.trim().split_once(',').unwrap();
    assert_eq!(fields, "\"P1\",\"-0.5\",\"bar\",\"test, please ignore: \"\"=1+1\"\"\"");

    let formula = json!({ "gauge": "P1", "value": 1, "unit": "bar", "note": "=SUM(A1)" });
    bench.call("log_reading", &formula).unwrap();
    let readings = fs::read_to_string(bench.path("readings.csv")).unwrap();
    assert!(readings.trim().ends_with("\"1\",\"bar\",\"'=SUM(A1)\""), "{readings}");
    let injected = bench.call("find_part", &json!({ "name": "x' OR '1'='1" })).unwrap_err();
    assert!(injected.contains("name is not like"), "{injected}");
    assert_eq!(bench.call("find_part", &json!({ "name": "anchor" })), Ok(json!({ "output": [] })));
}

#[test]
fn every_example_is_a_tool_as_it_is_shipped() {
    let folder = examples().join("tools.d");
    let shelf = pressel::tools::read_folder(&folder);
    assert!(shelf.mistakes.is_empty(), "{}", shelf.mistakes[0]);
    let named: Vec<String> = shelf.tools.iter().map(|tool| format!("{}.toml", tool.head.name)).collect();
    let mut there: Vec<String> =
        fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    there.sort();
    assert_eq!(named, there, "a file is called as its tool is");
    assert!(shelf.tools.iter().all(|tool| tool.test.is_some()), "each has a test call");
}

#[test]
fn the_door_opens_by_a_line_of_the_device_once_somebody_agreed() {
    let bench = Bench::new();
    fs::create_dir(bench.path("pins")).unwrap();
    fs::write(bench.path("pins/GPIO22"), "0").unwrap();
    take(&bench, "open_door", &[]);
    let env: Vec<(&'static str, PathBuf)> = vec![("WIRED_PINS", bench.path("pins"))];
    let button = "[button]\nkind = \"gpio\"\ngestures = \"press talk, double consent\"\n";
    let script = calls("open_door", json!({}));
    let config = format!("{button}{}", bench.config());
    let scene = Scene::set(Setting { wired: true, env, ..setting("hold", &config, script) });
    let mark = scene.remote.mark();
    scene.daemon.line("0 down").unwrap();
    let words = scene.speak("question-time");
    scene.until_heard(words.end);
    scene.daemon.line("0 up").unwrap();
    scene.phase(mark, "asking");
    // What the line was told so far: 0 and 1, in order.
    let told = || {
        let told = fs::read_to_string(bench.path("pins/GPIO22.told")).unwrap_or_default();
        told.lines().filter_map(|line| line.split(' ').next()).collect::<String>()
    };
    assert!(!told().contains('1'), "{}", told());
    let events = scene.server.events();
    let (_, message) = messages(&events, "toolResponse").next().unwrap();
    let response = &message["toolResponse"]["functionResponses"][0]["response"];
    let say = "Shall I open the front door? Press the button twice to agree.";
    assert_eq!(response["say"], say, "{response}");
    for edge in ["down", "up", "down", "up"] {
        scene.daemon.line(&format!("0 {edge}")).unwrap();
        scene.pass(60);
    }
    crate::tools::until("it has opened and closed", crate::scene::WAIT, || told().ends_with("10"));
    let (_, log, _) = bench.pressel(&["log"]);
    assert!(log.contains("open_door  done") && log.contains("consent double"), "{log}");
    assert!(scene.log().contains("consent=\"double\""), "in the journal too");
    scene.end();
}
