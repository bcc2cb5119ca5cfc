//! Listening, answering, being interrupted.

use fake_gemini::{Record, Script, Turn, What, audio::recording};
use serde_json::{Value, json};

use crate::client::{
    Client, all_samples, audio, input, is_sent, manual, quick, samples, serve, setup_of, utter, words,
};

static SILENCE: [i16; 16_000] = [0; 16_000];

fn millis_between(record: &Record, from: impl Fn(&What) -> bool, to: impl Fn(&What) -> bool) -> f64 {
    (record.time_of(to).unwrap() as f64 - record.time_of(from).unwrap() as f64) / 1e6
}

#[tokio::test]
async fn push_to_talk_is_heard_and_answered_in_the_order_of_3_8() {
    let script = Script::default().turn(Turn::recording("answer-time").hear("What time is it?"));
    let server = serve(script).await;
    let mut client = Client::ready(&server, manual()).await;
    let question = recording("question-time").unwrap();
    utter(&mut client, &question.samples).await;
    let messages = client.until("turnComplete").await;

    let answer = recording("answer-time").unwrap();
    assert_eq!(all_samples(&messages), *answer.samples);
    assert_eq!(words(&messages, "outputTranscription"), answer.words);
    assert_eq!(words(&messages, "inputTranscription"), "What time is it?");
    let record = server.events();
    assert_eq!(record.heard(), *question.samples);
    assert_eq!(record.spoken(1), *answer.samples);
    let sent: Vec<&str> =
        record.sent().into_iter().filter(|name| *name != "audio" && !name.is_empty()).collect();
    let expected = [
        "setupComplete",
        "inputTranscription",
        "sessionResumptionUpdate",
        "serverContent",
        "generationComplete",
        "turnComplete",
    ];
    // the first handle may come before, between or not at all, depending on how fast the question was
    let without = |names: &[&'static str]| -> Vec<&str> {
        names.iter().copied().filter(|n| *n != "sessionResumptionUpdate").collect()
    };
    let sent: Vec<&str> = sent.into_iter().filter(|n| *n != "sessionResumptionUpdate").collect();
    assert_eq!(sent, without(&expected));

    // think time, pace and the assumed playback; late is possible on a busy machine, early is not
    let first = |w: &What| matches!(w, What::SentAudio { .. });
    let end = |w: &What| matches!(w, What::UtteranceEnded { .. });
    let think = millis_between(&record, end, first);
    assert!((250.0..2000.0).contains(&think), "{think}");
    let generated = millis_between(&record, end, |w| is_sent(w, "generationComplete"));
    // the last of its parts begins at 1880 ms
    assert!((250.0 + 1880.0 / 4.0..2000.0).contains(&generated), "{generated}");
    let played = millis_between(&record, end, |w| is_sent(w, "turnComplete"));
    assert!((250.0 + 1986.0..6000.0).contains(&played), "{played}");
}

#[tokio::test]
async fn detected_speech_ends_after_silence_in_the_stream_and_not_without_it() {
    let server = serve(quick()).await;
    let mut client = Client::ready(&server, setup_of("gemini-3.8-live")).await;
    client.speak(&recording("question-lamp").unwrap().samples).await;
    // no audio is no silence: nothing ends although time passes (the handle shows that it does)
    let messages = client.until("sessionResumptionUpdate").await;
    assert_eq!(messages[0]["voiceActivity"]["type"], "ACTIVITY_START");
    assert!(server.events().time_of(|w| matches!(w, What::UtteranceEnded { .. })).is_none());
    client.speak(&SILENCE).await;
    let messages = client.until("turnComplete").await;
    assert_eq!(words(&messages, "inputTranscription"), "Utterance 1.");
    let offset = messages.iter().find_map(|m| m["voiceActivity"]["audioOffset"].as_str()).unwrap();
    // 1.59 s of speech, its last 10 ms frame with silence in it, and 500 ms of silence
    assert!(offset.starts_with("2.") && offset.ends_with('s'), "{offset}");
}

#[tokio::test]
async fn a_pause_in_the_question_ends_it_or_not_as_the_setup_says() {
    let question = recording("question-moon").unwrap();
    let ends = async |silence_ms: u64| {
        let server = serve(quick()).await;
        let mut setup = setup_of("gemini-3.8-live");
        setup["setup"]["realtimeInputConfig"] = json!({"automaticActivityDetection":
            {"silenceDurationMs": silence_ms, "endOfSpeechSensitivity": "END_SENSITIVITY_LOW"}});
        let mut client = Client::ready(&server, setup).await;
        client.speak(&[&question.samples, &[0; 48_000][..]].concat()).await;
        client.until("turnComplete").await;
        server.events().iter().filter(|e| matches!(e.what, What::UtteranceEnded { .. })).count()
    };
    assert_eq!(ends(400).await, 2);
    assert_eq!(ends(1500).await, 1);
}

