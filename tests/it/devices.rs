//! Cards that are missing, busy, pulled out, put back, and cards that are unlike what was asked for.

use std::time::Duration;

use fake_gemini::audio::recording;
use fake_gemini::{Script, Turn};
use pressel_world::card::{Card, CardFormat, CardOptions, Direction, Noise, StreamOptions, TakeBack};
use serde_json::Value;
use tests::measure::{alike, between, find, first_sound};
use tests::stage::Setting;

use crate::answer::{check_cut, played_whole};
use crate::scene::{Scene, WAIT, setting};

/// A card that is there again is in use again after this.
const BACK: Duration = Duration::from_secs(3);
/// What the log says of cards that are not there.
const MISSED: [&str; 2] = ["no microphone, waiting for it", "no speaker, waiting for it"];

fn script() -> Script {
    Script { rest: Turn::noise(600, 1), ..Script::default() }
}

fn on(card: CardOptions, script: Script) -> Setting {
    Setting { card, ..setting("hold", "", script) }
}

fn cards(microphone: StreamOptions, speaker: StreamOptions) -> CardOptions {
    CardOptions { microphone, speaker }
}

fn usual() -> CardOptions {
    cards(StreamOptions::new(16_000, 1), StreamOptions::new(24_000, 1))
}

/// A question is heard whole, and its answer too.
#[track_caller]
fn check_talk(scene: &Scene) {
    let mark = scene.remote.mark();
    scene.pass(600); // the pre-roll
    let from = scene.card.now_sample(Direction::Playback) as usize;
    let asked = scene.ask("question-time");
    scene.answered(mark);
    let utterance = scene.utterances().pop().unwrap();
    let span = utterance.whole();
    assert!(span.start < asked.words.start && span.end > asked.words.end);
    let record = scene.server.events();
    let turn = record.iter().filter(|e| matches!(e.what, fake_gemini::What::UtteranceEnded { .. })).count();
    let played = scene.played(0);
    let answer = played_whole(&played, &record.spoken(turn as u32), from);
    assert_eq!(first_sound(&played[answer.end..]), None);
}

/// What the status says of a side.
#[track_caller]
fn side(scene: &Scene, side: &str) -> Value {
    scene.remote.status().unwrap()[side].take()
}

/// Brings the card back by `mend`; the light must stop missing it in time.
#[track_caller]
fn check_back(scene: &Scene, mend: impl Fn(&Card)) {
    let mark = scene.remote.mark();
    mend(&scene.card);
    scene.remote.wait_phase(mark, "idle", BACK).unwrap();
    assert_eq!(scene.remote.status().unwrap()["missing"], serde_json::json!([]));
}

#[test]
fn a_microphone_that_is_not_there_is_named_and_waited_for() {
    let absent = Setting { prepare: |card| card.unplug(Direction::Capture), ..on(usual(), script()) };
    let scene = Scene::set(absent);
    let status = scene.remote.status().unwrap();
    assert_eq!(status["phase"], "no device");
    let missing = status["missing"][0].as_str().unwrap();
    assert!(missing.contains("open capture \"pressel_mic\""), "{missing}");
    assert!(scene.log().contains("no microphone, waiting for it"), "{}", scene.log());
    // A press changes nothing: there is nothing to listen with.
    let mark = scene.remote.mark();
    scene.press();
    scene.release();
    check_back(&scene, |card| card.replug(Direction::Capture));
    let told: Vec<_> =
        scene.remote.events().into_iter().skip(mark).filter(|e| e.is_phase("listening")).collect();
    assert!(told.is_empty(), "{told:?}");
    check_talk(&scene);
    scene.end();
}

