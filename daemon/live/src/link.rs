//! Is there a line? The state of the one link, the handle that continues the session on the next one, and when to
//! dial again.

use std::time::{Duration, Instant};

use crate::event::Action;
use crate::patience::Patience;
use crate::pulse::Pulse;
use crate::redial::Redial;
use crate::settings::Settings;
use crate::verdict::Verdict;
use crate::wire::Handle;

/// Connected this long, a link counts as good and earlier failures are forgotten.
const GOOD_AFTER: Duration = Duration::from_secs(10);
/// A press shortens a wait, but not below this distance between two dials.
const PRESS_GAP: Duration = Duration::from_millis(250);
/// The longest wait for the next dial while something that was said on a press waits for a link.
const SPOKEN_WAIT: Duration = Duration::from_secs(6);
/// The edge reports a failed dial by then.
const OPENING_MAX: Duration = Duration::from_secs(20);
/// A setup that takes longer is given up while it is not known how long they take.
const SETUP_FIRST: Duration = Duration::from_secs(7);
/// A dial older than this began before the network was there, and is given up for a new one.
const OPENING_STALE: Duration = Duration::from_secs(1);
/// That the network is there may be said so often: it makes a dial only if the last one was so long ago.
const NETWORK_GAP: Duration = Duration::from_secs(5);
/// The server may take this long to answer our close before the next dial.
const LEAVING_MAX: Duration = Duration::from_secs(2);
/// Where the link stands. Data lives where it means something: a backoff cannot exist while connected.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum State {
    /// Nobody needs one.
    Down,
    /// Dialled.
    Opening { since: Instant },
    /// Open; `setup` sent, `setupComplete` awaited.
    SettingUp { since: Instant, resuming: bool },
    /// Ready for talk.
    Up { since: Instant, resumed: bool, last_sent: Instant, leave_by: Option<Instant> },
    /// Closed by us; the next dial waits until the old socket is gone, or resuming is refused.
    Leaving { until: Instant },
    /// Failed; the next dial is at this time if anybody still wants one.
    Waiting { until: Instant, after: Verdict },
    /// Refused for good; only a person, a new key or a new configuration changes that.
    Refused,
}

impl State {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            State::Down => "Down",
            State::Opening { .. } => "Opening",
            State::SettingUp { .. } => "SettingUp",
            State::Up { .. } => "Up",
            State::Leaving { .. } => "Leaving",
            State::Waiting { .. } => "Waiting",
            State::Refused => "Refused",
        }
    }
}

/// The link and what survives it.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) state: State,
    /// Of the newest link; news of others is ignored.
    pub(crate) number: u32,
    /// VAD setting of the newest link.
    pub(crate) manual: bool,
    handle: Option<Handle>,
    /// Nothing was sent since the handle came: it holds all of the session.
    handle_is_fresh: bool,
    redial: Redial,
    pub(crate) pulse: Pulse,
    /// Links that failed in a row, none of them good.
    failures: u32,
    /// Whether there is a network, as far as anybody knows.
    network: Option<bool>,
    /// The clock is not set: certificates cannot be judged.
    unclocked: bool,
    /// The clock is known to be set.
    clock: bool,
    /// What is shown to the server was refused and has been made anew.
    minted: bool,
    /// The last dial led to nothing.
    unreachable: bool,
    last_dial: Option<Instant>,
    opening: Patience,
    setting_up: Patience,
}

impl Link {
    pub(crate) fn new(seed: u64) -> Self {
        Link {
            state: State::Down,
            number: 0,
            manual: true,
            handle: None,
            handle_is_fresh: false,
            redial: Redial::new(seed),
            pulse: Pulse::default(),
            failures: 0,
            network: None,
            unclocked: false,
            clock: false,
            minted: false,
            unreachable: false,
            last_dial: None,
            opening: Patience::default(),
            setting_up: Patience::default(),
        }
    }

    pub(crate) fn is_up(&self) -> bool {
        matches!(self.state, State::Up { .. })
    }

