//! Whether what a model calls a tool with is what the tool takes.

use serde_json::{Map, Value};

use super::{Kind, Member, Schema, Span};

/// So many problems are told at once; a model mends one at a time anyway.
const PROBLEMS_MAX: usize = 4;

impl Schema {
    /// The arguments as the tool takes them: whole numbers whole, what is not given left out.
    ///
    /// # Errors
    /// A sentence for the model: which argument, and what is allowed. It quotes no more than a name.
    pub fn fit(&self, args: Map<String, Value>) -> Result<Map<String, Value>, String> {
        let mut problems = Vec::new();
        let fitted = object(self.members(), args, "", &mut problems);
        if problems.is_empty() {
            return Ok(fitted);
        }
        problems.truncate(PROBLEMS_MAX);
        Err(format!("wrong arguments: {}", problems.join("; ")))
    }
}

fn object(
    members: &[Member],
    mut args: Map<String, Value>,
    at: &str,
    problems: &mut Vec<String>,
) -> Map<String, Value> {
    let mut fitted = Map::new();
    for member in members {
        let name = format!("{at}{}", member.name);
        match args.remove(&member.name) {
            None | Some(Value::Null) if member.required && !member.schema.nullable => {
                problems.push(format!("{name} is missing; it is {}", member.schema.noun()));
            }
            None | Some(Value::Null) => {}
            Some(value) => {
                let value = one(&member.schema, value, &name, problems);
                fitted.insert(member.name.clone(), value);
            }
        }
    }
    if !args.is_empty() {
        let known: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let whose = if at.is_empty() { String::new() } else { format!(" in {}", at.trim_end_matches('.')) };
        problems.push(format!("there is an argument too many{whose}; the arguments are: {known}"));
    }
    fitted
}

fn one(schema: &Schema, value: Value, name: &str, problems: &mut Vec<String>) -> Value {
    let mut wrong = |allowed: String| problems.push(format!("{name} is not {allowed}"));
    match (&schema.kind, value) {
        (Kind::Text { words, length, pattern, .. }, Value::String(text)) => {
            if !words.is_empty() && !words.contains(&text) {
                wrong(format!("one of {}", words.join(", ")));
            } else if !length.holds(text.chars().count() as u64) {
                wrong(format!("{} characters long", length.told()));
            } else if pattern.as_ref().is_some_and(|pattern| !pattern.is_match(&text)) {
                wrong(format!("like {}", pattern.as_ref().map_or("", |pattern| pattern.as_str())));
            }
            Value::String(text)
        }
        (Kind::Number { min, max }, Value::Number(number)) => {
            let held =
                number.as_f64().is_some_and(|n| min.is_none_or(|m| n >= m) && max.is_none_or(|m| n <= m));
            if !held {
                wrong(format!("a number{}", range(*min, *max)));
            }
            Value::Number(number)
        }
        (Kind::Whole { min, max }, Value::Number(number)) => match whole(&number) {
            Some(n) if min.is_none_or(|m| n >= m) && max.is_none_or(|m| n <= m) => Value::from(n),
            _ => {
                wrong(format!("a whole number{}", range(*min, *max)));
                Value::Null
            }
        },
        (Kind::Bool, Value::Bool(yes)) => Value::Bool(yes),
        (Kind::List { items, count }, Value::Array(list)) => {
            if !count.holds(list.len() as u64) {
                wrong(format!("{} items long", count.told()));
                return Value::Null;
            }
            let each = list.into_iter().enumerate();
            each.map(|(index, value)| one(items, value, &format!("{name}[{index}]"), problems)).collect()
        }
        (Kind::Object(members), Value::Object(args)) => {
            Value::Object(object(members, args, &format!("{name}."), problems))
        }
        _ => {
            wrong(schema.noun().to_owned());
            Value::Null
        }
    }
}

/// Google's numbers are doubles: 3 comes as 3.0.
fn whole(number: &serde_json::Number) -> Option<i64> {
    number.as_i64().or_else(|| {
        let real = number.as_f64()?;
        #[allow(clippy::cast_possible_truncation)] // below 2^53, so that no digit is lost
        (real.fract() == 0.0 && real.abs() < 9.0e15).then_some(real as i64)
    })
}

fn range<T: std::fmt::Display>(min: Option<T>, max: Option<T>) -> String {
    match (min, max) {
        (Some(min), Some(max)) => format!(" from {min} to {max}"),
        (Some(min), None) => format!(" from {min}"),
        (None, Some(max)) => format!(" up to {max}"),
        (None, None) => String::new(),
    }
}

impl Span {
    fn holds(self, count: u64) -> bool {
        self.min.is_none_or(|min| count >= min) && self.max.is_none_or(|max| count <= max)
    }

    fn told(self) -> String {
        match (self.min, self.max) {
            (Some(min), Some(max)) => format!("{min} to {max}"),
            (Some(min), None) => format!("{min} or more"),
            (None, Some(max)) => format!("at most {max}"),
            (None, None) => "any number of".to_owned(),
        }
    }
}
