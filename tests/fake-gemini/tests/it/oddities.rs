//! Faults that leave the link standing: odd messages, late pongs, phantoms.

use std::time::{Duration, Instant};

use fake_gemini::{Fault, Script, Turn, What, When};
use futures_util::SinkExt;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::client::{Client, PATIENCE, input, manual, ready, samples, serve, utter, with};

const SOON: Duration = Duration::from_millis(250);

#[tokio::test]
async fn messages_that_cannot_be_read() {
    let frame = async |fault: Fault| {
        let server = with(ready(), fault).await;
        let mut client = Client::ready(&server, manual()).await;
        client.frame().await
    };
    assert_eq!(frame(Fault::Text("not JSON".to_owned())).await.unwrap(), Message::text("not JSON"));
    let garbage = frame(Fault::Garbage { bytes: 5000 }).await.unwrap().into_data();
    assert!(garbage.len() == 5000 && serde_json::from_slice::<Value>(&garbage).is_err());
    let truncated = frame(Fault::Truncated).await.unwrap().into_data();
    assert!(serde_json::from_slice::<Value>(&truncated).unwrap_err().is_eof());
    assert!(matches!(frame(Fault::InvalidUtf8).await, Err(Error::Utf8(_))));
    let bad = frame(Fault::BadFrame).await;
    assert!(matches!(bad, Err(Error::Protocol(ProtocolError::InvalidOpcode(11)))), "{bad:?}");
    let huge = frame(Fault::Huge { bytes: 8 << 20 }).await.unwrap().into_data();
    assert!(huge.len() > 8 << 20 && serde_json::from_slice::<Value>(&huge).is_ok());
}

#[tokio::test]
async fn messages_that_can_be_read_and_are_odd() {
    let server = with(ready(), Fault::Json(json!({"setupComplete": {}, "x": 1}))).await;
    let mut client = Client::ready(&server, manual()).await;
    assert_eq!(client.next().await, json!({"setupComplete": {}, "x": 1}));

    let server = with(When::Open, Fault::UnknownFields).await;
    let mut client = Client::dial(&server).await;
    client.send(manual()).await;
    let message = client.next().await;
    assert!(message.get("setupComplete").is_some() && message.get("weatherReport").is_some(), "{message}");

    let server = with(When::Answer { ms: 0 }, Fault::Duplicate { messages: 2 }).await;
    let mut client = Client::ready(&server, manual()).await;
    utter(&mut client, &[500; 6400]).await;
    let parts: Vec<Vec<i16>> =
        client.until("turnComplete").await.iter().map(samples).filter(|s| !s.is_empty()).collect();
    // the first of the two is `{}`
    assert_eq!(parts[0], parts[1]);
    assert_eq!(parts.concat().len(), 24_000 + parts[0].len());
    assert_eq!(server.events().spoken(1).len(), parts.concat().len());

    let server = with(When::Open, Fault::Fragment { pieces: 5 }).await;
    let mut client = Client::ready(&server, manual()).await;
    utter(&mut client, &[500; 6400]).await;
    assert_eq!(client.until("turnComplete").await.iter().flat_map(samples).count(), 24_000);

    let server = with(When::Open, Fault::TextFrames).await;
    let mut client = Client::dial(&server).await;
    client.send(manual()).await;
    assert!(client.frame().await.unwrap().is_text());
}

#[tokio::test]
async fn a_slow_drip_comes_slower_than_it_sounds() {
    let turn = Turn { pace: Some(0.5), ..Turn::noise(600, 1) };
    let server = serve(Script::default().turn(turn)).await;
    let mut client = Client::ready(&server, manual()).await;
    utter(&mut client, &[500; 6400]).await;
    client.until("modelTurn").await;
    let begun = Instant::now();
    client.until("generationComplete").await;
    // the third part begins at 440 ms of sound
    assert!(begun.elapsed() >= Duration::from_millis(840), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn pongs_late_and_never_and_pings_unasked() {
    let server = with(When::Open, Fault::Pong { delay_ms: Some(200) }).await;
    let mut client = Client::ready(&server, manual()).await;
    let begun = Instant::now();
    client.socket.send(Message::Ping("late".into())).await.unwrap();
    while client.frame().await.unwrap() != Message::Pong("late".into()) {}
    assert!(begun.elapsed() >= Duration::from_millis(200));

    let server = with(When::Open, Fault::Pong { delay_ms: None }).await;
    let mut client = Client::ready(&server, manual()).await;
    client.socket.send(Message::Ping("never".into())).await.unwrap();
    assert!(server.wait(PATIENCE, |e| e.iter().any(|e| e.what == What::Pinged)).await);
    let pong = async { while client.frame().await.unwrap() != Message::Pong("never".into()) {} };
    assert!(tokio::time::timeout(SOON, pong).await.is_err());

    let server = with(ready(), Fault::Ping).await;
    let mut client = Client::ready(&server, manual()).await;
    assert!(client.frame().await.unwrap().is_ping());
    client.socket.flush().await.unwrap();
    assert!(server.wait(PATIENCE, |e| e.iter().any(|e| e.what == What::Ponged)).await);
}

#[tokio::test]
async fn phantoms_an_interruption_and_a_turn_nobody_asked_for() {
    let server = with(ready(), Fault::Interrupted).await;
    let mut client = Client::ready(&server, manual()).await;
    assert_eq!(client.next().await["serverContent"]["interrupted"], true);
    assert!(server.strike(Fault::Speak(Box::new(Turn::noise(100, 1)))));
    let spoken = client.until("turnComplete").await;
    assert_eq!(spoken.iter().flat_map(samples).count(), 2400);
    assert!(server.strike(Fault::GoAwayOnly { left_ms: 1 }));
    client.until("goAway").await;
    // it does not keep the word: the link lives on
    client.send(input("text", json!("Still there?"))).await;
    client.until("turnComplete").await;
}
