//! Links that end and messages that make no sense: what was said still arrives, and the daemon stays.

use fake_gemini::{Fault, Rule, Script, Side, Turn, What, When};
use serde_json::json;
use tests::measure::{find, first_sound};

use crate::refusals::NO_MORE;
use crate::scene::{Asked, Scene, WAIT, closes, dials, messages};

fn script() -> Script {
    let mut script = Script { rest: Turn::noise(400, 1), ..Script::default() };
    script.service.first_handle_ms = 1;
    script
}

/// All of what was asked is on this link, from the same sample on as before.
#[track_caller]
fn check_sent_again(scene: &Scene, asked: &Asked, link: u32) {
    let utterances = scene.utterances();
    let last = utterances.last().unwrap();
    assert_eq!(last.link, link);
    let span = last.whole();
    assert!(span.start < asked.words.start && span.end > asked.words.end);
    let first = utterances[0].heard.span().unwrap();
    assert_eq!(span.start, first.start as u64, "the beginning is missing the second time");
}

#[test]
fn an_utterance_torn_by_a_reset_is_sent_again_whole() {
    let torn = script().fault(Rule::new(When::Heard { ms: 900 }, Fault::Reset).on_link(1));
    let scene = Scene::of("hold", "", torn);
    let mark = scene.remote.mark();
    let asked = scene.ask("question-rain");
    scene.answered(mark);
    check_sent_again(&scene, &asked, 2);
    scene.end();
}

#[test]
fn a_question_whose_answer_never_began_is_asked_again() {
    let torn = script().fault(Rule::new(When::UtteranceEnd, Fault::Cut).on_link(1));
    let scene = Scene::of("hold", "", torn);
    let mark = scene.remote.mark();
    let asked = scene.ask("question-time");
    scene.answered(mark);
    check_sent_again(&scene, &asked, 2);
    scene.end();
}

#[test]
fn what_came_of_an_answer_before_the_link_was_lost_is_heard() {
    let torn = script().turn(Turn::noise(4000, 2)).fault(Rule::new(When::Answer { ms: 1500 }, Fault::Reset));
    let scene = Scene::of("hold", "", torn);
    let mark = scene.remote.mark();
    scene.ask("question-time");
    scene.answered(mark);
    let (played, sent) = (scene.played(0), scene.server.events().spoken(1));
    // The last part may be lost with the link.
    let most = &sent[..24 * 1000];
    let begin = find(&played, most, 0).expect("what came is heard");
    assert_eq!(first_sound(&played[..begin]), None);
    assert_eq!(scene.utterances().len(), 1, "a question that was being answered is not asked again");
    scene.end();
}

/// The server has made a handle since it spoke last.
#[track_caller]
fn handle_sent(scene: &Scene) {
    let is_handle = |what: &What| match what {
        What::Sent { message, .. } => message["sessionResumptionUpdate"]["resumable"] == true,
        _ => false,
    };
    scene.server_until("a handle after the turn", |events| {
        let last = events.iter().rfind(|e| is_handle(&e.what) || matches!(e.what, What::SentAudio { .. }));
        last.is_some_and(|e| is_handle(&e.what))
    });
}

#[test]
fn each_close_code_means_what_the_protocol_says() {
    let scene = Scene::of("hold", "", script());
    let mut links = 1;
    let mark = scene.remote.mark();
    scene.ask("stop");
    scene.answered(mark);
    handle_sent(&scene);
    for (code, reason, resumes) in [
        (1011, "Internal error encountered.", true),
        (1008, "Session closed: the time announced by GoAway is over.", true),
        (1008, "The operation was aborted.", false),
        (1007, "Request contains an invalid argument.", false),
        (1001, "", true),
    ] {
        let mark = scene.remote.mark();
        assert!(scene.server.strike(Fault::Close { code, reason: reason.into() }));
        let down = scene.told(mark, "link_down").value;
        assert_eq!(
            (&down["code"], &down["reason"], &down["retry"]),
            (&json!(code), &json!(reason), &json!(true))
        );
        scene.ask("stop");
        scene.answered(mark);
        links += 1;
        handle_sent(&scene);
        let record = scene.server.events();
        assert_eq!(dials(&record), links, "one dial, and only when somebody asks");
        let (_, setup) = messages(&record, "setup").last().unwrap();
        let handle = &setup["setup"]["sessionResumption"]["handle"];
        assert_eq!(handle.is_string(), resumes, "{code} {reason}: {setup}");
    }
    scene.end();
}

