//! Cards that are pulled out and put back: USB (usb-audio, which plays) and PCI (virtio-sound, which records).

use std::path::Path;
use std::time::Duration;

use pressel_world::card::monotonic_ns;
use serde_json::{Value, json};
use tests::stage::{Loopback, Qmp};

use super::kernel::{Aloop, run, until, write};
use super::{BACK, Bench, answers, inside, messages, middle_and_most, ms};

const HOLD: &str = "[talk]\nmode = \"hold\"\n";
/// So often without a miss.
const TIMES: usize = 50;
const RULES: &str = "/run/udev/rules.d/61-pressel-test.rules";

/// What the installer puts there.
const OURS: &str = "/run/udev/rules.d/60-pressel.rules";

/// The machine's sockets; what is in them is pulled out at the end of the test.
struct Sockets {
    qmp: Qmp,
    full: Vec<String>,
}

impl Sockets {
    #[track_caller]
    fn open() -> Sockets {
        Sockets { qmp: Qmp::open().unwrap(), full: Vec::new() }
    }

    #[track_caller]
    fn plug(&mut self, id: &str, mut device: Value) {
        device["id"] = json!(id);
        device["audiodev"] = json!("sound");
        self.qmp.execute("device_add", &device).unwrap();
        self.full.push(id.to_owned());
    }

    #[track_caller]
    fn unplug(&mut self, id: &str) {
        self.qmp.unplug(id).unwrap();
        self.full.retain(|full| full != id);
    }
}

impl Drop for Sockets {
    fn drop(&mut self) {
        for id in std::mem::take(&mut self.full) {
            let _ = self.qmp.unplug(&id);
        }
        for rules in [RULES, OURS] {
            let _ = std::fs::remove_file(rules);
        }
    }
}

fn usb(port: u32) -> Value {
    json!({ "driver": "usb-audio", "bus": "usb.0", "port": port.to_string() })
}

fn pci() -> Value {
    json!({ "driver": "virtio-sound-pci", "streams": 2 })
}

fn is_there(id: &str) -> bool {
    Path::new("/proc/asound").join(id).exists()
}

/// The number of a card.
#[track_caller]
fn index(id: &str) -> String {
    std::fs::read_link(Path::new("/proc/asound").join(id)).unwrap().display().to_string()
}

/// Whether the daemon plays to this card.
fn plays(bench: &Bench, id: &str) -> bool {
    let status = Path::new("/proc/asound").join(id).join("pcm0p/sub0/status");
    let status = std::fs::read_to_string(status).unwrap_or_default();
    let owner = status
        .lines()
        .find_map(|line| line.strip_prefix("owner_pid")?.split(": ").nth(1)?.trim().parse().ok());
    let threads = format!("/proc/{}/task", bench.daemon.pid());
    owner.is_some_and(|owner: u32| Path::new(&threads).join(owner.to_string()).exists())
}

/// A daemon with a loopback microphone and this speaker.
fn with_speaker(device: &str) -> Bench {
    let microphone = Loopback::find().unwrap().microphone();
    Bench::set(
        answers(20_000),
        &format!("device = \"{microphone}\"\n"),
        &format!("device = \"{device}\"\n"),
        HOLD,
    )
}

/// Plugs, and the light must stop missing the card in time; how long that took in ms, from when the kernel has found the
/// card: how long that takes is the emulated bus's affair.
#[track_caller]
fn back(bench: &Bench, id: &str, plug: impl FnOnce()) -> f64 {
    let mark = bench.remote.mark();
    plug();
    until("the kernel finds the card", || is_there(id));
    let began = monotonic_ns();
    let happened = bench.remote.wait_phase(mark, "idle", BACK);
    let happened = happened.unwrap_or_else(|error| panic!("{error}\n{}", bench.daemon.log()));
    ms(began, happened.at_ns)
}

