//! What holds in every talk without being asked for: about links, messages, sound, light and timers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pressel_live::event::{Listen, Phase};

use super::capture::Capture;
use super::network::{Link, Network};
use super::uplink::Uplink;

/// Of a cut answer, what comes after such a pause counts as a new one.
const STALE_GAP: Duration = Duration::from_secs(1);
/// A link that we close may be answered so late that the next dial does not wait for it.
const GOODBYE_MAX: Duration = Duration::from_secs(2);
/// A timer may have to be served so often at one time.
const TIMER_MAX: u32 = 8;

/// Watches everything the conversation does.
pub(super) struct Law {
    broken: Vec<String>,
    pub(super) uplink: Uplink,
    utterance_max: Duration,
    dialled: u32,
    closing_since: BTreeMap<u32, Duration>,
    flushed: u32,
    played: u32,
    ended: BTreeSet<u32>,
    /// Answers by turn.
    answers: BTreeMap<u32, BTreeSet<i16>>,
    /// Answers that were cut, and when the last of each arrived.
    cut: BTreeMap<i16, Duration>,
    shown: Option<Phase>,
    ducked: bool,
    listening: Listen,
    listen_number: u32,
    calls: BTreeSet<String>,
    /// They go on to their end when they are stopped.
    finishes: bool,
    stopped: bool,
    timer: (Option<Duration>, u32),
}

impl Law {
    pub(super) fn new(utterance_max: Duration, finishes: bool) -> Self {
        Law {
            broken: Vec::new(),
            uplink: Uplink::new(0, utterance_max),
            utterance_max,
            dialled: 0,
            closing_since: BTreeMap::new(),
            flushed: 0,
            played: 0,
            ended: BTreeSet::new(),
            answers: BTreeMap::new(),
            cut: BTreeMap::new(),
            shown: None,
            ducked: false,
            listening: Listen::Rest,
            listen_number: 0,
            calls: BTreeSet::new(),
            finishes,
            stopped: false,
            timer: (None, 0),
        }
    }

    /// What was broken, in order.
    pub(super) fn broken(&self) -> &[String] {
        &self.broken
    }

    pub(super) fn holds(&mut self, now: Duration, holds: bool, text: impl FnOnce() -> String) {
        if !holds {
            self.broken.push(format!("at {} ms: {}", now.as_millis(), text()));
        }
    }

    pub(super) fn dial(&mut self, now: Duration, number: u32, network: &Network) {
        let before = self.dialled;
        self.holds(now, number > before, || format!("dial {number} after {before}"));
        self.dialled = number;
        self.uplink = Uplink::new(number, self.utterance_max);
        for link in &network.links {
            let waited = self.closing_since.get(&link.number).is_some_and(|&at| now >= at + GOODBYE_MAX);
            let open = link.complete && !link.over && !waited;
            self.holds(now, !open, || format!("dial {number} while link {} is open", link.number));
        }
    }

    /// Tells the kind of the message.
    pub(super) fn send(
        &mut self,
        now: Duration,
        link: &Link,
        text: &str,
        capture: &Capture,
    ) -> Option<String> {
        let number = link.number;
        self.holds(now, link.opened, || format!("sent on link {number} before it opened"));
        self.holds(now, !link.closing && !link.over, || {
            format!("sent on link {number} after its end: {text:.60}")
        });
        self.holds(now, number == self.uplink.link, || format!("sent on link {number}, not the newest"));
        if number != self.uplink.link {
            return None;
        }
        match self.uplink.take(link.complete, text, capture) {
            Ok(kind) => Some(kind),
            Err(why) => {
                self.holds(now, false, || format!("sent on link {number}: {why}"));
                None
            }
        }
    }

    pub(super) fn close(&mut self, now: Duration, link: Option<&Link>, number: u32) {
        let open = link.is_some_and(|link| !link.closing && !link.over);
        self.holds(now, open, || format!("closed link {number}, which is not open"));
        self.closing_since.insert(number, now);
    }

    pub(super) fn listen(&mut self, now: Duration, listen: Listen) {
        self.holds(now, listen != self.listening, || format!("told the microphone {listen:?} again"));
        let gated = matches!(self.listening, Listen::Gated { .. });
        self.listening = listen;
        if let Listen::All { number, .. } | Listen::Gated { number, .. } = listen {
            let before = std::mem::replace(&mut self.listen_number, number);
            let goes_on = number == before && gated;
            self.holds(now, number > before || goes_on, || format!("listening {number} after {before}"));
        }
    }

