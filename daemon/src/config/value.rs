//! From what was found to a typed value, and back to TOML.

use std::fmt;

use toml::de::DeValue;

use super::rule::Rule;

/// What a file or the environment holds for a key.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// A text.
    Text(String),
    /// A whole number.
    Whole(i64),
    /// A number.
    Real(f64),
    /// A yes or no.
    Bool(bool),
    /// A list.
    List(Vec<Found>),
    /// Something no key takes, by its name in TOML.
    Other(&'static str),
}

/// Why a value is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// `is out of range`, …: continues a sentence that begins with what was found.
    pub problem: String,
    /// What is allowed instead; empty when the problem says it already.
    pub allowed: String,
}

impl Refused {
    pub(super) fn because(problem: &str, rule: &Rule) -> Self {
        Refused { problem: problem.to_owned(), allowed: rule.to_string() }
    }
}

/// A value that a key can hold.
pub trait Value: Sized {
    /// Takes what was found if `rule` allows it.
    ///
    /// # Errors
    /// What is wrong with it and what is allowed.
    fn read(found: &Found, rule: &Rule) -> Result<Self, Refused>;

    /// Writes it as TOML.
    fn write(&self) -> String;
}

impl Found {
    /// What a TOML file holds.
    pub fn in_toml(value: &DeValue<'_>) -> Self {
        match value {
            DeValue::String(text) => Found::Text(text.as_ref().to_owned()),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_or(Found::Other("a huge number"), Found::Whole),
            DeValue::Float(number) => number.as_str().parse().map_or(Found::Other("a number"), Found::Real),
            DeValue::Boolean(yes) => Found::Bool(*yes),
            DeValue::Datetime(_) => Found::Other("a date"),
            DeValue::Array(list) => Found::List(list.iter().map(|v| Found::in_toml(v.get_ref())).collect()),
            DeValue::Table(_) => Found::Other("a table"),
        }
    }

    /// What the environment holds: words are taken as they stand, everything else is read as TOML.
    pub fn in_environment(text: &str, rule: &Rule) -> Self {
        if matches!(rule, Rule::Text { .. } | Rule::Words(_)) {
            return Found::Text(text.to_owned());
        }
        let text = text.trim();
        let listed = matches!(rule, Rule::Channels) && !text.starts_with('[');
        let value = if listed { format!("[{text}]") } else { text.to_owned() };
        match DeValue::parse(&value) {
            Ok(parsed) => Found::in_toml(parsed.get_ref()),
            Err(_) => Found::Text(text.to_owned()),
        }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Found::Text(text) => f.write_str(&quoted(text)),
            Found::Whole(number) => write!(f, "{number}"),
            Found::Real(number) => write!(f, "{number:?}"),
            Found::Bool(yes) => write!(f, "{yes}"),
            Found::List(items) => {
                let items: Vec<String> = items.iter().map(Found::to_string).collect();
                write!(f, "[{}]", items.join(", "))
            }
            Found::Other(name) => write!(f, "{name}"),
        }
    }
}

/// Writes a text as TOML does.
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

impl Value for String {
    fn read(found: &Found, rule: &Rule) -> Result<Self, Refused> {
        let (Found::Text(text), Rule::Text { empty, check }) = (found, rule) else {
            return Err(Refused::because("is not a text", rule));
        };
        if text.is_empty() && !empty {
            return Err(Refused::because("is empty", rule));
        }
        if let Some(check) = check {
            check(text).map_err(|problem| Refused { problem, allowed: String::new() })?;
        }
        Ok(text.clone())
    }

    fn write(&self) -> String {
        quoted(self)
    }
}

