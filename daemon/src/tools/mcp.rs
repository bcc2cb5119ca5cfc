//! Tools of MCP servers: `pressel-mcp` holds the connections, here is what the model is told of what they list.
//!
//! A file with `[mcp]` stands for those tools of one server that it allows. What a server says of itself is somebody
//! else's word: names are made plain, descriptions cut, schemas loosened to what every model takes, and whatever becomes
//! of a tool on the way is a note for `pressel tools check`.

mod helper;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::call::Outcome;
use super::runner::clean;
use super::schema::{Mend, Schema, is_name, plain_name};
use super::tool::{Confirm, Head, Tool, Way};
use crate::config::rule::{LIST, SWITCH, TEXT, whole};
use crate::config::table;
use crate::net::http::Url;

pub use helper::{Follow, Helper};

/// Of a description, so many letters.
const DESCRIPTION_MAX: usize = 1000;
/// More tools than this no model tells apart.
const TOOLS_MAX: usize = 64;

table! {
    /// `[mcp]`: a Model Context Protocol server.
    Keys {
        /// The program that is one, by its whole path, and its arguments; or `url`.
        command: Vec<String> = [], LIST;
        /// Where one is, `https://host/path`; or `command`.
        url: String = "", TEXT;
        /// Its tools that are offered, by its own names; `*` = all it has.
        allow: Vec<String> = [], LIST;
        /// Of these, the ones that `confirm` is about; empty = all.
        confirm_for: Vec<String> = [], LIST;
        /// `NAME=value`, besides PATH, HOME and LANG.
        env: Vec<String> = [], LIST;
        /// File, or name of a systemd credential, that pressel-mcp reads: for the header Authorization, or `secret_env`.
        secret_file: String = "", TEXT;
        /// Variable in which the program gets what is in `secret_file`.
        secret_env: String = "", TEXT;
        /// Whether `url` may be this machine or a neighbour.
        private: bool = false, SWITCH;
        /// false: `url` may be unencrypted.
        tls: bool = true, SWITCH;
        /// How long it may take to start and to list its tools.
        start_timeout_s: u32 = 30u32, whole(1, 600);
        /// A longer answer is an error.
        answer_max_kb: u32 = 32u32, whole(1, 1024);
    }
}

impl Keys {
    /// What does not fit together: the key, and what is wrong.
    pub(super) fn mistake(&self) -> Option<(&'static str, String)> {
        let told = |key, problem: &str| Some((key, problem.to_owned()));
        match (self.command.first(), self.url.is_empty()) {
            (None, true) => return told("command", "is missing, and so is url: there is no server"),
            (Some(_), false) => return told("url", "stands beside command; a server is one of the two"),
            (Some(program), true) if !program.starts_with('/') => {
                return told("command", "begins with something other than the whole path of a program");
            }
            (None, false) => {
                let parsed = if self.tls { Url::parse(&self.url) } else { Url::parse_any(&self.url) };
                if let Err(problem) = parsed {
                    return Some(("url", problem));
                }
            }
            (Some(_), true) => {}
        }
        if self.allow.is_empty() {
            return told(
                "allow",
                "names no tool, so that none is offered; allowed: names of tools, or [\"*\"]",
            );
        }
        if self.env.iter().any(|line| line.split_once('=').is_none_or(|(name, _)| name.is_empty())) {
            return told("env", "holds something that is no NAME=value");
        }
        match (self.command.is_empty(), self.secret_file.is_empty(), self.secret_env.is_empty()) {
            (true, _, false) => told("secret_env", "stands beside url; the secret goes into the header"),
            (false, false, true) => {
                told("secret_env", "is missing: in which variable does the program get it?")
            }
            (_, true, false) => told("secret_file", "is missing, from which secret_env is read"),
            _ => None,
        }
    }

    /// Whether a tool of the server's is offered.
    pub(super) fn allows(&self, name: &str) -> bool {
        self.allow.iter().any(|allowed| allowed == "*" || allowed == name)
    }
}

