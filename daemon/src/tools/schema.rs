//! What a tool may be called with: the part of JSON Schema that every model takes.
//!
//! The Live API's `parameters` is a subset of OpenAPI; a keyword outside of it closes the link with 1007. So keywords are
//! checked when the file is read, and a call's arguments when it comes: a model is no more to be trusted than a visitor.

mod declare;
mod fit;
mod loosen;
mod read;

pub use loosen::Mend;
pub use read::Flaw;
pub(super) use read::{is_name, plain_name};

use regex_lite::Regex;

/// What one value may be.
#[derive(Clone, Debug)]
pub struct Schema {
    /// For the model; may be empty.
    pub description: String,
    /// `null` stands for "not given".
    pub nullable: bool,
    /// What it is.
    pub kind: Kind,
}

/// The types there are, with their bounds.
#[derive(Clone, Debug)]
pub enum Kind {
    /// A text.
    Text {
        /// The words there are; empty = any.
        words: Vec<String>,
        /// Characters.
        length: Span,
        /// Must be found in it.
        pattern: Option<Regex>,
        /// A hint for the model: `date`, `time`, …
        format: String,
    },
    /// A number.
    Number {
        /// Smallest.
        min: Option<f64>,
        /// Largest.
        max: Option<f64>,
    },
    /// A whole number.
    Whole {
        /// Smallest.
        min: Option<i64>,
        /// Largest.
        max: Option<i64>,
    },
    /// A yes or no.
    Bool,
    /// A list.
    List {
        /// What it holds.
        items: Box<Schema>,
        /// How many.
        count: Span,
    },
    /// Named values.
    Object(Vec<Member>),
}

/// One named value of an object.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// It must be given.
    pub required: bool,
    /// What it may be.
    pub schema: Schema,
}

/// How long or how many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// At least.
    pub min: Option<u64>,
    /// At most.
    pub max: Option<u64>,
}

impl Schema {
    /// Arguments of a tool that takes none.
    pub fn nothing() -> Self {
        Schema { description: String::new(), nullable: false, kind: Kind::Object(Vec::new()) }
    }

    /// The named values, if it is an object.
    pub fn members(&self) -> &[Member] {
        match &self.kind {
            Kind::Object(members) => members,
            _ => &[],
        }
    }

    /// What it is called in an error.
    fn noun(&self) -> &'static str {
        match self.kind {
            Kind::Text { .. } => "a text",
            Kind::Number { .. } => "a number",
            Kind::Whole { .. } => "a whole number",
            Kind::Bool => "true or false",
            Kind::List { .. } => "a list",
            Kind::Object(_) => "an object",
        }
    }
}

#[cfg(test)]
mod tests;
