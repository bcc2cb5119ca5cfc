//! A tool that takes long: the person hears that the device has not died meanwhile.

use std::time::{Duration, Instant};

use crate::conversation::Conversation;
use crate::event::{Action, Line};
use crate::exchange::Exchange;
use crate::turn::Turn;

/// So long people wait for an answer before they wonder.
pub(crate) const SIGN_AFTER: Duration = Duration::from_millis(1200);
/// From one sign to the next.
const SIGN_EVERY: Duration = Duration::from_secs(10);

/// A model that calls a tool in mid-sentence has said its last word for now, without a mark.
const WORD_AFTER: Duration = Duration::from_millis(300);

impl Conversation {
    /// When the turn ends by itself.
    pub(crate) fn turn_deadline(&self) -> Option<Instant> {
        let at = self.turn.deadline();
        match self.turn {
            Turn::Speaking { heard_by, ended: false, .. } if self.is_on_errand() => {
                at.map(|at| at.min(heard_by + WORD_AFTER))
            }
            _ => at,
        }
    }

    /// A tool runs, and neither side speaks: a sign is due. Once somebody has spoken it is put off.
    pub(crate) fn watch_errand(&mut self, now: Instant) {
        let gate_open = self.open.as_ref().is_some_and(|talk| talk.gate_open);
        let agreed = self.consent.is_running() && self.turn.is_idle() && !gate_open;
        let silent = agreed || matches!(self.turn, Turn::Thinking { .. });
        // A question that is being heard or stands is no wait; one that other calls keep the model from asking is.
        let silent = silent && (!self.consent.is_asked() || self.consent.is_due());
        match (silent && (agreed || self.is_on_errand()), self.sign_at) {
            (false, _) => self.sign_at = None,
            (true, None) => self.sign_at = Some(now + SIGN_AFTER),
            (true, Some(at)) if at <= now => {
                self.act(Action::Tell(Line::Working));
                self.sign_at = Some(now + SIGN_EVERY);
            }
            (true, Some(_)) => {}
        }
    }

    /// What the person waits for is a tool; its call may have died with its link.
    pub(crate) fn is_on_errand(&self) -> bool {
        let owed = || self.is_owed() && self.memory.last().is_some_and(Exchange::is_waiting);
        !self.calls.is_empty() || owed()
    }
}
