//! Tools that ask a web service that is no code of ours: uvicorn and starlette.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::scene::{Scene, messages};
use crate::services::{self, Service};
use crate::tools::{Bench, calls};

/// A service with routes for whatever may come back (tests/services/web.py), and its port.
pub fn service() -> (Service, u16) {
    let port = services::free_port();
    let mut command = Command::new(services::python());
    command.arg(services::file("web.py")).arg(port.to_string());
    (services::listening(command.stderr(Stdio::null()), port), port)
}

/// A tool for one address; `more` are lines of `[http]` and below it.
fn tool(bench: &Bench, name: &str, head: &str, port: u16, path: &str, more: &str) {
    let secret = bench.path("secret");
    services::secret(&secret, "s3cret-token\n");
    let text = format!(
        "name = \"{name}\"\ndescription = \"For a test.\"\n{head}\n[http]\nurl = \"http://127.0.0.1:{port}{path}\"\n\
         private = true\ntls = false\nsecret_file = \"{}\"\n{more}",
        secret.display()
    );
    fs::write(bench.path("tools.d").join(format!("{name}.toml")), text).unwrap();
}

const NUMBER: &str =
    "[parameters]\nrequired = [\"number\"]\n[parameters.properties.number]\ntype = \"string\"\n";

#[test]
fn a_real_service_answers_the_model() {
    let (_service, port) = service();
    let bench = Bench::new();
    let path = "/api/orders/{number}?lang={lang?}";
    let more = format!("extract = \"/order\"\n{NUMBER}[parameters.properties.lang]\ntype = \"string\"\n");
    tool(&bench, "get_order_status", "", port, path, &more);
    let args = json!({ "number": "100042", "lang": "ä&b=c" });
    let scene = Scene::of("hold", &bench.config(), calls("get_order_status", args));
    let mark = scene.remote.mark();
    scene.ask("question-time");
    scene.answered(mark);
    let events = scene.server.events();
    let (_, message) = messages(&events, "toolResponse").next().unwrap();
    let response = &message["toolResponse"]["functionResponses"][0]["response"];
    let query = json!({ "lang": "ä&b=c" });
    assert_eq!(response, &json!({ "number": "100042", "status": "in the post", "query": query }));
    assert!(!scene.log().contains("s3cret"), "no secret in the journal");
    scene.end();
    // One segment, whatever is in it: there is no route for more.
    let told = bench.call("get_order_status", &json!({ "number": "../../text" })).unwrap_err();
    assert!(told.contains("404"), "{told}");
}

#[test]
fn whatever_a_real_service_does_is_an_answer_or_a_sentence() {
    let (_service, port) = service();
    let bench = Bench::new();
    let get = |name: &str| tool(&bench, name, "", port, &format!("/{name}"), "");
    ["text", "huge", "moved", "binary", "broken", "deep", "down", "gone"].into_iter().for_each(get);
    tool(&bench, "slow", "timeout_s = 1", port, "/slow", "");
    let body = "method = \"post\"\n[body]\ngauge = \"{number}\"\nlist = [\"{number}\", 3]\n";
    tool(&bench, "report", "", port, "/api/plants/north/readings", &format!("{body}{NUMBER}"));
    let none = json!({});
    let check = |name: &str, expected: Result<Value, &str>| match (bench.call(name, &none), expected) {
        (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{name}"),
        (Err(told), Err(expected)) => {
            assert!(told.contains(expected) && !told.contains('\u{1b}'), "{name}: {told}");
        }
        (found, expected) => panic!("{name}: {found:?}, expected {expected:?}"),
    };
    check("text", Ok(json!({ "output": "all [31mwell" })));
    check("huge", Err("failed: "));
    check("moved", Err("307"));
    check("binary", Err("failed: it answered with something that is not text"));
    check("broken", Ok(json!({ "output": "{\"a\":" })));
    check("down", Err("503"));
    check("gone", Err("404"));
    let begun = Instant::now();
    check("slow", Err("failed: "));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert!(bench.call("deep", &none).is_ok_and(|found| found["output"].is_string()), "no JSON, but words");
    let reported = bench.call("report", &json!({ "number": "P\"1\\" })).unwrap();
    assert_eq!(reported, json!({ "id": 7, "got": { "gauge": "P\"1\\", "list": ["P\"1\\", 3] } }));
    services::secret(&bench.path("secret"), "another\n");
    let told = bench.call("report", &json!({ "number": "1" })).unwrap_err();
    assert!(told.contains("403") && !told.contains("another"), "{told}");
}
