//! The members of `serverContent`: sound, transcripts and marks, bundled in any way.

use super::pcm;
use super::read::{Leaf, Members, Trouble, note};
use super::server::{ANSWER_RATE_HZ, AudioPart, Content, Interaction};
use super::value::{Anything, Value, object, only};
use crate::event::Grounding;
use serde::de::MapAccess;
use std::borrow::Cow;

/// Sound that could not be read.
const BAD_AUDIO: &str = "bad audio";

impl<'de> Members<'de> for Content {
    fn member<A: MapAccess<'de>>(
        &mut self,
        key: &str,
        map: &mut A,
        trouble: Trouble<'_>,
    ) -> Result<bool, A::Error> {
        match key {
            "modelTurn" | "model_turn" => {
                let parts: Option<Vec<Part<'de>>> = only(&["parts"], map, trouble)?;
                for part in parts.unwrap_or_default() {
                    part.into_content(self, trouble);
                }
            }
            "interrupted" => self.interrupted |= Leaf::of(map)?.flag(trouble),
            "generationComplete" | "generation_complete" => {
                self.generation_complete |= Leaf::of(map)?.flag(trouble)
            }
            "turnComplete" | "turn_complete" => self.turn_complete |= Leaf::of(map)?.flag(trouble),
            "waitingForInput" | "waiting_for_input" => self.waiting_for_input |= Leaf::of(map)?.flag(trouble),
            "turnCompleteReason" | "turn_complete_reason" => self.turn_complete_reason.read(map, trouble)?,
            "interactionStatus" | "interaction_status" => {
                self.interaction = interaction(Leaf::of(map)?, trouble);
            }
            "inputTranscription" | "input_transcription" => self.heard = transcript(map, trouble)?,
            "interimInputTranscription" | "interim_input_transcription" => {
                self.hearing = transcript(map, trouble)?
            }
            "outputTranscription" | "output_transcription" => self.said = transcript(map, trouble)?,
            "groundingMetadata" | "grounding_metadata" => {
                self.grounding = object(map, trouble)?.filter(|found| *found != Grounding::default());
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// Reads the status of an interaction; unspecified is the same as absent.
pub(super) fn interaction(leaf: Leaf<'_>, trouble: Trouble<'_>) -> Option<Interaction> {
    let name = leaf.text(trouble)?;
    match name.strip_prefix("INTERACTION_STATUS_").unwrap_or(&name) {
        "UNSPECIFIED" => None,
        "IN_PROGRESS" | "REQUIRES_ACTION" => Some(Interaction::InProgress),
        "IDLE" => Some(Interaction::Idle),
        _ => Some(Interaction::Other),
    }
}

/// `{text, finished, …}`: the text alone.
fn transcript<'de, A: MapAccess<'de>>(map: &mut A, trouble: Trouble<'_>) -> Result<Option<String>, A::Error> {
    Ok(only::<Option<String>, A>(&["text"], map, trouble)?.flatten())
}

/// One part of the model's turn.
#[derive(Default)]
struct Part<'de> {
    words: bool,
    thought: bool,
    blob: Option<Blob<'de>>,
}

impl<'de> Part<'de> {
    fn into_content(self, content: &mut Content, trouble: Trouble<'_>) {
        if self.words || self.thought {
            content.text_parts += 1;
        }
        if let Some(blob) = self.blob.filter(|_| !self.thought) {
            match blob.samples() {
                // A part may be empty; that is no sound.
                Some(part) => content.audio.extend(Some(part).filter(|part| !part.samples.is_empty())),
                None => note(trouble, BAD_AUDIO),
            }
        }
    }
}

impl<'de> Members<'de> for Part<'de> {
    fn member<A: MapAccess<'de>>(
        &mut self,
        key: &str,
        map: &mut A,
        trouble: Trouble<'_>,
    ) -> Result<bool, A::Error> {
        match key {
            "text" => self.words |= Leaf::of(map)?.text(trouble).is_some(),
            "thought" => self.thought |= Leaf::of(map)?.flag(trouble),
            "inlineData" | "inline_data" => self.blob = object(map, trouble)?,
            "executableCode" | "executable_code" | "codeExecutionResult" | "code_execution_result" => {
                self.words |= object::<Anything, A>(map, trouble)?.is_some();
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// Bytes with their type; the bytes stay in the payload until both are known.
#[derive(Default)]
struct Blob<'de> {
    mime_type: Cow<'de, str>,
    data: Cow<'de, str>,
}

impl Blob<'_> {
    fn samples(&self) -> Option<AudioPart> {
        let rate_hz = rate_hz(&self.mime_type)?;
        Some(AudioPart { rate_hz, samples: pcm::decode(&self.data)? })
    }
}

impl<'de> Members<'de> for Blob<'de> {
    fn member<A: MapAccess<'de>>(
        &mut self,
        key: &str,
        map: &mut A,
        trouble: Trouble<'_>,
    ) -> Result<bool, A::Error> {
        match key {
            "mimeType" | "mime_type" => self.mime_type.read(map, trouble)?,
            "data" => self.data.read(map, trouble)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// The rate in a type such as `audio/pcm;rate=24000`; `None` when it is not PCM or of a rate no card plays.
fn rate_hz(mime_type: &str) -> Option<u32> {
    let mut fields = mime_type.split(';').map(str::trim);
    let kind = fields.next()?;
    if !kind.eq_ignore_ascii_case("audio/pcm") && !kind.eq_ignore_ascii_case("audio/l16") {
        return None;
    }
    let rate =
        fields.filter_map(|field| field.split_once('=')).find(|(name, _)| name.eq_ignore_ascii_case("rate"));
    let Some((_, rate)) = rate else { return Some(ANSWER_RATE_HZ) };
    rate.parse().ok().filter(|rate| (8_000..=192_000).contains(rate))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Source;
    use crate::wire::server::decode;
    use serde_json::{Value, json};

    fn check(server_content: Value, expected: Content) {
        let message = json!({ "serverContent": server_content }).to_string();
        let decoded = decode(message.as_bytes()).map(|message| (message.content, message.unread));
        assert_eq!(decoded, Ok((Some(expected), None)), "{message}");
    }

    fn sound(rate_hz: u32, samples: &[i16]) -> AudioPart {
        AudioPart { rate_hz, samples: samples.to_vec() }
    }

    /// The sound of one part with this type and data, and what was noted.
    fn part(mime_type: &str, data: &str) -> Result<Vec<AudioPart>, &'static str> {
        let parts = json!([{ "inlineData": { "mimeType": mime_type, "data": data } }]);
        let message = json!({ "serverContent": { "modelTurn": { "parts": parts } } }).to_string();
        let message = decode(message.as_bytes()).map_err(|unreadable| unreadable.kind)?;
        Ok(message.content.unwrap_or_default().audio)
    }

    #[test]
    fn every_part_counts_and_thoughts_are_not_spoken() {
        check(
            json!({ "modelTurn": { "role": "model", "parts": [
                { "text": "**Planning**", "thought": true },
                { "inlineData": { "mimeType": "audio/pcm;rate=24000", "data": "AQA=" } },
                { "executableCode": { "language": "PYTHON", "code": "print()" } },
                { "inline_data": { "data": "AgADAA==", "mime_type": "audio/pcm;rate=16000" } },
                { "codeExecutionResult": { "outcome": "OUTCOME_OK" } },
                { "fileData": {} },
                {},
                { "thought": true, "inlineData": { "mimeType": "audio/pcm", "data": "AQA=" } },
            ] } }),
            Content {
                audio: vec![sound(24_000, &[1]), sound(16_000, &[2, 3])],
                text_parts: 4,
                ..Content::default()
            },
        );
    }

    #[test]
    fn a_bundle_is_read_whole() {
        check(
            json!({
                "modelTurn": { "parts": [{ "inlineData": { "mimeType": "audio/pcm", "data": "AQA=" } }] },
                "inputTranscription": { "text": "in", "languageCode": "de" },
                "interimInputTranscription": { "text": "interim" },
                "outputTranscription": { "text": "out", "finished": true },
                "interrupted": true,
                "generationComplete": true,
                "turnComplete": true,
                "turnCompleteReason": "NEED_MORE_INPUT",
                "interactionStatus": "IDLE",
                "waitingForInput": true,
                "groundingMetadata": {
                    "searchEntryPoint": { "renderedContent": "<div/>", "sdkBlob": "" },
                    "webSearchQueries": ["rain tomorrow", 7, null],
                    "groundingChunks": [
                        { "web": { "uri": "https://a", "title": "a.example", "domain": "a" } },
                        { "new": {} }, { "web": { "title": "nowhere" } }
                    ],
                    "groundingSupports": [{ "segment": { "endIndex": 4 } }],
                },
                "urlContextMetadata": {},
                "somethingNew": [1, { "a": null }],
            }),
            Content {
                audio: vec![sound(24_000, &[1])],
                text_parts: 0,
                heard: Some("in".to_owned()),
                hearing: Some("interim".to_owned()),
                said: Some("out".to_owned()),
                interrupted: true,
                generation_complete: true,
                turn_complete: true,
                turn_complete_reason: Some("NEED_MORE_INPUT".to_owned()),
                interaction: Some(Interaction::Idle),
                waiting_for_input: true,
                grounding: Some(Grounding {
                    queries: vec!["rain tomorrow".to_owned(), "7".to_owned()],
                    sources: vec![Source { uri: "https://a".to_owned(), title: "a.example".to_owned() }],
                    suggestions: Some("<div/>".to_owned()),
                }),
            },
        );
        // As after every turn of Vertex: nothing was searched.
        check(json!({ "groundingMetadata": {} }), Content::default());
    }

    #[test]
    fn snake_case_is_read_too() {
        check(
            json!({
                "model_turn": { "parts": [{ "inline_data": { "mime_type": "audio/pcm", "data": "AQA=" } }] },
                "input_transcription": { "text": "in" },
                "interim_input_transcription": { "text": "interim" },
                "output_transcription": { "text": "out" },
                "generation_complete": true,
                "turn_complete": true,
                "turn_complete_reason": "BLOCKLIST",
                "interaction_status": "REQUIRES_ACTION",
                "waiting_for_input": true,
            }),
            Content {
                audio: vec![sound(24_000, &[1])],
                heard: Some("in".to_owned()),
                hearing: Some("interim".to_owned()),
                said: Some("out".to_owned()),
                generation_complete: true,
                turn_complete: true,
                turn_complete_reason: Some("BLOCKLIST".to_owned()),
                interaction: Some(Interaction::InProgress),
                waiting_for_input: true,
                ..Content::default()
            },
        );
    }

    #[test]
    fn padding_and_transcripts_without_text() {
        for content in [
            json!({}),
            json!({ "outputTranscription": {} }),
            json!({ "inputTranscription": { "finished": true } }),
            json!({ "inputTranscription": null, "interrupted": null, "modelTurn": null }),
            json!({ "modelTurn": {} }),
            json!({ "modelTurn": { "parts": [] } }),
            json!({ "interactionStatus": "INTERACTION_STATUS_UNSPECIFIED" }),
            json!({ "outputTranscription": { "text": "" } }),
        ] {
            check(content, Content::default());
        }
    }

    #[test]
    fn statuses() {
        for (name, status) in [
            ("IN_PROGRESS", Interaction::InProgress),
            ("REQUIRES_ACTION", Interaction::InProgress),
            ("INTERACTION_STATUS_IN_PROGRESS", Interaction::InProgress),
            ("IDLE", Interaction::Idle),
            ("ASLEEP", Interaction::Other),
        ] {
            check(
                json!({ "interactionStatus": name }),
                Content { interaction: Some(status), ..Content::default() },
            );
        }
    }

    #[test]
    fn types_of_sound() {
        for (mime_type, rate_hz) in [
            ("audio/pcm", 24_000),
            ("audio/pcm;rate=24000", 24_000),
            ("audio/pcm; rate=16000", 16_000),
            ("Audio/PCM;codec=x;Rate=48000", 48_000),
            ("audio/L16;codec=pcm;rate=24000", 24_000),
        ] {
            assert_eq!(part(mime_type, "AQA="), Ok(vec![sound(rate_hz, &[1])]), "{mime_type}");
        }
        for mime_type in
            ["", "image/png", "audio/opus", "audio/pcm;rate=", "audio/pcm;rate=0", "audio/pcm;rate=24k"]
        {
            assert_eq!(part(mime_type, "AQA="), Err(BAD_AUDIO), "{mime_type}");
        }
    }

    #[test]
    fn data_may_be_escaped_url_safe_or_odd() {
        assert_eq!(part("audio/pcm", "AQD-_w"), Ok(vec![sound(24_000, &[1, -2])]));
        assert_eq!(part("audio/pcm", ""), Ok(vec![]));
        assert_eq!(part("audio/pcm", "AQAC"), Ok(vec![sound(24_000, &[1])]));
        assert_eq!(part("audio/pcm", "not base64"), Err(BAD_AUDIO));
        let escaped = br#"{"serverContent":{"modelTurn":{"parts":[{"inlineData":{"data":"AQD+\/w==","mimeType":"audio\/pcm"}}]}}}"#;
        let content = decode(escaped).expect("JSON").content.expect("content");
        assert_eq!(content.audio, [sound(24_000, &[1, -2])]);
    }

    #[test]
    fn a_bad_part_costs_only_itself() {
        let message = json!({ "serverContent": { "turnComplete": true, "modelTurn": { "parts": [
            { "inlineData": { "mimeType": "audio/pcm", "data": "AQA=" } },
            { "inlineData": { "mimeType": "audio/pcm", "data": "…" } },
            { "inlineData": 7 },
            "part",
            { "inlineData": { "mimeType": "audio/pcm", "data": "AgA=" } },
        ] } } });
        let message = decode(message.to_string().as_bytes()).expect("readable");
        let content = message.content.expect("content");
        assert_eq!(content.audio, [sound(24_000, &[1]), sound(24_000, &[2])]);
        assert!(content.turn_complete);
        assert!(message.unread.is_some());
    }
}
