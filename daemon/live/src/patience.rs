//! How long a step towards a link may take: what it took before tells. A server that hangs is given up within seconds
//! where links come up quickly, and one that is slow is not given up again and again.

use std::time::Duration;

/// A step may take so many times what it took at its slowest.
const TIMES: u32 = 3;
/// And always this long.
const LEAST: Duration = Duration::from_secs(4);

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

    /// It was given up: after three times the next one gets twice the time.
    pub(crate) fn ran_out(&mut self) {
        self.given_up += 1;
    }

    /// How long it may take: `first` while nothing is known, `most` at most.
    pub(crate) fn bound(&self, first: Duration, most: Duration) -> Duration {
        let known = self.slowest.map_or(first, |slowest| (slowest * TIMES).max(LEAST));
        known.saturating_mul(1 << (self.given_up / 3).min(8)).min(most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    #[test]
    fn quick_links_make_impatient_and_a_slow_server_is_waited_for() {
        let mut patience = Patience::default();
        assert_eq!(patience.bound(S(8), S(10)), S(8), "nothing is known");
        patience.took(Duration::from_millis(300));
        assert_eq!(patience.bound(S(8), S(10)), S(4));
        patience.took(S(2));
        patience.took(S(1));
        assert_eq!(patience.bound(S(8), S(10)), S(6), "three times the slowest");
        for bound in [6, 6, 12, 12, 12, 20] {
            patience.ran_out();
            assert_eq!(patience.bound(S(8), S(20)), S(bound), "never more than the most");
        }
        patience.took(S(7));
        assert_eq!(patience.bound(S(8), S(30)), S(21));
    }
}
