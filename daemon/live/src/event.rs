//! Everything that can happen to a conversation ([`Input`]) and everything it can do ([`Action`]).

mod consent;

use std::time::Instant;

use crate::settings::{Settings, TalkMode};

pub use consent::{Agree, AgreeBy, ConsentInput, Decision, ToolAsk};

/// Everything that can wake the program.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// The talk button, already debounced.
    Button(ButtonInput),
    /// What the capture side delivered.
    Microphone(MicrophoneInput),
    /// What the playback side reports.
    Speaker(SpeakerInput),
    /// News of the link with this number (see [`Action::Dial`]); an older link's news is ignored.
    Link(u32, LinkInput),
    /// A tool finished.
    ToolResult(ToolResult),
    /// About a call that a person must agree to.
    Consent(ConsentInput),
    /// Whether there is a key to dial with. Starts out as true.
    Key(bool),
    /// Whether there is a network: an address and a route. Each `true` says that something has come up or changed, and
    /// that a dial may succeed now. Starts out as not known, which counts as there.
    Network(bool),
    /// Whether the wall clock can be believed: certificates are judged by it.
    Clock(bool),
    /// A typed question, asked as the person's turn.
    Ask(String),
    /// The answer and what is being said lead to nothing from here on, tools that run are stopped; the talk goes on.
    Stop,
    /// The last press was not meant to talk: what it began leads to nothing. Tools go on.
    TakeBack,
    /// The microphone is switched off, or on again. While it is off nothing that it hears is taken in, and of what it
    /// heard before nothing more goes up. Starts out as false.
    Muted(bool),
    /// A new talk begins: nothing of the former one is known any more.
    Forget,
    /// The talk is over, as if nobody had said anything for long: a link that nothing needs is let go.
    HangUp,
    /// What is left of the money.
    Budget(Budget),
    /// Whether a link is to be kept ready although nobody talks. Starts out as false.
    Warm(bool),
    /// Turns are taken in another way from now on; where the VAD setting differs the link is changed too.
    Mode(TalkMode),
    /// Other settings, best told in a pause ([`Conversation::is_pause`](crate::Conversation::is_pause)). `relink`: what
    /// leads to the server, or opens it, is another too.
    Settings {
        /// All of them; their seed does not count.
        settings: Box<Settings>,
        /// A link that is up is left for one over the new way.
        relink: bool,
    },
    /// The time that `poll_timeout` named has come.
    Timeout,
    /// The program ends: stop playback, close the link with 1000, accept nothing more.
    Shutdown,
}

/// What the talk button did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ButtonInput {
    /// Down. In tap and open mode this is the whole gesture.
    Press,
    /// Up again.
    Release,
}

/// What the capture side delivered.
#[derive(Clone, Debug, PartialEq)]
pub enum MicrophoneInput {
    /// Sound of the listening with number `listen` (see [`Action::Listen`]), in order, pre-roll first.
    Chunk {
        /// Number of the [`Action::Listen`] it belongs to; another number's chunk is dropped and counted.
        listen: u32,
        /// 16 kHz mono, normally 20 ms.
        samples: Vec<i16>,
        /// Whether the gate heard speech in it.
        speech: bool,
        /// When its last sample was captured.
        at: Instant,
    },
    /// The gate opened (`listen` in gated listening): the chunks that follow begin with its pre-roll.
    Opened {
        /// Number of the [`Action::Listen`].
        listen: u32,
    },
    /// The gate closed after its hangover; no chunk follows until it opens again.
    Closed {
        /// Number of the [`Action::Listen`].
        listen: u32,
    },
    /// While [`Listen::Gated`] watches: somebody may be speaking over the answer. The gate opens with it, if it was not
    /// open: [`MicrophoneInput::Opened`] and the pre-roll come first. Followed by `Confirmed` or `Dismissed`.
    Suspected {
        /// Number of the [`Action::Listen`].
        listen: u32,
    },
    /// It lasts: a person speaks. Told once for a suspicion.
    Confirmed {
        /// Number of the [`Action::Listen`].
        listen: u32,
    },
    /// It was a cough, a door, a "mm-hm". The gate closes as it would without.
    Dismissed {
        /// Number of the [`Action::Listen`].
        listen: u32,
    },
    /// Samples of an utterance were lost (an overrun, a full queue): told so that it can be counted and said.
    Gap {
        /// Number of the [`Action::Listen`].
        listen: u32,
        /// How many 16 kHz samples are missing.
        samples: u64,
    },
    /// The card is gone; nothing will come until [`MicrophoneInput::Back`].
    Lost,
    /// The card is there (again).
    Back,
}

