//! From a file to a tool, with every mistake named by its line. What the tool does is in `way`.

mod way;

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::schema::Schema;
use super::template::Template;
use super::tool::{Confirm, Head, OnCancel, Tool, Way};
use crate::config::{Found, Mistake, Page, Place, Table, read_text, unknown};

/// Files beyond this are some other files.
const SIZE_MAX: u64 = 64 * 1024;
const TABLES: [&str; 9] =
    ["command", "http", "body", "gpio", "home_assistant", "data", "mcp", "parameters", "test"];
/// Those that say what a tool does; there is one of them.
const WAYS: [&str; 5] = ["command", "http", "gpio", "home_assistant", "mcp"];
/// Those that belong to one of these.
const PARTS: [(&str, &str); 2] = [("body", "http"), ("data", "home_assistant")];

/// Reads one tool.
///
/// # Errors
/// Every mistake in it.
pub fn read_file(path: &Path) -> Result<Tool, Vec<Mistake>> {
    match std::fs::metadata(path) {
        Ok(facts) if facts.len() > SIZE_MAX => {
            let problem = format!("is far too long for a tool; allowed: {SIZE_MAX} bytes");
            return Err(vec![Mistake::file(path, problem)]);
        }
        _ => {}
    }
    match read_text(path) {
        Ok(Some(text)) => read(path, &text),
        Ok(None) => Err(vec![Mistake::file(path, "there is no such file")]),
        Err(mistake) => Err(vec![*mistake]),
    }
}

fn read(path: &Path, text: &str) -> Result<Tool, Vec<Mistake>> {
    let mut reader = Reader { page: Page::new(path, text), mistakes: Vec::new() };
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        reader.at(error.span().map(|span| span.start), "", error.message().replace('\n', ", "));
    }
    if !reader.mistakes.is_empty() {
        return Err(reader.mistakes); // what recovery made of a broken file is a guess
    }
    let tool = reader.tool(path, document.get_ref());
    if reader.mistakes.is_empty() {
        Ok(tool.expect("without it there is a mistake"))
    } else {
        Err(reader.mistakes)
    }
}

/// Where a key of a file that was read stands; `table`: empty for what is before the first.
pub(super) fn place(path: &Path, table: &str, key: &str) -> Place {
    let text = read_text(path).ok().flatten().unwrap_or_default();
    let (document, _) = DeTable::parse_recoverable(&text);
    let root = document.get_ref();
    let table = match table {
        "" => Some(root),
        name => root.get(name).and_then(|table| table.get_ref().as_table()),
    };
    let entry = table.and_then(|table| table.iter().find(|(found, _)| found.get_ref() == key));
    Page::new(path, &text).place(entry.map(|(found, _)| found.span().start))
}

struct Reader<'a> {
    page: Page<'a>,
    mistakes: Vec<Mistake>,
}

