//! Speaking over the answer: what is held back of it, and what follows from what the device itself suspects.
//!
//! ```text
//!                 server          local, both                        off
//!  sound          goes up         is held, silence goes up           is dropped, silence goes up
//!  Suspected      duck            duck                               -
//!  Dismissed      back            back, what is held is dropped soon -
//!  Confirmed      back after 2 s  flush, what is held goes up        -
//!  interrupted    flush           both: flush, what is held goes up  -
//! ```
//! That is open mode, where the server finds speech in the stream's own time, so that it must not hear a cough at all.
//! In tap mode there is nothing to send before the answer is cut, and `Confirmed` is a tap at the moment of
//! `Suspected`. In hold mode the press is the barge-in.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::conversation::Conversation;
use crate::event::{Action, Listen, Note};
use crate::settings::{BargeIn, TalkMode};
use crate::utterance::Utterance;
use crate::wire::client;

/// Of what is captured before a suspicion so much is held: the first syllable is older than what is known of it.
const PRE_ROLL: Duration = Duration::from_millis(300);
/// A word and a pause may be dismissed like a cough, and the next word confirmed: what was held for a dismissed suspicion
/// is kept for so long in case the next one is of the same sentence.
const SECOND_THOUGHT: Duration = Duration::from_secs(1);
/// The slowest detector there can be decides in 2 s; a suspicion of which nothing is heard for so long was none.
const SUSPICION_MAX: Duration = Duration::from_secs(3);
/// The server hears speech in about 400 ms; what it has not interrupted after this it does not take for speech.
const SERVER_DECIDES: Duration = Duration::from_secs(2);
/// Pre-roll and the longest suspicion are 3.3 s; beyond this, in 16 kHz samples, the oldest goes: it was dismissed.
const HELD_MAX: usize = 4 * 16_000;

/// A chunk that waits for a decision.
struct Held {
    samples: Vec<i16>,
    speech: bool,
    at: Instant,
}

/// What is known of speech over the answer.
#[derive(Default)]
pub(crate) struct Watch {
    /// Since when, and until when without another word.
    suspicion: Option<(Instant, Instant)>,
    /// The last suspicion was dismissed, and what is held of it is kept until then.
    second_thought: Option<Instant>,
    held: VecDeque<Held>,
    held_samples: usize,
    /// Samples of what is held that went since somebody was suspected: lost if it was a person.
    lost: u64,
    /// Sound is being held back or dropped.
    withholding: bool,
    /// Silence was sent in the place of sound, and that the stream pauses was not.
    hushed: bool,
    /// As it was told.
    ducked: bool,
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // What was said is not printed.
        f.debug_struct("Watch")
            .field("suspicion", &self.suspicion)
            .field("held_samples", &self.held_samples)
            .field("withholding", &self.withholding)
            .field("ducked", &self.ducked)
            .finish_non_exhaustive()
    }
}

impl Watch {
    /// Holds a chunk, to a bound.
    fn hold(&mut self, samples: Vec<i16>, speech: bool, at: Instant) {
        self.held_samples += samples.len();
        self.held.push_back(Held { samples, speech, at });
        let thought_over = self.second_thought.is_none_or(|until| until <= at);
        if self.suspicion.is_none() && thought_over {
            self.second_thought = None;
            self.keep_pre_roll();
        }
        while self.held_samples > HELD_MAX && self.held.len() > 1 {
            let samples = self.drop_oldest() as u64;
            self.lost += if self.suspicion.is_some() { samples } else { 0 };
        }
    }

