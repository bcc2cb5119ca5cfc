//! Thousands of talks in virtual time under whatever a network, a server or a clock may do: which talk, which trouble and
//! when follow from a seed alone, so a run that fails is told by its number.
//!
//! What is looked at afterwards: whether every word reached a server that was there, or was counted as lost; whether
//! anybody waited for longer than they should while the network worked; whether anything was done twice.

mod line;
mod matrix;
mod person;
mod plan;
mod report;
mod world;

pub use matrix::{Finding, Found, matrix};
pub use plan::{Away, Blow, Outage, Plan, Press};
pub use report::{Outcome, Wait};

use world::Campaign;

/// Plays a plan to its end.
pub fn run(plan: &Plan) -> Outcome {
    Campaign::new(plan).run()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn asked(outages: &[Outage], blows: &[(Duration, Blow)]) -> Outcome {
        let mut plan = Plan::quiet(1, "mode hold", s(120));
        plan.presses.push(Press { at: s(2), speech: s(3) });
        (plan.outages, plan.blows) = (outages.to_vec(), blows.to_vec());
        run(&plan)
    }

    #[test]
    fn what_is_said_in_quiet_is_with_the_server_at_once() {
        let outcome = asked(&[], &[]);
        assert_eq!((outcome.dials.len(), outcome.waits.len(), outcome.lost_ms), (1, 1, 0));
        assert!(outcome.longest() < s(1) && outcome.sound_bytes > 96_000, "{outcome:?}");
        assert_eq!(outcome.broken, [""; 0]);
    }

    #[test]
    fn an_outage_is_no_wait_and_what_follows_it_is() {
        let away = |from, to| Outage { from: s(from), to: s(to), away: Away::Refused };
        let outcome = asked(&[away(0, 20)], &[]);
        assert!(outcome.dials.len() > 5, "{:?}", outcome.dials);
        assert!(outcome.longest() < s(3) && !outcome.unheard_last, "{outcome:?}");
        // Beyond what is kept for a talk that nobody waits for any more.
        let outcome = asked(&[away(0, 110)], &[]);
        assert!(outcome.unheard_last && outcome.counted_ms >= 3000 && outcome.lost_ms == 0, "{outcome:?}");
    }

    #[test]
    fn a_link_that_is_gone_without_a_word_hears_nothing() {
        let outcome = asked(&[], &[(s(3), Blow::Strand)]);
        assert!(outcome.longest() > s(2), "{outcome:?}");
        assert_eq!((outcome.dials.len(), outcome.lost_ms, outcome.unheard_last), (2, 0, false));
    }

    #[test]
    fn a_seed_is_one_talk() {
        let plan = Plan::of_seed(7);
        assert_eq!(plan, Plan::of_seed(7));
        assert_ne!(plan, Plan { seed: 7, ..Plan::of_seed(8) });
        assert_eq!(run(&plan).dials, run(&plan).dials);
    }
}
