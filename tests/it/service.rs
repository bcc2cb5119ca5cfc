//! Under a service manager: what it is told, and the watchdog.

use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fake_gemini::{Script, Turn};
use pressel_world::card::Direction;
use tests::stage::Setting;

use crate::nspawn::{freeze, thread_of};
use crate::scene::{Scene, WAIT, dials, setting};

/// The manager's end of the socket: everything it was told, and when.
pub struct Manager {
    heard: Arc<Mutex<Vec<(Instant, String)>>>,
    _folder: tempfile::TempDir,
}

impl Manager {
    /// A manager, and the setting that tells the daemon of it.
    pub fn of(setting: &mut Setting, watchdog: Option<Duration>) -> Manager {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        setting.env.push(("NOTIFY_SOCKET", path));
        if let Some(interval) = watchdog {
            setting.env.push(("WATCHDOG_USEC", PathBuf::from(interval.as_micros().to_string())));
        }
        let heard = Arc::new(Mutex::new(Vec::new()));
        let told = heard.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length) = socket.recv(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                told.lock().unwrap().push((Instant::now(), text));
            }
        });
        Manager { heard, _folder: folder }
    }

    fn all(&self) -> Vec<(Instant, String)> {
        self.heard.lock().unwrap().clone()
    }

    /// Waits until it was told something that fits, so many times; when that was.
    #[track_caller]
    pub fn told(&self, what: &str, times: usize, fits: impl Fn(&str) -> bool) -> Vec<Instant> {
        let deadline = Instant::now() + WAIT;
        loop {
            let all = self.all();
            let found: Vec<Instant> = all.iter().filter(|(_, text)| fits(text)).map(|(at, _)| *at).collect();
            if found.len() >= times {
                return found;
            }
            assert!(Instant::now() < deadline, "{what} was told {} times: {all:?}", found.len());
            std::thread::sleep(Duration::from_millis(2)); // the socket's own thread has the only wait there is
        }
    }
}

fn script() -> Script {
    Script { rest: Turn::noise(500, 1), ..Script::default() }
}

#[test]
fn a_service_with_all_it_needs_is_ready_and_tells_its_phases() {
    let mut setting = setting("hold", "", script());
    let manager = Manager::of(&mut setting, None);
    let scene = Scene::set(setting);
    manager.told("READY=1", 1, |text| text == "READY=1");
    let mark = scene.remote.mark();
    scene.ask("stop");
    scene.answered(mark);
    for phase in ["listening", "thinking", "speaking", "idle"] {
        manager.told(phase, 1, |text| text == format!("STATUS={phase}"));
    }
    scene.end();
    manager.told("STOPPING=1", 1, |text| text == "STOPPING=1");
    let ready = manager.all().iter().filter(|(_, text)| text == "READY=1").count();
    assert_eq!(ready, 1);
    assert!(!manager.all().iter().any(|(_, text)| text == "WATCHDOG=1"), "nobody asked for it");
}

#[test]
fn a_service_without_a_key_stays_up_says_so_and_dials_nobody() {
    let mut setting = setting("hold", "", script());
    setting.key = None;
    let manager = Manager::of(&mut setting, None);
    let scene = Scene::set(setting);
    manager.told("READY=1", 1, |text| text == "READY=1");
    let lacks = |text: &str| {
        text.starts_with("STATUS=") && text.contains("needs set-up") && text.contains("no API key")
    };
    manager.told("what is missing", 1, lacks);
    assert!(scene.log().contains("no API key found"), "{}", scene.log());
    let status = scene.remote.status().unwrap();
    assert_eq!((&status["phase"], &status["key"]), (&"needs set-up".into(), &serde_json::Value::Null));
    scene.press();
    scene.speak("stop");
    scene.release();
    let dialled = |events: &[fake_gemini::Event]| dials(events) > 0;
    assert!(!scene.server.wait_blocking(Duration::from_millis(1500), dialled), "dialled without a key");
    assert_eq!(scene.remote.status().unwrap()["phase"], "needs set-up");
    scene.end();
}

#[test]
fn a_button_that_is_torn_off_and_a_light_that_is_not_there_are_named() {
    let mut setting = setting("hold", "[light]\nkind = \"sysfs\"\nname = \"no-such-led\"\n", script());
    setting.wired = true;
    let manager = Manager::of(&mut setting, None);
    let scene = Scene::set(setting);
    let dark = |text: &str| {
        text.starts_with("STATUS=idle; light: ") && text.contains("no-such-led") && !text.contains("button")
    };
    manager.told("the light", 1, dark);
    let mark = scene.remote.mark();
    scene.daemon.line("0 down").unwrap();
    scene.phase(mark, "listening");
    scene.daemon.line("0 lost").unwrap();
    manager.told("the button", 1, |text| text.contains("; button: ") && text.contains("; light: "));
    let before = manager.all().len();
    scene.daemon.line("0 found").unwrap();
    manager.told("the light alone", 2, dark);
    assert!(manager.all().len() > before);
    scene.end();
}

#[test]
fn the_watchdog_is_fed_with_cards_and_without() {
    let interval = Duration::from_millis(2000);
    let mut setting = setting("hold", "", script());
    setting.prepare = |card| card.unplug(Direction::Capture);
    let manager = Manager::of(&mut setting, Some(interval));
    let scene = Scene::set(setting);
    // A missing card is a named state and not a death.
    manager.told("READY=1", 1, |text| text == "READY=1");
    manager.told("the missing card", 1, |text| {
        text.contains("STATUS=no device") && text.contains("pressel_mic")
    });
    let fed = |text: &str| text == "WATCHDOG=1";
    let without = manager.told("WATCHDOG=1", 10, fed).len();
    let mark = scene.remote.mark();
    scene.card.replug(Direction::Capture);
    scene.phase(mark, "idle");
    let times = manager.told("WATCHDOG=1", without + 6, fed);
    let longest = times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
    assert!(longest < interval, "not fed for {longest:?}");
    scene.end();
}

#[test]
fn a_card_that_delivers_nothing_is_opened_again_and_only_a_thread_that_stands_still_starves_the_watchdog() {
    let interval = Duration::from_millis(2000);
    let mut setting = setting("hold", "", script());
    let manager = Manager::of(&mut setting, Some(interval));
    let scene = Scene::set(setting);
    manager.told("READY=1", 1, |text| text == "READY=1");
    let opens = scene.card.report(Direction::Capture).opens;
    let mark = scene.remote.mark();
    scene.card.stall(Direction::Capture);
    scene.phase(mark, "no device");
    manager.told("what is waited for", 1, |text| text.contains("the card has delivered nothing for 3 s"));
    scene.card.wait_for(Direction::Capture, WAIT, |report| report.opens > opens).expect("it is opened again");
    let mark = scene.remote.mark();
    scene.card.resume(Direction::Capture);
    scene.phase(mark, "idle");
    assert!(!manager.all().iter().any(|(_, text)| text == "WATCHDOG=trigger"), "that was no death");

    let frozen = Instant::now();
    freeze(thread_of(scene.daemon.pid(), "capture"));
    let gave_up = manager.told("the end", 1, |text| text == "WATCHDOG=trigger")[0];
    assert!(gave_up - frozen < Duration::from_secs(8), "{:?}", gave_up - frozen);
    let fed = manager.all().into_iter().filter(|(at, text)| text == "WATCHDOG=1" && *at > gave_up).count();
    assert_eq!(fed, 0, "fed although a thread stands still");
    assert!(
        scene.log().contains("thread does not turn") && scene.log().contains("capture"),
        "{}",
        scene.log()
    );
}
