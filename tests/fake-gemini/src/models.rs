//! What each model accepts and how it behaves, as data.
//!
//! Where measurements of the service disagree, the stricter one stands here: a client that satisfies this server
//! then satisfies the service either way.

/// Rules for `thinkingConfig`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Thinking {
    /// Anything goes.
    Free,
    /// A level is refused.
    NoLevel,
    /// A level is demanded, and `MINIMAL` refused.
    LevelDemanded,
    /// Nothing may be said.
    Nothing,
}

/// Rules for a declaration's `behavior`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behavior {
    /// Both.
    Free,
    /// `BLOCKING` is refused.
    NonBlockingOnly,
    /// Any is refused.
    Unknown,
}

/// What becomes of a call that waits for its response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// The model waits too; what the person says cancels the call.
    Blocks,
    /// The same, and anything of the person's but a response ends the link.
    BlocksAll,
    /// The model goes on; what comes of the call is a turn of its own.
    GoesOn,
}

/// How input transcription arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InputWords {
    /// One delta per word.
    Deltas,
    /// One message with the sentence.
    Sentence,
}

/// One model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Model {
    /// Without `models/`.
    pub name: &'static str,
    pub thinking: Thinking,
    /// Served on Vertex AI too.
    pub on_vertex: bool,
    /// Takes `enableAffectiveDialog`.
    pub affective: bool,
    /// Takes `proactivity` on v1alpha.
    pub proactivity: bool,
    /// Takes only the languages of [`LANGUAGES`]; otherwise any.
    pub few_languages: bool,
    /// Takes `languageCode` at all.
    pub language: bool,
    /// Takes `clientContent` after the first live input.
    pub client_content: bool,
    /// Takes `contextUpdate`.
    pub context_update: bool,
    /// Takes `mediaChunks`.
    pub media_chunks: bool,
    /// Takes tools at all.
    pub tools: bool,
    /// Takes a system instruction.
    pub instruction: bool,
    /// Takes `speechConfig`.
    pub speech: bool,
    /// Takes tools other than functions and search.
    pub other_tools: bool,
    /// Takes search beside functions.
    pub search_beside_functions: bool,
    pub behavior: Behavior,
    /// What a call does whose declaration says BLOCKING, or which nobody has declared.
    pub waiting: Waiting,
    /// It goes on where a declaration says nothing.
    pub goes_on_untold: bool,
    /// After an interim response the last one is never spoken of.
    pub interim_mutes: bool,
    /// Takes `scheduling` in a function response.
    pub scheduling: bool,
    /// Takes `willContinue` in a function response.
    pub will_continue: bool,
    /// Refuses `handle: null`.
    pub no_null_handle: bool,
    /// Sends `{}` before most audio.
    pub pads_with_nothing: bool,
    /// Sends `"serverContent": {}`.
    pub pads_with_content: bool,
    /// Sends `voiceActivity`.
    pub voice_activity: bool,
    /// Sends transcriptions nobody asked for.
    pub transcribes_unasked: bool,
    pub input_words: InputWords,
    /// Puts words and audio into one message, and names the role.
    pub bundles_words: bool,
    /// Sends an empty turn after tool responses; the answer is a turn of its own.
    pub empty_turn_after_tools: bool,
    /// Sends `interactionStatus`.
    pub interaction_status: bool,
    /// Sends handles without being asked.
    pub handles_unasked: bool,
    /// What ids of calls begin with.
    pub call_prefix: &'static str,
}

const V25: Model = Model {
    name: "gemini-2.5-flash-native-audio-preview-12-2025",
    on_vertex: false,
    thinking: Thinking::Free,
    affective: true,
    proactivity: true,
    few_languages: true,
    language: true,
    client_content: true,
    context_update: false,
    media_chunks: true,
    tools: true,
    instruction: true,
    speech: true,
    other_tools: true,
    search_beside_functions: false,
    behavior: Behavior::Free,
    waiting: Waiting::Blocks,
    goes_on_untold: false,
    interim_mutes: false,
    scheduling: true,
    will_continue: true,
    no_null_handle: false,
    pads_with_nothing: false,
    pads_with_content: false,
    voice_activity: false,
    transcribes_unasked: false,
    input_words: InputWords::Deltas,
    bundles_words: false,
    empty_turn_after_tools: false,
    interaction_status: false,
    handles_unasked: false,
    call_prefix: "function-call-",
};
const V31: Model = Model {
    name: "gemini-3.1-flash-live-preview",
    thinking: Thinking::Free,
    affective: false,
    proactivity: false,
    few_languages: false,
    client_content: false,
    media_chunks: false,
    other_tools: false,
    search_beside_functions: true,
    behavior: Behavior::Unknown,
    waiting: Waiting::BlocksAll,
    scheduling: false,
    will_continue: false,
    no_null_handle: true,
    pads_with_content: true,
    voice_activity: true,
    transcribes_unasked: true,
    input_words: InputWords::Sentence,
    bundles_words: true,
    call_prefix: "fc_",
    ..V25
};
const V38: Model = Model {
    name: "gemini-3.8-live",
    on_vertex: true,
    thinking: Thinking::NoLevel,
    client_content: true,
    context_update: true,
    behavior: Behavior::Free,
    waiting: Waiting::Blocks,
    goes_on_untold: true,
    will_continue: true,
    no_null_handle: false,
    pads_with_nothing: true,
    empty_turn_after_tools: true,
    handles_unasked: true,
    ..V31
};

