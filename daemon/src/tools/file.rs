//! From a folder of tool files to tools. A bad file is named with its line, and the others still load.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::http::Ask;
use super::schema::Schema;
use super::template::Template;
use super::tool::{Command, Head, Http, Tool, Way};
use crate::config::{Found, Mistake, Page, Place, Table, read_text, unknown};

/// Files beyond this are some other files.
const SIZE_MAX: u64 = 64 * 1024;
/// More tools than this no model tells apart.
const TOOLS_MAX: usize = 64;
const TABLES: [&str; 5] = ["command", "http", "body", "parameters", "test"];

/// What a folder holds.
#[derive(Debug, Default)]
pub struct Shelf {
    /// By name.
    pub tools: Vec<Tool>,
    /// What is wrong with the others.
    pub mistakes: Vec<Mistake>,
}

/// Reads every `*.toml` of a folder, by name. A folder that is not there holds nothing.
pub fn read_folder(folder: &Path) -> Shelf {
    let mut shelf = Shelf::default();
    let paths = match crate::config::toml_files(folder) {
        Ok(paths) => paths,
        Err(mistake) => {
            shelf.mistakes.push(*mistake);
            return shelf;
        }
    };
    for path in paths {
        match read_file(&path) {
            Ok(tool) => shelf.add(tool),
            Err(mistakes) => shelf.mistakes.extend(mistakes),
        }
    }
    shelf.tools.sort_by(|a, b| a.head.name.cmp(&b.head.name));
    shelf
}

impl Shelf {
    fn add(&mut self, tool: Tool) {
        let problem = if let Some(other) = self.tools.iter().find(|other| other.head.name == tool.head.name) {
            format!("is the name of another tool, in {}", other.file.display())
        } else if self.tools.len() == TOOLS_MAX {
            format!("is one tool too many; allowed: {TOOLS_MAX}")
        } else {
            return self.tools.push(tool);
        };
        self.mistakes.push(Mistake {
            place: Place::File(tool.file, 0),
            key: "name".into(),
            found: crate::config::quoted(&tool.head.name),
            problem,
            allowed: String::new(),
        });
    }
}

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
        for (key, text) in [("name", &head.name), ("description", &head.description)] {
            let spoken_of = |mistake: &Mistake| mistake.key == key;
            if text.is_empty() && !self.mistakes.iter().any(spoken_of) {
                self.at(None, key, "is missing");
            }
        }
        let parameters =
            tables.get("parameters").map_or_else(|| Some(Schema::nothing()), |(at, t)| self.schema(*at, t));
        let test = tables.get("test").map(|(at, table)| (*at, plain_table(table)));
        let test = test.map(|(at, args)| self.test(at, args, parameters.as_ref()));
        let way = match (tables.get("command"), tables.get("http")) {
            (Some((at, table)), None) => self.command(*at, table, parameters.as_ref()),
            (None, Some((at, table))) => {
                let body = tables.get("body").map(|(_, table)| Value::Object(plain_table(table)));
                self.http(*at, table, body.as_ref(), parameters.as_ref())
            }
            (None, None) => {
                self.at(None, "", "does nothing; there is neither [command] nor [http]");
                None
            }
            (Some(_), Some((at, _))) => {
                self.at(Some(*at), "[http]", "stands beside [command]; a tool does one thing");
                None
            }
        };
        if let (Some((at, _)), None) = (tables.get("body"), tables.get("http")) {
            self.at(Some(*at), "[body]", "belongs to [http], and there is none");
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

    fn command(&mut self, at: usize, table: &DeTable<'_>, parameters: Option<&Schema>) -> Option<Way> {
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

    fn http(
        &mut self,
        at: usize,
        table: &DeTable<'_>,
        body: Option<&Value>,
        parameters: Option<&Schema>,
    ) -> Option<Way> {
        let mut keys = Http::default();
        let before = self.mistakes.len();
        for (key, value) in in_order(table) {
            self.set(&mut keys, "http", key, value);
        }
        if self.mistakes.len() > before {
            return None;
        }
        match Ask::new(keys, body) {
            Ok(ask) => {
                self.arguments(at, "[http]", &ask.arguments(), parameters?);
                Some(Way::Http(Box::new(ask)))
            }
            Err((key, problem)) => {
                let entry = table.iter().find(|(found, _)| found.get_ref() == key);
                let at = entry.map_or(at, |(found, _)| found.span().start);
                self.at(Some(at), &format!("[http] {key}"), problem);
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
