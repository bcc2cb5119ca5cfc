//! The first message of a link: all that is asked for, in the words of the model.

use super::{instruction_content, with_behavior};
use crate::profile::Profile;
use crate::settings::{Settings, TalkMode};
use crate::wire::Handle;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// To every model that has tools.
const USE: &str = "Use your tools for what they can tell or do: do not guess it, and do not say that something is done \
                   before its tool has said so.";
/// To one that can speak while it waits for them.
const USE_AND_SAY: &str = "Use your tools for what they can tell or do: do not guess it, and do not say that something is \
                           done before its tool has said so. When you call one, say in a few words that you do.";

/// The first message of a link. A handle resumes the session it was given for; handles are asked for always. `note` is
/// something to know from the beginning and joins the system instruction.
pub fn setup(settings: &Settings, profile: &Profile, handle: Option<&Handle>, note: Option<&str>) -> String {
    let mut setup = Map::new();
    setup.insert("model".into(), path(&settings.model).into());
    setup.insert("generationConfig".into(), generation_config(settings, profile));
    let offers = profile.tools && !settings.tools.is_empty();
    let tools = offers.then_some(if profile.speaks_while_waiting { USE_AND_SAY } else { USE });
    let instruction = [settings.instruction.as_deref(), tools, note].into_iter().flatten();
    let instruction: Vec<&str> = instruction.filter(|text| profile.instruction && !text.is_empty()).collect();
    if !instruction.is_empty() {
        setup.insert("systemInstruction".into(), instruction_content(&instruction.join("\n\n")));
    }
    if offers {
        let behavior = profile.behavior_of(&settings.model);
        let tools = settings.tools.iter().map(|tool| with_behavior(tool, behavior)).collect();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::tests::settings;

    fn setup_of(settings: &Settings) -> Value {
        let message = setup(settings, Profile::of(&settings.model), None, None);
        serde_json::from_str::<Value>(&message).expect("JSON")["setup"].take()
    }

    fn check(change: impl FnOnce(&mut Settings), expected: Value) {
        let mut settings = settings();
        change(&mut settings);
        let mut setup = setup_of(&settings);
        let members = setup.as_object_mut().expect("an object");
        members.remove("model");
        // What every setup has, unless the test is about it.
        for (name, value) in [
            ("generationConfig", json!({ "responseModalities": ["AUDIO"] })),
            ("sessionResumption", json!({})),
        ] {
            if members.get(name) == Some(&value) {
                members.remove(name);
            }
        }
        assert_eq!(setup, expected);
    }

    #[test]
    fn the_least_setup() {
        let expected = json!({
            "model": "models/gemini-3.8-live",
            "generationConfig": { "responseModalities": ["AUDIO"] },
            "sessionResumption": {},
        });
        assert_eq!(setup_of(&settings()), expected);
    }

    #[test]
    fn a_handle_resumes() {
        let message = setup(&settings(), Profile::of(""), Some(&Handle::new("h".to_owned())), None);
        assert!(message.contains(r#""sessionResumption":{"handle":"h"}"#), "{message}");
    }

    #[test]
    fn a_path_is_passed_as_it_is() {
        for (model, sent) in [
            ("gemini-x", "models/gemini-x"),
            ("models/gemini-x", "models/gemini-x"),
            (
                "projects/p/locations/l/publishers/google/models/m",
                "projects/p/locations/l/publishers/google/models/m",
            ),
        ] {
            let model = model.to_owned();
            assert_eq!(setup_of(&Settings { model, ..settings() })["model"], sent);
        }
    }

    #[test]
    fn what_is_set_is_sent() {
        check(
            |settings| {
                settings.voice = Some("Kore".to_owned());
                settings.language = Some("de-DE".to_owned());
                settings.temperature = Some(0.7);
                settings.instruction = Some("Say \"yes\"".to_owned());
                settings.transcribe_input = true;
                settings.transcribe_output = true;
                settings.compression = Some((25_000, 8_000));
                settings.tools = vec![json!({ "googleSearch": {} })];
            },
            json!({
                "generationConfig": {
                    "responseModalities": ["AUDIO"],
                    "speechConfig": {
                        "voiceConfig": { "prebuiltVoiceConfig": { "voiceName": "Kore" } },
                        "languageCode": "de-DE",
                    },
                    "temperature": 0.7,
                },
                "systemInstruction": { "parts": [{ "text": format!("Say \"yes\"\n\n{USE}") }] },
                "inputAudioTranscription": {},
                "outputAudioTranscription": {},
                "contextWindowCompression": { "triggerTokens": 25000, "slidingWindow": { "targetTokens": 8000 } },
                "tools": [{ "googleSearch": {} }],
            }),
        );
    }

    #[test]
    fn empty_texts_and_odd_numbers_stay_out() {
        check(
            |settings| {
                settings.voice = Some(String::new());
                settings.language = Some(String::new());
                settings.instruction = Some(String::new());
                settings.thinking = Some(String::new());
                settings.temperature = Some(f32::NAN);
            },
            json!({}),
        );
    }

    #[test]
    fn detection_options_are_named_by_their_effect() {
        let detection = |name: &str, value: Value| json!({ "realtimeInputConfig": { "automaticActivityDetection": { name: value } } });
        check(
            |s| s.start_eager = Some(true),
            detection("startOfSpeechSensitivity", "START_SENSITIVITY_HIGH".into()),
        );
        check(
            |s| s.start_eager = Some(false),
            detection("startOfSpeechSensitivity", "START_SENSITIVITY_LOW".into()),
        );
        check(
            |s| s.end_eager = Some(true),
            detection("endOfSpeechSensitivity", "END_SENSITIVITY_HIGH".into()),
        );
        check(
            |s| s.end_eager = Some(false),
            detection("endOfSpeechSensitivity", "END_SENSITIVITY_LOW".into()),
        );
        check(|s| s.start_after = Some(Duration::from_millis(60)), detection("prefixPaddingMs", 60.into()));
        check(|s| s.end_after = Some(Duration::from_millis(800)), detection("silenceDurationMs", 800.into()));
        check(|s| s.end_after = Some(Duration::MAX), detection("silenceDurationMs", i32::MAX.into()));
        check(
            |s| s.speech_interrupts = false,
            json!({ "realtimeInputConfig": { "activityHandling": "NO_INTERRUPTION" } }),
        );
    }

    #[test]
    fn hold_and_tap_switch_the_detection_off_and_say_no_more_about_it() {
        let hold = TalkMode::Hold { tail: Duration::ZERO };
        let tap = TalkMode::Tap { end_silence: Duration::from_secs(1), no_speech: Duration::from_secs(8) };
        for talk in [hold, tap] {
            check(
                |settings| {
                    settings.talk = talk;
                    settings.start_eager = Some(true);
                    settings.end_eager = Some(false);
                    settings.end_after = Some(Duration::from_secs(1));
                    settings.speech_interrupts = false;
                },
                json!({ "realtimeInputConfig": { "automaticActivityDetection": { "disabled": true } } }),
            );
        }
    }

    #[test]
    fn a_model_gets_only_what_it_takes() {
        let tool = json!({ "functionDeclarations": [{ "name": "lamp" }] });
        let sent = |model: &str| {
            let model = model.to_owned();
            let (language, thinking) = (Some("de-DE".to_owned()), Some("medium".to_owned()));
            let setup =
                setup_of(&Settings { model, language, thinking, tools: vec![tool.clone()], ..settings() });
            let config = &setup["generationConfig"];
            (
                config["thinkingConfig"]["thinkingLevel"].as_str().map(str::to_owned),
                config["speechConfig"]["languageCode"].is_string(),
                setup["tools"][0]["functionDeclarations"][0]["behavior"].as_str().map(str::to_owned),
            )
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(sent("gemini-2.5-flash-native-audio-latest"), (some("MEDIUM"), true, some("BLOCKING")));
        assert_eq!(sent("gemini-3.1-flash-live-preview"), (some("MEDIUM"), true, None));
        assert_eq!(sent("gemini-3.8-live"), (None, true, some("BLOCKING")));
        let on_vertex = "projects/p/locations/l/publishers/google/models/gemini-3.8-live";
        assert_eq!(sent(on_vertex), (None, true, None));
        assert_eq!(sent("gemini-3.8-live-extended-thinking"), (some("MEDIUM"), false, some("NON_BLOCKING")));
        assert_eq!(sent("gemini-9"), (None, false, None));
    }

    #[test]
    fn a_model_is_told_to_use_its_tools_and_to_speak_meanwhile_where_it_can() {
        let told = |model: &str, tools: &[Value]| {
            let setup = setup_of(&Settings { model: model.to_owned(), tools: tools.to_vec(), ..settings() });
            setup["systemInstruction"]["parts"][0]["text"].as_str().map(str::to_owned)
        };
        let lamp = [json!({ "functionDeclarations": [{ "name": "lamp" }] })];
        assert_eq!(told("gemini-3.8-live", &lamp).as_deref(), Some(USE));
        assert_eq!(told("gemini-2.5-flash-native-audio-latest", &lamp).as_deref(), Some(USE_AND_SAY));
        assert_eq!(told("gemini-3.8-live", &[]), None);
        assert_eq!(told("gemini-3.5-live-translate-preview", &lamp), None);
        assert!(USE_AND_SAY.starts_with(USE));
    }

    #[test]
    fn nothing_is_ever_null() {
        let mut all = settings();
        all.voice = Some("Kore".to_owned());
        for model in ["gemini-3.8-live", "gemini-3.8-live-extended-thinking", "x"] {
            let message = setup(&all, Profile::of(model), None, None);
            assert!(!message.contains("null"), "{message}");
        }
    }
}
