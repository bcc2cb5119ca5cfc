//! How long an answer waits before it is heard, so that a link which falters does not break it up. On the main loop's
//! side: it allocates.
//!
//! A calm link costs nothing: the first message is played as it comes. When an answer has run dry, the next beginning
//! waits for as much sound as would have bridged the gap, and so do those after it, until a few answers have come
//! through that would have needed less.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::source::QUEUE_RATE;

/// Added to what was needed: the next gap may be a little longer.
const MARGIN: Duration = Duration::from_millis(20);
/// A wait below this is none.
const LEAST: Duration = Duration::from_millis(20);
/// So many answers are remembered: one that needs more than all of them is one in seven on a link that stays as it is.
const ANSWERS: usize = 6;
/// After a silence this long it is another link.
const FORGOTTEN: Duration = Duration::from_secs(120);

/// Sound of one message, waiting.
pub(super) type Held = (u32, Vec<i16>);

/// Holds back the beginning of an answer while the link is not to be trusted.
pub(super) struct JitterBuffer {
    max: Duration,
    /// How much sound is there before it is heard, at the next beginning.
    depth: Duration,
    held: VecDeque<Held>,
    held_sound: Duration,
    /// So many of what is held may be played.
    free: usize,
    /// When what is held is let go in any case.
    release_at: Option<Instant>,
    /// The turn that is being played.
    turn: Option<u32>,
    /// When the last sound of it that was let go ends.
    plays_until: Instant,
    /// The shortest time in this turn that sound came ahead of its need; `None` before a second message.
    spare: Option<Duration>,
    /// How long its last beginning had waited.
    waited: Duration,
    /// What would have bridged its gaps.
    need: Duration,
    /// What the last answers would have needed; the oldest is replaced next.
    needs: [Duration; ANSWERS],
    oldest: usize,
}

impl JitterBuffer {
    /// Waits `max_ms` at most; 0 switches it off.
    pub(super) fn new(max_ms: u32, now: Instant) -> Self {
        JitterBuffer {
            max: Duration::from_millis(max_ms.into()),
            depth: Duration::ZERO,
            held: VecDeque::new(),
            held_sound: Duration::ZERO,
            free: 0,
            release_at: None,
            turn: None,
            plays_until: now,
            spare: None,
            waited: Duration::ZERO,
            need: Duration::ZERO,
            needs: [Duration::ZERO; ANSWERS],
            oldest: 0,
        }
    }

    /// How much sound the next beginning waits for.
    pub(super) fn depth(&self) -> Duration {
        self.depth
    }

    /// A message's sound has come: afterwards [`JitterBuffer::pop`] has what may be played. True if an answer had run
    /// dry before it.
    pub(super) fn arrived(&mut self, turn: u32, samples: Vec<i16>, now: Instant) -> bool {
        let mut dry = false;
        if self.turn != Some(turn) {
            self.release(now);
            self.settle();
            if now.saturating_duration_since(self.plays_until) > FORGOTTEN {
                (self.depth, self.needs) = (Duration::ZERO, [Duration::ZERO; ANSWERS]);
            }
            self.need = Duration::ZERO;
            self.begin(turn, now);
        } else if self.release_at.is_none() {
            match self.plays_until.checked_duration_since(now) {
                Some(spare) => self.spare = Some(self.spare.map_or(spare, |least| least.min(spare))),
                None => {
                    dry = true;
                    let gap = now.saturating_duration_since(self.plays_until);
                    // What cannot be bridged is not waited for: mostly the assistant has stopped to think.
                    if gap < self.max {
                        self.need = self.need.max(self.waited + gap + MARGIN).min(self.max);
                        self.depth = self.depth.max(self.need);
                    }
                    self.begin(turn, now);
                }
            }
        }
        self.held_sound += length(samples.len());
        self.held.push_back((turn, samples));
        // Sound that comes faster than it is heard is a reserve too, beyond the first message.
        if self.release_at.is_none_or(|at| at <= now || self.reserve() >= self.depth) {
            self.release(now);
        }
        dry
    }

    /// Nothing more comes for this turn: what is held is all there is.
    pub(super) fn ended(&mut self, turn: u32, now: Instant) {
        self.release(now);
        if self.turn == Some(turn) {
            self.settle();
        }
    }

    /// Turns up to this one are not to be heard; how many samples of them were held.
    pub(super) fn flush(&mut self, turn: u32, now: Instant) -> u64 {
        let held: usize = self.held.iter().map(|(_, samples)| samples.len()).sum();
        if self.turn.is_some_and(|playing| playing <= turn) {
            self.held.clear();
            (self.held_sound, self.free, self.release_at) = (Duration::ZERO, 0, None);
            self.settle();
            self.plays_until = now;
            return held as u64;
        }
        0
    }

    /// The next sound that may be played.
    pub(super) fn pop(&mut self) -> Option<Held> {
        self.free = self.free.checked_sub(1)?;
        self.held.pop_front()
    }

    /// When [`JitterBuffer::due`] is to be called, if no sound comes.
    pub(super) fn release_at(&self) -> Option<Instant> {
        self.release_at
    }

    /// It has waited long enough.
    pub(super) fn due(&mut self, now: Instant) {
        if self.release_at.is_some_and(|at| at <= now) {
            self.release(now);
        }
    }

    fn begin(&mut self, turn: u32, now: Instant) {
        self.turn = Some(turn);
        self.spare = None;
        self.waited = Duration::ZERO;
        self.release_at = (!self.depth.is_zero()).then(|| now + self.depth);
    }

    /// Lets go of what is held. What was waited for is a reserve, be it of time or of sound.
    fn release(&mut self, now: Instant) {
        if let Some(at) = self.release_at.take() {
            let time = self.depth.saturating_sub(at.saturating_duration_since(now));
            self.waited = time.max(self.reserve().min(self.depth));
        }
        self.free = self.held.len();
        self.plays_until = self.plays_until.max(now) + std::mem::take(&mut self.held_sound);
    }

    /// Sound held beyond the first message of it.
    fn reserve(&self) -> Duration {
        let first = self.held.get(self.free).map_or(0, |(_, samples)| samples.len());
        self.held_sound.saturating_sub(length(first))
    }

    /// A turn has come through: what it would have needed is known.
    fn settle(&mut self) {
        if self.turn.take().is_none() {
            return;
        }
        if let (Some(spare), false) = (self.spare, self.waited.is_zero()) {
            self.need = self.need.max((self.waited + MARGIN).saturating_sub(spare));
        }
        self.needs[self.oldest] = self.need;
        self.oldest = (self.oldest + 1) % ANSWERS;
        let most = self.needs.iter().copied().max().unwrap_or_default();
        self.depth = if most < LEAST { Duration::ZERO } else { self.depth.min(most) };
    }
}

fn length(samples: usize) -> Duration {
    Duration::from_nanos(samples as u64 * 1_000_000_000 / u64::from(QUEUE_RATE))
}

#[cfg(test)]
mod tests;
