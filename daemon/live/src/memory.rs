//! The talk since the newest resumable handle: what a lost link makes the server forget, and what was heard, said and
//! done in it.
//!
//! A handle holds what the server had finished when it made it: it makes none while it answers, waits for a tool or
//! hears a marked activity. So an exchange is safe once a handle follows its `turnComplete`. Until then its sound is
//! kept, and its words and tools are on record. What is safe stays as words alone, for a recap.
//!
//! Bounded: so many exchanges, so many letters of each; the oldest go first.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::exchange::{Args, Exchange, Outcome, ToolRecord};
use crate::recap::shortened;
use crate::utterance::Utterance;

/// Exchanges on record that no handle holds; a server that gives none fills it.
const SINCE_MAX: usize = 16;
/// Exchanges kept for a recap.
const HISTORY_MAX: usize = 24;

/// Calls on record in one exchange.
const TOOLS_MAX: usize = 32;
/// Of what a tool found so much is on record, in bytes of JSON; of what is longer, its beginning and its end.
const RESULT_MAX: usize = 32 * 1024;

/// The talk as far as it is on record.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// What the server holds: words alone.
    history: VecDeque<Exchange>,
    /// What it may not hold, oldest first; the last one is in hand.
    since: VecDeque<Exchange>,
}

impl Memory {
    /// A talk that went on before this program began.
    pub(crate) fn with_history(history: impl IntoIterator<Item = Exchange>) -> Self {
        Memory { history: history.into_iter().collect(), since: VecDeque::new() }
    }

    /// The exchange in hand.
    pub(crate) fn current(&mut self) -> Option<&mut Exchange> {
        self.since.back_mut()
    }

    /// The same, to look at.
    pub(crate) fn last(&self) -> Option<&Exchange> {
        self.since.back()
    }

    /// What the server may not hold.
    pub(crate) fn since(&self) -> impl DoubleEndedIterator<Item = &Exchange> {
        self.since.iter()
    }

    pub(crate) fn since_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut Exchange> {
        self.since.iter_mut()
    }

    /// All of it, oldest first.
    pub(crate) fn all(&self) -> impl DoubleEndedIterator<Item = &Exchange> {
        self.history.iter().chain(&self.since)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.history.is_empty() && self.since.is_empty()
    }

    /// Something is being asked. What was asked before and has no answer yet is part of it; otherwise it is another
    /// exchange, which is told.
    pub(crate) fn begin(&mut self, typed: bool) -> bool {
        if let Some(last) = self.since.back_mut() {
            if !(last.answered || last.over || last.typed || typed) {
                last.settled = false;
                last.lost = false;
                last.cut = None;
                return false;
            }
            last.over = true;
        }
        self.since.push_back(Exchange { typed, ..Exchange::default() });
        if self.since.len() > SINCE_MAX {
            let oldest = self.since.pop_front();
            oldest.into_iter().for_each(|oldest| self.remember(oldest));
        }
        true
    }

    fn remember(&mut self, mut exchange: Exchange) {
        exchange.sound = None;
        exchange.lost = false;
        exchange.settled = true;
        exchange.over = true;
        exchange.tools.iter_mut().for_each(ToolRecord::shorten);
        if exchange.has_words() {
            self.history.push_back(exchange);
        }
        if self.history.len() > HISTORY_MAX {
            self.history.pop_front();
        }
    }

    /// What was said is not in hand any more. Returns how many samples were lost to the bound.
    pub(crate) fn keep(&mut self, mut utterance: Utterance) -> u64 {
        let Some(exchange) = self.since.back_mut() else { return 0 };
        utterance.ended = true;
        let older = exchange.sound.take();
        let lost = older.map_or(0, |older| utterance.prepend(older));
        exchange.sound = Some(utterance);
        lost
    }

    pub(crate) fn heard(&mut self, text: &str) {
        if let Some(exchange) = self.since.back_mut().filter(|exchange| !exchange.typed) {
            exchange.heard.push(text);
        }
    }

    pub(crate) fn said(&mut self, text: &str) {
        let exchange = self.or_unasked();
        if exchange.cut.is_none() {
            exchange.answered = true;
            exchange.settled = false;
            exchange.said.push(text);
        }
    }

    /// The exchange in hand; the assistant may also speak unasked.
    fn or_unasked(&mut self) -> &mut Exchange {
        if self.since.is_empty() {
            self.since.push_back(Exchange::default());
        }
        let last = self.since.len() - 1;
        &mut self.since[last]
    }

    /// Sound of the answer has come; `first`: of a turn that begins with it.
    pub(crate) fn received(&mut self, time: Duration, first: bool) {
        let exchange = self.or_unasked();
        exchange.answered = true;
        exchange.whole = false;
        exchange.settled = false;
        exchange.over &= exchange.cut.is_some();
        if first {
            exchange.before += std::mem::take(&mut exchange.received);
            exchange.started = None;
        }
        exchange.received += time;
    }

