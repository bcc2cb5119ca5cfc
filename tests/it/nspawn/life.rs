//! Settings changed while it runs, and disks that take nothing.

use super::{Installed, machine};

impl Installed {
    #[track_caller]
    fn run(&self, script: &str) -> String {
        self.machine.run(script).unwrap_or_else(|error| panic!("{error}\n{}", self.journal()))
    }

    fn configure(&self, text: &str) {
        self.machine.write("/etc/pressel/config.d/zz.toml", text).unwrap();
    }

    /// Anew, where its state is a disk of its own that was made by these commands.
    #[track_caller]
    fn restart_with_state(&self, script: &str) {
        self.run("systemctl stop pressel.service pressel-key.path");
        self.run(script);
        self.run("systemctl start pressel.service pressel-key.path");
        assert_eq!(self.property("ActiveState"), "active");
    }

    /// What the status says of what was used.
    #[track_caller]
    fn ledger_problem(&self) -> String {
        self.remote().status().unwrap()["usage"]["problem"].to_string()
    }
}

#[test]
fn settings_are_reloaded_without_a_restart_and_a_mistake_fails_the_reload_alone() {
    let Some(installed) = machine() else { return };
    installed.install(true);
    installed.talk();
    let process = installed.property("MainPID");
    installed.configure("[live]\nvoice = \"Kore\"\n");
    installed.run("systemctl reload pressel.service");
    assert_eq!(installed.property("ActiveState"), "active");
    installed.talk();
    let asked = installed.server.events();
    let setups: Vec<String> =
        crate::scene::messages(&asked, "setup").map(|(_, setup)| setup.to_string()).collect();
    assert!(setups.last().is_some_and(|setup| setup.contains("Kore")), "{setups:?}");

    installed.configure("[live]\nvoice = \"Kore\"\n[capture]\nrest_ms = \"long\"\n");
    let refused = installed.machine.run("systemctl reload pressel.service");
    assert!(refused.is_err(), "a mistake was taken");
    let said = "zz.toml:4: [capture] rest_ms = \"long\"";
    let status = installed.property("StatusText");
    assert!(status.contains("refused") && status.contains(said), "{status}");
    assert!(installed.journal().contains(said), "{}", installed.journal());
    assert_eq!(installed.property("ActiveState"), "active");
    installed.talk();
    installed.configure("");
    installed.run("systemctl reload pressel.service");
    assert_eq!(installed.property("StatusText"), "idle");
    assert_eq!(installed.property("MainPID"), process, "it was started again");
}

/// The rules, and the line that they tell the owner of two equal cards to write.
#[test]
fn the_device_rules_are_understood_and_so_is_the_line_that_pins_a_card() {
    let Some(installed) = machine() else { return };
    installed.install(true);
    let rules = "/usr/lib/udev/rules.d/60-pressel.rules";
    installed.run(&format!(
        "sed -n 's/^# *\\(SUBSYSTEM==\"sound\".*\\)/\\1/p' {rules} > /etc/udev/rules.d/61-my-cards.rules; \
         test -s /etc/udev/rules.d/61-my-cards.rules; udevadm verify {rules} /etc/udev/rules.d/61-my-cards.rules"
    ));
    for group in ["audio", "gpio", "input", "spi"] {
        assert!(installed.run("id -nG pressel").split(' ').any(|found| found == group), "{group}");
    }
}

#[test]
fn a_full_disk_is_named_and_the_talk_goes_on() {
    let Some(installed) = machine() else { return };
    installed.configure("[live]\nstate_file = \"/var/lib/pressel/session.json\"\n");
    installed.install(true);
    installed.restart_with_state(
        "mount -t tmpfs -o size=64k,uid=$(id -u pressel),gid=$(id -g pressel),mode=0700 none /var/lib/pressel; \
         dd if=/dev/zero of=/var/lib/pressel/rest bs=1k count=200 2> /dev/null || true",
    );
    installed.talk();
    let problem = installed.ledger_problem();
    assert!(problem.contains("No space left"), "{problem}\n{}", installed.journal());
    // A thread of its own writes the talk down, in its own time.
    let told =
        "journalctl --no-pager --unit pressel --output cat | grep session.json | grep -q \"No space left\"";
    installed.run(&format!("timeout 10 sh -c 'until {told}; do sleep 0.1; done'"));
    // There is room again: the talk is kept again.
    installed.run("rm /var/lib/pressel/rest");
    installed.talk();
    installed.run("timeout 10 sh -c 'until test -s /var/lib/pressel/session.json; do sleep 0.1; done'");
}

#[test]
fn a_disk_that_is_only_read_is_named_and_the_talk_goes_on() {
    let Some(installed) = machine() else { return };
    installed.configure("[live]\nstate_file = \"/var/lib/pressel/session.json\"\n");
    installed.install(true);
    installed.restart_with_state(
        "mount --bind /var/lib/pressel /var/lib/pressel && mount -o remount,ro,bind /var/lib/pressel",
    );
    installed.talk();
    let problem = installed.ledger_problem();
    assert!(problem.contains("Read-only"), "{problem}\n{}", installed.journal());
    assert!(installed.journal().contains("Read-only"), "{}", installed.journal());
}

#[test]
fn a_group_that_is_missing_is_made_again_by_what_the_installer_put_there() {
    let Some(installed) = machine() else { return };
    installed.install(true);
    installed.run("systemctl stop pressel.service; groupdel gpio");
    assert!(installed.machine.run("systemctl start pressel.service").is_err(), "a group is missing");
    assert!(installed.run("systemctl status pressel.service || true").contains("GROUP"));
    installed.run("systemd-sysusers && systemctl restart pressel.service");
    installed.talk();
}
