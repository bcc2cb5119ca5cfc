//! Which member of which server message goes where.

use super::pcm;
use super::read::{Found, Leaf, List, Members, Object, Trouble, WRONG_TYPE, note};
use super::server::{
    ANSWER_RATE_HZ, AudioPart, Content, FunctionCall, GoAway, Interaction, Resumption, ServerError,
    ServerMessage, VoiceActivity,
};
use crate::event::Usage;
use crate::wire::Handle;
use serde::de::MapAccess;
use serde_json::Value;
use std::borrow::Cow;
use std::time::Duration;

/// Sound that could not be read.
const BAD_AUDIO: &str = "bad audio";
/// A duration that could not be read.
const BAD_DURATION: &str = "bad duration";

/// Reads the next value as an object of its own; `None` when it is something else.
fn object<'de, T: Members<'de> + Default, A: MapAccess<'de>>(
    map: &mut A,
    trouble: Trouble<'_>,
) -> Result<Option<T>, A::Error> {
    let mut into = T::default();
    let found = map.next_value_seed(Object { into: &mut into, trouble })?;
    Ok(Some(into).filter(|_| found == Found::Object))
}

/// An object of which only its being there counts.
#[derive(Default)]
struct Anything;

impl<'de> Members<'de> for Anything {
    fn member<A: MapAccess<'de>>(&mut self, _: &str, _: &mut A, _: Trouble<'_>) -> Result<bool, A::Error> {
        Ok(false)
    }
}

