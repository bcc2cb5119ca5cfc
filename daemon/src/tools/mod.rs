//! Tools: what the assistant can do besides talking.
//!
//! A tool is a file. `file` reads it, and `shelf` a folder of them; `schema` says what it may be called with, `template`
//! puts arguments in their places, `quota` says how often; `in_flight` has the calls that run; `call` hands one to a
//! `runner`, a process of its own inside a `sandbox`; `gpio` has the lines that tools switch; `call_log` keeps what was
//! done. The conversation (`pressel-live`) sees to it that each call is answered once.

pub mod builtin;
mod call;
mod call_log;
mod check;
mod consent;
mod counts;
mod file;
pub mod gpio;
mod home_assistant;
mod hosts;
mod http;
mod in_flight;
pub mod mcp;
mod quota;
mod rights;
pub mod runner;
mod sandbox;
mod schema;
mod shelf;
mod template;
mod tool;
mod ways;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pressel_live::event::{ToolAsk, ToolResult};
use pressel_live::profile::Profile;
use pressel_live::settings::Settings;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tracing::warn;

use crate::config::{self, Config};
use builtin::{Desk, Wished};
use consent::{Agreeing, Kept as Undecided};
use gpio::{Lines, OpenPin};
use in_flight::{RUNNING_MAX, Running};
use shelf::offered;

pub use call::Outcome;
pub use call_log::{CallLog, Consent, Ending, Entry};
pub use check::{problems, unusable};
pub use file::read_file;
pub use quota::Quota;
pub use sandbox::{kernel_has_landlock, kernel_has_scopes};
pub use schema::{Flaw, Schema};
pub use shelf::{Shelf, leave_safe, read_folder, shelf};
pub use tool::{Command, Confirm, Head, Kept, OnCancel, Output, Stdin, Tool, Verb, Way};
pub use ways::Ways;

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
    /// Whether the hosts of services are known.
    hosts: hosts::Look,
    quota: Quota,
    /// Where a restart finds the calls of today.
    counts: counts::Counts,
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
    /// Cancelled, and they end by themselves: under which id that is reported, if it is.
    finishing: BTreeMap<u64, (Running, Option<String>)>,
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
        let mut tools = Tools::new(offered, &config.tools.role, ways, log.as_deref());
        (tools.lines, tools.desk, tools.wished) = (lines, desk, wished);
        tools.agreeing = Agreeing::on(config);
        tools.counts = counts::Counts::in_folder(counts_folder(log));
        tools.restore();
        Ok(tools)
    }

    /// The tools of a shelf for somebody in this role. `log_folder` keeps the call log.
    pub fn new(shelf: Vec<Tool>, role: &str, ways: Ways, log_folder: Option<&Path>) -> Self {
        let (tell, done) = mpsc::channel(RUNNING_MAX);
        let shelf: Vec<Tool> = shelf.into_iter().filter(|tool| tool.is_for(role)).collect();
        let (desk, wished) = Desk::new(None);
        let mut tools = Tools {
            tools: BTreeMap::new(),
            servers: follow(&shelf, &ways),
            hosts: hosts::Look::at(&shelf, &ways),
            shelf,
            listing: mcp::Listing::default(),
            ways,
            quota: Quota::default(),
            counts: counts::Counts::in_folder(None),
            log: log_folder.map(CallLog::in_folder),
            lines: Lines::new(crate::world::pins()),
            desk,
            wished,
            running: BTreeMap::new(),
            agreeing: Agreeing::default(),
            kept: BTreeMap::new(),
            asks: VecDeque::new(),
            finishing: BTreeMap::new(),
            done,
            tell,
            number: 0,
            ready: Vec::new(),
        };
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

    /// Names of those that go on to their end when nobody waits for them, and report it.
    pub fn finishes(&self) -> BTreeSet<String> {
        self.tools.values().filter(|tool| tool.finishes()).map(|tool| tool.head.name.clone()).collect()
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
        self.hosts = hosts::Look::at(&offered, &ways);
        let listing = std::mem::take(&mut self.listing).of_the_same(&self.shelf, &offered);
        (self.servers, self.shelf) = (follow(&offered, &ways), offered);
        self.offer(listing);
        self.agreeing = Agreeing::on(config);
        (self.ways, self.log) = (ways, log_folder(&config.tools, false).as_deref().map(CallLog::in_folder));
        Ok(self.declare() != declared)
    }

    /// The daemon ends: every line of a tool is in its safe state.
    pub fn stop(&mut self) {
        self.lines.stop();
    }
}

impl Drop for Tools {
    fn drop(&mut self) {
        self.keep_rest();
    }
}

/// Follows what MCP servers have, if there are any.
fn follow(shelf: &[Tool], ways: &Ways) -> Option<mcp::Follow> {
    shelf.iter().any(|tool| matches!(tool.way, Way::Server(_))).then(|| ways.mcp().follow())
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

/// Where the calls of a day are counted: beside their log, or without one where the service's state is.
fn counts_folder(log: Option<PathBuf>) -> Option<PathBuf> {
    log.or_else(|| crate::keep::folder("auto", std::env::var_os("STATE_DIRECTORY"), false))
}

/// Where notes are kept; `by_hand`: for somebody who is not the service.
pub fn notes_folder(settings: &config::Tools, by_hand: bool) -> Option<PathBuf> {
    crate::keep::folder(&settings.notes_folder, std::env::var_os("STATE_DIRECTORY"), by_hand)
}
