//! Calls in flight: begun within what a tool's quota allows, ended or cancelled, and kept in the log.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use pressel_live::event::ToolResult;
use serde_json::{Map, Value};
use tokio::task::JoinHandle;
use tracing::{error, info};

use super::call::Outcome;
use super::call_log::{self, Consent, Ending, Entry};
use super::runner::printable;
use super::tool::{Head, Kept, OnCancel, Tool, Way};
use super::{News, Tools, mcp};

/// Calls at one time; one more is refused.
pub(super) const RUNNING_MAX: usize = 8;
const DAY_S: u64 = 24 * 60 * 60;

pub(super) struct Running {
    number: u64,
    tool: Arc<Tool>,
    args: Map<String, Value>,
    consent: Option<Consent>,
    since: Instant,
    /// Nobody waits for it since then, and it goes on.
    cancelled: Option<Instant>,
    task: JoinHandle<()>,
}

/// How a call ended, for the record.
pub(super) struct End {
    outcome: Ending,
    consent: Option<Consent>,
    /// It was cancelled after so long, and went on.
    cancelled: Option<Duration>,
}

impl End {
    /// It was not begun.
    pub(super) fn refused(consent: Option<Consent>) -> Self {
        End { outcome: Ending::Refused, consent, cancelled: None }
    }
}

/// A call that can be made.
pub(super) struct Begun {
    pub(super) tool: Arc<Tool>,
    /// As the model gave them.
    pub(super) args: Map<String, Value>,
    /// As they fit.
    pub(super) fitted: Map<String, Value>,
}

impl Tools {
    /// Somebody speaks: the model may soon call for a program.
    pub fn prepare(&self) {
        if self.tools.values().any(|tool| matches!(tool.way, Way::Command(..))) {
            self.ways.prepare();
        }
    }

    /// Begins a call; its end comes from [`Tools::next`], always, once, unless it is cancelled. One that a person must
    /// agree to is told by [`Tools::ask`] instead, and begins with [`Tools::decide`].
    pub fn call(&mut self, now: Instant, id: String, name: &str, args: Map<String, Value>) {
        let begun = self.find(name, &args).and_then(|call| match call.tool.head.confirm.agree() {
            Some(agree) => self.keep_until_decided(now, id.clone(), agree, call),
            None => self.run(now, id.clone(), call, None),
        });
        if let Err(sentence) = begun {
            self.refused(now, name, &args);
            self.ready.push(ToolResult { id, outcome: Err(sentence) });
        }
    }

    /// Keeps that a call was not begun.
    pub fn refused(&self, now: Instant, name: &str, args: &Map<String, Value>) {
        let kept = self.tools.get(name).map_or(Kept::Hash, |tool| tool.head.logged);
        self.keep(name, args, kept, &End::refused(None), now, now);
    }

    fn find(&self, name: &str, args: &Map<String, Value>) -> Result<Begun, String> {
        let Some(tool) = self.tools.get(name).cloned() else {
            let known: Vec<&str> = self.tools.keys().map(String::as_str).collect();
            return Err(format!("not done: there is no such tool; the tools are: {}", known.join(", ")));
        };
        let fitted = tool.parameters.fit(args.clone())?;
        Ok(Begun { tool, args: args.clone(), fitted })
    }

    /// What limits say of a call now; none is taken.
    pub(super) fn may_run(&mut self, head: &Head, now: Instant) -> Result<(), String> {
        if self.running.len() + self.finishing.len() >= RUNNING_MAX {
            return Err(format!(
                "not done: {RUNNING_MAX} tools are at work already; try again when one has ended"
            ));
        }
        self.quota.look(head, now, today())
    }

    pub(super) fn run(
        &mut self,
        now: Instant,
        id: String,
        call: Begun,
        consent: Option<Consent>,
    ) -> Result<(), String> {
        self.may_run(&call.tool.head, now)?;
        let day = today();
        self.quota.take(&call.tool.head, now, day)?;
        if call.tool.head.per_day_max > 0 {
            // Before it is run: a kill does not give a call back.
            self.counts.put(day, self.quota.all(day));
        }
        self.number += 1;
        let (number, tell, ways) = (self.number, self.tell.clone(), self.ways.clone());
        let Begun { tool, args, fitted } = call;
        let called = tool.clone();
        let task = tokio::spawn(async move {
            let outcome = ways.run(&called, fitted).await;
            // Nobody listens only when the daemon ends.
            let _ = tell.send((number, outcome)).await;
        });
        self.running.insert(id, Running { number, tool, args, consent, since: now, cancelled: None, task });
        Ok(())
    }