impl<'de> Members<'de> for ServerMessage {
    fn member<A: MapAccess<'de>>(
        &mut self,
        key: &str,
        map: &mut A,
        trouble: Trouble<'_>,
    ) -> Result<bool, A::Error> {
        match key {
            "setupComplete" | "setup_complete" => {
                self.setup_complete |= object::<Anything, A>(map, trouble)?.is_some();
            }
            "serverContent" | "server_content" => {
                let mut content = self.content.take().unwrap_or_default();
                let had = content != Content::default();
                let found = map.next_value_seed(Object { into: &mut content, trouble })?;
                self.content = Some(content).filter(|_| had || found == Found::Object);
            }
            // Some pages show these two beside serverContent.
            "interrupted" => {
                if Leaf::of(map)?.flag(trouble) {
                    self.content.get_or_insert_default().interrupted = true;
                }
            }
            "interactionStatus" | "interaction_status" => {
                if let Some(status) = interaction(Leaf::of(map)?, trouble) {
                    self.content.get_or_insert_default().interaction = Some(status);
                }
            }
            "toolCall" | "tool_call" => {
                let calls = object::<Calls, A>(map, trouble)?.unwrap_or_default().0;
                self.tool_calls.extend(calls.into_iter().filter(|call| {
                    let answerable = !(call.id.is_empty() && call.name.is_empty());
                    if !answerable {
                        note(trouble, WRONG_TYPE);
                    }
                    answerable
                }));
            }
            "toolCallCancellation" | "tool_call_cancellation" => {
                let ids = object::<Ids<'de>, A>(map, trouble)?.unwrap_or_default().0;
                self.cancelled_calls
                    .extend(ids.into_iter().filter_map(|id| id.text(trouble)).map(Cow::into_owned));
            }
            "goAway" | "go_away" => {
                if let Some(TimeLeft(time_left)) = object(map, trouble)? {
                    self.go_away = Some(GoAway { time_left });
                }
            }
            "sessionResumptionUpdate" | "session_resumption_update" => {
                if let Some(Update { handle, resumable }) = object(map, trouble)? {
                    self.resumption = Some(Resumption { handle, resumable });
                }
            }
            "voiceActivity"
            | "voice_activity"
            | "voiceActivityDetectionSignal"
            | "voice_activity_detection_signal" => {
                if let Some(Voice(activity)) = object(map, trouble)? {
                    self.voice_activity = Some(activity.unwrap_or(VoiceActivity::Other));
                }
            }
            "usageMetadata" | "usage_metadata" => {
                if let Some(usage) = object(map, trouble)? {
                    self.usage = Some(usage);
                }
            }
            "error" => {
                let error = self.error.get_or_insert_default();
                map.next_value_seed(Object { into: error, trouble })?;
            }
            // An error without its wrapper.
            "code" | "message" | "status" => {
                return self.error.get_or_insert_default().member(key, map, trouble);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn unknown(&mut self) {
        self.unknown_members += 1;
    }
}

impl<'de> Members<'de> for Content {
    fn member<A: MapAccess<'de>>(
        &mut self,
        key: &str,
        map: &mut A,
        trouble: Trouble<'_>,
    ) -> Result<bool, A::Error> {
        match key {
            "modelTurn" | "model_turn" => {
                for part in object::<Parts<'de>, A>(map, trouble)?.unwrap_or_default().0 {
                    part.into_content(self, trouble);
                }
            }
            "interrupted" => self.interrupted |= Leaf::of(map)?.flag(trouble),
            "generationComplete" | "generation_complete" => {
                self.generation_complete |= Leaf::of(map)?.flag(trouble)
            }
            "turnComplete" | "turn_complete" => self.turn_complete |= Leaf::of(map)?.flag(trouble),
            "waitingForInput" | "waiting_for_input" => self.waiting_for_input |= Leaf::of(map)?.flag(trouble),
            "turnCompleteReason" | "turn_complete_reason" => {
                self.turn_complete_reason = Leaf::of(map)?.text(trouble).map(Cow::into_owned);
            }
            "interactionStatus" | "interaction_status" => {
                self.interaction = interaction(Leaf::of(map)?, trouble);
            }
            "inputTranscription" | "input_transcription" => self.heard = transcript(map, trouble)?,
            "interimInputTranscription" | "interim_input_transcription" => {
                self.hearing = transcript(map, trouble)?
            }
            "outputTranscription" | "output_transcription" => self.said = transcript(map, trouble)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// Reads the status of an interaction; unspecified is the same as absent.
fn interaction(leaf: Leaf<'_>, trouble: Trouble<'_>) -> Option<Interaction> {
    let name = leaf.text(trouble)?;
    match name.strip_prefix("INTERACTION_STATUS_").unwrap_or(&name) {
        "UNSPECIFIED" => None,
        "IN_PROGRESS" | "REQUIRES_ACTION" => Some(Interaction::InProgress),
        "IDLE" => Some(Interaction::Idle),
        _ => Some(Interaction::Other),
    }
}

/// `{text, finished, …}`: the text alone.
#[derive(Default)]
struct Transcript(Option<String>);

impl<'de> Members<'de> for Transcript {
    fn member<A: MapAccess<'de>>(
        &mut self,
        key: &str,
        map: &mut A,
        trouble: Trouble<'_>,
    ) -> Result<bool, A::Error> {
        if key == "text" {
            self.0 = Leaf::of(map)?.text(trouble).map(Cow::into_owned);
        }
        Ok(key == "text")
    }
}

fn transcript<'de, A: MapAccess<'de>>(map: &mut A, trouble: Trouble<'_>) -> Result<Option<String>, A::Error> {
    Ok(object::<Transcript, A>(map, trouble)?.and_then(|transcript| transcript.0))
}

#[derive(Default)]
struct Parts<'de>(Vec<Part<'de>>);

impl<'de> Members<'de> for Parts<'de> {
    fn member<A: MapAccess<'de>>(
        &mut self,
        key: &str,
        map: &mut A,
        trouble: Trouble<'_>,
    ) -> Result<bool, A::Error> {
        if key == "parts" {
            map.next_value_seed(List { into: &mut self.0, trouble })?;
        }
        Ok(key == "parts")
    }
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
                Some(part) => content.audio.push(part),
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
            "mimeType" | "mime_type" => self.mime_type = Leaf::of(map)?.text(trouble).unwrap_or_default(),
            "data" => self.data = Leaf::of(map)?.text(trouble).unwrap_or_default(),
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

#[derive(Default)]
struct Calls(Vec<FunctionCall>);

impl<'de> Members<'de> for Calls {
    fn member<A: MapAccess<'de>>(
        &mut self,
        key: &str,
        map: &mut A,
        trouble: Trouble<'_>,
    ) -> Result<bool, A::Error> {
        let known = matches!(key, "functionCalls" | "function_calls");
        if known {
            map.next_value_seed(List { into: &mut self.0, trouble })?;
        }
        Ok(known)
    }
}

impl<'de> Members<'de> for FunctionCall {
    fn member<A: MapAccess<'de>>(
        &mut self,
        key: &str,
        map: &mut A,
        trouble: Trouble<'_>,
    ) -> Result<bool, A::Error> {
        match key {
            "id" => self.id = Leaf::of(map)?.text(trouble).unwrap_or_default().into_owned(),
            "name" => self.name = Leaf::of(map)?.text(trouble).unwrap_or_default().into_owned(),
            "args" => match map.next_value::<Value>()? {
                Value::Object(args) => self.args = args,
                Value::Null => {}
                _ => note(trouble, WRONG_TYPE),
            },
            _ => return Ok(false),
        }
        Ok(true)
    }
}

#[derive(Default)]
struct Ids<'de>(Vec<Leaf<'de>>);

