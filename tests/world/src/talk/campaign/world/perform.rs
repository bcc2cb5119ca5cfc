//! What the conversation does, done to what is around it.

use std::time::Duration;

use pressel_live::event::{Action, LinkInput, Note, Phase};

use super::{Campaign, Event};
use crate::talk::campaign::line::Serve;

/// From a word to the microphone until it is obeyed.
const OBEY: Duration = Duration::from_millis(3);
/// The server answers our close after this.
const GOODBYE: Duration = Duration::from_millis(30);
/// The service takes so long to do what a tool is for.
const TOOL: Duration = Duration::from_millis(400);

impl Campaign<'_> {
    pub(super) fn perform(&mut self, action: Action) {
        let now = self.now;
        match action {
            Action::Dial { link } => {
                self.tell(|| format!("dial {link}"));
                self.dial(link);
            }
            Action::Send { link, message } => self.sent(link, &message),
            Action::Ping { link } => {
                self.tell(|| format!("ping {link}"));
                if self.arrives(link) {
                    self.plan_in(self.plan.pong, Event::Serve(link, Serve::Pong));
                }
            }
            Action::Close { link, .. } => {
                self.tell(|| format!("close {link}"));
                let waits = self.said.last().is_some_and(|said| said.done.is_some() && !said.answered);
                let well = self.arrives(link) && self.away().is_none();
                let busy = matches!(self.phase, Phase::Thinking);
                let mut ending = false;
                if let Some(line) = self.line(link) {
                    line.closing = true;
                    // A goAway leaves no choice when the answer takes longer than the time that is left.
                    ending = line.ending;
                }
                if waits && well && busy && !ending {
                    self.tell(|| format!("link {link} was good"));
                    self.outcome.killed += 1;
                }
                let closed = LinkInput::Closed { code: 1000, reason: String::new() };
                self.plan_in(GOODBYE, Event::Link(link, closed));
            }
            Action::Listen(listen) => {
                self.agenda.retain(|_, event| !matches!(event, Event::Obey(_)));
                self.plan_in(OBEY, Event::Obey(listen));
            }
            Action::Play { turn, samples, rate_hz } => {
                let time = Duration::from_secs_f64(samples.len() as f64 / f64::from(rate_hz));
                if let Some((at, report)) = self.speaker.play(now, turn, time) {
                    self.plan_at(at, Event::Speaker(report));
                }
            }
            Action::EndOfTurn { turn } => {
                if let Some((at, report)) = self.speaker.end_of_turn(now, turn) {
                    self.plan_at(at, Event::Speaker(report));
                }
            }
            Action::Flush { turn } => self.speaker.flush(now, turn),
            Action::Show(phase) => {
                self.tell(|| format!("shows {phase:?}"));
                self.phase = phase;
                let speaking = self.said.last_mut().filter(|said| said.done.is_none());
                if let (Phase::Fault, Some(said)) = (phase, speaking) {
                    said.refused = true;
                }
            }
            Action::CallTool { id, .. } => {
                self.tell(|| format!("tool {id}"));
                for n in self.asking.clone() {
                    self.said[n].tools += 1;
                }
                self.plan_in(TOOL, Event::Tool(id));
            }
            Action::CancelTools { ids } => {
                self.agenda.retain(|_, event| !matches!(event, Event::Tool(id) if ids.contains(id)));
            }
            Action::Note(Note::SpeechDropped { samples }) => {
                self.tell(|| format!("speech dropped: {} ms", samples / 16));
                self.outcome.counted_ms += samples / 16;
            }
            Action::Tell(line) => self.tell(|| format!("tells {line:?}")),
            Action::Note(Note::LinkDown { code, reason, retry, .. }) => {
                self.tell(|| format!("link down {code} {reason} retry {retry}"));
            }
            Action::Ask(_) | Action::AskAloud { .. } | Action::Decide { .. } => {}
            Action::Duck { .. } | Action::Note(_) => {}
        }
    }
}
