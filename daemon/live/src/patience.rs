//! How long a step towards a link may take: what it took before tells. A server that hangs is given up within seconds
//! where links come up quickly, and one that is slow is not given up again and again.

use std::time::Duration;

/// A step may take so many times what it took at its slowest.
const TIMES: u32 = 3;
/// And always this long.
const LEAST: Duration = Duration::from_secs(4);
/// Each third try after it was given up may take longer, so that a server that is slow today is reached, too.
const LONGER_EACH: u32 = 3;
/// But not longer than this while an outage is young: the step may have met a server that hung and will never answer it,
/// and nobody is to wait 10 s for the next one.
const YOUNG_MAX: Duration = Duration::from_secs(5);

/// What is known of one step.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Patience {
    slowest: Option<Duration>,
    /// It was given up so many times since it last succeeded.
    given_up: u32,
}

impl Patience {
    /// The step was done after so long.
    pub(crate) fn took(&mut self, time: Duration) {
        self.slowest = self.slowest.max(Some(time));
        self.given_up = 0;
    }

    /// It was given up.
    pub(crate) fn ran_out(&mut self) {
        self.given_up += 1;
    }

    /// How long it may take: `first` while nothing is known, `most` at most; `young`: links came up a moment ago.
    pub(crate) fn bound(&self, first: Duration, most: Duration, young: bool) -> Duration {
        let known = self.slowest.map_or(first, |slowest| (slowest * TIMES).max(LEAST));
        if self.given_up % LONGER_EACH != LONGER_EACH - 1 {
            return known.min(most);
        }
        let longer = known.saturating_mul(2 << (self.given_up / LONGER_EACH).min(8));
        let longer = if young { longer.min(YOUNG_MAX) } else { longer };
        longer.max(known).min(most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    #[test]
    fn quick_links_make_impatient_and_a_slow_server_is_waited_for() {
        let mut patience = Patience::default();
        assert_eq!(patience.bound(S(7), S(10), true), S(7), "nothing is known");
        patience.took(Duration::from_millis(300));
        assert_eq!(patience.bound(S(7), S(10), false), S(4));
        patience.took(S(2));
        patience.took(S(1));
        assert_eq!(patience.bound(S(7), S(10), false), S(6), "three times the slowest");
        for bound in [6, 12, 6, 6, 20, 6, 6, 20] {
            patience.ran_out();
            assert_eq!(patience.bound(S(7), S(20), false), S(bound), "never more than the most");
            assert_eq!(patience.bound(S(7), S(20), true), S(bound.min(6)), "the outage is young");
        }
        patience.took(S(7));
        assert_eq!(
            patience.bound(S(7), S(30), true),
            S(21),
            "slow links take their time in a young outage, too"
        );
    }
}
