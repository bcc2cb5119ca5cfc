//! Every fault, seen from the client's side.

use std::time::{Duration, Instant};

use fake_gemini::{Event, Fault, Options, Rule, Script, Side, Turn, What, When, now_ns};
use futures_util::future::join_all;
use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::client::{
    Client, PATH, PATIENCE, audio, input, manual, ready, samples, serve, setup_of, utter, with,
};

const SOON: Duration = Duration::from_millis(250);

/// Reads on; gives the audio that came and how the link ended.
async fn to_the_end(client: &mut Client) -> (usize, Option<(u16, String)>) {
    let mut count = 0;
    loop {
        match client.frame().await {
            Ok(Message::Binary(bytes)) => count += samples(&serde_json::from_slice(&bytes).unwrap()).len(),
            Ok(Message::Close(Some(frame))) => {
                return (count, Some((frame.code.into(), frame.reason.to_string())));
            }
            Ok(_) => {}
            Err(_) => return (count, None),
        }
    }
}

#[tokio::test]
async fn the_handshake_is_refused_with_a_status() {
    for status in [401, 403, 404, 429, 503] {
        let server = with(When::Request, Fault::Http { status }).await;
        match Client::try_dial(&server, PATH, Some("k")).await {
            Err(Error::Http(response)) => assert_eq!(response.status(), status),
            other => panic!("{status}: {:?}", other.map(|_| ())),
        }
        // once only
        Client::dial(&server).await;
        assert!(server.events().iter().any(|e| e.what == What::Refused(status)));
    }
}

#[tokio::test]
async fn connecting_fails_before_there_is_a_websocket() {
    for fault in [Fault::Reset, Fault::Cut, Fault::Garbage { bytes: 100 }] {
        for when in [When::Accept, When::Request] {
            let server = with(when, fault.clone()).await;
            let dialled = Client::try_dial(&server, PATH, Some("k")).await;
            assert!(dialled.is_err(), "{fault:?} at {when:?}");
        }
    }
}

#[tokio::test]
async fn a_slow_handshake_takes_its_time() {
    for when in [When::Accept, When::Request, When::Setup] {
        let server = with(when, Fault::Wait { ms: 200 }).await;
        let begun = Instant::now();
        Client::ready(&server, manual()).await;
        assert!(begun.elapsed() >= Duration::from_millis(200), "{when:?}");
        let begun = Instant::now();
        Client::ready(&server, manual()).await;
        assert!(begun.elapsed() < Duration::from_millis(200), "{when:?}: the second link is not slow");
    }
    let server = with(When::Request, Fault::Stall { ms: None }).await;
    let dial = Client::try_dial(&server, PATH, Some("k"));
    assert!(tokio::time::timeout(SOON, dial).await.is_err(), "no answer, ever");
}

#[tokio::test]
async fn the_link_ends_at_every_point_by_close_by_reset_and_by_fin() {
    let points = [
        When::Open,
        When::Setup,
        ready(),
        When::Heard { ms: 200 },
        When::UtteranceEnd,
        When::Answer { ms: 0 },
        When::Answer { ms: 440 },
        When::Generated,
        When::TurnComplete,
    ];
    let close = Fault::Close { code: 1013, reason: "try later".to_owned() };
    let cases =
        points.into_iter().flat_map(|when| [&close, &Fault::Reset, &Fault::Cut].map(|fault| (when, fault)));
    let ends = cases.map(async |(when, fault)| {
        let server = with(when, fault.clone()).await;
        let mut client = Client::dial(&server).await;
        // the link may be gone at any of these
        let _ = client.socket.send(Message::text(manual().to_string())).await;
        let first = client.frame().await;
        if matches!(first, Ok(Message::Binary(_))) && when != ready() {
            talk_to_the_deaf(&mut client).await;
        }
        let (count, end) = match first {
            Ok(Message::Close(Some(frame))) => (0, Some((frame.code.into(), frame.reason.to_string()))),
            Ok(_) => to_the_end(&mut client).await,
            Err(_) => (0, None),
        };
        let scripted = *fault == close;
        assert_eq!(end, scripted.then(|| (1013, "try later".to_owned())), "{fault:?} at {when:?}");
        if scripted && when == (When::Answer { ms: 440 }) {
            assert_eq!(count, 24 * 440, "{when:?}");
        }
        assert!(server.wait(PATIENCE, |e| e.iter().any(|e| e.what == What::Gone)).await);
        let by = if scripted { Side::Server } else { Side::Cut };
        let on_record = |e: &Event| matches!(&e.what, What::Closed { by: who, .. } if *who == by);
        assert!(server.events().iter().any(on_record), "{fault:?} at {when:?}");
    });
    join_all(ends).await;
}

