//! Function calls.

use fake_gemini::{Script, Turn, What};
use serde_json::{Value, json};

use crate::client::{Client, input, manual, samples, serve, setup_of};

fn lamp() -> Turn {
    Turn { think_ms: Some(10), ..Turn::noise(300, 1) }
        .call("lamp", json!({"on": true}))
        .call("clock", json!({}))
}

fn response(id: &Value, more: Value) -> Value {
    let mut response = json!({"id": id, "name": "lamp", "response": {"output": {"state": "on"}}});
    response.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"toolResponse": {"functionResponses": [response]}})
}

/// Asks by text, and gives the ids of the two calls.
async fn ask(client: &mut Client) -> Vec<Value> {
    client.send(input("text", json!("Switch the lamp on."))).await;
    let call = client.until("toolCall").await.pop().unwrap();
    let calls = call["toolCall"]["functionCalls"].as_array().unwrap().clone();
    assert_eq!((&calls[0]["name"], &calls[0]["args"]), (&json!("lamp"), &json!({"on": true})));
    calls.iter().map(|call| call["id"].clone()).collect()
}

#[tokio::test]
async fn the_answer_comes_when_all_calls_are_answered_and_on_3_8_after_an_empty_turn() {
    for (model, empty_turns) in [("gemini-3.8-live", 1), ("gemini-3.1-flash-live-preview", 0)] {
        let server = serve(Script::default().turn(lamp())).await;
        let mut client = Client::ready(&server, setup_of(model)).await;
        let ids = ask(&mut client).await;
        client.send(response(&ids[1], json!({}))).await;
        client.send(response(&json!("made-up"), json!({}))).await;
        client.send(response(&ids[0], json!({}))).await;
        for _ in 0..empty_turns {
            assert!(client.until("turnComplete").await.iter().all(|m| samples(m).is_empty()));
        }
        let answer: Vec<i16> = client.until("turnComplete").await.iter().flat_map(samples).collect();
        assert_eq!(answer.len(), 7200, "{model}");
        assert_eq!(server.events().complaints(), ["toolResponse for a call that is not pending"]);
    }
}

#[tokio::test]
async fn a_response_must_be_what_the_model_takes() {
    const THINKS: &str = "gemini-3.8-live-extended-thinking";
    let check = async |model: &str, change: Value, reason: &str| {
        let server = serve(Script::default().turn(lamp())).await;
        let mut setup = setup_of(model);
        if model == THINKS {
            setup["setup"]["generationConfig"]["thinkingConfig"] = json!({"thinkingLevel": "LOW"});
        }
        let mut client = Client::ready(&server, setup).await;
        let ids = ask(&mut client).await;
        client.send(response(&ids[0], change.clone())).await;
        let (code, got) = client.closed().await;
        assert!(code == 1007 && got.starts_with(reason), "{model} {change}: {code} {got}");
    };
    let invalid = "Request contains an invalid argument.";
    check("gemini-3.8-live", json!({"id": ""}), invalid).await;
    check("gemini-3.8-live", json!({"name": null}), invalid).await;
    check("gemini-3.8-live", json!({"response": null}), invalid).await;
    check(
        "gemini-3.8-live",
        json!({"response": "done"}),
        "Invalid value at 'tool_response.function_responses[0].",
    )
    .await;
    check("gemini-3.1-flash-live-preview", json!({"willContinue": false}), invalid).await;
    for model in ["gemini-3.1-flash-live-preview", "gemini-3.8-live", THINKS] {
        check(model, json!({"scheduling": "SILENT"}), "Function response scheduling is not supported").await;
    }
}

#[tokio::test]
async fn speech_cancels_pending_calls() {
    let server = serve(Script::default().turn(lamp())).await;
    let mut client = Client::ready(&server, manual()).await;
    let ids = ask(&mut client).await;
    client.send(input("activityStart", json!({}))).await;
    let rest = client.until("turnComplete").await;
    assert_eq!(rest[0]["toolCallCancellation"]["ids"], json!(ids));
    assert!(rest.iter().any(|m| m["serverContent"]["interrupted"] == true));
    client.send(response(&ids[0], json!({}))).await;
    let complained =
        |events: &[fake_gemini::Event]| events.iter().any(|e| matches!(e.what, What::Complaint(_)));
    assert!(server.wait(crate::client::PATIENCE, complained).await);
}

#[tokio::test]
async fn calls_can_be_cancelled_unasked_and_the_answer_comes_all_the_same() {
    let turn = Turn { cancel_tools_after_ms: Some(50), ..lamp() };
    let server = serve(Script::default().turn(turn)).await;
    let mut client = Client::ready(&server, setup_of("gemini-3.8-live")).await;
    let ids = ask(&mut client).await;
    let rest = client.until("turnComplete").await;
    assert_eq!(rest[0]["toolCallCancellation"]["ids"], json!(ids));
    assert_eq!(rest.iter().flat_map(samples).count(), 7200);
}
