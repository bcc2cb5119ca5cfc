//! What talking costs, through the whole daemon: the server's own numbers, the ledger on a disk, words for the person.

use std::path::Path;
use std::process::Command;

use fake_gemini::{Script, Turn};
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::stage::{Happened, KEY, STAGES_OFF, Setting, program};

use crate::scene::{Scene, WAIT, dials, messages, setting};

/// An answer of 400 ms is 10 tokens, and they alone have a price: 10,000 millionths, a hundredth of the day's budget.
const ANSWER_MS: u64 = 400;
const ANSWER: u64 = 10_000;
const DAY: u64 = 1_000_000;

/// A device that keeps its ledger in this folder, speaks by itself, and may spend 1.0 a day.
fn frugal(folder: &Path) -> Setting {
    let more = format!(
        "[usage]\nledger_folder = \"{}\"\n[budget]\nday = 1.0\n\
         [price]\ntext_in = 0.0\naudio_in = 0.0\ntext_out = 0.0\naudio_out = 1000.0\n",
        folder.display()
    );
    let script = Script { rest: Turn::noise(ANSWER_MS, 1), ..Script::default() };
    let mut setting = setting("hold", &more, script);
    setting.stages = STAGES_OFF.replace("[phrases]\non = false", "[phrases]\non = true\nfolder = \"\"");
    setting
}

fn report(scene: &Scene) -> Value {
    scene.remote.ask("{\"op\":\"usage\"}").unwrap()
}

/// Millionths that were spent today.
fn spent(scene: &Scene) -> u64 {
    report(scene)["today"]["micro"].as_u64().unwrap()
}

/// Another program with the same account has spent so much.
fn elsewhere(scene: &Scene, micro: u64) {
    let request = json!({ "op": "used", "count": { "turns": 1, "micro": micro } });
    assert_eq!(scene.remote.ask(&request.to_string()).unwrap(), json!(true));
}

/// A question, its answer, and the server's numbers for it.
fn talk(scene: &Scene) {
    let mark = scene.remote.mark();
    scene.ask("question-time");
    let speaking = scene.phase(mark, "speaking").at_ns;
    let over = |phase: &str| phase == "idle" || phase == "budget spent";
    let over = |e: &Happened| e.at_ns > speaking && e.value["phase"].as_str().is_some_and(over);
    // A link that is left because nothing more may be spent is not asked for its numbers.
    if scene.remote.wait(mark, WAIT, over).unwrap().is_phase("idle") {
        scene.told(mark, "usage");
    }
}

fn told_line(scene: &Scene, mark: usize, line: &str) {
    let found = scene.remote.wait(mark, WAIT, |e| e.name == "line" && e.value["line"] == line);
    found.unwrap_or_else(|error| panic!("{line}: {error}"));
}

fn lines(scene: &Scene) -> Vec<Value> {
    scene.remote.events().iter().filter(|e| e.name == "line").map(|e| e.value["line"].clone()).collect()
}

/// Something is heard although no answer is: the device speaks by itself.
fn is_spoken(scene: &Scene) {
    let from = scene.spk_at(scene.remote.events().last().unwrap().at_ns) as usize;
    scene.pass(1500);
    assert!(scene.played(0)[from..].iter().any(|sample| sample.unsigned_abs() > 1000), "nothing was said");
}

