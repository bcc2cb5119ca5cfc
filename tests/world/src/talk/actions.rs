//! What the simulated world does when the conversation wants something.

use std::time::Duration;

use pressel_live::event::{Action, Cause, LinkInput, Listen, Note, SpeakerInput};

use super::faults::Faults;
use super::player::{Entry, Seen};
use super::simulation::{Happening, SET_UP, Simulation};

/// From a word to the microphone until it is obeyed.
const OBEY: Duration = Duration::from_millis(3);
/// A message at the wrong time comes this much after the right one.
const STRAY: Duration = Duration::from_millis(5);

impl Simulation {
    fn see(&mut self, seen: Seen) {
        self.journal.push(Entry { at: self.now, seen });
    }

    pub(super) fn perform(&mut self, action: Action) {
        let now = self.now;
        self.law.acted(now, &format!("{action:.60?}"));
        match action {
            Action::Dial { link } => {
                self.law.dial(now, link, &self.network);
                self.network.dial(link);
                self.see(Seen::Dial);
                if let Some(after) = self.room.dial {
                    let unreachable = self.faults.as_mut().is_some_and(Faults::dial_fails);
                    let fails = self.room.fails.or(unreachable.then_some(Cause::Connect));
                    let failed = |cause| LinkInput::Failed { cause, reason: "no route".to_owned() };
                    let news = fails.map_or(LinkInput::Opened, failed);
                    self.plan(now + after, Happening::Link(link, news));
                }
            }
            Action::Send { link: number, message } => self.send(number, &message),
            Action::Close { link: number, .. } => {
                let link = self.network.link(number);
                self.law.close(now, link.as_deref(), number);
                if let Some(link) = link {
                    link.closing = true;
                }
                self.see(Seen::Close);
                self.stray(number);
                let goodbye = self.faults.as_mut().map_or(self.room.goodbye, Faults::goodbye);
                let closed = LinkInput::Closed { code: 1000, reason: String::new() };
                self.plan(now + goodbye, Happening::Link(number, closed));
            }
            Action::Ping { link: number } => {
                let open = self.network.link(number).is_some_and(|link| link.complete && !link.closing);
                self.law.holds(now, open, || format!("pinged on link {number}, which is not up"));
                self.see(Seen::Ping);
                if let Some(after) = self.room.pong {
                    self.plan(now + after, Happening::Link(number, LinkInput::Pong));
                }
            }
            Action::Tell(line) => self.see(Seen::Told(line.word())),
            Action::Listen(listen) => {
                self.law.listen(now, listen);
                self.see(Seen::Listen(match listen {
                    Listen::Rest => "rest",
                    Listen::All { .. } => "all",
                    Listen::Gated { watch: false, .. } => "gated",
                    Listen::Gated { watch: true, .. } => "watched",
                }));
                self.agenda.retain(|_, what| !matches!(what, Happening::Obey(_)));
                self.plan(now + OBEY, Happening::Obey(listen));
            }
            Action::Play { turn, samples, rate_hz } => {
                self.law.play(now, turn, &samples);
                self.see(Seen::Play);
                let time = Duration::from_secs_f64(samples.len() as f64 / f64::from(rate_hz));
                let report = self.speaker.play(now, turn, time);
                self.report(report);
            }
            Action::EndOfTurn { turn } => {
                self.law.end_of_turn(now, turn);
                let report = self.speaker.end_of_turn(now, turn);
                self.report(report);
            }
            Action::Flush { turn } => {
                self.law.flush(now, turn);
                self.speaker.flush(now, turn);
                self.see(Seen::Flush);
            }
            Action::Duck { ducked } => {
                self.law.duck(now, ducked);
                self.see(Seen::Duck(ducked));
            }
            Action::Show(phase) => {
                self.law.show(now, phase);
                self.phase = phase;
                self.see(Seen::Phase(phase));
            }
            Action::CallTool { id, name, .. } => {
                self.law.call(now, &id);
                self.see(Seen::Call(name));
            }
            Action::CancelTools { ids } => {
                self.law.cancel(now, &ids);
                self.see(Seen::CancelTools);
            }
            // No tool of a script's needs consent.
            Action::Ask(_) | Action::AskAloud { .. } | Action::Decide { .. } => {}
            Action::Note(note) => self.see(Seen::Note(words(&note))),
        }
    }

    fn stray(&mut self, number: u32) {
        if let Some(message) = self.faults.as_mut().and_then(Faults::stray) {
            self.plan(self.now + STRAY, Happening::Link(number, LinkInput::Message(message)));
        }
    }

    fn report(&mut self, report: Option<(Duration, SpeakerInput)>) {
        if let Some((at, report)) = report {
            let late = self.faults.as_mut().map_or(Duration::ZERO, Faults::report_late);
            self.plan(at + late, Happening::Speaker(report));
        }
    }

    fn send(&mut self, number: u32, message: &str) {
        let now = self.now;
        let Some(link) = self.network.link(number) else {
            return self.law.holds(now, false, || format!("sent on link {number}, which was never dialled"));
        };
        let Some(kind) = self.law.send(now, link, message, &self.capture) else { return };
        if link.order.last() != Some(&kind) {
            link.order.push(kind.clone());
        }
        let text = if kind == "audio" { String::new() } else { message.to_owned() };
        if kind == "setup" {
            link.set_up = true;
            self.stray(number);
            if self.obliging {
                self.plan(now + SET_UP, Happening::SetUp(number));
            }
        }
        self.see(Seen::Sent(kind, text));
    }
}

/// A note as the talks spell it.
fn words(note: &Note) -> String {
    match note {
        Note::Heard(text) => format!("heard {text}"),
        Note::Said(text) => format!("said {text}"),
        Note::Hearing(text) => format!("hearing {text}"),
        Note::LinkUp { resumed: true } => "link-up resumed".to_owned(),
        Note::LinkUp { resumed: false } => "link-up fresh".to_owned(),
        Note::LinkDown { retry: true, .. } => "link-down retry".to_owned(),
        Note::LinkDown { retry: false, reason, .. } => format!("link-down final {reason}"),
        Note::FirstSound { .. } => "first-sound".to_owned(),
        Note::AskRefused { why } => format!("ask-refused {why}"),
        Note::AskEnded { answered: true } => "ask-ended answered".to_owned(),
        Note::AskEnded { answered: false } => "ask-ended unanswered".to_owned(),
        Note::SaidAgain => "said-again".to_owned(),
        Note::SessionChanged => "session-changed".to_owned(),
        Note::UtteranceEnded => "utterance-ended".to_owned(),
        Note::TalkBegan => "talk-began".to_owned(),
        Note::TalkEnded { forgotten: true } => "talk-ended forgotten".to_owned(),
        Note::TalkEnded { forgotten: false } => "talk-ended".to_owned(),
        Note::Interrupted => "interrupted".to_owned(),
        Note::BargeIn => "barge-in".to_owned(),
        Note::TurnComplete => "turn-complete".to_owned(),
        Note::Usage(_) => "usage".to_owned(),
        Note::Unread { kind } => format!("unread {kind}"),
        Note::CallRefused { .. } => "call-refused".to_owned(),
        Note::SpeechDropped { .. } => "speech-dropped".to_owned(),
        Note::AnswerDropped { .. } => "answer-dropped".to_owned(),
        _ => "other".to_owned(),
    }
}
