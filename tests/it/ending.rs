//! How the daemon ends, and how it refuses to begin.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::{Duration, Instant};

use fake_gemini::{Fault, Rule, Script, Side, Turn, When};
use tests::measure::last_sound;
use tests::stage::{Daemon, KEY, Remote, Setting, Stage};

use crate::scene::{SPK_MS, Scene, WAIT, closes, dials, setting};

/// From the signal to the end.
const END: Duration = Duration::from_secs(1);
/// From the signal to silence: so late may the daemon learn of it, and the fade.
const SILENCE_MS: u64 = 150;

fn script() -> Script {
    Script { rest: Turn::noise(10_000, 1), ..Script::default() }
}

/// Sends the signal: the daemon must end in time, with 0, in silence, and leave no socket behind.
#[track_caller]
fn check_end(scene: &mut Scene, signal: i32) {
    let asked = Instant::now();
    let silent_from = scene.card.now_sample(pressel_world::card::Direction::Playback) + SILENCE_MS * SPK_MS;
    scene.daemon.signal(signal);
    let status = scene.daemon.wait(WAIT).unwrap().expect("it ends");
    let took = asked.elapsed();
    assert_eq!((status.code(), status.signal()), (Some(0), None), "{}", scene.log());
    assert!(took < END, "it took {took:?}");
    let played = scene.card.speaker_slice(0..silent_from + 24_000).unwrap();
    assert_eq!(last_sound(&played[silent_from as usize..]), None, "it plays on after its end");
    assert!(!scene.folder().join("control").exists(), "the control socket is left behind");
}

const SIGNALS: [i32; 2] = [libc::SIGTERM, libc::SIGINT];

#[test]
fn at_rest_without_a_link() {
    for signal in SIGNALS {
        let mut scene = Scene::of("hold", "", script());
        check_end(&mut scene, signal);
        assert_eq!(dials(&scene.server.events()), 0);
    }
}

#[test]
fn while_it_listens() {
    for signal in SIGNALS {
        let mut scene = Scene::of("hold", "", script());
        scene.press();
        scene.received("activityStart", 1);
        check_end(&mut scene, signal);
        scene.server_until("the link is closed", |events| !closes(events).is_empty());
        assert_eq!(closes(&scene.server.events()), [(1, Side::Client, 1000)]);
    }
}

#[test]
fn while_it_speaks() {
    for signal in SIGNALS {
        let mut scene = Scene::of("hold", "", script());
        let mark = scene.remote.mark();
        scene.ask("stop");
        scene.phase(mark, "speaking");
        scene.pass(300);
        check_end(&mut scene, signal);
        scene.server_until("the link is closed", |events| !closes(events).is_empty());
        assert_eq!(closes(&scene.server.events()), [(1, Side::Client, 1000)]);
    }
}

#[test]
fn while_the_server_says_nothing() {
    // A handshake that never ends, and a link whose other end has gone deaf and dumb.
    let cases =
        [(When::Accept, "connecting"), (When::Request, "connecting"), (When::UtteranceEnd, "thinking")];
    for (when, phase) in cases {
        let stuck = script().fault(Rule::new(when, Fault::Stall { ms: None }).times(0));
        let mut scene = Scene::of("hold", "", stuck);
        let mark = scene.remote.mark();
        scene.ask("stop");
        scene.phase(mark, phase);
        check_end(&mut scene, libc::SIGTERM);
    }
}

#[test]
fn after_a_kill_the_next_start_takes_the_socket_over() {
    let mut scene = Scene::of("hold", "", script());
    scene.daemon.signal(libc::SIGKILL);
    scene.daemon.wait(WAIT).unwrap().expect("it is dead");
    let path = scene.folder().to_owned();
    assert!(path.join("control").exists());
    let env = [scene.card.env()];
    let mut next = Daemon::start(&path.join("pressel.toml"), &path.join("log2"), &env, Some(KEY)).unwrap();
    let remote = Remote::connect(&path.join("control"), || next.check_alive()).unwrap();
    assert_eq!(remote.status().unwrap()["pid"], next.pid());
    assert_eq!(next.stop().unwrap().0, Some(0));
}

/// What `pressel run` says when it does not begin; it must be with 78.
#[track_caller]
fn refused(folder: &Path, config: &str, key: Option<&str>) -> String {
    let file = folder.join("own.toml");
    std::fs::write(&file, config).unwrap();
    let mut daemon = Daemon::start(&file, &folder.join("log"), &[], key).unwrap();
    let status = daemon.wait(WAIT).unwrap().expect("it ends");
    assert_eq!(status.code(), Some(78), "{config}: {}", daemon.log());
    daemon.log()
}

#[test]
fn a_configuration_with_a_mistake_names_file_line_and_key() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("own.toml");
    for (line, key, config) in [
        (2, "perod_ms", "[capture]\nperod_ms = 10\n"),
        (1, "captur", "[captur]\nperiod_ms = 10\n"),
        (3, "period_ms", "[capture]\n\nperiod_ms = \"ten\"\n"),
        (2, "pre_roll_ms", "[gate]\npre_roll_ms = 5000\n"),
        (2, "mode", "[talk]\nmode = \"push\"\n"),
        (2, "endpoint", "[live]\nendpoint = \"ws://example.org\"\n"),
        (2, "endpoint", "[live]\nendpoint = \"not a URL\"\n"),
        (2, "ca_file", "[live]\nca_file = \"/nowhere/ca.pem\"\n"),
        (1, "", "[talk\nmode = \"hold\"\n"),
    ] {
        let told = refused(folder.path(), config, Some(KEY));
        assert!(told.contains(&format!("{}:{line}:", file.display())), "{config}: {told}");
        assert!(told.contains(key), "{config}: {told}");
    }
}

#[test]
fn without_a_key_and_without_a_service_manager_it_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let told = refused(folder.path(), "", None);
    assert!(told.contains("no API key found") && told.contains("GEMINI_API_KEY"), "{told}");
    // The same on a whole stage.
    let setting = Setting { key: None, ..setting("hold", "", script()) };
    let error = Stage::set(folder.path(), setting).err().expect("no stage").to_string();
    assert!(error.contains("78"), "{error}");
}