#[test]
fn a_usb_speaker_pulled_out_in_the_middle_of_an_answer_is_used_again_under_another_number() {
    if !inside() {
        return;
    }
    // The lowest number is the speaker's, and somebody else's afterwards.
    run("modprobe --remove snd-aloop || true");
    let mut sockets = Sockets::open();
    sockets.plug("first", usb(1));
    until("the card is there", || is_there("Audio"));
    let former = index("Audio");
    let _loopback = Aloop::load();
    let bench = with_speaker("hw:CARD=Audio");
    bench.ask(Duration::from_millis(700));
    assert!(plays(&bench, "Audio"));
    let mark = bench.remote.mark();
    let pulled = monotonic_ns();
    sockets.unplug("first");
    println!("pulled out → light: {:.0} ms", ms(pulled, bench.phase(mark, "no device")));
    bench.check_waiting("playback");
    let said = bench.said("no speaker, waiting for it");
    assert_eq!(said, 1, "{}", bench.daemon.log());
    let shown = bench.remote.events().into_iter().skip(mark).filter(|e| e.is_phase("no device")).count();
    assert_eq!(shown, 1, "the light says it once");
    sockets.plug("other", pci()); // takes the number that is free
    until("another card is there", || is_there("SoundCard"));
    assert_eq!(index("SoundCard"), former);
    let took = back(&bench, "Audio", || sockets.plug("second", usb(2)));
    println!("plugged in → ready: {took:.0} ms, as {} instead of {former}", index("Audio"));
    assert_ne!(index("Audio"), former);
    bench.ask(Duration::from_millis(700));
    assert!(plays(&bench, "Audio"));
    bench.end();
}

#[test]
fn two_equal_speakers_are_told_apart_by_their_sockets() {
    if !inside() {
        return;
    }
    let _loopback = Aloop::load();
    // What systemd/60-pressel.rules tells owners to write.
    let rule = |port: u32, id: &str| {
        format!(
            "SUBSYSTEM==\"sound\", KERNEL==\"card*\", ENV{{ID_PATH}}==\"pci-*-usb-0:{port}:1.0\", ATTR{{id}}=\"{id}\"\n"
        )
    };
    std::fs::create_dir_all("/run/udev/rules.d").unwrap();
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    std::fs::copy(sources.join("systemd/60-pressel.rules"), OURS).unwrap();
    write(RULES, &(rule(1, "Left") + &rule(2, "Right")));
    run("udevadm control --reload");
    let mut sockets = Sockets::open();
    sockets.plug("a", usb(1));
    sockets.plug("b", usb(2));
    until("both are there", || is_there("Left") && is_there("Right"));
    let bench = with_speaker("hw:CARD=Right");
    bench.until("the right one is used", |_| plays(&bench, "Right"));
    let mark = bench.remote.mark();
    sockets.unplug("a");
    sockets.unplug("b");
    bench.phase(mark, "no device");
    let took = back(&bench, "Right", || sockets.plug("b", usb(2)));
    println!("plugged in, first of two → ready: {took:.0} ms");
    assert!(plays(&bench, "Right"));
    let mark = bench.remote.mark();
    sockets.unplug("b");
    bench.phase(mark, "no device");
    sockets.plug("a", usb(1));
    until("the left one is there", || is_there("Left"));
    std::thread::sleep(Duration::from_secs(2)); // in which the wrong one could be taken
    assert!(!plays(&bench, "Left"), "it plays to the other socket's card");
    back(&bench, "Right", || sockets.plug("b", usb(2)));
    assert!(plays(&bench, "Right"));
    bench.end();
}