/// What `pressel-mcp` knows of its servers: a line on its socket.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Listing {
    /// By name.
    pub servers: Vec<Server>,
}

impl Listing {
    /// A server of which nothing is known yet, since `pressel-mcp` was started again, keeps the tools it had: calls wait
    /// for it there.
    pub(super) fn after(mut self, before: &Listing) -> Self {
        for server in self.servers.iter_mut().filter(|one| one.state != State::Up && one.tools.is_empty()) {
            let former = before.servers.iter().find(|one| one.name == server.name);
            server.tools = former.map(|one| one.tools.clone()).unwrap_or_default();
        }
        self
    }

    /// Without servers of which another has taken the name since: what those had is nobody's.
    pub(super) fn of_the_same(mut self, before: &[Tool], now: &[Tool]) -> Self {
        self.servers.retain(|server| keys_of(before, &server.name) == keys_of(now, &server.name));
        self
    }
}

/// How the server of this name is reached.
fn keys_of<'a>(shelf: &'a [Tool], name: &str) -> Option<&'a Keys> {
    shelf.iter().find_map(|tool| match &tool.way {
        Way::Server(keys) if tool.head.name == name => Some(&**keys),
        _ => None,
    })
}

/// One server, as it is now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Server {
    /// Name of its file.
    pub name: String,
    /// Whether it can be asked.
    pub state: State,
    /// Why it cannot.
    #[serde(default)]
    pub why: String,
    /// What it listed last.
    pub tools: Vec<Listed>,
}

/// How a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It has not said yet what it has.
    Starting,
    /// It can be asked.
    Up,
    /// It is not there; it is tried again.
    Down,
}

/// A tool in the server's own words. Of one that its file does not allow, the name alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Listed {
    /// What the server calls it.
    pub name: String,
    /// What it does.
    #[serde(default)]
    pub description: String,
    /// JSON Schema of its arguments.
    #[serde(default)]
    pub schema: Value,
}

/// A tool of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// The server's name.
    pub server: String,
    /// What the server calls the tool.
    pub tool: String,
    /// How its arguments get their own names and types back.
    pub mends: Vec<Mend>,
}

/// What is offered of what was listed.
#[derive(Debug, Default)]
pub struct Offer {
    /// Tools like any others.
    pub tools: Vec<Tool>,
    /// What became of the rest: server, and a sentence.
    pub notes: Vec<(String, String)>,
}

/// The tools of a shelf's servers. It depends on shelf and listing alone, so that a restart gives the same names.
pub fn offer(shelf: &[Tool], listing: &Listing) -> Offer {
    let mut offer = Offer::default();
    let own = |tool: &&Tool| !matches!(tool.way, Way::Server(_));
    let taken: BTreeSet<&str> = shelf.iter().filter(own).map(|tool| tool.head.name.as_str()).collect();
    let mut wanted: BTreeMap<String, Vec<(&Tool, &Keys, &Listed)>> = BTreeMap::new();
    for file in shelf {
        let Way::Server(keys) = &file.way else { continue };
        let Some(server) = listing.servers.iter().find(|server| server.name == file.head.name) else {
            continue;
        };
        for listed in server.tools.iter().filter(|listed| keys.allows(&listed.name)) {
            wanted.entry(plain_name(&listed.name)).or_default().push((file, keys, listed));
        }
        offer.notes.extend(lacks(keys, server).map(|note| (server.name.clone(), note)));
    }
    let mut names: BTreeSet<String> = taken.iter().map(|&name| name.to_owned()).collect();
    for (plain, claims) in wanted {
        let contested = claims.len() > 1 || taken.contains(plain.as_str());
        for (file, keys, listed) in claims {
            let server = &file.head.name;
            let name = if contested { format!("{server}_{plain}") } else { plain.clone() };
            let mut note = |text: String| offer.notes.push((server.clone(), text));
            let shown = clean(&listed.name, 64);
            if !is_name(&name) || names.contains(&name) {
                note(format!("{shown} is not offered: {name} is too long or taken"));
                continue;
            }
            if names.len() == TOOLS_MAX {
                note(format!("{shown} is not offered: it is one tool too many; allowed: {TOOLS_MAX}"));
                continue;
            }
            match tool(file, keys, listed, &name) {
                Ok((tool, notes)) => {
                    if name != listed.name {
                        note(format!("{shown} is {name} to the model"));
                    }
                    notes.into_iter().for_each(|text| note(format!("{name}: {text}")));
                    names.insert(name);
                    offer.tools.push(tool);
                }
                Err(problem) => note(format!("{shown} is not offered: {problem}")),
            }
        }
    }
    offer.tools.sort_by(|a, b| a.head.name.cmp(&b.head.name));
    offer
}

