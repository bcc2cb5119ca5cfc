//! Checks a message against the tables in [`crate::proto`], as strictly as the service's JSON parser does.
//!
//! Names may come in camelCase or snake_case; an accepted message goes on in camelCase, its nulls left out. The
//! first thing that does not fit ends the link with 1007 and a reason that names its path, in snake_case.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};

/// Which version of the API the client dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    Beta,
    Alpha,
}

/// What a value must be.
pub(crate) enum Kind {
    Text,
    Bool,
    /// 32 bit; a decimal string does as well.
    Int,
    /// 64 bit; a decimal string does as well.
    Long,
    Float,
    /// Base64, standard or URL-safe, padded or not.
    Bytes,
    /// One of these names.
    Enum(&'static [&'static str]),
    /// One of these names, in upper or lower case.
    EnumAnyCase(&'static [&'static str]),
    Message(&'static Message),
    List(&'static Kind),
    /// Free names, each value of this kind.
    Map(&'static Kind),
    /// Any object.
    Struct,
    /// Anything.
    Any,
    /// A field only v1alpha knows.
    Alpha(&'static Kind),
}

/// A message of the protocol.
pub(crate) struct Message {
    /// Its full name in the protocol, for the reasons.
    pub name: &'static str,
    pub fields: &'static [Field],
}

/// A field: its name in camelCase, and its kind.
pub(crate) struct Field(pub &'static str, pub Kind);

/// Decodes base64 of either alphabet, with or without padding.
pub(crate) fn decode_base64(text: &str) -> Option<Vec<u8>> {
    const EITHER: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, EITHER);
    const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, EITHER);
    STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text)).ok()
}