impl Value for bool {
    fn read(found: &Found, rule: &Rule) -> Result<Self, Refused> {
        match found {
            Found::Bool(yes) => Ok(*yes),
            _ => Err(Refused::because("is not a yes or no", rule)),
        }
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

fn whole(found: &Found, rule: &Rule) -> Result<i64, Refused> {
    let (Found::Whole(number), Rule::Whole { min, max, step, special }) = (found, rule) else {
        return Err(Refused::because("is not a whole number", rule));
    };
    #[allow(clippy::cast_precision_loss)] // only its sign and whether it is 0 matter
    if special.holds(*number as f64) {
        return Ok(*number);
    }
    if number < min || number > max {
        return Err(Refused::because("is out of range", rule));
    }
    if number % step != 0 {
        return Err(Refused::because(&format!("is not a multiple of {step}"), rule));
    }
    Ok(*number)
}

impl Value for u32 {
    fn read(found: &Found, rule: &Rule) -> Result<Self, Refused> {
        u32::try_from(whole(found, rule)?).map_err(|_| Refused::because("is out of range", rule))
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

impl Value for i32 {
    fn read(found: &Found, rule: &Rule) -> Result<Self, Refused> {
        i32::try_from(whole(found, rule)?).map_err(|_| Refused::because("is out of range", rule))
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

impl Value for f32 {
    fn read(found: &Found, rule: &Rule) -> Result<Self, Refused> {
        #[allow(clippy::cast_precision_loss)] // ranges end far below 2^53
        let number = match found {
            Found::Real(number) => *number,
            Found::Whole(number) => *number as f64,
            _ => return Err(Refused::because("is not a number", rule)),
        };
        match rule {
            Rule::Real { min, max, special } if special.holds(number) || (*min..=*max).contains(&number) => {
                #[allow(clippy::cast_possible_truncation)] // a setting needs no more digits
                Ok(number as f32)
            }
            _ => Err(Refused::because("is out of range", rule)),
        }
    }

    fn write(&self) -> String {
        format!("{self:?}")
    }
}

impl Value for Vec<u32> {
    fn read(found: &Found, rule: &Rule) -> Result<Self, Refused> {
        let Found::List(items) = found else { return Err(Refused::because("is not a list", rule)) };
        let mut channels = Vec::new();
        for item in items {
            match item {
                Found::Whole(number @ 0..=31) => channels.push(*number as u32),
                Found::Whole(_) => return Err(Refused::because("has a channel that is out of range", rule)),
                _ => return Err(Refused::because("holds something other than channel numbers", rule)),
            }
        }
        let mut sorted = channels.clone();
        sorted.sort_unstable();
        sorted.dedup();
        if sorted.len() != channels.len() {
            return Err(Refused::because("names a channel twice", rule));
        }
        Ok(channels)
    }

    fn write(&self) -> String {
        format!("{self:?}")
    }
}

impl Value for Vec<String> {
    fn read(found: &Found, rule: &Rule) -> Result<Self, Refused> {
        let Found::List(items) = found else { return Err(Refused::because("is not a list", rule)) };
        let text = |item: &Found| match item {
            Found::Text(text) => Ok(text.clone()),
            _ => Err(Refused::because("holds something other than texts", rule)),
        };
        items.iter().map(text).collect()
    }

    fn write(&self) -> String {
        let items: Vec<String> = self.iter().map(|item| quoted(item)).collect();
        format!("[{}]", items.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::super::rule::{
        NAME, SWITCH, Special, TEXT, real, real_or, steps, whole as in_range, whole_or,
    };
    use super::*;

    fn refused<T: Value + std::fmt::Debug>(found: Found, rule: Rule, problem: &str) {
        match T::read(&found, &rule) {
            Err(refused) => assert_eq!(refused.problem, problem, "{found}"),
            Ok(value) => panic!("{found} was taken as {value:?}"),
        }
    }

    #[test]
    fn numbers_keep_to_their_range() {
        assert_eq!(u32::read(&Found::Whole(5), &in_range(5, 60)), Ok(5));
        assert_eq!(u32::read(&Found::Whole(60), &in_range(5, 60)), Ok(60));
        refused::<u32>(Found::Whole(4), in_range(5, 60), "is out of range");
        refused::<u32>(Found::Whole(61), in_range(5, 60), "is out of range");
        refused::<u32>(Found::Whole(i64::MAX), in_range(5, 60), "is out of range");
        refused::<u32>(Found::Real(10.0), in_range(5, 60), "is not a whole number");
        refused::<u32>(Found::Text("10".into()), in_range(5, 60), "is not a whole number");
        refused::<u32>(Found::Whole(25), steps(20, 100, 10), "is not a multiple of 10");
    }

    #[test]
    fn special_values_lie_beside_the_range() {
        let never = whole_or(5000, 9000, Special::Zero("never"));
        assert_eq!(u32::read(&Found::Whole(0), &never), Ok(0));
        refused::<u32>(Found::Whole(1), never, "is out of range");
        refused::<u32>(Found::Whole(-1), never, "is out of range");
        let own = whole_or(0, 3000, Special::Negative("the server's own"));
        assert_eq!(i32::read(&Found::Whole(-1), &own), Ok(-1));
        refused::<i32>(Found::Whole(i64::MIN), own, "is out of range");
        let warm = real_or(0.0, 2.0, Special::Negative("the model's own"));
        assert_eq!(f32::read(&Found::Whole(-1), &warm), Ok(-1.0));
        refused::<f32>(Found::Real(2.1), warm, "is out of range");
        refused::<f32>(Found::Real(f64::NAN), warm, "is out of range");
        refused::<f32>(Found::Bool(true), real(0.0, 1.0), "is not a number");
    }

    #[test]
    fn texts_and_switches() {
        assert_eq!(String::read(&Found::Text(String::new()), &TEXT), Ok(String::new()));
        refused::<String>(Found::Text(String::new()), NAME, "is empty");
        refused::<String>(Found::Whole(1), TEXT, "is not a text");
        refused::<bool>(Found::Text("yes".into()), SWITCH, "is not a yes or no");
    }

    #[test]
    fn channels_are_different_and_few() {
        let list = |items: &[i64]| Found::List(items.iter().map(|&n| Found::Whole(n)).collect());
        assert_eq!(Vec::read(&list(&[0, 5]), &Rule::Channels), Ok(vec![0, 5]));
        refused::<Vec<u32>>(list(&[0, 0]), Rule::Channels, "names a channel twice");
        refused::<Vec<u32>>(list(&[32]), Rule::Channels, "has a channel that is out of range");
        refused::<Vec<u32>>(list(&[-1]), Rule::Channels, "has a channel that is out of range");
    }

    #[test]
    fn lists_of_texts_hold_texts_only() {
        let list = Found::List(vec![Found::Text("/bin/mint".into()), Found::Text("a \"b\"".into())]);
        let read = Vec::<String>::read(&list, &Rule::Texts).unwrap();
        assert_eq!(read.write(), r#"["/bin/mint", "a \"b\""]"#);
        refused::<Vec<String>>(
            Found::List(vec![Found::Whole(1)]),
            Rule::Texts,
            "holds something other than texts",
        );
        refused::<Vec<String>>(Found::Text("/bin/mint".into()), Rule::Texts, "is not a list");
    }

    #[test]
    fn the_environment_is_read_by_the_rule() {
        let read = |text, rule| Found::in_environment(text, &rule);
        assert_eq!(read("plughw:CARD=Array", NAME), Found::Text("plughw:CARD=Array".into()));
        assert_eq!(read("12", TEXT), Found::Text("12".into()));
        assert_eq!(read(" 12 ", in_range(1, 20)), Found::Whole(12));
        assert_eq!(read("twelve", in_range(1, 20)), Found::Text("twelve".into()));
        assert_eq!(read("false", SWITCH), Found::Bool(false));
        assert_eq!(read("0, 1", Rule::Channels), Found::List(vec![Found::Whole(0), Found::Whole(1)]));
        assert_eq!(read("[2]", Rule::Channels), Found::List(vec![Found::Whole(2)]));
        assert_eq!(read("", Rule::Channels), Found::List(vec![]));
    }

    #[test]
    fn written_texts_read_back_as_they_were() {
        let text = "say \"hi\"\n\\ \u{7} ü".to_owned();
        let parsed = DeValue::parse(&text.write()).map(|v| Found::in_toml(v.get_ref())).unwrap();
        assert_eq!(parsed, Found::Text(text));
    }
}
