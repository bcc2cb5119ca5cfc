//! The service as it is installed, under a systemd of its own. Runs where `cargo xtask test --nspawn` has set
//! PRESSEL_NSPAWN to the root of a machine.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use fake_gemini::audio::recording;
use fake_gemini::{FakeGemini, Options, Script, Turn};
use pressel_world::card::{Card, CardOptions, Direction, StreamOptions};
use tempfile::TempDir;
use tests::stage::{KEY, Machine, Remote};

use crate::scene::{WAIT, messages};

mod frozen;
mod life;
mod mcp;
mod package;
mod paths;
mod sealed;
mod setup;
mod tools;

pub use frozen::{FROZEN, KILLED, freeze, thread_of};

const SERVICE: &str = "pressel.service";

/// A machine with the service on it, a sound card before it and a server within its reach.
struct Installed {
    machine: Machine,
    card: Card,
    server: FakeGemini,
    folder: TempDir,
}

/// A machine that is ready for the installer; `None` where there is none.
fn machine() -> Option<Installed> {
    machine_with(Script { rest: Turn::noise(500, 1), ..Script::default() })
}

/// The same with a server that answers like this.
fn machine_with(script: Script) -> Option<Installed> {
    machine_before(Options::script(script))
}

/// The same before this server.
fn machine_before(server: Options) -> Option<Installed> {
    let Some(root) = std::env::var_os("PRESSEL_NSPAWN").filter(|root| !root.is_empty()) else {
        println!("skipped: boots a machine, `cargo xtask test --nspawn`");
        return None;
    };
    // Not in /tmp, of which the service has one of its own.
    let folder = TempDir::new_in("/srv").unwrap();
    let microphone = StreamOptions::new(16_000, 1);
    let card = Card::create(
        &folder.path().join("card"),
        CardOptions { microphone, speaker: StreamOptions::new(24_000, 1) },
    )
    .unwrap();
    card.fill_noise(1, 6).unwrap();
    let plugin = Card::build().unwrap();
    let there = folder.path().join("card.so");
    std::fs::copy(&plugin, &there).unwrap();
    let conf = card.directory().join("asound.conf");
    let text = std::fs::read_to_string(&conf).unwrap();
    std::fs::write(&conf, text.replace(plugin.to_str().unwrap(), there.to_str().unwrap())).unwrap();
    let server = FakeGemini::spawn_thread(server).unwrap();
    server.write_ca(&folder.path().join("ca.pem")).unwrap();
    open_to_all(folder.path());
    let machine = Machine::boot(Path::new(&root), folder.path()).unwrap_or_else(|error| panic!("{error}"));
    machine.write("/etc/hosts", "127.0.0.1 localhost\n").unwrap(); // a minimal Debian has none
    let at = folder.path().display();
    let config = format!(
        "[live]\nendpoint = \"{}\"\nca_file = \"{at}/ca.pem\"\n\
         [capture]\ndevice = \"pressel_mic\"\nrate_hz = 16000\nchannels = 1\n\
         [playback]\ndevice = \"pressel_speaker\"\nrate_hz = 24000\nchannels = 1\n\
         [talk]\nmode = \"hold\"\n",
        server.url()
    );
    machine.write("/etc/pressel/config.d/stage.toml", &config).unwrap();
    let drop_in =
        format!("[Service]\nEnvironment=ALSA_CONFIG_PATH={at}/card/asound.conf\nReadWritePaths={at}\n");
    machine.write("/etc/systemd/system/pressel.service.d/stage.conf", &drop_in).unwrap();
    Some(Installed { machine, card, server, folder })
}

/// The service's user is another one than ours.
fn open_to_all(folder: &Path) {
    let mut mode = std::fs::metadata(folder).unwrap().permissions();
    mode.set_mode(0o777);
    std::fs::set_permissions(folder, mode).unwrap();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        if entry.file_type().unwrap().is_dir() {
            open_to_all(&entry.path());
        } else {
            let mut mode = entry.metadata().unwrap().permissions();
            mode.set_mode(mode.mode() | 0o666);
            std::fs::set_permissions(entry.path(), mode).unwrap();
        }
    }
}

impl Installed {
    /// As an owner would.
    #[track_caller]
    fn install(&self, key: bool) -> String {
        let file = self.folder.path().join("key");
        std::fs::write(&file, KEY).unwrap();
        let key = if key { format!("--key {}", file.display()) } else { String::new() };
        let command = format!("sh /usr/src/pressel/systemd/install.sh --binary /opt/pressel/pressel {key}");
        self.machine.run(&command).unwrap_or_else(|error| panic!("{error}"))
    }

    #[track_caller]
    fn property(&self, name: &str) -> String {
        self.machine.property(SERVICE, name).unwrap()
    }