/// What the playback side reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpeakerInput {
    /// The first sample of this turn's answer is being heard.
    Started {
        /// Number from [`Action::Play`].
        turn: u32,
    },
    /// All that was given for this turn has been heard.
    Drained {
        /// Number from [`Action::Play`].
        turn: u32,
    },
    /// The card is gone. Answers are discarded until it is back.
    Lost,
    /// The card is there (again).
    Back,
}

/// News of a link.
#[derive(Clone, Debug, PartialEq)]
pub enum LinkInput {
    /// The WebSocket is open; `setup` may be sent.
    Opened,
    /// One WebSocket payload, text or binary alike.
    Message(Vec<u8>),
    /// The link is over: by the server, by us, or cut (code 1006).
    Closed {
        /// WebSocket close code; 1006 when there was no close frame.
        code: u16,
        /// Reason text, may be empty.
        reason: String,
    },
    /// The answer to [`Action::Ping`].
    Pong,
    /// It never opened.
    Failed {
        /// What was in the way.
        cause: Cause,
        /// What failed, fit for a log: never contains the key.
        reason: String,
    },
}

/// Why a link never opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The server answered the handshake with this HTTP status.
    Http(u16),
    /// The name was not found, or nobody could be asked for it.
    Lookup,
    /// No address of the server could be reached.
    Connect,
    /// The proxy could not be reached, or refused with this HTTP status.
    Proxy(Option<u16>),
    /// Somebody else answers for the server: a network that wants a person to sign in first.
    Captive,
    /// No TLS came about, or the certificate was not accepted.
    Tls,
    /// The certificate is not yet valid by this device's clock, which is not set.
    Clock,
    /// There is nothing to show to the server: its source failed.
    Credential {
        /// Only a person or another configuration mends it.
        fatal: bool,
    },
    /// The connection broke while the link was being opened, or took too long.
    Cut,
}

/// What is left of the money that may be spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Budget {
    /// Enough, or no limit.
    #[default]
    Fine,
    /// Little: the person is told.
    Low,
    /// Nothing: no talk begins, and the one in hand ends with the answer that is being made.
    Spent,
    /// More than nothing: that answer ends now.
    Over,
}

/// A tool's outcome.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolResult {
    /// Id of the call.
    pub id: String,
    /// `Ok`: the object to answer with. `Err`: a sentence for the model.
    pub outcome: Result<serde_json::Map<String, serde_json::Value>, String>,
}

/// Everything the program can do.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Open a WebSocket and report under this number.
    Dial {
        /// Counts up; news of other numbers is ignored.
        link: u32,
    },
    /// Send one text message (JSON, complete) on this link.
    Send {
        /// Number from [`Action::Dial`].
        link: u32,
        /// One WebSocket payload.
        message: String,
    },
    /// Close this link; nothing more is sent on it.
    Close {
        /// Number from [`Action::Dial`].
        link: u32,
        /// WebSocket close code.
        code: u16,
    },
    /// Send one WebSocket ping on this link; [`LinkInput::Pong`] tells of its answer.
    Ping {
        /// Number from [`Action::Dial`].
        link: u32,
    },
    /// What the microphone is to deliver from now on.
    Listen(Listen),
    /// Queue answer sound for this turn.
    Play {
        /// Counts up; a flush ends all turns up to its number.
        turn: u32,
        /// Mono samples.
        samples: Vec<i16>,
        /// Rate of the samples in Hz.
        rate_hz: u32,
    },
    /// No more sound will come for this turn: report `Drained` when the queue is empty.
    EndOfTurn {
        /// Number from [`Action::Play`].
        turn: u32,
    },
    /// Silence at once: discard what is queued or in the card for turns up to this number.
    Flush {
        /// The last turn to discard.
        turn: u32,
    },
    /// Turn the answer that is being heard down so far that a person hears themselves, or let it come back. Told only
    /// when it changes; never `true` while nothing is being heard.
    Duck {
        /// Down, at once; otherwise up again.
        ducked: bool,
    },
    /// Show this phase.
    Show(Phase),
    /// Say this to the person: a spoken line or a sound of the device's own. Told once for a trouble.
    Tell(Line),
    /// Say as this turn that a person must agree, and how: report `Started` and `Drained` as for an answer, or
    /// [`ConsentInput::Unspoken`].
    AskAloud {
        /// Counts with those of [`Action::Play`].
        turn: u32,
        /// What the person is to do.
        by: AgreeBy,
    },
    /// From now on this gesture means that a person agrees, and no other does; `None`: none does. Told only when it
    /// changes.
    Ask(Option<Agree>),
    /// What became of a call that is kept. `Given`: run it with the arguments it was made with, and answer with
    /// [`Input::ToolResult`]. Otherwise forget it.
    Decide {
        /// Id from [`Action::CallTool`].
        id: String,
        /// What follows for it.
        decision: Decision,
    },
    /// Run this tool; answer with [`Input::ToolResult`], or with [`ConsentInput::Due`] and nothing else.
    CallTool {
        /// Id to answer under.
        id: String,
        /// Declared name.
        name: String,
        /// Arguments.
        args: serde_json::Map<String, serde_json::Value>,
    },
    /// Stop these tools; nothing will be sent for them.
    CancelTools {
        /// Ids from [`Action::CallTool`].
        ids: Vec<String>,
    },
    /// A fact for captions, log, counters. Never needed to keep the conversation going.
    Note(Note),
}

