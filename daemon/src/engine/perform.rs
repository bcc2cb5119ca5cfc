//! What the conversation wants, done at the edges; and what is told and measured of it.

use std::time::Instant;

use pressel_live::event::{Action, ConsentInput, Input, Note, Phase};
use pressel_live::settings::TalkMode;
use tracing::{debug, info};

use super::Engine;
use crate::control::Event;
use crate::stats::Latency;

impl Engine {
    /// Everything the conversation wants. Nothing here waits.
    pub(super) fn perform_all(&mut self) {
        loop {
            while let Some(action) = self.conversation.poll_action() {
                self.perform(action);
            }
            let Some(ask) = self.edges.tools.ask() else { return };
            self.conversation.handle_input(Instant::now(), Input::Consent(ConsentInput::Due(ask)));
        }
    }

    fn perform(&mut self, action: Action) {
        let now = Instant::now();
        match action {
            Action::Dial { link } => {
                self.stats.begin(Latency::DialToUp, now);
                self.report.dialling(now);
                self.edges.wire.dial(link);
            }
            Action::Send { link, message } => {
                self.edges.usage.sends(&message);
                self.edges.wire.send(link, message);
                if self.stats.latency(Latency::StartToSetup).is_none() {
                    self.stats.measured(Latency::StartToSetup, now - self.stats.started());
                }
            }
            Action::Close { link, code } => {
                self.report.closed(now);
                self.edges.wire.close(link, code);
            }
            Action::Listen(listen) => {
                self.edges.sound.listen(listen);
                self.report.listens(listen);
                self.edges.control.publish(&Event::listen(listen), now);
            }
            Action::Play { turn, samples, rate_hz } => {
                self.edges.usage.plays(samples.len(), rate_hz);
                let dropped = self.edges.sound.play(turn, samples, rate_hz) as u64;
                if dropped > 0 {
                    self.on_note(now, &Note::AnswerDropped { samples: dropped });
                    self.report.answer_too_long();
                }
            }
            Action::EndOfTurn { turn } => self.edges.sound.end_of_turn(turn),
            Action::Flush { turn } => {
                self.edges.sound.flush(turn);
                self.stats.forget(Latency::MessageToSound);
            }
            Action::Duck { ducked } => {
                self.edges.sound.duck(ducked);
                self.edges.control.publish(&Event::Duck { ducked }, now);
            }
            Action::Ping { link } => self.edges.wire.ping(link),
            Action::Show(phase) => self.show(phase, now),
            Action::Tell(line) => {
                info!(line = line.word(), "told");
                self.edges.control.publish(&Event::Line { line: line.word() }, now);
                self.stats.told(line);
                self.edges.phrases.tell(line.word(), now);
            }
            Action::AskAloud { turn, by } => self.ask_aloud(turn, by),
            Action::Ask(agree) => self.grammar.ask(agree, now),
            Action::Decide { id, decision } => self.edges.tools.decide(now, &id, decision),
            Action::CallTool { id, name, args } => self.edges.tools.call(now, id, &name, args),
            Action::CancelTools { ids } => self.edges.tools.cancel(&ids),
            Action::Note(note) => {
                self.edges.usage.note(&note);
                self.on_note(now, &note);
            }
        }
    }

    /// What was used may have used up the budget; a new day brings a new one.
    pub(super) fn spend(&mut self, now: Instant) {
        if let Some(budget) = self.edges.usage.changed(now) {
            info!(budget = crate::usage::budget_word(budget), "budget");
            self.conversation.handle_input(now, Input::Budget(budget));
            self.perform_all();
        }
    }

    /// A line for the person waits for a moment in which nobody speaks.
    pub(super) fn speak(&mut self, now: Instant) {
        let quiet = self.conversation.is_quiet();
        if let Some((samples, rate_hz)) = self.edges.phrases.next(now, quiet) {
            self.edges.sound.play_local(samples, rate_hz);
        }
    }

    fn show(&mut self, phase: Phase, now: Instant) {
        self.edges.panel.show(phase, now);
        let open = matches!(self.conversation.mode(), TalkMode::Open { .. });
        if phase == Phase::Thinking || phase == Phase::Listening && !open {
            self.edges.tools.prepare();
        }
        if let Some(length) = self.stats.end(Latency::PressToLight, Instant::now()) {
            self.edges.control.publish(&Event::latency(Latency::PressToLight, length), now);
        }
        debug!(phase = crate::status::phase_word(phase), "phase");
        self.edges.control.publish(&Event::phase(phase), now);
        self.tell_status();
        let by_voice = matches!(self.conversation.mode(), TalkMode::Open { .. });
        if let Some((samples, rate_hz)) = self.edges.earcons.of(phase, by_voice) {
            self.edges.sound.play_local(samples, rate_hz);
        }
    }

    fn on_note(&mut self, now: Instant, note: &Note) {
        self.stats.note(note);
        self.report.note(note, now);
        match note {
            Note::FirstSound { .. } => self.stats.begin(Latency::MessageToSound, self.message_at),
            Note::UtteranceEnded => {
                self.person_spoke();
                self.stats.begin(Latency::UtteranceToSound, now);
            }
            Note::LinkUp { .. } => self.measured(Latency::DialToUp, now, now),
            Note::LinkDown { .. } => self.stats.forget(Latency::DialToUp),
            Note::SessionChanged => self.keep_talk(),
            Note::CallRefused { name, args } => self.edges.tools.refused(now, name, args),
            _ => {}
        }
        if let Some(event) = Event::note(note) {
            self.edges.control.publish(&event, now);
        }
    }

    pub(super) fn keep_talk(&self) {
        if let Some(state) = &self.state {
            state.put(self.conversation.session());
        }
    }

    pub(super) fn measured(&mut self, latency: Latency, end: Instant, now: Instant) {
        if let Some(length) = self.stats.end(latency, end) {
            self.edges.control.publish(&Event::latency(latency, length), now);
        }
    }
}
