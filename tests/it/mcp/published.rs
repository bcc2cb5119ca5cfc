//! A server that others wrote and published: mcp-server-time from PyPI.

use std::path::PathBuf;

use fake_gemini::{Script, Turn};
use serde_json::{Value, json};

use super::shop::Shop;
use crate::scene::{Scene, messages};
use crate::services;

fn server() -> PathBuf {
    services::python().with_file_name("mcp-server-time")
}

#[test]
fn a_published_server_answers_the_model() {
    let mut shop = Shop::closed();
    let program = server().display().to_string();
    let keys =
        format!("command = [\"{program}\", \"--local-timezone\", \"Europe/Berlin\"]\nallow = [\"*\"]\n");
    shop.put("clock", &keys);
    shop.open();
    let (code, told) = shop.pressel(&["check"]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("ok    clock: its tools are convert_time, get_current_time"), "{told}");

    let args =
        json!({ "source_timezone": "Europe/Berlin", "time": "12:00", "target_timezone": "Asia/Tokyo" });
    let call = Turn::noise(300, 1).call("convert_time", args.clone());
    let script = Script::default().turn(Turn { think_ms: Some(10), ..call });
    let scene = Scene::of("hold", &shop.config(), script);
    let mark = scene.remote.mark();
    scene.ask("question-time");
    scene.answered(mark);
    let events = scene.server.events();
    let (_, setup) = messages(&events, "setup").next().unwrap();
    let declared = setup["setup"]["tools"][0]["functionDeclarations"].as_array().unwrap();
    let convert = declared.iter().find(|tool| tool["name"] == "convert_time").unwrap();
    for name in ["source_timezone", "time", "target_timezone"] {
        let parameters = &convert["parameters"];
        assert!(parameters["required"].as_array().unwrap().contains(&json!(name)), "{convert}");
        assert_eq!(parameters["properties"][name]["type"], "STRING", "{convert}");
    }
    let responses: Vec<&Value> = messages(&events, "toolResponse").map(|(_, message)| message).collect();
    assert_eq!(responses.len(), 1, "one call, one response");
    let response = &responses[0]["toolResponse"]["functionResponses"][0]["response"];
    assert_eq!(response["target"]["timezone"], "Asia/Tokyo", "{response}");
    let noon = response["target"]["datetime"].as_str().unwrap();
    assert!(noon.contains("T19:00") || noon.contains("T20:00"), "by winter's or summer's clock: {noon}");
    scene.end();

    let wrong = shop.call("get_current_time", &json!({ "timezone": "Mars/Olympus" })).unwrap_err();
    assert!(wrong.starts_with("failed: ") && wrong.contains("Mars/Olympus"), "{wrong}");
}
