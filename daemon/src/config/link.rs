//! The table about the link to the service. config.example.toml says the same to people.

use super::rule::checked;
use super::table::table;

table! {
    /// `[link]`: how the link to the service is kept.
    Link {
        /// When a link is kept ready although nobody talks: `never`, `always`, or hours of the day (`"7-9, 17-22"`).
        warm: String = "never", checked(super::text::warm);
    }
}
