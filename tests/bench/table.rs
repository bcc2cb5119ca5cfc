//! Figures with their bars, beside the run recorded last.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::Path;

use serde_json::{Value, json};
use tests::measure::percentile;

/// What a figure has to reach.
#[derive(Clone, Copy, Debug)]
pub enum Bar {
    /// At most this.
    AtMost(f64),
    /// Exactly this.
    Exactly(f64),
    /// Only told.
    None,
}

struct Row {
    name: &'static str,
    unit: &'static str,
    bar: Bar,
    values: Vec<f64>,
}

/// All figures of a run; a figure measured in several rounds shows its median and its worst.
pub struct Table {
    rows: Vec<Row>,
    last: BTreeMap<String, f64>,
}

impl Table {
    /// An empty table beside the recorded run, if there is one.
    pub fn new(recorded: &Path) -> Self {
        let text = std::fs::read_to_string(recorded).unwrap_or_default();
        let value: Value = serde_json::from_str(&text).unwrap_or_default();
        let last = value["figures"].as_object().into_iter().flatten();
        Table { rows: Vec::new(), last: last.filter_map(|(k, v)| Some((k.clone(), v.as_f64()?))).collect() }
    }

    /// Adds a figure.
    pub fn put(&mut self, name: &'static str, value: f64, unit: &'static str, bar: Bar) {
        match self.rows.iter_mut().find(|row| row.name == name) {
            Some(row) => row.values.push(value),
            None => self.rows.push(Row { name, unit, bar, values: vec![value] }),
        }
    }

    /// How many bars were missed.
    pub fn missed(&self) -> usize {
        self.rows.iter().filter(|row| !row.holds()).count()
    }

    /// Keeps this run as the one to compare with.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn record(&self, path: &Path) -> io::Result<()> {
        let figures: BTreeMap<&str, f64> = self.rows.iter().map(|row| (row.name, row.median())).collect();
        let machine =
            json!({ "cpu": cpu(), "cores": std::thread::available_parallelism().map_or(0, |n| n.get()) });
        let document = json!({ "machine": machine, "figures": figures });
        std::fs::write(path, format!("{document:#}\n"))?;
        let page = format!(
            "# Benchmarks\n\nPrinted by `cargo xtask bench --record`: the release binary on the virtual card, the server \
             on loopback over TLS,\n{} cores of {}. Median of the rounds; worst in brackets.\n\n{}\n",
            machine["cores"],
            cpu(),
            self.markdown()
        );
        std::fs::write(path.with_extension("md"), page)
    }

    fn markdown(&self) -> String {
        let mut text = String::from("| figure | measured | bar |\n|---|---|---|\n");
        for row in &self.rows {
            text += &format!("| {} | {} | {} |\n", row.name, row.shown(), row.bar_shown());
        }
        text
    }
}

impl Row {
    fn median(&self) -> f64 {
        percentile(&mut self.values.clone(), 0.5)
    }

    fn worst(&self) -> f64 {
        self.values.iter().copied().fold(f64::MIN, f64::max)
    }

    fn holds(&self) -> bool {
        match self.bar {
            Bar::AtMost(most) => self.median() <= most,
            Bar::Exactly(value) => self.values.iter().all(|v| *v == value),
            Bar::None => true,
        }
    }

    fn shown(&self) -> String {
        let number = |value: f64| {
            if value.abs() >= 100.0 || value == 0.0 { format!("{value:.0}") } else { format!("{value:.2}") }
        };
        let worst =
            if self.values.len() > 1 { format!(" ({})", number(self.worst())) } else { String::new() };
        format!("{}{worst} {}", number(self.median()), self.unit)
    }

    fn bar_shown(&self) -> String {
        match self.bar {
            Bar::AtMost(most) => format!("≤ {most}"),
            Bar::Exactly(value) => format!("{value}"),
            Bar::None => String::new(),
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<58} {:>20} {:>10} {:>10}", "figure", "measured", "bar", "last")?;
        for row in &self.rows {
            let last = self.last.get(row.name).map_or_else(|| "-".into(), |v| format!("{v:.2}"));
            let mark = if row.holds() { "" } else { "  MISSED" };
            writeln!(f, "{:<58} {:>20} {:>10} {last:>10}{mark}", row.name, row.shown(), row.bar_shown())?;
        }
        match self.missed() {
            0 => write!(f, "\nevery bar reached"),
            n => write!(f, "\n{n} bars missed"),
        }
    }
}

fn cpu() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(": unknown");
    line.trim_start_matches([' ', '\t', ':']).to_owned()
}