#[test]
fn of_two_equal_speakers_that_come_back_in_the_other_order_the_one_in_the_same_socket_is_used() {
    if !inside() {
        return;
    }
    let _loopback = Aloop::load();
    let mut sockets = Sockets::open();
    sockets.plug("a", usb(1));
    until("the first is there", || is_there("Audio"));
    sockets.plug("b", usb(2));
    until("both are there", || is_there("Audio_1"));
    let bench = with_speaker("hw:CARD=Audio");
    bench.until("the first is used", |_| plays(&bench, "Audio"));
    let mark = bench.remote.mark();
    bench.daemon.signal(libc::SIGSTOP); // it must not find them one by one
    sockets.unplug("a");
    sockets.unplug("b");
    until("none is there", || !is_there("Audio") && !is_there("Audio_1"));
    sockets.plug("b", usb(2));
    until("the second is there", || is_there("Audio"));
    sockets.plug("a", usb(1));
    until("the first is back under the other's former name", || is_there("Audio_1"));
    bench.daemon.signal(libc::SIGCONT);
    bench.phase(mark, "no device");
    bench.phase(mark + 1, "idle");
    assert!(plays(&bench, "Audio_1"), "{}", bench.daemon.log());
    assert!(!plays(&bench, "Audio"));
    bench.end();
}

#[test]
fn a_usb_speaker_is_found_again_fifty_times_in_changing_sockets() {
    if !inside() {
        return;
    }
    let _loopback = Aloop::load();
    let mut sockets = Sockets::open();
    sockets.plug("usb0", usb(1));
    until("the card is there", || is_there("Audio"));
    let bench = with_speaker("hw:CARD=Audio");
    let before = bench.daemon.usage().unwrap();
    let mut took = Vec::new();
    for time in 1..=TIMES {
        let mark = bench.remote.mark();
        sockets.unplug(&format!("usb{}", time - 1));
        bench.phase(mark, "no device");
        took.push(back(&bench, "Audio", || sockets.plug(&format!("usb{time}"), usb(1 + time as u32 % 4))));
    }
    let (middle, most) = middle_and_most(&mut took);
    println!("plugged in → ready, {TIMES} times: median {middle:.0}, most {most:.0} ms");
    let after = bench.daemon.usage().unwrap();
    assert_eq!(before.threads, after.threads);
    assert!(plays(&bench, "Audio"));
    bench.end();
}

#[test]
fn a_microphone_pulled_out_in_the_middle_of_a_question_ends_it_and_is_used_again() {
    if !inside() {
        return;
    }
    let _loopback = Aloop::load();
    let mut sockets = Sockets::open();
    sockets.plug("microphone", pci());
    until("the card is there", || is_there("SoundCard"));
    let speaker = Loopback::find().unwrap().speaker();
    let bench = Bench::set(
        answers(500),
        "device = \"hw:CARD=SoundCard\"\n",
        &format!("device = \"{speaker}\"\n"),
        HOLD,
    );
    bench.talk();
    let before = messages(&bench.server.events(), "activityEnd").count();
    let mark = bench.remote.mark();
    bench.remote.press().unwrap();
    std::thread::sleep(Duration::from_secs(1)); // somebody speaks
    let pulled = monotonic_ns();
    sockets.unplug("microphone");
    println!("pulled out → light: {:.0} ms", ms(pulled, bench.phase(mark, "no device")));
    let over = |events: &[_]| messages(events, "activityEnd").count() > before;
    assert!(bench.server.wait_blocking(crate::scene::WAIT, over), "the question never ends");
    bench.remote.release().unwrap();
    bench.check_waiting("capture");
    let said = bench.said("no microphone, waiting for it");
    assert_eq!(said, 1, "{}", bench.daemon.log());
    let took = back(&bench, "SoundCard", || sockets.plug("again", pci()));
    println!("plugged in → ready: {took:.0} ms");
    bench.talk();
    let mut took = Vec::new();
    for time in 0..10 {
        let mark = bench.remote.mark();
        sockets.unplug(&if time == 0 { "again".into() } else { format!("again{time}") });
        bench.phase(mark, "no device");
        took.push(back(&bench, "SoundCard", || sockets.plug(&format!("again{}", time + 1), pci())));
    }
    let (middle, most) = middle_and_most(&mut took);
    println!("plugged in → ready, 10 times: median {middle:.0}, most {most:.0} ms");
    bench.talk();
    bench.end();
}
