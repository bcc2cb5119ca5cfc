//! SIGHUP: another configuration is taken up without dropping a talk, or refused with the former one kept.

use std::time::{Duration, Instant};

use fake_gemini::{Script, Turn};
use pressel_world::card::Direction;
use tests::measure::find;

use crate::scene::{Scene, WAIT, messages, setting};
use crate::service::Manager;

fn script() -> Script {
    Script { rest: Turn::noise(600, 1), ..Script::default() }
}

impl Scene {
    fn config(&self) -> String {
        std::fs::read_to_string(self.folder().join("pressel.toml")).unwrap()
    }

    /// Writes the configuration anew and has it read.
    fn reload(&self, config: &str) {
        std::fs::write(self.folder().join("pressel.toml"), config).unwrap();
        self.daemon.signal(libc::SIGHUP);
    }

    #[track_caller]
    fn until_logged(&self, text: &str) {
        let deadline = Instant::now() + WAIT;
        while !self.log().contains(text) {
            assert!(Instant::now() < deadline, "not logged: {text}");
            std::thread::sleep(Duration::from_millis(5)); // a file cannot be waited for
        }
    }

    /// What the newest setup asks for.
    fn newest_setup(&self) -> String {
        let record = self.server.events();
        messages(&record, "setup").last().map(|(_, setup)| setup.to_string()).unwrap_or_default()
    }
}

/// The text with a key set in a table that is there or not.
fn with(config: &str, table: &str, line: &str) -> String {
    let head = format!("[{table}]\n");
    match config.contains(&head) {
        true => config.replacen(&head, &format!("{head}{line}\n"), 1),
        false => format!("{config}\n{head}{line}\n"),
    }
}

#[test]
fn in_the_middle_of_an_answer_it_waits_and_the_answer_is_heard_to_its_end() {
    let mut setting = setting("hold", "", Script { rest: Turn::noise(2_500, 1), ..Script::default() });
    let manager = Manager::of(&mut setting, None);
    let scene = Scene::set(setting);
    manager.told("READY=1", 1, |text| text == "READY=1");
    let opens = scene.card.report(Direction::Capture).opens;
    let mark = scene.remote.mark();
    scene.ask("question-time");
    scene.phase(mark, "speaking");
    let config = with(&scene.config(), "live", "voice = \"Kore\"");
    scene.reload(&with(&config, "capture", "rest_ms = 40"));
    manager.told("RELOADING=1", 1, |text| text.starts_with("RELOADING=1\nMONOTONIC_USEC="));
    manager.told("READY=1", 2, |text| text == "READY=1");
    assert!(!scene.log().contains("configuration taken up"), "{}", scene.log());
    scene.answered(mark);
    let sent = scene.server.events().spoken(1);
    assert!(find(&scene.played(0), &sent, 0).is_some(), "the answer was not heard whole");
    scene.until_logged("configuration taken up");
    assert!(!scene.newest_setup().contains("Kore"));
    scene.card.wait_for(Direction::Capture, WAIT, |report| report.opens > opens).expect("opened again");
    // The next talk knows the former one, and has another voice.
    scene.pass(600);
    let mark = scene.remote.mark();
    scene.ask("question-moon");
    scene.answered(mark);
    assert!(scene.newest_setup().contains("Kore"), "{}", scene.newest_setup());
    scene.utterances().pop().unwrap().whole();
    scene.end();
}

#[test]
fn in_the_middle_of_an_utterance_not_a_sample_of_it_is_lost() {
    let scene = Scene::set(setting("hold", "", script()));
    let mark = scene.remote.mark();
    scene.press();
    let words = scene.speak("question-rain");
    scene.until_heard(words.start + 8_000);
    let config = with(&scene.config(), "live", "instruction = \"Be brief.\"");
    scene.reload(&with(&config, "capture", "period_ms = 20"));
    scene.until_logged("configuration read again");
    scene.until_heard(words.end);
    scene.release();
    scene.answered(mark);
    let span = scene.utterances()[0].whole();
    assert!(span.start < words.start && span.end > words.end);
    scene.until_logged("configuration taken up");
    scene.pass(600);
    let mark = scene.remote.mark();
    scene.ask("question-time");
    scene.answered(mark);
    assert!(scene.newest_setup().contains("Be brief."), "{}", scene.newest_setup());
    assert!(scene.remote.status().unwrap()["microphone"]["format"].to_string().contains("period 20.0 ms"));
    scene.end();
}

