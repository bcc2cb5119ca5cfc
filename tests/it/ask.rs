//! `pressel ask`: a typed question from the command line, without a daemon, a microphone or, mostly, a card.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use fake_gemini::audio::{read_wav, recording};
use fake_gemini::{FakeGemini, Fault, Options, Rule, Script, Side, Turn, When};
use pressel_world::card::{Card, CardOptions, Direction, StreamOptions};
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::stage::{KEY, program};

use crate::answer::played_whole;
use crate::scene::{closes, dials, messages};

/// A server, and the configuration of a device that talks to it.
struct Desk {
    server: FakeGemini,
    folder: TempDir,
}

impl Desk {
    fn of(script: Script) -> Self {
        Self::with(Options::script(script), "")
    }

    fn with(options: Options, more: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let server = FakeGemini::spawn_thread(options).unwrap();
        let ca = folder.path().join("ca.pem");
        server.write_ca(&ca).unwrap();
        let live = format!("[live]\nendpoint = \"{}\"\nca_file = \"{}\"\n", server.url(), ca.display());
        std::fs::write(folder.path().join("pressel.toml"), format!("{live}{more}")).unwrap();
        Desk { server, folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program("pressel").unwrap());
        command.arg("ask").arg("--config").arg(self.path("pressel.toml")).args(arguments);
        command.env("GEMINI_API_KEY", KEY).env_remove("GOOGLE_API_KEY").stdin(Stdio::null());
        command
    }

    fn ask(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }
}

#[track_caller]
fn check(output: &Output, code: i32, stdout: &str, stderr: &str) {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "stdout: {out}\nstderr: {err}");
    assert_eq!(out, stdout, "stderr: {err}");
    assert!(err.contains(stderr) && (err.is_empty() == stderr.is_empty()), "stderr: {err}");
    assert!(!err.contains(KEY), "the key is told: {err}");
}

