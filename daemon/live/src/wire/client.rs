//! What the client says: each function returns one complete JSON text message, camelCase, absent members left out.

use super::{Handle, pcm};
use crate::profile::{Profile, TextBy, ToolBehavior};
use crate::settings::{Settings, TalkMode};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// An answer to a call.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolAnswer {
    /// Id of the call.
    pub id: String,
    /// Name of the call.
    pub name: String,
    /// An object, by convention with a member `output` or `error`.
    pub response: Map<String, Value>,
}

/// A turn to remember.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Whose it was.
    pub role: Role,
    /// What was said.
    pub text: String,
}

/// Whose turn it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The person's.
    User,
    /// The assistant's.
    Model,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Model => "model",
        }
    }
}

/// The first message of a link. A handle resumes the session it was given for; handles are asked for always.
pub fn setup(settings: &Settings, profile: &Profile, handle: Option<&Handle>) -> String {
    let mut setup = Map::new();
    setup.insert("model".into(), path(&settings.model).into());
    setup.insert("generationConfig".into(), generation_config(settings, profile));
    if let Some(instruction) =
        settings.instruction.as_deref().filter(|text| profile.instruction && !text.is_empty())
    {
        setup.insert("systemInstruction".into(), instruction_content(instruction));
    }
    if profile.tools && !settings.tools.is_empty() {
        let tools = settings.tools.iter().map(|tool| with_behavior(tool, profile.tool_behavior)).collect();
        setup.insert("tools".into(), Value::Array(tools));
    }
    if let Some(config) = realtime_input_config(settings) {
        setup.insert("realtimeInputConfig".into(), config);
    }
    let resumption = handle.map_or_else(|| json!({}), |handle| json!({ "handle": handle.reveal() }));
    setup.insert("sessionResumption".into(), resumption);
    if let Some((trigger, target)) = settings.compression {
        // 64 bits may be written as number or text; numbers are what the published examples show.
        let compression = json!({ "triggerTokens": trigger, "slidingWindow": { "targetTokens": target } });
        setup.insert("contextWindowCompression".into(), compression);
    }
    if settings.transcribe_input {
        setup.insert("inputAudioTranscription".into(), json!({}));
    }
    if settings.transcribe_output {
        setup.insert("outputAudioTranscription".into(), json!({}));
    }
    json!({ "setup": setup }).to_string()
}

/// A bare name gets the Developer API's `models/` before it.
fn path(model: &str) -> String {
    if model.starts_with("models/") || model.starts_with("projects/") {
        model.to_owned()
    } else {
        format!("models/{model}")
    }
}

fn generation_config(settings: &Settings, profile: &Profile) -> Value {
    let mut config = Map::new();
    config.insert("responseModalities".into(), json!(["AUDIO"]));
    let mut speech = Map::new();
    if let Some(voice) = settings.voice.as_deref().filter(|voice| profile.voice && !voice.is_empty()) {
        speech.insert("voiceConfig".into(), json!({ "prebuiltVoiceConfig": { "voiceName": voice } }));
    }
    if let Some(language) =
        settings.language.as_deref().filter(|code| profile.language_code && !code.is_empty())
    {
        speech.insert("languageCode".into(), language.into());
    }
    if !speech.is_empty() {
        config.insert("speechConfig".into(), speech.into());
    }
    if let Some(temperature) = settings.temperature.filter(|temperature| temperature.is_finite()) {
        // Through its shortest decimal, or 0.7 would be sent as 0.699999988079071.
        let temperature: f64 = temperature.to_string().parse().unwrap_or(f64::from(temperature));
        config.insert("temperature".into(), temperature.into());
    }
    if let Some(level) = profile.thinking.level(settings.thinking.as_deref()) {
        config.insert("thinkingConfig".into(), json!({ "thinkingLevel": level }));
    }
    config.into()
}

/// Hold and tap mark activity themselves; then no other option of the detection may be set.
fn realtime_input_config(settings: &Settings) -> Option<Value> {
    if !matches!(settings.talk, TalkMode::Open { .. }) {
        return Some(json!({ "automaticActivityDetection": { "disabled": true } }));
    }
    let mut detection = Map::new();
    if let Some(eager) = settings.start_eager {
        let level = if eager { "START_SENSITIVITY_HIGH" } else { "START_SENSITIVITY_LOW" };
        detection.insert("startOfSpeechSensitivity".into(), level.into());
    }
    if let Some(eager) = settings.end_eager {
        let level = if eager { "END_SENSITIVITY_HIGH" } else { "END_SENSITIVITY_LOW" };
        detection.insert("endOfSpeechSensitivity".into(), level.into());
    }
    if let Some(speech) = settings.start_after {
        detection.insert("prefixPaddingMs".into(), ms(speech).into());
    }
    if let Some(silence) = settings.end_after {
        detection.insert("silenceDurationMs".into(), ms(silence).into());
    }
    let mut config = Map::new();
    if !detection.is_empty() {
        config.insert("automaticActivityDetection".into(), detection.into());
    }
    if !settings.speech_interrupts {
        config.insert("activityHandling".into(), "NO_INTERRUPTION".into());
    }
    (!config.is_empty()).then(|| config.into())
}

