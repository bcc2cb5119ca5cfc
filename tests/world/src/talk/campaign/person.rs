//! Somebody who presses, speaks, lets go and waits for an answer; and what has become of what they said.

use std::collections::BTreeSet;
use std::time::Duration;

use pressel_live::event::{ButtonInput, Input, Phase};

use super::plan::Away;
use super::report::{Wait, waited};
use super::world::{Campaign, Event};
use crate::talk::capture::TICK;

/// Somebody waits so long for an answer before they press again.
const PATIENCE: Duration = Duration::from_secs(25);
/// A link that hangs is given so long while no pong has been seen.
const UNKNOWN: Duration = Duration::from_secs(35);
/// Between the press and the first word, and between the last word and letting go.
const BREATH: Duration = Duration::from_millis(200);

/// Something that was said.
#[derive(Debug)]
pub(super) struct Utterance {
    pub(super) pressed: Duration,
    /// When the person was done.
    pub(super) done: Option<Duration>,
    /// Chunks of speech that no server has yet.
    pub(super) missing: BTreeSet<u64>,
    /// How much speech there was, in chunks.
    all: u64,
    /// All of it was with a server.
    pub(super) whole: Option<Duration>,
    /// Its answer has begun.
    pub(super) answered: bool,
    /// The light showed a fault while it was being said: nobody speaks into that.
    pub(super) refused: bool,
    /// A tool ran for it.
    pub(super) tools: u32,
}

impl Campaign<'_> {
    /// The next press is due; a person waits until they have been answered.
    pub(super) fn wants(&mut self, since: Duration, speech: Duration) {
        let busy = matches!(self.phase, Phase::Thinking | Phase::Speaking | Phase::Listening);
        // Who has the button down lets go first.
        let speaks = self.said.last().is_some_and(|said| said.done.is_none());
        if speaks || (busy && self.now < since + PATIENCE) {
            return self.plan_in(Duration::from_millis(300), Event::Wants(since, speech));
        }
        if self.ends_by_tap() {
            return self.plan_in(Duration::from_millis(300), Event::Wants(since, speech));
        }
        self.tell(|| "button down".to_owned());
        self.said.push(Utterance {
            pressed: self.now,
            done: None,
            missing: BTreeSet::new(),
            all: 0,
            whole: None,
            answered: false,
            refused: false,
            tools: 0,
        });
        self.input(Input::Button(ButtonInput::Press));
        self.plan_in(BREATH, Event::Speak(speech));
    }

    /// In tap mode a press while something is going on ends it: the person sees that and presses again.
    fn ends_by_tap(&mut self) -> bool {
        let tap = matches!(self.conversation.mode(), pressel_live::settings::TalkMode::Tap { .. });
        let ends = tap && self.phase == Phase::Listening;
        if ends {
            self.input(Input::Button(ButtonInput::Press));
            self.input(Input::Button(ButtonInput::Release));
        }
        ends
    }

    pub(super) fn speaks(&mut self, speech: Duration) {
        self.catch_up();
        self.capture.speaking = true;
        self.plan_in(speech, Event::Silent);
    }

    pub(super) fn falls_silent(&mut self) {
        self.catch_up();
        self.capture.speaking = false;
        self.plan_in(BREATH, Event::Release);
    }

    pub(super) fn lets_go(&mut self) {
        self.catch_up();
        self.tell(|| "button up".to_owned());
        let captured = self.capture.newest();
        let first = self.said.last().map_or(0, |said| (said.pressed.as_millis() / TICK.as_millis()) as u64);
        let words: BTreeSet<u64> =
            (first..=captured).filter(|chunk| self.capture.is_speech(*chunk)).collect();
        let now = self.now;
        if let Some(said) = self.said.last_mut() {
            said.all = words.len() as u64;
            // In tap mode all of it may be there already.
            said.missing = words.difference(&self.early).copied().collect();
            said.done = Some(now);
            if said.missing.is_empty() && said.all > 0 {
                said.whole = Some(now);
            }
        }
        self.early.clear();
        self.input(Input::Button(ButtonInput::Release));
    }

    /// These chunks are with a server, each since then, and said to be all; of which utterances they are.
    pub(super) fn arrived(&mut self, chunks: &[(u64, Duration)]) -> BTreeSet<usize> {
        let mut of = BTreeSet::new();
        for (n, said) in self.said.iter_mut().enumerate().rev().take(8) {
            let tick = |time: Duration| (time.as_millis() / TICK.as_millis()) as u64;
            let span = tick(said.pressed)..said.done.map_or(u64::MAX, tick);
            let before = said.missing.len();
            let mut last = None;
            for (chunk, at) in chunks.iter().filter(|(chunk, _)| span.contains(chunk)) {
                of.insert(n);
                if said.missing.remove(chunk) {
                    last = Some(*at);
                }
            }
            if said.done.is_some() && said.missing.is_empty() && before > 0 && said.whole.is_none() {
                said.whole = last;
            }
            if said.done.is_none() {
                self.early.extend(chunks.iter().map(|(chunk, _)| *chunk));
            }
        }
        of
    }

    /// What became of everything that was said.
    pub(super) fn account(&mut self) {
        let mut missing_ms = 0;
        let mut long = Vec::new();
        for said in &self.said {
            let Some(done) = said.done else { continue };
            self.outcome.tools_twice += u32::from(said.tools > 1);
            if said.refused {
                continue;
            }
            missing_ms += said.missing.len() as u64 * TICK.as_millis() as u64;
            // Words may arrive while others are still being said.
            let until = said.whole.unwrap_or(done).max(done);
            let lasted = waited(self.plan, &self.strikes, &self.heard, done, until);
            // Nothing tells a server that hangs from one whose pongs take 30 s, before the first of them has come.
            let unknown = self.first_pong.is_none_or(|at| at > done);
            let lasted = lasted.saturating_sub(if unknown { UNKNOWN } else { Duration::ZERO });
            self.outcome.waits.push(Wait { since: done, lasted });
            if lasted > Duration::from_secs(5) {
                long.push(format!(
                    "said at {:?}, heard whole {:?}, waited {lasted:?}",
                    said.pressed, said.whole
                ));
            }
        }
        self.outcome.unheard_last = self.said.last().is_some_and(|said| said.whole.is_none());
        self.outcome.lost_ms = missing_ms.saturating_sub(self.outcome.counted_ms);
        let lost: Vec<Duration> =
            self.said.iter().filter(|said| !said.missing.is_empty()).map(|said| said.pressed).collect();
        self.tell(|| format!("not whole: what was said at {lost:?}; waits: {}", long.join("; ")));
    }

    /// What the network is like now.
    pub(super) fn away(&self) -> Option<Away> {
        self.away_at(self.now)
    }

    /// What it is like at another time.
    pub(super) fn away_at(&self, time: Duration) -> Option<Away> {
        let outage = self.plan.outages.iter().find(|outage| (outage.from..outage.to).contains(&time));
        outage.map(|outage| outage.away)
    }
}