#[test]
fn a_mistake_is_named_with_file_line_and_key_and_nothing_changes() {
    let mut setting = setting("hold", "", script());
    let manager = Manager::of(&mut setting, None);
    let scene = Scene::set(setting);
    let good = scene.config();
    let opens = scene.card.report(Direction::Capture).opens;
    scene.reload(&format!("# one line more\n{}", with(&good, "capture", "rest_ms = \"long\"")));
    let line = 2 + good.lines().position(|line| line == "[capture]").unwrap() + 1;
    let said = format!("pressel.toml:{line}: [capture] rest_ms = \"long\"");
    let refused =
        |text: &str| text.starts_with("STATUS=") && text.contains("refused") && text.contains(&said);
    manager.told("what is wrong", 1, refused);
    manager.told("READY=1", 2, |text| text == "READY=1");
    scene.until_logged("configuration refused, the former one is kept");
    assert!(scene.log().contains(&said), "{}", scene.log());
    assert!(scene.remote.status().unwrap()["missing"].to_string().contains("rest_ms"));
    let mark = scene.remote.mark();
    scene.ask("question-time");
    scene.answered(mark);
    assert_eq!(scene.card.report(Direction::Capture).opens, opens);
    // And right again.
    scene.reload(&good);
    manager.told("READY=1", 3, |text| text == "READY=1");
    manager.told("all is well", 1, |text| text == "STATUS=idle");
    assert_eq!(scene.remote.status().unwrap()["missing"], serde_json::json!([]));
    scene.end();
}

#[test]
fn a_card_or_a_file_that_is_not_there_does_not_end_the_daemon() {
    let scene = Scene::set(setting("hold", "", script()));
    let good = scene.config();
    let mark = scene.remote.mark();
    scene.reload(&good.replacen("\"pressel_mic\"", "\"no-such-card\"", 1));
    scene.phase(mark, "no device");
    let missing = scene.remote.status().unwrap()["missing"].to_string();
    assert!(missing.contains("no-such-card"), "{missing}");
    let mark = scene.remote.mark();
    scene.reload(&good);
    scene.remote.wait_phase(mark, "idle", Duration::from_secs(3)).unwrap();
    scene.reload(&with(&good, "live", "ca_file = \"/nowhere.pem\""));
    scene.until_logged("/nowhere.pem");
    let mark = scene.remote.mark();
    scene.ask("question-time");
    scene.answered(mark);
    scene.end();
}

#[test]
fn another_key_opens_what_the_former_one_did_not() {
    let mut setting = setting("hold", "", script());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    let put = |key: &str| {
        use std::os::unix::fs::PermissionsExt;
        std::fs::write(&file, key).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    };
    put("AIza-the-wrong-one");
    setting.key = None;
    setting.server.key = Some(tests::stage::KEY.into());
    setting.env.push(("PRESSEL_LIVE_KEY_FILE", file.clone()));
    let scene = Scene::set(setting);
    let mark = scene.remote.mark();
    scene.ask("question-time");
    scene.phase(mark, "fault");
    let mark = scene.remote.mark();
    put(tests::stage::KEY);
    scene.daemon.signal(libc::SIGHUP);
    scene.phase(mark, "idle");
    scene.ask("question-time");
    scene.answered(mark);
    // A file that cannot be used any more takes nothing away.
    put("two words");
    scene.daemon.signal(libc::SIGHUP);
    scene.until_logged("has more than one word or line");
    let mark = scene.remote.mark();
    scene.ask("question-time");
    scene.answered(mark);
    assert!(!scene.log().contains("two words"));
    scene.end();
}

#[test]
fn another_mode_counts_from_the_next_talk_on() {
    let scene = Scene::set(setting("hold", "", script()));
    let good = scene.config();
    let tap = good.replacen("mode = \"hold\"", "mode = \"tap\"", 1);
    assert_ne!(tap, good);
    scene.reload(&tap);
    scene.until_logged("configuration taken up");
    assert_eq!(scene.remote.status().unwrap()["mode"], "tap");
    let mark = scene.remote.mark();
    scene.press();
    scene.release();
    scene.speak("question-time");
    scene.answered(mark);
    scene.end();
}
