//! A typed question: a turn of the person's like any other, on the same link and with the same record.

use std::time::Instant;

use crate::conversation::Conversation;
use crate::event::Note;
use crate::replay::TRIES_MAX;
use crate::turn::Turn;
use crate::wire::client;

/// A question is no book; in bytes.
const QUESTION_MAX: usize = 8000;

/// A question that is not on the present link.
pub(crate) struct Question {
    text: String,
    asked_at: Instant,
    /// It was put on a link that is gone.
    again: bool,
}

impl std::fmt::Debug for Question {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Question(…)") // what was asked is not printed
    }
}

impl Conversation {
    pub(crate) fn on_ask(&mut self, now: Instant, text: String) {
        let speaks = self.turn.is_listening() || self.open.as_ref().is_some_and(|talk| talk.gate_open);
        let why = if text.trim().is_empty() {
            "the question is empty"
        } else if text.len() > QUESTION_MAX {
            "the question is longer than 8,000 bytes"
        } else if !self.key {
            "there is no key: the device is not set up yet"
        } else if !self.may_spend() {
            "the budget is spent"
        } else if speaks || self.utterance.is_some() {
            "a person is speaking: ask again when they are done"
        } else if self.asking {
            "another question is being answered: ask again after it"
        } else {
            self.link.press(now);
            self.ask_again(now);
            self.silence(now);
            self.asking = true;
            self.question = Some(Question { text, asked_at: now, again: false });
            self.turn = Turn::Thinking { until: None };
            return;
        };
        self.note(Note::AskRefused { why });
    }

    /// Sends the question when there is a link for it.
    pub(crate) fn put_question(&mut self, now: Instant) {
        // Text within an activity of ours would be refused.
        let speaks = self.utterance.as_ref().is_some_and(|utterance| !utterance.is_sent());
        if !self.link.is_up() || self.turn.is_listening() || speaks {
            return;
        }
        let Some(question) = self.question.take() else { return };
        let another = !question.again && self.memory.begin(true);
        if another {
            self.finishing.ask_another();
        }
        if let Some(exchange) = self.memory.current() {
            if !question.again {
                exchange.heard.push(&question.text);
            }
            (exchange.waits, exchange.lost) = (false, false);
            exchange.asked += 1;
        }
        self.answer_calls(now);
        self.carry.hushed = false;
        self.send(now, client::text(self.profile, &question.text));
        self.ask_for_life(now);
        self.turn = Turn::Thinking { until: Some(now + self.settings.answer_timeout) };
        self.mute.expire(now); // it cuts what is being said
    }

    /// Its link is gone, and the server had shown nothing of it: it is asked once more.
    pub(crate) fn put_again(&mut self, now: Instant) {
        let Some(exchange) = self.memory.current().filter(|e| e.typed && !e.answered) else { return };
        if exchange.asked < TRIES_MAX {
            exchange.waits = true;
            let text = exchange.heard.text().to_owned();
            self.question = Some(Question { text, asked_at: now, again: true });
        } else {
            exchange.over = true;
        }
    }

    /// When a question that found no link is stale.
    pub(crate) fn question_since(&self) -> Option<Instant> {
        self.question.as_ref().map(|question| question.asked_at)
    }

    /// Says that the question is over, when it is.
    pub(crate) fn end_question(&mut self) {
        let waits = matches!(self.turn, Turn::Thinking { .. } | Turn::Speaking { .. });
        if self.asking && self.question.is_none() && !waits {
            self.asking = false;
            let answered = self.memory.all().next_back().is_some_and(|e| e.typed && e.answered);
            self.note(Note::AskEnded { answered });
        }
    }
}
