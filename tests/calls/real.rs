//! Calls through the shipped daemon: programs in runners of their own, a web service on a socket, the strict server over
//! TLS. Afterwards nothing may be left of any of them.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fake_gemini::{Event, Fault, Options, Script, Side, Turn, What};
use pressel_world::card::Direction;
use serde_json::{Value, json};
use tests::stage::{Setting, Stage};

use crate::agreed::agreed;
use crate::plan::{MODELS, NEW};

/// A model calls by then, if it does.
const PATIENCE: Duration = Duration::from_secs(8);
/// Calls of a turn: one of each kind.
const KINDS: [&str; 5] = ["echo", "tree", "web", "fails", "big"];
/// Everything that somebody waited for no more is dead by then.
const DEAD: Duration = Duration::from_millis(500);
/// A tool of these takes less.
const TAKES_MS: u64 = 900;
/// A response comes by then, on a link that lives.
const DUE_NS: u64 = 5_000_000_000;

/// What came of calls by the daemon.
#[derive(Default)]
pub struct Found {
    pub calls: usize,
    pub missing: usize,
    pub double: usize,
    pub twice: usize,
    pub closes: usize,
    pub orphans: usize,
    pub asked: usize,
    pub agreed: usize,
    pub undue: usize,
    pub unheeded: usize,
    /// Calls that somebody agreed to in due form, once the question was heard.
    pub due: usize,
    /// Kills of a daemon whose program was at work.
    pub killed: usize,
    pub dead_ms: f64,
    pub told: Vec<String>,
}

/// So many turns with each model; a seed decides what happens meanwhile.
pub fn real(turns: usize, seed: u64) -> io::Result<Found> {
    let mut found = Found::default();
    for (n, model) in MODELS.iter().enumerate() {
        with_model(model, turns, seed + n as u64, &mut found)?;
    }
    agreed(&mut found)?;
    Ok(found)
}

/// Processes with this word in their command line.
fn with_word(word: &str) -> usize {
    let Ok(all) = fs::read_dir("/proc") else { return 0 };
    let lines = all.filter_map(|entry| fs::read(entry.ok()?.path().join("cmdline")).ok());
    lines.filter(|line| line.windows(word.len()).any(|part| part == word.as_bytes())).count()
}

/// How long until none is left; what is left after a while.
fn until_none(word: &str, within: Duration) -> (Duration, usize) {
    let start = Instant::now();
    loop {
        let left = with_word(word);
        if left == 0 || start.elapsed() > within {
            return (start.elapsed(), left);
        }
        std::thread::sleep(Duration::from_millis(5)); // of other processes nobody tells us
    }
}

/// Whether one is there before long.
fn until_some(word: &str, within: Duration) -> bool {
    let start = Instant::now();
    while with_word(word) == 0 {
        if start.elapsed() > within {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5)); // of other processes nobody tells us
    }
    true
}

/// A web service that takes its time; what it was asked for, in order.
fn service() -> io::Result<(u16, Arc<Mutex<Vec<String>>>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let told = Arc::clone(&told);
            std::thread::spawn(move || {
                let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
                let first = lines.next().unwrap_or_default();
                lines.by_ref().find(String::is_empty);
                let mut path =
                    first.split(' ').nth(1).unwrap_or_default().trim_start_matches('/').split("?ms=");
                let number = path.next().unwrap_or_default().to_owned();
                let ms = path.next().and_then(|ms| ms.parse().ok()).unwrap_or(0);
                told.lock().expect("nobody panics with it").push(number.clone());
                std::thread::sleep(Duration::from_millis(ms)); // the service takes so long
                let body = json!({ "found": format!("found-{number}-") }).to_string();
                let length = body.len();
                // Who asked may have gone.
                let _ = write!(&stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}");
            });
        }
    });
    Ok((port, asked))
}