    /// The turn in hand is being heard from now on.
    pub(crate) fn started(&mut self, now: Instant) {
        if let Some(exchange) = self.since.back_mut() {
            exchange.started.get_or_insert(now);
        }
    }

    /// The person wants no more of the answer.
    pub(crate) fn cut(&mut self, now: Instant) {
        let uncut = |exchange: &&mut Exchange| exchange.answered && exchange.cut.is_none();
        let Some(exchange) = self.since.back_mut().filter(uncut) else { return };
        let heard = exchange.started.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        exchange.cut = Some(exchange.before + heard.min(exchange.received));
        exchange.over = true;
    }

    /// No more sound of the answer will come.
    pub(crate) fn whole(&mut self) {
        if let Some(exchange) = self.since.back_mut() {
            exchange.whole = exchange.answered;
        }
    }

    /// The server has completed a turn: `cut`, that of an answer that was cut.
    pub(crate) fn settle(&mut self, cut: bool) {
        for exchange in self.since.iter_mut().filter(|exchange| exchange.over || !cut) {
            exchange.settled = true;
            if !cut {
                exchange.whole |= exchange.answered;
            }
        }
    }

    /// Nobody waits for more of an answer that has begun.
    pub(crate) fn end_wait(&mut self) {
        if let Some(exchange) = self.since.back_mut() {
            exchange.over |= exchange.answered;
        }
    }

    /// Nobody waits for an answer any more.
    pub(crate) fn give_up(&mut self) {
        if let Some(exchange) = self.since.back_mut() {
            exchange.over = true;
            exchange.sound = None;
        }
    }

    /// A handle came: what is settled is safe with it.
    pub(crate) fn covered(&mut self) {
        let safe = self.since.iter().rposition(|exchange| exchange.settled).map_or(0, |last| last + 1);
        for _ in 0..safe {
            let Some(exchange) = self.since.pop_front() else { break };
            self.remember(exchange);
        }
    }

    /// The link is gone, and what no handle holds is gone with it. Returns how many samples of speech went that way:
    /// not even their words are known.
    pub(crate) fn lose(&mut self) -> u64 {
        let mut speech = 0;
        let last = self.since.len().saturating_sub(1);
        for (index, exchange) in self.since.iter_mut().enumerate() {
            exchange.lost = true;
            exchange.settled = false;
            for tool in &mut exchange.tools {
                (tool.wire, tool.former) = (None, true);
                tool.told &= exchange.whole; // its response may have been lost on its way
            }
            if index != last || exchange.over {
                exchange.over = true;
                let unknown = exchange.heard.text().is_empty() && !exchange.answered;
                let sound = exchange.sound.take().filter(|sound| unknown && sound.has_speech());
                speech += sound.map_or(0, |sound| sound.kept());
            }
        }
        speech
    }

    /// Ends the wait for what the exchange in hand owes. Returns the runs that nobody needs any more; `finishes`: those of
    /// this name go on to their end.
    pub(crate) fn abandon(&mut self, finishes: impl Fn(&str) -> bool) -> Vec<ToolRecord> {
        self.give_up();
        let mut runs = Vec::new();
        for tool in self.tools_mut().filter(|tool| tool.outcome.is_none()) {
            runs.push(tool.clone());
            tool.leave(finishes(&tool.name));
        }
        runs
    }

    /// Forgets everything. Returns the runs that nobody needs any more.
    pub(crate) fn clear(&mut self) -> Vec<ToolRecord> {
        let running = self.abandon(|_| false);
        *self = Memory::default();
        running
    }
}

fn bounded(outcome: &Outcome) -> Outcome {
    let Ok(result) = outcome else { return outcome.clone() };
    let text = Value::Object(result.clone()).to_string();
    if text.len() <= RESULT_MAX {
        return outcome.clone();
    }
    Ok(Args::from_iter([("output".to_owned(), shortened(&text, RESULT_MAX).into())]))
}

/// Tools.
impl Memory {
    fn tools_mut(&mut self) -> impl Iterator<Item = &mut ToolRecord> {
        self.since.iter_mut().rev().chain(self.history.iter_mut().rev()).flat_map(|e| e.tools.iter_mut())
    }

    /// A tool is called; tells the id to run it under, which no other running call has, nor any that is `taken`.
    pub(crate) fn call(
        &mut self,
        wire: &str,
        name: &str,
        args: &Args,
        taken: impl Fn(&str) -> bool,
    ) -> String {
        let mut id = wire.to_owned();
        let mut number = 1;
        while taken(&id) || self.tools_mut().any(|tool| tool.outcome.is_none() && tool.id == id) {
            number += 1;
            id = format!("{wire}#{number}");
        }
        self.call_for(&id, wire, name, args);
        id
    }

