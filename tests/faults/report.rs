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

    /// Its name, where it alone misses its bar.
    pub fn missed(&self) -> Option<&str> {
        (!self.bar.holds(&[self.value])).then_some(&self.name)
    }

    /// Puts it into the table.
    pub fn put(self, table: &mut Table) {
        table.put(self.name, self.value, self.unit, self.bar);
    }
}

/// What is measured, where the rows alone do not say it.
const MEASURED: &str = "
Deaf, in virtual time: from when somebody is done speaking until all of it is with a server. Time without a network, or in
which the service wants to be left alone, does not count, nor time in which a server hears what the same person goes on to
say. Each fault has its own 10 s: an outage, a link that is cut or a session that turns out to be forgotten while another
fault is being waited out begins another wait. Before the first pong of a run
nothing tells a server that hangs from one whose pongs take 30 s: the 35 s that a link is given then are no deafness. Nor is
what was said after a goAway that ran out a good link given up. `cargo xtask faults --seed N seeds` plays another thousand.

`cargo xtask test` holds every commit against the quick set; `cargo xtask faults --long` is run by hand.

Last run by hand on 2026-11-21, seed 1: 5,000 runs in virtual time and 200 of the daemon, none deaf for more than 10 s
(longest 8.89 s and 6.0 s), no word lost uncounted, no complaint; ready 0.35 s after an outage of 60 s.
";

/// The page of a recorded run.
pub fn page(rows: &str, seed: u64, long: bool) -> String {
    let extent = if long { " --long" } else { "" };
    format!(
        "# Faults\n\nPrinted by `cargo xtask faults{extent} --record --seed {seed}`: the shipped daemon on the virtual card, the \
         server behind a network of our\nown that delays, loses, swallows and refuses; and the conversation alone in virtual \
         time. {}.\n\n{rows}\n{MEASURED}",
        Machine::this()
    )
}