/// Programs and files of the tools; a program leaves the number of its call in `ran`, and `word` in what it leaves behind.
fn tools(folder: &Path, port: u16, word: &str) -> io::Result<PathBuf> {
    let ran = folder.join("ran");
    fs::write(&ran, "")?;
    fs::create_dir(folder.join("tools.d"))?;
    let note = format!("echo \"$1\" >> {}", ran.display());
    let scripts = [
        ("echo", format!("{note}\nsleep $(($2 / 1000)).$(printf %03d $(($2 % 1000)))\necho \"found-$1-\"")),
        // What a program leaves behind is ended with it, wherever it went.
        (
            "tree",
            format!(
                "{note}\nsetsid sleep {word} & (setsid sh -c 'sleep {word} & sleep {word}' &)\nsleep 0.$(printf %03d $2)\necho \"found-$1-\""
            ),
        ),
        ("fails", format!("{note}\necho \"no such $1\" >&2\nexit 3")),
        ("big", format!("{note}\nhead -c 200000 /dev/zero | tr '\\0' a\necho \"found-$1-\"")),
    ];
    let arguments = "[parameters]\nrequired = [\"n\", \"ms\"]\n[parameters.properties]\nn = { type = \"integer\" }\nms = { type = \"integer\" }\n";
    for (name, script) in scripts {
        let program = folder.join(name);
        fs::write(&program, format!("#!/bin/sh\n{script}\n"))?;
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
        let text = format!(
            "name = \"{name}\"\ndescription = \"For a run.\"\nper_minute_max = 0\n[command]\noutput_max_kb = 512\n\
             argv = [\"{}\", \"{{n}}\", \"{{ms}}\"]\nwrite = [\"{}\"]\n{arguments}",
            program.display(),
            ran.display()
        );
        fs::write(folder.join(format!("tools.d/{name}.toml")), text)?;
    }
    let web = format!(
        "name = \"web\"\ndescription = \"For a run.\"\nper_minute_max = 0\n[http]\nprivate = true\ntls = false\n\
         url = \"http://127.0.0.1:{port}/{{n}}?ms={{ms}}\"\n{arguments}"
    );
    fs::write(folder.join("tools.d/web.toml"), web)?;
    Ok(ran)
}

fn script(turns: usize, random: &mut fastrand::Rng) -> Script {
    let mut script = Script::default();
    for turn in 0..3 * turns {
        let mut calls = Turn { think_ms: Some(10), ..Turn::noise(200, turn as u64 + 1) };
        for (n, kind) in KINDS.iter().enumerate() {
            calls = calls.call(kind, json!({ "n": turn * KINDS.len() + n, "ms": random.u64(1..TAKES_MS) }));
        }
        calls.cancel_tools_after_ms = (random.u32(..4) == 0).then(|| random.u64(20..600));
        script.turns.push(calls);
    }
    script.rest = Turn { think_ms: Some(10), ..Turn::noise(200, 1) };
    script.service.pace = 0.0;
    script
}

fn sent(events: &[Event], wanted: &str) -> usize {
    events.iter().filter(|e| matches!(&e.what, What::Sent { name, .. } if name == wanted)).count()
}