#[test]
fn cards_that_others_hold_are_waited_for() {
    let busy = |card: &Card| {
        card.set_busy(Direction::Capture, true);
        card.set_busy(Direction::Playback, true);
    };
    let scene = Scene::set(Setting { prepare: busy, ..on(usual(), script()) });
    for name in ["microphone", "speaker"] {
        let problem = side(&scene, name)["problem"].to_string();
        assert!(problem.contains("busy"), "{name}: {problem}");
    }
    assert_eq!(scene.remote.status().unwrap()["phase"], "no device");
    check_back(&scene, |card| {
        card.set_busy(Direction::Capture, false);
        card.set_busy(Direction::Playback, false);
    });
    check_talk(&scene);
    scene.end();
}

#[test]
fn missing_cards_cost_next_to_nothing_and_are_told_once() {
    let absent = |card: &Card| {
        card.unplug(Direction::Capture);
        card.unplug(Direction::Playback);
    };
    let scene = Scene::set(Setting { prepare: absent, ..on(usual(), script()) });
    let (before, began) = (scene.daemon.usage().unwrap(), std::time::Instant::now());
    let mark = scene.remote.mark();
    scene.pass(10_000);
    let cpu = scene.daemon.usage().unwrap().cpu - before.cpu;
    let share = cpu.as_secs_f64() / began.elapsed().as_secs_f64();
    println!("both cards missing: {:.2} % of a processor", 100.0 * share);
    assert!(share <= 0.02, "{:.1} %", 100.0 * share);
    for what in MISSED {
        assert_eq!(scene.log().matches(what).count(), 1, "{}", scene.log());
    }
    let told = scene.remote.events().into_iter().skip(mark).filter(|e| e.name == "phase" || e.name == "told");
    assert_eq!(told.count(), 0, "the light and the watchers were told before");
    check_back(&scene, |card| {
        card.replug(Direction::Capture);
        card.replug(Direction::Playback);
    });
    scene.end();
}

#[test]
fn a_card_that_is_pulled_out_fifty_times_is_back_each_time() {
    let scene = Scene::set(on(usual(), script()));
    let mut longest = Duration::ZERO;
    for n in 0..50 {
        let direction = if n % 2 == 0 { Direction::Capture } else { Direction::Playback };
        let mark = scene.remote.mark();
        scene.card.unplug(direction);
        scene.phase(mark, "no device");
        let mark = scene.remote.mark();
        scene.card.replug(direction);
        let began = std::time::Instant::now();
        scene.remote.wait_phase(mark, "idle", BACK).unwrap_or_else(|error| panic!("time {n}: {error}"));
        longest = longest.max(began.elapsed());
    }
    for what in MISSED {
        assert_eq!(scene.log().matches(what).count(), 25, "{}", scene.log());
    }
    println!("pulled out and put back 50 times: back after {longest:?} at most");
    check_talk(&scene);
    scene.end();
}

#[test]
fn a_speaker_pulled_out_in_the_middle_of_an_answer_is_missed_and_used_again() {
    let long = Turn { pace: Some(0.0), ..Turn::noise(10_000, 2) };
    let scene = Scene::set(on(usual(), script().turn(long)));
    let mark = scene.remote.mark();
    scene.ask("question-time");
    scene.phase(mark, "speaking");
    scene.pass(500);
    let mark = scene.remote.mark();
    scene.card.unplug(Direction::Playback);
    scene.phase(mark, "no device");
    let problem = side(&scene, "speaker")["problem"].to_string();
    assert!(problem.contains("pressel_speaker"), "{problem}");
    check_back(&scene, |card| card.replug(Direction::Playback));
    check_talk(&scene); // and nothing of the old answer before or after the new one
    scene.end();
}

#[test]
fn a_microphone_pulled_out_in_the_middle_of_a_question_ends_it_there() {
    let scene = Scene::set(on(usual(), script()));
    let mark = scene.remote.mark();
    scene.press();
    let words = scene.speak("question-moon");
    scene.until_heard(words.start + 32_000);
    let pulled = scene.card.now_sample(Direction::Capture);
    scene.card.unplug(Direction::Capture);
    scene.phase(mark, "no device");
    scene.received("activityEnd", 1);
    let span = scene.utterances()[0].whole();
    assert!(span.start < words.start && span.end >= pulled - 3200, "{} samples lost", pulled - span.end);
    scene.release();
    // The answer to what was said comes through the speaker, which is there.
    let sent = |events: &[fake_gemini::Event]| {
        events
            .iter()
            .any(|e| matches!(&e.what, fake_gemini::What::Sent { name, .. } if name == "turnComplete"))
    };
    scene.server_until("the answer", sent);
    check_back(&scene, |card| card.replug(Direction::Capture));
    assert!(find(&scene.played(0), &scene.server.events().spoken(1), 0).is_some());
    check_talk(&scene);
    scene.end();
}

