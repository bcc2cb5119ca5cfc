//! What a call would miss is told at the start, and its tool not offered: nobody learns of it by the first call.

use std::fs;

use serde_json::json;

use crate::scene::{Scene, WAIT, messages};
use crate::tools::{Bench, calls, until};

impl Bench {
    fn web(&self, name: &str, url: &str) {
        let text = format!(
            "name = \"{name}\"\ndescription = \"For a test.\"\n[http]\ntls = false\nurl = \"{url}\"\n"
        );
        fs::write(self.path("tools.d").join(format!("{name}.toml")), text).unwrap();
    }
}

#[test]
fn paths_and_hosts_are_looked_at_at_the_start() {
    let bench = Bench::new();
    bench.tool("good", "echo fine", "", "");
    bench.tool("reads", "true", "", "read = [\"/nowhere/table.csv\"]");
    bench.tool("writes", "true", "", "write = [\"/nowhere/log.csv\"]");
    bench.web("neighbour", "http://127.0.0.1:9/");
    bench.web("later", "http://no-such-host.invalid/");
    let scene = Scene::of("hold", &bench.config(), calls("good", json!({})));
    let log = scene.log();
    for words in ["\"/nowhere/table.csv\\\" is not there", "\"/nowhere/log.csv\\\" is not there"] {
        assert!(log.contains(words), "{words}: {log}");
    }
    until("both hosts are told", WAIT, || {
        let log = scene.log();
        let of = |tool: &str, words: &str| {
            log.lines()
                .filter(|line| line.contains(&format!("tool=\"{tool}\"")) && line.contains(words))
                .count()
        };
        of("neighbour", "a tool cannot be used") == 1 && of("later", "is not known now") == 1
    });
    assert_eq!(scene.asks_for(1), json!({ "output": "fine" }));
    let events = scene.server.events();
    let (_, setup) = messages(&events, "setup").last().unwrap();
    let declared = setup["setup"]["tools"][0]["functionDeclarations"].as_array().unwrap();
    let names: Vec<&str> = declared.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["good", "later"], "a name may be known once the network is there");
    scene.end();
}