    /// Of what is held only the last moments are kept.
    fn keep_pre_roll(&mut self) {
        let Some(newest) = self.held.back().map(|held| held.at) else { return };
        while self.held.front().is_some_and(|oldest| oldest.at + PRE_ROLL <= newest) {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) -> usize {
        let samples = self.held.pop_front().map_or(0, |oldest| oldest.samples.len());
        self.held_samples -= samples;
        samples
    }

    fn drop_held(&mut self) {
        self.held.clear();
        self.held_samples = 0;
        self.lost = 0;
        self.second_thought = None;
    }

    /// Hands over what is held, all of it if somebody was suspected to the last; returns how many samples of what they
    /// said were lost to a bound.
    fn release(&mut self, suspected: bool, utterance: &mut Utterance) -> u64 {
        let mut lost = std::mem::take(&mut self.lost);
        if !suspected {
            self.keep_pre_roll();
            lost = 0;
        }
        self.second_thought = None;
        for Held { samples, speech, at } in self.held.drain(..) {
            lost += utterance.push(samples, speech, at);
        }
        self.held_samples = 0;
        lost
    }

    /// The stream pauses, and the server knows it; or it is gone with its link.
    pub(crate) fn end_stream(&mut self) {
        self.hushed = false;
    }
}

impl Conversation {
    /// Who may decide here, now that the mode is known; `None`: sound goes up as if nobody spoke.
    fn barge_in(&self) -> Option<BargeIn> {
        let policy = self.settings.barge_in;
        match self.settings.talk {
            TalkMode::Hold { .. } => None,
            TalkMode::Tap { .. } => Some(policy).filter(|p| matches!(p, BargeIn::Local | BargeIn::Both)),
            TalkMode::Open { .. } => {
                Some(policy).filter(|p| self.settings.speech_interrupts || *p == BargeIn::Off)
            }
        }
    }

    fn is_tap(&self) -> bool {
        matches!(self.settings.talk, TalkMode::Tap { .. })
    }

    /// Whether the device looks for speech over an answer. In tap mode a suspicion outlives the answer: who began to
    /// speak over its last word means to be heard.
    fn is_watching(&self) -> bool {
        let may = self.barge_in().is_some_and(|policy| policy != BargeIn::Off);
        let suspects = self.is_tap() && self.watch.suspicion.is_some() && !self.turn.is_listening();
        may && (self.turn.is_speaking() || suspects)
    }

    /// Whether what the gate lets through is kept off the wire.
    pub(crate) fn withholds(&self) -> bool {
        match self.barge_in() {
            None | Some(BargeIn::Server) => false,
            Some(BargeIn::Local | BargeIn::Both) if self.is_tap() => self.is_watching(),
            Some(_) => self.open.is_some() && self.turn.is_speaking(),
        }
    }

    /// Whether the server's word that speech has cut the answer counts.
    pub(crate) fn heeds_interruption(&self) -> bool {
        self.is_manual() || self.barge_in() != Some(BargeIn::Local)
    }

    /// Takes a chunk that is not to go up now. Something else does in its place: the server counts time by samples.
    pub(crate) fn withhold(&mut self, now: Instant, samples: Vec<i16>, speech: bool, at: Instant) {
        if samples.is_empty() {
            return;
        }
        if self.link.is_up() && !self.link.manual && !self.is_manual() && !self.is_blocked() {
            self.watch.hushed = true;
            self.send(now, client::audio(&vec![0; samples.len()]));
        }
        if self.barge_in() == Some(BargeIn::Off) {
            return;
        }
        self.watch.hold(samples, speech, at);
    }

    pub(crate) fn on_suspected(&mut self, now: Instant) {
        if self.is_watching() && self.watch.suspicion.is_none() {
            self.watch.suspicion = Some((now, now + SUSPICION_MAX));
        }
    }

    pub(crate) fn on_dismissed(&mut self, now: Instant) {
        if self.watch.suspicion.take().is_some() {
            self.watch.second_thought = Some(now + SECOND_THOUGHT);
        }
    }

    pub(crate) fn on_confirmed(&mut self, now: Instant) {
        if !self.is_watching() {
            return; // the answer has just ended: what is said goes its usual way
        }
        let since = self.watch.suspicion.map_or(now, |(since, _)| since);
        if self.barge_in() == Some(BargeIn::Server) {
            self.watch.suspicion = Some((since, now + SERVER_DECIDES));
            return;
        }
        self.note(Note::BargeIn);
        self.watch.suspicion = Some((since, now));
        if self.is_tap() {
            self.begin_utterance(now, since);
            self.watch.suspicion = None; // also where there is no microphone to begin with
        } else {
            self.silence(now); // and what is held goes up, see `keep_watch`
        }
    }

