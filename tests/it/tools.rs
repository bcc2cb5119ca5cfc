//! Tools through the whole daemon: a call of the server's, a program, its result, and what must not happen.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use fake_gemini::{Script, Turn};
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::stage::program;

use crate::scene::{Scene, WAIT, messages};

/// A folder of tools and what belongs to it.
pub struct Bench {
    folder: TempDir,
}

impl Bench {
    pub fn new() -> Self {
        let folder = TempDir::new().unwrap();
        fs::create_dir(folder.path().join("tools.d")).unwrap();
        Bench { folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A shell script as a tool of this name; `more` are lines of `[command]`, `head` those before it.
    pub fn tool(&self, name: &str, script: &str, head: &str, more: &str) {
        let program = self.path(name);
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let text = format!(
            "name = \"{name}\"\ndescription = \"For a test.\"\n{head}\n[command]\n{more}\nargv = [\"{}\", \"{{what?}}\"]\n\
             [parameters.properties.what]\ntype = \"string\"\n",
            program.display()
        );
        fs::write(self.path("tools.d").join(format!("{name}.toml")), text).unwrap();
    }

    pub fn config(&self) -> String {
        format!(
            "[tools]\nfolder = \"{}\"\nsocket = \"\"\nlog_folder = \"{}\"\n",
            self.path("tools.d").display(),
            self.folder.path().display()
        )
    }

    /// `pressel tools` by hand; exit code, stdout, stderr.
    pub fn pressel(&self, args: &[&str]) -> (Option<i32>, String, String) {
        let config = self.path("pressel.toml");
        fs::write(&config, self.config()).unwrap();
        let done = Command::new(program("pressel").unwrap())
            .arg("--config")
            .arg(&config)
            .arg("tools")
            .args(args)
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).expect("pressel prints text");
        (done.status.code(), text(done.stdout), text(done.stderr))
    }

    /// Calls a tool by hand: what it gave, or the sentence.
    #[track_caller]
    pub fn call(&self, name: &str, args: &Value) -> Result<Value, String> {
        match self.pressel(&["call", name, &args.to_string()]) {
            (Some(0), out, _) => Ok(serde_json::from_str(&out).unwrap()),
            (_, _, told) => Err(told.trim().trim_start_matches("pressel: ").to_owned()),
        }
    }
}

pub fn calls(name: &str, args: Value) -> Script {
    Script::default().turn(Turn { think_ms: Some(10), ..Turn::noise(300, 1) }.call(name, args))
}

/// Processes with this word in their command line.
pub fn with_word(word: &str) -> usize {
    let processes =
        fs::read_dir("/proc").unwrap().filter_map(|entry| fs::read(entry.ok()?.path().join("cmdline")).ok());
    processes.filter(|line| line.windows(word.len()).any(|part| part == word.as_bytes())).count()
}

#[track_caller]
pub fn until(what: &str, within: Duration, fits: impl Fn() -> bool) -> Duration {
    let start = Instant::now();
    while !fits() {
        assert!(start.elapsed() < within, "not within {within:?}: {what}");
        std::thread::sleep(Duration::from_millis(5)); // of other processes nobody tells us
    }
    start.elapsed()
}

#[test]
fn a_program_answers_the_model_and_is_on_record() {
    let bench = Bench::new();
    bench.tool("torque", "echo \"45 Nm for $1\"", "logged = \"values\"", "");
    let scene = Scene::of("hold", &bench.config(), calls("torque", json!({ "what": "M8; rm -rf / $(x)" })));
    let mark = scene.remote.mark();
    scene.ask("question-time");
    scene.answered(mark);
    let events = scene.server.events();
    let (_, setup) = messages(&events, "setup").next().unwrap();
    let declared = &setup["setup"]["tools"][0]["functionDeclarations"][0];
    assert_eq!(declared["name"], "torque");
    assert_eq!(declared["parameters"]["properties"]["what"]["type"], "STRING");
    let responses: Vec<&Value> = messages(&events, "toolResponse").map(|(_, message)| message).collect();
    assert_eq!(responses.len(), 1, "one call, one response");
    let response = &responses[0]["toolResponse"]["functionResponses"][0];
    assert_eq!(response["response"], json!({ "output": "45 Nm for M8; rm -rf / $(x)" }));
    let (_, log, _) = bench.pressel(&["log", "--json"]);
    let entry: Value = serde_json::from_str(log.trim()).unwrap();
    assert_eq!((&entry["tool"], &entry["outcome"]), (&json!("torque"), &json!("done")));
    assert_eq!(entry["args"], json!({ "what": "M8; rm -rf / $(x)" }));
    let journal = scene.log();
    let record = journal.lines().find(|line| line.contains("outcome=\"done\"")).expect("in the journal too");
    assert!(record.contains("tool=\"torque\"") && record.contains("rm -rf"), "values, by the file: {record}");
    scene.end();
}

#[test]
fn a_call_that_cannot_be_made_is_answered_with_a_sentence() {
    let bench = Bench::new();
    bench.tool("torque", "echo never; touch ran", "", "");
    let scene = Scene::of("hold", &bench.config(), calls("torque", json!({ "what": 5 })));
    let mark = scene.remote.mark();
    scene.ask("question-time");
    scene.answered(mark);
    let events = scene.server.events();
    let (_, message) = messages(&events, "toolResponse").next().unwrap();
    let told = &message["toolResponse"]["functionResponses"][0]["response"]["error"];
    assert_eq!(told, "wrong arguments: what is not a text");
    let journal = scene.log();
    let record = journal.lines().find(|line| line.contains("outcome=\"refused\"")).expect("it is on record");
    assert!(record.contains("args_sha256=") && !record.contains("args="), "no values: {record}");
    scene.end();
}

#[test]
fn a_cancelled_call_is_dead_within_half_a_second_with_all_its_children() {
    let bench = Bench::new();
    let word = format!("86{:09}", std::process::id());
    bench.tool("wait", &format!("setsid sleep {word} & (sleep {word} &) ; sleep {word}"), "", "");
    let turn = Turn { think_ms: Some(10), cancel_tools_after_ms: Some(1500), ..Turn::noise(300, 1) };
    let scene = Scene::of("hold", &bench.config(), Script::default().turn(turn.call("wait", json!({}))));
    scene.ask("question-time");
    until("three sleep", WAIT, || with_word(&word) == 3);
    let cancelled = "toolCallCancellation";
    scene.server_until(cancelled, |events| {
        events.iter().any(|e| matches!(&e.what, fake_gemini::What::Sent { name, .. } if name == cancelled))
    });
    let took = until("none is left", Duration::from_millis(500), || with_word(&word) == 0);
    eprintln!("dead after {took:?}");
    assert_eq!(messages(&scene.server.events(), "toolResponse").count(), 0, "nothing is sent for it");
    let (_, log, _) = bench.pressel(&["log"]);
    assert!(log.contains("wait  cancelled"), "{log}");
    scene.end();
}

#[test]
fn what_a_program_does_wrong_is_a_sentence() {
    let bench = Bench::new();
    bench.tool("binary", "printf '\\377\\376'", "", "");
    bench.tool("flood", "yes | head -c 10000000", "", "");
    bench.tool("fails", "echo \"no such \\033[2Jbolt\" >&2; exit 3", "", "");
    bench.tool("slow", "sleep 30", "timeout_s = 1", "");
    bench.tool("deep", "printf '%0100000d' 0 | tr 0 '['", "", "output = \"json\"\noutput_max_kb = 200");
    bench.tool("json", "cat", "", "output = \"json\"\nstdin = \"json\"");
    bench.tool(
        "hog",
        "x=$(head -c 100000000 /dev/zero | tr '\\0' 'a'); echo ${#x}",
        "",
        "memory_max_mb = 16",
    );
    let none = json!({});
    let check = |name: &str, expected: &str| {
        let told = bench.call(name, &none).unwrap_err();
        assert!(told.contains(expected), "{name}: {told:?}");
    };
    check("binary", "failed: it printed something that is not text");
    check("flood", "failed: it printed more than 32 kB");
    check("fails", "failed: exit code 3: no such [2Jbolt");
    check("slow", "failed: not done after 1 s");
    check("deep", "failed: it printed something that is not JSON");
    check("hog", "failed: ");
    assert_eq!(bench.call("json", &json!({ "what": "ä\n\"" })).unwrap(), json!({ "what": "ä\n\"" }));
    assert_eq!(
        bench.call("json", &json!({ "what": "--help" })).unwrap_err(),
        "what begins with a hyphen, which the program would take for an option"
    );
}

#[test]
fn a_program_reaches_no_socket_and_no_file_that_is_not_its_own() {
    let bench = Bench::new();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = port.local_addr().unwrap().port();
    let connect = format!("exec bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port} && echo connected'");
    bench.tool("inside", &connect, "", "");
    let told = bench.call("inside", &json!({})).unwrap_err();
    assert!(told.contains("failed: exit code 1"), "{told}");

    let (own, other) = (bench.path("own"), bench.path("other"));
    fs::write(&own, "").unwrap();
    fs::write(&other, "secret").unwrap();
    bench.tool(
        "writes",
        &format!("echo x > {} && echo written", own.display()),
        "",
        &format!("write = [\"{}\"]", own.display()),
    );
    assert_eq!(bench.call("writes", &json!({})).unwrap(), json!({ "output": "written" }));
    bench.tool("reads", &format!("cat {}", other.display()), "", "");
    bench.tool("spoils", &format!("echo x > {}", other.display()), "", "");
    if !pressel::tools::kernel_has_landlock() {
        // Said by `tools check` instead.
        assert!(bench.pressel(&["check"]).1.contains("warn  this kernel has no Landlock"));
        return;
    }
    assert!(bench.call("reads", &json!({})).unwrap_err().contains("Permission denied"));
    assert!(bench.call("spoils", &json!({})).unwrap_err().contains("Permission denied"));
    assert_eq!(fs::read_to_string(other).unwrap(), "secret");
}

/// A web service that answers each request with the same; what it was asked.
fn service(answer: &'static str) -> (u16, std::sync::mpsc::Receiver<String>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, asked) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = Vec::new();
            let mut buffer = [0; 4096];
            while !String::from_utf8_lossy(&request).contains("\r\n\r\n") {
                let count = stream.read(&mut buffer).unwrap();
                if count == 0 {
                    break;
                }
                request.extend_from_slice(&buffer[..count]);
            }
            let length = answer.len();
            let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{answer}");
            if tell.send(String::from_utf8_lossy(&request).into_owned()).is_err() {
                return;
            }
        }
    });
    (port, asked)
}