fn with_model(model: &str, turns: usize, seed: u64, found: &mut Found) -> io::Result<()> {
    let mut random = fastrand::Rng::with_seed(seed);
    let folder = tempfile::tempdir()?;
    let word = format!("77{:06}{:03}", std::process::id() % 1_000_000, seed % 1000);
    let (port, asked) = service()?;
    let ran = tools(folder.path(), port, &word)?;
    let path = folder.path().display();
    let config = format!("[tools]\nfolder = \"{path}/tools.d\"\nsocket = \"\"\nlog_folder = \"{path}\"\n");
    let server = Options { new_model: Some(NEW.to_owned()), ..Options::script(script(turns, &mut random)) };
    let live = format!("model = \"{model}\"");
    let stage_folder = folder.path().join("stage");
    fs::create_dir(&stage_folder)?;
    let mut stage = Stage::set(&stage_folder, Setting { server, live, ..Setting::mode("hold", &config) })?;
    let pass = |stage: &Stage, ms: u64| {
        let now = stage.card.now_sample(Direction::Capture);
        stage.card.sleep_until(Direction::Capture, now + ms * 16);
    };
    let mut scripted = Vec::new();
    pass(&stage, 600);
    for _ in 0..turns {
        let before = sent(&stage.server.events(), "toolCall");
        stage.remote.press()?;
        pass(&stage, 300);
        stage.remote.release()?;
        // A note about a lost link may have been answered in its place.
        stage.server.wait_blocking(PATIENCE, |events| sent(events, "toolCall") > before);
        pass(&stage, random.u64(0..500));
        match random.u32(..10) {
            0 => {
                let reason = "Internal error encountered.".to_owned();
                stage.server.strike(Fault::Close { code: 1011, reason });
                scripted.push(1011);
            }
            1 => drop(stage.server.strike(Fault::Reset)),
            2 => drop(stage.server.strike(Fault::GoAway { left_ms: 400 })),
            3 => continue, // somebody who does not wait
            4 => stage.restart()?,
            _ => {}
        }
        pass(&stage, 2500);
    }
    pass(&stage, 3000);
    let (_, left) = until_none(&word, DEAD);
    found.orphans += left;
    // Nobody is there to end these but the runner.
    let before = sent(&stage.server.events(), "toolCall");
    let calls = json!({ "toolCall": { "functionCalls": [{ "id": "last", "name": "echo", "args": { "n": 9999, "ms": 60_000 } }] } });
    stage.server.strike(Fault::Json(calls));
    stage.server.wait_blocking(Duration::from_secs(2), |events| sent(events, "toolCall") > before);
    let program = folder.path().join("echo").display().to_string();
    let began = until_some(&program, Duration::from_secs(5));
    stage.daemon.signal(libc::SIGKILL);
    let (took, left) = until_none(&program, DEAD);
    found.orphans += left;
    if began {
        found.killed += 1;
        found.dead_ms = found.dead_ms.max(took.as_secs_f64() * 1000.0);
    }
    account(model, seed, &stage.server.events(), &scripted, found);
    let ran = fs::read_to_string(ran)?;
    let mut times: BTreeMap<&str, u32> = BTreeMap::new();
    let web = asked.lock().expect("nobody panics with it").clone();
    ran.lines()
        .chain(web.iter().map(String::as_str))
        .for_each(|number| *times.entry(number).or_default() += 1);
    for (number, times) in times.iter().filter(|(_, times)| **times > 1) {
        found.twice += 1;
        found.told.push(format!("{model}, seed {seed}: number {number} ran {times} times"));
    }
    Ok(())
}

/// Holds what the server has seen against what must hold.
fn account(model: &str, seed: u64, events: &[Event], scripted: &[u16], found: &mut Found) {
    let mut tell = |what: String| found.told.push(format!("{model}, seed {seed}: {what}"));
    let mut made: BTreeMap<(u32, String), (u64, u32, bool)> = BTreeMap::new();
    let mut over: BTreeMap<u32, u64> = BTreeMap::new();
    let last = events.last().map_or(0, |event| event.at_ns);
    let ids = |list: &Value| -> Vec<String> {
        let each = list.as_array().into_iter().flatten();
        each.filter_map(|item| item.as_str().or(item["id"].as_str()).map(str::to_owned)).collect()
    };
    for event in events {
        match &event.what {
            What::Sent { message, .. } => {
                for id in ids(&message["toolCall"]["functionCalls"]) {
                    made.insert((event.link, id), (event.at_ns, 0, false));
                }
                for id in ids(&message["toolCallCancellation"]["ids"]) {
                    if let Some((_, _, cancelled)) = made.get_mut(&(event.link, id)) {
                        *cancelled = true;
                    }
                }
            }
            What::Received { message, .. } => {
                for id in ids(&message["toolResponse"]["functionResponses"]) {
                    match made.get_mut(&(event.link, id.clone())) {
                        Some((_, responses, _)) => *responses += 1,
                        None => {
                            found.double += 1;
                            tell(format!("a response for {id}, which was not called"));
                        }
                    }
                }
            }
            What::Closed { by, code, reason } => {
                over.insert(event.link, event.at_ns);
                let announced = scripted.contains(code) || reason.contains("GoAway");
                if *by == Side::Server && !announced {
                    found.closes += 1;
                    tell(format!("the server closed: {code} {reason}"));
                }
            }
            What::Complaint(text) => {
                found.closes += 1;
                tell(text.clone());
            }
            _ => {}
        }
    }
    for ((link, id), (at, responses, cancelled)) in &made {
        if id == "last" {
            continue;
        }
        found.calls += 1;
        if *responses > 1 {
            found.double += 1;
            tell(format!("{responses} responses for {id}"));
        }
        let until = over.get(link).copied().unwrap_or(last);
        if *responses == 0 && !cancelled && until > at + DUE_NS {
            found.missing += 1;
            tell(format!("no response for {id} of link {link}"));
        }
    }
}
