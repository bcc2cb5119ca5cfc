//! Tools: what the assistant can do besides talking.
//!
//! A tool is a file. `file` reads it, `schema` says what it may be called with, `template` puts arguments in their
//! places, `quota` says how often; `call` hands a call to a `runner`, a process of its own inside a `sandbox`; `call_log`
//! keeps what was done. The conversation (`pressel-live`) sees to it that each call is answered once.

mod call;
mod call_log;
mod check;
mod file;
mod http;
mod quota;
pub mod runner;
mod sandbox;
mod schema;
mod template;
mod tool;
mod ways;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use pressel_live::event::ToolResult;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::{error, info};

use crate::config;

pub use call::Outcome;
pub use call_log::{CallLog, Ending, Entry};
pub use check::problems;
pub use file::{Shelf, read_file, read_folder};
pub use quota::Quota;
pub use sandbox::kernel_has_landlock;
pub use schema::{Flaw, Schema};
pub use tool::{Command, Confirm, Head, Kept, OnCancel, Output, Stdin, Tool, Verb, Way};
pub use ways::Ways;

/// Calls at one time; one more is refused.
const RUNNING_MAX: usize = 8;
const DAY_S: u64 = 24 * 60 * 60;

/// The tools of this device at work.
pub struct Tools {
    tools: BTreeMap<String, Arc<Tool>>,
    role: String,
    ways: Ways,
    quota: Quota,
    log: Option<CallLog>,
    running: BTreeMap<String, Running>,
    done: mpsc::Receiver<(u64, Outcome)>,
    tell: mpsc::Sender<(u64, Outcome)>,
    /// Counts calls, so that a late end of one is never taken for another of the same id.
    number: u64,
    /// Refused on the spot, or done.
    ready: Vec<ToolResult>,
}

struct Running {
    number: u64,
    tool: Arc<Tool>,
    args: Map<String, Value>,
    since: Instant,
    task: JoinHandle<()>,
}

impl Tools {
    /// The tools of a shelf for somebody in this role. `log_folder` keeps the call log.
    pub fn new(shelf: Vec<Tool>, role: &str, ways: Ways, log_folder: Option<&Path>) -> Self {
        let (tell, done) = mpsc::channel(RUNNING_MAX);
        let tools = shelf.into_iter().filter(|tool| tool.is_for(role));
        let mut tools = Tools {
            tools: tools.map(|tool| (tool.head.name.clone(), Arc::new(tool))).collect(),
            role: role.to_owned(),
            ways,
            quota: Quota::default(),
            log: log_folder.map(CallLog::in_folder),
            running: BTreeMap::new(),
            done,
            tell,
            number: 0,
            ready: Vec::new(),
        };
        tools.restore();
        tools
    }

    /// What the model is told of them: one entry of `tools`, or none.
    pub fn declare(&self) -> Vec<Value> {
        let declarations: Vec<Value> = self.tools.values().map(|tool| tool.declare()).collect();
        if declarations.is_empty() {
            Vec::new()
        } else {
            vec![json!({ "functionDeclarations": declarations })]
        }
    }

    /// Whether a shelf holds something else than what is offered.
    pub fn is_other(&self, shelf: &Shelf) -> bool {
        let here = self.tools.values().map(|tool| format!("{tool:?}"));
        let there = shelf.tools.iter().filter(|tool| tool.is_for(&self.role)).map(|tool| format!("{tool:?}"));
        here.ne(there)
    }

    /// Takes other tools. Calls that run go on, and are answered. Whether the model must be told.
    pub fn renew(&mut self, new: Tools) -> bool {
        let declared = self.declare();
        (self.tools, self.role) = (new.tools, new.role);
        (self.ways, self.log) = (new.ways, new.log);
        self.declare() != declared
    }

    /// Begins a call; its end comes from [`Tools::next`], always, once, unless it is cancelled.
    pub fn call(&mut self, now: Instant, id: String, name: &str, args: Map<String, Value>) {
        match self.begin(now, name, &args) {
            Ok((tool, fitted)) => {
                self.number += 1;
                let (number, tell, ways) = (self.number, self.tell.clone(), self.ways.clone());
                let called = tool.clone();
                let task = tokio::spawn(async move {
                    let outcome = ways.run(&called, fitted).await;
                    // Nobody listens only when the daemon ends.
                    let _ = tell.send((number, outcome)).await;
                });
                self.running.insert(id, Running { number, tool, args, since: now, task });
            }
            Err(sentence) => {
                let kept = self.tools.get(name).map_or(Kept::Hash, |tool| tool.head.logged);
                self.keep(name, &args, kept, Ending::Refused, now, now);
                self.ready.push(ToolResult { id, outcome: Err(sentence) });
            }
        }
    }