impl<'de> Members<'de> for Ids<'de> {
    fn member<A: MapAccess<'de>>(
        &mut self,
        key: &str,
        map: &mut A,
        trouble: Trouble<'_>,
    ) -> Result<bool, A::Error> {
        if key == "ids" {
            map.next_value_seed(List { into: &mut self.0, trouble })?;
        }
        Ok(key == "ids")
    }
}

#[derive(Default)]
struct TimeLeft(Option<Duration>);

impl<'de> Members<'de> for TimeLeft {
    fn member<A: MapAccess<'de>>(
        &mut self,
        key: &str,
        map: &mut A,
        trouble: Trouble<'_>,
    ) -> Result<bool, A::Error> {
        let known = matches!(key, "timeLeft" | "time_left");
        if known {
            self.0 = duration(Leaf::of(map)?, trouble);
        }
        Ok(known)
    }
}

/// Reads "50s", "1.200s" or a number of seconds; less than nothing is nothing.
fn duration(leaf: Leaf<'_>, trouble: Trouble<'_>) -> Option<Duration> {
    let seconds = match leaf {
        Leaf::Null => return None,
        Leaf::Text(text) => text.trim().trim_end_matches('s').parse().ok(),
        Leaf::Whole(seconds) => Some(seconds as f64),
        Leaf::Number(seconds) => Some(seconds),
        Leaf::Bool(_) | Leaf::Other => None,
    };
    let duration = seconds.and_then(|seconds: f64| Duration::try_from_secs_f64(seconds.max(0.0)).ok());
    if duration.is_none() {
        note(trouble, BAD_DURATION);
    }
    duration
}

#[derive(Default)]
struct Update {
    handle: Option<Handle>,
    resumable: bool,
}

impl<'de> Members<'de> for Update {
    fn member<A: MapAccess<'de>>(
        &mut self,
        key: &str,
        map: &mut A,
        trouble: Trouble<'_>,
    ) -> Result<bool, A::Error> {
        match key {
            "newHandle" | "new_handle" => {
                self.handle = Leaf::of(map)?.text(trouble).map(|handle| Handle::new(handle.into_owned()));
            }
            "resumable" => self.resumable = Leaf::of(map)?.flag(trouble),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

#[derive(Default)]
struct Voice(Option<VoiceActivity>);

impl<'de> Members<'de> for Voice {
    fn member<A: MapAccess<'de>>(
        &mut self,
        key: &str,
        map: &mut A,
        trouble: Trouble<'_>,
    ) -> Result<bool, A::Error> {
        let known = matches!(
            key,
            "type" | "voiceActivityType" | "voice_activity_type" | "vadSignalType" | "vad_signal_type"
        );
        if known {
            self.0 = Leaf::of(map)?.text(trouble).map(|name| match name.as_ref() {
                "ACTIVITY_START" | "VAD_SIGNAL_TYPE_SOS" => VoiceActivity::Start,
                "ACTIVITY_END" | "VAD_SIGNAL_TYPE_EOS" => VoiceActivity::End,
                _ => VoiceActivity::Other,
            });
        }
        Ok(known)
    }
}

impl<'de> Members<'de> for Usage {
    fn member<A: MapAccess<'de>>(
        &mut self,
        key: &str,
        map: &mut A,
        trouble: Trouble<'_>,
    ) -> Result<bool, A::Error> {
        let count = match key {
            "promptTokenCount" | "prompt_token_count" => &mut self.prompt,
            "cachedContentTokenCount" | "cached_content_token_count" => &mut self.cached,
            // Vertex names the second pair.
            "responseTokenCount"
            | "response_token_count"
            | "candidatesTokenCount"
            | "candidates_token_count" => &mut self.response,
            "thoughtsTokenCount" | "thoughts_token_count" => &mut self.thoughts,
            "toolUsePromptTokenCount" | "tool_use_prompt_token_count" => &mut self.tool_use,
            "totalTokenCount" | "total_token_count" => &mut self.total,
            _ => return Ok(false),
        };
        *count = Leaf::of(map)?.whole(trouble).map_or(0, |number| u64::try_from(number).unwrap_or(0));
        Ok(true)
    }
}

impl<'de> Members<'de> for ServerError {
    fn member<A: MapAccess<'de>>(
        &mut self,
        key: &str,
        map: &mut A,
        trouble: Trouble<'_>,
    ) -> Result<bool, A::Error> {
        match key {
            "code" => self.code = Leaf::of(map)?.whole(trouble),
            "message" => self.message = Leaf::of(map)?.text(trouble).unwrap_or_default().into_owned(),
            "status" => {
                let status = Leaf::of(map)?.text(trouble);
                if self.message.is_empty() {
                    self.message = status.unwrap_or_default().into_owned();
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}
