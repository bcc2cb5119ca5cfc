//! Frames, upgrade and the record of both.

use std::time::Duration;

use fake_gemini::{Fault, KeyFrom, Rule, Side, What, When, now_ns};
use futures_util::SinkExt;
use serde_json::json;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::client::{Client, PATH, PATIENCE, audio, input, manual, quick, serve, setup_of};

#[tokio::test]
async fn replies_are_binary_and_pretty_printed_with_a_line_feed() {
    let server = serve(quick()).await;
    let mut client = Client::dial(&server).await;
    client.send(setup_of("gemini-3.8-live")).await;
    let expected: &[u8] = b"{\n  \"setupComplete\": {}\n}\n";
    assert_eq!(client.frame().await.unwrap(), Message::binary(expected));
}

#[tokio::test]
async fn text_and_binary_and_both_spellings_are_understood() {
    let server = serve(quick()).await;
    let mut client = Client::dial(&server).await;
    let setup = json!({"setup": {"model": "models/gemini-3.8-live", "realtime_input_config":
        {"automatic_activity_detection": {"disabled": true}}}});
    client.socket.send(Message::binary(setup.to_string())).await.unwrap();
    assert_eq!(client.next().await, json!({"setupComplete": {}}));
    client.send(json!({"realtime_input": {"activity_start": {}}})).await;
    client
        .send(json!({"realtime_input": {"audio": {"data": "_-8", "mime_type": "audio/pcm;rate=16000"}}}))
        .await;
    client.send(json!({"realtime_input": {"activity_end": {}}})).await;
    client.until("turnComplete").await;
    let record = server.events();
    assert_eq!(record.received(), ["setup", "activityStart", "audio", "activityEnd"]);
    assert_eq!(record.heard(), [i16::from_le_bytes([0xff, 0xef])]);
}

#[tokio::test]
async fn other_paths_are_not_found_and_the_key_in_the_url_is_noticed() {
    let server = serve(quick()).await;
    let tokens = format!("{PATH}Constrained");
    for (path, status) in [("/", 404), (&PATH.replace("v1beta", "v2"), 404), (&tokens, 401)] {
        match Client::try_dial(&server, path, Some("k")).await {
            Err(Error::Http(response)) => assert_eq!(response.status(), status, "{path}"),
            other => panic!("{path}: {:?}", other.map(|_| ())),
        }
    }
    Client::dial(&server).await;
    Client::try_dial(&server, &format!("{PATH}?key=secret"), None).await.unwrap();
    let record = server.events();
    let keys: Vec<KeyFrom> = record
        .iter()
        .filter_map(|e| match &e.what {
            What::Requested(request) => Some(request.key),
            _ => None,
        })
        .collect();
    assert_eq!(keys[3..], [KeyFrom::Header, KeyFrom::Url]);
    assert_eq!(record.complaints(), ["the key is in the URL"]);
    assert!(!format!("{record:?}").contains("secret"));
}

#[tokio::test]
async fn what_is_not_json_and_not_one_message_is_refused() {
    let server = serve(quick()).await;
    let mut client = Client::ready(&server, manual()).await;
    client.socket.send(Message::text("{\"realtimeInput\": ")).await.unwrap();
    let (code, reason) = client.closed().await;
    assert!(code == 1007 && reason.starts_with("Invalid JSON payload received."), "{code} {reason}");

    let check = async |message: serde_json::Value, begin: &str| {
        let mut client = Client::ready(&server, manual()).await;
        client.send(input("activityStart", json!({}))).await;
        client.send(message.clone()).await;
        let (code, reason) = client.closed().await;
        assert!(code == 1007 && reason.starts_with(begin), "{message}: {code} {reason}");
    };
    let invalid = "Request contains an invalid argument.";
    check(
        json!({"realtimeInput": {"activityEnd": {}, "text": "hi"}}),
        "Invalid value at 'realtime_input' (oneof)",
    )
    .await;
    check(json!({"realtimeInput": {}}), invalid).await;
    check(json!({"realtimeInput": {"audio": {"data": "AAA=", "mimeType": "audio/opus"}}}), invalid).await;
    // an odd number of bytes
    check(json!({"realtimeInput": {"audio": {"data": "AAAA", "mimeType": "audio/pcm"}}}), invalid).await;
    check(json!({"realtimeInput": {"video": {"data": "AAAA", "mimeType": "video/mp4"}}}), invalid).await;
    check(
        json!({"realtimeInput": {"mediaChunks": [{"data": "AAA=", "mimeType": "audio/pcm"}]}}),
        "realtime_input.media_chunks is deprecated.",
    )
    .await;
    check(
        json!({"interrupt": true}),
        "Invalid JSON payload received. Unknown name \"interrupt\": Cannot find field.",
    )
    .await;
}

#[tokio::test]
async fn every_message_is_recorded_with_the_time_its_bytes_came() {
    let server = serve(quick()).await;
    let mut client = Client::ready(&server, manual()).await;
    let spoken: Vec<i16> = (0..3200).collect();
    client.send(input("activityStart", json!({}))).await;
    let mut windows = Vec::new();
    for (number, chunk) in spoken.chunks(320).enumerate() {
        let before = now_ns();
        client.send(audio(chunk)).await;
        let seen = |events: &[fake_gemini::Event]| {
            events.iter().filter(|e| matches!(e.what, What::Audio { .. })).count() == number + 1
        };
        assert!(server.wait(PATIENCE, seen).await);
        windows.push((before, now_ns()));
    }
    let record = server.events();
    assert_eq!(record.heard(), spoken);
    let chunks = record.iter().filter(|e| matches!(e.what, What::Audio { .. }));
    for (event, (before, after)) in chunks.zip(windows) {
        assert!((before..after).contains(&event.at_ns), "{} not in {before}..{after}", event.at_ns);
    }
    // 10 chunks of 640 bytes in base64 and their JSON
    let bytes = record.of_link(1).bytes_received();
    assert!((10 * 900..10 * 1000 + 500).contains(&bytes), "{bytes}");
    client.hang_up().await;
    assert!(server.wait(PATIENCE, |events| events.iter().any(|e| e.what == What::Gone)).await);
    let closed = What::Closed { by: Side::Client, code: 1005, reason: String::new() };
    assert!(server.events().iter().any(|e| e.what == closed));
}

#[tokio::test]
async fn a_ping_is_answered_and_a_link_without_talk_is_closed() {
    let mut script = quick().fault(Rule::new(When::Ready { after_ms: 150 }, Fault::Ping));
    script.service.idle_close_ms = 300;
    let server = serve(script).await;
    let mut client = Client::ready(&server, manual()).await;
    client.socket.send(Message::Ping("hello".into())).await.unwrap();
    assert_eq!(client.frame().await.unwrap(), Message::Pong("hello".into()));
    // the server's ping tells that time has passed; a message then starts the clock again
    assert!(client.frame().await.unwrap().is_ping());
    client.send(input("activityStart", json!({}))).await;
    client.socket.send(Message::Ping("no talk".into())).await.unwrap();
    assert_eq!(client.closed().await, (1008, "The operation was aborted.".to_owned()));
    let record = server.events();
    let last =
        record.time_of(|w| matches!(w, What::Received { name, .. } if name == "activityStart")).unwrap();
    let closed = record.time_of(|w| matches!(w, What::Closed { .. })).unwrap();
    let idle = Duration::from_nanos(closed - last);
    assert!(idle > Duration::from_millis(290), "{idle:?}");
}