#[test]
fn little_is_left_at_80_percent_and_nothing_at_100_also_when_the_daemon_is_killed() {
    let folder = TempDir::new().unwrap();
    let mut scene = Scene::set(frugal(folder.path()));
    elsewhere(&scene, DAY * 795 / 1000);
    talk(&scene);
    assert!((DAY * 803 / 1000..=DAY * 806 / 1000).contains(&spent(&scene)), "{}", report(&scene));
    assert_eq!((&report(&scene)["budget"], lines(&scene)), (&json!("low"), vec![json!("budget-low")]));
    is_spoken(&scene);

    let before = spent(&scene);
    scene.daemon.signal(libc::SIGKILL);
    scene.restart().unwrap();
    assert_eq!(spent(&scene), before, "what was counted is on the disk");
    elsewhere(&scene, DAY * 190 / 1000);
    talk(&scene);
    told_line(&scene, 0, "budget-spent");
    is_spoken(&scene);
    let reached = spent(&scene);
    assert!((DAY..=DAY * 102 / 100).contains(&reached), "{}", report(&scene));
    assert_eq!(lines(&scene), ["budget-spent"], "what the run before has warned of is not warned of again");

    scene.daemon.signal(libc::SIGKILL);
    scene.restart().unwrap();
    assert_eq!((spent(&scene), &report(&scene)["budget"]), (reached, &json!("spent")));
    let (mark, links) = (scene.remote.mark(), dials(&scene.server.events()));
    scene.press();
    scene.release();
    told_line(&scene, mark, "budget-spent");
    assert_eq!(scene.remote.status().unwrap()["phase"], "budget spent");
    scene.pass(500);
    assert_eq!(dials(&scene.server.events()), links, "a refused press dials nobody");
}

#[test]
fn a_daemon_that_is_killed_in_the_middle_of_an_answer_has_counted_it() {
    let folder = TempDir::new().unwrap();
    let mut setting = frugal(folder.path());
    setting.server.script.rest = Turn::noise(4000, 1);
    let mut scene = Scene::set(setting);
    let mark = scene.remote.mark();
    scene.ask("question-time");
    scene.told(mark, "first_sound");
    scene.pass(1000);
    scene.daemon.signal(libc::SIGKILL);
    scene.restart().unwrap();
    let sent_ms = scene.server.events().spoken(1).len() as u64 / 24;
    let (counted, billed) = (spent(&scene), sent_ms * ANSWER / ANSWER_MS);
    assert!(counted + ANSWER >= billed && billed > ANSWER, "{counted} of {billed}");
    assert!(
        counted <= billed + DAY * 2 / 100,
        "{counted} for {billed}: 2 % of the budget are set aside at most"
    );
}

fn ask(scene: &Scene) -> std::process::Output {
    let mut command = Command::new(program("pressel").unwrap());
    command.arg("ask").arg("--config").arg(scene.folder().join("pressel.toml"));
    command.args(["What time is it?", "--quiet"]);
    command.env("GEMINI_API_KEY", KEY).env_remove("GOOGLE_API_KEY").output().unwrap()
}

#[test]
fn a_question_typed_beside_the_daemon_stands_in_its_ledger_and_is_refused_with_it() {
    let folder = TempDir::new().unwrap();
    let mut scene = Scene::set(frugal(folder.path()));
    talk(&scene);
    let own = spent(&scene);
    let output = ask(&scene);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let both = spent(&scene);
    assert!((ANSWER * 8 / 10..=ANSWER * 12 / 10).contains(&(both - own)), "{}", report(&scene));
    assert_eq!(report(&scene)["today"]["turns"], 2);
    scene.restart().unwrap();
    assert_eq!(spent(&scene), both);

    elsewhere(&scene, DAY);
    let links = dials(&scene.server.events());
    let refused = ask(&scene);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("the budget is spent"), "{refused:?}");
    assert_eq!(dials(&scene.server.events()), links);
    assert!(scene.remote.ask("{\"op\":\"used\",\"count\":7}").is_err());
}

#[test]
fn a_new_talk_is_begun_over_the_control_socket_and_knows_nothing_of_the_old_one() {
    let mut script = Script { rest: Turn::noise(300, 1), ..Script::default() };
    script.service.first_handle_ms = 20;
    let scene = Scene::of("hold", "", script);
    talk(&scene);
    assert_eq!(scene.remote.ask("{\"op\":\"act\",\"act\":\"new-talk\"}").unwrap(), json!(true));
    talk(&scene);
    let record = scene.server.events();
    let setups: Vec<&Value> = messages(&record, "setup").map(|(_, message)| message).collect();
    assert_eq!(setups.len(), 2, "the old link was let go");
    assert_eq!(setups[1], setups[0], "no handle and no recap: neither is known any more");
    scene.end();
}
