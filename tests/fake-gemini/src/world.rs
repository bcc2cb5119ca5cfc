//! What all links share: the record, the script's progress, and the sessions that can be resumed.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Write};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};

use crate::events::{Event, What, now_ns};
use crate::options::Options;
use crate::record::Record;
use crate::rule::{Fault, Rule, When};
use crate::rules::{Refusal, invalid};
use crate::script::Turn;

/// Everything that outlives a link.
pub(crate) struct World {
    pub options: Options,
    state: Mutex<State>,
    grown: Condvar,
    count: watch::Sender<usize>,
    log: Option<Mutex<File>>,
}

#[derive(Default)]
struct State {
    record: Record,
    links: u32,
    /// Where faults for an open link go.
    open: HashMap<u32, mpsc::UnboundedSender<Fault>>,
    turns: u32,
    struck: Vec<HashSet<(u32, u32)>>,
    sessions: HashMap<u32, Session>,
    handles: HashMap<String, u32>,
}

struct Session {
    model: String,
    link: Option<u32>,
}

impl World {
    pub(crate) fn new(options: Options) -> io::Result<Self> {
        let log = options.log.as_ref().map(File::create).transpose()?.map(Mutex::new);
        let state = State { struck: vec![HashSet::new(); options.script.faults.len()], ..State::default() };
        Ok(Self {
            options,
            state: Mutex::new(state),
            grown: Condvar::new(),
            count: watch::Sender::new(0),
            log,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // a test that panicked while it looked at the record must not hide what happened from the next one
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts down what happened at this time.
    pub(crate) fn note_at(&self, at_ns: u64, link: u32, what: What) {
        let event = Event { at_ns, link, what };
        if let Some(log) = &self.log {
            let line = format!("{}\n", event.to_json());
            // a full disk is no reason to stop serving
            let _ = log.lock().unwrap_or_else(PoisonError::into_inner).write_all(line.as_bytes());
        }
        let mut state = self.state();
        state.record.0.push(event);
        self.count.send_replace(state.record.len());
        drop(state);
        self.grown.notify_all();
    }

    /// Puts down what happens now.
    pub(crate) fn note(&self, link: u32, what: What) {
        self.note_at(now_ns(), link, what);
    }

    pub(crate) fn record(&self) -> Record {
        self.state().record.clone()
    }

    pub(crate) fn take_record(&self) -> Record {
        std::mem::take(&mut self.state().record)
    }

    /// Waits until the record fits; gives whether it did in time.
    pub(crate) async fn wait(&self, within: Duration, fits: impl Fn(&[Event]) -> bool) -> bool {
        let mut count = self.count.subscribe();
        let grown = async {
            while !fits(&self.state().record) {
                if count.changed().await.is_err() {
                    return;
                }
            }
        };
        tokio::time::timeout(within, grown).await.is_ok()
    }

    /// The same for a thread of its own.
    pub(crate) fn wait_blocking(&self, within: Duration, fits: impl Fn(&[Event]) -> bool) -> bool {
        let until = Instant::now() + within;
        let mut state = self.state();
        while !fits(&state.record) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.grown.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Numbers a new link; what it receives are faults to carry out now.
    pub(crate) fn open_link(&self) -> (u32, mpsc::UnboundedReceiver<Fault>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut state = self.state();
        state.links += 1;
        let link = state.links;
        state.open.insert(link, sender);
        (link, receiver)
    }

    pub(crate) fn close_link(&self, link: u32) {
        self.state().open.remove(&link);
        self.release(link);
    }

    /// Sends a fault to the newest open link; `false` where there is none.
    pub(crate) fn strike_now(&self, fault: Fault) -> bool {
        let state = self.state();
        let newest = state.open.iter().max_by_key(|(link, _)| **link);
        newest.is_some_and(|(_, sender)| sender.send(fault).is_ok())
    }

    /// Number of the turn that an utterance of now will become.
    pub(crate) fn upcoming_turn(&self) -> u32 {
        self.state().turns + 1
    }

    /// Takes the next turn from the script.
    pub(crate) fn take_turn(&self) -> (u32, Turn) {
        let mut state = self.state();
        state.turns += 1;
        let script = &self.options.script;
        let turn = script.turns.get(state.turns as usize - 1).unwrap_or(&script.rest);
        (state.turns, turn.clone())
    }

    /// The turn that was taken last is taken again.
    pub(crate) fn give_turn_back(&self) {
        let mut state = self.state();
        state.turns = state.turns.saturating_sub(1);
    }

    /// What goes wrong at this point.
    pub(crate) fn faults_at(&self, link: u32, turn: Option<u32>, point: When) -> Vec<Fault> {
        let mut state = self.state();
        let mut faults = Vec::new();
        for (rule, struck) in self.options.script.faults.iter().zip(&mut state.struck) {
            let key = (link, turn.unwrap_or(0));
            let spent = (rule.times > 0 && struck.len() >= rule.times as usize) || struck.contains(&key);
            if !spent && applies(rule, link, turn, point) {
                struck.insert(key);
                faults.extend(rule.faults.iter().cloned());
            }
        }
        faults
    }

    /// How long after `setupComplete` faults are due on this link, in milliseconds.
    pub(crate) fn ready_times(&self, link: u32) -> Vec<u64> {
        let rules = self.options.script.faults.iter().filter(|r| r.link.is_none_or(|l| l == link));
        rules
            .filter_map(|r| match r.when {
                When::Ready { after_ms } => Some(after_ms),
                _ => None,
            })
            .collect()
    }

    /// Begins a session on this link, or resumes the one of this handle. Gives its number.
    pub(crate) fn enter(&self, link: u32, model: &str, handle: Option<&str>) -> Result<u32, Refusal> {
        let mut state = self.state();
        let Some(handle) = handle else {
            let number = state.sessions.len() as u32 + 1;
            state.sessions.insert(number, Session { model: model.to_owned(), link: Some(link) });
            return Ok(number);
        };
        let dead = || Refusal(1008, "BidiGenerateContent session not found".to_owned());
        let number = *state.handles.get(handle).ok_or_else(dead)?;
        let session = state.sessions.get_mut(&number).ok_or_else(dead)?;
        if session.link.is_some() {
            return Err(Refusal(1011, "Internal error encountered.".to_owned()));
        }
        if session.model != model {
            return Err(invalid());
        }
        session.link = Some(link);
        Ok(number)
    }

    /// Lets the session of this link be resumed.
    pub(crate) fn release(&self, link: u32) {
        for session in self.state().sessions.values_mut().filter(|s| s.link == Some(link)) {
            session.link = None;
        }
    }

    /// Makes a new handle, shaped as a UUID.
    pub(crate) fn new_handle(&self, session: u32) -> String {
        let mut state = self.state();
        let number = state.handles.len() as u64 + 1;
        let handle = format!("{session:08x}-0000-4000-8000-{number:012x}");
        state.handles.insert(handle.clone(), session);
        handle
    }

    /// Makes every handle dead.
    pub(crate) fn forget(&self) {
        let mut state = self.state();
        // the numbers stay taken, so that a new session is never mistaken for an old one
        for handle in state.handles.values_mut() {
            *handle = 0;
        }
    }
}

fn applies(rule: &Rule, link: u32, turn: Option<u32>, point: When) -> bool {
    let here = match (rule.when, point) {
        (When::Heard { ms: due }, When::Heard { ms }) | (When::Answer { ms: due }, When::Answer { ms }) => {
            ms >= due
        }
        (due, point) => due == point,
    };
    here && rule.link.is_none_or(|l| l == link) && rule.turn.is_none_or(|t| Some(t) == turn)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::Script;

    fn world(script: Script) -> World {
        World::new(Options { script, ..Options::default() }).unwrap()
    }

    #[test]
    fn a_rule_strikes_as_often_as_it_may_and_once_per_turn_of_a_link() {
        let script = Script::default()
            .fault(Rule::new(When::Answer { ms: 100 }, Fault::Reset).on_turn(2))
            .fault(Rule::new(When::Setup, Fault::Cut).times(2));
        let world = world(script);
        let answer = |link, turn, ms| world.faults_at(link, Some(turn), When::Answer { ms });
        assert_eq!(answer(1, 1, 500), []);
        assert_eq!(answer(1, 2, 99), []);
        assert_eq!(answer(1, 2, 200), [Fault::Reset]);
        assert_eq!(answer(1, 2, 300), []);
        let setup = |link| world.faults_at(link, None, When::Setup);
        assert_eq!([setup(1).len(), setup(1).len(), setup(2).len(), setup(3).len()], [1, 0, 1, 0]);
    }

    #[test]
    fn a_session_is_resumed_only_when_its_old_link_is_gone() {
        let world = world(Script::default());
        let first = world.enter(1, "models/a", None).unwrap();
        let handle = world.new_handle(first);
        let code = |link, model, handle| world.enter(link, model, Some(handle)).map_err(|r| r.0);
        assert_eq!(code(2, "models/a", handle.as_str()), Err(1011));
        world.release(1);
        assert_eq!(code(2, "models/b", handle.as_str()), Err(1007));
        assert_eq!(code(2, "models/a", "made-up"), Err(1008));
        assert_eq!(code(2, "models/a", handle.as_str()), Ok(first));
        world.release(2);
        world.forget();
        assert_eq!(code(3, "models/a", handle.as_str()), Err(1008));
        assert_ne!(world.enter(3, "models/a", None).unwrap(), first);
    }
}
