//! How a table of the configuration is declared: fields, defaults and rules in one place.

use super::rule::Rule;
use super::value::{Found, Refused};

/// One key of a table.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its name, unit last.
    pub name: &'static str,
    /// What it may hold.
    pub rule: Rule,
}

/// A table of the configuration, seen by key name.
pub trait Table {
    /// Its keys in the order of the example file.
    fn keys(&self) -> &'static [Key];

    /// Sets a key to what was found. `name` must be one of [`Table::keys`].
    ///
    /// # Errors
    /// Why the value is refused; the field keeps what it had.
    fn set(&mut self, name: &str, found: &Found) -> Result<(), Refused>;

    /// The value of a key as TOML; `None` for a name that is not one of [`Table::keys`].
    fn written(&self, name: &str) -> Option<String>;
}

/// Declares a table: `key: Type = default, rule;` with the key's documentation above it.
macro_rules! table {
    ($(#[$meta:meta])* $name:ident {
        $($(#[$doc:meta])* $key:ident: $type:ty = $default:expr, $rule:expr;)+
    }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name { $($(#[$doc])* pub $key: $type),+ }

        impl Default for $name {
            fn default() -> Self {
                $name { $($key: $default.into()),+ }
            }
        }

        impl $crate::config::table::Table for $name {
            fn keys(&self) -> &'static [$crate::config::table::Key] {
                const KEYS: &[$crate::config::table::Key] =
                    &[$($crate::config::table::Key { name: stringify!($key), rule: $rule }),+];
                KEYS
            }

            fn set(
                &mut self,
                name: &str,
                found: &$crate::config::value::Found,
            ) -> Result<(), $crate::config::value::Refused> {
                match name {
                    $(stringify!($key) => {
                        self.$key = $crate::config::value::Value::read(found, &$rule)?;
                    })+
                    _ => unreachable!("no key {name}: callers look it up in keys()"),
                }
                Ok(())
            }

            fn written(&self, name: &str) -> Option<String> {
                match name {
                    $(stringify!($key) => Some($crate::config::value::Value::write(&self.$key)),)+
                    _ => None,
                }
            }
        }
    };
}
pub(crate) use table;
