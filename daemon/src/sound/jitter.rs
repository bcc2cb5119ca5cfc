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
                    self.need = self.need.max(self.waited + gap + MARGIN).min(self.max);
                    self.depth = self.depth.max(self.need);
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
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn sound(ms: u32) -> Vec<i16> {
        vec![1; (QUEUE_RATE * ms / 1_000) as usize]
    }

    /// A speaker behind the buffer, in virtual time.
    struct Room {
        buffer: JitterBuffer,
        now: Instant,
        turn: u32,
        /// When what was let go ends; `None` before a turn's first sound.
        ends: Option<Instant>,
        began: Instant,
        gaps: u32,
    }

    impl Room {
        fn new(max_ms: u32) -> Self {
            let now = Instant::now();
            Room { buffer: JitterBuffer::new(max_ms, now), now, turn: 0, ends: None, began: now, gaps: 0 }
        }

        fn hear(&mut self) {
            while let Some((_, samples)) = self.buffer.pop() {
                if self.ends.is_none() {
                    self.began = self.now;
                }
                self.gaps += u32::from(self.ends.is_some_and(|ends| ends < self.now));
                self.ends =
                    Some(self.ends.map_or(self.now, |ends| ends.max(self.now)) + length(samples.len()));
            }
        }

        fn pass(&mut self, ms: u32) {
            let until = self.now + ms * MS;
            if let Some(at) = self.buffer.release_at().filter(|at| *at <= until) {
                self.now = at;
                self.buffer.due(at);
                self.hear();
            }
            self.now = until;
        }

        /// An answer in messages: after how many ms each comes, and how long its sound is. Returns how long the first
        /// sound waited for itself, in ms, and how often it broke off.
        fn answer(&mut self, messages: &[(u32, u32)]) -> (u128, u32) {
            self.turn += 1;
            (self.ends, self.gaps) = (None, 0);
            let mut came = None;
            for &(after_ms, sound_ms) in messages {
                self.pass(after_ms);
                came.get_or_insert(self.now);
                self.buffer.arrived(self.turn, sound(sound_ms), self.now);
                self.hear();
            }
            self.buffer.ended(self.turn, self.now);
            self.hear();
            self.now = self.ends.unwrap_or(self.now) + 500 * MS;
            (self.began.duration_since(came.unwrap()).as_millis(), self.gaps)
        }
    }

    #[test]
    fn on_a_calm_link_nothing_ever_waits() {
        let mut room = Room::new(400);
        for every_ms in [0, 10, 50, 95, 100] {
            assert_eq!(room.answer(&[(every_ms, 100); 40]), (0, 0), "every {every_ms} ms");
        }
        assert_eq!(room.buffer.depth(), Duration::ZERO);
    }

    #[test]
    fn a_gap_is_bridged_the_next_time_and_forgotten_when_it_does_not_come_again() {
        let mut room = Room::new(400);
        // In the middle one message is 150 ms late.
        let mut messages = [(100, 100); 12];
        messages[5].0 = 250;
        assert_eq!(room.answer(&messages).1, 1);
        let depth = room.buffer.depth();
        assert!((150 * MS..=200 * MS).contains(&depth), "{depth:?}");
        for _ in 0..4 {
            let (waited_ms, gaps) = room.answer(&messages);
            assert_eq!(gaps, 0, "with {:?}", room.buffer.depth());
            assert!((100..=200).contains(&waited_ms), "{waited_ms}");
        }
        // Calm again, and faster than it is heard, as answers come.
        let waits: Vec<u128> = (0..8).map(|_| room.answer(&[(50, 100); 20]).0).collect();
        assert!(waits.windows(2).all(|pair| pair[1] <= pair[0]) && waits[7] == 0, "{waits:?}");
    }

    #[test]
    fn a_link_that_jitters_is_learnt_within_a_few_answers() {
        let mut random = fastrand::Rng::with_seed(1);
        let mut room = Room::new(400);
        let mut gaps = Vec::new();
        for _ in 0..40 {
            // Messages leave every 100 ms and are up to 150 ms under way, in order.
            let mut last = 0;
            let times = (0..30).map(|n| {
                last = last.max(n * 100 + random.u32(0..150));
                last
            });
            let times: Vec<u32> = times.collect();
            let mut before = 0;
            let messages: Vec<(u32, u32)> = times
                .iter()
                .map(|&at| {
                    let after = at - before;
                    before = at;
                    (after, 100)
                })
                .collect();
            gaps.push(room.answer(&messages).1);
        }
        let late: u32 = gaps[5..].iter().sum();
        assert!(gaps[0] > 0 && late <= 7, "{gaps:?}: one in five answers at most");
        assert!(room.buffer.depth() <= 200 * MS, "and no more than it takes: {:?}", room.buffer.depth());
    }

    #[test]
    fn a_link_that_is_too_slow_is_heard_in_larger_pieces_and_never_waits_beyond_its_bound() {
        let mut room = Room::new(400);
        let drip = [(100, 40); 100];
        let (_, gaps) = room.answer(&drip);
        assert!((5..=25).contains(&gaps), "{gaps}: without waiting it were 99");
        assert_eq!(room.buffer.depth(), 400 * MS);
        let (waited_ms, _) = room.answer(&drip);
        assert!(waited_ms <= 400, "{waited_ms}");
    }

    #[test]
    fn a_short_answer_is_heard_when_its_end_is_known_and_at_the_latest_in_time() {
        let mut room = Room::new(400);
        room.buffer.depth = 300 * MS;
        room.buffer.arrived(1, sound(40), room.now);
        assert_eq!(room.buffer.pop(), None);
        room.buffer.ended(1, room.now + 10 * MS);
        assert!(room.buffer.pop().is_some(), "its end is known");
        room.buffer.depth = 300 * MS;
        let now = room.now + 1_000 * MS;
        room.buffer.arrived(2, sound(40), now);
        assert_eq!(room.buffer.release_at(), Some(now + 300 * MS));
        room.buffer.due(now + 299 * MS);
        assert_eq!(room.buffer.pop(), None);
        room.buffer.due(now + 300 * MS);
        assert!(room.buffer.pop().is_some(), "it has waited long enough");
    }

    #[test]
    fn what_is_cut_while_it_waits_is_not_heard_and_the_next_turn_keeps_its_order() {
        let mut room = Room::new(400);
        room.buffer.depth = 200 * MS;
        room.buffer.arrived(1, sound(40), room.now);
        assert_eq!(room.buffer.flush(1, room.now), u64::from(QUEUE_RATE) * 40 / 1_000);
        assert_eq!(room.buffer.pop(), None);
        (room.buffer.depth, room.buffer.needs) = (200 * MS, [200 * MS; ANSWERS]);
        room.buffer.arrived(2, sound(40), room.now);
        room.buffer.arrived(3, sound(40), room.now);
        let mut heard = || std::iter::from_fn(|| room.buffer.pop()).map(|(turn, _)| turn).collect::<Vec<_>>();
        assert_eq!(heard(), [2], "nothing more of it comes");
        room.buffer.ended(3, room.now);
        let mut heard = || std::iter::from_fn(|| room.buffer.pop()).map(|(turn, _)| turn).collect::<Vec<_>>();
        assert_eq!(heard(), [3]);
    }

    #[test]
    fn switched_off_it_never_waits() {
        let mut room = Room::new(0);
        assert_eq!(room.answer(&[(300, 100); 10]), (0, 9));
        assert_eq!(room.answer(&[(300, 100); 10]).0, 0);
    }
}
