//! The real binary: what it prints, where to, and its exit code.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn pressel() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pressel"));
    // A developer's own key or settings must not decide a test.
    for (name, _) in std::env::vars_os() {
        let ours = name.to_string_lossy().starts_with("PRESSEL_");
        if ours
            || ["GEMINI_API_KEY", "GOOGLE_API_KEY", "NOTIFY_SOCKET", "INVOCATION_ID"]
                .iter()
                .any(|n| name == *n)
        {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null());
    command
}

fn with_config(text: &str, arguments: &[&str]) -> (Output, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("own.toml");
    fs::write(&file, text).unwrap();
    let output = pressel().arg("--config").arg(&file).args(arguments).output().unwrap();
    (output, folder)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[track_caller]
fn check(output: &Output, code: i32, stdout: &str, stderr: &str) {
    let found = (output.status.code(), text(&output.stdout), text(&output.stderr));
    assert_eq!(found, (Some(code), stdout.to_owned(), stderr.to_owned()));
}

#[test]
fn every_mistake_is_named_and_the_code_is_78() {
    let config = "[capture]\nrate_hz = 100\nperod_ms = 10\n\n[talk]\nmode = \"tab\"\n";
    for command in [&["config", "check"][..], &["config", "show"], &["run"], &["status"], &["press"]] {
        let (output, folder) = with_config(config, command);
        let file = folder.path().join("own.toml");
        let file = file.display();
        let expected = format!(
            "pressel: 3 mistakes in the configuration\n\
             {file}:2: [capture] rate_hz = 100 is out of range; allowed: 8000 to 192000\n\
             {file}:3: [capture] perod_ms: no such key; did you mean \"period_ms\"?\n\
             {file}:6: [talk] mode = \"tab\" is not one of the words; did you mean \"tap\"?; allowed: \"hold\", \
             \"tap\", \"open\"\n"
        );
        check(&output, 78, "", &expected);
    }
}

#[test]
fn a_missing_file_is_named() {
    let output = pressel().args(["config", "check", "--config", "/nowhere/own.toml"]).output().unwrap();
    let expected = "pressel: one mistake in the configuration\n/nowhere/own.toml: there is no such file\n";
    check(&output, 78, "", expected);
}

#[test]
fn a_good_file_is_ok_and_shown_with_its_lines() {
    let (output, _folder) = with_config("[talk]\nmode = \"tap\"\n", &["config", "check"]);
    check(&output, 0, "ok\n", "");
    let (output, folder) = with_config("[talk]\nmode = \"tap\"\n", &["config", "show"]);
    let line = format!("\n[talk]\nmode = \"tap\"  # {}:2\n", folder.path().join("own.toml").display());
    let shown = text(&output.stdout);
    assert!(output.status.success() && shown.contains(&line), "{shown}");
}

#[test]
fn the_environment_is_checked_as_well() {
    let output = pressel()
        .args(["--config", "/dev/null", "config", "check"])
        .env("PRESSEL_GATE_PRE_ROLL_MS", "9999")
        .output()
        .unwrap();
    let expected = "pressel: one mistake in the configuration\n\
                    environment PRESSEL_GATE_PRE_ROLL_MS: [gate] pre_roll_ms = 9999 is out of range; allowed: 0 to \
                    1000\n";
    check(&output, 78, "", expected);
}

#[test]
fn the_commented_example_is_printed_word_for_word() {
    let output = pressel().args(["config", "show", "--default"]).output().unwrap();
    let example =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config.example.toml")).unwrap();
    check(&output, 0, &example, "");
}

#[test]
fn without_a_key_a_person_is_told_what_to_do() {
    let (output, _folder) = with_config("", &["run"]);
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(78), "{told}");
    for part in [
        "no API key found",
        "GEMINI_API_KEY",
        "https://aistudio.google.com/apikey",
        "key_file",
        "pressel demo",
    ] {
        assert!(told.contains(part), "{part} is not in: {told}");
    }
}

