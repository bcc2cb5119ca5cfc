//! What a gesture is and what it does; how a person can agree with one.

use std::time::Duration;

use pressel_live::event::{Agree, AgreeBy};

/// Who holds the button so long agrees, where that is asked for.
pub const HELD: Duration = Duration::from_secs(2);

/// What a gesture does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Talk, as `[talk] mode` has it.
    Talk,
    /// The answer stops, and what is being said leads to nothing.
    Stop,
    /// The talk is forgotten; the next one begins anew.
    NewTalk,
    /// One step louder.
    VolumeUp,
    /// One step softer.
    VolumeDown,
    /// The device says how it is.
    Status,
    /// The device says what is wrong with it, after its quick checks.
    Doctor,
    /// The machine is switched off.
    Shutdown,
    /// Agrees to what the device asks. Counts only while it asks, see [`Grammar::ask`](super::Grammar::ask).
    Consent,
}

impl Act {
    /// All of them.
    pub const ALL: [Act; 9] = [
        Act::Talk,
        Act::Stop,
        Act::NewTalk,
        Act::VolumeUp,
        Act::VolumeDown,
        Act::Status,
        Act::Doctor,
        Act::Shutdown,
        Act::Consent,
    ];

    /// Its name in configuration, log and events.
    pub fn word(self) -> &'static str {
        match self {
            Act::Talk => "talk",
            Act::Stop => "stop",
            Act::NewTalk => "new-talk",
            Act::VolumeUp => "volume-up",
            Act::VolumeDown => "volume-down",
            Act::Status => "status",
            Act::Doctor => "doctor",
            Act::Shutdown => "shutdown",
            Act::Consent => "consent",
        }
    }

    pub(super) fn repeats(self) -> bool {
        matches!(self, Act::VolumeUp | Act::VolumeDown)
    }
}

/// What is done to a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One press; held or short, as the mode of talking has it.
    Press,
    /// Two short presses, one after the other.
    Double,
    /// Held for so long.
    Long(Duration),
}

/// A gesture on a line, and what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Which line, from 0: that of `[button]` itself, then those of `lines`.
    pub line: usize,
    /// What is done to it.
    pub kind: Kind,
    /// What follows.
    pub act: Act,
}

/// How a person can agree in this way; `None`: not at all.
pub fn agrees(bindings: &[Binding], agree: Agree) -> Option<AgreeBy> {
    let consents = bindings.iter().filter(|binding| binding.act == Act::Consent);
    let by = |kind| match (agree, kind) {
        (Agree::Button, Kind::Press) => Some(AgreeBy::Line),
        (Agree::Button, Kind::Double) => Some(AgreeBy::Double),
        (Agree::Hold, Kind::Long(length)) if length >= HELD => Some(AgreeBy::Hold),
        _ => None,
    };
    let mut ways: Vec<AgreeBy> = consents.filter_map(|binding| by(binding.kind)).collect();
    ways.sort_by_key(|by| *by != AgreeBy::Line); // a button of its own is told of first
    ways.first().copied()
}
