//! What the service refuses although its parser understands it.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::models::{Behavior, LANGUAGES, MODELS, Model, NEW, Thinking, VOICES};
use crate::schema::whole;

/// Why a link ends: close code and reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal(pub u16, pub String);

/// The reason the service gives for most of what it dislikes.
pub(crate) const INVALID: &str = "Request contains an invalid argument.";
/// The reason for what comes while a call waits, where the model takes nothing else meanwhile.
pub(crate) const NOT_IMPLEMENTED: &str = "Operation is not implemented, or supported, or enabled.";
/// The reason for what comes at the wrong time.
pub(crate) const PRECONDITION: &str = "Precondition check failed.";

pub(crate) fn invalid() -> Refusal {
    Refusal(1007, INVALID.to_owned())
}

pub(crate) fn refuse(reason: impl Into<String>) -> Refusal {
    Refusal(1007, reason.into())
}

/// Checks the key: `wanted` is the right one, `None` takes any.
pub(crate) fn check_key(wanted: Option<&str>, key: Option<&str>) -> Result<(), Refusal> {
    match (wanted, key) {
        (_, None | Some("")) => Err(refuse("API Key not found. Please pass a valid API key.")),
        (Some(wanted), Some(key)) if wanted != key => {
            Err(refuse("API key not valid. Please pass a valid API key."))
        }
        _ => Ok(()),
    }
}

/// Finds the model that `setup` asks for; `new` is one more name that is served.
pub(crate) fn model_of(setup: &Value, new: Option<&str>) -> Result<Model, Refusal> {
    let asked = setup["model"].as_str().unwrap_or("");
    let name = asked.strip_prefix("models/").unwrap_or("");
    if let Some(model) = MODELS.iter().find(|m| m.name == name) {
        return Ok(*model);
    }
    if !name.is_empty() && new == Some(name) {
        return Ok(NEW);
    }
    let text = "is not found for API version v1beta, or is not supported for bidiGenerateContent";
    Err(Refusal(1008, format!("{asked} {text}")))
}

/// The same on Vertex AI, where a model has a place in a project.
pub(crate) fn vertex_model_of(setup: &Value) -> Result<Model, Refusal> {
    let asked = setup["model"].as_str().unwrap_or("");
    let parts: Vec<&str> = asked.split('/').collect();
    let name = match parts.as_slice() {
        ["projects", project, "locations", location, "publishers", "google", "models", name]
            if !project.is_empty() && !location.is_empty() =>
        {
            *name
        }
        _ => return Err(invalid()),
    };
    let refusal = || refuse(format!("{name} is not supported in the live api."));
    MODELS.iter().find(|model| model.name == name && model.on_vertex).copied().ok_or_else(refusal)
}

/// Checks what only the Developer API takes.
pub(crate) fn check_on_vertex(setup: &Value) -> Result<(), Refusal> {
    let tools = setup["tools"].as_array().into_iter().flatten();
    let mut declared = tools.flat_map(|tool| tool["functionDeclarations"].as_array().into_iter().flatten());
    if declared.any(|function| !function["behavior"].is_null()) {
        return Err(refuse("Function behavior is not supported."));
    }
    Ok(())
}

/// Checks a setup, in camelCase already, against what its model takes.
pub(crate) fn check_setup(model: &Model, setup: &Value) -> Result<(), Refusal> {
    let generation = &setup["generationConfig"];
    check_modalities(generation)?;
    check_speech(model, &generation["speechConfig"])?;
    check_thinking(model, &generation["thinkingConfig"])?;
    if !generation["enableAffectiveDialog"].is_null() && !model.affective {
        return Err(refuse("Affective dialog is not supported for this model."));
    }
    if !setup["proactivity"].is_null() && !model.proactivity {
        return Err(refuse("Proactivity configuration is not supported for this model."));
    }
    const NOT_LIVE: [&str; 6] = [
        "responseLogprobs",
        "logprobs",
        "responseMimeType",
        "responseSchema",
        "responseJsonSchema",
        "stopSequences",
    ];
    if NOT_LIVE.iter().any(|name| !generation[*name].is_null()) {
        return Err(invalid());
    }
    let out_of_range =
        |name: &str, max: f64| generation[name].as_f64().is_some_and(|t| !(0.0..=max).contains(&t));
    if out_of_range("temperature", 2.0) || out_of_range("topP", 1.0) {
        return Err(invalid());
    }
    let parts = setup["systemInstruction"]["parts"].as_array();
    if parts.is_some_and(|p| p.iter().any(|part| !part["text"].is_string())) {
        return Err(invalid());
    }
    if setup["sessionResumption"].get("handle").is_some_and(Value::is_null) && model.no_null_handle {
        return Err(invalid());
    }
    check_compression(&setup["contextWindowCompression"])?;
    let detection = &setup["realtimeInputConfig"]["automaticActivityDetection"];
    let negative = |name: &str| whole(&detection[name]).is_some_and(|ms| ms < 0);
    if negative("silenceDurationMs") || negative("prefixPaddingMs") {
        return Err(invalid());
    }
    if parts.is_some() && !model.instruction {
        return Err(refuse("System instructions are not supported for this model."));
    }
    let tools = setup["tools"].as_array().map_or(&[][..], Vec::as_slice);
    for (index, tool) in tools.iter().enumerate() {
        check_tool(model, tool, index)?;
    }
    check_together(model, tools)
}