#[test]
fn both_cards_pulled_out_at_rest_come_back() {
    let scene = Scene::set(on(usual(), script()));
    check_talk(&scene);
    let mark = scene.remote.mark();
    scene.card.unplug(Direction::Capture);
    scene.card.unplug(Direction::Playback);
    scene.phase(mark, "no device");
    let missing = || scene.remote.status().unwrap()["missing"].as_array().map_or(0, Vec::len);
    while missing() < 2 {
        let mark = scene.remote.mark().saturating_sub(1);
        scene.remote.wait(mark, WAIT, |e| e.name == "told").unwrap();
    }
    scene.pass(2500); // lost, and from then on not there
    for what in MISSED {
        assert_eq!(scene.log().matches(what).count(), 1, "{}", scene.log());
    }
    assert!(scene.remote.status().unwrap()["microphone"]["problem"].to_string().contains("not there"));
    check_back(&scene, |card| {
        card.replug(Direction::Capture);
        card.replug(Direction::Playback);
    });
    check_talk(&scene);
    scene.end();
}

/// The kernel lists a card before udev has given it to the group audio.
#[test]
fn a_card_that_is_put_back_and_not_allowed_yet_is_back_in_time() {
    let scene = Scene::set(on(usual(), script()));
    let mark = scene.remote.mark();
    scene.card.unplug(Direction::Capture);
    scene.phase(mark, "no device");
    scene.card.set_denied(Direction::Capture, true);
    scene.card.replug(Direction::Capture);
    while !side(&scene, "microphone")["problem"].to_string().contains("not allowed") {
        scene.pass(20);
    }
    check_back(&scene, |card| card.set_denied(Direction::Capture, false));
    assert_eq!(scene.log().matches(MISSED[0]).count(), 1, "{}", scene.log());
    check_talk(&scene);
    scene.end();
}

#[test]
fn an_overrun_and_an_underrun_are_counted_and_the_talk_goes_on() {
    let scene = Scene::set(on(usual(), script()));
    let mark = scene.remote.mark();
    scene.press();
    let words = scene.speak("question-time");
    scene.until_heard(words.start + 4000);
    scene.card.force_xrun(Direction::Capture);
    scene.until_heard(words.end);
    scene.release();
    scene.phase(mark, "speaking");
    scene.card.force_xrun(Direction::Playback);
    scene.phase(mark, "idle");
    let heard = &scene.utterances()[0].heard;
    assert_eq!((heard.repeated, heard.foreign), (0, 0));
    let (lost, counted) = (heard.lost as u64, scene.counter("speech_dropped_samples"));
    assert!(lost > 0 && counted.abs_diff(lost) <= 160, "{lost} samples are missing, {counted} were counted");
    assert_eq!(side(&scene, "microphone")["xruns"], 1);
    check_talk(&scene);
    scene.end();
}