/// What the microphone is to deliver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listen {
    /// Nothing. The capture thread keeps its pre-roll and sleeps as long as it can.
    Rest,
    /// Everything: from `since` less the pre-roll, with no gap, until told otherwise.
    ///
    /// With the number of the gated listening in hand it goes on with that one: what its gate let through was
    /// delivered and is not again, and what was captured since comes without a gap.
    All {
        /// Counts up with every change, except from `Gated` when it goes on.
        number: u32,
        /// When the utterance began (the press).
        since: Instant,
    },
    /// Only what the gate lets through, with pre-roll and hangover, marked by `Opened` and `Closed`.
    Gated {
        /// Counts up with every change, except when only `watch` changes: then nothing of it is torn.
        number: u32,
        /// An answer is being heard: look for speech over it and tell [`MicrophoneInput::Suspected`] and what becomes
        /// of it within a block. Off: no detector runs, and a suspicion in hand is forgotten without a word.
        watch: bool,
    },
}

/// Something short that the person is told without a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Line {
    /// There is no network.
    NoNetwork,
    /// The network wants somebody to sign in (a captive portal).
    SignIn,
    /// The clock is not set yet.
    ClockNotSet,
    /// The server does not accept the key.
    KeyRefused,
    /// The server does not accept the configuration.
    Refused,
    /// Busy, or a quota is used up: try later.
    Busy,
    /// The server cannot be reached or does not answer.
    ServerDown,
    /// Some of what was said is lost: say it again.
    SpeechLost,
    /// Most of the budget is spent.
    BudgetLow,
    /// The budget is spent.
    BudgetSpent,
    /// There is no key yet.
    NeedsSetup,
    /// A tool takes long: one moment.
    Working,
}

impl Line {
    /// All of them.
    pub const ALL: [Line; 12] = [
        Line::NoNetwork,
        Line::SignIn,
        Line::ClockNotSet,
        Line::KeyRefused,
        Line::Refused,
        Line::Busy,
        Line::ServerDown,
        Line::SpeechLost,
        Line::BudgetLow,
        Line::BudgetSpent,
        Line::NeedsSetup,
        Line::Working,
    ];

    /// Its name in files, logs and events.
    pub fn word(self) -> &'static str {
        match self {
            Line::NoNetwork => "no-network",
            Line::SignIn => "sign-in",
            Line::ClockNotSet => "clock-not-set",
            Line::KeyRefused => "key-refused",
            Line::Refused => "refused",
            Line::Busy => "busy",
            Line::ServerDown => "server-down",
            Line::SpeechLost => "speech-lost",
            Line::BudgetLow => "budget-low",
            Line::BudgetSpent => "budget-spent",
            Line::NeedsSetup => "needs-setup",
            Line::Working => "working",
        }
    }
}

