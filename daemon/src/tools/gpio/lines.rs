//! The thread that has the lines: one expander on a slow bus must not hold the loop up, and what is on is switched off in
//! time whatever the loop does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use pressel_hal::gpio::PIN_CONSUMER;
use pressel_hal::{Error, Pin};
use serde_json::{Map, Value, json};
use tokio::sync::oneshot;
use tracing::error;

use super::held::{Done, Held};
use super::{Action, Contact, Wiring};
use crate::tools::{Outcome, Tool, Way};

/// Opens a line.
pub type OpenPin = Arc<dyn Fn(&Wiring) -> Result<Box<dyn Pin>, Error> + Send + Sync>;

/// Questions that wait for the thread; more than can be asked at a time.
const WAITING_MAX: usize = 32;
/// Longer than opening every line takes; on a bus that hangs it is gone on without.
const OPEN_MAX: Duration = Duration::from_millis(500);
/// What is left of the time in which a service must end.
const END_MAX: Duration = Duration::from_secs(1);

enum Ask {
    /// These lines and no others; tells which of them cannot be used.
    Hold(Vec<Wiring>, SyncSender<BTreeMap<String, String>>),
    Act {
        line: String,
        action: Action,
        pulse: Duration,
        tell: oneshot::Sender<Result<Done, String>>,
    },
    /// Nobody waits for its pulse any more.
    End(String),
    /// Everything safe, and out.
    Stop(SyncSender<()>),
}

/// The lines of the tools. Dropped, each is in its safe state.
pub struct Lines {
    ask: SyncSender<Ask>,
    /// Until the first line is wanted.
    idle: Option<(Receiver<Ask>, OpenPin)>,
}

/// Calls of tools on lines.
#[derive(Clone)]
pub struct Calls {
    ask: SyncSender<Ask>,
}

impl Lines {
    /// No line yet.
    pub fn new(open: OpenPin) -> Self {
        let (ask, asked) = sync_channel(WAITING_MAX);
        Lines { ask, idle: Some((asked, open)) }
    }

    /// Holds these lines and lets every other one go. What is wrong with those that cannot be used, by line.
    pub fn hold(&mut self, wanted: Vec<Wiring>) -> BTreeMap<String, String> {
        if wanted.is_empty() && self.idle.is_some() {
            return BTreeMap::new();
        }
        if let Some((asked, open)) = self.idle.take() {
            let body = move || serve(&asked, &open);
            if let Err(error) =
                std::thread::Builder::new().name("lines".into()).stack_size(128 << 10).spawn(body)
            {
                error!(%error, "no thread for the lines of tools");
            }
        }
        let (tell, told) = sync_channel(1);
        // A thread that hangs has a full queue or does not answer; calls say so.
        let _ = self.ask.try_send(Ask::Hold(wanted, tell));
        told.recv_timeout(OPEN_MAX).unwrap_or_default()
    }

    /// For one call by hand, which lasts as long as its pulse.
    ///
    /// # Errors
    /// What is wrong with its line.
    pub fn take_in_hand(&mut self, tool: &mut Tool) -> Result<(), String> {
        let Way::Gpio(contact) = &mut tool.way else { return Ok(()) };
        contact.attended = true;
        match self.hold(vec![contact.wiring()]).into_values().next() {
            Some(problem) if problem.contains(PIN_CONSUMER) => {
                Err(format!("{problem}; the daemon has it, and lets go with: systemctl stop pressel"))
            }
            Some(problem) => Err(problem),
            None => Ok(()),
        }
    }

    /// For calls.
    pub fn calls(&self) -> Calls {
        Calls { ask: self.ask.clone() }
    }

    /// Everything safe; nothing is switched from here on.
    pub fn stop(&mut self) {
        if self.idle.is_some() {
            return;
        }
        let (tell, told) = sync_channel(1);
        // A full queue is that of a thread that hangs; the kernel takes its lines when the program has ended.
        if self.ask.try_send(Ask::Stop(tell)).is_ok() {
            let _ = told.recv_timeout(END_MAX);
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Calls {
    /// Makes a call with arguments that fit.
    pub async fn run(&self, contact: &Contact, args: &Map<String, Value>, within: Duration) -> Outcome {
        let (action, line) = (contact.asked(args)?, contact.line());
        let (tell, told) = oneshot::channel();
        let ask = Ask::Act { line: line.clone(), action, pulse: contact.pulse(), tell };
        let away = || "failed: the lines of this device do not answer".to_owned();
        self.ask.try_send(ask).map_err(|_| away())?;
        let done = match tokio::time::timeout(within, told).await {
            Ok(Ok(done)) => done?,
            _ => return Err(away()),
        };
        if let (true, Action::Pulse, Some(length)) = (contact.attended, action, done.off_after) {
            let end = End { ask: &self.ask, line: Some(line) };
            tokio::time::sleep(length).await;
            end.over();
            return Ok(answer(contact, Done { on: false, off_after: None }));
        }
        Ok(answer(contact, done))
    }
}

fn answer(contact: &Contact, done: Done) -> Map<String, Value> {
    let mut answer = Map::from_iter([("state".to_owned(), json!(contact.word(done.on)))]);
    if let Some(after) = done.off_after {
        let after_s = (after.as_secs_f64() * 10.0).round() / 10.0;
        answer.insert("switches_off_after_s".to_owned(), json!(after_s));
    }
    answer
}

/// Ends a pulse when it is dropped before its time.
struct End<'a> {
    ask: &'a SyncSender<Ask>,
    line: Option<String>,
}

impl End<'_> {
    fn over(mut self) {
        self.line = None;
    }
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        if let Some(line) = self.line.take() {
            let _ = self.ask.try_send(Ask::End(line)); // it ends by itself anyway
        }
    }
}

fn serve(asked: &Receiver<Ask>, open: &OpenPin) {
    let open = open.as_ref();
    let mut lines: BTreeMap<String, Held> = BTreeMap::new();
    loop {
        let due = lines.values().filter_map(Held::due).min();
        let ask = match due {
            Some(due) => asked.recv_timeout(due.saturating_duration_since(Instant::now())),
            None => asked.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        let now = Instant::now();
        lines.values_mut().for_each(|held| held.tick(now, open));
        match ask {
            Ok(Ask::Hold(wanted, tell)) => {
                // First let go: another one of the same line may be wired otherwise.
                lines.retain(|_, held| wanted.contains(&held.wiring));
                for wiring in wanted {
                    let line = wiring.pin.line.clone();
                    let same = lines.get(&line).is_some_and(|held| held.problem().is_none());
                    if !same {
                        lines.insert(line, Held::open(wiring, now, open));
                    }
                }
                let problems =
                    lines.iter().filter_map(|(line, held)| Some((line.clone(), held.problem()?.to_owned())));
                let _ = tell.try_send(problems.collect());
            }
            Ok(Ask::Act { line, action, pulse, tell }) => {
                let done = match lines.get_mut(&line) {
                    Some(held) => held.act(now, action, pulse, open),
                    None => Err("failed: the line is not there".to_owned()),
                };
                let _ = tell.send(done);
            }
            Ok(Ask::End(line)) => {
                if let Some(held) = lines.get_mut(&line) {
                    held.end(now);
                }
            }
            Ok(Ask::Stop(tell)) => {
                lines.clear();
                let _ = tell.try_send(());
                return;
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}
