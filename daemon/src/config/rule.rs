//! What a key may hold: the range, the words, the shape.

use std::fmt;

/// A check of a text that a range cannot express; says what is wrong and what is allowed.
pub type TextCheck = fn(&str) -> Result<(), String>;

/// What one key may hold. Its `Display` is the "allowed" part of a mistake.
#[derive(Clone, Copy, Debug)]
pub enum Rule {
    /// A text; `None` in `check` accepts anything.
    Text {
        /// Whether "" is a value.
        empty: bool,
        /// Looks closer.
        check: Option<TextCheck>,
    },
    /// true or false.
    Bool,
    /// One of these words.
    Words(&'static [&'static str]),
    /// A whole number.
    Whole {
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
        /// It must be a multiple of this.
        step: i64,
        /// A value beside the range that has a meaning of its own.
        special: Special,
    },
    /// A number, perhaps with a fraction.
    Real {
        /// Smallest.
        min: f64,
        /// Largest.
        max: f64,
        /// A value beside the range that has a meaning of its own.
        special: Special,
    },
    /// A list of channel numbers, from 0.
    Channels,
    /// A list of texts.
    Texts,
}

/// A value beside the range, and what it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Special {
    /// None.
    No,
    /// 0.
    Zero(&'static str),
    /// Anything below 0.
    Negative(&'static str),
}

/// Any text.
pub const TEXT: Rule = Rule::Text { empty: true, check: None };
/// Any text but the empty one.
pub const NAME: Rule = Rule::Text { empty: false, check: None };
/// A list of texts.
pub const LIST: Rule = Rule::Texts;
/// Yes or no.
pub const SWITCH: Rule = Rule::Bool;

/// A text that must also pass `check`.
pub const fn checked(check: TextCheck) -> Rule {
    Rule::Text { empty: false, check: Some(check) }
}

/// A whole number from `min` to `max`.
pub const fn whole(min: i64, max: i64) -> Rule {
    Rule::Whole { min, max, step: 1, special: Special::No }
}

/// A whole number from `min` to `max`, a multiple of `step`.
pub const fn steps(min: i64, max: i64, step: i64) -> Rule {
    Rule::Whole { min, max, step, special: Special::No }
}

/// A whole number from `min` to `max`, or a value with its own meaning.
pub const fn whole_or(min: i64, max: i64, special: Special) -> Rule {
    Rule::Whole { min, max, step: 1, special }
}

/// A number from `min` to `max`.
pub const fn real(min: f64, max: f64) -> Rule {
    Rule::Real { min, max, special: Special::No }
}

/// A number from `min` to `max`, or a value with its own meaning.
pub const fn real_or(min: f64, max: f64, special: Special) -> Rule {
    Rule::Real { min, max, special }
}

impl Special {
    /// Whether this number is the special value.
    pub fn holds(self, number: f64) -> bool {
        match self {
            Special::No => false,
            Special::Zero(_) => number == 0.0,
            Special::Negative(_) => number < 0.0,
        }
    }
}

impl fmt::Display for Special {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Special::No => Ok(()),
            Special::Zero(means) => write!(f, ", or 0 ({means})"),
            Special::Negative(means) => write!(f, ", or below 0 ({means})"),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rule::Text { empty: true, .. } => f.write_str("a text in quotes"),
            Rule::Text { empty: false, .. } => f.write_str("a text in quotes that is not empty"),
            Rule::Bool => f.write_str("true or false"),
            Rule::Words(words) => {
                for (index, word) in words.iter().enumerate() {
                    write!(f, "{}\"{word}\"", if index == 0 { "" } else { ", " })?;
                }
                Ok(())
            }
            Rule::Whole { min, max, step: 1, special } => write!(f, "{min} to {max}{special}"),
            Rule::Whole { min, max, step, special } => {
                write!(f, "{min} to {max} in steps of {step}{special}")
            }
            Rule::Real { min, max, special } => write!(f, "{min:?} to {max:?}{special}"),
            Rule::Texts => f.write_str("a list of texts in quotes, such as [\"/usr/bin/mint\", \"--live\"]"),
            Rule::Channels => f.write_str("a list of different channel numbers from 0 to 31, such as [0, 1]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rule: Rule, expected: &str) {
        assert_eq!(rule.to_string(), expected);
    }

    #[test]
    fn rules_say_what_is_allowed() {
        check(whole(5, 60), "5 to 60");
        check(steps(20, 100, 10), "20 to 100 in steps of 10");
        check(whole_or(5000, 128_000, Special::Zero("never")), "5000 to 128000, or 0 (never)");
        check(real(3.0, 40.0), "3.0 to 40.0");
        check(real_or(0.0, 2.0, Special::Negative("own")), "0.0 to 2.0, or below 0 (own)");
        check(Rule::Words(&["a", "b"]), "\"a\", \"b\"");
    }
}
