//! What is answered, and in which shape.

use std::time::Duration;

use fake_gemini::{Script, Turn};
use serde_json::{Value, json};

use crate::client::{
    Client, all_samples, input, is_sent, manual, quick, samples, serve, setup_of, utter, words,
};

#[tokio::test]
async fn client_content_is_for_each_model_what_it_is() {
    let server = serve(quick()).await;
    let content = |complete: bool, role: &str| json!({"clientContent": {"turns": [{"role": role, "parts": [{"text": "Hi."}]}], "turnComplete": complete}});
    let invalid = (1007, "Request contains an invalid argument.".to_owned());
    // 3.1: at first yes, after live input no
    let mut client = Client::ready(&server, setup_of("gemini-3.1-flash-live-preview")).await;
    client.send(content(false, "user")).await;
    client.send(content(true, "user")).await;
    client.until("turnComplete").await;
    client.send(input("text", json!("More."))).await;
    client.until("turnComplete").await;
    client.send(content(true, "user")).await;
    assert_eq!(client.closed().await, invalid);
    // 3.8: always; history swallows it until it is complete
    let mut setup = setup_of("gemini-3.8-live");
    setup["setup"]["historyConfig"] = json!({"initialHistoryInClientContent": true});
    let mut client = Client::ready(&server, setup).await;
    client.send(content(false, "user")).await;
    client.send(content(true, "model")).await;
    client.send(input("text", json!("Go on."))).await;
    client.until("turnComplete").await;
    client.send(content(true, "user")).await;
    client.until("turnComplete").await;
    assert_eq!(server.events().iter().filter(|e| is_sent(&e.what, "turnComplete")).count(), 4);
    client.send(content(true, "system")).await;
    assert_eq!(client.closed().await, invalid);
}

#[tokio::test]
async fn what_3_8_does_2_5_does_differently() {
    let server = serve(Script::default().turn(Turn::noise(500, 3).hear("One two three."))).await;
    let model = "gemini-2.5-flash-native-audio-preview-12-2025";
    let mut setup = setup_of(model);
    setup["setup"]["inputAudioTranscription"] = json!({});
    let mut client = Client::ready(&server, setup).await;
    client.speak(&[&[3000; 3200][..], &[0; 16_000][..]].concat()).await;
    let messages = client.until("turnComplete").await;
    let heard: Vec<&Value> = messages
        .iter()
        .map(|m| &m["serverContent"]["inputTranscription"]["text"])
        .filter(|t| !t.is_null())
        .collect();
    assert_eq!(heard, ["One ", "two ", "three."]);
    assert!(messages.iter().all(|m| m.get("voiceActivity").is_none() && *m != json!({})));
    assert!(messages.iter().all(|m| m["serverContent"]["modelTurn"].get("role").is_none()));
    // output transcription was not asked for
    assert_eq!(words(&messages, "outputTranscription"), "");
}

#[tokio::test]
async fn extended_thinking_tells_its_status_and_takes_a_context_update() {
    let server = serve(quick()).await;
    let mut setup = setup_of("gemini-3.8-live-extended-thinking");
    setup["setup"]["generationConfig"]["thinkingConfig"] = json!({"thinkingLevel": "LOW"});
    let update = json!({"contextUpdate": {"systemInstruction": {"parts": [{"text": "Be brief."}]}}});
    let mut client = Client::ready(&server, setup).await;
    client.send(update.clone()).await;
    client.send(input("text", json!("Hi."))).await;
    let end = client.until("turnComplete").await.pop().unwrap();
    assert_eq!(end["serverContent"]["interactionStatus"], "IDLE");
    let mut client = Client::ready(&server, setup_of("gemini-3.1-flash-live-preview")).await;
    client.send(update).await;
    assert_eq!(client.closed().await.0, 1007);
}

#[tokio::test]
async fn odd_answers() {
    let turn = |change: fn(&mut Turn)| {
        let mut turn = Turn { think_ms: Some(10), ..Turn::noise(300, 4) };
        change(&mut turn);
        turn
    };
    let script = Script::default()
        .turn(turn(|t| t.audio = false))
        .turn(turn(|t| t.bundled = true))
        .turn(turn(|t| t.empty_first = true))
        .turn(turn(|t| t.thought = Some("Hm.".to_owned())))
        .turn(turn(|t| t.reason = Some("NEED_MORE_INPUT".to_owned())))
        .turn(turn(|t| t.interim = Some("Utter".to_owned())))
        .turn(turn(|t| t.never = true))
        .turn(turn(|t| t.endless = true));
    let server = serve(script).await;
    let mut client = Client::ready(&server, manual()).await;
    let ask = async |client: &mut Client| {
        utter(client, &[500; 1600]).await;
        client.until("turnComplete").await
    };
    let silent = ask(&mut client).await;
    assert_eq!(
        (all_samples(&silent).len(), words(&silent, "outputTranscription")),
        (0, "A noise.".to_owned())
    );
    let bundled = ask(&mut client).await;
    let last = bundled.last().unwrap();
    assert!(!samples(last).is_empty() && last["serverContent"]["generationComplete"] == true);
    assert!(last.get("usageMetadata").is_some());
    assert!(all_samples(&ask(&mut client).await).is_empty());
    assert_eq!(all_samples(&client.until("turnComplete").await).len(), 7200);
    let thought = ask(&mut client).await;
    assert!(thought.iter().any(|m| m["serverContent"]["modelTurn"]["parts"][0]["thought"] == true));
    assert_eq!(
        ask(&mut client).await.last().unwrap()["serverContent"]["turnCompleteReason"],
        "NEED_MORE_INPUT"
    );
    assert_eq!(words(&ask(&mut client).await, "interimInputTranscription"), "Utter");
    utter(&mut client, &[500; 1600]).await;
    utter(&mut client, &[500; 1600]).await;
    let endless = client.until("modelTurn").await;
    assert!(endless.iter().any(|m| m["serverContent"]["inputTranscription"]["text"] == "Utterance 7."));
    let waited = server.wait(Duration::from_millis(400), |events| {
        events.iter().filter(|e| is_sent(&e.what, "turnComplete")).count() > 6
    });
    // six ended, a seventh was bundled with its audio
    assert!(!waited.await, "the last two never end");
}

#[tokio::test]
async fn usage_leaves_numbers_out_in_every_second_turn() {
    let script = Script { rest: Turn { think_ms: Some(1), ..Turn::noise(100, 1) }, ..Script::default() };
    let server = serve(script).await;
    let mut client = Client::ready(&server, setup_of("gemini-3.8-live")).await;
    let mut usage = Vec::new();
    for _ in 0..2 {
        client.send(input("text", json!("Hi."))).await;
        usage.push(client.until("turnComplete").await.pop().unwrap()["usageMetadata"].clone());
    }
    assert_eq!(usage[0]["responseTokenCount"], 2);
    assert!(usage[1].get("responseTokenCount").is_none());
    assert!(usage[1]["promptTokensDetails"][1].get("tokenCount").is_none());
    let prompt = |u: &Value| u["promptTokenCount"].as_u64().unwrap();
    assert!(prompt(&usage[1]) > prompt(&usage[0]), "the context grows");
}
