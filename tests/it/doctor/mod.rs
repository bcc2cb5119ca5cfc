//! `pressel doctor` in worlds that are broken on purpose: each fault must be named, with something to do about it.

mod faults;
mod world;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use fake_gemini::Script;
use serde_json::Value;
use tests::stage::KEY;

use self::faults::{FAULTS, Seeded, well};
use self::world::World;
use crate::scene::Scene;

/// So many faults must be named.
const NAMED_MIN: usize = 28;
/// The whole examination.
const LONGEST: Duration = Duration::from_secs(20);
/// Worlds that are looked at side by side.
const SIDE_BY_SIDE: usize = 6;

fn finding<'a>(report: &'a Value, check: &str) -> &'a Value {
    let all = report["checks"].as_array().unwrap();
    all.iter().find(|line| line["name"] == check).unwrap_or_else(|| panic!("no check {check}"))
}

/// Whether a fault is named, and what was said.
fn named(fault: &Seeded) -> (bool, String, Duration) {
    let world = (fault.world)();
    let started = Instant::now();
    let (report, code) = world.report();
    let took = started.elapsed();
    let line = finding(&report, fault.check);
    let text = |member: &str| line[member].as_str().unwrap_or_default().to_owned();
    let told = format!("{} {}", text("text"), text("hint"));
    let class = text("class");
    let expected = match class.as_str() {
        "fail" => Some(1),
        "warn" => code.filter(|code| [1, 3].contains(code)), // another finding may be worse
        _ => None,
    };
    let is_named =
        told.contains(fault.words) && !text("hint").is_empty() && expected.is_some() && expected == code;
    (is_named, format!("{class} {told}"), took)
}

#[test]
fn seeded_faults_are_named_with_what_to_do() {
    let (next, rows) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE {
            scope.spawn(|| {
                while let Some(fault) = FAULTS.get(next.fetch_add(1, Ordering::Relaxed)) {
                    rows.lock().unwrap().push((fault.name, fault.check, named(fault)));
                }
            });
        }
    });
    let mut rows = rows.into_inner().unwrap();
    rows.sort_by_key(|(name, ..)| FAULTS.iter().position(|fault| fault.name == *name));
    println!("| fault | check | named | s | said |\n|---|---|---|---|---|");
    for (name, check, (is_named, said, took)) in &rows {
        let word = if *is_named { "yes" } else { "NO" };
        println!("| {name} | {check} | {word} | {:.1} | {said:.120} |", took.as_secs_f64());
    }
    let score = rows.iter().filter(|(_, _, (is_named, ..))| *is_named).count();
    println!("{score} of {} named", rows.len());
    assert!(rows.len() >= 30 && score >= NAMED_MIN.max(rows.len() - 2), "{score} of {}", rows.len());
    let longest = rows.iter().map(|(_, _, (.., took))| *took).max().unwrap();
    assert!(longest < LONGEST + Duration::from_secs(5), "{longest:?}"); // on a machine that does six at a time
}

#[test]
fn a_device_that_is_well_is_not_complained_of() {
    let world = well();
    let (report, _) = world.report();
    for line in report["checks"].as_array().unwrap() {
        // No daemon runs here, and nobody keeps this machine's clock.
        let not_ours = ["daemon", "clock", "wifi"].contains(&line["name"].as_str().unwrap());
        let well = ["ok", "skip"].contains(&line["class"].as_str().unwrap());
        assert!(well || (not_ours && line["class"] == "warn"), "{line}");
    }
    for (check, words) in [
        ("board", "Raspberry Pi 5"),
        ("echo", "the loudspeaker is heard after 3"),
        ("power", "48 °C"),
        ("session", "the service lets us in"),
        ("wifi", "-52 dBm, power save is off"),
        ("tls", "TLS 1.3"),
    ] {
        let line = finding(&report, check);
        assert!(line["class"] == "ok" && line["text"].as_str().unwrap().contains(words), "{line}");
    }
    assert_eq!(world.server.events().complaints(), [""; 0]);
}

#[test]
fn beside_a_daemon_it_is_asked_and_keeps_its_cards() {
    let scene = Scene::of("open", "[open]\nstart = \"speech\"\n", Script::default());
    let config = scene.folder().join("pressel.toml");
    let (name, conf) = scene.card.env();
    let output = std::process::Command::new(tests::stage::program("pressel").unwrap())
        .args(["doctor", "--json", "--config"])
        .arg(&config)
        .env(name, conf)
        .env("GEMINI_API_KEY", KEY)
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    for (check, words) in [
        ("daemon", "phase"),
        ("microphone", "pressel_mic"),
        ("speaker", "pressel_speaker"),
        ("key", "the daemon has one"),
    ] {
        let line = finding(&report, check);
        assert!(line["class"] == "ok" && line["text"].as_str().unwrap().contains(words), "{line}");
    }
    let status = scene.remote.status().unwrap();
    assert!(!status["microphone"]["format"].is_null() && !status["speaker"]["format"].is_null(), "{status}");
    scene.end();
}

#[test]
fn a_bundle_holds_what_helps_and_no_secret() {
    let mut world = World::well();
    let secret = ["hunter2-of-the-proxy", "ya29.a0AfH6SNotARealToken", "MIIEvQIBADANBgkqhkiG9w0"];
    world.installed_key(KEY, 0o600);
    world.write("etc/pressel/proxy-password", secret[0]);
    let keys = world.config[0].1.clone();
    world.set("live", keys + "\ninstruction = \"Kim is at home from nine to five\"");
    world.set("network", "proxy = \"http://kim@127.0.0.1:9\"");
    world.program(
        "journalctl",
        &format!(
            "echo 'pressel[412]: refused: API key {KEY} not valid'; echo 'proxy said no to {}'; echo 'Authorization: Bearer {}'; \
             echo '-----BEGIN PRIVATE KEY-----'; echo {}; echo '-----END PRIVATE KEY-----'; \
             echo 'pressel[412]: microphone hw:CARD=Array: lost'",
            secret[0], secret[1], secret[2]
        ),
    );
    let file = world.path("bundle.txt");
    let output = world.doctor(&["--bundle", file.to_str().unwrap()]);
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    for lost in secret.iter().chain(&[KEY, "Kim is at home", "kim@"]) {
        assert!(!text.contains(lost), "{lost} is in\n{text}");
        assert!(!String::from_utf8_lossy(&output.stdout).contains(lost) || *lost == "kim@");
    }
    for kept in [
        "==== findings",
        "Raspberry Pi 5",
        "device = \"pressel_mic\"",
        "ArrayUAC10",
        "hw:CARD=Array: lost",
        "dtparam=audio=off",
    ] {
        assert!(text.contains(kept), "{kept} is not in\n{text}");
    }
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}
