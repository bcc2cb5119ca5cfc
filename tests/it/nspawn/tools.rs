//! Calls of tools as systemd runs them: a unit of its own for each, as another user than the daemon's.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fake_gemini::{Event, Script, Turn, What};
use pressel_world::card::monotonic_ns;
use serde_json::{Value, json};
use tests::measure::percentile;

use super::{Installed, machine_with};
use crate::scene::{WAIT, messages};
use crate::tools::{until, with_word};

/// What a call can see and do, one word each.
const PROBE: &str = "#!/bin/sh
echo user=$(id -un)
cat /etc/pressel/key > /dev/null 2>&1 && echo key
ls /var/lib/pressel > /dev/null 2>&1 && echo state
touch /etc/pressel/x /usr/x 2> /dev/null && echo system
echo $$ > /var/lib/pressel-tool/pid && echo kept
grep -q '^NoNewPrivs:.1' /proc/self/status && echo bounded
echo nice=$(cut -d' ' -f19 /proc/self/stat)
";

/// From a call to its program, and from there to the response, in a unit of its own that was started while somebody
/// spoke: several times what it takes, on a machine that may be busy with other things. The figures are printed.
const UNIT_MS: f64 = 60.0;

impl Installed {
    /// A shell script as a tool.
    #[track_caller]
    fn tool(&self, name: &str, script: &str) {
        let run = |script: &str| self.machine.run(script).unwrap_or_else(|error| panic!("{error}"));
        self.machine.write(&format!("/usr/local/bin/{name}"), script).unwrap();
        run(&format!("chmod 755 /usr/local/bin/{name}; mkdir -p /etc/pressel/tools.d"));
        let file = format!(
            "name = \"{name}\"\ndescription = \"For a test.\"\n[command]\nargv = [\"/usr/local/bin/{name}\"]\n\
             write = [\"/var/lib/pressel-tool\"]\n"
        );
        self.machine.write(&format!("/etc/pressel/tools.d/{name}.toml"), &file).unwrap();
        run(&format!("chmod 755 /etc/pressel/tools.d; chmod 644 /etc/pressel/tools.d/{name}.toml"));
    }
}

#[test]
fn a_call_is_a_unit_of_its_own_that_sees_neither_key_nor_state() {
    let turn = Turn { think_ms: Some(10), ..Turn::noise(300, 1) };
    let script = Script { rest: turn.call("probe", json!({})), ..Script::default() };
    let Some(installed) = machine_with(script) else { return };
    installed.tool("probe", PROBE);
    installed.install(true);
    let checked = installed.machine.run("pressel tools check").unwrap_or_else(|error| panic!("{error}"));
    assert!(!checked.contains("own user"), "{checked}");
    installed.talk();
    let events = installed.server.events();
    let responses: Vec<&Value> = messages(&events, "toolResponse").map(|(_, message)| message).collect();
    assert_eq!(responses.len(), 1, "{}", installed.journal());
    let response = &responses[0]["toolResponse"]["functionResponses"][0]["response"];
    let said = response["output"].as_str().unwrap_or_else(|| panic!("{response}\n{}", installed.journal()));
    assert_eq!(said.lines().collect::<Vec<_>>(), ["user=pressel-tool", "kept", "bounded", "nice=5"]);
    // One may wait for the next call; what ran has gone.
    let units = installed.machine.run("systemctl list-units --all --no-legend 'pressel-tool@*'").unwrap();
    assert!(units.lines().count() <= 1, "a call leaves a unit behind: {units}");
    let gone = installed.machine.run("test ! -e /proc/$(cat /var/lib/pressel-tool/pid)");
    gone.expect("the program of a call is still there");
}

#[test]
fn from_the_call_to_the_program_in_a_unit_of_its_own() {
    const CALLS: usize = 8;
    let turn = Turn { think_ms: Some(10), ..Turn::noise(100, 1) };
    let script = Script { rest: turn.call("clock", json!({})), ..Script::default() };
    let Some(installed) = machine_with(script) else { return };
    // It says when it was started, and has nothing else to do: what is left is systemd, the runner and the sandbox.
    installed.tool("clock", "#!/bin/sh\nexec date +%s%N\n");
    installed.install(true);
    for _ in 0..CALLS {
        installed.talk();
    }
    // CLOCK_REALTIME, which `date` tells, less CLOCK_MONOTONIC.
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as i128;
    let offset = wall - i128::from(monotonic_ns());
    let (mut begins, mut ends, mut called) = (Vec::new(), Vec::new(), 0);
    for event in installed.server.events().iter() {
        match &event.what {
            What::Sent { name, done_ns, .. } if name == "toolCall" => called = i128::from(*done_ns),
            What::Received { name, message, .. } if name == "toolResponse" => {
                let response = &message["toolResponse"]["functionResponses"][0]["response"];
                let told = response["output"].as_str().unwrap_or_else(|| panic!("{response}"));
                let started = told.trim().parse::<i128>().unwrap() - offset;
                begins.push((started - called) as f64 / 1e6);
                ends.push((i128::from(event.at_ns) - started) as f64 / 1e6);
            }
            _ => {}
        }
    }
    assert_eq!(begins.len(), CALLS, "{}", installed.journal());
    let mut of = |part: f64| (percentile(&mut begins, part), percentile(&mut ends, part));
    let (least, middle, worst) = (of(0.0), of(0.5), of(1.0));
    println!("call → program in its unit: {:.1} ms, worst {:.1} ms", middle.0, worst.0);
    println!("program in its unit → response: {:.1} ms, worst {:.1} ms", middle.1, worst.1);
    assert!(least.0 > 0.0 && least.1 > 0.0, "the clocks of machine and container are not one: {least:?}");
    assert!(middle.0 < UNIT_MS && middle.1 < UNIT_MS, "{middle:?}");
}

#[test]
fn a_call_that_nobody_waits_for_any_more_is_dead_within_half_a_second() {
    let turn = Turn { think_ms: Some(10), cancel_tools_after_ms: Some(2000), ..Turn::noise(300, 1) };
    let script = Script { rest: turn.call("slow", json!({})), ..Script::default() };
    let Some(installed) = machine_with(script) else { return };
    // Its processes are the host's, too.
    let word = format!("85{:09}", std::process::id());
    installed.tool("slow", &format!("#!/bin/sh\nsetsid sleep {word} &\n(sleep {word} &)\nsleep {word}\n"));
    installed.install(true);
    let remote = installed.remote();
    let mark = remote.mark();
    remote.press().unwrap();
    installed.speak();
    remote.release().unwrap();
    until("three sleep", WAIT, || with_word(&word) == 3);
    let cancelled =
        |event: &Event| matches!(&event.what, What::Sent { name, .. } if name == "toolCallCancellation");
    assert!(installed.server.wait_blocking(WAIT, |events| events.iter().any(cancelled)), "never cancelled");
    let took = until("none is left", Duration::from_millis(500), || with_word(&word) == 0);
    println!("cancelled → all dead: {:.0} ms", took.as_secs_f64() * 1e3);
    remote.wait_phase(mark, "speaking", WAIT).unwrap();
    assert_eq!(messages(&installed.server.events(), "toolResponse").count(), 0, "a dead call was answered");
}
