//! The service as it is installed, as its own user, on a whole system with cards and real time of the kernel's.

mod devices;

use std::time::{Duration, Instant};

use fake_gemini::{FakeGemini, Options};
use pressel_world::card::monotonic_ns;
use tempfile::TempDir;
use tests::stage::{KEY, Loopback, Remote, program};

use super::kernel::{Aloop, run, write};
use super::{answers, inside, messages, ms};
use crate::nspawn::{FROZEN, KILLED, freeze, thread_of};
use crate::scene::WAIT;

/// What starting a process costs more here than on the host, where `nspawn` holds it against the bound itself.
const EMULATED: f64 = 3.0;

/// The installed service before the loopback card. Dropping it stops it.
struct Service {
    server: FakeGemini,
    _folder: TempDir,
    _card: Aloop,
}

impl Service {
    /// Before the loopback card, with more configuration.
    #[track_caller]
    fn install(more: &str) -> Service {
        let card = Aloop::load();
        // Not in /tmp, of which the service has one of its own.
        let folder = TempDir::new_in("/srv").unwrap();
        let at = folder.path().display().to_string();
        let server = FakeGemini::spawn_thread(Options::script(answers(500))).unwrap();
        server.write_ca(&folder.path().join("ca.pem")).unwrap();
        write(folder.path().join("key"), KEY);
        let loopback = Loopback::find().unwrap();
        std::fs::create_dir_all("/etc/pressel/config.d").unwrap();
        let config = format!(
            "[live]\nendpoint = \"{}\"\nca_file = \"{at}/ca.pem\"\n[capture]\ndevice = \"{}\"\n\
             [playback]\ndevice = \"{}\"\n[talk]\nmode = \"hold\"\n{more}",
            server.url(),
            loopback.microphone(),
            loopback.speaker(),
        );
        write("/etc/pressel/config.d/vm.toml", &config);
        let sources = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().display();
        let binary = program("pressel").unwrap();
        run(&format!(
            "chmod 755 {at}; chmod 644 {at}/ca.pem; chmod 755 /etc/pressel /etc/pressel/config.d
             sh {sources}/systemd/install.sh --binary {} --key {at}/key || {{
                 journalctl --no-pager --lines 60 --output cat
                 exit 1
             }}",
            binary.display()
        ));
        Service { server, _folder: folder, _card: card }
    }

    fn property(&self, name: &str) -> String {
        run(&format!("systemctl show --property={name} --value pressel.service"))
    }

    fn pid(&self) -> u32 {
        self.property("MainPID").parse().unwrap()
    }

    fn journal(&self) -> String {
        run("journalctl --no-pager --unit pressel --output cat")
    }

    /// Waits until another process than this one is ready; when it became so, in CLOCK_MONOTONIC ns.
    #[track_caller]
    fn ready_again(&self, former: u32) -> u64 {
        let deadline = Instant::now() + WAIT;
        loop {
            let pid = self.pid();
            if pid != former && pid != 0 && self.property("ActiveState") == "active" {
                return self.property("ActiveEnterTimestampMonotonic").parse::<u64>().unwrap() * 1000;
            }
            assert!(Instant::now() < deadline, "not ready again:\n{}", self.journal());
            std::thread::sleep(Duration::from_millis(50)); // asked for, not told
        }
    }

    #[track_caller]
    fn remote(&self) -> Remote {
        Remote::connect("/run/pressel/control".as_ref(), || Ok(())).unwrap()
    }

    /// The next time the light shows this phase, from a mark on.
    #[track_caller]
    fn phase(&self, remote: &Remote, mark: usize, phase: &str) -> u64 {
        let happened = remote.wait_phase(mark, phase, WAIT);
        happened.unwrap_or_else(|error| panic!("{error}\n{}", self.journal())).at_ns
    }

    /// A question and its answer.
    #[track_caller]
    fn talk(&self) {
        let remote = self.remote();
        self.talk_by(&remote, |down| if down { remote.press() } else { remote.release() }.unwrap());
    }

    /// The same, where somebody else works the button.
    #[track_caller]
    fn talk_by(&self, remote: &Remote, press: impl Fn(bool)) {
        let before = messages(&self.server.events(), "activityEnd").count();
        let mark = remote.mark();
        press(true);
        std::thread::sleep(Duration::from_millis(700)); // somebody speaks
        press(false);
        let speaking = self.phase(remote, mark, "speaking");
        remote.wait(mark, WAIT, |event| event.at_ns > speaking && event.is_phase("idle")).unwrap();
        assert_eq!(messages(&self.server.events(), "activityEnd").count(), before + 1);
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        run("systemctl disable --now --quiet pressel.service pressel-key.path; rm -r /etc/pressel /var/lib/pressel
             rm -rf /etc/systemd/system/pressel.service.d; systemctl daemon-reload");
    }
}

#[test]
fn the_service_on_kernel_cards_is_ready_again_after_a_kill_and_after_a_thread_that_stands_still() {
    if !inside() {
        return;
    }
    let service = Service::install("");
    service.talk();
    for thread in ["capture", "playback"] {
        let thread = thread_of(service.pid(), thread);
        let policy = run(&format!("chrt --pid {thread}"));
        assert!(policy.contains("SCHED_FIFO"), "{policy}");
    }
    let mut took = Vec::new();
    for _ in 0..5 {
        let (former, killed) = (service.pid(), monotonic_ns());
        // SAFETY: a plain system call; systemd has not been told yet.
        unsafe { libc::kill(former as i32, libc::SIGKILL) };
        took.push(ms(killed, service.ready_again(former)));
    }
    println!("SIGKILL → ready, ms: {took:.0?}");
    let (middle, _) = super::middle_and_most(&mut took);
    assert!(middle < KILLED.as_millis() as f64 * EMULATED, "{middle:.0} ms");
    service.talk();
    for name in ["capture", "playback"] {
        let former = service.pid();
        let frozen = monotonic_ns();
        freeze(thread_of(former, name));
        let took = ms(frozen, service.ready_again(former));
        println!("{name} frozen → ready: {:.1} s", took / 1e3);
        assert!(took < FROZEN.as_millis() as f64, "{name}: {took:.0} ms");
        assert!(service.journal().contains(name), "nobody said which thread:\n{}", service.journal());
    }
    service.talk();
}
