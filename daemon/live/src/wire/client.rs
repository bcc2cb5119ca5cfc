//! What the client says: each function returns one complete JSON text message, camelCase, absent members left out.

mod setup;

use super::pcm;
use crate::profile::{Profile, TextBy, ToolBehavior};
use serde_json::{Map, Value, json};

pub use setup::setup;

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

/// How many samples a message of [`audio`] carries; 0 for every other message.
pub fn audio_samples(message: &str) -> usize {
    let sound = message.strip_prefix(AUDIO_BEGINS).and_then(|rest| rest.strip_suffix(AUDIO_ENDS));
    // Four letters stand for three bytes, and two at the end may only fill up.
    sound.map_or(0, |letters| letters.trim_end_matches('=').len() * 3 / 4 / 2)
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

/// What the model is to know without answering it; only where text is sent as turns.
pub fn silent_text(text: &str) -> String {
    client_content(&[Turn { role: Role::User, text: text.to_owned() }], false)
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

fn instruction_content(text: &str) -> Value {
    json!({ "parts": [{ "text": text }] })
}

/// The tool with `behavior` in its declarations as the model wants it.
fn with_behavior(tool: &Value, behavior: ToolBehavior) -> Value {
    let mut tool = tool.clone();
    let word = match behavior {
        ToolBehavior::LeaveOut => None,
        ToolBehavior::Blocking => Some("BLOCKING"),
        ToolBehavior::NonBlocking => Some("NON_BLOCKING"),
    };
    for name in ["functionDeclarations", "function_declarations"] {
        let declarations = tool.get_mut(name).and_then(Value::as_array_mut).into_iter().flatten();
        for declaration in declarations.filter_map(Value::as_object_mut) {
            declaration.remove("behavior");
            if let Some(word) = word {
                declaration.insert("behavior".into(), word.into());
            }
        }
    }
    tool
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_fits_its_capacity_and_comes_back() {
        for len in [0, 1, 2, 320, 640, 1600] {
            let samples: Vec<i16> = (0..len).map(|i| i * 11 - 5000).collect();
            let message = audio(&samples);
            assert_eq!(message.capacity(), message.len(), "{len} samples");
            let json: Value = serde_json::from_str(&message).expect("JSON");
            let audio = &json["realtimeInput"]["audio"];
            assert_eq!(audio["mimeType"], "audio/pcm;rate=16000");
            assert_eq!(pcm::decode(audio["data"].as_str().expect("text")), Some(samples));
        }
    }

    fn check_message(message: &str, expected: Value) {
        assert_eq!(serde_json::from_str::<Value>(message).expect("JSON"), expected);
    }

    #[test]
    fn marks_of_the_stream() {
        check_message(activity_start(), json!({ "realtimeInput": { "activityStart": {} } }));
        check_message(activity_end(), json!({ "realtimeInput": { "activityEnd": {} } }));
        check_message(audio_stream_end(), json!({ "realtimeInput": { "audioStreamEnd": true } }));
    }

    #[test]
    fn typed_text_goes_the_way_the_model_takes_it() {
        check_message(
            &text(Profile::of("gemini-3.1-flash-live-preview"), "Hi \"you\""),
            json!({ "realtimeInput": { "text": "Hi \"you\"" } }),
        );
        check_message(
            &text(Profile::of("gemini-3.8-live"), "Hi"),
            json!({ "clientContent": { "turns": [{ "role": "user", "parts": [{ "text": "Hi" }] }], "turnComplete": true } }),
        );
    }

    #[test]
    fn turns_and_no_turns() {
        let turns = [
            Turn { role: Role::User, text: "a".to_owned() },
            Turn { role: Role::Model, text: "b".to_owned() },
        ];
        check_message(
            &client_content(&turns, false),
            json!({ "clientContent": {
                "turns": [{ "role": "user", "parts": [{ "text": "a" }] }, { "role": "model", "parts": [{ "text": "b" }] }],
                "turnComplete": false,
            } }),
        );
        check_message(&client_content(&[], true), json!({ "clientContent": { "turnComplete": true } }));
    }

    #[test]
    fn calls_are_answered_by_id_and_name() {
        let response = json!({ "output": "on" }).as_object().cloned().expect("an object");
        let answer = ToolAnswer { id: "c1".to_owned(), name: "lamp".to_owned(), response };
        let nameless = ToolAnswer { id: String::new(), ..answer.clone() };
        check_message(
            &tool_response(&[answer, nameless]),
            json!({ "toolResponse": { "functionResponses": [
                { "id": "c1", "name": "lamp", "response": { "output": "on" } },
                { "name": "lamp", "response": { "output": "on" } },
            ] } }),
        );
    }

    #[test]
    fn a_context_is_replaced_in_part_or_whole() {
        let profile = Profile::of("gemini-3.8-live");
        check_message(
            &context_update(profile, Some("Be brief."), None),
            json!({ "contextUpdate": { "systemInstruction": { "parts": [{ "text": "Be brief." }] } } }),
        );
        check_message(
            &context_update(profile, None, Some(&[])),
            json!({ "contextUpdate": { "tools": { "tools": [] } } }),
        );
    }
}