#[test]
fn a_key_file_that_everybody_can_read_is_refused_with_the_line_to_type() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    fs::write(&file, "AIza-secret").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let (output, _folder) = with_config(&format!("[live]\nkey_file = \"{}\"\n", file.display()), &["run"]);
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(78), "{told}");
    assert!(told.contains(&format!("chmod o= {}", file.display())), "{told}");
    assert!(!told.contains("AIza"), "{told}");
}

#[test]
fn asking_a_daemon_that_does_not_run_fails_with_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("control");
    let config = format!("[control]\npath = \"{}\"\n", socket.display());
    for command in ["status", "watch", "press", "release"] {
        let (output, _folder) = with_config(&config, &[command]);
        let expected = format!(
            "pressel: no daemon listens at {}; start it with: systemctl start pressel (or: pressel run)\n",
            socket.display()
        );
        check(&output, 1, "", &expected);
    }
}

#[test]
fn usage_errors_are_2() {
    for arguments in [&["fly"][..], &[], &["run", "--loud"], &["config"]] {
        let output = pressel().args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn the_version_is_printed() {
    let output = pressel().arg("--version").output().unwrap();
    check(&output, 0, &format!("pressel {}\n", env!("CARGO_PKG_VERSION")), "");
}

#[test]
fn the_demo_is_found_beside_the_program_or_explained() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (bin, libexec) = (folder.path().join("bin"), folder.path().join("libexec/pressel"));
    fs::create_dir_all(&bin).unwrap();
    fs::create_dir_all(&libexec).unwrap();
    // A second name: the build folder, where a real demo may stand, must not be looked at. Not a copy, which a
    // child of another test could hold open for writing just when it is to be run.
    let own = bin.join("pressel");
    fs::hard_link(env!("CARGO_BIN_EXE_pressel"), &own).unwrap();
    let output = Command::new(&own).arg("demo").output().unwrap();
    check(&output, 1, "", "pressel: the demo comes with the source tree; type there: cargo xtask demo\n");

    symlink("/bin/echo", libexec.join("pressel-demo")).unwrap();
    let output = Command::new(&own).args(["demo", "--out", "x"]).output().unwrap();
    check(&output, 0, "--out x\n", "");
    symlink("/bin/false", bin.join("pressel-demo")).unwrap();
    let output = Command::new(&own).arg("demo").output().unwrap();
    check(&output, 1, "", "");
}

#[test]
fn devices_are_listed_for_people_and_for_programs() {
    let output = pressel().arg("devices").output().unwrap();
    let listed = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    for part in ["microphones ([capture] device)", "speakers (", "GPIO lines (", "input devices (", "LEDs ("]
    {
        assert!(listed.contains(part), "{part} is not in: {listed}");
    }
    let output = pressel().args(["devices", "--json"]).output().unwrap();
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    for part in ["microphones", "speakers", "gpio", "inputs", "leds", "problems"] {
        assert!(document[part].is_array(), "{part} is not in: {document}");
    }
}

#[test]
fn the_doctor_s_code_tells_the_worst_of_what_it_prints() {
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "[capture]\ndevice = \"no-such-card\"\n[live]\nendpoint = \"ws://127.0.0.1:1\"\n[control]\npath = \"{}\"\n",
        folder.path().join("control").display()
    );
    let (output, _folder) = with_config(&config, &["doctor"]);
    let report = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{report}{}", text(&output.stderr));
    let line = |name: &str| {
        report.lines().find(|line| line.get(6..).is_some_and(|rest| rest.starts_with(name))).unwrap_or("")
    };
    assert!(
        line("microphone").starts_with("fail") && line("microphone").contains("no-such-card"),
        "{report}"
    );
    assert!(line("connect").starts_with("fail"), "{report}");
    assert!(line("config").starts_with("ok"), "{report}");

    let (output, _folder) = with_config(&config, &["doctor", "--json"]);
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &document["worst"]), (Some(1), &serde_json::json!("fail")));
}

#[test]
fn the_doctor_looks_on_with_mistakes_in_the_configuration() {
    let (output, _folder) = with_config("[talk]\nmode = \"tab\"\n", &["doctor"]);
    let report = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{report}");
    assert!(report.starts_with("fail  config") && report.contains("skip  microphone"), "{report}");
    assert!(report.contains("  clock  ") && !report.contains("skip  clock"), "{report}");
}
