//! A schema of somebody else's, in the words that every model takes.
//!
//! MCP servers write whole JSON Schema: references, alternatives, maps. What the Live API does not know would close the
//! link (1007), so it is said otherwise, loosened or left out here, each with a note for `pressel tools check`. Nothing is
//! lost by a loosened bound: the server holds the arguments against its own schema.

use std::collections::BTreeSet;

use regex_lite::Regex;
use serde_json::{Map, Value, json};

use super::Schema;
use super::read::{DEPTH_MAX, MEMBERS_MAX, is_name};

/// Of a description, so many letters.
const DESCRIPTION_MAX: usize = 300;
/// A declaration beyond this is no tool for a voice.
const BYTES_MAX: usize = 16 * 1024;
/// Words that say nothing about what is allowed.
const SILENT: [&str; 12] = [
    "$schema",
    "$id",
    "$defs",
    "definitions",
    "$comment",
    "title",
    "example",
    "examples",
    "default",
    "deprecated",
    "readOnly",
    "additionalProperties",
];

/// What became of a foreign schema.
#[derive(Clone, Debug)]
pub struct Loosened {
    /// What the model is told.
    pub schema: Schema,
    /// How arguments get their own names and types back.
    pub mends: Vec<Mend>,
    /// What was loosened or left out, a sentence each.
    pub notes: Vec<String>,
}

/// An argument that the model knows by another name or as a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mend {
    /// What the model calls it.
    pub declared: String,
    /// What the server calls it.
    pub original: String,
    /// The text is JSON.
    pub json: bool,
}

impl Schema {
    /// Takes the input schema of a foreign tool.
    ///
    /// # Errors
    /// Why no model can be told of it.
    pub fn loosen(json: &Value) -> Result<Loosened, String> {
        let mut loose = Loosener { root: json, notes: Vec::new() };
        let table = loose.resolved(json, 0).ok_or("its input schema refers to what is not there")?;
        let (properties, required) = parts(&table);
        let (mut declared, mut mends, mut must) = (Map::new(), Vec::new(), Vec::new());
        // Those that must be given first: they are what there has to be room for.
        let (needed, optional): (Vec<_>, Vec<_>) =
            properties.iter().partition(|(name, _)| required.contains(name.as_str()));
        for (name, json) in needed.into_iter().chain(optional) {
            let needed = required.contains(name.as_str());
            if declared.len() == MEMBERS_MAX {
                if needed {
                    return Err(format!("it needs more than {MEMBERS_MAX} arguments"));
                }
                loose.note(name, "left out: one argument too many");
                continue;
            }
            let (schema, as_json) = match loose.schema(name, json, 1) {
                Some(schema) => (schema, false),
                None if needed => {
                    loose.note(name, "no model takes its type: asked for as JSON text");
                    let about = words(json.get("description").and_then(Value::as_str).unwrap_or_default());
                    (
                        as_object(
                            json!({ "type": "string", "description": format!("{about} (as JSON text)").trim() }),
                        ),
                        true,
                    )
                }
                None => {
                    loose.note(name, "left out: no model takes its type");
                    continue;
                }
            };
            let own = own_name(name, &declared);
            if own != *name {
                loose.note(name, &format!("is {own} to the model"));
            }
            if own != *name || as_json {
                mends.push(Mend { declared: own.clone(), original: name.clone(), json: as_json });
            }
            if needed {
                must.push(own.clone());
            }
            declared.insert(own, Value::Object(schema));
        }
        let whole = json!({ "type": "object", "properties": declared, "required": must });
        if whole.to_string().len() > BYTES_MAX {
            return Err(format!("its input schema is longer than {} kB", BYTES_MAX / 1024));
        }
        let schema = Schema::read(&whole)
            .map_err(|flaws| format!("its input schema: {} {}", flaws[0].pointer, flaws[0].problem))?;
        Ok(Loosened { schema, mends, notes: loose.notes })
    }
}

struct Loosener<'a> {
    root: &'a Value,
    notes: Vec<String>,
}