#[test]
fn messages_that_make_no_sense_are_counted_and_survived() {
    let scene = Scene::of("hold", "", script());
    let mark = scene.remote.mark();
    scene.ask("question-time");
    scene.answered(mark);
    let nonsense = [
        Fault::Garbage { bytes: 500 },
        Fault::Garbage { bytes: 200_000 },
        Fault::Text("this is not JSON".into()),
        Fault::Text(String::new()),
        Fault::Truncated,
        Fault::Json(json!([1, 2, 3])),
        Fault::Json(json!({"nobodyKnowsThis": {"a": [null]}})),
        Fault::Json(json!({"serverContent": "a string"})),
        Fault::Json(json!({"setupComplete": {}})),
        Fault::Json(json!({"serverContent": {"modelTurn": {"parts": [{"inlineData":
            {"mimeType": "audio/pcm;rate=24000", "data": "not base64!"}}]}}})),
        Fault::Huge { bytes: 3 << 20 },
    ];
    let total = |scene: &Scene| -> u64 {
        let unread = scene.unread();
        unread.as_object().unwrap().values().filter_map(serde_json::Value::as_u64).sum()
    };
    for (n, fault) in nonsense.iter().enumerate() {
        let mark = scene.remote.mark();
        assert!(scene.server.strike(fault.clone()));
        scene.remote.wait(mark, WAIT, |e| e.name == "unread").unwrap_or_else(|e| panic!("{fault:?}: {e}"));
        assert!(total(&scene) > n as u64, "{fault:?} was not counted: {}", scene.unread());
    }
    let kinds = scene.unread().as_object().unwrap().len();
    assert_eq!(scene.log().matches("could not be used").count(), kinds, "each kind is logged once");
    let mark = scene.remote.mark();
    scene.ask("question-rain");
    scene.answered(mark);
    assert_eq!(dials(&scene.server.events()), 1, "the link was good all the time");
    assert!(find(&scene.played(0), &scene.server.events().spoken(2), 0).is_some());
    scene.end();
}

#[test]
fn frames_that_break_the_protocol_cost_the_link_and_nothing_else() {
    let bad = [
        Fault::InvalidUtf8,
        Fault::BadFrame,
        Fault::Huge { bytes: 20 << 20 }, // more than any message is allowed to be
    ];
    let mut script = script();
    for (n, fault) in bad.iter().enumerate() {
        let rule = Rule::new(When::Heard { ms: 700 }, fault.clone());
        script.faults.push(rule.on_link(2 * n as u32 + 1));
    }
    let scene = Scene::of("hold", "", script);
    for (n, end) in bad.iter().enumerate() {
        let mark = scene.remote.mark();
        let asked = scene.ask("question-time");
        scene.answered(mark);
        let link = 2 * n as u32 + 2;
        let utterances = scene.utterances();
        let last = utterances.last().unwrap();
        assert_eq!(last.link, link, "{:?}", end);
        let span = last.whole();
        assert!(span.start < asked.words.start && span.end > asked.words.end);
        // The good link goes, so that the next question begins on a new one.
        let mark = scene.remote.mark();
        assert!(scene.server.strike(Fault::Close { code: 1001, reason: String::new() }));
        scene.told(mark, "link_down");
    }
    let rss_kb = scene.daemon.usage().unwrap().rss_kb;
    assert!(rss_kb < 80 << 10, "{rss_kb} kB after a message of 20 MB");
    scene.end();
}

#[test]
fn odd_but_legal_messages_are_understood() {
    let odd = Rule::new(When::Open, Fault::UnknownFields)
        .and(Fault::Fragment { pieces: 7 })
        .and(Fault::TextFrames)
        .and(Fault::Ping)
        .times(0);
    let twice = Rule::new(When::Generated, Fault::Duplicate { messages: 3 }).times(0);
    let first = Turn { thought: Some("let me think".into()), empty_first: true, ..Turn::noise(800, 3) };
    let scene = Scene::of("hold", "", script().turn(first).fault(odd).fault(twice));
    for turn in 1..=2 {
        let mark = scene.remote.mark();
        scene.ask("question-time");
        scene.answered(mark);
        let sent = scene.server.events().spoken(turn);
        assert!(find(&scene.played(0), &sent, 0).is_some(), "answer {turn} is not whole");
    }
    let record = scene.server.events();
    assert!(record.iter().any(|e| e.what == What::Ponged), "a ping is answered");
    assert_eq!(dials(&record), 1);
    scene.end();
}

#[test]
fn a_go_away_waits_for_the_answer_and_the_next_talk_resumes() {
    let leave = Rule::new(When::Answer { ms: 400 }, Fault::GoAway { left_ms: 50_000 }).on_link(1);
    let scene = Scene::of("hold", "", script().turn(Turn::noise(1500, 4)).fault(leave));
    let mark = scene.remote.mark();
    scene.ask("question-time");
    scene.answered(mark);
    scene.server_until("the link is over", |events| !closes(events).is_empty());
    let record = scene.server.events();
    assert_eq!(closes(&record), [(1, Side::Client, 1000)]);
    assert!(find(&scene.played(0), &record.spoken(1), 0).is_some(), "the answer is whole");

    let mark = scene.remote.mark();
    scene.ask("question-time");
    scene.answered(mark);
    // And now while nobody talks.
    let mark = scene.remote.mark();
    assert!(scene.server.strike(Fault::GoAway { left_ms: 50_000 }));
    scene.server_until("the second link is over", |events| closes(events).len() == 2);
    assert!(!scene.server.wait_blocking(NO_MORE, |events| dials(events) > 2), "nobody wants a link now");
    scene.ask("question-time");
    scene.answered(mark);
    let record = scene.server.events();
    let resumed = |message: &serde_json::Value| message["setup"]["sessionResumption"]["handle"].is_string();
    let handles: Vec<bool> = messages(&record, "setup").map(|(_, message)| resumed(message)).collect();
    assert_eq!(handles, [false, true, true]);
    scene.end();
}
