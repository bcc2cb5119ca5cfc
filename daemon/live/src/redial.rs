//! When to dial again: for ever. At once after the first failure, at most a second apart while an outage is young,
//! seldom once it is old, so that a day without a network is some 3,000 dials.

use std::time::{Duration, Instant};

const FIRST: Duration = Duration::from_millis(250);
/// Spread as it is, two dials of a young outage are never more than a second apart.
const SOON: Duration = Duration::from_millis(900);
/// An outage younger than this is young.
const YOUNG: Duration = Duration::from_secs(60);
/// The first wait of an old outage is twice this.
const LATER: Duration = Duration::from_secs(1);
const SELDOM: Duration = Duration::from_secs(30);
/// After "quota exceeded" and the like in a session.
const BUSY: Duration = Duration::from_secs(60);
/// A front door that is busy is so for a moment, or for long: a second first, then doubled, in a young outage to this.
const BUSY_SOON: Duration = Duration::from_secs(8);
/// Nothing tells that the clock has been set: the certificate is looked at again, as seldom as this.
const CLOCK: Duration = Duration::from_secs(600);

/// What is known of the outage in hand.
#[derive(Debug)]
pub(crate) struct Redial {
    /// Since when no link comes up.
    since: Option<Instant>,
    /// Dials of this outage that came to nothing.
    tries: u32,
    /// The last wait of an old outage.
    later: Duration,
    /// Links in a row that came up and ended soon.
    short_lived: u32,
    /// The last wait for a busy front door.
    busy: Duration,
    random: u64,
}

impl Redial {
    pub(crate) fn new(seed: u64) -> Self {
        Redial { since: None, tries: 0, later: LATER, short_lived: 0, busy: LATER / 2, random: seed }
    }

    /// A link was up for long: what was before is forgotten.
    pub(crate) fn good(&mut self) {
        *self = Redial::new(self.random);
    }

    /// A link came up.
    pub(crate) fn up(&mut self) {
        self.since = None;
        self.tries = 0;
        self.later = LATER;
        self.busy = LATER / 2;
    }

    /// Nobody wants a link any more. One that ended by itself, and was not dialled again, is no outage yet.
    pub(crate) fn rest(&mut self) {
        if self.tries <= 1 {
            self.since = None;
            self.tries = 0;
        }
    }

    /// There is a network again: the outage counts as young.
    pub(crate) fn network(&mut self, now: Instant) {
        self.later = LATER;
        self.since = self.since.map(|_| now);
    }

    /// A person presses: a few dials follow soon, however old the outage is.
    pub(crate) fn press(&mut self) {
        self.later = LATER / 2;
    }

    /// How long no link has come up.
    pub(crate) fn outage(&self, now: Instant) -> Duration {
        self.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }

    /// Whether links came up less than a minute ago, as far as is known.
    pub(crate) fn is_young(&self, now: Instant) -> bool {
        self.outage(now) < YOUNG
    }

    /// Another failure; `was_up`: of a link that had been up; `dialled`: so long ago. Tells how long to wait. The time
    /// that a dial took counts, so that one that hangs is not followed by a whole wait.
    pub(crate) fn failed(&mut self, now: Instant, was_up: bool, dialled: Duration) -> Duration {
        self.since.get_or_insert(now);
        self.tries += 1;
        if was_up {
            self.short_lived += 1;
        }
        let outage = if self.tries == 1 {
            Duration::ZERO
        } else if self.is_young(now) {
            doubled(self.tries).min(SOON)
        } else {
            self.later = (self.later * 2).min(SELDOM);
            self.later
        };
        let flapping = if was_up { doubled(self.short_lived).min(SELDOM) } else { Duration::ZERO };
        let outage = self.spread(outage).saturating_sub(if was_up { Duration::ZERO } else { dialled });
        outage.max(self.spread(flapping))
    }

    /// The same where the server says that it is busy; at the front door it may be so for a moment only.
    pub(crate) fn busy(&mut self, now: Instant, at_the_door: bool) -> Duration {
        self.since.get_or_insert(now);
        self.tries += 1;
        if !at_the_door {
            return self.spread(BUSY);
        }
        self.busy = (self.busy * 2).min(if self.is_young(now) { BUSY_SOON } else { SELDOM });
        self.spread(self.busy)
    }

    /// The same where the clock is not set.
    pub(crate) fn unclocked(&mut self, now: Instant) -> Duration {
        self.since.get_or_insert(now);
        self.tries += 1;
        self.spread(CLOCK)
    }

    /// - 10 % to + 8 %, so that a fleet does not dial in step and 30 s never are more than 33 with the dial itself.
    fn spread(&mut self, base: Duration) -> Duration {
        // SplitMix64 (Steele, Lea, Flood 2014): plenty for spreading dials.
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let unit = ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64;
        base.mul_f64(0.9 + 0.18 * unit)
    }
}

