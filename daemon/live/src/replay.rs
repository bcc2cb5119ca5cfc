//! What a lost link leaves to the next one: the question again, or a note of what the server has forgotten.
//!
//! ```text
//!  of what was asked last                          the next link gets
//!  nothing has come, or only its transcript        the same sound (or typed text) again, once
//!  an answer or a call, and the transcript         one note: the transcript, what was heard, what each tool did;
//!                                                  it asks for the rest of the answer unless that is all there
//!  a call, and no transcript                       a note of what the tools did, and the sound again, once
//!  sound of an answer, and no transcript           a note of what was heard; nothing where transcripts are off
//!  of what was asked before that                   its words in the same note
//! ```
//! A transcript alone is no reason against sending again: nothing was done yet that would be done twice. A tool goes on
//! when its link is lost, because what it does in the world is not undone by that; its result goes into the note, or,
//! when the note is out already, into one of its own. The same call for the same words is answered from the record.
//!
//! A note that asks for nothing must not make the model speak: where typed text always does (`TextBy::RealtimeInput`) it
//! travels in the system instruction of the setup. A note is told to two links at most.

mod late;

use std::time::{Duration, Instant};

use crate::conversation::Conversation;
use crate::event::{Action, Line, Note};
use crate::exchange::{Args, Exchange, Outcome, ToolRecord};
use crate::link::State;
use crate::pending::STOPPED;
use crate::profile::TextBy;
use crate::recap::{self, Asks};
use crate::turn::Turn;
use crate::utterance::Utterance;
use crate::wire::client;

use late::{LATE_MAX, Late, LateResult};

/// The same words are sent on this many links at most.
pub(crate) const TRIES_MAX: u32 = 2;
/// An answer that broke off is gone on with on a link that comes within this; later nobody waits for the rest.
const GO_ON_MAX: Duration = Duration::from_secs(20);
/// A tool answers through the program, which bounds it (600 s at most); this only bounds a lost report.
pub(crate) const CALL_MAX: Duration = Duration::from_secs(630);
/// The unfinished exchange may need so many letters of a note whatever the recap is allowed.
const NOTE_MAX: usize = 6000;

/// What waits for the next link, or for the next quiet moment on this one.
#[derive(Debug, Default)]
pub(crate) struct Carry {
    /// The present link knows what it must.
    briefed: bool,
    /// Results whose calls died, and of which the present link was told that they follow.
    late: Vec<LateResult>,
    /// Those that this link was told of and has not shown that it heard.
    unsure: Vec<LateResult>,
    /// They wait until the person has said something again: who says stop wants no more of it now.
    pub(crate) hushed: bool,
    /// Some of what was said is lost, and the person was not told yet.
    speech_lost: bool,
    /// The link whose session was forgotten: its last handles are not wanted.
    forgotten: Option<u32>,
}

impl Conversation {
    /// The link is gone, and with it what the server had not kept.
    pub(crate) fn leave_talk(&mut self, now: Instant) {
        self.carry.briefed = false;
        let since: Vec<&ToolRecord> = self.memory.since().flat_map(|exchange| &exchange.tools).collect();
        let noted = |record: &ToolRecord| since.iter().any(|tool| tool.id == record.id);
        let unsure = std::mem::take(&mut self.carry.unsure);
        self.carry.late.splice(..0, unsure.into_iter().filter(|late| late.2 < TRIES_MAX));
        // What a link was told may have no room in the note for the next one.
        let stays =
            |LateResult(record, late, told): &LateResult| *late == Late::Aloud || *told > 0 || !noted(record);
        self.carry.late.retain(stays);
        if self.turn.is_idle() && self.utterance.is_none() && self.question.is_none() {
            self.memory.end_wait(); // nobody waits for more than has come
        }
        let mut gone = self.memory.lose();
        let begun = self.utterance.as_ref().is_some_and(Utterance::is_begun);
        let mut short = self.utterance.as_mut().map_or(0, Utterance::rewind);
        let waits = self.utterance.is_some() || !(self.turn.is_idle() || self.turn.is_speaking());
        match self.memory.current().filter(|exchange| !exchange.over) {
            Some(exchange) if exchange.typed => self.put_again(now),
            Some(exchange) if exchange.needs_sound(begun) => {
                let sound = exchange.sound.take();
                let wanted = waits || exchange.answered;
                let again = begun || sound.is_some();
                if let Some(mut sound) = sound.filter(|_| wanted) {
                    short += sound.rewind();
                    match &mut self.utterance {
                        Some(utterance) => short += utterance.prepend(sound),
                        None => self.utterance = Some(sound),
                    }
                }
                if !wanted {
                    exchange.over = true; // a press has ended the wait, and nothing was said after it
                } else if again && exchange.asked_again(short) {
                    short = 0; // what is missing of the sound is told in words
                }
            }
            _ => {}
        }
        gone += short;
        if self.utterance.as_ref().is_some_and(|u| u.ended && u.tries >= TRIES_MAX) {
            self.drop_utterance();
            self.memory.give_up();
        }
        self.speech_lost(gone);
    }