/// What tools may not be beside each other.
fn check_together(model: &Model, tools: &[Value]) -> Result<(), Refusal> {
    if !tools.is_empty() && !model.tools {
        return Err(refuse("Tools are not supported for this model."));
    }
    let mut names = BTreeSet::new();
    let declared =
        tools.iter().flat_map(|tool| tool["functionDeclarations"].as_array().into_iter().flatten());
    for name in declared.filter_map(|declaration| declaration["name"].as_str()) {
        if !names.insert(name) {
            return Err(refuse(format!("Duplicate function declaration found: {name}")));
        }
    }
    let searches = tools.iter().any(|tool| !tool["googleSearch"].is_null());
    if searches && !names.is_empty() && !model.search_beside_functions {
        return Err(refuse("Tool use with function calling is unsupported by the model."));
    }
    Ok(())
}

fn check_modalities(generation: &Value) -> Result<(), Refusal> {
    let Some(modalities) = generation["responseModalities"].as_array() else { return Ok(()) };
    let names: Vec<&str> = modalities.iter().filter_map(Value::as_str).collect();
    if names.is_empty() || names == ["AUDIO"] {
        return Ok(());
    }
    let names = names.join(", ");
    Err(refuse(format!(
        "The requested combination of response modalities ({names}) is not supported by the model."
    )))
}

fn check_speech(model: &Model, speech: &Value) -> Result<(), Refusal> {
    if let Some(voice) = speech["voiceConfig"]["prebuiltVoiceConfig"]["voiceName"].as_str() {
        if !VOICES.contains(&voice) {
            return Err(refuse(format!("Requested voice api_name '{voice}' is not available for model.")));
        }
    }
    if !(model.speech || speech.is_null()) {
        return Err(refuse("Speech configuration is not supported for this model."));
    }
    if !speech["voiceConfig"]["replicatedVoiceConfig"].is_null()
        || !speech["multiSpeakerVoiceConfig"].is_null()
    {
        return Err(invalid());
    }
    match speech["languageCode"].as_str() {
        Some(_) if !model.language => Err(invalid()),
        Some(code) if model.few_languages && !LANGUAGES.contains(&code) => {
            Err(refuse(format!("Unsupported language code '{code}' for model {}", model.name)))
        }
        _ => Ok(()),
    }
}

fn check_thinking(model: &Model, thinking: &Value) -> Result<(), Refusal> {
    let level = thinking["thinkingLevel"].as_str();
    match (model.thinking, level) {
        (Thinking::LevelDemanded, None) => Err(refuse("Thinking level must be specified for this model.")),
        (Thinking::LevelDemanded, Some("MINIMAL")) => {
            Err(refuse("Thinking level MINIMAL is not supported for this model."))
        }
        (Thinking::NoLevel, Some(_)) => Err(refuse("Thinking level is not supported for this model.")),
        (Thinking::Nothing, _) if !thinking.is_null() => {
            Err(refuse("Thinking is not supported for this model."))
        }
        _ => Ok(()),
    }
}

fn check_compression(compression: &Value) -> Result<(), Refusal> {
    if compression.is_null() {
        return Ok(());
    }
    let trigger = whole(&compression["triggerTokens"]);
    let target = whole(&compression["slidingWindow"]["targetTokens"]);
    let bad = compression["slidingWindow"].is_null()
        || trigger.is_some_and(|t| !(5_000..=128_000).contains(&t))
        || target.is_some_and(|t| !(0..=trigger.unwrap_or(104_858)).contains(&t));
    if bad { Err(invalid()) } else { Ok(()) }
}

