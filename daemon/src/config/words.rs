//! Enums whose variants are words in the configuration.

use super::nearest::nearest;
use super::rule::Rule;
use super::value::Refused;

/// Declares an enum whose variants are words in the configuration.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$doc])* $variant),+ }

        impl $name {
            /// Every word, in the order of the variants.
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// The word that stands for it.
            pub const fn word(self) -> &'static str {
                match self { $($name::$variant => $word),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.word())
            }
        }

        impl $crate::config::value::Value for $name {
            fn read(
                found: &$crate::config::value::Found,
                rule: &$crate::config::rule::Rule,
            ) -> Result<Self, $crate::config::value::Refused> {
                match found {
                    $($crate::config::value::Found::Text(text) if text == $word => Ok($name::$variant),)+
                    $crate::config::value::Found::Text(text) => {
                        Err($crate::config::words::unknown_word(text, rule))
                    }
                    _ => Err($crate::config::words::not_a_word(rule)),
                }
            }

            fn write(&self) -> String {
                format!("\"{}\"", self.word())
            }
        }
    };
}
pub(crate) use words;

/// A word that is none of the allowed ones; offers the nearest.
pub fn unknown_word(text: &str, rule: &Rule) -> Refused {
    let Rule::Words(words) = rule else { return not_a_word(rule) };
    let problem = match nearest(text, words.iter().copied()) {
        Some(word) => format!("is not one of the words; did you mean \"{word}\"?"),
        None => "is not one of the words".to_owned(),
    };
    Refused { problem, allowed: rule.to_string() }
}

/// Something that is no word at all.
pub fn not_a_word(rule: &Rule) -> Refused {
    Refused::because("is not a word in quotes", rule)
}

#[cfg(test)]
mod tests {
    use super::super::value::{Found, Value};
    use super::*;

    words! {
        /// For the tests.
        Fruit {
            /// A.
            Apple = "apple",
            /// B.
            Pear = "pear",
        }
    }

    fn refused(found: Found) -> (String, String) {
        let refused = Fruit::read(&found, &Rule::Words(Fruit::WORDS)).unwrap_err();
        (refused.problem, refused.allowed)
    }

    #[test]
    fn a_word_is_read_and_written_as_it_is() {
        let read = Fruit::read(&Found::Text("pear".into()), &Rule::Words(Fruit::WORDS));
        assert_eq!(read, Ok(Fruit::Pear));
        assert_eq!(Fruit::Apple.write(), "\"apple\"");
        assert_eq!(Fruit::Apple.to_string(), "apple");
    }

    #[test]
    fn another_word_is_refused_with_the_nearest() {
        let allowed = "\"apple\", \"pear\"".to_owned();
        let problem = "is not one of the words; did you mean \"pear\"?".to_owned();
        assert_eq!(refused(Found::Text("paer".into())), (problem, allowed.clone()));
        assert_eq!(
            refused(Found::Text("Apple!".into())).0,
            "is not one of the words; did you mean \"apple\"?"
        );
        assert_eq!(refused(Found::Text("melon".into())).0, "is not one of the words");
        assert_eq!(refused(Found::Whole(1)), ("is not a word in quotes".to_owned(), allowed));
    }
}
