//! A tool that takes long: the person hears that the device has not died meanwhile.

use std::time::{Duration, Instant};

use crate::conversation::Conversation;
use crate::event::{Action, Line};
use crate::turn::Turn;

/// So long people wait for an answer before they wonder.
pub(crate) const SIGN_AFTER: Duration = Duration::from_millis(1200);
/// From one sign to the next.
const SIGN_EVERY: Duration = Duration::from_secs(10);

impl Conversation {
    /// A tool runs, and neither side speaks: a sign is due. Once somebody has spoken it is put off.
    pub(crate) fn watch_errand(&mut self, now: Instant) {
        let silent = matches!(self.turn, Turn::Thinking { .. });
        match (self.calls.is_empty() || !silent, self.sign_at) {
            (true, _) => self.sign_at = None,
            (false, None) => self.sign_at = Some(now + SIGN_AFTER),
            (false, Some(at)) if at <= now => {
                self.act(Action::Tell(Line::Working));
                self.sign_at = Some(now + SIGN_EVERY);
            }
            (false, Some(_)) => {}
        }
    }
}
