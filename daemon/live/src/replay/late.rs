//! Results that nobody waits for in a call any more: told when nobody is in the middle of anything.

use std::time::Instant;

use crate::conversation::Conversation;
use crate::exchange::ToolRecord;
use crate::profile::TextBy;
use crate::recap;
use crate::turn::Turn;
use crate::wire::client;

/// Results that wait for a moment in which they can be told; more cannot run (`CALLS_MAX`).
pub(super) const LATE_MAX: usize = 64;

/// A result that is not printed, how it is told, and on how many links it was.
pub(super) struct LateResult(pub(super) ToolRecord, pub(super) Late, pub(super) u32);

/// How a late result is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Late {
    /// As something to be answered, unless the note to the next link has it.
    Result,
    /// As something to be answered, whatever else there is: a person waits for it.
    Aloud,
    /// So that it is known; where every text is answered, with the next that is to be.
    Silent,
}

impl std::fmt::Debug for LateResult {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LateResult(…)")
    }
}

impl Conversation {
    /// A tool has finished whose call died with its link.
    pub(crate) fn late_result(&mut self, record: ToolRecord) {
        let untold = self.memory.since().any(|e| e.lost && e.tools.iter().any(|tool| tool.id == record.id));
        // Otherwise the note of the next link, or the one that waits for this, has it.
        if (!untold || self.carry.briefed) && self.carry.late.len() < LATE_MAX {
            self.carry.late.push(LateResult(record, Late::Result, 0));
        }
    }

    /// What became of a question is told when nobody is in the middle of anything. False when too much waits already.
    pub(crate) fn tell_by_and_by(&mut self, record: ToolRecord, aloud: bool) -> bool {
        let fits = self.carry.late.len() < LATE_MAX;
        if fits {
            self.carry.late.push(LateResult(record, if aloud { Late::Aloud } else { Late::Silent }, 0));
        }
        fits
    }

    /// Tells late results when nobody is in the middle of anything.
    pub(crate) fn tell_late(&mut self, now: Instant) {
        let quiet = self.carry.briefed
            && !self.carry.hushed
            && self.is_pause()
            && !self.turn_open
            && self.question.is_none();
        if self.carry.late.is_empty() || !self.link.is_up() || !quiet {
            return;
        }
        let silent = self.carry.late.iter().all(|late| late.1 == Late::Silent);
        if silent && (self.profile.text_by == TextBy::RealtimeInput || !self.profile.instruction) {
            return;
        }
        let late = self.carry.late.drain(..).map(|late| LateResult(late.0, late.1, late.2 + 1));
        let late: Vec<LateResult> = late.collect();
        let tools: Vec<ToolRecord> = late.iter().map(|late| late.0.clone()).collect();
        // What was called for in answer to the same words, on a link that is gone, is not done again.
        self.memory.current().into_iter().for_each(|exchange| exchange.again = true);
        self.carry.unsure.extend(late);
        tools.iter().for_each(|tool| self.memory.told(&tool.id));
        self.answer_calls(now);
        let text = recap::late_result(&tools, silent);
        self.consent.all_told();
        if silent {
            return self.send(now, client::silent_text(&text));
        }
        self.send(now, client::text(self.profile, &text));
        self.turn = Turn::Thinking { until: Some(now + self.settings.answer_timeout) };
    }

    /// The model has said or done something since: it was told what it was told.
    pub(crate) fn late_is_told(&mut self) {
        self.carry.unsure.clear();
    }
}