impl Loosener<'_> {
    fn note(&mut self, at: &str, what: &str) {
        self.notes.push(format!("{}: {what}", words(at)));
    }

    /// One value in our own spelling, such that it can be read; `None`: it cannot be said at all.
    fn schema(&mut self, at: &str, json: &Value, depth: usize) -> Option<Map<String, Value>> {
        if depth > DEPTH_MAX {
            return None;
        }
        let mut table = self.resolved(json, depth)?;
        if let Some(one) = self.alternative(at, &mut table, depth) {
            return one;
        }
        let mut out = Map::new();
        let kind = self.kind(at, &table, &mut out)?;
        match kind.as_str() {
            "string" => self.text(at, &table, &mut out),
            "number" | "integer" => self.number(at, &table, kind == "integer", &mut out),
            "boolean" => {}
            "array" => {
                let items = self.schema(&format!("{at}[]"), table.get("items")?, depth + 1)?;
                out.insert("items".into(), items.into());
                self.counts(at, &table, ["minItems", "maxItems"], &mut out);
            }
            "object" => self.object(at, &table, depth, &mut out)?,
            _ => return None,
        }
        out.insert("type".into(), kind.into());
        let about = table.get("description").or_else(|| table.get("title")).and_then(Value::as_str);
        let mut about = words(about.unwrap_or_default());
        if let Some(format) = table.get("format").and_then(Value::as_str).filter(|f| *f != "date-time") {
            about = format!("{about} (format: {})", words(format)).trim().to_owned(); // models take no other as `format`
        }
        if !about.is_empty() {
            out.insert("description".into(), about.into());
        }
        let known =
            ["type", "description", "nullable", "format", "enum", "const", "required", "properties", "items"];
        let said = |key: &String| {
            let name = key.as_str();
            out.contains_key(key)
                || known.contains(&name)
                || SILENT.contains(&name)
                || name.starts_with("exclusive")
        };
        let left: Vec<String> = table.keys().filter(|key| !said(key)).map(|key| words(key)).collect();
        if !left.is_empty() {
            self.note(at, &format!("{} left out", left.join(", ")));
        }
        Some(out)
    }

    /// With references followed and `allOf` made one table.
    fn resolved(&self, json: &Value, depth: usize) -> Option<Map<String, Value>> {
        let mut table = json.as_object()?.clone();
        for step in depth.. {
            let Some(place) = table.remove("$ref") else { break };
            if step > DEPTH_MAX {
                return None; // a circle
            }
            let there = self.root.pointer(place.as_str()?.strip_prefix('#')?)?.as_object()?;
            there.iter().for_each(|(key, value)| {
                table.entry(key.clone()).or_insert_with(|| value.clone());
            });
        }
        if let Some(Value::Array(all)) = table.remove("allOf") {
            if depth >= DEPTH_MAX {
                return None;
            }
            for part in &all {
                for (key, value) in self.resolved(part, depth + 1)? {
                    match (table.get_mut(&key), value) {
                        (Some(Value::Object(here)), Value::Object(more)) => here.extend(more),
                        (Some(Value::Array(here)), Value::Array(more)) if key == "required" => {
                            here.extend(more)
                        }
                        (Some(_), _) => {}
                        (None, value) => {
                            table.insert(key, value);
                        }
                    }
                }
            }
        }
        Some(table)
    }

    /// Of alternatives, the words of all if they are words, or the first that can be said: what fits one fits.
    fn alternative(
        &mut self,
        at: &str,
        table: &mut Map<String, Value>,
        depth: usize,
    ) -> Option<Option<Map<String, Value>>> {
        let key = ["anyOf", "oneOf"].into_iter().find(|key| table.get(*key).is_some_and(Value::is_array))?;
        let Some(Value::Array(all)) = table.remove(key) else { return None };
        let null = |one: &Value| one.get("type").is_some_and(|kind| kind == "null");
        let nullable = all.iter().any(null);
        let rest: Vec<&Value> = all.iter().filter(|one| !null(one)).collect();
        let all_words: Option<Vec<Value>> =
            rest.iter().map(|one| string_words(one)).collect::<Option<Vec<_>>>().map(|w| w.concat());
        let found = match all_words {
            Some(all) if !all.is_empty() => Some(as_object(json!({ "type": "string", "enum": all }))),
            _ => rest.iter().find_map(|one| self.schema(at, one, depth + 1)),
        };
        let Some(mut found) = found else { return Some(None) };
        if rest.len() > 1 && !found.contains_key("enum") {
            self.note(at, &format!("one of {} forms is offered", rest.len()));
        }
        if nullable {
            found.insert("nullable".into(), true.into());
        }
        if let Some(about) = table.get("description").and_then(Value::as_str) {
            found.insert("description".into(), words(about).into());
        }
        Some(Some(found))
    }

    fn kind(&mut self, at: &str, table: &Map<String, Value>, out: &mut Map<String, Value>) -> Option<String> {
        let named = match table.get("type") {
            Some(Value::String(kind)) => vec![kind.to_ascii_lowercase()],
            Some(Value::Array(all)) => {
                all.iter().filter_map(|k| Some(k.as_str()?.to_ascii_lowercase())).collect()
            }
            _ if table.contains_key("properties") => vec!["object".into()],
            _ if string_words(&Value::Object(table.clone())).is_some() => vec!["string".into()],
            _ => return None,
        };
        if named.iter().any(|kind| kind == "null") || table.get("nullable") == Some(&Value::Bool(true)) {
            out.insert("nullable".into(), true.into());
        }
        let mut rest: Vec<String> = named.into_iter().filter(|kind| kind != "null").collect();
        if rest.len() > 1 {
            self.note(at, &format!("one of {} types is offered", rest.len()));
            rest.sort_by_key(|kind| ["array", "object"].contains(&kind.as_str()));
        }
        rest.into_iter().next()
    }

    fn text(&mut self, at: &str, table: &Map<String, Value>, out: &mut Map<String, Value>) {
        if let Some(all) = string_words(&Value::Object(table.clone())) {
            let kept: Vec<Value> = all.iter().filter(|word| *word != "").cloned().collect();
            if kept.len() < all.len() {
                self.note(at, "the empty word is left out");
            }
            if !kept.is_empty() {
                out.insert("enum".into(), kept.into());
            }
        } else if table.contains_key("enum") || table.contains_key("const") {
            self.note(at, "enum left out: not of texts");
        }
        match table.get("pattern").and_then(Value::as_str) {
            Some(pattern) if Regex::new(pattern).is_ok() => {
                out.insert("pattern".into(), pattern.into());
            }
            _ => {} // told with everything that is left out
        }
        if table.get("format").is_some_and(|format| format == "date-time") {
            out.insert("format".into(), "date-time".into());
        }
        self.counts(at, table, ["minLength", "maxLength"], out);
    }

    fn number(&mut self, at: &str, table: &Map<String, Value>, whole: bool, out: &mut Map<String, Value>) {
        if table.contains_key("enum") {
            self.note(at, "enum left out: not of texts");
        }
        for (key, exclusive, step) in
            [("minimum", "exclusiveMinimum", 1), ("maximum", "exclusiveMaximum", -1)]
        {
            let bound = table.get("const").or_else(|| table.get(key));
            let beyond = table.get(exclusive).filter(|_| bound.is_none());
            let found = match (whole, bound, beyond) {
                (true, Some(n), _) => n.as_i64().map(Value::from),
                (true, None, Some(n)) => n.as_i64().and_then(|n| n.checked_add(step)).map(Value::from),
                (false, Some(n), _) | (false, None, Some(n)) => n.as_f64().map(Value::from),
                (_, None, None) => None,
            };
            out.extend(found.map(|found| (key.to_owned(), found)));
        }
    }

    fn counts(
        &mut self,
        at: &str,
        table: &Map<String, Value>,
        keys: [&str; 2],
        out: &mut Map<String, Value>,
    ) {
        let [least, most] = keys.map(|key| table.get(key).and_then(Value::as_u64));
        if least > most && most.is_some() {
            return self.note(at, "bounds left out: they exclude each other");
        }
        for (key, count) in keys.into_iter().zip([least, most]) {
            out.extend(count.map(|count| (key.to_owned(), count.into())));
        }
    }

    /// A nested object: it has names, or it cannot be said.
    fn object(
        &mut self,
        at: &str,
        table: &Map<String, Value>,
        depth: usize,
        out: &mut Map<String, Value>,
    ) -> Option<()> {
        let (properties, required) = parts(table);
        let mut declared = Map::new();
        for (name, json) in &properties {
            let place = format!("{at}.{name}");
            let needed = required.contains(name.as_str());
            let found = if is_name(name) { self.schema(&place, json, depth + 1) } else { None };
            match found {
                Some(schema) if needed || declared.len() < MEMBERS_MAX => {
                    declared.insert(name.clone(), Value::Object(schema));
                }
                _ if needed => return None,
                _ => self.note(&place, "left out: no model takes its name or type"),
            }
        }
        if declared.is_empty() || declared.len() > MEMBERS_MAX {
            return None; // some models refuse objects without names
        }
        let must: Vec<&String> = declared.keys().filter(|name| required.contains(name.as_str())).collect();
        out.insert("required".into(), json!(must));
        out.insert("properties".into(), Value::Object(declared));
        Some(())
    }
}