    /// A call is made for what runs under this id.
    pub(crate) fn call_for(&mut self, id: &str, wire: &str, name: &str, args: &Args) {
        let exchange = self.or_unasked();
        exchange.answered = true;
        exchange.whole = false;
        if exchange.tools.len() < TOOLS_MAX {
            let wire = Some(wire.to_owned());
            exchange.tools.push(ToolRecord { wire, ..ToolRecord::new(id, name, args) });
        }
    }

    /// The same call was made for the same words, or under the same id, on a link that is gone. `asking`: something new
    /// is said, which the server may not have heard yet.
    pub(crate) fn repeated(
        &mut self,
        wire: &str,
        name: &str,
        args: &Args,
        asking: bool,
    ) -> Option<&mut ToolRecord> {
        // Then what comes may belong to what was asked before.
        let newest = self.since.len().saturating_sub(if asking { 2 } else { 1 });
        let again = self.since.iter().skip(newest).any(|exchange| exchange.again);
        let same = |tool: &ToolRecord| tool.former && !tool.undone && tool.name == name && tool.args == *args;
        let each = self.since.iter_mut().enumerate().rev();
        let mut tools = each.flat_map(|(n, exchange)| exchange.tools.iter_mut().map(move |tool| (n, tool)));
        let found = |(n, tool): &(usize, &mut ToolRecord)| {
            same(tool) && ((again && *n >= newest) || (!wire.is_empty() && tool.id == wire))
        };
        tools.find(found).map(|(_, tool)| tool)
    }

    /// Its call is answered, and it runs on: what it finds is told otherwise.
    pub(crate) fn goes_on(&mut self, id: &str) {
        let record = self.tools_mut().find(|tool| tool.id == id && tool.outcome.is_none());
        record.into_iter().for_each(|record| record.wire = None);
    }

    /// A call of this link that was answered and runs on.
    pub(crate) fn going_on(&mut self, name: &str, args: &Args) -> Option<&mut ToolRecord> {
        let answered = |tool: &&mut ToolRecord| tool.outcome.is_none() && tool.wire.is_none() && !tool.former;
        self.tools_mut().filter(answered).find(|tool| tool.name == name && tool.args == *args)
    }

    /// The newest call that runs, or ran, under this id.
    pub(crate) fn tool(&self, id: &str) -> Option<&ToolRecord> {
        self.all().rev().flat_map(|exchange| exchange.tools.iter().rev()).find(|tool| tool.id == id)
    }

    /// What became of a call that was answered before that was known; `told`: nothing is to be told of it.
    pub(crate) fn decided(&mut self, id: &str, outcome: &Outcome, told: bool) {
        let exchanges = self.since.iter_mut().rev().chain(self.history.iter_mut().rev());
        let newest =
            exchanges.flat_map(|exchange| exchange.tools.iter_mut().rev()).find(|tool| tool.id == id);
        if let Some(tool) = newest {
            (tool.outcome, tool.told) = (Some(outcome.clone()), told);
        }
    }

    /// A person is asked about a call: made again it is asked about again.
    pub(crate) fn asked(&mut self, id: &str) {
        let record = self.tools_mut().find(|tool| tool.id == id);
        record.into_iter().for_each(|record| record.asked = true);
    }

    /// Nothing was done about a call, nor will be: when it is made again it is another one.
    pub(crate) fn undone(&mut self, id: &str) {
        let newest = self.since.iter_mut().rev().flat_map(|exchange| exchange.tools.iter_mut().rev());
        newest.into_iter().find(|tool| tool.id == id).into_iter().for_each(|tool| tool.undone = true);
    }

    /// A tool has finished: its record, if there is one.
    pub(crate) fn finished(&mut self, id: &str, outcome: &Outcome) -> Option<ToolRecord> {
        let record = self.tools_mut().find(|tool| tool.id == id && tool.outcome.is_none())?;
        record.outcome = Some(bounded(outcome));
        Some(record.clone())
    }

    /// A server was told what it found.
    pub(crate) fn told(&mut self, id: &str) {
        let record = self.tools_mut().find(|tool| tool.id == id && tool.outcome.is_some() && !tool.told);
        record.into_iter().for_each(|record| record.told = true);
    }

    /// The server has taken a call back: what still ran of it, and goes on to its end if it `finishes`.
    pub(crate) fn cancelled(&mut self, id: &str, finishes: impl Fn(&str) -> bool) -> Option<ToolRecord> {
        let record = self.tools_mut().find(|tool| tool.outcome.is_none() && tool.id == id)?;
        let ran = record.clone();
        record.leave(finishes(&ran.name));
        Some(ran)
    }

    /// The server has taken a call of this link back that was done: it has thrown the answer away.
    pub(crate) fn thrown_away(&mut self, wire: &str) -> Option<ToolRecord> {
        let done = |tool: &&mut ToolRecord| {
            tool.wire.as_deref() == Some(wire) && tool.outcome.is_some() && !(tool.undone || tool.asked)
        };
        let record = self.tools_mut().find(done)?;
        let ran = record.clone();
        record.wire = None; // once
        Some(ran)
    }
}

#[cfg(test)]
mod tests;