#[test]
fn a_service_is_asked_with_its_secret_and_neighbours_are_left_alone() {
    let bench = Bench::new();
    let (port, asked) = service("{\"order\": {\"status\": \"sent\"}}");
    let secret = bench.path("secret");
    fs::write(&secret, "s3cret-token\n").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    let tool = |name: &str, more: &str| {
        let text = format!(
            "name = \"{name}\"\ndescription = \"Order status.\"\n[http]\nurl = \"http://127.0.0.1:{port}/orders/{{number}}\"\n\
             extract = \"/order\"\nsecret_file = \"{}\"\n{more}\n[parameters]\nrequired = [\"number\"]\n\
             [parameters.properties.number]\ntype = \"string\"\n",
            secret.display()
        );
        fs::write(bench.path("tools.d").join(format!("{name}.toml")), text).unwrap();
    };
    tool("get_order_status", "private = true");
    tool("of_the_internet", "");
    let told = bench.call("of_the_internet", &json!({ "number": "7" })).unwrap_err();
    assert!(told.contains("not allowed here"), "{told}");

    let script = calls("get_order_status", json!({ "number": "A/7" }));
    let scene = Scene::of("hold", &bench.config(), script);
    let mark = scene.remote.mark();
    scene.ask("question-time");
    scene.answered(mark);
    let request = asked.recv_timeout(WAIT).unwrap();
    assert!(request.starts_with("GET /orders/A%2F7 HTTP/1.1\r\n"), "{request}");
    assert!(request.to_lowercase().contains("authorization: bearer s3cret-token\r\n"), "{request}");
    let events = scene.server.events();
    let (_, message) = messages(&events, "toolResponse").next().unwrap();
    assert_eq!(message["toolResponse"]["functionResponses"][0]["response"], json!({ "status": "sent" }));
    assert!(!scene.log().contains("s3cret"), "no secret in the journal");
    scene.end();
}

