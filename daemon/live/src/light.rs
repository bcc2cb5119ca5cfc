//! What the light shows: it follows from the states of link and turn, and is a state of its own nowhere.

use crate::Conversation;
use crate::event::Phase;
use crate::turn::Turn;

impl Conversation {
    /// What the light shows.
    pub fn phase(&self) -> Phase {
        if self.muted {
            return Phase::Muted;
        }
        if !self.key {
            return Phase::NeedsSetup;
        }
        if self.link.is_refused() && !self.turn.is_speaking() {
            return Phase::Fault;
        }
        if self.microphone_lost || self.speaker_lost {
            return Phase::NoDevice;
        }
        if self.turn.is_speaking() {
            return Phase::Speaking;
        }
        if self.is_asking() {
            return Phase::Asking;
        }
        if !self.may_spend() && !self.is_wanted() {
            return Phase::Spent;
        }
        let person_speaks = self.turn.is_listening() && self.open.is_none();
        let gate_open = self.open.as_ref().is_some_and(|talk| talk.gate_open);
        if person_speaks || gate_open {
            return Phase::Listening; // also while the link is coming up: it is kept
        }
        if self.link.is_unclocked() {
            return Phase::ClockNotSet;
        }
        if self.is_wanted() && !self.link.is_up() {
            return if self.link.is_failing() { Phase::Offline } else { Phase::Connecting };
        }
        match self.turn {
            Turn::Thinking { .. } => Phase::Thinking,
            Turn::Idle if self.consent.is_running() => Phase::Thinking,
            _ if self.open.is_some() => Phase::Listening,
            _ => Phase::Idle,
        }
    }
}
