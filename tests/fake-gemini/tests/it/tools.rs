//! Function calls.

use fake_gemini::{Script, Turn, What};
use serde_json::{Value, json};

use crate::client::{Client, input, manual, samples, serve, setup_of};

const V25: &str = "gemini-2.5-flash-native-audio-latest";
const V31: &str = "gemini-3.1-flash-live-preview";
const V38: &str = "gemini-3.8-live";
const THINKS: &str = "gemini-3.8-live-extended-thinking";

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
        client.send(response(&ids[0], json!({}))).await;
        for _ in 0..empty_turns {
            assert!(client.until("turnComplete").await.iter().all(|m| samples(m).is_empty()));
        }
        let answer: Vec<i16> = client.until("turnComplete").await.iter().flat_map(samples).collect();
        assert_eq!(answer.len(), 7200, "{model}");
        assert_eq!(server.events().complaints(), [""; 0]);
    }
}

#[tokio::test]
async fn a_response_must_be_what_the_model_takes() {
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
    let mut script = Script::default().turn(lamp());
    script.service.in_flight_ms = 0;
    let server = serve(script).await;
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

#[tokio::test]
async fn a_call_that_was_taken_back_is_made_again_where_the_script_says_so() {
    let turn = Turn { cancel_tools_after_ms: Some(30), calls_again: true, ..lamp() };
    let server = serve(Script::default().turn(turn)).await;
    let mut client = Client::ready(&server, setup_of(V38)).await;
    let ids = ask(&mut client).await;
    client.until("toolCallCancellation").await;
    let again = client.until("toolCall").await.pop().unwrap();
    let calls = again["toolCall"]["functionCalls"].as_array().unwrap();
    assert_eq!((&calls[0]["name"], &calls[0]["args"]), (&json!("lamp"), &json!({"on": true})));
    assert!(calls.len() == 2 && calls.iter().all(|call| !ids.contains(&call["id"])));
}

#[tokio::test]
async fn whether_3_8_waits_for_a_call_is_declared_and_undeclared_it_does_not() {
    for (behavior, waits) in [(json!("BLOCKING"), true), (json!("NON_BLOCKING"), false), (Value::Null, false)]
    {
        let server = serve(Script::default().turn(lamp())).await;
        let mut setup = setup(V38, true);
        let mut declared = json!({"name": "lamp", "description": "Lamp."});
        if !behavior.is_null() {
            declared["behavior"] = behavior.clone();
        }
        setup["setup"]["tools"] = json!([{"functionDeclarations": [declared]}]);
        let mut client = Client::ready(&server, setup).await;
        ask(&mut client).await;
        if !waits {
            client.until("turnComplete").await;
        }
        client.send(input("activityStart", json!({}))).await;
        client.send(crate::client::audio(&[0; 320])).await;
        client.send(input("activityEnd", json!({}))).await;
        let seen = client.until("generationComplete").await;
        let taken_back = seen.iter().any(|message| message["toolCallCancellation"].is_object());
        assert_eq!(taken_back, waits, "{behavior}");
    }
}

/// A setup of this model, for push-to-talk or not.
fn setup(model: &str, manual: bool) -> Value {
    let mut setup = setup_of(model);
    if model == THINKS {
        setup["setup"]["generationConfig"]["thinkingConfig"] = json!({"thinkingLevel": "LOW"});
    }
    if manual {
        setup["setup"]["realtimeInputConfig"] = json!({"automaticActivityDetection": {"disabled": true}});
    }
    setup
}

#[tokio::test]
async fn an_id_that_is_unknown_or_answered_closes_the_link_and_one_just_cancelled_does_not() {
    for model in [V25, V31, V38, THINKS] {
        let invalid = (1007, "Request contains an invalid argument.".to_owned());
        let server = serve(Script::default().turn(lamp())).await;
        let mut client = Client::ready(&server, setup(model, false)).await;
        ask(&mut client).await;
        client.send(response(&json!("made-up"), json!({}))).await;
        assert_eq!(client.closed().await, invalid, "{model}");

        let server = serve(Script::default().turn(lamp())).await;
        let mut client = Client::ready(&server, setup(model, false)).await;
        let ids = ask(&mut client).await;
        client.send(response(&ids[0], json!({}))).await;
        client.send(response(&ids[0], json!({}))).await;
        assert_eq!(client.closed().await, invalid, "{model}");

        let turn = Turn { cancel_tools_after_ms: Some(30), ..lamp() };
        let server = serve(Script::default().turn(turn)).await;
        let mut client = Client::ready(&server, setup(model, false)).await;
        let ids = ask(&mut client).await;
        client.until("toolCallCancellation").await;
        client.send(response(&ids[0], json!({}))).await;
        client.until("generationComplete").await;
        assert_eq!(server.events().complaints(), [""; 0], "{model}");
    }
}

#[tokio::test]
async fn a_model_that_takes_nothing_while_it_waits_closes_over_anything_else() {
    let not_implemented = (1008, "Operation is not implemented, or supported, or enabled.".to_owned());
    let text = input("text", json!("And the other one."));
    let start = input("activityStart", json!({}));
    for (model, manual, message, closes) in [
        (V31, false, crate::client::audio(&[0; 320]), true),
        (V31, false, text.clone(), true),
        (V31, true, start.clone(), true),
        (V38, false, crate::client::audio(&[0; 320]), false),
        (V25, false, crate::client::audio(&[0; 320]), false),
        (THINKS, false, crate::client::audio(&[0; 320]), false),
        (THINKS, true, start, false),
    ] {
        let mut script = Script::default().turn(lamp());
        script.service.in_flight_ms = 0;
        let server = serve(script).await;
        let mut client = Client::ready(&server, setup(model, manual)).await;
        let ids = ask(&mut client).await;
        client.send(message.clone()).await;
        if closes {
            assert_eq!(client.closed().await, not_implemented, "{model} {message:.40}");
            continue;
        }
        client.send(response(&ids[0], json!({}))).await;
        client.send(response(&ids[1], json!({}))).await;
        client.until("turnComplete").await;
    }
    // What was on its way when the call came is no mistake.
    let server = serve(Script::default().turn(lamp())).await;
    let mut client = Client::ready(&server, setup(V31, false)).await;
    let ids = ask(&mut client).await;
    client.send(crate::client::audio(&[0; 320])).await;
    client.send(response(&ids[0], json!({}))).await;
    client.send(response(&ids[1], json!({}))).await;
    client.until("generationComplete").await;
}

#[tokio::test]
async fn extended_thinking_goes_on_while_a_call_waits_and_answers_it_in_a_turn_of_its_own() {
    let turn = Turn { filler: true, ..lamp() }.call("clock", json!({}));
    let other = Turn { think_ms: Some(10), ..Turn::noise(500, 2) };
    let server = serve(Script::default().turn(turn).turn(other)).await;
    let mut client = Client::ready(&server, setup(THINKS, true)).await;
    let ids = ask(&mut client).await;
    let filler = client.until("turnComplete").await;
    assert_eq!(filler.last().unwrap()["serverContent"]["interactionStatus"], "IN_PROGRESS");
    assert_eq!(filler.iter().flat_map(samples).count(), 4800, "a word meanwhile");
    crate::client::utter(&mut client, &[9; 3200]).await;
    let answer = client.until("turnComplete").await;
    assert_eq!(answer.iter().flat_map(samples).count(), 12_000, "the other question");
    assert!(
        answer.iter().all(|message| message.get("toolCallCancellation").is_none()),
        "speech cancels nothing"
    );
    for id in &ids {
        client.send(response(id, json!({}))).await;
    }
    let answer = client.until("turnComplete").await;
    assert_eq!(answer.iter().flat_map(samples).count(), 7200, "what came of the call");
    assert_eq!(answer.last().unwrap()["serverContent"]["interactionStatus"], "IDLE");
}

#[tokio::test]
async fn an_interim_response_is_the_last_that_extended_thinking_speaks_of() {
    for (model, heard) in [(V38, 7200), (THINKS, 0)] {
        let server = serve(Script::default().turn(lamp())).await;
        let mut client = Client::ready(&server, setup(model, false)).await;
        let ids = ask(&mut client).await;
        client.send(response(&ids[1], json!({}))).await;
        client.send(response(&ids[0], json!({"willContinue": true}))).await;
        client.send(response(&ids[0], json!({"willContinue": false}))).await;
        let mut all = client.until("generationComplete").await;
        all.extend(client.until("turnComplete").await);
        assert_eq!(all.iter().flat_map(samples).count(), heard, "{model}");
    }
}

#[tokio::test]
async fn one_call_may_lead_to_another() {
    let mut turn = lamp();
    turn.then_tools = std::mem::take(&mut turn.tools);
    let server = serve(Script::default().turn(turn.call("lamp", json!({"on": true})))).await;
    let mut client = Client::ready(&server, setup(V38, false)).await;
    let ids = ask(&mut client).await;
    client.send(response(&ids[0], json!({}))).await;
    let next = client.until("toolCall").await.pop().unwrap();
    for call in next["toolCall"]["functionCalls"].as_array().unwrap() {
        client.send(response(&call["id"], json!({}))).await;
    }
    client.until("generationComplete").await;
    assert_eq!(server.events().complaints(), [""; 0]);
}
