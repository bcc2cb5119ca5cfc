//! `pressel-mcp` as its package installs it: started by its socket, as a user of its own, and again when it was killed.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use fake_gemini::{Script, Turn};
use serde_json::{Value, json};
use tests::stage::KEY;

use super::{Installed, machine_with};
use crate::scene::{WAIT, messages};
use crate::services;

const HELPER: &str = "pressel-mcp.service";

impl Installed {
    #[track_caller]
    fn done(&self, script: &str) -> String {
        self.machine.run(script).unwrap_or_else(|error| panic!("{error}\n{}", self.helpers_journal()))
    }

    fn helpers_journal(&self) -> String {
        let told = self.machine.run("journalctl --no-pager --unit 'pressel-mcp*' --output cat");
        told.unwrap_or_else(|error| error.to_string())
    }

    /// A package that the tier's chore has made, named by a variable.
    #[track_caller]
    fn package(&self, variable: &str) {
        let made = std::env::var(variable).expect("`cargo xtask test --nspawn` makes packages");
        let there = self.folder.path().join(variable).with_extension("deb");
        fs::copy(made, &there).unwrap();
        self.done(&format!("dpkg --install {}", there.display()));
    }

    /// A real MCP server in Python, and the file that makes its tools ours.
    #[track_caller]
    fn shop(&self) {
        let version = self.done("python3 -c 'import sys; print(\"%d.%d\" % sys.version_info[:2])'");
        let packages = services::packages_for(&version);
        let there = self.folder.path().join("services");
        let copied = Command::new("cp").arg("-r").args([&packages, &there]).status().unwrap();
        assert!(copied.success());
        // Nobody may write there later: compiled now, or at each start.
        self.done(&format!("python3 -m compileall -q -j 0 {}", there.display()));
        let server = fs::read_to_string(services::file("parts.py")).unwrap();
        self.machine.write("/usr/local/lib/parts.py", &server).unwrap();
        let file = format!(
            "name = \"parts\"\n[mcp]\nallow = [\"torque\"]\nenv = [\"PYTHONPATH={}\"]\n\
             command = [\"/usr/bin/python3\", \"/usr/local/lib/parts.py\", \"stdio\", \"/var/lib/pressel-mcp/trace\"]\n",
            there.display()
        );
        self.machine.write("/etc/pressel/tools.d/parts.toml", &file).unwrap();
    }

    /// Waits until the daemon has the server's tools.
    #[track_caller]
    fn offered(&self) {
        let begun = Instant::now();
        while !self.journal().contains("state: Up") {
            let told = || format!("{}\n{}", self.journal(), self.helpers_journal());
            assert!(begun.elapsed() < WAIT, "the server does not come up:\n{}", told());
            std::thread::sleep(Duration::from_millis(50)); // the journal is asked
        }
    }

    #[track_caller]
    fn helper(&self, property: &str) -> String {
        self.machine.property(HELPER, property).unwrap()
    }

    /// Who the processes of the helper's unit are.
    #[track_caller]
    fn helpers_users(&self) -> Vec<String> {
        let script = format!("stat -c %U $(grep -ls {HELPER} /proc/[0-9]*/cgroup)");
        self.done(&script).lines().map(str::to_owned).collect()
    }

    /// What the server gave, one for each call that was answered.
    fn results(&self) -> Vec<Value> {
        let events = self.server.events();
        let results = messages(&events, "toolResponse")
            .map(|(_, message)| message["toolResponse"]["functionResponses"][0]["response"].clone());
        results.collect()
    }
}

#[test]
fn the_first_call_starts_it_and_one_after_a_kill_starts_it_again() {
    let turn = Turn { think_ms: Some(10), ..Turn::noise(300, 1) };
    let script = Script { rest: turn.call("torque", json!({ "size": "M8" })), ..Script::default() };
    let Some(installed) = machine_with(script) else { return };
    installed.package("PRESSEL_DEB");
    installed.package("PRESSEL_MCP_DEB");
    let former = installed.property("MainPID");
    installed.done(&format!("umask 077; echo {KEY} > /etc/pressel/key"));
    installed.ready_again(&former);
    let is = |unit: &str| installed.machine.property(unit, "ActiveState").unwrap();
    assert_eq!((is("pressel-mcp.socket").as_str(), is(HELPER).as_str()), ("active", "inactive"));

    installed.shop();
    let asked = Instant::now();
    installed.done("systemctl reload pressel.service");
    installed.offered();
    println!("first asked → its server is up: {:.1} s", asked.elapsed().as_secs_f64());
    installed.talk();
    let results = installed.results();
    assert_eq!(results.len(), 1, "{}", installed.helpers_journal());
    assert!(results[0].to_string().contains("25 Nm for M8"), "{results:?}\n{}", installed.helpers_journal());

    // Who it is, as the kernel knows it, and what it sees.
    let users = installed.helpers_users();
    assert!(users.len() >= 2 && users.iter().all(|user| user == "pressel-mcp"), "{users:?}");
    let pid = installed.helper("MainPID");
    let here = installed.machine.pid_here(pid.parse().unwrap()).expect("it runs");
    let status = fs::read_to_string(format!("/proc/{here}/status")).unwrap();
    for line in ["CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"] {
        assert!(status.contains(line), "{line} is not in\n{status}");
    }
    let inside = format!("nsenter --mount --target {pid} sh -c");
    installed.done(&format!("{inside} 'touch /var/lib/pressel-mcp/x'"));
    // Not even for root, which may look into anything that is there.
    for forbidden in
        ["touch /etc/pressel/x", "touch /srv/x", "test -s /etc/pressel/key", "test -e /var/lib/pressel/*"]
    {
        let tried = installed.machine.run(&format!("{inside} '{forbidden}'"));
        assert!(tried.is_err(), "{forbidden} is allowed");
    }
    let units = "pressel-mcp.socket pressel-mcp.service";
    assert_eq!(installed.done(&format!("systemd-analyze verify --man=no {units} 2>&1")), "");
    // Fails above 2.0.
    let security = installed.done(&format!("systemd-analyze security --no-pager --threshold=20 {HELPER}"));
    println!("{}", security.lines().last().unwrap_or_default());

    let killed = Instant::now();
    installed.done(&format!("kill -KILL {pid}"));
    let told = installed.done("pressel tools call torque '{\"size\": \"M10\"}'");
    println!("killed → the next call answered: {:.1} s", killed.elapsed().as_secs_f64());
    assert!(told.contains("49 Nm for M10"), "{told}");
    assert!(killed.elapsed() < Duration::from_secs(20), "{:?}", killed.elapsed());
    let again = installed.helper("MainPID");
    assert!(again != pid && again != "0", "{again}");
    assert_eq!(installed.helpers_users().len(), users.len(), "the former server is gone with it");

    // Once more, and at once it is the model that calls.
    installed.done(&format!("kill -KILL {again}"));
    installed.talk();
    let results = installed.results();
    assert_eq!(results.len(), 2, "{}", installed.helpers_journal());
    assert!(results[1].to_string().contains("25 Nm for M8"), "{results:?}\n{}", installed.helpers_journal());
    assert_eq!(installed.server.events().complaints(), [""; 0]);
}