    pub(super) fn play(&mut self, now: Duration, turn: u32, samples: &[i16]) {
        let flushed = self.flushed;
        self.holds(now, turn > flushed, || format!("played turn {turn} after {flushed} was flushed"));
        let (played, ended) = (self.played, self.ended.contains(&turn));
        self.holds(now, turn >= played && !ended, || format!("played turn {turn} out of order"));
        self.played = turn;
        self.holds(now, !samples.is_empty(), || "played nothing".to_owned());
        let mut answers: Vec<i16> = samples.to_vec();
        answers.dedup();
        for &answer in &answers {
            let stale = self.cut.get(&answer).is_some_and(|&last| now < last + STALE_GAP);
            self.holds(now, !stale, || format!("played sound of answer {answer}, which was cut"));
            self.cut.remove(&answer);
        }
        self.answers.entry(turn).or_default().extend(answers);
    }

    /// Sound of this answer has arrived and was handed in.
    pub(super) fn arrived(&mut self, now: Duration, answer: i16) {
        if let Some(last) = self.cut.get_mut(&answer) {
            *last = now;
        }
    }

    pub(super) fn end_of_turn(&mut self, now: Duration, turn: u32) {
        let known = self.answers.contains_key(&turn) && turn > self.flushed;
        let first = self.ended.insert(turn);
        self.holds(now, known && first, || format!("ended turn {turn}, which is not being played"));
    }

    pub(super) fn flush(&mut self, now: Duration, turn: u32) {
        self.holds(now, turn <= self.played, || format!("flushed turn {turn}, which was never played"));
        self.flushed = self.flushed.max(turn);
        for answer in self.answers.range(..=turn).flat_map(|(_, answers)| answers) {
            self.cut.insert(*answer, now);
        }
    }

    pub(super) fn duck(&mut self, now: Duration, ducked: bool) {
        let told = std::mem::replace(&mut self.ducked, ducked);
        self.holds(now, told != ducked, || format!("ducked: {ducked} again"));
    }

    /// All that follows from something has been done.
    pub(super) fn done(&mut self, now: Duration, speaking: bool) {
        let ducked = self.ducked;
        self.holds(now, !ducked || speaking, || "ducked while nothing is being heard".to_owned());
        self.ducked &= speaking; // said once
    }

    pub(super) fn show(&mut self, now: Duration, phase: Phase) {
        self.holds(now, self.shown != Some(phase), || format!("showed {phase:?} again"));
        self.shown = Some(phase);
    }

    pub(super) fn call(&mut self, now: Duration, id: &str) {
        let new = self.calls.insert(id.to_owned());
        self.holds(now, new, || format!("called the tool twice for {id:?}"));
    }

    pub(super) fn cancel(&mut self, now: Duration, ids: &[String]) {
        let known = !ids.is_empty() && ids.iter().all(|id| self.calls.contains(id));
        self.calls.retain(|id| self.finishes || !ids.contains(id));
        self.holds(now, known, || format!("stopped tools that do not run: {ids:?}"));
    }

    /// Whether a tool that was called and not stopped has finished.
    pub(super) fn finished(&mut self, id: &str) -> bool {
        self.calls.remove(id)
    }

    /// Tools that run.
    pub(super) fn calls(&self) -> Vec<String> {
        self.calls.iter().cloned().collect()
    }

    /// The program was told to end, and what it had to say to that is said.
    pub(super) fn stop(&mut self) {
        self.stopped = true;
    }

    /// Something was done.
    pub(super) fn acted(&mut self, now: Duration, what: &str) {
        self.holds(now, !self.stopped, || format!("after the end: {what}"));
    }

    /// The timer was served; what is due now is next.
    pub(super) fn timer(&mut self, now: Duration, next: Option<Duration>) {
        let overdue = next.filter(|&next| next <= now);
        let again = overdue.is_some() && overdue == self.timer.0;
        self.holds(now, !again, || "the timer does not move on".to_owned());
        let times = if overdue.is_some() { self.timer.1 + 1 } else { 0 };
        assert!(times < TIMER_MAX, "the timer goes round and round"); // no time would pass any more
        self.timer = (overdue, times);
    }

    /// Everything has been let go, and much time has passed.
    pub(super) fn let_go(&mut self, now: Duration, phase: Phase, may_listen: bool, link_open: bool) {
        let rests = matches!(phase, Phase::Idle | Phase::Fault) || (may_listen && phase == Phase::Listening);
        self.holds(now, rests, || format!("everything is let go and the light still shows {phase:?}"));
        let needless = link_open && !may_listen;
        self.holds(now, !needless, || "nobody talks and a link is kept".to_owned());
        let rests = may_listen || !matches!(self.listening, Listen::All { .. });
        self.holds(now, rests, || "nobody talks and the microphone delivers".to_owned());
    }
}
