//! The first hour on a real system: a package, a file with the answers, and the doctor's word about the service.

use std::time::Instant;

use serde_json::Value;
use tests::stage::KEY;

use super::{Installed, machine};

/// As a card in a reader leaves it.
const ANSWERS: &str = "/boot/firmware/pressel-setup.toml";

impl Installed {
    /// What the doctor says of a check.
    #[track_caller]
    fn doctor(&self, check: &str) -> Value {
        // Ends with 1 or 3 on this machine, which has no board.
        let told = self.machine.run("pressel doctor --quiet --json || true").unwrap();
        let report: Value = serde_json::from_str(&told).unwrap_or_else(|error| panic!("{error}: {told}"));
        let lines = report["checks"].as_array().unwrap();
        lines.iter().find(|line| line["name"] == check).unwrap_or_else(|| panic!("no {check}")).clone()
    }
}

#[test]
fn a_package_and_a_file_with_answers_are_all_that_a_device_needs() {
    let Some(installed) = machine() else { return };
    let package = std::env::var("PRESSEL_DEB").expect("`cargo xtask test --nspawn` makes a package");
    std::fs::copy(&package, installed.folder.path().join("pressel.deb")).unwrap();
    let at = installed.folder.path().display();
    let run = |script: &str| installed.machine.run(script).unwrap_or_else(|error| panic!("{error}"));
    let began = Instant::now();
    run(&format!("dpkg --install {at}/pressel.deb"));
    let answers = format!("key = \"{KEY}\"\nmode = \"hold\"\nlanguage = \"de-DE\"\nlight = \"none\"\n");
    run("mkdir -p /boot/firmware");
    installed.machine.write(ANSWERS, &answers).unwrap();
    let said = run(&format!("ALSA_CONFIG_PATH={at}/card/asound.conf pressel setup --from {ANSWERS} 2>&1"));
    for part in
        ["a new key in /etc/pressel/key", "ok    microphone", "ok    session", "the service is started"]
    {
        assert!(said.contains(part), "{part} is not in\n{said}");
    }
    assert!(!said.contains(KEY) && !run(&format!("cat {ANSWERS}")).contains(KEY), "the key is left: {said}");
    assert_eq!(run("stat --format '%a %U' /etc/pressel/key"), "600 root");
    run("systemctl --wait is-active pressel.service || systemctl start pressel.service");
    installed.talk();
    println!("package, setup and first answer: {:.1} s", began.elapsed().as_secs_f64());
    assert_eq!(installed.doctor("service")["text"], "runs");
    assert_eq!(installed.doctor("key")["class"], "ok");
    for page in ["man1/pressel.1.gz", "man1/pressel-doctor.1.gz", "man5/pressel.toml.5.gz"] {
        run(&format!("test -s /usr/share/man/{page}"));
    }
    for completion in ["bash-completion/completions/pressel", "zsh/vendor-completions/_pressel"] {
        run(&format!("grep -q doctor /usr/share/{completion}"));
    }

    // What the service manager has to say when it goes wrong.
    installed.machine.write("/etc/pressel/config.d/zz.toml", "[talk]\nmode = \"tab\"\n").unwrap();
    assert!(installed.machine.run("systemctl restart pressel.service").is_err());
    let told = installed.doctor("service");
    assert!(told["class"] == "fail" && told["text"].as_str().unwrap().contains("code 78"), "{told}");
    run("rm /etc/pressel/config.d/zz.toml && systemctl start pressel.service");
    run("systemctl disable --now --quiet pressel.service");
    assert_eq!(installed.doctor("service")["text"], "is switched off");
}