    /// Nobody waits for these any more. The end of those that go on to it is reported all the same.
    pub fn cancel(&mut self, ids: &[String]) {
        let now = Instant::now();
        for id in ids {
            self.forget_kept(now, id);
            let Some(mut call) = self.running.remove(id) else { continue };
            match call.tool.head.on_cancel {
                OnCancel::Kill => {
                    call.task.abort(); // the runner sees its socket end
                    self.keep_end(&call, Ending::Cancelled, now);
                }
                // On record with its end.
                OnCancel::Finish => {
                    call.cancelled = Some(now);
                    let reported = call.tool.finishes().then(|| id.clone());
                    self.finishing.insert(call.number, (call, reported));
                }
            }
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
                listing = next_of(&mut self.servers) => match self.offer_anew(listing) {
                    true => return News::Offered,
                    false => continue,
                },
                refused = self.hosts.next() => {
                    self.shelf.retain(|tool| tool.head.name != refused);
                    let listing = std::mem::take(&mut self.listing);
                    match self.offer_anew(listing) {
                        true => return News::Offered,
                        false => continue,
                    }
                }
            };
            if let Some(result) = self.ended(number, outcome) {
                return News::Done(result);
            }
        }
    }

    /// Whether the model must be told.
    fn offer_anew(&mut self, listing: mcp::Listing) -> bool {
        let before = self.declare();
        self.offer(listing);
        self.declare() != before
    }

    fn ended(&mut self, number: u64, outcome: Outcome) -> Option<ToolResult> {
        let ending = if outcome.is_ok() { Ending::Done } else { Ending::Failed };
        let Some(id) = self.running.iter().find(|(_, call)| call.number == number).map(|(id, _)| id.clone())
        else {
            // Cancelled, and it finished nevertheless.
            let (call, reported) = self.finishing.remove(&number)?;
            self.keep_end(&call, ending, Instant::now());
            return reported.map(|id| ToolResult { id, outcome });
        };
        let call = self.running.remove(&id).expect("it was just found");
        self.keep_end(&call, ending, Instant::now());
        Some(ToolResult { id, outcome })
    }

    /// The end of the daemon: what goes on without it is on record too.
    pub(super) fn keep_rest(&self) {
        for call in self.running.values().chain(self.finishing.values().map(|(call, _)| call)) {
            self.keep_end(call, Ending::Cancelled, Instant::now());
        }
    }

    fn keep_end(&self, call: &Running, outcome: Ending, now: Instant) {
        let head = &call.tool.head;
        let cancelled = call.cancelled.map(|at| at - call.since);
        let end = End { outcome, consent: call.consent, cancelled };
        self.keep(&head.name, &call.args, head.logged, &end, call.since, now);
    }

    pub(super) fn keep(
        &self,
        name: &str,
        args: &Map<String, Value>,
        kept: Kept,
        end: &End,
        since: Instant,
        now: Instant,
    ) {
        let (args_sha256, args) = call_log::kept(args, kept);
        // A name that no file has is the model's own words, which no log holds.
        let tool = if self.tools.contains_key(name) { name } else { "(unknown)" }.to_owned();
        let ms = |length: Duration| u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
        let (took_ms, cancelled_ms) = (ms(now - since), end.cancelled.map(ms));
        let (outcome, consent) = (end.outcome, end.consent);
        info!(
            tool,
            outcome = outcome.word(),
            took_ms,
            cancelled_ms,
            consent = consent.map(Consent::word),
            args_sha256 = &args_sha256[..12],
            args = args.as_ref().map(|args| printable(&args.to_string())),
            "tool"
        );
        let Some(log) = &self.log else { return };
        let entry =
            Entry { at_s: clock_s(), tool, args_sha256, args, outcome, consent, took_ms, cancelled_ms };
        if let Err(error) = log.add(&entry) {
            error!(%error, "the log of calls cannot be written");
        }
    }

    /// What was called today before a restart counts.
    pub(super) fn restore(&mut self) {
        let today = today();
        for (name, count) in self.counts.read(today) {
            self.quota.restore(&name, today, count);
        }
    }
}