/// Names that a file allows and a server does not have, and those that it has beside them.
fn lacks(keys: &Keys, server: &Server) -> impl Iterator<Item = String> {
    let up = server.state == State::Up;
    let has = |name: &String| server.tools.iter().any(|listed| listed.name == *name);
    let missing: Vec<&String> = keys.allow.iter().filter(|name| up && *name != "*" && !has(name)).collect();
    let others = server.tools.iter().filter(|listed| !keys.allows(&listed.name));
    let others: Vec<String> = others.map(|listed| clean(&listed.name, 64)).collect();
    let missing = missing.into_iter().map(|name| format!("it has no tool \"{name}\", which allow names"));
    let missing: Vec<String> = missing.collect();
    let others = (!others.is_empty()).then(|| format!("not allowed: {}", others.join(", ")));
    missing.into_iter().chain(others)
}

fn tool(file: &Tool, keys: &Keys, listed: &Listed, name: &str) -> Result<(Tool, Vec<String>), String> {
    let loose = Schema::loosen(&listed.schema)?;
    let words = format!("{} {}", file.head.description, listed.description);
    let description = clean(&words, DESCRIPTION_MAX);
    let description = if description.is_empty() { name.to_owned() } else { description };
    let spared = !keys.confirm_for.is_empty() && !keys.confirm_for.contains(&listed.name);
    let head = Head {
        name: name.to_owned(),
        description,
        confirm: if spared { Confirm::Never } else { file.head.confirm },
        ..file.head.clone()
    };
    let remote = Remote { server: file.head.name.clone(), tool: listed.name.clone(), mends: loose.mends };
    let way = Way::Mcp(Box::new(remote));
    Ok((Tool { file: file.file.clone(), head, parameters: loose.schema, test: None, way }, loose.notes))
}

impl Remote {
    /// Arguments that fit, as the server knows them.
    ///
    /// # Errors
    /// A sentence for the model.
    fn arguments(
        &self,
        parameters: &Schema,
        mut args: Map<String, Value>,
    ) -> Result<Map<String, Value>, String> {
        // "Not given" and null are one thing to models; a server that asks for null must be told.
        for member in parameters.members().iter().filter(|member| member.required && member.schema.nullable) {
            args.entry(member.name.clone()).or_insert(Value::Null);
        }
        for mend in &self.mends {
            let Some(value) = args.remove(&mend.declared) else { continue };
            let value = match (mend.json, value) {
                (true, Value::String(text)) => serde_json::from_str(&text)
                    .map_err(|_| format!("wrong arguments: {} is not JSON", mend.declared))?,
                (_, value) => value,
            };
            args.insert(mend.original.clone(), value);
        }
        Ok(args)
    }

    /// Makes a call.
    pub(super) async fn run(&self, helper: &Helper, tool: &Tool, args: Map<String, Value>) -> Outcome {
        let args = self.arguments(&tool.parameters, args)?;
        helper.call(&self.server, &self.tool, args, tool.timeout()).await
    }
}

#[cfg(test)]
mod tests;