fn check_tool(model: &Model, tool: &Value, index: usize) -> Result<(), Refusal> {
    let members = tool.as_object().map_or_else(Vec::new, |t| t.keys().map(String::as_str).collect());
    if !model.other_tools {
        if let Some(other) = members.iter().find(|m| !["functionDeclarations", "googleSearch"].contains(m)) {
            return Err(refuse(format!("Tool {other} is not supported for this model.")));
        }
    }
    for (at, declaration) in tool["functionDeclarations"].as_array().into_iter().flatten().enumerate() {
        let path = format!("* BidiGenerateContentRequest.setup.tools[{index}].function_declarations[{at}]");
        let name = declaration["name"].as_str().unwrap_or("");
        let lettered = name.chars().all(|c| c.is_ascii_alphanumeric() || "_.:-".contains(c));
        if name.is_empty() || name.len() > 64 || !lettered {
            return Err(refuse(format!("{path}.name: Invalid function name.")));
        }
        if declaration["description"].as_str().unwrap_or("").is_empty() {
            return Err(refuse(format!("{path}.description: must be specified")));
        }
        if !declaration["parameters"].is_null() && !declaration["parametersJsonSchema"].is_null() {
            return Err(invalid());
        }
        check_parameters(&declaration["parameters"], &format!("{path}.parameters"))?;
        match (model.behavior, declaration["behavior"].as_str()) {
            (Behavior::NonBlockingOnly, Some("BLOCKING")) => {
                return Err(refuse("BLOCKING function calls are not supported for this model."));
            }
            (Behavior::Unknown, Some(behavior)) => {
                return Err(refuse(format!("{behavior} function calls are not supported for this model.")));
            }
            _ => {}
        }
    }
    Ok(())
}

fn check_parameters(schema: &Value, path: &str) -> Result<(), Refusal> {
    let kind = schema["type"].as_str().map(str::to_uppercase);
    if !schema["enum"].is_null() && kind.as_deref() != Some("STRING") {
        return Err(refuse(format!("{path}.enum: only allowed for STRING type")));
    }
    if kind.as_deref() == Some("ARRAY") && schema["items"].is_null() {
        return Err(refuse(format!("{path}.items: missing field.")));
    }
    if kind.as_deref() == Some("OBJECT") && schema["properties"].as_object().is_none_or(Map::is_empty) {
        return Err(refuse(format!("{path}.properties: should be non-empty for OBJECT type")));
    }
    let odd = |allowed: &[&str]| schema["format"].as_str().is_some_and(|format| !allowed.contains(&format));
    if kind.as_deref() == Some("STRING") && odd(&["enum", "date-time"]) {
        return Err(refuse(format!(
            "{path}.format: only 'enum' and 'date-time' are supported for STRING type"
        )));
    }
    for (index, name) in schema["required"].as_array().into_iter().flatten().enumerate() {
        if schema["properties"].get(name.as_str().unwrap_or("")).is_none() {
            return Err(refuse(format!("{path}.required[{index}]: property is not defined")));
        }
    }
    for (name, inside) in schema["properties"].as_object().into_iter().flatten() {
        check_parameters(inside, &format!("{path}.properties[{name}]"))?;
    }
    if schema["items"].is_object() {
        check_parameters(&schema["items"], &format!("{path}.items"))?;
    }
    Ok(())
}

/// Finds the one member that says what a client message, or a realtimeInput, is.
pub(crate) fn single<'a>(members: &'a Map<String, Value>, at: &str) -> Result<(&'a str, &'a Value), Refusal> {
    let mut all = members.iter();
    match (all.next(), all.next()) {
        (Some((name, value)), None) => Ok((name, value)),
        (Some(_), Some((second, _))) => Err(refuse(format!(
            "Invalid value at '{at}' (oneof), oneof field 'message_type' is already set. Cannot set '{second}'"
        ))),
        _ => Err(invalid()),
    }
}

/// The rate a chunk of audio declares, in Hz.
pub(crate) fn rate_of(mime: &str) -> Result<u32, Refusal> {
    let mut parts = mime.split(';').map(str::trim);
    if parts.next() != Some("audio/pcm") {
        return Err(invalid());
    }
    let mut rate = 16_000;
    for part in parts {
        if let Some(text) = part.strip_prefix("rate=") {
            rate = text.parse().map_err(|_| invalid())?;
        }
    }
    if (8_000..=192_000).contains(&rate) { Ok(rate) } else { Err(invalid()) }
}
