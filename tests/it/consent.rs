//! Tools that need a person's consent, through the whole daemon.

use serde_json::json;

use crate::scene::{Scene, messages};
use crate::tools::{Bench, calls};

#[test]
fn what_needs_consent_is_not_run_without() {
    let bench = Bench::new();
    let ran = bench.path("ran");
    let more = format!("write = [\"{}\"]", bench.path("").display());
    bench.tool("gate", &format!("touch {}", ran.display()), "confirm = \"button\"", &more);
    let scene = Scene::of("hold", &bench.config(), calls("gate", json!({})));
    let mark = scene.remote.mark();
    scene.ask("question-time");
    scene.answered(mark);
    let events = scene.server.events();
    let (_, message) = messages(&events, "toolResponse").next().unwrap();
    let told = &message["toolResponse"]["functionResponses"][0]["response"]["error"];
    assert!(told.as_str().is_some_and(|told| told.starts_with("not done: ")), "{message}");
    assert_eq!(messages(&events, "toolResponse").count(), 1);
    assert!(!ran.exists());
    let (_, log, _) = bench.pressel(&["log"]);
    assert!(log.contains("gate  refused"), "{log}");
    assert!(scene.log().contains("needs a person's consent"), "{}", scene.log());
    scene.end();
}
