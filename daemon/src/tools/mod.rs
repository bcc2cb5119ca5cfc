//! Tools: what the assistant can do besides talking.
//!
//! A tool is a file. `file` reads it, `schema` says what it may be called with, `template` puts arguments in their
//! places, `quota` says how often; `call` hands a call to a `runner`, a process of its own inside a `sandbox`; `gpio` has
//! the lines that tools switch; `call_log` keeps what was done. The conversation (`pressel-live`) sees to it that each call is answered once.

pub mod builtin;
mod call;
mod call_log;
mod check;
mod consent;
mod file;
pub mod gpio;
mod home_assistant;
mod http;
pub mod mcp;
mod quota;
pub mod runner;
mod sandbox;
mod schema;
mod template;
mod tool;
mod ways;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use pressel_live::event::{ToolAsk, ToolResult};
use pressel_live::profile::Profile;
use pressel_live::settings::Settings;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::{error, info, warn};

use crate::config::{self, Config};
use builtin::{Desk, Wished};
use consent::{Agreeing, Kept as Undecided};
use gpio::{Lines, OpenPin, Wiring};

pub use call::Outcome;
pub use call_log::{CallLog, Consent, Ending, Entry};
pub use check::{problems, unusable};
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
    /// What is offered, by name.
    tools: BTreeMap<String, Arc<Tool>>,
    /// What the files say, MCP servers among them.
    shelf: Vec<Tool>,
    /// What the servers have.
    listing: mcp::Listing,
    servers: Option<mcp::Follow>,
    ways: Ways,
    quota: Quota,
    log: Option<CallLog>,
    /// Lines of this device that they switch.
    lines: Lines,
    /// What built in tools ask of the engine.
    desk: Desk,
    wished: mpsc::Receiver<Wished>,
    running: BTreeMap<String, Running>,
    /// How people can agree here.
    agreeing: Agreeing,
    /// Calls that wait for a person, by id.
    kept: BTreeMap<String, Undecided>,
    /// What is to be asked about them.
    asks: VecDeque<ToolAsk>,
    /// Cancelled, and they end by themselves.
    finishing: BTreeSet<u64>,
    done: mpsc::Receiver<(u64, Outcome)>,
    tell: mpsc::Sender<(u64, Outcome)>,
    /// Counts calls, so that a late end of one is never taken for another of the same id.
    number: u64,
    /// Refused on the spot, or done.
    ready: Vec<ToolResult>,
}

/// What tools tell.
#[derive(Debug)]
pub enum News {
    /// A call has ended.
    Done(ToolResult),
    /// A built in tool asks the engine for something.
    Wished(Wished),
    /// Other tools are offered from now on.
    Offered,
}

struct Running {
    number: u64,
    tool: Arc<Tool>,
    args: Map<String, Value>,
    consent: Option<Consent>,
    since: Instant,
    task: JoinHandle<()>,
}

/// A call that can be made.
struct Begun {
    tool: Arc<Tool>,
    /// As the model gave them.
    args: Map<String, Value>,
    /// As they fit.
    fitted: Map<String, Value>,
}

impl Tools {
    /// The tools of the folder; those that cannot be used are told and left out. Lines that tools switch are in their safe
    /// state from here on.
    ///
    /// # Errors
    /// A file with authorities that cannot be used.
    pub fn open(config: &Config, pins: OpenPin) -> Result<Self, String> {
        let mut lines = Lines::new(pins);
        let offered = offered(config, &mut lines);
        let log = log_folder(&config.tools, false);
        let (desk, wished) = Desk::new(notes_folder(&config.tools, false).as_deref());
        let ways = Ways::new(config)?.with_lines(lines.calls()).with_desk(desk.clone());
        let agreeing = Agreeing::on(config);
        let tools = Tools::new(offered, &config.tools.role, ways, log.as_deref());
        Ok(Tools { lines, desk, wished, agreeing, ..tools })
    }