/// An utterance whose sending may fail at any point.
async fn talk_to_the_deaf(client: &mut Client) {
    let mut messages = vec![input("activityStart", json!({}))];
    messages.extend((0..20).map(|_| audio(&[500; 320])));
    messages.push(input("activityEnd", json!({})));
    for message in messages {
        if client.socket.send(Message::text(message.to_string())).await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn a_stall_reads_nothing_and_sends_nothing_for_a_while_or_for_ever() {
    let server = with(When::Answer { ms: 440 }, Fault::Stall { ms: Some(300) }).await;
    let mut client = Client::ready(&server, manual()).await;
    utter(&mut client, &[500; 6400]).await;
    let mut begun = None;
    let mut longest = Duration::ZERO;
    let mut count = 0;
    while count < 24_000 {
        let got = samples(&client.next().await).len();
        if got > 0 {
            longest = longest.max(begun.map_or(Duration::ZERO, |b: Instant| b.elapsed()));
            begun = Some(Instant::now());
            count += got;
        }
    }
    assert!(longest >= Duration::from_millis(290), "{longest:?}");

    let server = with(ready(), Fault::Stall { ms: None }).await;
    let mut client = Client::ready(&server, manual()).await;
    let struck = |e: &[Event]| e.iter().any(|e| matches!(e.what, What::Fault(_)));
    assert!(server.wait(PATIENCE, struck).await);
    client.socket.send(Message::Ping("?".into())).await.unwrap();
    assert!(tokio::time::timeout(SOON, client.socket.next()).await.is_err());
    assert!(!server.events().iter().any(|e| e.what == What::Pinged));
}

#[tokio::test]
async fn a_reset_is_a_reset_and_a_cut_is_none() {
    let server = with(ready(), Fault::Reset).await;
    let error = Client::ready(&server, manual()).await.frame().await.unwrap_err();
    assert!(matches!(&error, Error::Io(e) if e.kind() == std::io::ErrorKind::ConnectionReset), "{error:?}");
    let server = with(ready(), Fault::Cut).await;
    let error = Client::ready(&server, manual()).await.frame().await.unwrap_err();
    assert!(matches!(error, Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)), "{error:?}");
}

#[tokio::test]
async fn a_wait_in_the_talk_says_nothing_and_still_listens() {
    let server = with(ready(), Fault::Wait { ms: 400 }).await;
    let mut client = Client::ready(&server, manual()).await;
    assert!(server.wait(PATIENCE, |e| e.iter().any(|e| matches!(e.what, What::Fault(_)))).await);
    client.socket.send(Message::Ping("?".into())).await.unwrap();
    assert!(server.wait(SOON, |e| e.iter().any(|e| e.what == What::Pinged)).await);
    while !client.frame().await.unwrap().is_pong() {}
    let record = server.events();
    let struck = record.time_of(|w| matches!(w, What::Fault(_))).unwrap();
    assert!(now_ns() - struck >= 400_000_000);
}

#[tokio::test]
async fn stalled_reads_pile_up_at_the_client_while_answers_still_come() {
    let server = with(ready(), Fault::StallReads { ms: None }).await;
    let mut client = Client::ready(&server, manual()).await;
    let struck = |e: &[Event]| e.iter().any(|e| matches!(e.what, What::Fault(_)));
    assert!(server.wait(PATIENCE, struck).await);
    let flood = async {
        for _ in 0..20_000 {
            client.send(audio(&[0; 3200])).await;
        }
    };
    assert!(
        tokio::time::timeout(Duration::from_secs(1), flood).await.is_err(),
        "the client's socket is full"
    );
    assert_eq!(server.events().received(), ["setup"]);
    assert!(server.strike(Fault::Json(json!({"goAway": {}}))));
    let sent = |e: &[Event]| e.iter().any(|e| matches!(&e.what, What::Sent { name, .. } if name == "goAway"));
    assert!(server.wait(PATIENCE, sent).await);
}

#[tokio::test]
async fn faults_are_told_apart_by_link_and_by_turn() {
    let script = Script { rest: Turn { think_ms: Some(5), ..Turn::noise(100, 1) }, ..Script::default() }
        .fault(Rule::new(When::TurnComplete, Fault::Close { code: 4001, reason: String::new() }).on_turn(3))
        .fault(Rule::new(When::Request, Fault::Http { status: 503 }).on_link(2));
    let server = serve(script).await;
    let mut client = Client::ready(&server, setup_of("gemini-3.8-live")).await;
    for _ in 0..3 {
        client.send(input("text", json!("Hi."))).await;
        client.until("turnComplete").await;
    }
    assert_eq!(client.closed().await.0, 4001);
    assert!(Client::try_dial(&server, PATH, Some("k")).await.is_err());
    Client::dial(&server).await;
}

#[tokio::test]
async fn a_script_that_names_what_is_not_there_says_so() {
    let options = Options::script(Script::default().turn(Turn::recording("answer-none"))).plain();
    let server = fake_gemini::FakeGemini::start(options).await.unwrap();
    let mut client = Client::ready(&server, setup_of("gemini-3.8-live")).await;
    client.send(input("text", json!("Hi."))).await;
    assert_eq!(client.closed().await, (1011, "script: there is no recording \"answer-none\"".to_owned()));
}

#[tokio::test]
async fn what_is_swallowed_is_gone_and_only_who_hangs_answers_pings() {
    for (fault, answered) in
        [(Fault::Swallow { ms: Some(300) }, false), (Fault::Hang { ms: Some(300) }, true)]
    {
        let server = with(ready(), fault.clone()).await;
        let mut client = Client::ready(&server, manual()).await;
        assert!(
            server.wait(PATIENCE, |events| events.iter().any(|e| e.what == What::Fault(fault.clone()))).await
        );
        client.send(input("activityStart", json!({}))).await;
        client.socket.send(Message::Ping(b"well?".to_vec().into())).await.unwrap();
        let pong =
            tokio::time::timeout(SOON, async { while !client.frame().await.unwrap().is_pong() {} }).await;
        assert_eq!(pong.is_ok(), answered, "{fault:?}");
        tokio::time::sleep(Duration::from_millis(300)).await; // until it is over: nothing tells
        utter(&mut client, &[500; 1600]).await;
        client.until("turnComplete").await;
        let record = server.events();
        let starts = record
            .iter()
            .filter(|e| matches!(&e.what, What::Received { name, .. } if name == "activityStart"));
        assert_eq!(starts.count(), 1, "{fault:?}: the first one was heard");
    }
}