#[test]
fn what_would_fail_at_the_first_call_is_found_before_it() {
    let bench = Bench::new();
    bench.tool("good", "echo fine", "", "");
    bench.tool("gone", "true", "", "");
    fs::remove_file(bench.path("gone")).unwrap();
    bench.tool("plain", "true", "", "");
    fs::set_permissions(bench.path("plain"), fs::Permissions::from_mode(0o644)).unwrap();
    bench.tool("open", "true", "", "");
    fs::set_permissions(bench.path("open"), fs::Permissions::from_mode(0o777)).unwrap();
    fs::write(bench.path("tools.d/broken.toml"), "name = \"broken\"\ndescripton = \"x\"\n").unwrap();
    let (code, out, _) = bench.pressel(&["check"]);
    assert_eq!(code, Some(1), "{out}");
    let has = |line: &str| assert!(out.lines().any(|found| found.contains(line)), "{line}: {out}");
    has("ok    good");
    has("there is no program");
    has("is not executable; type: chmod a+x");
    has("can change");
    has("broken.toml:2: descripton: no such key; did you mean \"description\"?");
    let (code, list, _) = bench.pressel(&["list"]);
    assert_eq!(code, Some(0));
    assert!(list.contains("good(what)\n    For a test.\n    "), "{list}");
    assert!(Path::new(&bench.path("tools.d")).exists());
}

#[test]
fn a_program_signals_nobody_else_and_begins_no_more_than_a_few() {
    let bench = Bench::new();
    bench.tool("limit", "exec bash -c 'ulimit -u'", "", "");
    let limit = bench.call("limit", &json!({})).unwrap();
    let limit: u64 = limit["output"].as_str().unwrap().parse().expect("it has a limit");
    assert!((64..20_000).contains(&limit), "{limit}");
    if !pressel::tools::kernel_has_scopes() {
        // Said by `tools check` instead.
        assert!(bench.pressel(&["check"]).1.contains("warn  this kernel is older than 6.12"));
        return;
    }
    let mut other = Command::new("sleep").arg("60").spawn().unwrap();
    bench.tool("signals", &format!("sleep 60 & kill $! && kill {}", other.id()), "", "");
    let told = bench.call("signals", &json!({})).unwrap_err();
    assert!(told.contains("Operation not permitted"), "{told}");
    assert_eq!(other.try_wait().unwrap(), None, "it is alive");
    other.kill().unwrap();
    other.wait().unwrap();
}