    /// A socket exists or is being made.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.state, State::Opening { .. } | State::SettingUp { .. } | State::Up { .. })
    }

    /// No link comes up. One that is lost and comes back at once is not meant.
    pub(crate) fn is_failing(&self) -> bool {
        self.unreachable || self.failures > 1
    }

    /// Two links in a row have failed with a handle.
    pub(crate) fn is_worn(&self) -> bool {
        self.failures >= 2 && self.handle.is_some()
    }

    /// No certificate can be judged: the clock is not set.
    pub(crate) fn is_unclocked(&self) -> bool {
        self.unclocked
    }

    /// No network is known to be there.
    pub(crate) fn is_cut_off(&self) -> bool {
        self.network == Some(false)
    }

    /// How long no link has come up.
    pub(crate) fn outage(&self, now: Instant) -> Duration {
        self.redial.outage(now)
    }

    pub(crate) fn is_refused(&self) -> bool {
        self.state == State::Refused
    }

    pub(crate) fn handle(&self) -> Option<&Handle> {
        self.handle.as_ref()
    }

    pub(crate) fn keep_handle(&mut self, handle: Handle) {
        self.handle = Some(handle);
        self.handle_is_fresh = true;
    }

    /// The next link begins a session of its own.
    pub(crate) fn drop_handle(&mut self) -> bool {
        self.handle_is_fresh = false;
        self.handle.take().is_some()
    }

    /// Leaving now would make the session forget something: the server makes a new handle after each turn.
    pub(crate) fn lacks_handle(&self) -> bool {
        !self.handle_is_fresh
    }

    /// A talk is wanted: dials if the state allows it now.
    pub(crate) fn want(&mut self, now: Instant, manual: bool) -> Option<Action> {
        match self.state {
            State::Down => Some(self.dial(now, manual)),
            State::Waiting { until, .. } if until <= now => Some(self.dial(now, manual)),
            _ => None,
        }
    }

    /// A person asks: waits and refusals give way.
    pub(crate) fn press(&mut self, now: Instant) {
        self.redial.press();
        match self.state {
            State::Waiting { .. } => self.hasten(now),
            State::Refused => self.state = State::Down,
            _ => {}
        }
    }

    /// Somebody has spoken and waits: not for as long as an old outage would have it.
    pub(crate) fn hurry(&mut self, now: Instant) {
        if let State::Waiting { until, after: Verdict::Retry | Verdict::Fresh } = &mut self.state {
            *until = (*until).min(now + SPOKEN_WAIT);
        }
    }

    /// A wait ends, unless the last dial was a moment ago.
    fn hasten(&mut self, now: Instant) {
        if let State::Waiting { until, .. } = &mut self.state {
            let earliest = self.last_dial.map_or(now, |at| at + PRESS_GAP);
            *until = (*until).min(earliest.max(now));
        }
    }

    /// The network has come up or gone, or another one is there. Tells whether the dial in hand is of before.
    pub(crate) fn network(&mut self, now: Instant, there: bool) -> bool {
        let new = there && self.network != Some(true);
        self.network = Some(there);
        let recent = self.last_dial.is_some_and(|at| now < at + NETWORK_GAP);
        if !there || (recent && !new) {
            return false;
        }
        self.redial.network(now);
        match self.state {
            State::Opening { since } | State::SettingUp { since, .. } => now >= since + OPENING_STALE,
            // What the server asked for is not shortened by a cable.
            State::Waiting { after, .. } if after != Verdict::Wait || self.unclocked => {
                self.hasten(now);
                false
            }
            _ => false,
        }
    }

    /// The clock was set, or is known not to be.
    pub(crate) fn clock(&mut self, now: Instant, set: bool) {
        self.clock = set;
        if set && std::mem::take(&mut self.unclocked) {
            self.hasten(now);
        }
    }

    /// The clock is known to be set.
    pub(crate) fn is_clock_set(&self) -> bool {
        self.clock
    }

    /// How long until the next dial; `None` = none follows.
    pub(crate) fn wait(&self, now: Instant) -> Option<Duration> {
        match self.state {
            State::Waiting { until, .. } => Some(until.saturating_duration_since(now)),
            _ => None,
        }
    }

    /// The dial failed because of the clock.
    pub(crate) fn distrust_clock(&mut self) {
        self.unclocked = true;
    }

    /// What is shown to the server was refused: tells whether making it anew has not been tried yet.
    pub(crate) fn mint(&mut self) -> bool {
        !std::mem::replace(&mut self.minted, true)
    }

    fn dial(&mut self, now: Instant, manual: bool) -> Action {
        self.number += 1;
        self.manual = manual;
        self.last_dial = Some(now);
        self.state = State::Opening { since: now };
        Action::Dial { link: self.number }
    }

    /// The socket is open and `setup` goes out.
    pub(crate) fn opened(&mut self, now: Instant) {
        self.unclocked = false;
        if let State::Opening { since } = self.state {
            self.opening.took(now.saturating_duration_since(since));
        }
        self.state = State::SettingUp { since: now, resuming: self.handle.is_some() };
    }

    /// `setupComplete` came; tells whether a session was resumed. `None`: nobody waited for it.
    pub(crate) fn completed(&mut self, now: Instant) -> Option<bool> {
        let State::SettingUp { since, resuming } = self.state else { return None };
        self.setting_up.took(now.saturating_duration_since(since));
        self.handle_is_fresh = resuming;
        self.state = State::Up { since: now, resumed: resuming, last_sent: now, leave_by: None };
        self.unreachable = false;
        self.minted = false;
        self.redial.up();
        Some(resuming)
    }

    pub(crate) fn sent(&mut self, now: Instant) {
        if let State::Up { last_sent, .. } = &mut self.state {
            *last_sent = now;
            self.handle_is_fresh = false;
        }
    }

    /// Closes from our side.
    pub(crate) fn leave(&mut self, now: Instant) -> Option<Action> {
        if !self.is_open() {
            return None;
        }
        self.reset_if_good(now);
        self.pulse.lost();
        self.state = State::Leaving { until: now + LEAVING_MAX };
        Some(Action::Close { link: self.number, code: 1000 })
    }

    /// When a dial, or a setup, is given up.
    fn overdue_at(&self, settings: &Settings) -> Option<Instant> {
        match self.state {
            State::Opening { since } => {
                Some(since + self.opening.bound(OPENING_MAX, OPENING_MAX, self.redial.is_young(since)))
            }
            State::SettingUp { since, .. } => {
                let young = self.redial.is_young(since);
                Some(since + self.setting_up.bound(SETUP_FIRST, settings.setup_timeout, young))
            }
            _ => None,
        }
    }

    /// A dial or a setup has come to nothing in its time: what it was.
    pub(crate) fn is_overdue(&mut self, now: Instant, settings: &Settings) -> Option<&'static str> {
        self.overdue_at(settings).filter(|at| *at <= now)?;
        if matches!(self.state, State::Opening { .. }) {
            self.opening.ran_out();
            Some("no connection in time")
        } else {
            self.setting_up.ran_out();
            Some("no answer to setup in time")
        }
    }

    /// The link ended by itself. Sets the state that follows from the verdict.
    pub(crate) fn ended(&mut self, now: Instant, verdict: Verdict) {
        self.reset_if_good(now);
        self.pulse.lost();
        self.failures += 1;
        let was_up = self.is_up();
        self.unreachable = !was_up || verdict == Verdict::Wait;
        let at_the_door = matches!(self.state, State::Opening { .. });
        let wait = match verdict {
            Verdict::Never => {
                self.state = State::Refused;
                return;
            }
            Verdict::Wait if self.unclocked => self.redial.unclocked(now),
            Verdict::Wait => self.redial.busy(now, at_the_door),
            // With a handle to blame the fresh session is tried at once; without one it was no cure.
            Verdict::Fresh if self.handle.take().is_some() => Duration::ZERO,
            Verdict::Fresh | Verdict::Retry => {
                let dialled = self.last_dial.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
                self.redial.failed(now, was_up, dialled)
            }
        };
        self.state = State::Waiting { until: now + wait, after: verdict };
    }

    /// A link that hangs is closed like one that is left, and counts as failed.
    pub(crate) fn hung(&mut self, now: Instant) -> Option<Action> {
        let close = self.leave(now);
        self.failures += 1;
        close
    }

    /// We closed it, and now it is gone.
    pub(crate) fn left(&mut self) {
        self.state = State::Down;
    }

    /// Nobody wants a link any more: a wait for the next dial ends.
    pub(crate) fn rest(&mut self) {
        if matches!(self.state, State::Waiting { .. }) {
            self.state = State::Down;
            self.failures = 0;
            self.unreachable = false;
            self.redial.rest();
        }
    }

    fn reset_if_good(&mut self, now: Instant) {
        if let State::Up { since, .. } = self.state {
            if now.saturating_duration_since(since) >= GOOD_AFTER {
                self.failures = 0;
                self.redial.good();
            }
        }
    }

    /// The next time at which something here is due, whether or not a link is wanted.
    pub(crate) fn deadline(&self, settings: &Settings) -> Option<Instant> {
        match self.state {
            State::Down | State::Refused => None,
            State::Opening { .. } | State::SettingUp { .. } => self.overdue_at(settings),
            State::Up { .. } => [self.leave_by(), self.pulse.dead_at()].into_iter().flatten().min(),
            State::Leaving { until } | State::Waiting { until, .. } => Some(until),
        }
    }
}
