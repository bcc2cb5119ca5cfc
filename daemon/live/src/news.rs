//! News of the link: it is open, it says something, it is over; and what a lost link takes with it.

use std::time::Instant;

use crate::conversation::Conversation;
use crate::event::{Cause, Line, LinkInput, Note};
use crate::link::State;
use crate::pending::Called;
use crate::turn::Turn;
use crate::verdict::{Failure, Judgement, Stage, Verdict, judge};
use crate::wire::client;

impl Conversation {
    pub(crate) fn on_link(&mut self, now: Instant, event: LinkInput) {
        match event {
            LinkInput::Opened if matches!(self.link.state, State::Opening { .. }) => {
                self.link.opened(now);
                let note = self.setup_note();
                let setup = client::setup(&self.settings, self.profile, self.link.handle(), note.as_deref());
                self.send(now, setup);
            }
            LinkInput::Opened => self.note(Note::Unread { kind: "opened twice" }),
            LinkInput::Message(payload) => {
                self.link.pulse.message(now);
                self.on_payload(now, &payload);
            }
            LinkInput::Closed { code, reason } => self.on_ended(now, Failure::Close(code, &reason)),
            LinkInput::Failed { cause, reason } => self.on_ended(now, Failure::Dial(cause, &reason)),
            LinkInput::Pong => {
                self.link.pulse.pong(now);
                self.mute.delayed(self.link.pulse.delay());
            }
        }
    }

    /// The link is gone: by our wish, or by itself.
    fn on_ended(&mut self, now: Instant, failure: Failure<'_>) {
        let stage = match self.link.state {
            State::Opening { .. } => Stage::Dialing,
            State::SettingUp { resuming, .. } => Stage::SettingUp { resuming },
            State::Up { since, resumed, .. } => {
                Stage::Running { resumed_for: resumed.then(|| now.saturating_duration_since(since)) }
            }
            State::Leaving { .. } => {
                self.link.left();
                return self.lose_link(now);
            }
            State::Down | State::Waiting { .. } | State::Refused => return,
        };
        self.fail(now, stage, failure);
    }

    /// The link has failed: what follows from it for the link, the person and the log.
    pub(crate) fn fail(&mut self, now: Instant, stage: Stage, failure: Failure<'_>) {
        let (code, reason) = match failure {
            Failure::Dial(Cause::Http(code), reason) | Failure::Close(code, reason) => {
                (code, reason.to_owned())
            }
            Failure::Dial(_, reason) => (0, reason.to_owned()),
        };
        let judgement = self.judge(stage, failure);
        if judgement.line == Line::ClockNotSet {
            self.link.distrust_clock();
        }
        let waited_for = self.needs_link();
        self.link.ended(now, judgement.verdict);
        if self.is_manual() && self.utterance.is_some() {
            self.link.hurry(now);
        }
        let trouble = judgement.trouble;
        self.note(Note::LinkDown { code, reason, retry: judgement.verdict != Verdict::Never, trouble });
        if waited_for {
            let wait = self.link.wait(now);
            self.tell_trouble(now, judgement, wait);
        }
        self.lose_link(now);
        if judgement.verdict == Verdict::Never {
            self.give_up(now);
        }
    }

    /// The table's judgement, and what is known here besides.
    fn judge(&mut self, stage: Stage, failure: Failure<'_>) -> Judgement {
        let mut judgement = judge(stage, failure);
        let clock = judgement.line == Line::ClockNotSet && self.link.is_clock_set();
        let token = judgement.trouble == "key-refused" && self.settings.minted;
        match judgement.verdict {
            // The server keeps ending links that carry this handle: it may be the session that is broken.
            Verdict::Retry
                if matches!(failure, Failure::Close(code, _) if code != 1006) && self.link.is_worn() =>
            {
                judgement.verdict = Verdict::Fresh;
            }
            // It is not our clock that is wrong.
            Verdict::Wait if clock => {
                judgement = Judgement { verdict: Verdict::Retry, line: Line::ServerDown, trouble: "tls" };
            }
            // A token may have run out just then: the next link shows another one.
            Verdict::Never if token && self.link.mint() => judgement.verdict = Verdict::Retry,
            _ => {}
        }
        judgement
    }

    /// What a lost link takes with it.
    pub(crate) fn lose_link(&mut self, now: Instant) {
        self.mute.stop();
        self.watch.end_stream();
        self.in_progress = false;
        self.tool_answered = false;
        self.turn_open = false;
        self.turn_cut = false;
        self.consent.lose_link();
        self.calls.clear(); // the tools go on: what they find is told to the next link
        self.called = Called::default();
        self.leave_talk(now);
        match self.turn {
            // What was received is still heard to its end.
            Turn::Speaking { .. } => self.end_of_sound(),
            Turn::Thinking { .. } if self.is_owed() => {
                self.turn = Turn::Thinking { until: Some(now + self.owed_for()) };
            }
            Turn::Thinking { .. } if self.utterance.is_none() && self.question.is_none() => {
                self.become_idle(now);
            }
            Turn::Thinking { .. } => self.turn = Turn::Thinking { until: None },
            _ => {}
        }
    }

    /// Refused for good: nothing that waits for a link will get one.
    fn give_up(&mut self, now: Instant) {
        self.drop_utterance();
        self.losses_are_told();
        self.question = None;
        self.stop_waiting();
        self.open = None;
        self.rest_listening();
        if !self.turn.is_speaking() {
            self.become_idle(now);
        }
    }
}