/// Named values of an object, and which of them must be given.
fn parts(table: &Map<String, Value>) -> (Map<String, Value>, BTreeSet<String>) {
    let properties = table.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    let required = table.get("required").and_then(Value::as_array).into_iter().flatten();
    let required = required.filter_map(|name| Some(name.as_str()?.to_owned()));
    let required = required.filter(|name| properties.contains_key(name)).collect();
    (properties, required)
}

/// The texts that a schema names one by one.
fn string_words(json: &Value) -> Option<Vec<Value>> {
    let all = match (json.get("enum"), json.get("const")) {
        (Some(Value::Array(all)), _) => all.iter().filter(|one| !one.is_null()).cloned().collect(),
        (_, Some(one)) => vec![one.clone()],
        _ => return None,
    };
    (!all.is_empty() && all.iter().all(Value::is_string)).then_some(all)
}

/// A name that every model takes, and that is not taken yet.
fn own_name(name: &str, taken: &Map<String, Value>) -> String {
    let own = super::plain_name(name);
    let others = (2..).map(|n| format!("{own}_{n}"));
    std::iter::once(own.clone())
        .chain(others)
        .find(|name| !taken.contains_key(name))
        .expect("numbers do not end")
}

fn as_object(json: Value) -> Map<String, Value> {
    match json {
        Value::Object(table) => table,
        _ => Map::new(),
    }
}

/// Words without what moves a terminal, on one line, within a bound.
fn words(text: &str) -> String {
    crate::tools::runner::clean(text, DESCRIPTION_MAX).replace(['\n', '\t'], " ")
}

#[cfg(test)]
#[path = "loosen_tests.rs"]
mod tests;
