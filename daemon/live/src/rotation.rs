//! A link changed for another one before it ends by itself, let go when nobody uses it, or kept ready for the next talk.
//!
//! It is left in a pause of the talk where there is one: closed first (a session whose old socket is still open cannot
//! be resumed), then dialled and resumed; what is said meanwhile is kept and sent.

use std::time::{Duration, Instant};

use crate::conversation::Conversation;
use crate::link::{Link, State};
use crate::wire::client;

/// goAway without a time: the service gives 50 s when it says one.
const GO_AWAY_DEFAULT: Duration = Duration::from_secs(50);
/// No link lives so long; more than this cannot be added to every clock.
const GO_AWAY_MAX: Duration = Duration::from_secs(3600);
/// We are gone this long before the server would cut us off.
const GO_AWAY_MARGIN: Duration = Duration::from_secs(2);
/// Links that nobody asks to go end after 58 minutes sharp, in the middle of a word: left in a pause from here on.
const AGE_FROM: Duration = Duration::from_secs(54 * 60);
/// And by then at the latest.
const AGE_BY: Duration = Duration::from_secs(57 * 60);
/// The service cuts links on which nothing came for some 150 s, in the worst case seen after 86.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// A link that nothing may be said on to keep it is made anew before that.
const UNUSED_MAX: Duration = Duration::from_secs(75);
/// A link is kept this long after a turn for the handle that holds it.
const HANDLE_WAIT: Duration = Duration::from_secs(2);
/// Silence sent to keep a link, in 16 kHz samples (100 ms).
const KEEP_ALIVE_SAMPLES: usize = 1600;
/// So long after a talk its session is what the next press wants, and not a warm link with a new one.
const TALK_REMEMBERED: Duration = Duration::from_secs(600);

impl Link {
    /// The server asks us to go.
    pub(crate) fn go_away(&mut self, now: Instant, time_left: Option<Duration>) {
        let left = time_left.unwrap_or(GO_AWAY_DEFAULT).min(GO_AWAY_MAX);
        let by = now + left.saturating_sub(GO_AWAY_MARGIN);
        if let State::Up { leave_by, .. } = &mut self.state {
            *leave_by = Some(leave_by.map_or(by, |old| old.min(by)));
        }
    }

    /// By when the link is left: the server wants us gone, or would end it by itself.
    pub(crate) fn leave_by(&self) -> Option<Instant> {
        match self.state {
            State::Up { since, leave_by, .. } => {
                let aged = since + AGE_BY;
                Some(leave_by.map_or(aged, |by| by.min(aged)))
            }
            _ => None,
        }
    }

    /// From when on a pause is used to leave it.
    fn leave_from(&self) -> Option<Instant> {
        match self.state {
            State::Up { since, leave_by: Some(_), .. } => Some(since),
            State::Up { since, leave_by: None, .. } => Some(since + AGE_FROM),
            _ => None,
        }
    }

    fn last_sent(&self) -> Option<Instant> {
        match self.state {
            State::Up { last_sent, .. } => Some(last_sent),
            _ => None,
        }
    }
}

impl Conversation {
    /// Closes a link that is old, unwanted by the server, or unused.
    pub(crate) fn leave_if_due(&mut self, now: Instant) {
        let due = [self.link.leave_by(), self.leave_at(), self.quiet_at(), self.renew_at()];
        if due.into_iter().flatten().any(|at| at <= now) {
            let close = self.link.leave(now);
            self.actions.extend(close);
            self.lose_link(now);
        }
    }

    /// When nobody is in the middle of anything, and the session is safe, an old link is left.
    pub(crate) fn leave_at(&self) -> Option<Instant> {
        let from = self.link.leave_from().filter(|_| self.is_pause())?;
        let wait = if self.link.lacks_handle() { HANDLE_WAIT } else { Duration::ZERO };
        Some(from.max(self.last_use + wait))
    }

    /// When an unused link is let go.
    pub(crate) fn quiet_at(&self) -> Option<Instant> {
        let unused = self.link.is_up() && !self.is_wanted() && !self.is_warm();
        let wait = if self.is_manual() { self.settings.quiet_close } else { Duration::ZERO };
        unused.then(|| self.last_use + wait)
    }

    /// A link is to be kept although nobody talks, and costs nothing that there is not.
    pub(crate) fn is_warm(&self) -> bool {
        self.warm && self.key && self.may_spend() && self.last_talk.is_none()
    }

    /// After a talk: when its session is not what the next press wants any more.
    pub(crate) fn warm_at(&self) -> Option<Instant> {
        self.last_talk.filter(|_| self.warm && !self.is_wanted()).map(|at| at + TALK_REMEMBERED)
    }

    /// Whether to dial with nobody talking. It is a session of its own: one that was resumed with nobody talking makes
    /// the model speak or call tools unasked (sonichi/sutando#602).
    pub(crate) fn warms(&mut self, now: Instant) -> bool {
        if self.is_wanted() {
            return false;
        }
        if self.warm_at().is_some_and(|at| at <= now) {
            self.last_talk = None;
        }
        let warms = self.is_warm();
        if warms && !self.link.is_open() {
            let _ = self.link.drop_handle();
        }
        warms
    }

    /// Without marks of ours silence keeps a link. With them any sound would be out of place, and the warm link is made
    /// anew; so is one whose model takes no sound since it waits for calls that somebody has stopped.
    pub(crate) fn renew_at(&self) -> Option<Instant> {
        let warm = self.is_manual() && !self.is_wanted() && self.is_warm();
        let waits = self.open.is_some() && self.is_pause() && self.is_blocked();
        self.link.last_sent().filter(|_| warm || waits).map(|last| last + UNUSED_MAX)
    }

    pub(crate) fn keep_alive_at(&self) -> Option<Instant> {
        let kept = (self.open.is_some() || (self.is_warm() && !self.is_manual())) && !self.is_blocked();
        self.link.last_sent().filter(|_| kept).map(|last| last + KEEP_ALIVE)
    }

    pub(crate) fn keep_alive(&mut self, now: Instant) {
        if self.keep_alive_at().is_some_and(|at| at <= now) {
            self.send(now, client::audio(&[0; KEEP_ALIVE_SAMPLES]));
        }
    }
}