    /// The daemon's number on this machine.
    #[track_caller]
    fn pid(&self) -> u32 {
        let there = self.property("MainPID").parse().unwrap();
        self.machine.pid_here(there).expect("the service has a process")
    }

    /// Waits until another process than this one is ready; when it became so, in CLOCK_MONOTONIC ns.
    #[track_caller]
    fn ready_again(&self, former: &str) -> u64 {
        let deadline = Instant::now() + WAIT;
        loop {
            let pid = self.property("MainPID");
            if pid != former && pid != "0" && self.property("ActiveState") == "active" {
                return self.property("ActiveEnterTimestampMonotonic").parse::<u64>().unwrap() * 1000;
            }
            assert!(Instant::now() < deadline, "not ready again:\n{}", self.journal());
            std::thread::sleep(Duration::from_millis(20)); // asked for, not told
        }
    }

    fn journal(&self) -> String {
        self.machine
            .run("journalctl --no-pager --unit pressel --output cat")
            .unwrap_or_else(|e| e.to_string())
    }

    #[track_caller]
    fn remote(&self) -> Remote {
        Remote::connect(&self.machine.path("/run/pressel/control"), || Ok(())).unwrap()
    }

    /// Says a question into the room, to its end.
    fn speak(&self) {
        let words = recording("question-time").unwrap().samples;
        let at = self.card.now_sample(Direction::Capture) + 4_800;
        self.card.say(at, &words).unwrap();
        self.card.sleep_until(Direction::Capture, at + words.len() as u64);
    }

    /// A question and its answer.
    #[track_caller]
    fn talk(&self) {
        let remote = self.remote();
        let mark = remote.mark();
        remote.press().unwrap();
        self.speak();
        remote.release().unwrap();
        let speaking = remote.wait_phase(mark, "speaking", WAIT);
        let speaking = speaking.unwrap_or_else(|error| panic!("{error}\n{}", self.journal())).at_ns;
        remote.wait(mark, WAIT, |event| event.at_ns > speaking && event.is_phase("idle")).unwrap();
    }
}

#[test]
fn one_command_installs_and_the_next_press_is_answered() {
    let Some(installed) = machine() else { return };
    let began = Instant::now();
    installed.install(true);
    installed.talk();
    println!("installed and first answer: {:.1} s", began.elapsed().as_secs_f64());
    assert!(messages(&installed.server.events(), "activityEnd").count() >= 1);
    assert_eq!(installed.server.events().complaints(), [""; 0]);
    if Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/manual").is_dir() {
        installed.machine.run("test -s /usr/share/man/man1/pressel-doctor.1").unwrap();
    }
    // Once more, as an owner who is not sure: nothing is asked and nothing is lost.
    let said = installed.install(false);
    assert!(said.contains("key in /etc/pressel/key stays as it is"), "{said}");
    installed.talk();
    // What it may do, as the kernel knows it.
    let status = std::fs::read_to_string(format!("/proc/{}/status", installed.pid())).unwrap();
    for line in ["CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"] {
        assert!(status.contains(line), "{line} is not in\n{status}");
    }
    let inside = format!("nsenter --mount --target {} sh -c", installed.property("MainPID"));
    for forbidden in ["touch /etc/pressel/x", "touch /usr/x", "touch /var/x", "cat /root/.bashrc"] {
        let tried = installed.machine.run(&format!("{inside} '{forbidden}'"));
        assert!(tried.is_err(), "{forbidden} is allowed");
    }
    // Where a key could be read by somebody who may not.
    let pid = installed.pid();
    let seen = [
        installed.journal(),
        installed.machine.run("systemctl show pressel.service").unwrap(),
        std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap(),
        std::fs::read_to_string(format!("/proc/{pid}/environ")).unwrap(),
    ];
    assert!(seen.iter().all(|text| !text.contains(KEY)), "the key is told");
}

#[test]
fn a_mistake_in_the_configuration_is_said_and_not_tried_again() {
    let Some(installed) = machine() else { return };
    installed.install(true);
    installed.machine.write("/etc/pressel/config.d/zz.toml", "[capture]\nrate_hz = \"fast\"\n").unwrap();
    let refused = installed.machine.run("systemctl restart pressel.service");
    assert!(refused.is_err(), "it started with a mistake in its configuration");
    assert_eq!(installed.property("ActiveState"), "failed");
    assert_eq!(installed.property("ExecMainStatus"), "78");
    assert_eq!(installed.property("NRestarts"), "0");
    assert!(installed.journal().contains("zz.toml"), "{}", installed.journal());
    installed.machine.run("rm /etc/pressel/config.d/zz.toml && systemctl start pressel.service").unwrap();
    installed.talk();
}
