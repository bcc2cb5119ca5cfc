//! What a tool does: the table of its file that says so, `[command]`, `[http]` with its `[body]`, `[gpio]`,
//! `[home_assistant]` with its `[data]` or `[mcp]`, or the key `builtin`.

use std::collections::BTreeMap;

use serde_json::Value;
use toml::de::DeTable;

use super::{Reader, WAYS, in_order, plain_table};
use crate::config::Table;
use crate::tools::builtin::Builtin;
use crate::tools::gpio::{Contact, Gpio};
use crate::tools::home_assistant::{self, HomeAssistant};
use crate::tools::http::Ask;
use crate::tools::mcp;
use crate::tools::schema::Schema;
use crate::tools::template::Template;
use crate::tools::tool::{Command, Head, Http, Way};

impl Reader<'_> {
    /// Which one a file offers, with its own words where the file has none.
    pub(super) fn builtin(
        &mut self,
        head: &mut Head,
        tables: &BTreeMap<&str, (usize, &DeTable<'_>)>,
    ) -> Option<Builtin> {
        let builtin = Builtin::of(&head.builtin)?;
        for text in WAYS.iter().chain(&["parameters"]) {
            if let Some((at, _)) = tables.get(text) {
                let problem = format!("stands beside builtin = \"{builtin}\", which says all of it");
                self.at(Some(*at), &format!("[{text}]"), problem);
            }
        }
        if head.name.is_empty() {
            builtin.word().clone_into(&mut head.name);
        }
        if head.description.is_empty() {
            builtin.description().clone_into(&mut head.description);
        }
        Some(builtin)
    }

    pub(super) fn command(
        &mut self,
        at: usize,
        table: &DeTable<'_>,
        parameters: Option<&Schema>,
    ) -> Option<Way> {
        let mut command = Command::default();
        for (key, value) in in_order(table) {
            self.set(&mut command, "command", key, value);
        }
        let key = "[command] argv";
        let at =
            table.iter().find(|(key, _)| key.get_ref() == "argv").map_or(at, |(key, _)| key.span().start);
        match command.argv.first() {
            None => self.at(Some(at), key, "names no program"),
            Some(program) if !program.starts_with('/') || program.contains(['{', '}']) => {
                self.at(Some(at), key, "begins with something other than the whole path of a program");
            }
            Some(_) => {}
        }
        for (key, paths) in [("read", &command.read), ("write", &command.write)] {
            for path in paths.iter().filter(|path| !path.starts_with('/')) {
                let problem = format!("holds \"{path}\", which is no whole path");
                self.at(Some(at), &format!("[command] {key}"), problem);
            }
        }
        let mut templates = Vec::new();
        for element in &command.argv {
            match Template::parse(element) {
                Ok(template) => templates.push(template),
                Err(problem) => self.at(Some(at), key, format!("\"{element}\" {problem}")),
            }
        }
        let places: Vec<(String, bool)> =
            templates.iter().flat_map(Template::arguments).map(|(n, o)| (n.to_owned(), o)).collect();
        self.arguments(at, key, &places, parameters?);
        Some(Way::Command(command, templates))
    }

    pub(super) fn http(
        &mut self,
        at: usize,
        table: &DeTable<'_>,
        body: Option<&Value>,
        parameters: Option<&Schema>,
    ) -> Option<Way> {
        let keys: Http = self.keys("http", table)?;
        match Ask::new(keys, body) {
            Ok(ask) => {
                self.arguments(at, "[http]", &ask.arguments(), parameters?);
                Some(Way::Http(Box::new(ask)))
            }
            Err((key, problem)) => self.at_key(at, table, "http", key, problem),
        }
    }

    pub(super) fn home_assistant(
        &mut self,
        at: usize,
        table: &DeTable<'_>,
        data: Option<&DeTable<'_>>,
        parameters: Option<&Schema>,
    ) -> Option<Way> {
        let name = "home_assistant";
        let keys: HomeAssistant = self.keys(name, table)?;
        match home_assistant::ask(keys, data.map(plain_table), parameters?) {
            Ok(ask) => {
                self.arguments(at, "[home_assistant]", &ask.arguments(), parameters?);
                Some(Way::Http(Box::new(ask)))
            }
            Err((key, problem)) => self.at_key(at, table, name, key, problem),
        }
    }

    pub(super) fn gpio(
        &mut self,
        at: usize,
        table: &DeTable<'_>,
        attended: bool,
        parameters: Option<&Schema>,
    ) -> Option<Way> {
        let keys: Gpio = self.keys("gpio", table)?;
        match Contact::new(keys, attended, parameters?) {
            Ok(contact) => Some(Way::Gpio(Box::new(contact))),
            Err((key, problem)) => self.at_key(at, table, "gpio", key, problem),
        }
    }

    pub(super) fn server(
        &mut self,
        at: usize,
        table: &DeTable<'_>,
        tables: &BTreeMap<&str, (usize, &DeTable<'_>)>,
    ) -> Option<Way> {
        for other in ["parameters", "test"] {
            if let Some((at, _)) = tables.get(other) {
                let problem = "stands beside [mcp], whose tools have their own";
                self.at(Some(*at), &format!("[{other}]"), problem);
            }
        }
        let keys: mcp::Keys = self.keys("mcp", table)?;
        match keys.mistake() {
            None => Some(Way::Server(Box::new(keys))),
            Some((key, problem)) => self.at_key(at, table, "mcp", key, problem),
        }
    }

    /// The keys of a table, where all of them are good.
    fn keys<T: Table + Default>(&mut self, name: &str, table: &DeTable<'_>) -> Option<T> {
        let mut keys = T::default();
        let before = self.mistakes.len();
        for (key, value) in in_order(table) {
            self.set(&mut keys, name, key, value);
        }
        (self.mistakes.len() == before).then_some(keys)
    }

    /// A key of a table that does not go together with the others: nothing comes of it.
    fn at_key(
        &mut self,
        at: usize,
        table: &DeTable<'_>,
        name: &str,
        key: &str,
        problem: String,
    ) -> Option<Way> {
        let entry = table.iter().find(|(found, _)| found.get_ref() == key);
        let at = entry.map_or(at, |(found, _)| found.span().start);
        self.at(Some(at), &format!("[{name}] {key}"), problem);
        None
    }
}
