//! From JSON (or TOML that was turned into it) to a schema, with every flaw named.

use regex_lite::Regex;
use serde_json::{Map, Value};

use super::{Kind, Member, Schema, Span};
use crate::config::nearest;

/// Objects in objects; models get lost long before.
pub(super) const DEPTH_MAX: usize = 6;
/// Named values of one object.
pub(super) const MEMBERS_MAX: usize = 40;
/// Keywords that say nothing here: a call with an unknown argument is refused anyway.
const LEFT_OUT: [&str; 4] = ["additionalProperties", "$schema", "title", "example"];
const EVERY: [&str; 6] = ["type", "description", "nullable", "default", "enum", "format"];

/// What is wrong with a schema, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// JSON pointer (RFC 6901) into the schema, unescaped.
    pub pointer: String,
    /// What is wrong.
    pub problem: String,
}

impl Schema {
    /// Reads the arguments of a tool: an object.
    ///
    /// # Errors
    /// Every flaw; never an empty list.
    pub fn read(json: &Value) -> Result<Self, Vec<Flaw>> {
        let mut reader = Reader { flaws: Vec::new() };
        let schema = reader.schema("", json, 0);
        if !matches!(schema.kind, Kind::Object(_)) && reader.flaws.is_empty() {
            reader.flaw("", "the parameters of a tool are an object: type = \"object\" with properties");
        }
        if reader.flaws.is_empty() { Ok(schema) } else { Err(reader.flaws) }
    }
}

struct Reader {
    flaws: Vec<Flaw>,
}

impl Reader {
    fn flaw(&mut self, pointer: &str, problem: impl Into<String>) {
        self.flaws.push(Flaw { pointer: pointer.to_owned(), problem: problem.into() });
    }

    fn schema(&mut self, at: &str, json: &Value, depth: usize) -> Schema {
        let mut schema = Schema::nothing();
        let Value::Object(table) = json else {
            self.flaw(at, "is not a table");
            return schema;
        };
        if depth > DEPTH_MAX {
            self.flaw(at, format!("is nested deeper than {DEPTH_MAX}"));
            return schema;
        }
        schema.description = self.text(at, table, "description");
        schema.nullable = self.value(at, table, "nullable", "true or false", Value::as_bool).unwrap_or(false);
        let kind = match table.get("type").and_then(Value::as_str) {
            Some(name) => name.to_ascii_lowercase(),
            None if table.contains_key("properties") => "object".to_owned(),
            None => {
                self.flaw(at, "has no type; allowed: string, number, integer, boolean, array, object");
                return schema;
            }
        };
        let own: &[&str] = match kind.as_str() {
            "string" => &["minLength", "maxLength", "pattern"],
            "number" | "integer" => &["minimum", "maximum"],
            "array" => &["items", "minItems", "maxItems"],
            "object" => &["properties", "required", "propertyOrdering"],
            _ => &[],
        };
        for key in table.keys().filter(|key| !LEFT_OUT.contains(&key.as_str())) {
            let known = || EVERY.iter().chain(own).copied();
            if !known().any(|name| name == key) {
                let meant = nearest(key, known())
                    .map_or_else(|| known().collect::<Vec<_>>().join(", "), |name| format!("\"{name}\""));
                let beside = kind.as_str();
                self.flaw(
                    &format!("{at}/{key}"),
                    format!(
                        "is no keyword beside type \"{beside}\" that every model takes; allowed: {meant}"
                    ),
                );
            }
        }
        schema.kind = match kind.as_str() {
            "string" => self.string(at, table),
            "number" => {
                let mut number = |key| self.value(at, table, key, "a number", Value::as_f64);
                Kind::Number { min: number("minimum"), max: number("maximum") }
            }
            "integer" => {
                let mut number = |key| self.value(at, table, key, "a whole number", Value::as_i64);
                Kind::Whole { min: number("minimum"), max: number("maximum") }
            }
            "boolean" => Kind::Bool,
            "array" => {
                let items = match table.get("items") {
                    Some(items) => self.schema(&format!("{at}/items"), items, depth + 1),
                    None => {
                        self.flaw(at, "is a list of what? there are no items");
                        Schema::nothing()
                    }
                };
                Kind::List { items: Box::new(items), count: self.span(at, table, "minItems", "maxItems") }
            }
            "object" => Kind::Object(self.members(at, table, depth)),
            other => {
                self.flaw(
                    &format!("{at}/type"),
                    format!(
                        "\"{other}\" is no type; allowed: string, number, integer, boolean, array, object"
                    ),
                );
                Kind::Bool
            }
        };
        schema
    }