/// What the light shows. Computed from the state, never stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The microphone is switched off. Nothing else is shown meanwhile.
    Muted,
    /// No key: needs set-up.
    NeedsSetup,
    /// Refused by the server (key, model, configuration): a person must act.
    Fault,
    /// The clock is not set, so that no certificate can be judged: waiting for the time.
    ClockNotSet,
    /// Microphone or speaker is missing: waiting for it.
    NoDevice,
    /// The budget is spent: no talk begins until there is another one.
    Spent,
    /// A talk is wanted and there is no network or server.
    Offline,
    /// Nobody talks.
    Idle,
    /// A talk is wanted and the link is coming up; nothing is being said.
    Connecting,
    /// What is said now is kept and sent (also while the link is coming up).
    Listening,
    /// A person is asked to agree to something, by a gesture on the device.
    Asking,
    /// Waiting for the answer.
    Thinking,
    /// The answer is being heard.
    Speaking,
}

/// What an answer rests on, where the model searched.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Grounding {
    /// What it searched for.
    pub queries: Vec<String>,
    /// What it found.
    pub sources: Vec<Source>,
    /// More searches, as a page of HTML that the service's terms want shown where there is a screen.
    pub suggestions: Option<String>,
}

/// A page that was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Source {
    /// Its address.
    pub uri: String,
    /// Its title, often the name of the site.
    pub title: String,
}

/// A fact worth a caption, a log line or a counter.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Note {
    /// What the person was understood to say; a delta to append.
    Heard(String),
    /// What the assistant says; a delta to append.
    Said(String),
    /// A running hypothesis of what the person says; replaces the former one.
    Hearing(String),
    /// What the model searched for and found.
    Grounding(Grounding),
    /// Setup was accepted.
    LinkUp {
        /// Whether a handle was sent.
        resumed: bool,
    },
    /// A link ended, with what follows from it.
    LinkDown {
        /// Close code or HTTP status.
        code: u16,
        /// The server's words.
        reason: String,
        /// Whether it will be dialled again without a person.
        retry: bool,
        /// What kind of trouble, a small fixed set of words that stay the same: for the log, counters and doctor.
        trouble: &'static str,
    },
    /// The first sound of an answer arrived for this turn.
    FirstSound {
        /// Its turn.
        turn: u32,
    },
    /// A typed question is not put, and why: a sentence for who asked.
    AskRefused {
        /// Fixed words.
        why: &'static str,
    },
    /// A typed question is over: its answer was heard to the end or cut, or none came.
    AskEnded {
        /// Whether anything came.
        answered: bool,
    },
    /// What was said goes up a second time because its link was lost: what was understood of it comes again too.
    SaidAgain,
    /// What a later run of the program would go on with has changed (`Conversation::session`).
    SessionChanged,
    /// The person's utterance is over (activityEnd or audioStreamEnd sent).
    UtteranceEnded,
    /// A talk begins: somebody wants a link.
    TalkBegan,
    /// It is over: the link was let go.
    TalkEnded {
        /// The next one begins with a session that remembers nothing.
        forgotten: bool,
    },
    /// The model was interrupted.
    Interrupted,
    /// The device heard a person speak over the answer and cut it.
    BargeIn,
    /// A turn ended.
    TurnComplete,
    /// Tokens of one turn.
    Usage(Usage),
    /// A message that could not be read, or that came at the wrong time: counted and survived.
    Unread {
        /// What kind of trouble, a small fixed set so that each is logged once.
        kind: &'static str,
    },
    /// Speech beyond the bound was dropped, in 16 kHz samples.
    SpeechDropped {
        /// How many.
        samples: u64,
    },
    /// Answer sound beyond the bound, or of a cut turn, was dropped, in samples.
    AnswerDropped {
        /// How many.
        samples: u64,
    },
}

/// Tokens of one usageMetadata message; absent numbers are 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens in, the whole context.
    pub prompt: u64,
    /// Of these, from the cache.
    pub cached: u64,
    /// Tokens out without thoughts.
    pub response: u64,
    /// Thoughts, billed like the response.
    pub thoughts: u64,
    /// Tokens of tool results.
    pub tool_use: u64,
    /// The server's own sum.
    pub total: u64,
    /// Of the tokens in, text; 0 when the server does not say.
    pub prompt_text: u64,
    /// Of the tokens out, text; 0 when the server does not say.
    pub response_text: u64,
}