    /// Tap mode: the listening that watched goes on as that of an utterance, beginning with what is held.
    pub(crate) fn go_on_listening(&mut self, since: Instant) {
        if !self.is_gated() {
            self.listen_number += 1;
        }
        self.listen(Listen::All { number: self.listen_number, since });
        let suspected = self.watch.suspicion.take().is_some();
        let lost = self.utterance.as_mut().map_or(0, |utterance| self.watch.release(suspected, utterance));
        self.speech_lost(lost);
    }

    /// The gate has closed, or the card is gone: nobody spoke.
    pub(crate) fn forget_suspicion(&mut self) {
        self.watch.suspicion = None;
        self.watch.drop_held();
    }

    /// What went up as silence pauses here.
    pub(crate) fn end_hush(&mut self, now: Instant) {
        if self.is_blocked() {
            return; // the next sound's end says so too
        }
        if std::mem::take(&mut self.watch.hushed) && self.link.is_up() && !self.link.manual {
            self.send(now, client::audio_stream_end().to_owned());
        }
    }

    /// When a suspicion ends of which nothing more is heard.
    pub(crate) fn suspicion_deadline(&self) -> Option<Instant> {
        self.watch.suspicion.map(|(_, until)| until)
    }

    pub(crate) fn end_overdue_suspicion(&mut self, now: Instant) {
        if self.suspicion_deadline().is_some_and(|until| until <= now) {
            self.on_dismissed(now);
        }
    }

    /// What must hold after every input, whatever it was: nothing is suspected, held or ducked longer than an answer
    /// is being heard.
    pub(crate) fn keep_watch(&mut self, now: Instant) {
        let watching = self.is_watching();
        let withholding = self.withholds();
        let ended = std::mem::replace(&mut self.watch.withholding, withholding) && !withholding;
        let suspected = self.watch.suspicion.is_some();
        if !watching {
            self.watch.suspicion = None;
        }
        if withholding {
            // Somebody is speaking while an answer begins, or the gate has not closed yet.
            if let Some(utterance) = self.utterance.as_mut().filter(|_| self.open.is_some()) {
                utterance.ended = true;
            }
        } else if ended && self.open.as_ref().is_some_and(|talk| talk.gate_open) {
            self.begin_segment(now); // nobody speaks any more but them
            let lost =
                self.utterance.as_mut().map_or(0, |utterance| self.watch.release(suspected, utterance));
            self.speech_lost(lost);
        } else {
            self.watch.drop_held();
        }
        match self.listening {
            Listen::Gated { number, watch } if watch != watching && !self.is_tap() => {
                self.listen(Listen::Gated { number, watch: watching });
            }
            Listen::Rest if watching && self.is_tap() => {
                self.listen_number += 1;
                self.listen(Listen::Gated { number: self.listen_number, watch: true });
            }
            Listen::Gated { .. } if !watching && self.is_tap() => self.listen(Listen::Rest),
            _ => {}
        }
        self.settle_duck();
    }

    pub(crate) fn settle_duck(&mut self) {
        let ducked = self.turn.is_speaking() && self.watch.suspicion.is_some();
        if std::mem::replace(&mut self.watch.ducked, ducked) != ducked {
            self.act(Action::Duck { ducked });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Holds `seconds` of speech in chunks of 100 ms, suspected after the first, and says what of it is lost.
    fn lost(seconds: usize, suspected: bool) -> (usize, u64) {
        let (mut watch, start) = (Watch::default(), Instant::now());
        for n in 0..10 * seconds {
            let at = start + Duration::from_millis(100 * n as u64);
            watch.hold(vec![1; 1_600], true, at);
            watch.suspicion.get_or_insert((at, at + SUSPICION_MAX));
        }
        let mut utterance = Utterance::new(start, 60 * 16_000);
        let held = watch.held_samples;
        (held, watch.release(suspected, &mut utterance))
    }

    #[test]
    fn what_a_person_said_over_the_bound_is_lost_and_what_nobody_said_is_not() {
        assert_eq!(lost(3, true), (3 * 16_000, 0));
        assert_eq!(lost(6, true), (HELD_MAX, 2 * 16_000));
        assert_eq!(lost(6, false), (HELD_MAX, 0), "a cough that was dismissed");
    }
}
