//! What is not done twice when a server takes a call back and makes it again: a run that goes on to its end all the same
//! (`Settings::finishes`), and a result that met its call's cancellation on the way, so that the server threw it away.
//!
//! Such a run's end answers one more call of the same name and arguments, made while it goes on or until something new is
//! asked. Runs have their id to themselves until their end is reported, whatever is forgotten meanwhile.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;

use crate::conversation::Conversation;
use crate::exchange::{Args, Outcome, ToolRecord};
use crate::replay::Answered;

/// More cannot run, by far; the oldest goes first.
const RUNS_MAX: usize = 64;

/// Runs that nobody waits for, and what the last of them found.
#[derive(Default)]
pub(crate) struct Finishing(VecDeque<Run>);

struct Run {
    id: String,
    name: String,
    args: Args,
    /// `None` while it goes on.
    outcome: Option<Outcome>,
    /// It may answer the same call; not in another talk.
    free: bool,
    /// It had ended when something new was asked.
    old: bool,
}

impl fmt::Debug for Finishing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Finishing({})", self.0.len()) // what was done is not printed
    }
}

impl Finishing {
    fn keep(&mut self, record: ToolRecord, outcome: Option<Outcome>) {
        let ToolRecord { id, name, args, .. } = record;
        if self.0.len() == RUNS_MAX {
            self.0.pop_front();
        }
        self.0.push_back(Run { id, name, args, outcome, free: true, old: false });
    }

    /// Its call was taken back, or stopped, and it goes on.
    pub(crate) fn goes_on(&mut self, record: ToolRecord) {
        self.keep(record, None);
    }

    /// It has ended, and the server did not take what it found.
    pub(crate) fn thrown_away(&mut self, record: ToolRecord) {
        let outcome = record.outcome.clone();
        self.keep(record, outcome);
    }

    /// One goes on under this id.
    pub(crate) fn has(&self, id: &str) -> bool {
        self.0.iter().any(|run| run.id == id && run.outcome.is_none())
    }

    /// The end of one of these is reported. False: it is none.
    pub(crate) fn ended(&mut self, id: &str, outcome: &Outcome) -> bool {
        let Some(at) = self.0.iter().position(|run| run.id == id && run.outcome.is_none()) else {
            return false;
        };
        if self.0[at].free {
            self.0[at].outcome = Some(outcome.clone());
        } else {
            self.0.remove(at);
        }
        true
    }

    /// One that the same call need not begin again: its id, and what it has found. `asking`: something new is being asked
    /// just now, and the call is of what was asked before.
    pub(crate) fn take(
        &mut self,
        name: &str,
        args: &Args,
        asking: bool,
    ) -> Option<(String, Option<Outcome>)> {
        let fits = |run: &Run| run.free && (asking || !run.old) && run.name == name && run.args == *args;
        let at = self.0.iter().position(fits)?;
        self.0.remove(at).map(|run| (run.id, run.outcome))
    }

    /// Something new is asked: what has ended answers nothing any more, but for a call that is on its way already.
    pub(crate) fn ask_another(&mut self) {
        self.0.retain(|run| !run.old);
        self.0.iter_mut().for_each(|run| run.old = run.outcome.is_some());
    }

    /// Another talk: nothing of this one answers anything in it.
    pub(crate) fn forget(&mut self) {
        self.0.retain(|run| run.outcome.is_none());
        self.0.iter_mut().for_each(|run| (run.free, run.args) = (false, Args::new()));
    }
}

impl Conversation {
    /// A call is made again whose run goes on: it was taken back, or stopped, or answered with just that.
    pub(crate) fn called_off(
        &mut self,
        wire: &str,
        name: &str,
        args: &Args,
        asking: bool,
    ) -> Option<Answered> {
        if let Some(record) = self.memory.going_on(name, args) {
            record.wire = Some(wire.to_owned());
            return Some(Answered::Runs(record.id.clone()));
        }
        let (id, outcome) = self.finishing.take(name, args, asking)?;
        self.memory.call_for(&id, wire, name, args);
        let Some(outcome) = outcome else { return Some(Answered::Runs(id)) };
        // On record as an answer of this call: it may meet a cancellation, too.
        self.memory.finished(&id, &outcome);
        self.memory.told(&id);
        Some(Answered::Done(outcome))
    }

    /// Nobody waits for these runs any more. Those that go on are kept in mind.
    pub(crate) fn left(&mut self, runs: Vec<ToolRecord>) -> Vec<String> {
        let ids = runs.iter().map(|run| run.id.clone()).collect();
        let finishes: &BTreeSet<String> = &self.settings.finishes;
        let goes_on = runs.into_iter().filter(|run| finishes.contains(&run.name));
        goes_on.for_each(|run| self.finishing.goes_on(run));
        ids
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(id: &str) -> ToolRecord {
        ToolRecord::new(id, "valve", &Args::new())
    }

    fn found() -> Outcome {
        Ok(Args::from_iter([("output".to_owned(), "open".into())]))
    }

    #[test]
    fn a_run_answers_one_more_call_while_it_goes_on_and_until_something_new_is_asked() {
        let mut runs = Finishing::default();
        runs.goes_on(record("a"));
        assert!(runs.has("a") && runs.take("door", &Args::new(), false).is_none());
        runs.ask_another();
        assert_eq!(runs.take("valve", &Args::new(), false), Some(("a".to_owned(), None)));
        assert_eq!(runs.take("valve", &Args::new(), false), None);
        runs.goes_on(record("a"));
        assert!(runs.ended("a", &found()) && !runs.has("a") && !runs.ended("a", &found()));
        assert_eq!(runs.take("valve", &Args::new(), false), Some(("a".to_owned(), Some(found()))));
        runs.thrown_away(ToolRecord { outcome: Some(found()), ..record("b") });
        runs.ask_another();
        assert_eq!(runs.take("valve", &Args::new(), false), None, "something new was asked");
        assert!(runs.take("valve", &Args::new(), true).is_some(), "the call met it on its way");
    }

    #[test]
    fn in_another_talk_it_keeps_its_id_and_answers_nothing() {
        let mut runs = Finishing::default();
        runs.goes_on(record("a"));
        runs.thrown_away(ToolRecord { outcome: Some(found()), ..record("b") });
        runs.forget();
        assert!(runs.has("a") && runs.take("valve", &Args::new(), false).is_none());
        assert!(runs.ended("a", &found()) && !runs.has("a"));
    }
}
