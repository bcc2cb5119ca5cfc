//! The client's messages, field by field, as the published protocol spells them (v1beta, autumn 2026).
//!
//! Only names and types; what a model makes of them is in [`crate::rules`]. Fields that only the Vertex service
//! knows are left out, so that they are refused here as they are by the Developer API.

use crate::schema::{Field, Kind, Message};
use Kind::{Alpha, Any, Bool, Bytes, Enum, EnumAnyCase, Float, Int, List, Long, Map, Struct, Text};

macro_rules! message {
    ($constant:ident, $name:literal, [$($field:expr),* $(,)?]) => {
        pub(crate) static $constant: Message = Message { name: $name, fields: &[$($field),*] };
    };
}

message!(
    CLIENT,
    "BidiGenerateContentClientMessage",
    [
        Field("setup", Kind::Message(&SETUP)),
        Field("clientContent", Kind::Message(&CLIENT_CONTENT)),
        Field("realtimeInput", Kind::Message(&REALTIME_INPUT)),
        Field("toolResponse", Kind::Message(&TOOL_RESPONSE)),
        Field("contextUpdate", Kind::Message(&CONTEXT_UPDATE)),
    ]
);

message!(
    SETUP,
    "BidiGenerateContentSetup",
    [
        Field("model", Text),
        Field("generationConfig", Kind::Message(&GENERATION_CONFIG)),
        Field("systemInstruction", Kind::Message(&CONTENT)),
        Field("tools", List(&Kind::Message(&TOOL))),
        Field("realtimeInputConfig", Kind::Message(&REALTIME_INPUT_CONFIG)),
        Field("sessionResumption", Kind::Message(&SESSION_RESUMPTION)),
        Field("contextWindowCompression", Kind::Message(&COMPRESSION)),
        Field("inputAudioTranscription", Kind::Message(&TRANSCRIPTION)),
        Field("outputAudioTranscription", Kind::Message(&TRANSCRIPTION)),
        Field("proactivity", Alpha(&Kind::Message(&PROACTIVITY))),
        Field("historyConfig", Kind::Message(&HISTORY)),
        Field("safetySettings", List(&Kind::Message(&SAFETY))),
    ]
);

message!(SESSION_RESUMPTION, "SessionResumptionConfig", [Field("handle", Text)]);
message!(
    COMPRESSION,
    "ContextWindowCompressionConfig",
    [Field("triggerTokens", Long), Field("slidingWindow", Kind::Message(&SLIDING_WINDOW)),]
);
message!(SLIDING_WINDOW, "SlidingWindow", [Field("targetTokens", Long)]);
message!(TRANSCRIPTION, "AudioTranscriptionConfig", [Field("languageCodes", List(&Text))]);
message!(PROACTIVITY, "ProactivityConfig", [Field("proactiveAudio", Bool), Field("proactiveVideo", Bool)]);
message!(HISTORY, "HistoryConfig", [Field("initialHistoryInClientContent", Bool)]);
message!(SAFETY, "SafetySetting", [Field("category", Text), Field("threshold", Text)]);

message!(
    GENERATION_CONFIG,
    "GenerationConfig",
    [
        Field("responseModalities", List(&Enum(&["MODALITY_UNSPECIFIED", "TEXT", "IMAGE", "AUDIO"]))),
        Field("speechConfig", Kind::Message(&SPEECH)),
        Field("temperature", Float),
        Field("topP", Float),
        Field("topK", Int),
        Field("seed", Int),
        Field("maxOutputTokens", Int),
        Field("presencePenalty", Float),
        Field("frequencyPenalty", Float),
        Field("candidateCount", Int),
        Field("thinkingConfig", Kind::Message(&THINKING)),
        Field("enableAffectiveDialog", Bool),
        Field("mediaResolution", Enum(MEDIA_RESOLUTIONS)),
        // known to the protocol, refused by every Live model
        Field("responseLogprobs", Bool),
        Field("logprobs", Int),
        Field("responseMimeType", Text),
        Field("responseSchema", Kind::Message(&SCHEMA)),
        Field("responseJsonSchema", Any),
        Field("stopSequences", List(&Text)),
    ]
);
static MEDIA_RESOLUTIONS: &[&str] = &[
    "MEDIA_RESOLUTION_UNSPECIFIED",
    "MEDIA_RESOLUTION_LOW",
    "MEDIA_RESOLUTION_MEDIUM",
    "MEDIA_RESOLUTION_HIGH",
];
message!(
    SPEECH,
    "SpeechConfig",
    [
        Field("voiceConfig", Kind::Message(&VOICE)),
        Field("languageCode", Text),
        Field("multiSpeakerVoiceConfig", Struct),
    ]
);
message!(
    VOICE,
    "VoiceConfig",
    [Field("prebuiltVoiceConfig", Kind::Message(&PREBUILT_VOICE)), Field("replicatedVoiceConfig", Struct),]
);
message!(PREBUILT_VOICE, "PrebuiltVoiceConfig", [Field("voiceName", Text)]);
message!(
    THINKING,
    "ThinkingConfig",
    [
        Field("includeThoughts", Bool),
        Field("thinkingBudget", Int),
        Field("thinkingLevel", Enum(&["THINKING_LEVEL_UNSPECIFIED", "MINIMAL", "LOW", "MEDIUM", "HIGH"])),
    ]
);

message!(
    REALTIME_INPUT_CONFIG,
    "RealtimeInputConfig",
    [
        Field("automaticActivityDetection", Kind::Message(&ACTIVITY_DETECTION)),
        Field("activityHandling", Enum(ACTIVITY_HANDLINGS)),
        Field("turnCoverage", Enum(TURN_COVERAGES)),
    ]
);
static ACTIVITY_HANDLINGS: &[&str] =
    &["ACTIVITY_HANDLING_UNSPECIFIED", "START_OF_ACTIVITY_INTERRUPTS", "NO_INTERRUPTION"];