impl Model {
    /// As a setup has its tools declared.
    pub(crate) fn as_declared(self, setup: &serde_json::Value) -> Self {
        let tools = setup["tools"].as_array().into_iter().flatten();
        let mut declared =
            tools.flat_map(|tool| tool["functionDeclarations"].as_array().into_iter().flatten());
        let goes_on = declared.next().is_some_and(|function| match function["behavior"].as_str() {
            Some(behavior) => behavior == "NON_BLOCKING",
            None => self.goes_on_untold,
        });
        if goes_on { Model { waiting: Waiting::GoesOn, ..self } } else { self }
    }
}

/// Every model served here.
pub(crate) const MODELS: [Model; 9] = [
    V25,
    Model { name: "gemini-2.5-flash-native-audio-latest", ..V25 },
    Model { name: "gemini-2.5-flash-native-audio-preview-09-2025", ..V25 },
    Model { name: "gemini-live-2.5-flash-native-audio", on_vertex: true, ..V25 },
    V31,
    V38,
    Model {
        name: "gemini-3.8-live-extended-thinking",
        on_vertex: false,
        thinking: Thinking::LevelDemanded,
        behavior: Behavior::NonBlockingOnly,
        waiting: Waiting::GoesOn,
        interim_mutes: true,
        empty_turn_after_tools: false,
        interaction_status: true,
        ..V38
    },
    TRANSLATE,
    Model { name: "gemini-3.5-transcribe-live", speech: false, ..TRANSLATE },
];

const TRANSLATE: Model = Model {
    name: "gemini-3.5-live-translate-preview",
    tools: false,
    instruction: false,
    thinking: Thinking::Nothing,
    language: false,
    ..V38
};

/// A model nobody knows yet: it takes what every model takes, and nothing else.
pub(crate) const NEW: Model = Model {
    name: "",
    on_vertex: false,
    thinking: Thinking::Nothing,
    language: false,
    client_content: false,
    context_update: false,
    will_continue: false,
    no_null_handle: true,
    search_beside_functions: false,
    behavior: Behavior::Unknown,
    waiting: Waiting::BlocksAll,
    goes_on_untold: false,
    ..V38
};

/// Language codes the 2.5 models take.
#[rustfmt::skip]
pub(crate) const LANGUAGES: [&str; 31] = [
    "ar-XA", "bn-IN", "cmn-CN", "de-DE", "en-AU", "en-GB", "en-IN", "en-US", "es-ES", "es-US", "fr-CA", "fr-FR",
    "gu-IN", "hi-IN", "id-ID", "it-IT", "ja-JP", "kn-IN", "ko-KR", "ml-IN", "mr-IN", "nl-NL", "pl-PL", "pt-BR",
    "ru-RU", "ta-IN", "te-IN", "th-TH", "tr-TR", "vi-VN", "uk-UA",
];

/// The prebuilt voices.
#[rustfmt::skip]
pub(crate) const VOICES: [&str; 30] = [
    "Zephyr", "Puck", "Charon", "Kore", "Fenrir", "Leda", "Orus", "Aoede", "Callirrhoe", "Autonoe", "Enceladus",
    "Iapetus", "Umbriel", "Algieba", "Despina", "Erinome", "Algenib", "Rasalgethi", "Laomedeia", "Achernar",
    "Alnilam", "Schedar", "Gacrux", "Pulcherrima", "Achird", "Zubenelgenubi", "Vindemiatrix", "Sadachbia",
    "Sadaltager", "Sulafat",
];
