//! What takes hours: a day without a server, a link that grows old. Nothing is captured meanwhile, which a talk of
//! tests/talks would have to do.

mod rig;

use std::time::Duration;

use pressel_live::event::{Action, ButtonInput, Cause, Input, Line, LinkInput, Note, Phase};
use pressel_live::settings::{OpenStart, Settings, TalkMode};
use rig::{Rig, settings};
use serde_json::json;

const MINUTE: Duration = Duration::from_secs(60);

fn always() -> TalkMode {
    TalkMode::Open { start: OpenStart::Always, idle: None }
}

/// A talk in open mode on a link that has just come up.
fn open_talk() -> Rig {
    let mut rig = Rig::new(settings(TalkMode::Open { start: OpenStart::Press, idle: None }), true);
    rig.input(Input::Button(ButtonInput::Press));
    assert!(rig.conversation.is_link_up());
    rig.says(&json!({ "sessionResumptionUpdate": { "newHandle": "h-1", "resumable": true } }));
    rig
}

fn dials(rig: &Rig) -> usize {
    rig.done.iter().filter(|action| matches!(action, Action::Dial { .. })).count()
}

fn told(rig: &Rig) -> Vec<Line> {
    rig.done
        .iter()
        .filter_map(|action| if let Action::Tell(line) = action { Some(*line) } else { None })
        .collect()
}

#[test]
fn a_day_without_a_server_is_three_thousand_dials_at_most_and_one_word_to_the_person() {
    for (seed, cause) in [(1, Cause::Connect), (2, Cause::Lookup), (3, Cause::Cut), (4, Cause::Http(503))] {
        let mut settings = settings(always());
        settings.seed = seed;
        let mut rig = Rig::new(settings, false);
        (rig.obliging, rig.fails) = (true, Some(cause));
        rig.input(Input::Link(rig.link, LinkInput::Failed { cause, reason: String::new() }));
        rig.pass(24 * 60 * MINUTE);
        let count = dials(&rig);
        assert!((2_500..=3_000).contains(&count), "{count} dials after {cause:?}");
        assert_eq!(told(&rig).len(), 1, "{cause:?}");
        assert_eq!(rig.shown(), Some(Phase::Offline));
        rig.fails = None;
        rig.pass(Duration::from_secs(33));
        assert_eq!(rig.shown(), Some(Phase::Listening), "ready again after {cause:?}");
    }
}

#[test]
fn after_an_outage_of_up_to_a_minute_it_is_ready_within_one_second() {
    for length_ms in (100..60_000).step_by(490) {
        let mut rig = open_talk();
        rig.pass(MINUTE / 2);
        rig.fails = Some(Cause::Connect);
        rig.input(Input::Link(rig.link, LinkInput::Closed { code: 1006, reason: String::new() }));
        rig.pass(Duration::from_millis(length_ms));
        rig.fails = None;
        rig.pass(Duration::from_secs(1));
        assert!(rig.conversation.is_link_up(), "after {length_ms} ms");
    }
}

#[test]
fn whoever_presses_in_an_outage_of_a_day_is_not_dialled_for_each_second_again() {
    let mut rig = Rig::new(settings(rig::hold()), true);
    rig.fails = Some(Cause::Connect);
    for _ in 0..24 * 6 {
        let before = dials(&rig);
        rig.input(Input::Button(ButtonInput::Press));
        assert!(dials(&rig) > before, "dialled at once");
        rig.chunk(true);
        rig.pass(Duration::from_secs(1));
        rig.chunk(true);
        rig.input(Input::Button(ButtonInput::Release));
        rig.pass(10 * MINUTE);
    }
    // Words wait 6 s at most for a dial, and a minute for an answer: 13 dials for each of 144 presses.
    assert!(dials(&rig) <= 1_900, "{} dials", dials(&rig));
    assert_eq!(rig.shown(), Some(Phase::Idle));
}

#[test]
fn nobody_talks_and_nobody_dials_for_a_day() {
    let mut rig = Rig::new(settings(rig::hold()), true);
    rig.fails = Some(Cause::Connect);
    for up in [false, true, false, true] {
        rig.input(Input::Network(up));
        rig.pass(6 * 60 * MINUTE);
    }
    assert_eq!(dials(&rig), 0);
}

#[test]
fn a_link_that_nobody_asks_to_go_is_left_in_a_pause_before_its_58_minutes_are_over() {
    let mut rig = open_talk();
    rig.pass(53 * MINUTE);
    assert_eq!(dials(&rig), 1);
    rig.says(&json!({ "sessionResumptionUpdate": { "newHandle": "h-2", "resumable": true } }));
    rig.pass(2 * MINUTE);
    assert_eq!(dials(&rig), 2);
    let resumed = rig
        .done
        .iter()
        .any(|action| matches!(action, Action::Send { message, .. } if message.contains("h-2")));
    assert!(resumed && rig.conversation.is_link_up());
}

#[test]
fn a_link_on_which_the_model_waits_for_what_was_stopped_is_made_anew_before_the_server_cuts_it() {
    let tools = vec![json!({ "functionDeclarations": [{ "name": "lamp" }] })];
    let open = TalkMode::Open { start: OpenStart::Press, idle: None };
    let model = "gemini-3.1-flash-live-preview".to_owned(); // takes no sound while a call waits
    let mut rig = Rig::new(Settings { model, tools, ..settings(open) }, true);
    rig.input(Input::Button(ButtonInput::Press));
    rig.obliging = false;
    rig.says(&json!({ "toolCall": { "functionCalls": [{ "id": "id-1", "name": "lamp", "args": {} }] } }));
    rig.input(Input::Stop);
    rig.obliging = true;
    rig.pass(Duration::from_secs(80));
    assert_eq!(dials(&rig), 2);
    assert!(rig.conversation.is_link_up());
    rig.pass(Duration::from_secs(80));
    assert_eq!(dials(&rig), 2, "silence keeps this one");
}

#[test]
fn an_old_link_is_left_by_57_minutes_in_the_middle_of_a_word_and_the_word_is_said_again() {
    let mut rig = open_talk();
    // The gate opens before it is old and closes once a minute; then the person is waited for, so there is no pause.
    rig.pass(53 * MINUTE + MINUTE / 2);
    rig.input(Input::Microphone(pressel_live::event::MicrophoneInput::Opened { listen: rig.listen }));
    rig.pass(3 * MINUTE + Duration::from_secs(24));
    assert_eq!(dials(&rig), 1);
    let before = rig.done.len();
    for _ in 0..50 * 12 {
        rig.pass(Duration::from_millis(20));
        rig.chunk(true);
    }
    assert_eq!(dials(&rig), 2);
    let lost = rig.done.iter().any(|action| matches!(action, Action::Note(Note::SpeechDropped { .. })));
    assert!(!lost, "12 s are less than what is kept");
    let sent = |from: &[Action]| -> usize {
        from.iter()
            .filter_map(|action| match action {
                Action::Send { message, .. } if rig::kind(message) == "audio" => Some(rig::samples(message)),
                _ => None,
            })
            .sum()
    };
    let dialled = rig.done.iter().rposition(|action| matches!(action, Action::Dial { .. })).expect("dialled");
    assert_eq!(sent(&rig.done[dialled..]), 12 * 16_000, "all of it on the new link");
    assert!(sent(&rig.done[before..dialled]) > 16_000, "and its beginning on the old one");
}
