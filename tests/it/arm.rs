//! The programs for the Pi's two architectures, as they are shipped, emulated. Runs where `cargo xtask test --arm64` has set
//! PRESSEL_ARM to the folder with a program and a card's plugin for each.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use fake_gemini::{Options, Script, Turn};
use serde_json::Value;
use tests::stage::{Build, KEY, Setting};

use crate::answer::played_whole;
use crate::scene::{Scene, messages};

/// By their Debian names, with what their programs are to the kernel: `e_machine` of ELF, and its class.
const ARCHITECTURES: [(&str, u8, u8); 2] = [("arm64", 183, 2), ("armhf", 40, 1)];

fn builds() -> Vec<(&'static str, Build)> {
    let Some(folder) = std::env::var_os("PRESSEL_ARM").filter(|folder| !folder.is_empty()) else {
        println!("skipped: emulates other processors, `cargo xtask test --arm64`");
        return Vec::new();
    };
    let folder = PathBuf::from(folder);
    let build = |name: &str| Build {
        program: folder.join(name).join("pressel"),
        plugin: folder.join(name).join("card.so"),
    };
    ARCHITECTURES.iter().map(|(name, ..)| (*name, build(name))).collect()
}

fn run(build: &Build, arguments: &[&str], config: &Path) -> Output {
    let mut command = Command::new(&build.program);
    command.args(arguments).arg("--config").arg(config).stdin(Stdio::null());
    command.env("GEMINI_API_KEY", KEY).env_remove("GOOGLE_API_KEY").output().unwrap()
}

#[track_caller]
fn said(output: &Output) -> String {
    let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "stdout: {out}\nstderr: {error}");
    out.into_owned()
}

#[test]
fn each_program_is_of_its_architecture_and_answers_on_the_command_line() {
    for (name, build) in builds() {
        let (_, machine, class) = ARCHITECTURES.iter().find(|(known, ..)| *known == name).unwrap();
        let bytes = std::fs::read(build.program.with_file_name("pressel.elf")).unwrap();
        assert_eq!((&bytes[..4], bytes[4], bytes[18]), (&b"\x7fELF"[..], *class, *machine), "{name}");
        let version = Command::new(&build.program).arg("--version").output().unwrap();
        assert_eq!(said(&version).trim_end(), concat!("pressel ", env!("CARGO_PKG_VERSION")), "{name}");
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("pressel.toml");
        std::fs::write(&config, "[talk]\nmode = \"tap\"\n").unwrap();
        said(&run(&build, &["config", "check"], &config));
        std::fs::write(&config, "[capture]\nrate_hz = \"fast\"\n").unwrap();
        assert_eq!(run(&build, &["config", "check"], &config).status.code(), Some(78), "{name}");
    }
}

#[test]
fn a_whole_talk_is_heard_and_answered_and_the_doctor_finds_it_well() {
    for (name, build) in builds() {
        let began = Instant::now();
        let server = Options::script(Script { rest: Turn::noise(500, 1), ..Script::default() });
        let scene = Scene::set(Setting { server, build: Some(build.clone()), ..Setting::mode("hold", "") });
        for recording in ["question-time", "question-rain"] {
            let mark = scene.remote.mark();
            scene.ask(recording);
            scene.answered(mark);
        }
        let utterances = scene.utterances();
        assert_eq!(utterances.len(), 2, "{name}");
        for utterance in &utterances {
            utterance.whole();
        }
        assert_eq!(messages(&scene.server.events(), "activityEnd").count(), 2, "{name}");
        let played = scene.played(0);
        let first = played_whole(&played, &scene.server.events().spoken(1), 0);
        played_whole(&played, &scene.server.events().spoken(2), first.end);
        let report = run(&build, &["doctor", "--json"], &scene.folder().join("pressel.toml"));
        let report: Value = serde_json::from_slice(&report.stdout)
            .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&report.stderr)));
        for check in ["config", "daemon", "key", "microphone", "speaker", "connect", "tls"] {
            let found = report["checks"].as_array().unwrap().iter().find(|line| line["name"] == check);
            assert_eq!(found.unwrap()["class"], "ok", "{name}: {check}: {report:#}");
        }
        let usage = scene.daemon.usage().unwrap();
        println!("{name}: talk in {:.1} s, {:?} of processor time", began.elapsed().as_secs_f64(), usage.cpu);
        scene.end();
    }
}