async fn next_of(servers: &mut Option<mcp::Follow>) -> mcp::Listing {
    match servers {
        Some(servers) => servers.next().await,
        None => std::future::pending().await,
    }
}

fn clock_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn today() -> u64 {
    clock_s() / DAY_S
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use pressel_live::event::{AgreeBy, Decision};

    use super::*;
    use crate::config::{self, Config};

    /// A service that never answers, as a tool with this line in its head; the service ends when it is dropped.
    fn silent(folder: &Path, name: &str, head: &str) -> std::net::TcpListener {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let text = format!(
            "name = \"{name}\"\ndescription = \"x\"\nper_minute_max = 0\n{head}\n[http]\nurl = \"http://127.0.0.1:{port}/\"\n\
             tls = false\nprivate = true\n"
        );
        std::fs::write(folder.join(format!("{name}.toml")), text).unwrap();
        listener
    }

    #[tokio::test]
    async fn a_call_that_goes_on_after_it_was_cancelled_counts_until_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        let slow = silent(folder.path(), "valve", "on_cancel = \"finish\"\ntimeout_s = 1");
        let _gone = silent(folder.path(), "look", "");
        let mut config = Config::default();
        config.tools.folder = folder.path().display().to_string();
        config.tools.log_folder = String::new();
        let mut tools = Tools::open(&config, crate::world::pins()).unwrap();
        let begin = |tools: &mut Tools, name: &str, number: usize| {
            tools.call(Instant::now(), format!("{name}-{number}"), name, Map::new());
            format!("{name}-{number}")
        };
        // What is killed makes room at once.
        let killed: Vec<String> = (0..RUNNING_MAX).map(|number| begin(&mut tools, "look", number)).collect();
        tools.cancel(&killed);
        let cancelled: Vec<String> =
            (0..RUNNING_MAX).map(|number| begin(&mut tools, "valve", number)).collect();
        assert_eq!((tools.running.len(), tools.ready.len()), (RUNNING_MAX, 0));
        tools.cancel(&cancelled);
        assert_eq!((tools.running.len(), tools.finishing.len()), (0, RUNNING_MAX));
        begin(&mut tools, "look", 100);
        let News::Done(refused) = tools.next().await else { panic!("a call has ended") };
        assert!(refused.outcome.unwrap_err().contains("8 tools are at work already"));
        // The end of each is reported; when the last has ended there is room again.
        let mut ended = Vec::new();
        while ended.len() < RUNNING_MAX {
            let News::Done(result) = tools.next().await else { panic!("a call has ended") };
            ended.push(result.id);
        }
        ended.sort();
        assert_eq!((ended, tools.finishing.len()), (cancelled, 0));
        assert!(tools.finishes().contains("valve") && !tools.finishes().contains("look"));
        begin(&mut tools, "look", 101);
        assert_eq!((tools.running.len(), tools.ready.len()), (1, 0));
        drop(slow);
    }

    #[tokio::test]
    async fn nobody_is_asked_for_what_a_limit_refuses_and_the_limit_is_looked_at_again_when_it_runs() {
        let folder = tempfile::tempdir().unwrap();
        let _gone =
            silent(folder.path(), "gate", "confirm = \"button\"\nask = \"Shall I?\"\nper_day_max = 1");
        let mut config = Config::default();
        config.tools.folder = folder.path().display().to_string();
        config.tools.log_folder = String::new();
        config.button.kind = config::ButtonKind::Gpio;
        config.button.gestures = "press talk, double consent".into();
        let mut tools = Tools::open(&config, crate::world::pins()).unwrap();
        let now = Instant::now();
        let given = Decision::Given(AgreeBy::Double);
        for id in ["first", "second"] {
            tools.call(now, id.to_owned(), "gate", Map::new());
            assert_eq!(tools.ask().unwrap().id, id);
        }
        tools.decide(now, "first", given);
        tools.decide(now, "second", given);
        assert_eq!(tools.running.keys().collect::<Vec<_>>(), ["first"]);
        tools.call(now, "third".to_owned(), "gate", Map::new());
        assert!(tools.ask().is_none(), "a person would be asked in vain");
        for id in ["third", "second"] {
            let News::Done(refused) = tools.next().await else { panic!("a call has ended") };
            assert!(refused.id == id && refused.outcome.unwrap_err().contains("1 times a day"), "{id}");
        }
    }
}