    fn string(&mut self, at: &str, table: &Map<String, Value>) -> Kind {
        let words = match table.get("enum") {
            None => Vec::new(),
            Some(Value::Array(words)) if words.iter().all(Value::is_string) && !words.is_empty() => {
                words.iter().filter_map(|word| Some(word.as_str()?.to_owned())).collect()
            }
            Some(_) => {
                self.flaw(&format!("{at}/enum"), "is not a list of texts");
                Vec::new()
            }
        };
        let pattern = match table.get("pattern").map(|pattern| pattern.as_str().map(Regex::new)) {
            None => None,
            Some(Some(Ok(pattern))) => Some(pattern),
            Some(Some(Err(error))) => {
                self.flaw(&format!("{at}/pattern"), format!("is no regular expression: {error}"));
                None
            }
            Some(None) => {
                self.flaw(&format!("{at}/pattern"), "is not a text");
                None
            }
        };
        let length = self.span(at, table, "minLength", "maxLength");
        Kind::Text { words, length, pattern, format: self.text(at, table, "format") }
    }

    fn members(&mut self, at: &str, table: &Map<String, Value>, depth: usize) -> Vec<Member> {
        let none = Map::new();
        let properties = match table.get("properties") {
            None => &none,
            Some(Value::Object(properties)) => properties,
            Some(_) => {
                self.flaw(&format!("{at}/properties"), "is not a table");
                &none
            }
        };
        if properties.len() > MEMBERS_MAX {
            self.flaw(&format!("{at}/properties"), format!("are more than {MEMBERS_MAX}"));
        }
        let required: Vec<&str> = match table.get("required") {
            None => Vec::new(),
            Some(Value::Array(names)) if names.iter().all(Value::is_string) => {
                names.iter().filter_map(Value::as_str).collect()
            }
            Some(_) => {
                self.flaw(&format!("{at}/required"), "is not a list of names");
                Vec::new()
            }
        };
        for name in required.iter().filter(|name| !properties.contains_key(**name)) {
            let meant = nearest(name, properties.keys().map(String::as_str));
            let hint = meant.map(|meant| format!("; did you mean \"{meant}\"?")).unwrap_or_default();
            self.flaw(&format!("{at}/required"), format!("names \"{name}\", which is no property{hint}"));
        }
        let mut members = Vec::new();
        for (name, json) in properties {
            let at = format!("{at}/properties/{name}");
            if !is_name(name) {
                self.flaw(&at, "is no name; allowed: letters, digits and _, not a digit first, 64 at most");
            }
            let schema = self.schema(&at, json, depth + 1);
            members.push(Member { name: name.clone(), required: required.contains(&name.as_str()), schema });
        }
        members
    }

    fn span(&mut self, at: &str, table: &Map<String, Value>, min: &str, max: &str) -> Span {
        let mut count = |key| self.value(at, table, key, "a whole number from 0", Value::as_u64);
        let span = Span { min: count(min), max: count(max) };
        if let (Some(least), Some(most)) = (span.min, span.max) {
            if least > most {
                self.flaw(&format!("{at}/{min}"), format!("is more than {max}"));
            }
        }
        span
    }

    fn text(&mut self, at: &str, table: &Map<String, Value>, key: &str) -> String {
        self.value(at, table, key, "a text", |v| v.as_str().map(str::to_owned)).unwrap_or_default()
    }

    fn value<T>(
        &mut self,
        at: &str,
        table: &Map<String, Value>,
        key: &str,
        noun: &str,
        take: impl Fn(&Value) -> Option<T>,
    ) -> Option<T> {
        let found = table.get(key)?;
        let taken = take(found);
        if taken.is_none() {
            self.flaw(&format!("{at}/{key}"), format!("is not {noun}"));
        }
        taken
    }
}

/// A name that every model and every template takes.
pub(in crate::tools) fn is_name(name: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    name.len() <= 64 && name.starts_with(letter) && name.chars().all(|c| letter(c) || c.is_ascii_digit())
}

/// Any name as one that every model and every template takes.
pub(in crate::tools) fn plain_name(name: &str) -> String {
    let kept = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let mut own: String = name.chars().map(kept).take(60).collect();
    if !own.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        own.insert(0, '_');
    }
    own
}