/// The array hears the words on two of its six channels, and something else on the others.
#[test]
fn an_array_of_six_channels_at_48_khz_gives_the_channels_that_were_chosen() {
    let array = StreamOptions { seconds: 40, ..StreamOptions::new(48_000, 6).formats(&[CardFormat::S24Le3]) };
    let mut setting = on(cards(array, StreamOptions::new(24_000, 1)), script());
    setting.capture = "high_pass_hz = 0\nuse_channels = [1, 4]".into();
    setting.env.push(("PRESSEL_CAPTURE_RATE_HZ", "16000".into())); // not on offer: the card's own is taken
    setting.env.push(("PRESSEL_CAPTURE_CHANNELS", "1".into()));
    let scene = Scene::set(setting);
    let format = side(&scene, "microphone")["format"].to_string();
    assert!(format.contains("48000 Hz, 6 ch, S24_3LE"), "{format}");

    let words = recording("question-rain").unwrap().samples;
    let at_48_khz: Vec<i16> = (0..words.len() * 3).map(|n| between(&words, n as f64 / 3.0)).collect();
    let mark = scene.remote.mark();
    scene.press();
    let begin = scene.card.now_sample(Direction::Capture) + 48_000 / 2;
    let noise = Noise::new(9, 12_000).take(at_48_khz.len());
    scene.card.say_on(&[0, 2, 3, 5], begin, &noise).unwrap();
    scene.card.say_on(&[1, 4], begin, &at_48_khz).unwrap();
    assert!(scene.card.now_sample(Direction::Capture) < begin, "spoken too late: this machine is busy");
    scene.until_heard(begin + at_48_khz.len() as u64);
    scene.release();
    scene.answered(mark);
    let heard = scene.server.events().heard();
    // Where its samples lie between those of the array is a matter of luck: a third of one costs a little.
    let alike = alike(&words, &heard, 3000);
    assert!(alike > 0.9, "{alike:.3} alike");
    scene.end();
}

#[test]
fn a_stereo_dac_at_44_1_khz_plays_the_answer_on_both_channels() {
    let dac = StreamOptions::new(44_100, 2).formats(&[CardFormat::S32Le]);
    let mut setting = on(
        cards(StreamOptions::new(16_000, 1), dac),
        Script { rest: Turn::recording("answer-time"), ..Script::default() },
    );
    setting.env.push(("PRESSEL_PLAYBACK_RATE_HZ", "24000".into()));
    setting.env.push(("PRESSEL_PLAYBACK_CHANNELS", "1".into()));
    let scene = Scene::set(setting);
    let format = side(&scene, "speaker")["format"].to_string();
    assert!(format.contains("44100 Hz, 2 ch, S32_LE"), "{format}");
    let mark = scene.remote.mark();
    scene.ask("question-time");
    scene.answered(mark);
    let (left, right) = (scene.played(0), scene.played(1));
    let both = left.len().min(right.len()); // one was read a moment later
    assert!(left[..both] == right[..both]);
    let sent = scene.server.events().spoken(1);
    let length = sent.len() as u64 * 44_100 / 24_000;
    let at_44_khz: Vec<i16> = (0..length).map(|n| between(&sent, n as f64 * 24.0 / 44.1)).collect();
    let alike = alike(&at_44_khz, &left, 3000);
    assert!(alike > 0.95, "{alike:.3} alike");
    scene.end();
}

#[track_caller]
fn check_speaker_that_keeps_what_it_has(take_back: TakeBack) {
    let speaker = StreamOptions { take_back, ..StreamOptions::new(24_000, 1) };
    let long = Turn { pace: Some(0.0), ..Turn::noise(10_000, 3) };
    let scene = Scene::set(on(cards(StreamOptions::new(16_000, 1), speaker), script().turn(long)));
    assert!(scene.log().contains("speaker cannot take sound back"), "{}", scene.log());
    assert_eq!(side(&scene, "speaker")["rewinds"], false);
    let mark = scene.remote.mark();
    scene.ask("question-time");
    scene.phase(mark, "speaking");
    scene.pass(700);
    let mark = scene.remote.mark();
    let asked = scene.ask("stop");
    scene.answered(mark);
    check_cut(&scene, asked.pressed.start, 2);
    scene.end();
}

#[test]
fn a_speaker_that_takes_nothing_back_says_so_and_is_silenced_within_its_shallow_ring() {
    check_speaker_that_keeps_what_it_has(TakeBack::Refused);
}

#[test]
fn a_speaker_that_only_claims_to_take_back_is_found_out() {
    check_speaker_that_keeps_what_it_has(TakeBack::Ignored);
}