/// Nothing, 250 ms, 500 ms and so on.
fn doubled(times: u32) -> Duration {
    if times <= 1 { Duration::ZERO } else { FIRST.saturating_mul(1 << (times - 2).min(16)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    /// Dials of an outage of so long, each failing at once: when, since its beginning.
    fn outage(seed: u64, length: Duration) -> Vec<Duration> {
        let begin = Instant::now();
        let mut redial = Redial::new(seed);
        let mut at = redial.failed(begin, true, Duration::ZERO);
        let mut dials = vec![];
        while at < length {
            dials.push(at);
            at += redial.failed(begin + at, false, Duration::ZERO);
        }
        dials
    }

    #[test]
    fn a_young_outage_is_dialled_each_second_and_an_old_one_each_half_minute() {
        for seed in 0..50 {
            let dials = outage(seed, S(600));
            assert_eq!(dials[0], Duration::ZERO, "the first redial is at once");
            let gaps: Vec<_> = dials.windows(2).map(|pair| (pair[0], pair[1] - pair[0])).collect();
            for (at, gap) in &gaps {
                let max = if *at < YOUNG { S(1) } else { Duration::from_millis(32_500) };
                assert!(*gap <= max, "{gap:?} at {at:?}");
            }
            let old: Vec<_> =
                gaps.iter().filter(|(at, _)| *at >= YOUNG).map(|(_, gap)| gap.as_secs_f64()).collect();
            for (gap, base) in old.iter().zip([2.0, 4.0, 8.0, 16.0, 30.0, 30.0]) {
                assert!((base * 0.9..=base * 1.1).contains(gap), "{old:?}");
            }
        }
    }

    #[test]
    fn a_day_without_a_server_is_three_thousand_dials_at_most() {
        for seed in 0..50 {
            let dials = outage(seed, S(24 * 3600)).len();
            assert!((2_500..=3_000).contains(&dials), "{dials} with seed {seed}");
        }
    }

    #[test]
    fn a_network_that_is_back_is_a_young_outage_and_a_good_link_ends_it() {
        let begin = Instant::now();
        let mut redial = Redial::new(1);
        for n in 0..200 {
            redial.failed(begin + S(n), false, S(0));
        }
        assert!(redial.failed(begin + S(201), false, S(0)) > S(20));
        assert!(redial.failed(begin + S(202), false, S(20)) < S(13), "the dial itself hung for 20 s");
        redial.network(begin + S(202));
        assert!(redial.failed(begin + S(203), false, S(0)) <= S(1));
        assert_eq!(redial.outage(begin + S(203)), S(1));
        redial.up();
        assert_eq!((redial.outage(begin + S(204)), redial.failed(begin + S(204), false, S(0))), (S(0), S(0)));
    }

    #[test]
    fn a_link_that_ends_while_nobody_wants_one_begins_no_outage() {
        let begin = Instant::now();
        let mut redial = Redial::new(1);
        redial.failed(begin, true, S(0));
        redial.rest();
        assert!(redial.is_young(begin + S(600)), "nothing was dialled since");
        redial.failed(begin + S(600), false, S(0));
        redial.failed(begin + S(601), false, S(0));
        redial.rest();
        assert!(!redial.is_young(begin + S(660)), "dials have failed: it goes on");
    }

    #[test]
    fn links_that_come_up_and_die_are_not_dialled_each_second_for_ever() {
        let now = Instant::now();
        let mut redial = Redial::new(1);
        let waits: Vec<f64> = (0..12)
            .map(|_| {
                redial.up();
                redial.failed(now, true, S(5)).as_secs_f64()
            })
            .collect();
        assert_eq!(waits[0], 0.0);
        assert!(waits[1] < 0.3 && waits[4] > 1.5 && waits[11] > 26.0, "{waits:?}");
        redial.good();
        assert_eq!(redial.failed(now, true, S(5)), S(0));
    }

    #[test]
    fn a_press_in_an_old_outage_is_followed_by_a_few_dials_soon() {
        let begin = Instant::now();
        let mut redial = Redial::new(1);
        for n in 0..200 {
            redial.failed(begin + S(n), false, S(0));
        }
        redial.press();
        let mut at = S(200);
        let dials = (0..60).take_while(|_| {
            at += redial.failed(begin + at, false, S(0));
            at < S(260)
        });
        assert_eq!(dials.count(), 5, "1, 2, 4, 8, 16 s");
    }

    #[test]
    fn a_busy_front_door_is_tried_again_soon_and_a_spent_quota_is_not() {
        let now = Instant::now();
        let mut redial = Redial::new(1);
        let waits: Vec<f64> = (0..6).map(|_| redial.busy(now, true).as_secs_f64()).collect();
        for (wait, base) in waits.iter().zip([1.0, 2.0, 4.0, 8.0, 8.0, 8.0]) {
            assert!((base * 0.9..=base * 1.1).contains(wait), "{waits:?}");
        }
        assert!(redial.busy(now + S(100), true) > S(14) && redial.busy(now + S(120), true) > S(26));
        redial.up();
        assert!(redial.busy(now, false) >= S(54));
    }
}