    /// Samples of what was said will reach nobody: counted, and told to the person when nobody speaks.
    pub(crate) fn speech_lost(&mut self, samples: u64) {
        if samples > 0 {
            self.note(Note::SpeechDropped { samples });
            self.carry.speech_lost = true;
        }
    }

    /// Says so to the person.
    pub(crate) fn tell_losses(&mut self, now: Instant) {
        let speaks = self.turn.is_listening() || self.open.as_ref().is_some_and(|talk| talk.gate_open);
        if !speaks && std::mem::take(&mut self.carry.speech_lost) {
            self.tell(now, Line::SpeechLost);
        }
    }

    /// The person is told of something worse.
    pub(crate) fn losses_are_told(&mut self) {
        self.carry.speech_lost = false;
    }

    /// An answer that broke off with its link is still wanted.
    pub(crate) fn is_owed(&self) -> bool {
        !self.turn.is_idle() && self.memory.last().is_some_and(Exchange::is_owed)
    }

    /// How long it is waited for.
    pub(crate) fn owed_for(&self) -> Duration {
        let waiting = self.memory.last().is_some_and(Exchange::is_waiting);
        if waiting { CALL_MAX } else { GO_ON_MAX }
    }

    /// Somebody says or asks something new.
    fn is_asked(&self) -> bool {
        let gate_open = self.open.as_ref().is_some_and(|talk| talk.gate_open);
        self.utterance.is_some() || self.question.is_some() || self.turn.is_listening() || gate_open
    }

    fn asks(&self) -> Asks {
        if self.is_owed() && !self.is_asked() { Asks::Answer } else { Asks::Nothing }
    }

    /// The note for this link; empty when there is nothing to tell.
    fn note_text(&self, fresh: bool, asks: Asks) -> String {
        let max = self.settings.recap_max_chars;
        let lost = |exchange: &&Exchange| exchange.lost && !exchange.waits && exchange.told < TRIES_MAX;
        match (fresh, asks) {
            (true, _) if self.settings.recap => {
                recap::note(self.memory.all().filter(|e| !e.waits), true, asks, max)
            }
            (true, Asks::Nothing) => String::new(),
            (true, Asks::Answer) => recap::note(self.memory.last().into_iter().filter(lost), true, asks, max),
            (false, _) => recap::note(self.memory.since().filter(lost), false, asks, max.max(NOTE_MAX)),
        }
    }

    /// Results that the note for this link has no room for are told by themselves.
    fn owe_untold(&mut self, note: &str) {
        for exchange in self.memory.since_mut().filter(|exchange| exchange.lost) {
            for tool in exchange.tools.iter_mut().filter(|tool| tool.outcome.is_some()) {
                let noted = note.contains(&recap::call(tool));
                self.carry.late.retain(|late| !noted || late.1 == Late::Aloud || late.0.id != tool.id);
                if tool.told {
                    continue;
                }
                tool.told = noted;
                let waits = self.carry.late.iter().any(|late| late.0.id == tool.id);
                let stopped = matches!(&tool.outcome, Some(Err(why)) if why == STOPPED);
                if !(tool.told || waits || stopped) && self.carry.late.len() < LATE_MAX {
                    self.carry.late.push(LateResult(tool.clone(), Late::Result, 0));
                }
            }
        }
    }

    fn note_told(&mut self, asks: Asks) {
        for exchange in self.memory.since_mut().filter(|exchange| exchange.lost) {
            exchange.lost = false;
            exchange.told += 1;
        }
        if let Some(exchange) = self.memory.current().filter(|_| asks == Asks::Answer) {
            exchange.again = true;
        }
    }

    /// What the setup's system instruction says beside the configured one, where no note can be sent silently later.
    pub(crate) fn setup_note(&mut self) -> Option<String> {
        if !self.silent_by_setup() || self.asks() == Asks::Answer {
            return None;
        }
        let text = self.note_text(self.link.handle().is_none(), Asks::Nothing);
        if text.is_empty() {
            return None;
        }
        self.owe_untold(&text);
        self.note_told(Asks::Nothing);
        self.carry.briefed = true;
        Some(text)
    }

    /// Somebody speaks while a link is set up that was to be asked for the rest of an answer, of a model that can only be
    /// told silently by its setup: another one begins, and what is said meanwhile is kept as ever.
    pub(crate) fn set_up_again(&mut self, now: Instant) {
        let setting_up = matches!(self.link.state, State::SettingUp { .. });
        if !setting_up || self.carry.briefed || !self.is_asked() || !self.silent_by_setup() {
            return;
        }
        if !self.note_text(self.link.handle().is_none(), Asks::Nothing).is_empty() {
            let close = self.link.leave(now);
            self.actions.extend(close);
            self.lose_link(now);
        }
    }

