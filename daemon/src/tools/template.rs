//! Texts with places for arguments: one element of an argv, a URL, a header, a body.
//!
//! `{name}` is replaced by the argument of that name, `{name?}` leaves out the whole text when the argument is not given,
//! `{{` and `}}` are braces. An argument never becomes more than one element, one path segment or one header: what could
//! is refused or escaped by whoever renders.

use serde_json::{Map, Value};

use super::schema::is_name;

/// A text with places for arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// As it stands.
    Literal(String),
    /// An argument.
    Argument {
        /// Its name.
        name: String,
        /// The whole text is left out when it is not given.
        optional: bool,
    },
}

impl Template {
    /// Takes a text apart.
    ///
    /// # Errors
    /// What is wrong with its braces.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            literal.push_str(&rest[..at]);
            let brace = &rest[at..=at];
            if rest[at + 1..].starts_with(brace) {
                literal.push_str(brace);
                rest = &rest[at + 2..];
                continue;
            }
            if brace == "}" {
                return Err("has a } that nothing opens; a brace of its own is written }}".to_owned());
            }
            let end = rest[at..]
                .find('}')
                .ok_or("has a { that nothing closes; a brace of its own is written {{")?;
            let inside = &rest[at + 1..at + end];
            let (name, optional) = inside.strip_suffix('?').map_or((inside, false), |name| (name, true));
            if !is_name(name) {
                return Err(format!("has {{{inside}}}, which is no argument's name"));
            }
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
            }
            parts.push(Part::Argument { name: name.to_owned(), optional });
            rest = &rest[at + end + 1..];
        }
        literal.push_str(rest);
        if !literal.is_empty() || parts.is_empty() {
            parts.push(Part::Literal(literal));
        }
        Ok(Template { parts })
    }

    /// Names and whether they may be missing, in order.
    pub fn arguments(&self) -> impl Iterator<Item = (&str, bool)> {
        self.parts.iter().filter_map(|part| match part {
            Part::Literal(_) => None,
            Part::Argument { name, optional } => Some((name.as_str(), *optional)),
        })
    }

    /// Its pieces.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The text with the arguments in their places, each passed through `escape`; `None` when an optional one is
    /// missing.
    ///
    /// # Errors
    /// A sentence for the model: an argument is missing, or what `escape` says of it.
    pub fn render(
        &self,
        args: &Map<String, Value>,
        escape: impl Fn(&str, &str) -> Result<String, String>,
    ) -> Result<Option<String>, String> {
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(text) => out.push_str(text),
                Part::Argument { name, optional } => match args.get(name) {
                    Some(value) => out.push_str(&escape(name, &plain(value))?),
                    None if *optional => return Ok(None),
                    None => return Err(format!("{name} is missing")),
                },
            }
        }
        Ok(Some(out))
    }
}

