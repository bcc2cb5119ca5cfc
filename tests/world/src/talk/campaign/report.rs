//! What became of a run.

use std::time::Duration;

use super::plan::{Away, Plan};

/// How long somebody waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// When they were done speaking.
    pub since: Duration,
    /// Until all of it was with the server. Time in which there was no network does not count, and each fault has its
    /// own time: what counts is the longest that one of them was waited out. Neither does time in which a server hears
    /// what the same person goes on to say, nor the 35 s that a link is given before the first pong of a run.
    pub lasted: Duration,
}

/// What became of a run.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Dials, with their times.
    pub dials: Vec<Duration>,
    /// Set-ups that were accepted.
    pub ready: Vec<Duration>,
    /// Everything that was said, and how long it took to arrive.
    pub waits: Vec<Wait>,
    /// Milliseconds of speech that no server has and that were not counted.
    pub lost_ms: u64,
    /// Those that were.
    pub counted_ms: u64,
    /// What was said last never arrived whole.
    pub unheard_last: bool,
    /// Bytes of sound that were sent.
    pub sound_bytes: u64,
    /// Links that were given up while they were well and somebody waited.
    pub killed: u32,
    /// Questions that were asked again although their answer had begun.
    pub asked_twice: u32,
    /// Questions for which a tool ran more than once.
    pub tools_twice: u32,
    /// What the protocol or the machine's own promises forbid.
    pub broken: Vec<String>,
    /// Everything that happened, when it was asked for.
    pub story: Vec<String>,
}

impl Outcome {
    /// The longest that anybody waited.
    pub fn longest(&self) -> Duration {
        self.waits.iter().map(|wait| wait.lasted).max().unwrap_or_default()
    }

    /// The longest from an outage's end to a link that is ready; `None`: at least once there was none.
    pub fn ready_again(&self, plan: &Plan) -> Option<Duration> {
        let ends = plan.outages.iter().map(|outage| outage.to);
        let after = |end: Duration| self.ready.iter().find(|at| **at >= end).map(|at| *at - end);
        ends.map(after).try_fold(Duration::ZERO, |most, after| Some(most.max(after?)))
    }
}

/// A service that says "too many requests" is left alone for so long: 60 s, spread by 10 %.
const LEFT_ALONE: Duration = Duration::from_secs(66);

/// Time between these two in which there was a network, and a service that had not asked to be left alone.
pub(super) fn working(plan: &Plan, from: Duration, to: Duration) -> Duration {
    let mut worked = Duration::ZERO;
    let mut at = from;
    for outage in &plan.outages {
        let more = if outage.away == Away::Status(429) { LEFT_ALONE } else { Duration::ZERO };
        worked += outage.from.min(to).saturating_sub(at);
        at = at.max(outage.to + more);
    }
    worked + to.saturating_sub(at)
}

/// The longest wait for one fault's end between these two: each strike, and each outage, begins another. Who is `heard` as
/// they go on speaking, from when to when, does not wait meanwhile.
pub(super) fn waited(
    plan: &Plan,
    strikes: &[Duration],
    heard: &[(Duration, Duration)],
    from: Duration,
    to: Duration,
) -> Duration {
    let faults = strikes.iter().copied().chain(plan.outages.iter().map(|outage| outage.from));
    let mut edges: Vec<Duration> = faults.filter(|at| (from..to).contains(at)).chain([from, to]).collect();
    edges.sort_unstable();
    let between = |pair: &[Duration]| {
        let (from, to) = (pair[0], pair[1]);
        let heard = heard.iter().map(|(since, until)| working(plan, *since.max(&from), *until.min(&to)));
        working(plan, from, to).saturating_sub(heard.sum())
    };
    edges.windows(2).map(between).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::talk::campaign::Outage;

    #[test]
    fn only_time_with_a_network_counts() {
        let s = Duration::from_secs;
        let mut plan = Plan::quiet(1, "mode hold", s(600));
        assert_eq!(working(&plan, s(10), s(40)), s(30));
        plan.outages.push(Outage { from: s(5), to: s(20), away: Away::Silent });
        plan.outages.push(Outage { from: s(30), to: s(35), away: Away::Silent });
        assert_eq!(working(&plan, s(10), s(40)), s(15));
        assert_eq!(working(&plan, s(22), s(25)), s(3));
        plan.outages.push(Outage { from: s(50), to: s(51), away: Away::Status(429) });
        assert_eq!(working(&plan, s(45), s(120)), s(8));
    }

    #[test]
    fn each_fault_has_its_own_time() {
        let s = Duration::from_secs;
        let mut plan = Plan::quiet(1, "mode hold", s(600));
        plan.outages.push(Outage { from: s(5), to: s(20), away: Away::Hung });
        assert_eq!(waited(&plan, &[], &[], s(10), s(40)), s(20));
        let strikes = [s(2), s(32), s(50)];
        assert_eq!(
            waited(&plan, &strikes, &[], s(10), s(40)),
            s(12),
            "12 s for the outage, 8 s for the strike"
        );
        assert_eq!(waited(&plan, &strikes, &[(s(25), s(35))], s(10), s(40)), s(5), "heard from 25 to 35 s");
        plan.outages.push(Outage { from: s(24), to: s(24), away: Away::Hung });
        assert_eq!(waited(&plan, &strikes, &[], s(10), s(40)), s(8));
    }
}
