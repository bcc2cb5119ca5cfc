//! Everything that can happen to a conversation ([`Input`]) and everything it can do ([`Action`]): the two enums, and
//! what the microphone is to deliver. What the edges report is in `report`, what the person is shown and told in `phase`,
//! facts for log and captions in `note`, questions before a tool is run in `consent`.

mod consent;
mod note;
mod phase;
mod report;

use std::time::Instant;

use crate::settings::{Settings, TalkMode};

pub use consent::{Agree, AgreeBy, ConsentInput, Decision, ToolAsk};
pub use note::{Grounding, Note, Source, Usage};
pub use phase::{Line, Phase};
pub use report::{Budget, ButtonInput, Cause, LinkInput, MicrophoneInput, SpeakerInput, ToolResult};

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
    /// Stop these tools; nothing will be sent for them. Those that go on to their end (`Settings::finishes`) report it
    /// with [`Input::ToolResult`] as ever, the others nothing.
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
