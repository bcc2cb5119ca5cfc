//! The wall clock steps by an hour while the daemon runs: nothing that waits may notice.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use fake_gemini::{Fault, Script, Turn};
use tempfile::TempDir;

use crate::scene::{Scene, dials, setting};

const HOUR_S: i64 = 3600;

/// Builds what steps the clock; it is loaded by the daemon alone.
fn shim(folder: &Path) -> PathBuf {
    let library = folder.join("clock_step.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("it/clock_step.c");
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"])
        .args([&library, &source])
        .output()
        .expect("a C compiler is installed");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    library
}

/// The newest time of the daemon's log, in seconds from now.
fn log_is_ahead(scene: &Scene) -> i64 {
    let log = scene.log();
    let newest = log.lines().rev().find_map(|line| line.split_whitespace().next()?.get(11..19)).unwrap();
    let of =
        |text: &str| -> i64 { text.split(':').fold(0, |sum, part| sum * 60 + part.parse::<i64>().unwrap()) };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() as i64;
    let apart = (of(newest) - now).rem_euclid(86_400);
    if apart > 43_200 { apart - 86_400 } else { apart }
}

#[test]
fn a_clock_that_steps_by_an_hour_changes_nothing() {
    let folder = TempDir::new().unwrap();
    let step = folder.path().join("step");
    std::fs::write(&step, 0i64.to_ne_bytes()).unwrap();
    // In place: a mapped file must not be empty in between.
    let file = std::fs::OpenOptions::new().write(true).open(&step).unwrap();
    let set = |seconds: i64| file.write_all_at(&seconds.to_ne_bytes(), 0).unwrap();
    let script = Script { rest: Turn::noise(400, 1), ..Script::default() };
    let mut setting = setting("hold", "quiet_close_s = 5", script);
    setting.env = vec![("LD_PRELOAD", shim(folder.path())), ("CLOCK_STEP", step.clone())];
    let scene = Scene::set(setting);
    let talk = || {
        let mark = scene.remote.mark();
        scene.ask("question-time");
        scene.answered(mark);
    };
    talk();
    for (steps, seconds) in [HOUR_S, -HOUR_S, 0].into_iter().enumerate() {
        let mark = scene.remote.mark();
        scene.press();
        let words = scene.speak("question-rain");
        scene.until_heard(words.start + (words.end - words.start) / 2);
        set(seconds); // in the middle of a sentence
        scene.until_heard(words.end);
        scene.release();
        scene.answered(mark);
        let span = scene.utterances().last().unwrap().whole();
        assert!(span.start < words.start && span.end > words.end, "{words:?} in {span:?}");
        assert_eq!(dials(&scene.server.events()), 1 + steps, "a step ends no link");
        // Dials, TLS and the waits between them under the other clock.
        assert!(scene.server.strike(Fault::Cut));
        talk();
        assert_eq!(dials(&scene.server.events()), 2 + steps);
        let ahead = log_is_ahead(&scene);
        assert!((ahead - seconds).abs() < 120, "the daemon's clock is {ahead} s ahead, not {seconds}");
    }
    // An unused link is let go after 5 s, not after an hour, and not at once.
    let closed = scene.server.wait_blocking(Duration::from_secs(15), |events| {
        crate::scene::closes(events).iter().any(|(link, ..)| *link == 4)
    });
    assert!(closed, "the unused link stays");
    scene.end();
}