/// Milliseconds as the int32 the API has.
fn ms(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}

fn instruction_content(text: &str) -> Value {
    json!({ "parts": [{ "text": text }] })
}

/// The tool with `behavior` in its declarations as the model wants it.
fn with_behavior(tool: &Value, behavior: ToolBehavior) -> Value {
    let mut tool = tool.clone();
    if behavior == ToolBehavior::AsGiven {
        return tool;
    }
    for name in ["functionDeclarations", "function_declarations"] {
        let declarations = tool.get_mut(name).and_then(Value::as_array_mut).into_iter().flatten();
        for declaration in declarations.filter_map(Value::as_object_mut) {
            declaration.remove("behavior");
            if behavior == ToolBehavior::NonBlocking {
                declaration.insert("behavior".into(), "NON_BLOCKING".into());
            }
        }
    }
    tool
}

const AUDIO_BEGINS: &str = r#"{"realtimeInput":{"audio":{"data":""#;
const AUDIO_ENDS: &str = r#"","mimeType":"audio/pcm;rate=16000"}}}"#;

/// A chunk of sound, 16 kHz mono.
pub fn audio(samples: &[i16]) -> String {
    let mut message =
        String::with_capacity(AUDIO_BEGINS.len() + pcm::encoded_chars(samples.len()) + AUDIO_ENDS.len());
    message.push_str(AUDIO_BEGINS);
    pcm::encode(samples, &mut message);
    message.push_str(AUDIO_ENDS);
    message
}

/// The person begins to speak; only where the server does not listen for it.
pub fn activity_start() -> &'static str {
    r#"{"realtimeInput":{"activityStart":{}}}"#
}

/// The person has spoken; only where the server does not listen for it.
pub fn activity_end() -> &'static str {
    r#"{"realtimeInput":{"activityEnd":{}}}"#
}

/// No sound for a while; only where the server listens for speech.
pub fn audio_stream_end() -> &'static str {
    r#"{"realtimeInput":{"audioStreamEnd":true}}"#
}

/// What a person typed, to be answered; not between [`activity_start`] and [`activity_end`].
pub fn text(profile: &Profile, text: &str) -> String {
    match profile.text_by {
        TextBy::RealtimeInput => json!({ "realtimeInput": { "text": text } }).to_string(),
        TextBy::ClientContent => client_content(&[Turn { role: Role::User, text: text.to_owned() }], true),
    }
}

/// Answers to calls, all that are ready.
pub fn tool_response(answers: &[ToolAnswer]) -> String {
    let responses: Vec<Value> = answers
        .iter()
        .map(|ToolAnswer { id, name, response }| {
            let mut answer = Map::new();
            // Vertex leaves the id out of a call; then it stays out here.
            if !id.is_empty() {
                answer.insert("id".into(), id.as_str().into());
            }
            answer.insert("name".into(), name.as_str().into());
            answer.insert("response".into(), response.clone().into());
            answer.into()
        })
        .collect();
    json!({ "toolResponse": { "functionResponses": responses } }).to_string()
}

/// Turns as text: history, or something to answer. It cuts an answer that is being given.
pub fn client_content(turns: &[Turn], turn_complete: bool) -> String {
    let mut content = Map::new();
    if !turns.is_empty() {
        let turns =
            turns.iter().map(|turn| json!({ "role": turn.role.name(), "parts": [{ "text": turn.text }] }));
        content.insert("turns".into(), turns.collect());
    }
    content.insert("turnComplete".into(), turn_complete.into());
    json!({ "clientContent": content }).to_string()
}

/// Another system instruction, other tools, or both, in the middle of a session; an empty list takes all tools away.
pub fn context_update(profile: &Profile, instruction: Option<&str>, tools: Option<&[Value]>) -> String {
    let mut update = Map::new();
    if let Some(instruction) = instruction {
        update.insert("systemInstruction".into(), instruction_content(instruction));
    }
    if let Some(tools) = tools {
        let tools: Vec<Value> = tools.iter().map(|tool| with_behavior(tool, profile.tool_behavior)).collect();
        update.insert("tools".into(), json!({ "tools": tools }));
    }
    json!({ "contextUpdate": update }).to_string()
}