    fn silent_by_setup(&self) -> bool {
        self.profile.text_by == TextBy::RealtimeInput && self.profile.instruction
    }

    /// A new link is up: it is told what it must know before anything else is said on it.
    pub(crate) fn brief(&mut self, now: Instant) {
        let State::Up { resumed, .. } = self.link.state else { return };
        if self.carry.briefed || !self.is_wanted() {
            return; // a link that is only kept ready need know nothing yet
        }
        let mut asks = self.asks();
        if asks == Asks::Answer && self.memory.last().is_some_and(Exchange::is_waiting) {
            return; // one note, with what the tool has found
        }
        if asks == Asks::Answer && self.memory.last().is_some_and(|exchange| exchange.told >= TRIES_MAX) {
            self.memory.give_up(); // it may be what ends the links
            self.become_idle(now);
            self.act(Action::Tell(Line::NoAnswer));
            asks = Asks::Nothing;
        }
        self.carry.briefed = true;
        if asks == Asks::Nothing
            && (self.profile.text_by == TextBy::RealtimeInput || !self.profile.instruction)
        {
            return self.owe_untold(""); // it would answer; the setup has told what can be told
        }
        let text = self.note_text(!resumed, asks);
        self.owe_untold(&text);
        if text.is_empty() {
            if asks == Asks::Answer {
                self.memory.give_up(); // told often enough
            }
            return;
        }
        self.note_told(asks);
        if asks == Asks::Nothing {
            self.send(now, client::silent_text(&text));
            return;
        }
        self.send(now, client::text(self.profile, &text));
        if let Turn::Thinking { until } = &mut self.turn {
            *until = Some(now + self.settings.answer_timeout);
        }
    }

    /// Somebody says something of which the server may not have heard the end.
    pub(crate) fn is_saying(&self, now: Instant) -> bool {
        let understood = self.memory.last().is_some_and(|exchange| !exchange.heard.text().is_empty());
        let unheard = |said: &Utterance| !said.is_sent() || !understood && self.link.pulse.is_crossed(now);
        self.utterance.as_ref().is_some_and(|said| said.is_begun() && unheard(said))
    }

    /// What the record says of a tool that is called again for the same words; `asking`: others are being said. `None`:
    /// it was never called.
    pub(crate) fn on_record(
        &mut self,
        now: Instant,
        wire: &str,
        name: &str,
        args: &Args,
        asking: bool,
    ) -> Option<Answered> {
        let record = self.memory.repeated(wire, name, args, asking)?;
        record.told |= record.outcome.is_some();
        self.consent.called_again(now, &record.id, wire);
        Some(match (&record.outcome, &record.wire) {
            (Some(outcome), _) => Answered::Done(outcome.clone()),
            (None, Some(_)) => Answered::Done(Err("it runs already; its result follows".to_owned())),
            (None, None) => {
                record.wire = Some(wire.to_owned());
                Answered::Runs(record.id.clone())
            }
        })
    }

    /// Nobody waits for the answer any more, nor for the tools that it waits for.
    pub(crate) fn stop_waiting(&mut self) {
        let finishes = |name: &str| self.settings.finishes.contains(name);
        let runs = self.memory.abandon(finishes);
        let ids = self.left(runs);
        self.cancel_tools(ids);
    }

    fn cancel_tools(&mut self, mut ids: Vec<String>) {
        let live = self.calls.keys().filter(|id| !ids.contains(id));
        ids.extend(live.cloned().collect::<Vec<_>>());
        self.stop_calls();
        if !ids.is_empty() {
            self.act(Action::CancelTools { ids });
        }
    }

    /// A handle of the present link may be kept, also after its end.
    pub(crate) fn wants_handle(&self) -> bool {
        self.carry.forgotten != Some(self.link.number)
    }

    /// A boundary between two talks: nothing of the former one is known any more, to us or to the server.
    pub(crate) fn forget_talk(&mut self, now: Instant) {
        self.withdraw(now, None);
        self.stop_consented();
        self.consent.all_told();
        let known = !self.memory.is_empty();
        let runs = self.memory.clear();
        let ids = self.left(runs);
        self.cancel_tools(ids);
        self.finishing.forget();
        let close = self.link.leave(now);
        if close.is_some() {
            self.actions.extend(close);
            self.lose_link(now);
        }
        self.carry = Carry { forgotten: Some(self.link.number), ..Carry::default() };
        if self.link.drop_handle() || known {
            self.note(Note::SessionChanged);
        }
    }
}

/// What the record says of a call.
pub(crate) enum Answered {
    /// It was done, with this outcome.
    Done(Outcome),
    /// It runs under this id; its result goes to the new call.
    Runs(String),
}