/// `camelCase` as `camel_case`.
fn snake(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

/// Checks a client message; gives it back in camelCase, or the reason to close with.
pub(crate) fn check(version: Version, message: &Value) -> Result<Value, String> {
    walk(version, message, &Kind::Message(&crate::proto::CLIENT), "")
}

fn walk(version: Version, value: &Value, kind: &Kind, path: &str) -> Result<Value, String> {
    let fits = match (kind, value) {
        (Kind::Any, _)
        | (Kind::Text, Value::String(_))
        | (Kind::Bool, Value::Bool(_))
        | (Kind::Struct, Value::Object(_)) => true,
        (Kind::Int, _) => whole(value).is_some_and(|n| i32::try_from(n).is_ok()),
        (Kind::Long, _) => whole(value).is_some(),
        (Kind::Float, Value::Number(_)) => true,
        (Kind::Bytes, Value::String(text)) => decode_base64(text).is_some(),
        (Kind::Enum(names), Value::String(text)) => names.contains(&text.as_str()),
        (Kind::EnumAnyCase(names), Value::String(text)) => names.contains(&text.to_uppercase().as_str()),
        (Kind::Message(message), Value::Object(members)) => {
            return walk_message(version, members, message, path);
        }
        (Kind::Map(of), Value::Object(members)) => {
            let mut walked = Map::new();
            for (index, (name, member)) in members.iter().enumerate() {
                let inside = walk(version, member, of, &format!("{path}[{index}].value"))?;
                walked.insert(name.clone(), inside);
            }
            return Ok(Value::Object(walked));
        }
        (Kind::List(of), Value::Array(items)) => {
            let mut walked = Vec::with_capacity(items.len());
            for (index, item) in items.iter().enumerate() {
                walked.push(walk(version, item, of, &format!("{path}[{index}]"))?);
            }
            return Ok(Value::Array(walked));
        }
        (Kind::Alpha(of), _) => return walk(version, value, of, path),
        _ => false,
    };
    if fits { Ok(value.clone()) } else { Err(misfit(value, kind, path)) }
}

fn walk_message(
    version: Version,
    members: &Map<String, Value>,
    message: &Message,
    path: &str,
) -> Result<Value, String> {
    let mut walked = Map::new();
    for (name, member) in members {
        let known = message.fields.iter().find(|field| field.0 == name || snake(field.0) == *name);
        let Some(Field(camel, kind)) =
            known.filter(|f| version == Version::Alpha || !matches!(f.1, Kind::Alpha(_)))
        else {
            let at = if path.is_empty() { String::new() } else { format!(" at '{path}'") };
            return Err(format!(
                "Invalid JSON payload received. Unknown name \"{name}\"{at}: Cannot find field."
            ));
        };
        // null is an absent member, but some models were seen to refuse it for a handle: the rules must see it
        if member.is_null() {
            if *camel == "handle" {
                walked.insert((*camel).to_owned(), Value::Null);
            }
            continue;
        }
        let inside = if path.is_empty() { snake(camel) } else { format!("{path}.{}", snake(camel)) };
        walked.insert((*camel).to_owned(), walk(version, member, kind, &inside)?);
    }
    Ok(Value::Object(walked))
}

/// A whole number, spelt as one or as a string.
pub(crate) fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

fn misfit(value: &Value, kind: &Kind, path: &str) -> String {
    const PACKAGE: &str = "type.googleapis.com/google.ai.generativelanguage.v1beta.";
    let wanted = match kind {
        Kind::Text => "TYPE_STRING".to_owned(),
        Kind::Bool => "TYPE_BOOL".to_owned(),
        Kind::Int => "TYPE_INT32".to_owned(),
        Kind::Long => "TYPE_INT64".to_owned(),
        Kind::Float => "TYPE_FLOAT".to_owned(),
        Kind::Bytes => "TYPE_BYTES".to_owned(),
        Kind::Enum(names) | Kind::EnumAnyCase(names) => {
            let prefix = names.first().and_then(|n| n.rsplit_once('_')).map_or("", |(prefix, _)| prefix);
            format!("{PACKAGE}{prefix}")
        }
        Kind::Message(message) => format!("{PACKAGE}{}", message.name),
        Kind::List(_) => {
            return format!("Invalid value at '{path}': Proto field is repeating, must be a list.");
        }
        _ => "type.googleapis.com/google.protobuf.Struct".to_owned(),
    };
    format!("Invalid value at '{path}' ({wanted}), {value}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn refused(message: Value, reason: &str) {
        assert_eq!(check(Version::Beta, &message), Err(reason.to_owned()));
    }

    #[test]
    fn an_unknown_field_is_named_with_its_path() {
        refused(json!({"x": 1}), "Invalid JSON payload received. Unknown name \"x\": Cannot find field.");
        refused(
            json!({"setup": {"temperature": 1}}),
            "Invalid JSON payload received. Unknown name \"temperature\" at 'setup': Cannot find field.",
        );
        refused(
            json!({"setup": {"generationConfig": {"speechConfig": {"voice": "Kore"}}}}),
            "Invalid JSON payload received. Unknown name \"voice\" at 'setup.generation_config.speech_config': Cannot find field.",
        );
        refused(
            json!({"setup": {"tools": [{}, {"functionDeclarations": [{"parameters": {"properties":
                {"on": {"additionalProperties": false}}}}]}]}}),
            "Invalid JSON payload received. Unknown name \"additionalProperties\" at \
             'setup.tools[1].function_declarations[0].parameters.properties[0].value': Cannot find field.",
        );
    }

    #[test]
    fn an_unknown_enum_name_or_a_wrong_type_is_named_with_its_path() {
        let vad = |v: Value| json!({"setup": {"realtimeInputConfig": {"automaticActivityDetection": v}}});
        refused(
            vad(json!({"endOfSpeechSensitivity": "END_SENSITIVITY_MEDIUM"})),
            "Invalid value at 'setup.realtime_input_config.automatic_activity_detection.end_of_speech_sensitivity' \
             (type.googleapis.com/google.ai.generativelanguage.v1beta.END_SENSITIVITY), \"END_SENSITIVITY_MEDIUM\"",
        );
        refused(
            vad(json!({"silenceDurationMs": 1.5})),
            "Invalid value at 'setup.realtime_input_config.automatic_activity_detection.silence_duration_ms' \
             (TYPE_INT32), 1.5",
        );
        refused(json!({"setup": {"model": 3.8}}), "Invalid value at 'setup.model' (TYPE_STRING), 3.8");
        refused(
            json!({"setup": {"systemInstruction": "be brief"}}),
            "Invalid value at 'setup.system_instruction' \
             (type.googleapis.com/google.ai.generativelanguage.v1beta.Content), \"be brief\"",
        );
        refused(
            json!({"realtimeInput": {"audio": {"data": "a*b"}}}),
            "Invalid value at 'realtime_input.audio.data' (TYPE_BYTES), \"a*b\"",
        );
        refused(
            json!({"setup": {"generationConfig": {"responseModalities": "AUDIO"}}}),
            "Invalid value at 'setup.generation_config.response_modalities': Proto field is repeating, must be a list.",
        );
    }

    #[test]
    fn both_spellings_strings_for_numbers_and_nulls_pass_and_come_out_alike() {
        let message = json!({"setup": {"context_window_compression": {"trigger_tokens": "25000"}, "tools": null,
            "sessionResumption": {}}});
        let expected = json!({"setup": {"contextWindowCompression": {"triggerTokens": "25000"}, "sessionResumption": {}}});
        assert_eq!(check(Version::Beta, &message), Ok(expected));
        for data in ["_-8=", "/+8=", "_-8", "/+8"] {
            let message = json!({"realtime_input": {"audio": {"data": data, "mime_type": "audio/pcm"}}});
            assert!(check(Version::Beta, &message).is_ok(), "{data}");
            assert_eq!(decode_base64(data), Some(vec![0xff, 0xef]), "{data}");
        }
    }

    #[test]
    fn proactivity_is_a_field_of_v1alpha_only() {
        let message = json!({"setup": {"proactivity": {"proactiveAudio": true}}});
        refused(
            message.clone(),
            "Invalid JSON payload received. Unknown name \"proactivity\" at 'setup': Cannot find field.",
        );
        assert_eq!(check(Version::Alpha, &message), Ok(message));
    }

    #[test]
    fn what_the_service_was_recorded_to_take_is_taken() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/captures");
        let Ok(files) = std::fs::read_dir(folder) else {
            return println!("skipped: no recorded sessions here");
        };
        let mut count = 0;
        for file in files.map(|file| file.unwrap().path()) {
            // names that begin with d are of the Developer API, the one served here
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            if !name.starts_with('d') || !name.ends_with(".jsonl") {
                continue;
            }
            for line in std::fs::read_to_string(&file).unwrap().lines() {
                let frame: Value = serde_json::from_str(line).unwrap();
                if frame["dir"] == "client" {
                    let message = serde_json::from_str(frame["text"].as_str().unwrap()).unwrap();
                    assert!(
                        check(Version::Beta, &message).is_ok(),
                        "{name}: {:?}",
                        check(Version::Beta, &message)
                    );
                    count += 1;
                }
            }
        }
        assert!(count > 0);
    }
}
