//! A schema as the Live API's `parameters` spells it.

use serde_json::{Map, Value, json};

use super::{Kind, Schema, Span};

impl Schema {
    /// `parameters` of a function declaration: <https://ai.google.dev/api/caching#Schema>, types in upper case.
    pub fn declare(&self) -> Value {
        let mut out = Map::new();
        let mut put = |key: &str, value: Value| {
            out.insert(key.to_owned(), value);
        };
        let name = match &self.kind {
            Kind::Text { words, length, pattern, format } => {
                if !words.is_empty() {
                    // Models take `enum` with this format.
                    put("enum", json!(words));
                    put("format", json!("enum"));
                } else if format == DATE_TIME {
                    put("format", json!(format));
                } // any other closes the link (enechange/collmbo#195): it is told in the description
                span(&mut put, *length, ["minLength", "maxLength"]);
                if let Some(pattern) = pattern {
                    put("pattern", json!(pattern.as_str()));
                }
                "STRING"
            }
            Kind::Number { min, max } => {
                min.iter().for_each(|min| put("minimum", json!(min)));
                max.iter().for_each(|max| put("maximum", json!(max)));
                "NUMBER"
            }
            Kind::Whole { min, max } => {
                min.iter().for_each(|min| put("minimum", json!(min)));
                max.iter().for_each(|max| put("maximum", json!(max)));
                "INTEGER"
            }
            Kind::Bool => "BOOLEAN",
            Kind::List { items, count } => {
                put("items", items.declare());
                span(&mut put, *count, ["minItems", "maxItems"]);
                "ARRAY"
            }
            Kind::Object(members) => {
                let each = members.iter().map(|member| (member.name.clone(), member.schema.declare()));
                put("properties", Value::Object(each.collect()));
                let required: Vec<&str> = members
                    .iter()
                    .filter(|member| member.required)
                    .map(|member| member.name.as_str())
                    .collect();
                if !required.is_empty() {
                    put("required", json!(required));
                }
                "OBJECT"
            }
        };
        put("type", json!(name));
        let description = self.described();
        if !description.is_empty() {
            put("description", json!(description));
        }
        if self.nullable {
            put("nullable", json!(true));
        }
        Value::Object(out)
    }
}

/// The one format of a text that every model takes, besides that of an enumeration.
const DATE_TIME: &str = "date-time";

impl Schema {
    /// For the model, with the format that cannot be declared.
    fn described(&self) -> String {
        match &self.kind {
            Kind::Text { words, format, .. }
                if words.is_empty() && !format.is_empty() && format != DATE_TIME =>
            {
                format!("{} Format: {format}.", self.description).trim_start().to_owned()
            }
            _ => self.description.clone(),
        }
    }
}

/// The API's int64 fields are texts.
fn span(put: &mut impl FnMut(&str, Value), span: Span, [min, max]: [&str; 2]) {
    span.min.iter().for_each(|count| put(min, json!(count.to_string())));
    span.max.iter().for_each(|count| put(max, json!(count.to_string())));
}
