//! What rows report, and the page made of it.

use pressel_world::table::{Bar, Machine, Table};

/// One figure of a row.
pub struct Figure {
    name: String,
    value: f64,
    unit: &'static str,
    bar: Bar,
}

impl Figure {
    pub fn new(name: impl Into<String>, value: f64, unit: &'static str, bar: Bar) -> Self {
        Figure { name: name.into(), value, unit, bar }
    }

    /// Puts it into the table.
    pub fn put(self, table: &mut Table) {
        table.put(self.name, self.value, self.unit, self.bar);
    }
}

/// The page of a recorded run.
pub fn page(rows: &str, seed: u64, long: bool) -> String {
    let extent = if long { " --long" } else { "" };
    format!(
        "# Faults\n\nPrinted by `cargo xtask faults{extent} --record --seed {seed}`: the shipped daemon on the virtual card, the \
         server behind a network of our\nown that delays, loses, swallows and refuses; and the conversation alone in virtual \
         time. {}.\n\n{rows}\n",
        Machine::this()
    )
}
