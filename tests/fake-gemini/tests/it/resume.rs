//! Handles, goAway, and what a resumption demands.

use std::time::Duration;

use fake_gemini::{Fault, Rule, Script, What, When};
use serde_json::{Value, json};

use crate::client::{Client, PATIENCE, input, manual, quick, serve, setup_of};

fn resuming(handle: Option<&str>) -> Value {
    let mut setup = manual();
    setup["setup"]["sessionResumption"] = match handle {
        Some(handle) => json!({"handle": handle}),
        None => json!({}),
    };
    setup
}

fn early_handles() -> Script {
    let mut script = quick();
    script.service.first_handle_ms = 20;
    script
}

/// Waits for an update; gives its handle, empty when the session cannot be resumed.
async fn handle(client: &mut Client) -> String {
    let update = client.until("sessionResumptionUpdate").await.pop().unwrap();
    let update = &update["sessionResumptionUpdate"];
    let handle = update["newHandle"].as_str().unwrap_or("").to_owned();
    assert_eq!(update["resumable"] == true, !handle.is_empty());
    handle
}

#[tokio::test]
async fn handles_come_when_all_is_quiet_and_are_withdrawn_when_it_is_not() {
    let server = serve(early_handles()).await;
    let mut client = Client::ready(&server, resuming(None)).await;
    let first = handle(&mut client).await;
    assert_eq!(first.len(), 36);
    client.send(input("activityStart", json!({}))).await;
    assert_eq!(handle(&mut client).await, "");
    client.speak(&[500; 1600]).await;
    client.send(input("activityEnd", json!({}))).await;
    client.until("turnComplete").await;
    let second = handle(&mut client).await;
    assert!(!second.is_empty() && second != first);
}

#[tokio::test]
async fn a_session_is_resumed_by_any_of_its_handles_once_its_link_is_closed() {
    let server = serve(early_handles()).await;
    let mut first = Client::ready(&server, resuming(None)).await;
    let key = handle(&mut first).await;

    let mut early = Client::dial(&server).await;
    early.send(resuming(Some(&key))).await;
    assert_eq!(early.closed().await, (1011, "Internal error encountered.".to_owned()));

    first.hang_up().await;
    let second = Client::ready(&server, resuming(Some(&key))).await;
    let sessions = |record: &fake_gemini::Record| -> Vec<(u32, bool)> {
        record
            .iter()
            .filter_map(|e| match e.what {
                What::Ready { session, resumed } => Some((session, resumed)),
                _ => None,
            })
            .collect()
    };
    assert_eq!(sessions(&server.events()), [(1, false), (1, true)]);
    second.hang_up().await;

    let not_found = (1008, "BidiGenerateContent session not found".to_owned());
    let close = async |key: &str| {
        let mut client = Client::dial(&server).await;
        client.send(resuming(Some(key))).await;
        client.closed().await
    };
    assert_eq!(close("00000000-0000-0000-0000-000000000000").await, not_found);
    server.forget_sessions();
    assert_eq!(close(&key).await, not_found);

    // the same as a fault of the script
    let forgets = Rule::new(When::Request, Fault::Forget).on_link(2);
    let server = serve(early_handles().fault(forgets)).await;
    let mut first = Client::ready(&server, resuming(None)).await;
    let key = handle(&mut first).await;
    first.hang_up().await;
    let mut second = Client::dial(&server).await;
    second.send(resuming(Some(&key))).await;
    assert_eq!(second.closed().await, not_found);
}

#[tokio::test]
async fn a_handle_nobody_asked_for_comes_from_3_8_and_not_from_2_5() {
    let server = serve(early_handles()).await;
    let mut client = Client::ready(&server, manual()).await;
    assert!(!handle(&mut client).await.is_empty());
    let mut client = Client::ready(&server, setup_of("gemini-2.5-flash-native-audio-latest")).await;
    let update = tokio::time::timeout(Duration::from_millis(150), client.until("sessionResumptionUpdate"));
    assert!(update.await.is_err());
    client.send(input("text", json!("Hi."))).await;
    client.until("turnComplete").await;
    let update = tokio::time::timeout(Duration::from_millis(150), client.until("sessionResumptionUpdate"));
    assert!(update.await.is_err());
}

#[tokio::test]
async fn a_link_that_stalled_lets_its_session_be_resumed() {
    let server = serve(early_handles()).await;
    let mut first = Client::ready(&server, resuming(None)).await;
    let key = handle(&mut first).await;
    assert!(server.strike(Fault::Stall { ms: None }));
    assert!(server.wait(PATIENCE, |e| e.iter().any(|e| matches!(e.what, What::Fault(_)))).await);
    Client::ready(&server, resuming(Some(&key))).await;
}

#[tokio::test]
async fn go_away_is_announced_and_kept() {
    let mut script = early_handles();
    script.service.go_away_after_ms = 50;
    script.service.go_away_left_ms = 200;
    let server = serve(script).await;
    let mut client = Client::ready(&server, resuming(None)).await;
    let announced = client.until("goAway").await.pop().unwrap();
    assert_eq!(announced["goAway"]["timeLeft"], "0.200s");
    let (code, reason) = client.closed().await;
    assert!(code == 1008 && reason.contains("GoAway"), "{code} {reason}");
    let record = server.events();
    let sent = |wanted: &'static str| {
        record.time_of(|w| matches!(w, What::Sent { name, .. } if name == wanted)).unwrap()
    };
    let closed = record.time_of(|w| matches!(w, What::Closed { .. })).unwrap();
    // a message can be written later than it was due, so the spans may be a little short
    assert!(sent("goAway") - sent("setupComplete") >= 25_000_000);
    assert!(closed - sent("goAway") >= 100_000_000);
}

#[tokio::test]
async fn offline_cuts_every_link_and_online_serves_the_old_sessions() {
    let server = serve(early_handles()).await;
    let mut client = Client::ready(&server, resuming(None)).await;
    let key = handle(&mut client).await;
    server.offline().await.unwrap();
    assert!(client.frame().await.is_err(), "cut without a close frame");
    assert!(tokio::net::TcpStream::connect(server.address()).await.is_err());
    server.online().await.unwrap();
    Client::ready(&server, resuming(Some(&key))).await;
    assert!(
        server
            .wait(PATIENCE, |e| e.iter().any(|e| matches!(e.what, What::Ready { resumed: true, .. })))
            .await
    );
    assert!(server.wait(Duration::from_secs(5), |e| e.iter().any(|e| e.what == What::Gone)).await);
}