#[tokio::test]
async fn audio_stream_end_ends_the_utterance_at_once() {
    let server = serve(quick()).await;
    let mut client = Client::ready(&server, setup_of("gemini-3.8-live")).await;
    client.speak(&recording("question-time").unwrap().samples).await;
    client.send(input("audioStreamEnd", json!(true))).await;
    client.until("turnComplete").await;
    // and marks of activity are ignored in this mode
    client.send(input("activityStart", json!({}))).await;
    client.send(input("activityEnd", json!({}))).await;
    client.send(input("text", json!("And tomorrow?"))).await;
    client.until("turnComplete").await;
    let expected =
        ["activityStart with automatic activity detection", "activityEnd with automatic activity detection"];
    assert_eq!(server.events().complaints(), expected);
}

#[tokio::test]
async fn the_rules_of_marked_activity() {
    let server = serve(quick()).await;
    let close = async |messages: &[Value]| {
        let mut client = Client::ready(&server, manual()).await;
        for message in messages {
            client.send(message.clone()).await;
        }
        client.closed().await
    };
    let start = input("activityStart", json!({}));
    let end = input("activityEnd", json!({}));
    let chunk = audio(&[100; 320]);
    let invalid = (1007, "Request contains an invalid argument.".to_owned());
    let precondition = (1007, "Precondition check failed".to_owned() + ".");
    // audio before the first activity
    assert_eq!(close(std::slice::from_ref(&chunk)).await, invalid);
    assert_eq!(close(&[start.clone(), input("audioStreamEnd", json!(true))]).await, invalid);
    assert_eq!(close(&[start.clone(), input("text", json!("hi"))]).await, precondition);
    assert_eq!(close(std::slice::from_ref(&end)).await, precondition);
    // an activity of nothing, in a session of nothing
    assert_eq!(close(&[start.clone(), end.clone()]).await, invalid);

    // audio between two activities passes and is not heard
    let mut client = Client::ready(&server, manual()).await;
    for message in [&start, &chunk, &end, &chunk, &start, &start, &chunk, &end] {
        client.send(message.clone()).await;
    }
    client.until("turnComplete").await;
    let record = server.events();
    let link = record.iter().map(|e| e.link).max().unwrap();
    let record = record.of_link(link);
    assert_eq!(record.heard().len(), 640);
    assert_eq!(
        record.complaints(),
        ["audio outside an activity is not heard", "activityStart within an activity"]
    );
}

#[tokio::test]
async fn speaking_over_the_answer_interrupts_it_and_stale_parts_follow() {
    let mut script = Script::default().turn(Turn::noise(4000, 1)).turn(Turn::recording("answer-lamp"));
    script.service.stale_parts = 2;
    script.service.interrupted_with_audio = true;
    let server = serve(script).await;
    let mut client = Client::ready(&server, manual()).await;
    utter(&mut client, &[500; 1600]).await;
    client.until("modelTurn").await;
    client.send(input("activityStart", json!({}))).await;
    let cut = client.until("turnComplete").await;
    let at = cut.iter().position(|m| m["serverContent"]["interrupted"] == true).unwrap();
    assert!(!samples(&cut[at]).is_empty(), "the message says both");
    assert_eq!(cut[at + 1..].iter().filter(|m| !samples(m).is_empty()).count(), 2);
    assert!(!cut.iter().any(|m| m["serverContent"]["generationComplete"] == true));
    client.speak(&[500; 1600]).await;
    client.send(input("activityEnd", json!({}))).await;
    let next = client.until("turnComplete").await;
    assert_eq!(all_samples(&next), *recording("answer-lamp").unwrap().samples);
}

#[tokio::test]
async fn speech_during_the_assumed_playback_interrupts_too_unless_it_must_not() {
    let interrupted = async |handling: &str| {
        let mut script = Script::default().turn(Turn::noise(1500, 1)).turn(Turn::noise(300, 2));
        script.service.pace = 0.0;
        let server = serve(script).await;
        let mut setup = setup_of("gemini-3.8-live");
        setup["setup"]["realtimeInputConfig"] = json!({"activityHandling": handling});
        let mut client = Client::ready(&server, setup).await;
        client.speak(&[&[3000; 3200][..], &SILENCE].concat()).await;
        client.until("generationComplete").await;
        client.speak(&[&[3000; 3200][..], &SILENCE].concat()).await;
        let rest = client.until("turnComplete").await;
        let next = client.until("turnComplete").await;
        assert_eq!(all_samples(&next).len(), 7200);
        rest.iter().any(|m| m["serverContent"]["interrupted"] == true)
    };
    assert!(interrupted("START_OF_ACTIVITY_INTERRUPTS").await);
    assert!(!interrupted("NO_INTERRUPTION").await);
}
