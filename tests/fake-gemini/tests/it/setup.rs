//! What a setup must not hold, model by model.

use fake_gemini::{FakeGemini, Fault, Options, Rule, Script, When};
use serde_json::{Value, json};

use crate::client::{Client, PATH, audio, input, serve, setup_of};

const V25: &str = "gemini-2.5-flash-native-audio-preview-12-2025";
const V31: &str = "gemini-3.1-flash-live-preview";
const V38: &str = "gemini-3.8-live";
const THINKS: &str = "gemini-3.8-live-extended-thinking";
const INVALID: &str = "Request contains an invalid argument.";

/// Sends a setup of this model with `members` beside the usual; gives `None` when it is accepted.
async fn answer(server: &FakeGemini, path: &str, model: &str, members: &Value) -> Option<(u16, String)> {
    let mut message = setup_of(model);
    if model == THINKS {
        message["setup"]["generationConfig"]["thinkingConfig"] = json!({"thinkingLevel": "LOW"});
    }
    for (name, value) in members.as_object().unwrap() {
        match value.as_object().filter(|_| name == "generationConfig") {
            Some(config) => config.iter().for_each(|(n, v)| message["setup"][name][n] = v.clone()),
            None => message["setup"][name] = value.clone(),
        }
    }
    let mut client = Client::try_dial(server, path, Some("a-key")).await.unwrap();
    client.send(message).await;
    match client.frame().await.unwrap() {
        frame if frame.is_binary() => None,
        tokio_tungstenite::tungstenite::Message::Close(Some(frame)) => {
            Some((frame.code.into(), frame.reason.to_string()))
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
#[rustfmt::skip]
async fn each_model_refuses_what_the_service_was_seen_to_refuse() {
    let server = serve(Script::default()).await;
    let thinking = |config: Value| json!({"generationConfig": {"thinkingConfig": config}});
    let generation = |name: &str, value: Value| json!({"generationConfig": {name: value}});
    let language = |code: &str| json!({"generationConfig": {"speechConfig": {"languageCode": code}}});
    let voice = |name: &str| json!({"generationConfig": {"speechConfig": {"voiceConfig":
        {"prebuiltVoiceConfig": {"voiceName": name}}}}});
    let function = |more: Value| {
        let mut declaration = json!({"name": "lamp", "description": "Switches the lamp."});
        declaration.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"tools": [{"functionDeclarations": [declaration]}]})
    };
    let all = [V25, V31, V38, THINKS];
    let none: [&str; 0] = [];

    // what is sent, who refuses it, how the reason begins
    let table: Vec<(Value, Vec<&str>, &str)> = vec![
        (json!({}), none.to_vec(), ""),
        (voice("Kore"), none.to_vec(), ""),
        (voice("kore"), all.to_vec(), "Requested voice api_name 'kore' is not available"),
        (language("de-DE"), none.to_vec(), ""),
        (language("sv-SE"), vec![V25], "Unsupported language code 'sv-SE'"),
        (thinking(json!({"thinkingLevel": "LOW"})), vec![V38], "Thinking level is not supported"),
        (thinking(json!({})), vec![THINKS], "Thinking level must be specified"),
        (thinking(json!({"thinkingLevel": "MINIMAL"})), vec![V38, THINKS], "Thinking level"),
        (generation("enableAffectiveDialog", json!(true)), vec![V31, V38, THINKS], "Affective dialog"),
        (json!({"proactivity": {"proactiveAudio": true}}), all.to_vec(),
            "Invalid JSON payload received. Unknown name \"proactivity\" at 'setup': Cannot find field."),
        (generation("responseModalities", json!(["TEXT"])), all.to_vec(),
            "The requested combination of response modalities (TEXT) is not supported"),
        (generation("responseModalities", json!(["TEXT", "AUDIO"])), all.to_vec(),
            "The requested combination of response modalities (TEXT, AUDIO)"),
        (generation("stopSequences", json!(["."])), all.to_vec(), INVALID),
        (generation("temperature", json!(2.5)), all.to_vec(), INVALID),
        (generation("temperature", json!(1)), none.to_vec(), ""),
        (json!({"systemInstruction": {"parts": [{"text": "Be brief."}], "role": "user"}}), none.to_vec(), ""),
        (json!({"systemInstruction": {"parts": [{"inlineData": {"mimeType": "a/b", "data": ""}}]}}), all.to_vec(),
            INVALID),
        (json!({"contextWindowCompression": {"triggerTokens": 25_000, "slidingWindow": {"targetTokens": 8000}}}),
            none.to_vec(), ""),
        (json!({"contextWindowCompression": {"triggerTokens": 25_000}}), all.to_vec(), INVALID),
        (json!({"contextWindowCompression": {"triggerTokens": 8000, "slidingWindow": {"targetTokens": 9000}}}),
            all.to_vec(), INVALID),
        (json!({"sessionResumption": {"handle": null}}), vec![V31], INVALID),
        (json!({"sessionResumption": {"transparent": true}}), all.to_vec(),
            "Invalid JSON payload received. Unknown name \"transparent\" at 'setup.session_resumption'"),
        (json!({"realtimeInputConfig": {"automaticActivityDetection": {"silenceDurationMs": -1}}}), all.to_vec(),
            INVALID),
        (json!({"responseModalities": ["AUDIO"]}), all.to_vec(),
            "Invalid JSON payload received. Unknown name \"responseModalities\" at 'setup': Cannot find field."),
        (json!({"inputAudioTranscription": {"languageCode": "de"}}), all.to_vec(),
            "Invalid JSON payload received. Unknown name \"languageCode\" at 'setup.input_audio_transcription'"),
        (json!({"tools": [{"googleSearch": {}}]}), none.to_vec(), ""),
        (json!({"tools": [{"codeExecution": {}}]}), vec![V31, V38, THINKS], "Tool codeExecution is not supported"),
        (function(json!({})), none.to_vec(), ""),
        (function(json!({"behavior": "BLOCKING"})), vec![V31, THINKS], "BLOCKING function calls are not supported"),
        (function(json!({"behavior": "NON_BLOCKING"})), vec![V31], "NON_BLOCKING function calls"),
        (json!({"tools": [{"functionDeclarations": [{"name": "lamp", "description": "Lamp."}]}, {"googleSearch": {}}]}),
            vec![V25], "Tool use with function calling is unsupported"),
        (json!({"tools": [{"functionDeclarations": [{"name": "lamp", "description": "1"}]},
            {"functionDeclarations": [{"name": "lamp", "description": "2"}]}]}),
            all.to_vec(), "Duplicate function declaration found: lamp"),
        (function(json!({"parameters": {"type": "OBJECT", "properties": {}}})), all.to_vec(),
            "* BidiGenerateContentRequest.setup.tools[0].function_declarations[0].parameters.properties: should be non-empty"),
        (function(json!({"parameters": {"type": "OBJECT", "properties": {"at": {"type": "STRING", "format": "date"}}}})),
            all.to_vec(), "* BidiGenerateContentRequest.setup.tools[0].function_declarations[0].parameters.properties[at].format"),
        (function(json!({"parameters": {"type": "OBJECT", "properties": {"at": {"type": "STRING"}}, "required": ["on"]}})),
            all.to_vec(), "* BidiGenerateContentRequest.setup.tools[0].function_declarations[0].parameters.required[0]"),
        (function(json!({"parameters": {"type": "OBJECT", "properties": {"n": {"type": "NUMBER", "exclusiveMinimum": 0}}}})),
            all.to_vec(), "Invalid JSON payload received. Unknown name \"exclusiveMinimum\""),
        (function(json!({"parameters": {"type": "OBJECT", "properties": {"n": {"$ref": "#/x"}}}})),
            all.to_vec(), "Invalid JSON payload received. Unknown name \"$ref\""),
        (function(json!({"name": "la mp"})), all.to_vec(),
            "* BidiGenerateContentRequest.setup.tools[0].function_declarations[0].name"),
        (function(json!({"description": ""})), all.to_vec(), "* BidiGenerateContentRequest.setup.tools[0]"),
        (function(json!({"parameters": {"type": "object", "properties": {"on": {"type": "BOOLEAN"}}}})),
            none.to_vec(), ""),
        (function(json!({"parameters": {"type": "OBJECT", "properties": {"n": {"type": "INTEGER", "enum": ["1"]}}}})),
            all.to_vec(), "* BidiGenerateContentRequest.setup.tools[0].function_declarations[0].parameters.properties[n]"),
        (function(json!({"parametersJsonSchema": {"type": "object", "additionalProperties": false}})),
            none.to_vec(), ""),
    ];
    for (members, refused_by, reason) in table {
        for model in all {
            let got = answer(&server, PATH, model, &members).await;
            let wanted = refused_by.contains(&model);
            let fits = match &got {
                Some((code, text)) => wanted && *code == 1007 && text.starts_with(reason) && !reason.is_empty(),
                None => !wanted,
            };
            assert!(fits, "{model}, {members}: {got:?}");
        }
    }
}

#[tokio::test]
async fn proactivity_belongs_to_v1alpha_and_2_5() {
    let server = serve(Script::default()).await;
    let alpha = PATH.replace("v1beta", "v1alpha");
    for (model, accepted) in [(V25, true), (V31, false), (V38, false), (THINKS, false)] {
        let members = json!({"proactivity": {"proactiveAudio": true}});
        let got = answer(&server, &alpha, model, &members).await;
        assert_eq!(got.is_none(), accepted, "{model}: {got:?}");
    }
}

#[tokio::test]
async fn translation_and_transcription_take_no_tools() {
    let server = serve(Script::default()).await;
    let tools = json!({"tools": [{"functionDeclarations": [{"name": "lamp", "description": "Lamp."}]}]});
    let instruction = json!({"systemInstruction": {"parts": [{"text": "Be brief."}]}});
    let voice = json!({"generationConfig": {"speechConfig": {}}});
    for model in ["gemini-3.5-live-translate-preview", "gemini-3.5-transcribe-live"] {
        assert_eq!(answer(&server, PATH, model, &json!({})).await, None);
        for refused in [&tools, &instruction] {
            assert_eq!(answer(&server, PATH, model, refused).await.unwrap().0, 1007, "{model} {refused}");
        }
        let speaks = answer(&server, PATH, model, &voice).await.is_none();
        assert_eq!(speaks, model.contains("translate"));
    }
}

#[tokio::test]
async fn a_model_nobody_knows_takes_the_minimum_and_an_unserved_one_is_not_found() {
    let options = Options { new_model: Some("gemini-4-live".to_owned()), ..Options::default() };
    let server = FakeGemini::start(options.plain()).await.unwrap();
    let minimum = json!({"systemInstruction": {"parts": [{"text": "Be brief."}]}, "inputAudioTranscription": {},
        "outputAudioTranscription": {}, "sessionResumption": {},
        "contextWindowCompression": {"slidingWindow": {}}});
    assert_eq!(answer(&server, PATH, "gemini-4-live", &minimum).await, None);
    let more = json!({"generationConfig": {"thinkingConfig": {"thinkingBudget": 0}}});
    assert!(answer(&server, PATH, "gemini-4-live", &more).await.is_some());
    let declaration = json!({"name": "lamp", "description": "Lamp.", "behavior": "NON_BLOCKING"});
    let behavior = json!({"tools": [{"functionDeclarations": [declaration]}]});
    assert!(answer(&server, PATH, "gemini-4-live", &behavior).await.is_some());
    let (code, reason) = answer(&server, PATH, "gemini-5-live", &json!({})).await.unwrap();
    let whole = "models/gemini-5-live is not found for API version v1beta, or is not supported for bidiGenerateContent";
    assert_eq!((code, reason.as_str()), (1008, whole));
}

#[tokio::test]
async fn the_key_is_judged_after_the_fields_and_before_the_model() {
    let options = Options { key: Some("right".to_owned()), ..Options::default() };
    let server = FakeGemini::start(options.plain()).await.unwrap();
    let close = async |key: Option<&str>, message: Value| {
        let mut client = Client::try_dial(&server, PATH, key).await.unwrap();
        client.send(message).await;
        client.closed().await
    };
    let not_valid = (1007, "API key not valid. Please pass a valid API key.".to_owned());
    assert_eq!(close(Some("wrong"), setup_of("gemini-5-live")).await, not_valid);
    let not_found = (1007, "API Key not found. Please pass a valid API key.".to_owned());
    assert_eq!(close(None, setup_of(V38)).await, not_found);
    let field = close(Some("wrong"), json!({"setup": {"modle": "x"}})).await.1;
    assert!(field.contains("\"modle\""), "{field}");
    let mut client = Client::try_dial(&server, PATH, Some("right")).await.unwrap();
    client.send(setup_of(V38)).await;
    assert_eq!(client.next().await, json!({"setupComplete": {}}));
}

#[tokio::test]
async fn setup_comes_first_alone_and_once() {
    let server = serve(Script::default()).await;
    let close = async |messages: &[Value]| {
        let mut client = Client::dial(&server).await;
        for message in messages {
            client.send(message.clone()).await;
        }
        client.closed().await
    };
    let invalid = (1007, INVALID.to_owned());
    assert_eq!(close(&[audio(&[0; 320])]).await, invalid);
    assert_eq!(close(&[json!({"clientContent": {"turnComplete": true}})]).await, invalid);
    assert_eq!(close(&[json!({})]).await, invalid);
    let mut both = setup_of(V38);
    both["clientContent"] = json!({"turnComplete": true});
    let (code, reason) = close(&[both]).await;
    assert!(code == 1007 && reason.contains("oneof field 'message_type' is already set"), "{reason}");

    let mut client = Client::ready(&server, setup_of(V38)).await;
    client.send(setup_of(V38)).await;
    assert_eq!(client.closed().await, invalid);

    // before setupComplete
    let slow = serve(Script::default().fault(Rule::new(When::Setup, Fault::Wait { ms: 60_000 }))).await;
    let mut client = Client::dial(&slow).await;
    client.send(setup_of(V38)).await;
    client.send(input("text", json!("hi"))).await;
    assert_eq!(client.closed().await, invalid);
}

#[tokio::test]
async fn a_long_reason_is_cut_to_123_bytes() {
    let server = serve(Script::default()).await;
    let members = json!({"realtimeInputConfig": {"automaticActivityDetection":
        {"endOfSpeechSensitivity": "END_SENSITIVITY_MEDIUM"}}});
    let (code, reason) = answer(&server, PATH, V38, &members).await.unwrap();
    let begin = "Invalid value at 'setup.realtime_input_config.automatic_activity_detection.end_of_speech_sensitivity'";
    assert_eq!((code, reason.len()), (1007, 123));
    assert!(reason.starts_with(begin), "{reason}");
}