    /// The tools of a shelf for somebody in this role. `log_folder` keeps the call log.
    pub fn new(shelf: Vec<Tool>, role: &str, ways: Ways, log_folder: Option<&Path>) -> Self {
        let (tell, done) = mpsc::channel(RUNNING_MAX);
        let shelf: Vec<Tool> = shelf.into_iter().filter(|tool| tool.is_for(role)).collect();
        let (desk, wished) = Desk::new(None);
        let mut tools = Tools {
            tools: BTreeMap::new(),
            servers: follow(&shelf, &ways),
            shelf,
            listing: mcp::Listing::default(),
            ways,
            quota: Quota::default(),
            log: log_folder.map(CallLog::in_folder),
            lines: Lines::new(crate::world::pins()),
            desk,
            wished,
            running: BTreeMap::new(),
            agreeing: Agreeing::default(),
            kept: BTreeMap::new(),
            asks: VecDeque::new(),
            finishing: BTreeSet::new(),
            done,
            tell,
            number: 0,
            ready: Vec::new(),
        };
        tools.restore();
        tools.offer(mcp::Listing::default());
        tools
    }

    /// The tools of the files, and those of the servers.
    fn offer(&mut self, listing: mcp::Listing) {
        self.listing = listing.after(&self.listing);
        let own = self.shelf.iter().filter(|tool| !matches!(tool.way, Way::Server(_))).cloned();
        let all = own.chain(mcp::offer(&self.shelf, &self.listing).tools);
        self.tools = all.map(|tool| (tool.head.name.clone(), Arc::new(tool))).collect();
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

    /// Whether the folder holds something else than what is offered, or what could not be used may be now.
    pub fn is_other(&self, config: &Config) -> bool {
        let here = self.shelf.iter().map(|tool| format!("{tool:?}"));
        let shelf = shelf(&config.tools).tools;
        let usable = shelf.iter().filter(|tool| {
            tool.is_for(&config.tools.role) && unusable(tool, config, Path::new("/")).is_none()
        });
        here.ne(usable.map(|tool| format!("{tool:?}")))
    }

    /// Takes what the folder holds now. Calls that run go on, and are answered. Whether the model must be told.
    ///
    /// # Errors
    /// A file with authorities that cannot be used; nothing has changed then.
    pub fn renew(&mut self, config: &Config) -> Result<bool, String> {
        let ways = Ways::new(config)?;
        self.desk.move_notes(notes_folder(&config.tools, false).as_deref());
        let ways = ways.with_lines(self.lines.calls()).with_desk(self.desk.clone());
        let declared = self.declare();
        let offered = offered(config, &mut self.lines);
        (self.servers, self.shelf) = (follow(&offered, &ways), offered);
        let listing = std::mem::take(&mut self.listing);
        self.offer(listing);
        self.agreeing = Agreeing::on(config);
        (self.ways, self.log) = (ways, log_folder(&config.tools, false).as_deref().map(CallLog::in_folder));
        Ok(self.declare() != declared)
    }

    /// The daemon ends: every line of a tool is in its safe state.
    pub fn stop(&mut self) {
        self.lines.stop();
    }

    /// Begins a call; its end comes from [`Tools::next`], always, once, unless it is cancelled. One that a person must
    /// agree to is told by [`Tools::ask`] instead, and begins with [`Tools::decide`].
    pub fn call(&mut self, now: Instant, id: String, name: &str, args: Map<String, Value>) {
        let begun = self.find(name, &args).and_then(|call| match call.tool.head.confirm.agree() {
            Some(agree) => self.keep_until_decided(now, id.clone(), agree, call),
            None => self.run(now, id.clone(), call, None),
        });
        if let Err(sentence) = begun {
            let kept = self.tools.get(name).map_or(Kept::Hash, |tool| tool.head.logged);
            self.keep(name, &args, kept, (Ending::Refused, None), now, now);
            self.ready.push(ToolResult { id, outcome: Err(sentence) });
        }
    }

    fn find(&self, name: &str, args: &Map<String, Value>) -> Result<Begun, String> {
        let Some(tool) = self.tools.get(name).cloned() else {
            let known: Vec<&str> = self.tools.keys().map(String::as_str).collect();
            return Err(format!("not done: there is no such tool; the tools are: {}", known.join(", ")));
        };
        let fitted = tool.parameters.fit(args.clone())?;
        Ok(Begun { tool, args: args.clone(), fitted })
    }

    fn run(&mut self, now: Instant, id: String, call: Begun, consent: Option<Consent>) -> Result<(), String> {
        if self.running.len() + self.finishing.len() >= RUNNING_MAX {
            return Err(format!(
                "not done: {RUNNING_MAX} tools are at work already; try again when one has ended"
            ));
        }
        self.quota.take(&call.tool.head, now, today())?;
        self.number += 1;
        let (number, tell, ways) = (self.number, self.tell.clone(), self.ways.clone());
        let Begun { tool, args, fitted } = call;
        let called = tool.clone();
        let task = tokio::spawn(async move {
            let outcome = ways.run(&called, fitted).await;
            // Nobody listens only when the daemon ends.
            let _ = tell.send((number, outcome)).await;
        });
        self.running.insert(id, Running { number, tool, args, consent, since: now, task });
        Ok(())
    }

    /// Nobody waits for these any more.
    pub fn cancel(&mut self, ids: &[String]) {
        self.ready.retain(|result| !ids.contains(&result.id));
        let now = Instant::now();
        for id in ids {
            self.forget_kept(now, id);
            let Some(call) = self.running.remove(id) else { continue };
            match call.tool.head.on_cancel {
                OnCancel::Kill => call.task.abort(), // the runner sees its socket end
                OnCancel::Finish => drop(self.finishing.insert(call.number)),
            }
            self.keep_end(&call, Ending::Cancelled, now);
        }
    }

    /// The end of a call, or what one asks of the engine.
    pub async fn next(&mut self) -> News {
        if let Some(result) = self.ready.pop() {
            return News::Done(result);
        }
        loop {
            let (number, outcome) = tokio::select! {
                Some(done) = self.done.recv() => done,
                Some(wished) = self.wished.recv() => return News::Wished(wished),
                listing = next_of(&mut self.servers) => {
                    let before = self.declare();
                    self.offer(listing);
                    if self.declare() == before {
                        continue;
                    }
                    return News::Offered;
                }
            };
            if let Some(result) = self.ended(number, outcome) {
                return News::Done(result);
            }
        }
    }

    fn ended(&mut self, number: u64, outcome: Outcome) -> Option<ToolResult> {
        let Some(id) = self.running.iter().find(|(_, call)| call.number == number).map(|(id, _)| id.clone())
        else {
            self.finishing.remove(&number);
            return None; // cancelled, and it finished nevertheless
        };
        let call = self.running.remove(&id).expect("it was just found");
        let ending = if outcome.is_ok() { Ending::Done } else { Ending::Failed };
        self.keep_end(&call, ending, Instant::now());
        Some(ToolResult { id, outcome })
    }

    fn keep_end(&self, call: &Running, ending: Ending, now: Instant) {
        let head = &call.tool.head;
        self.keep(&head.name, &call.args, head.logged, (ending, call.consent), call.since, now);
    }

    fn keep(
        &self,
        name: &str,
        args: &Map<String, Value>,
        kept: Kept,
        (ending, consent): (Ending, Option<Consent>),
        since: Instant,
        now: Instant,
    ) {
        let (args_sha256, args) = call_log::kept(args, kept);
        // A name that no file has is the model's own words, which no log holds.
        let tool = if self.tools.contains_key(name) { name } else { "(unknown)" }.to_owned();
        let took_ms = u64::try_from((now - since).as_millis()).unwrap_or(u64::MAX);
        info!(tool, outcome = ending.word(), took_ms, args_sha256 = &args_sha256[..12], "tool");
        let Some(log) = &self.log else { return };
        let entry = Entry { at_s: clock_s(), tool, args_sha256, args, outcome: ending, consent, took_ms };
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

/// Follows what MCP servers have, if there are any.
fn follow(shelf: &[Tool], ways: &Ways) -> Option<mcp::Follow> {
    shelf.iter().any(|tool| matches!(tool.way, Way::Server(_))).then(|| ways.mcp().follow())
}

async fn next_of(servers: &mut Option<mcp::Follow>) -> mcp::Listing {
    match servers {
        Some(servers) => servers.next().await,
        None => std::future::pending().await,
    }
}

/// A daemon that was killed may have left something switched on, and one whose configuration has mistakes does not come
/// back: what the tools of the usual folder switch is made safe all the same.
pub fn leave_safe() {
    let config = Config::default();
    let mut lines = Lines::new(crate::world::pins());
    let contacts: Vec<Wiring> =
        shelf(&config.tools).tools.iter().filter_map(|tool| Some(tool.contact()?.wiring())).collect();
    let driven = contacts.into_iter().filter(|wiring| wiring.pin.safe.is_some()).collect();
    for (line, problem) in lines.hold(driven) {
        warn!(line, problem, "a tool's line cannot be made safe");
    }
}

/// What can be used of the folder's tools, each with its line.
fn offered(config: &Config, lines: &mut Lines) -> Vec<Tool> {
    let shelf = shelf(&config.tools);
    for mistake in &shelf.mistakes {
        warn!(%mistake, "a tool cannot be used");
    }
    let refused = |tool: &Tool, problem: &str| warn!(tool = tool.head.name, problem, "a tool cannot be used");
    let mut tools = shelf.tools;
    tools.retain(|tool| tool.is_for(&config.tools.role));
    tools.retain(|tool| {
        let problem = unusable(tool, config, Path::new("/"));
        problem.iter().for_each(|problem| refused(tool, problem));
        problem.is_none()
    });
    let wanted: Vec<Wiring> = tools.iter().filter_map(|tool| Some(tool.contact()?.wiring())).collect();
    let problems = lines.hold(wanted);
    tools.retain(|tool| {
        let problem = tool.contact().and_then(|contact| problems.get(&contact.line()));
        problem.iter().for_each(|problem| refused(tool, problem));
        problem.is_none()
    });
    tools
}

/// What the folder of this configuration holds.
pub fn shelf(settings: &config::Tools) -> Shelf {
    if settings.folder.is_empty() { Shelf::default() } else { read_folder(Path::new(&settings.folder)) }
}

/// Lets the model look things up with Google Search, where that is wanted and it can.
pub(crate) fn offer_search(config: &Config, settings: &mut Settings) {
    if !config.tools.google_search {
        return;
    }
    if Profile::of(&settings.model).takes_search(!settings.tools.is_empty()) {
        settings.tools.push(json!({ "googleSearch": {} }));
    } else {
        warn!(model = settings.model, "this model takes no Google Search, or none beside tools: left out");
    }
}

/// Where the log of calls is; `reads`: for somebody who only looks.
pub fn log_folder(settings: &config::Tools, reads: bool) -> Option<PathBuf> {
    crate::keep::folder(&settings.log_folder, std::env::var_os("STATE_DIRECTORY"), reads)
}

/// Where notes are kept; `by_hand`: for somebody who is not the service.
pub fn notes_folder(settings: &config::Tools, by_hand: bool) -> Option<PathBuf> {
    crate::keep::folder(&settings.notes_folder, std::env::var_os("STATE_DIRECTORY"), by_hand)
}

fn clock_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn today() -> u64 {
    clock_s() / DAY_S
}

#[cfg(test)]
mod tests;
