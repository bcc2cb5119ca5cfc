//! What a talk consists of.

use std::time::Duration;

use pressel_live::event::{Budget, ButtonInput, Cause, Phase};
use pressel_live::settings::{Settings, TalkMode};
use serde_json::{Map, Value};

/// One talk.
#[derive(Clone, Debug)]
pub struct Talk {
    /// What the conversation is told.
    pub settings: Settings,
    /// What the surroundings are like.
    pub room: Room,
    /// The steps in order.
    pub steps: Vec<Step>,
}

/// What the surroundings are like.
#[derive(Clone, Debug)]
pub struct Room {
    /// Sound kept from before the press or the gate's opening.
    pub pre_roll: Duration,
    /// Open mode: the gate closes this long after the last speech.
    pub hangover: Duration,
    /// A dial opens after this; `None` = when the talk says so.
    pub dial: Option<Duration>,
    /// A dial does not open then, but fails for this reason.
    pub fails: Option<Cause>,
    /// A ping is answered after this; `None` = never.
    pub pong: Option<Duration>,
    /// The server answers our close after this.
    pub goodbye: Duration,
}

/// One step with its line, counted from 1.
#[derive(Clone, Debug)]
pub struct Step {
    /// For messages.
    pub line: usize,
    /// What is done or seen.
    pub what: What,
}

/// What is done or seen.
#[derive(Clone, Debug)]
pub enum What {
    /// Something happens.
    Do(Deed),
    /// Something must be seen.
    Expect(Expect),
}

/// Something that happens to the conversation.
#[derive(Clone, Debug)]
pub enum Deed {
    /// The talk button.
    Button(ButtonInput),
    /// The room: speech or silence for so long.
    Room {
        /// Somebody speaks.
        speech: bool,
        /// So long; time passes.
        time: Duration,
    },
    /// The detector of speech over an answer says something, if it runs.
    Suspicion(Suspicion),
    /// So much of what is captured next is lost, and said to be.
    Gap(Duration),
    /// The microphone's cable.
    Microphone(Cable),
    /// The speaker's cable.
    Speaker(Cable),
    /// The server or the network.
    Server(Server),
    /// A key is there, or is gone.
    Key(bool),
    /// Turns are taken in another way.
    Mode(TalkMode),
    /// Something around the device changes.
    Around(Around),
    /// A tool has finished.
    Tool {
        /// Id of its call.
        id: String,
        /// What it found.
        outcome: Result<Map<String, Value>, String>,
    },
    /// Somebody types a question.
    Ask(String),
    /// A new talk begins.
    Forget,
    /// The talk is over.
    HangUp,
    /// The program ends.
    Shutdown,
    /// Nothing happens for so long.
    Wait(Duration),
}

/// What changes around the device.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Around {
    /// The network comes or goes, and says so.
    Network(bool),
    /// The clock was set, or is known not to be.
    Clock(bool),
    /// A link is to be kept ready, or not.
    Warm(bool),
    /// What is left of the money.
    Budget(Budget),
    /// Pings are answered after this from now on, or never.
    Pong(Option<Duration>),
    /// Dials open from now on, or fail for this reason.
    Dials(Option<Cause>),
}

/// What the detector of speech over an answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suspicion {
    /// Somebody may be speaking.
    Suspected,
    /// It lasts.
    Confirmed,
    /// It was a cough, a door.
    Dismissed,
}

/// What can become of a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cable {
    /// It is pulled out.
    Lost,
    /// It is there again.
    Back,
    /// It neither moves nor says so.
    Stuck,
}

/// What the server or the network does.
#[derive(Clone, Debug)]
pub enum Server {
    /// The dial in hand opens.
    Open,
    /// The handshake is refused.
    Refuse {
        /// HTTP status.
        status: u16,
        /// Its words.
        reason: String,
    },
    /// The dial in hand fails in the network.
    Unreachable(String),
    /// The dial in hand fails for this reason.
    Fails(Cause),
    /// One message with these parts.
    Say(Vec<Part>),
    /// Sound of so long in messages of 200 ms.
    Audio {
        /// Length.
        time: Duration,
        /// As fast as it is heard, so that time passes; otherwise all at once.
        live: bool,
    },
    /// What follows belongs to another answer, although nothing ended the former one.
    NextAnswer,
    /// One payload as it is.
    Raw(Vec<u8>),
    /// A close frame.
    Close {
        /// Its code.
        code: u16,
        /// Its reason.
        reason: String,
    },
    /// The connection ends without a close frame.
    Cut,
}

/// A part of a server message.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// `setupComplete`.
    SetupComplete,
    /// Answer sound.
    Audio(Duration),
    /// Words of the assistant.
    Said(String),
    /// Words of the person.
    Heard(String),
    /// `interrupted`.
    Interrupted,
    /// `generationComplete`.
    GenerationComplete,
    /// `turnComplete`.
    TurnComplete,
    /// `interactionStatus`: true while the model goes on working.
    InProgress(bool),
    /// A handle; `None` = not resumable now.
    Handle(Option<String>),
    /// `goAway`, with or without a time.
    GoAway(Option<Duration>),
    /// A call.
    Call {
        /// Declared name.
        name: String,
        /// Its id.
        id: String,
    },
    /// Calls taken back.
    Cancel(Vec<String>),
}

/// Something that must be seen.
#[derive(Clone, Debug)]
pub struct Expect {
    /// What.
    pub sight: Sight,
    /// How often.
    pub count: Count,
    /// Counted from the talk's beginning instead of from the last deed.
    pub in_all: bool,
    /// At most (or, for what must not be seen, at least) so long after the last deed began.
    pub within: Option<Duration>,
}

/// How often something must be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Once or more.
    Some,
    /// So often, not more.
    Exactly(usize),
    /// So often or less.
    AtMost(usize),
}

/// What can be seen from outside.
#[derive(Clone, Debug, PartialEq)]
pub enum Sight {
    /// An entry of the journal.
    Event(Event),
    /// What the light shows at this moment.
    Phase(Phase),
    /// Speech of the last utterance that reached the server on the newest link.
    HeardByServer(Duration),
    /// Length of that utterance with pre-roll, pauses and tail.
    Utterance(Duration),
    /// Silence that was sent in the place of sound since the last sound, or since the stream paused.
    Hush(Duration),
    /// How much of the newest answer has been heard in the room.
    Heard(Duration),
    /// Kinds of messages sent on the newest link, repetitions once.
    Order(Vec<String>),
}

/// What an entry of the journal is matched with.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A dial.
    Dial,
    /// A ping.
    Ping,
    /// The person was told this.
    Told(String),
    /// We closed a link.
    Close,
    /// A message of this kind, holding this text.
    Sent(String, Option<String>),
    /// Answer sound was queued.
    Play,
    /// An answer was silenced.
    Flush,
    /// The answer was turned down, or came back.
    Duck(bool),
    /// The microphone was told `rest`, `all`, `gated` or `watched` (gated, and looks for speech over the answer).
    Listen(String),
    /// A note that begins with these words.
    Note(String),
    /// A tool was called.
    Call(String),
    /// Tools were stopped.
    CancelTools,
}
