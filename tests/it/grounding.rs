//! What Google Search found, told where captions are.

use std::process::{Command, Stdio};

use fake_gemini::{FakeGemini, Options, Script, Turn};
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::stage::{KEY, program};

use crate::scene::{Scene, messages};

const SEARCH: &str = "[tools]\ngoogle_search = true\n";

fn searched() -> Script {
    let found = json!({
        "searchEntryPoint": { "renderedContent": "<div>more</div>" },
        "webSearchQueries": ["weather tomorrow"],
        "groundingChunks": [{ "web": { "uri": "https://weather.example/\u{7}", "title": "weather.example" } }],
        "groundingSupports": [{ "segment": { "endIndex": 9 }, "groundingChunkIndices": [0] }],
    });
    Script { rest: Turn { grounding: Some(found), ..Turn::recording("answer-rain") }, ..Script::default() }
}

#[test]
fn a_watcher_is_told_what_was_searched_for_and_found() {
    let scene = Scene::of("hold", SEARCH, searched());
    let mark = scene.remote.mark();
    scene.ask("question-rain");
    let told = scene.told(mark, "grounding").value;
    assert_eq!(told["queries"], json!(["weather tomorrow"]));
    assert_eq!(
        told["sources"],
        json!([{ "uri": "https://weather.example/\u{7}", "title": "weather.example" }])
    );
    assert_eq!(told["suggestions"], "<div>more</div>");
    scene.answered(mark);
    let events = scene.server.events();
    let (_, setup) = messages(&events, "setup").next().unwrap();
    assert_eq!(setup["setup"]["tools"], json!([{ "googleSearch": {} }]));
    assert!(!scene.log().contains("weather"), "what was searched for is in no log");
    scene.end();
}

#[test]
fn an_asked_question_names_its_sources() {
    let folder = TempDir::new().unwrap();
    let server = FakeGemini::spawn_thread(Options::script(searched())).unwrap();
    let ca = folder.path().join("ca.pem");
    server.write_ca(&ca).unwrap();
    let config = folder.path().join("pressel.toml");
    let live = format!("[live]\nendpoint = \"{}\"\nca_file = \"{}\"\n", server.url(), ca.display());
    std::fs::write(&config, format!("{live}{SEARCH}")).unwrap();
    let ask = |more: &[&str]| {
        let mut command = Command::new(program("pressel").unwrap());
        command.arg("ask").arg("--config").arg(&config).args(["Rain?", "--quiet"]).args(more);
        command.env("GEMINI_API_KEY", KEY).env_remove("GOOGLE_API_KEY").stdin(Stdio::null()).output().unwrap()
    };
    let output = ask(&["--json"]);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["grounding"]["queries"], json!(["weather tomorrow"]));
    assert_eq!(answer["grounding"]["sources"][0]["title"], "weather.example");
    let told = String::from_utf8(ask(&[]).stderr).unwrap();
    assert_eq!(
        told, "source: weather.example https://weather.example/\n",
        "and nothing that moves a terminal"
    );
}
