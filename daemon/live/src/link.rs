//! Is there a line? The state of the one link, the handle that continues the session on the next one, and when to
//! dial again.

use std::time::{Duration, Instant};

use crate::event::Action;
use crate::settings::Settings;
use crate::verdict::Verdict;
use crate::wire::Handle;

/// Connected this long, a link counts as good and earlier failures are forgotten.
const GOOD_AFTER: Duration = Duration::from_secs(10);
const BACKOFF_FIRST: Duration = Duration::from_millis(250);
const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// After "quota exceeded" and the like.
const LONG_WAIT: Duration = Duration::from_secs(60);
/// A press shortens a wait, but not below this distance between two dials.
const PRESS_GAP: Duration = Duration::from_millis(250);
/// The edge reports an open or failed dial long before; this bounds a lost report.
const OPENING_MAX: Duration = Duration::from_secs(35);
/// The server may take this long to answer our close before the next dial.
const LEAVING_MAX: Duration = Duration::from_secs(2);
/// goAway without a time: the service gives 50 s when it says one.
const GO_AWAY_DEFAULT: Duration = Duration::from_secs(50);
/// No link lives so long; more than this cannot be added to every clock.
const GO_AWAY_MAX: Duration = Duration::from_secs(3600);
/// We are gone this long before the server would cut us off.
const GO_AWAY_MARGIN: Duration = Duration::from_secs(2);
/// The service cuts links on which nothing came for some 150 s.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

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
    Waiting { until: Instant },
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
    failures: u32,
    /// The last dial led to nothing.
    unreachable: bool,
    last_dial: Option<Instant>,
    random: u64,
}

impl Link {
    pub(crate) fn new(seed: u64) -> Self {
        Link {
            state: State::Down,
            number: 0,
            manual: true,
            handle: None,
            handle_is_fresh: false,
            failures: 0,
            unreachable: false,
            last_dial: None,
            random: seed,
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

    /// Leaving now would make the session forget something: the server makes a new handle after each turn.
    pub(crate) fn lacks_handle(&self) -> bool {
        !self.handle_is_fresh
    }

    /// A talk is wanted: dials if the state allows it now.
    pub(crate) fn want(&mut self, now: Instant, manual: bool) -> Option<Action> {
        match self.state {
            State::Down => Some(self.dial(now, manual)),
            State::Waiting { until } if until <= now => Some(self.dial(now, manual)),
            _ => None,
        }
    }

    /// A person asks: waits and refusals give way.
    pub(crate) fn press(&mut self, now: Instant) {
        match self.state {
            State::Waiting { until } => {
                let earliest = self.last_dial.map_or(now, |at| at + PRESS_GAP);
                self.state = State::Waiting { until: until.min(earliest.max(now)) };
            }
            State::Refused => self.state = State::Down,
            _ => {}
        }
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
        self.state = State::SettingUp { since: now, resuming: self.handle.is_some() };
    }

    /// `setupComplete` came; tells whether a session was resumed. `None`: nobody waited for it.
    pub(crate) fn completed(&mut self, now: Instant) -> Option<bool> {
        let State::SettingUp { resuming, .. } = self.state else { return None };
        self.handle_is_fresh = resuming;
        self.state = State::Up { since: now, resumed: resuming, last_sent: now, leave_by: None };
        self.unreachable = false;
        Some(resuming)
    }

    pub(crate) fn sent(&mut self, now: Instant) {
        if let State::Up { last_sent, .. } = &mut self.state {
            *last_sent = now;
            self.handle_is_fresh = false;
        }
    }

    /// When the next keep-alive is due.
    pub(crate) fn keep_alive_at(&self) -> Option<Instant> {
        match self.state {
            State::Up { last_sent, .. } => Some(last_sent + KEEP_ALIVE),
            _ => None,
        }
    }

    /// The server asks us to go.
    pub(crate) fn go_away(&mut self, now: Instant, time_left: Option<Duration>) {
        let left = time_left.unwrap_or(GO_AWAY_DEFAULT).min(GO_AWAY_MAX);
        let by = now + left.saturating_sub(GO_AWAY_MARGIN);
        if let State::Up { leave_by, .. } = &mut self.state {
            *leave_by = Some(leave_by.map_or(by, |old| old.min(by)));
        }
    }

    /// Whether, and by when, the server wants us gone.
    pub(crate) fn leave_by(&self) -> Option<Instant> {
        match self.state {
            State::Up { leave_by, .. } => leave_by,
            _ => None,
        }
    }

    /// Closes from our side.
    pub(crate) fn leave(&mut self, now: Instant) -> Option<Action> {
        if !self.is_open() {
            return None;
        }
        self.reset_if_good(now);
        self.state = State::Leaving { until: now + LEAVING_MAX };
        Some(Action::Close { link: self.number, code: 1000 })
    }

    /// Setup never completed, or the dial's report got lost.
    pub(crate) fn is_overdue(&self, now: Instant, settings: &Settings) -> bool {
        match self.state {
            State::Opening { since } => now >= since + OPENING_MAX,
            State::SettingUp { since, .. } => now >= since + settings.setup_timeout,
            _ => false,
        }
    }

    /// The link ended by itself. Sets the state that follows from the verdict.
    pub(crate) fn ended(&mut self, now: Instant, verdict: Verdict) {
        self.reset_if_good(now);
        self.failures += 1;
        self.unreachable = !self.is_up() || verdict == Verdict::Wait;
        self.state = match verdict {
            Verdict::Never => State::Refused,
            Verdict::Retry => State::Waiting { until: now + self.backoff() },
            Verdict::Fresh => {
                let had = self.handle.take().is_some();
                // With a handle to blame the fresh session is tried at once; without one it was no cure.
                let wait = if had { Duration::ZERO } else { self.backoff() };
                State::Waiting { until: now + wait }
            }
            Verdict::Wait => State::Waiting { until: now + self.jitter(LONG_WAIT) },
        };
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
        }
    }

    fn reset_if_good(&mut self, now: Instant) {
        if let State::Up { since, .. } = self.state {
            if now.saturating_duration_since(since) >= GOOD_AFTER {
                self.failures = 0;
            }
        }
    }

    /// The first redial is at once, then 250 ms doubling to 30 s, spread so that a fleet does not dial in step.
    fn backoff(&mut self) -> Duration {
        if self.failures <= 1 {
            return Duration::ZERO;
        }
        let doubled = BACKOFF_FIRST.saturating_mul(1 << (self.failures - 2).min(16));
        self.jitter(doubled.min(BACKOFF_MAX))
    }

    /// ± 10 %.
    fn jitter(&mut self, base: Duration) -> Duration {
        // SplitMix64 (Steele, Lea, Flood 2014): plenty for spreading dials.
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let unit = ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64;
        base.mul_f64(0.9 + 0.2 * unit)
    }

    /// The next time at which something here is due, whether or not a link is wanted.
    pub(crate) fn deadline(&self, settings: &Settings) -> Option<Instant> {
        match self.state {
            State::Down | State::Refused => None,
            State::Opening { since } => Some(since + OPENING_MAX),
            State::SettingUp { since, .. } => Some(since + settings.setup_timeout),
            State::Up { leave_by, .. } => leave_by,
            State::Leaving { until } | State::Waiting { until } => Some(until),
        }
    }
}