    fn begin(
        &mut self,
        now: Instant,
        name: &str,
        args: &Map<String, Value>,
    ) -> Result<(Arc<Tool>, Map<String, Value>), String> {
        let Some(tool) = self.tools.get(name).cloned() else {
            let known: Vec<&str> = self.tools.keys().map(String::as_str).collect();
            return Err(format!("not done: there is no such tool; the tools are: {}", known.join(", ")));
        };
        let fitted = tool.parameters.fit(args.clone())?;
        if self.running.len() >= RUNNING_MAX {
            return Err(format!(
                "not done: {RUNNING_MAX} tools are at work already; try again when one has ended"
            ));
        }
        self.quota.take(&tool.head, now, today())?;
        Ok((tool, fitted))
    }

    /// Nobody waits for these any more.
    pub fn cancel(&mut self, ids: &[String]) {
        self.ready.retain(|result| !ids.contains(&result.id));
        for id in ids {
            let Some(call) = self.running.remove(id) else { continue };
            if call.tool.head.on_cancel == OnCancel::Kill {
                call.task.abort(); // the runner sees its socket end
            }
            let head = &call.tool.head;
            self.keep(&head.name, &call.args, head.logged, Ending::Cancelled, call.since, Instant::now());
        }
    }

    /// The end of a call.
    pub async fn next(&mut self) -> ToolResult {
        if let Some(result) = self.ready.pop() {
            return result;
        }
        loop {
            let Some((number, outcome)) = self.done.recv().await else { std::future::pending().await };
            let Some(id) =
                self.running.iter().find(|(_, call)| call.number == number).map(|(id, _)| id.clone())
            else {
                continue; // cancelled, and it finished nevertheless
            };
            let call = self.running.remove(&id).expect("it was just found");
            let ending = if outcome.is_ok() { Ending::Done } else { Ending::Failed };
            let head = &call.tool.head;
            self.keep(&head.name, &call.args, head.logged, ending, call.since, Instant::now());
            return ToolResult { id, outcome };
        }
    }

    fn keep(
        &self,
        name: &str,
        args: &Map<String, Value>,
        kept: Kept,
        ending: Ending,
        since: Instant,
        now: Instant,
    ) {
        let (args_sha256, args) = call_log::kept(args, kept);
        // A name that no file has is the model's own words, which no log holds.
        let tool = if self.tools.contains_key(name) { name } else { "(unknown)" }.to_owned();
        let took_ms = u64::try_from((now - since).as_millis()).unwrap_or(u64::MAX);
        info!(tool, outcome = ending.word(), took_ms, args_sha256 = &args_sha256[..12], "tool");
        let Some(log) = &self.log else { return };
        let entry = Entry { at_s: clock_s(), tool, args_sha256, args, outcome: ending, took_ms };
        if let Err(error) = log.add(&entry) {
            error!(%error, "the log of calls cannot be written");
        }
    }

    /// What was called today before a restart counts.
    fn restore(&mut self) {
        let today = today();
        let Some(Ok(entries)) = self.log.as_ref().map(CallLog::read) else { return };
        let mut counts: BTreeMap<String, u32> = BTreeMap::new();
        for entry in entries.into_iter().filter(|e| e.at_s / DAY_S == today && e.outcome != Ending::Refused) {
            *counts.entry(entry.tool).or_default() += 1;
        }
        counts.iter().for_each(|(name, count)| self.quota.restore(name, today, *count));
    }
}

/// What the folder of this configuration holds.
pub fn shelf(settings: &config::Tools) -> Shelf {
    if settings.folder.is_empty() { Shelf::default() } else { read_folder(Path::new(&settings.folder)) }
}

/// Where the log of calls is; `reads`: for somebody who only looks.
pub fn log_folder(settings: &config::Tools, reads: bool) -> Option<PathBuf> {
    crate::keep::folder(&settings.log_folder, std::env::var_os("STATE_DIRECTORY"), reads)
}

fn clock_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn today() -> u64 {
    clock_s() / DAY_S
}