fn samples(path: &Path) -> (u32, Vec<i16>) {
    read_wav(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn words_go_to_stdout_and_sound_to_the_file_sample_for_sample() {
    let desk = Desk::of(Script { rest: Turn::recording("answer-time"), ..Script::default() });
    let wav = desk.path("answer.wav");
    let output = desk.ask(&["What time is it?", "--wav", wav.to_str().unwrap()]);
    let spoken = recording("answer-time").unwrap();
    check(&output, 0, &format!("{}\n", spoken.words), "");
    assert_eq!(samples(&wav), (24_000, spoken.samples.to_vec()));
    let record = desk.server.events();
    let turns = json!([{"role": "user", "parts": [{"text": "What time is it?"}]}]);
    let asked: Vec<&Value> = messages(&record, "clientContent").map(|(_, message)| message).collect();
    assert_eq!(asked, [&json!({"clientContent": {"turns": turns, "turnComplete": true}})]);
    assert_eq!(closes(&record), [(1, Side::Client, 1000)]);
    assert_eq!(record.complaints(), [""; 0]);
}

#[test]
fn scripts_get_one_object_and_may_ask_over_stdin() {
    let desk = Desk::of(Script { rest: Turn::recording("answer-lamp"), ..Script::default() });
    let mut child = desk
        .command(&["-", "--json", "--quiet"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"Is the lamp on?\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let spoken = recording("answer-lamp").unwrap();
    assert_eq!((&answer["question"], &answer["answer"]), (&json!("Is the lamp on?"), &json!(spoken.words)));
    assert_eq!(answer["sound_ms"], json!(spoken.samples.len() / 24));
    assert_eq!((&answer["model"], &answer["wav"]), (&json!("gemini-3.8-live"), &Value::Null));
    let (first, took) = (answer["first_sound_ms"].as_u64().unwrap(), answer["took_ms"].as_u64().unwrap());
    assert!(first > 0 && first <= took, "{answer}");
    assert!(answer["tokens"]["prompt"].as_u64().unwrap() > 0, "{answer}");
}

#[test]
fn a_link_that_is_lost_is_dialled_again_and_the_question_put_once_more() {
    let script = Script { rest: Turn::recording("answer-time"), ..Script::default() }
        .fault(Rule::new(When::Request, Fault::Http { status: 503 }).on_link(1))
        .fault(Rule::new(When::Answer { ms: 0 }, Fault::Reset).on_link(2));
    let desk = Desk::of(script);
    let wav = desk.path("answer.wav");
    let output = desk.ask(&["What time is it?", "--wav", wav.to_str().unwrap()]);
    let spoken = recording("answer-time").unwrap();
    check(&output, 0, &format!("{}\n", spoken.words), "503 Service Unavailable");
    assert_eq!(samples(&wav).1, spoken.samples.to_vec());
    assert_eq!(messages(&desk.server.events(), "clientContent").count(), 2);
}

#[test]
fn what_cannot_be_answered_says_why_and_with_which_code() {
    let refusing = Options { key: Some("another".into()), ..Options::default() };
    check(&Desk::with(refusing, "").ask(&["Hello?", "--quiet"]), 1, "", "API key not valid");

    let silent = Desk::of(Script { rest: Turn { never: true, ..Turn::default() }, ..Script::default() });
    check(&silent.ask(&["Hello?", "--quiet", "--timeout", "1"]), 75, "", "no answer within 1 s");
    check(&silent.ask(&["", "--quiet"]), 1, "", "the question is empty");
    check(
        &silent.ask(&["Hello?", "--wav", "/nowhere/answer.wav"]),
        1,
        "",
        "/nowhere/answer.wav: No such file",
    );

    let keyless = silent.command(&["Hello?", "--quiet"]).env_remove("GEMINI_API_KEY").output().unwrap();
    check(&keyless, 78, "", "no API key found");

    // A port that was just given back: nobody listens on it.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    std::fs::write(silent.path("pressel.toml"), format!("[live]\nendpoint = \"ws://127.0.0.1:{port}\"\n"))
        .unwrap();
    let away = silent.ask(&["Hello?", "--quiet", "--timeout", "1"]);
    check(&away, 75, "", "no answer within 1 s; the link's last trouble: connect to 127.0.0.1");
}

#[test]
fn what_it_costs_is_kept_and_a_spent_budget_refuses_before_anything_is_dialled() {
    let folder = TempDir::new().unwrap();
    let tables = format!(
        "[usage]\nledger_folder = \"{}\"\n[budget]\nday = 0.0001\n[control]\npath = \"\"\n",
        folder.path().display()
    );
    let script = Script { rest: Turn::recording("answer-time"), ..Script::default() };
    let desk = Desk::with(Options::script(script), &tables);
    let spoken = recording("answer-time").unwrap();
    check(&desk.ask(&["What time is it?", "--quiet"]), 0, &format!("{}\n", spoken.words), "");
    check(&desk.ask(&["And now?", "--quiet"]), 1, "", "the budget is spent");
    assert_eq!(dials(&desk.server.events()), 1);
}

#[test]
fn the_card_plays_it_where_there_is_one() {
    let folder = TempDir::new().unwrap();
    let options =
        CardOptions { microphone: StreamOptions::new(16_000, 1), speaker: StreamOptions::new(24_000, 1) };
    let card = Card::create(&folder.path().join("card"), options).unwrap();
    let more = "[playback]\ndevice = \"pressel_speaker\"\nrate_hz = 24000\nconceal = false\n";
    let script = Script { rest: Turn::noise(700, 3), ..Script::default() };
    let desk = Desk::with(Options::script(script), more);
    let (name, value) = card.env();
    let output = desk.command(&["Make some noise!"]).env(name, value).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let played = card.channel(Direction::Playback, 0, 0..card.now_sample(Direction::Playback)).unwrap();
    played_whole(&played, &desk.server.events().spoken(1), 0);

    let absent = desk.ask(&["Make some noise!"]);
    check(&absent, 1, "", "--wav FILE or --quiet needs no sound card");
}