static TURN_COVERAGES: &[&str] = &[
    "TURN_COVERAGE_UNSPECIFIED",
    "TURN_INCLUDES_ONLY_ACTIVITY",
    "TURN_INCLUDES_ALL_INPUT",
    "TURN_INCLUDES_AUDIO_ACTIVITY_AND_ALL_VIDEO",
];
message!(
    ACTIVITY_DETECTION,
    "AutomaticActivityDetection",
    [
        Field("disabled", Bool),
        Field("startOfSpeechSensitivity", Enum(START_SENSITIVITIES)),
        Field("endOfSpeechSensitivity", Enum(END_SENSITIVITIES)),
        Field("prefixPaddingMs", Int),
        Field("silenceDurationMs", Int),
    ]
);
static START_SENSITIVITIES: &[&str] =
    &["START_SENSITIVITY_UNSPECIFIED", "START_SENSITIVITY_HIGH", "START_SENSITIVITY_LOW"];
static END_SENSITIVITIES: &[&str] =
    &["END_SENSITIVITY_UNSPECIFIED", "END_SENSITIVITY_HIGH", "END_SENSITIVITY_LOW"];

message!(
    TOOL,
    "Tool",
    [
        Field("functionDeclarations", List(&Kind::Message(&FUNCTION_DECLARATION))),
        Field("googleSearch", Struct),
        Field("googleSearchRetrieval", Struct),
        Field("codeExecution", Struct),
        Field("urlContext", Struct),
        Field("googleMaps", Struct),
        Field("computerUse", Struct),
        Field("fileSearch", Struct),
    ]
);
message!(
    FUNCTION_DECLARATION,
    "FunctionDeclaration",
    [
        Field("name", Text),
        Field("description", Text),
        Field("parameters", Kind::Message(&SCHEMA)),
        Field("parametersJsonSchema", Any),
        Field("response", Kind::Message(&SCHEMA)),
        Field("responseJsonSchema", Any),
        Field("behavior", Enum(&["UNSPECIFIED", "BLOCKING", "NON_BLOCKING"])),
    ]
);
message!(
    SCHEMA,
    "Schema",
    [
        Field("type", EnumAnyCase(TYPES)),
        Field("format", Text),
        Field("title", Text),
        Field("description", Text),
        Field("nullable", Bool),
        Field("enum", List(&Text)),
        Field("items", Kind::Message(&SCHEMA)),
        Field("properties", Map(&Kind::Message(&SCHEMA))),
        Field("required", List(&Text)),
        Field("minItems", Long),
        Field("maxItems", Long),
        Field("minimum", Float),
        Field("maximum", Float),
        Field("minLength", Long),
        Field("maxLength", Long),
        Field("pattern", Text),
        Field("anyOf", List(&Kind::Message(&SCHEMA))),
        Field("propertyOrdering", List(&Text)),
        Field("default", Any),
        Field("example", Any),
    ]
);
static TYPES: &[&str] =
    &["TYPE_UNSPECIFIED", "STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL"];

message!(CONTENT, "Content", [Field("parts", List(&Kind::Message(&PART))), Field("role", Text)]);
message!(
    PART,
    "Part",
    [
        Field("text", Text),
        Field("inlineData", Kind::Message(&BLOB)),
        Field("fileData", Struct),
        Field("functionCall", Struct),
        Field("functionResponse", Struct),
        Field("executableCode", Struct),
        Field("codeExecutionResult", Struct),
        Field("thought", Bool),
        Field("thoughtSignature", Bytes),
    ]
);
message!(BLOB, "Blob", [Field("mimeType", Text), Field("data", Bytes)]);

message!(
    CLIENT_CONTENT,
    "BidiGenerateContentClientContent",
    [Field("turns", List(&Kind::Message(&CONTENT))), Field("turnComplete", Bool),]
);
message!(
    REALTIME_INPUT,
    "BidiGenerateContentRealtimeInput",
    [
        Field("mediaChunks", List(&Kind::Message(&BLOB))),
        Field("audio", Kind::Message(&BLOB)),
        Field("video", Kind::Message(&BLOB)),
        Field("text", Text),
        Field("activityStart", Kind::Message(&EMPTY)),
        Field("activityEnd", Kind::Message(&EMPTY)),
        Field("audioStreamEnd", Bool),
    ]
);
message!(EMPTY, "BidiGenerateContentRealtimeInput.ActivityStart", []);
message!(
    TOOL_RESPONSE,
    "BidiGenerateContentToolResponse",
    [Field("functionResponses", List(&Kind::Message(&FUNCTION_RESPONSE)))]
);
message!(
    FUNCTION_RESPONSE,
    "FunctionResponse",
    [
        Field("id", Text),
        Field("name", Text),
        Field("response", Struct),
        Field("scheduling", Enum(&["SCHEDULING_UNSPECIFIED", "SILENT", "WHEN_IDLE", "INTERRUPT"])),
        Field("willContinue", Bool),
        Field("parts", List(&Struct)),
    ]
);
message!(
    CONTEXT_UPDATE,
    "BidiGenerateContentContextUpdate",
    [Field("systemInstruction", Kind::Message(&CONTENT)), Field("tools", Kind::Message(&CONTEXT_TOOLS)),]
);
message!(CONTEXT_TOOLS, "ContextUpdateTools", [Field("tools", List(&Kind::Message(&TOOL)))]);