impl Reader<'_> {
    fn at(&mut self, offset: Option<usize>, key: &str, problem: impl Into<String>) {
        self.mistakes.push(Mistake {
            place: self.page.place(offset),
            key: key.to_owned(),
            found: String::new(),
            problem: problem.into(),
            allowed: String::new(),
        });
    }

    fn tool(&mut self, path: &Path, document: &DeTable<'_>) -> Option<Tool> {
        let mut head = Head::default();
        let mut tables: BTreeMap<&str, (usize, &DeTable<'_>)> = BTreeMap::new();
        for (name, value) in in_order(document) {
            match value.get_ref() {
                DeValue::Table(table) if TABLES.contains(&name.get_ref().as_ref()) => {
                    tables.insert(name.get_ref().as_ref(), (name.span().start, table));
                }
                DeValue::Table(_) => {
                    let problem = unknown("table", name.get_ref(), &TABLES);
                    self.at(Some(name.span().start), &format!("[{}]", name.get_ref()), problem);
                }
                _ => self.set(&mut head, "", name, value),
            }
        }
        let builtin = self.builtin(&mut head, &tables);
        for (key, text) in [("name", &head.name), ("description", &head.description)] {
            let spoken_of = |mistake: &Mistake| mistake.key == key;
            // Tools of a server have descriptions of their own.
            let needed = key == "name" || !tables.contains_key("mcp");
            if text.is_empty() && needed && !self.mistakes.iter().any(spoken_of) {
                self.at(None, key, "is missing");
            }
        }
        let parameters = match (builtin, tables.get("parameters")) {
            (Some(builtin), _) => Some(builtin.parameters()),
            (None, None) => Some(Schema::nothing()),
            (None, Some((at, table))) => self.schema(*at, table),
        };
        if head.confirm != Confirm::Never {
            self.question(&head, document, parameters.as_ref());
        }
        let test = tables.get("test").map(|(at, table)| (*at, plain_table(table)));
        let test = test.map(|(at, args)| self.test(at, args, parameters.as_ref()));
        let gpio = tables.contains_key("gpio");
        if gpio && !document.iter().any(|(key, _)| key.get_ref() == "on_cancel") {
            head.on_cancel = OnCancel::Finish; // a valve is never stopped half-way
        }
        let named: Vec<_> = WAYS.iter().filter_map(|way| Some((*way, *tables.get(way)?))).collect();
        let way = match named.as_slice() {
            [] if builtin.is_some() => builtin.map(Way::Builtin),
            [] => {
                self.at(None, "", format!("does nothing; there is none of {}, builtin", bracketed(&WAYS)));
                None
            }
            [("command", (at, table))] => self.command(*at, table, parameters.as_ref()),
            [("gpio", (at, table))] => {
                self.gpio(*at, table, head.on_cancel == OnCancel::Kill, parameters.as_ref())
            }
            [("mcp", (at, table))] => self.server(*at, table, &tables),
            [("home_assistant", (at, table))] => {
                let data = tables.get("data").map(|(_, table)| *table);
                self.home_assistant(*at, table, data, parameters.as_ref())
            }
            [(_, (at, table))] => {
                let body = tables.get("body").map(|(_, table)| Value::Object(plain_table(table)));
                self.http(*at, table, body.as_ref(), parameters.as_ref())
            }
            [(first, _), (second, (at, _)), ..] => {
                self.at(
                    Some(*at),
                    &format!("[{second}]"),
                    format!("stands beside [{first}]; a tool does one thing"),
                );
                None
            }
        };
        for (part, whole) in PARTS {
            if let (Some((at, _)), None) = (tables.get(part), tables.get(whole)) {
                self.at(Some(*at), &format!("[{part}]"), format!("belongs to [{whole}], and there is none"));
            }
        }
        Some(Tool { file: path.to_owned(), head, parameters: parameters?, test: test.flatten(), way: way? })
    }

    fn set(
        &mut self,
        table: &mut dyn Table,
        name: &str,
        key: &Spanned<std::borrow::Cow<'_, str>>,
        value: &Spanned<DeValue<'_>>,
    ) {
        let shown =
            if name.is_empty() { key.get_ref().to_string() } else { format!("[{name}] {}", key.get_ref()) };
        let Some(known) = table.keys().iter().find(|known| known.name == key.get_ref()) else {
            let names: Vec<&str> = table.keys().iter().map(|known| known.name).collect();
            return self.at(Some(key.span().start), &shown, unknown("key", key.get_ref(), &names));
        };
        let found = Found::in_toml(value.get_ref());
        if let Err(refused) = table.set(known.name, &found) {
            let place = self.page.place(Some(key.span().start));
            let (found, problem, allowed) = (found.to_string(), refused.problem, refused.allowed);
            self.mistakes.push(Mistake { place, key: shown, found, problem, allowed });
        }
    }

    /// What a person is asked has words, and every place in it an argument that is always there.
    fn question(&mut self, head: &Head, document: &DeTable<'_>, parameters: Option<&Schema>) {
        let entry = document.iter().find(|(key, _)| key.get_ref() == "ask");
        let at = entry.map(|(key, _)| key.span().start);
        if head.ask.trim().is_empty() {
            let confirm = head.confirm.word();
            let problem = format!(
                "is missing; confirm = \"{confirm}\" needs a question, such as \"Shall I open the gate?\""
            );
            return self.at(at, "ask", problem);
        }
        let places = match Template::parse(&head.ask) {
            Ok(template) => template.arguments().map(|(n, o)| (n.to_owned(), o)).collect::<Vec<_>>(),
            Err(problem) => return self.at(at, "ask", problem),
        };
        if let Some((name, _)) = places.iter().find(|(_, optional)| *optional) {
            return self.at(at, "ask", format!("has {{{name}?}}; a question needs what is always there"));
        }
        if let Some(parameters) = parameters {
            self.arguments(at.unwrap_or_default(), "ask", &places, parameters);
        }
    }

    fn schema(&mut self, at: usize, table: &DeTable<'_>) -> Option<Schema> {
        let json = Value::Object(plain_table(table));
        match Schema::read(&json) {
            Ok(schema) => Some(schema),
            Err(flaws) => {
                for flaw in flaws {
                    let (offset, key) = locate(table, &flaw.pointer, at);
                    self.at(Some(offset), &key, flaw.problem);
                }
                None
            }
        }
    }

    fn test(
        &mut self,
        at: usize,
        args: Map<String, Value>,
        parameters: Option<&Schema>,
    ) -> Option<Map<String, Value>> {
        match parameters?.fit(args) {
            Ok(args) => Some(args),
            Err(problem) => {
                self.at(Some(at), "[test]", problem);
                None
            }
        }
    }

    /// Every place of a template is an argument, and one that may be missing is marked so.
    fn arguments(&mut self, at: usize, key: &str, places: &[(String, bool)], parameters: &Schema) {
        for (name, optional) in places {
            let problem = match parameters.members().iter().find(|member| member.name == *name) {
                None => {
                    let names: Vec<&str> =
                        parameters.members().iter().map(|member| member.name.as_str()).collect();
                    unknown("parameter", name, &names)
                }
                Some(member) if !*optional && (!member.required || member.schema.nullable) => {
                    format!("{{{name}}} may be missing: write {{{name}?}} or make {name} required")
                }
                Some(_) => continue,
            };
            self.at(Some(at), key, problem);
        }
    }
}

