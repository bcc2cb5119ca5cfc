//! Is anybody there? A server that hangs keeps its TCP connection alive and says nothing.
//!
//! It is suspected from the talk itself: an utterance is over and no sign of any kind has come. One ping for each
//! utterance teaches how long this service takes to answer one, which is 8 to 30 s at some times and well under one at
//! others; so no fixed time would do. Nothing is dead while anything at all comes.

use std::time::{Duration, Instant};

/// A link is dead after so many times the slowest pong.
const TIMES: u32 = 3;
/// Never sooner: a model may think so long before its first word, and a lost packet takes its time.
const AT_LEAST: Duration = Duration::from_secs(3);
/// While no pong has been seen. The slowest reported took 30 s.
const UNKNOWN: Duration = Duration::from_secs(35);
/// A service that takes longer than this to answer a ping is one of the slow ones, of which the next may take 30 s.
const QUICK_MAX: Duration = Duration::from_secs(5);

/// A network takes no longer, not even one that has lost a packet.
const DELAY_MAX: Duration = Duration::from_secs(2);

/// What is known of the server's life.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    /// The slowest pong of the run.
    slowest: Option<Duration>,
    /// A ping of this link is not yet answered.
    pinged: Option<Instant>,
    /// An utterance ended then, and nothing has come since.
    asked: Option<Instant>,
}

impl Pulse {
    /// No pong has been seen in this run.
    pub(crate) fn is_unknown(&self) -> bool {
        self.slowest.is_none()
    }

    /// Wants a ping to be sent now; there is one on its way at most.
    pub(crate) fn ping(&mut self, now: Instant) -> bool {
        let free = self.pinged.is_none();
        self.pinged.get_or_insert(now);
        free
    }

    /// An utterance is over: a sign of life is due, and has been since the first one that got none.
    pub(crate) fn ask(&mut self, now: Instant) {
        self.asked.get_or_insert(now);
    }

    /// A message came. It may have been on its way since before the utterance ended, and its server hang now: the
    /// patience begins anew.
    pub(crate) fn message(&mut self, now: Instant) {
        self.asked = self.asked.map(|_| now);
        if let (Some(pinged), Some(slowest)) = (self.pinged, &mut self.slowest) {
            // The link lives and the pong is not there yet: it takes at least as long as this.
            *slowest = (*slowest).max(now.saturating_duration_since(pinged));
        }
    }

    /// Something came that shows that the utterance was heard.
    pub(crate) fn sign(&mut self) {
        self.asked = None;
    }

    /// So long what was sent may take to get here, as far as pongs have shown: the slow ones are the service's own.
    pub(crate) fn delay(&self) -> Duration {
        self.slowest.unwrap_or_default().min(DELAY_MAX)
    }

    /// What comes now may have been sent before the server heard the end of the last utterance.
    pub(crate) fn is_crossed(&self, now: Instant) -> bool {
        self.pinged.is_some_and(|pinged| now.saturating_duration_since(pinged) < self.delay())
    }

    /// A pong came.
    pub(crate) fn pong(&mut self, now: Instant) {
        self.asked = None;
        if let Some(pinged) = self.pinged.take() {
            let took = now.saturating_duration_since(pinged);
            self.slowest = Some(self.slowest.map_or(took, |slowest| slowest.max(took)));
        }
    }

    /// The link is over; what it taught is kept.
    pub(crate) fn lost(&mut self) {
        self.pinged = None;
        self.asked = None;
    }

    /// When the link counts as dead, unless something comes.
    pub(crate) fn dead_at(&self) -> Option<Instant> {
        let patience = match self.slowest {
            None => UNKNOWN,
            Some(slowest) if slowest > QUICK_MAX => UNKNOWN.max(slowest * TIMES),
            Some(slowest) => AT_LEAST.max(slowest * TIMES),
        };
        self.asked.map(|asked| asked + patience)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long after an utterance a link is dead whose pongs took so long.
    fn patience(pongs_ms: &[u64]) -> Duration {
        let mut pulse = Pulse::default();
        let mut now = Instant::now();
        for ms in pongs_ms {
            assert!(pulse.ping(now));
            now += Duration::from_millis(*ms);
            pulse.pong(now);
        }
        pulse.ask(now);
        pulse.dead_at().expect("asked") - now
    }

    #[test]
    fn three_times_the_slowest_pong_and_35_s_where_pongs_are_slow_or_unknown() {
        for (pongs_ms, expected_ms) in [
            (&[][..], 35_000),
            (&[40], 3_000),
            (&[1_999], 5_997),
            (&[2_000, 40], 6_000),
            (&[8_000], 35_000),
            (&[30_000], 90_000),
        ] {
            assert_eq!(patience(pongs_ms), Duration::from_millis(expected_ms), "{pongs_ms:?}");
        }
    }

    #[test]
    fn what_comes_sooner_than_a_pong_can_is_of_before() {
        let now = Instant::now();
        let later = |ms| now + Duration::from_millis(ms);
        let mut pulse = Pulse::default();
        pulse.ping(now);
        assert!(!pulse.is_crossed(now), "nothing is known of the network");
        pulse.pong(later(300));
        assert!(!pulse.is_crossed(later(300)), "everything was heard");
        pulse.ping(later(1000));
        assert!(pulse.is_crossed(later(1299)) && !pulse.is_crossed(later(1300)));
    }

    #[test]
    fn whatever_comes_is_a_sign_of_life_and_what_was_learned_is_kept() {
        let now = Instant::now();
        let mut pulse = Pulse::default();
        assert_eq!(pulse.dead_at(), None, "nobody has asked");
        pulse.ask(now);
        assert!(pulse.ping(now) && !pulse.ping(now), "one at a time");
        pulse.ask(now + Duration::from_secs(34));
        assert_eq!(pulse.dead_at(), Some(now + UNKNOWN), "who asks again does not begin anew");
        let later = now + Duration::from_secs(1);
        pulse.message(later);
        assert_eq!(pulse.dead_at(), Some(later + UNKNOWN), "it may be of what was said before");
        pulse.sign();
        assert_eq!(pulse.dead_at(), None);
        assert!(pulse.is_unknown(), "a message is no pong");
        pulse.ask(now);
        pulse.pong(now + Duration::from_secs(2));
        assert_eq!(pulse.dead_at(), None);
        pulse.ask(now);
        pulse.ping(now);
        pulse.lost();
        assert_eq!(pulse.dead_at(), None);
        assert!(!pulse.is_unknown() && pulse.ping(now), "another link has no ping on its way");
        pulse.message(now + Duration::from_secs(4));
        pulse.ask(now);
        assert_eq!(pulse.dead_at(), Some(now + Duration::from_secs(12)), "its pong takes 4 s at least");
    }
}
