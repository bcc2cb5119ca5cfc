//! The installer, into a folder: what it puts where, and that a second run leaves what is the owner's alone.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn install(root: &Path, arguments: &[&str]) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../systemd/install.sh");
    Command::new("sh")
        .arg(script)
        .arg("--root")
        .arg(root)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

#[track_caller]
fn installed(root: &Path, arguments: &[&str]) -> String {
    let output = install(root, arguments);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn everything_is_put_in_its_place_and_the_owner_s_files_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    let binary = env!("CARGO_BIN_EXE_pressel");
    let key_from = folder.path().join("key");
    fs::write(&key_from, "AIza-first\n").unwrap();
    let said = installed(&root, &["--binary", binary, "--key", key_from.to_str().unwrap()]);
    assert!(!said.contains("AIza"), "{said}");

    let at = |path: &str| -> PathBuf { root.join(path) };
    assert_eq!(mode(&at("usr/bin/pressel")), 0o755);
    for file in [
        "etc/systemd/system/pressel.service",
        "etc/systemd/system/pressel-key.path",
        "etc/systemd/system/pressel-key.service",
        "etc/systemd/system/pressel-tool.socket",
        "etc/systemd/system/pressel-tool@.service",
        "usr/lib/sysusers.d/pressel.conf",
        "usr/lib/tmpfiles.d/pressel.conf",
        "usr/lib/udev/rules.d/60-pressel.rules",
        "usr/share/doc/pressel/config.example.toml",
        "usr/share/pressel/phrases/en/no-network.wav",
        "usr/share/pressel/phrases/de/budget-spent.wav",
    ] {
        assert_eq!(mode(&at(file)), 0o644, "{file}");
    }
    assert_eq!(mode(&at("etc/pressel/key")), 0o600);
    assert_eq!(fs::read_to_string(at("etc/pressel/key")).unwrap(), "AIza-first\n");
    // The first configuration is valid and says nothing but the defaults.
    let (config, none) = (at("etc/pressel/config.toml"), []);
    assert_eq!(pressel::config::load_from(&root, Some(&config), none).unwrap().config, Default::default());

    fs::write(&config, "[talk]\nmode = \"tap\"\n").unwrap();
    fs::remove_file(at("etc/systemd/system/pressel.service")).unwrap();
    let said = installed(&root, &["--binary", binary]);
    assert!(said.contains("key in") && said.contains("stays as it is"), "{said}");
    assert_eq!(fs::read_to_string(&config).unwrap(), "[talk]\nmode = \"tap\"\n");
    assert_eq!(fs::read_to_string(at("etc/pressel/key")).unwrap(), "AIza-first\n");
    assert!(at("etc/systemd/system/pressel.service").exists(), "what it owns is put back");
}

#[test]
fn without_a_key_it_says_where_to_put_one() {
    let folder = tempfile::tempdir().unwrap();
    let said = installed(folder.path(), &["--binary", env!("CARGO_BIN_EXE_pressel")]);
    assert!(said.contains("no key yet") && !folder.path().join("etc/pressel/key").exists(), "{said}");
}

#[test]
fn a_missing_program_and_a_wrong_option_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let check = |arguments: &[&str], code: i32, expected: &str| {
        let output = install(folder.path(), arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(code) && said.contains(expected), "{said}");
    };
    check(
        &["--binary", "/nowhere/pressel"],
        1,
        "there is no /nowhere/pressel; build it first: cargo build --release",
    );
    check(&["--fast"], 2, "no such option: --fast");
    check(&["--binary"], 2, "--binary needs a value");
}