/// A value as a text: a text as it stands, everything else as JSON.
pub fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// An argv of one program and its arguments. The program itself is never an argument's.
///
/// # Errors
/// A sentence for the model about an argument that could not be passed as one plain value.
pub fn argv(templates: &[Template], args: &Map<String, Value>) -> Result<Vec<String>, String> {
    let mut argv: Vec<String> = Vec::new();
    for template in templates {
        let begins_with_argument = matches!(template.parts.first(), Some(Part::Argument { .. }));
        let rendered = template.render(args, |name, value| {
            if value.contains('\0') {
                Err(format!("{name} has a zero byte in it"))
            } else {
                Ok(value.to_owned())
            }
        })?;
        let Some(element) = rendered else { continue };
        // Otherwise "--output=/etc/passwd" would be an option of the program's, not a value.
        if begins_with_argument && element.starts_with('-') && !argv.iter().any(|before| before == "--") {
            let number = element.parse::<f64>().is_ok();
            if !number {
                let name = template.arguments().next().map_or("", |(name, _)| name);
                return Err(format!(
                    "{name} begins with a hyphen, which the program would take for an option"
                ));
            }
        }
        argv.push(element);
    }
    Ok(argv)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn map(args: Value) -> Map<String, Value> {
        let Value::Object(args) = args else { panic!("arguments are an object") };
        args
    }

    #[test]
    fn places_are_found_and_braces_kept() {
        let check = |text: &str, args: Value, expected: Option<&str>| {
            let template = Template::parse(text).unwrap();
            let out = template.render(&map(args), |_, value| Ok(value.to_owned())).unwrap();
            assert_eq!(out.as_deref(), expected, "{text}");
        };
        check("", json!({}), Some(""));
        check("--unit={unit}", json!({ "unit": "bar" }), Some("--unit=bar"));
        check("{a}{b}", json!({ "a": 1.5, "b": [true, "x"] }), Some("1.5[true,\"x\"]"));
        check("{note?}", json!({}), None);
        check("{{\"v\":{v}}}", json!({ "v": 3 }), Some("{\"v\":3}"));
        check("ä{v}ö", json!({ "v": "{w}" }), Some("ä{w}ö"));
    }

    #[test]
    fn broken_ones_are_told() {
        let check = |text: &str, expected: &str| {
            let told = Template::parse(text).unwrap_err();
            assert!(told.contains(expected), "{text}: {told}");
        };
        check("{unit", "nothing closes");
        check("unit}", "nothing opens");
        check("{}", "no argument's name");
        check("{a b}", "{a b}");
        check("{a??}", "{a??}");
    }

    #[test]
    fn an_argument_stays_one_element_and_becomes_no_option() {
        let check = |templates: &[&str], args: Value, expected: Result<&[&str], &str>| {
            let templates: Vec<Template> =
                templates.iter().map(|text| Template::parse(text).unwrap()).collect();
            match (argv(&templates, &map(args)), expected) {
                (Ok(argv), Ok(expected)) => assert_eq!(argv, expected),
                (Err(told), Err(expected)) => assert!(told.contains(expected), "{told}"),
                (got, expected) => panic!("{got:?}, expected {expected:?}"),
            }
        };
        check(
            &["log", "{note}"],
            json!({ "note": "a b; rm $(x) `y`\n\"" }),
            Ok(&["log", "a b; rm $(x) `y`\n\""]),
        );
        check(&["log", "{note}"], json!({ "note": "--force" }), Err("note begins with a hyphen"));
        check(&["log", "{note}"], json!({ "note": "-5.5" }), Ok(&["log", "-5.5"]));
        check(&["log", "--note={note}"], json!({ "note": "--force" }), Ok(&["log", "--note=--force"]));
        check(&["log", "--", "{note}"], json!({ "note": "--force" }), Ok(&["log", "--", "--force"]));
        check(&["log", "{note?}", "end"], json!({}), Ok(&["log", "end"]));
        check(&["log", "{note}"], json!({ "note": "a\u{0}b" }), Err("zero byte"));
        check(&["log", "{note}"], json!({}), Err("note is missing"));
    }

    proptest::proptest! {
        /// An argument is one element, unchanged, or the call is refused; none appears beside it.
        #[test]
        fn any_argument_stays_one_element(text in proptest::prelude::any::<String>(), number in proptest::num::f64::ANY) {
            let templates = ["/bin/p", "{t}", "--n={n}", "--", "{t}"].map(|text| Template::parse(text).unwrap());
            let args = map(json!({ "t": text, "n": number }));
            match argv(&templates, &args) {
                Ok(argv) => {
                    proptest::prop_assert_eq!(argv.len(), 5);
                    proptest::prop_assert!(argv[1] == text && argv[4] == text && argv[2].starts_with("--n="));
                    proptest::prop_assert!(!text.starts_with('-') || text.parse::<f64>().is_ok());
                }
                Err(told) => proptest::prop_assert!(told.contains("zero byte") || told.contains("hyphen"), "{}", told),
            }
        }
    }
}
