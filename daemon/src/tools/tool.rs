//! One tool: what its file says, checked.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::builtin::Builtin;
use super::gpio::Contact;
use super::http::Ask;
use super::mcp;
use super::schema::Schema;
use super::template::Template;
use crate::config::rule::{LIST, NAME, Rule, SWITCH, TEXT, whole, whole_or};
use crate::config::{Special, table, words};

/// A tool as the model sees it and as the device runs it.
#[derive(Clone, Debug)]
pub struct Tool {
    /// The file it stands in.
    pub file: PathBuf,
    /// Everything that does not depend on what it does.
    pub head: Head,
    /// What it may be called with.
    pub parameters: Schema,
    /// Arguments of its test call.
    pub test: Option<Map<String, Value>>,
    /// What it does.
    pub way: Way,
}

/// What a tool does.
#[derive(Clone, Debug)]
pub enum Way {
    /// Runs a program.
    Command(Command, Vec<Template>),
    /// Asks a web service.
    Http(Box<Ask>),
    /// Switches or reads a line of this device.
    Gpio(Box<Contact>),
    /// Stands for the tools of an MCP server.
    Server(Box<mcp::Keys>),
    /// Asks an MCP server.
    Mcp(Box<mcp::Remote>),
    /// Something that the device itself can do.
    Builtin(Builtin),
}

words! {
    /// The gesture without which a tool is not run.
    Confirm {
        /// None.
        Never = "never",
        /// A double press.
        Button = "button",
        /// The button held for two seconds.
        Hold = "hold",
    }
}

words! {
    /// What becomes of a call that nobody waits for any more.
    OnCancel {
        /// It is ended at once, with everything it started.
        Kill = "kill",
        /// It ends by itself; nothing is sent for it.
        Finish = "finish",
    }
}

words! {
    /// What the call log keeps of the arguments.
    Kept {
        /// Their SHA-256.
        Hash = "hash",
        /// The arguments.
        Values = "values",
    }
}

table! {
    /// Keys before the first table of a tool's file.
    Head {
        /// What the model calls it by.
        name: String = "", Rule::Text { empty: false, check: Some(tool_name) };
        /// What it does and when to call it, for the model.
        description: String = "", NAME;
        /// What the device itself can do, instead of a table that says it.
        builtin: String = "", Rule::Text { empty: true, check: Some(builtin) };
        /// Whether it is offered at all.
        on: bool = true, SWITCH;
        /// The gesture without which it is not run.
        confirm: Confirm = Confirm::Never, Rule::Words(Confirm::WORDS);
        /// The question that is asked for it, with places for arguments.
        ask: String = "", TEXT;
        /// What becomes of a call that nobody waits for any more.
        on_cancel: OnCancel = OnCancel::Kill, Rule::Words(OnCancel::WORDS);
        /// A call that takes longer has failed.
        timeout_s: u32 = 20u32, whole(1, 600);
        /// Calls in any 60 s.
        per_minute_max: u32 = 20u32, whole_or(1, 1000, Special::Zero("any number"));
        /// Calls in a day.
        per_day_max: u32 = 0u32, whole_or(1, 100_000, Special::Zero("any number"));
        /// Who is offered it: words of `[tools] role`; empty = everybody.
        roles: Vec<String> = [], LIST;
        /// What the call log keeps of the arguments.
        logged: Kept = Kept::Hash, Rule::Words(Kept::WORDS);
    }
}

words! {
    /// How a program gets the arguments, besides its argv.
    Stdin {
        /// Not at all: end of file.
        Nothing = "nothing",
        /// As one JSON object.
        Json = "json",
    }
}

words! {
    /// What a program prints.
    Output {
        /// Words for the model.
        Text = "text",
        /// A JSON object for the model.
        Json = "json",
    }
}

table! {
    /// `[command]`: a program, run without a shell.
    Command {
        /// The program by its whole path, and its arguments.
        argv: Vec<String> = [], LIST;
        /// What it reads.
        stdin: Stdin = Stdin::Nothing, Rule::Words(Stdin::WORDS);
        /// What it prints.
        output: Output = Output::Text, Rule::Words(Output::WORDS);
        /// Whether it may open connections.
        network: bool = false, SWITCH;
        /// Files and folders it may read, besides programs and libraries.
        read: Vec<String> = [], LIST;
        /// Files and folders it may change.
        write: Vec<String> = [], LIST;
        /// Memory it may use.
        memory_max_mb: u32 = 128u32, whole(8, 1024);
        /// Processor time it may use.
        cpu_max_s: u32 = 10u32, whole(1, 600);
        /// Of what it prints, so much is read; more is an error.
        output_max_kb: u32 = 32u32, whole(1, 1024);
    }
}

words! {
    /// What is done with an address.
    Verb {
        /// Ask.
        Get = "get",
        /// Hand something over.
        Post = "post",
        /// Put something in its place.
        Put = "put",
        /// Remove it.
        Delete = "delete",
    }
}

table! {
    /// `[http]`: one request to a web service.
    Http {
        /// What is done with the address.
        method: Verb = Verb::Get, Rule::Words(Verb::WORDS);
        /// `https://host/path?query`, with places for arguments behind the host.
        url: String = "", NAME;
        /// `Name: value`.
        headers: Vec<String> = [], LIST;
        /// File, or name of a systemd credential, with what goes into a header; empty = none.
        secret_file: String = "", TEXT;
        /// The header.
        secret_header: String = "Authorization", NAME;
        /// What stands before it there; `auto` = "Bearer " in Authorization, and nothing elsewhere.
        secret_prefix: String = "auto", TEXT;
        /// JSON pointer to the part of the answer that the model gets; empty = all of it.
        extract: String = "", TEXT;
        /// Whether addresses of this machine and its neighbours may be asked.
        private: bool = false, SWITCH;
        /// false: unencrypted, for devices in the same house.
        tls: bool = true, SWITCH;
        /// A longer answer is an error.
        answer_max_kb: u32 = 64u32, whole(1, 1024);
    }
}

impl Tool {
    /// The function declaration. `behavior` is the model profile's to set.
    pub fn declare(&self) -> Value {
        let mut declared = json!({ "name": self.head.name, "description": self.head.description });
        // An object without properties is refused by some models; no `parameters` is taken by all.
        if !self.parameters.members().is_empty() {
            declared["parameters"] = self.parameters.declare();
        }
        declared
    }

    /// Whether it goes on to its end when nobody waits any more, and reports it: not where a person has to agree, whose
    /// consent is for one call.
    pub fn finishes(&self) -> bool {
        self.head.on_cancel == OnCancel::Finish && self.head.confirm == Confirm::Never
    }

    /// Its line, if it switches or reads one.
    pub fn contact(&self) -> Option<&Contact> {
        match &self.way {
            Way::Gpio(contact) => Some(contact),
            _ => None,
        }
    }

    /// A call that takes longer has failed.
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.head.timeout_s.into())
    }

    /// Whether somebody in this role is offered it.
    pub fn is_for(&self, role: &str) -> bool {
        self.head.on && (self.head.roles.is_empty() || self.head.roles.iter().any(|one| one == role))
    }
}

fn builtin(word: &str) -> Result<(), String> {
    match Builtin::of(word) {
        Some(_) => Ok(()),
        None => Err(format!("is not built in; allowed: {}", Rule::Words(Builtin::WORDS))),
    }
}

fn tool_name(name: &str) -> Result<(), String> {
    if super::schema::is_name(name) {
        Ok(())
    } else {
        Err("is no name; allowed: letters, digits and _, not a digit first, 64 at most".to_owned())
    }
}