fn bracketed(names: &[&str]) -> String {
    names.iter().map(|name| format!("[{name}]")).collect::<Vec<_>>().join(", ")
}

fn in_order<'a, 'i>(
    table: &'a DeTable<'i>,
) -> Vec<(&'a Spanned<std::borrow::Cow<'i, str>>, &'a Spanned<DeValue<'i>>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

fn plain_table(table: &DeTable<'_>) -> Map<String, Value> {
    table.iter().map(|(key, value)| (key.get_ref().to_string(), plain(value.get_ref()))).collect()
}

fn plain(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::Table(table) => Value::Object(plain_table(table)),
        DeValue::Array(list) => list.iter().map(|item| plain(item.get_ref())).collect(),
        other => match Found::in_toml(other) {
            Found::Text(text) => text.into(),
            Found::Whole(number) => number.into(),
            Found::Real(number) => number.into(),
            Found::Bool(yes) => yes.into(),
            Found::List(_) | Found::Other(_) => Value::Null,
        },
    }
}

/// Where a flaw stands: as far down as the pointer can be followed. And what it is called.
fn locate(table: &DeTable<'_>, pointer: &str, at: usize) -> (usize, String) {
    let mut at = at;
    let mut table = Some(table);
    let mut path = vec!["parameters"];
    let mut last = None;
    for step in pointer.split('/').skip(1) {
        let entry = table.and_then(|table| table.iter().find(|(key, _)| key.get_ref() == step));
        if let Some((key, value)) = entry {
            at = key.span().start;
            table = value.get_ref().as_table();
        }
        path.extend(last.replace(step));
    }
    (at, format!("[{}] {}", path.join("."), last.unwrap_or_default()).trim_end().to_owned())
}

#[cfg(test)]
mod tests;
