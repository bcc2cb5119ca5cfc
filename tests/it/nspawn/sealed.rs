//! The key as a credential that only systemd on this machine can read.

use super::machine;
use crate::scene::WAIT;
use std::time::{Duration, Instant};
use tests::stage::KEY;

#[test]
fn a_key_encrypted_for_this_machine_is_taken_by_itself_and_one_of_another_is_named() {
    let Some(installed) = machine() else { return };
    let said = installed.install(false);
    assert!(said.contains("no key yet"), "{said}");
    let former = installed.property("MainPID");
    let seal = "systemd-creds encrypt --name=gemini-api-key-encrypted - /etc/pressel/key.cred.new";
    installed
        .machine
        .run(&format!("echo {KEY} | {seal} && mv /etc/pressel/key.cred.new /etc/pressel/key.cred"))
        .unwrap_or_else(|error| panic!("{error}"));
    installed.ready_again(&former);
    let source = installed.remote().status().unwrap()["key"].to_string();
    assert!(source.contains("gemini-api-key-encrypted"), "{source}");
    installed.talk();

    // As if the memory card's /etc had come from somewhere else.
    let machine = &installed.machine;
    machine.run("rm /var/lib/systemd/credential.secret; systemctl --no-block restart pressel").unwrap();
    let deadline = Instant::now() + WAIT;
    while installed.property("ExecMainStatus") != "243" {
        assert!(Instant::now() < deadline, "it starts all the same:\n{}", installed.journal());
        std::thread::sleep(Duration::from_millis(50)); // asked for, not told
    }
    let report = machine.run("pressel doctor --quiet || true").unwrap();
    assert!(report.contains("243/CREDENTIALS"), "{report}");
}
