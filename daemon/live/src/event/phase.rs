//! What the device shows and says to the person by itself.

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
    /// A tool was asked, and the assistant says nothing of what came of it.
    NoAnswer,
}

impl Line {
    /// All of them.
    pub const ALL: [Line; 13] = [
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
        Line::NoAnswer,
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
            Line::NoAnswer => "no-answer",
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
