//! Figures with their bars, beside the run recorded last.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::Path;

use serde_json::{Value, json};

/// What a figure has to reach.
#[derive(Clone, Copy, Debug)]
pub enum Bar {
    /// At least this.
    AtLeast(f32),
    /// At most this.
    AtMost(f32),
    /// Only told.
    None,
}

struct Row {
    name: String,
    unit: &'static str,
    bar: Bar,
    value: f32,
}

/// All figures of a run.
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
    pub fn put(&mut self, name: String, value: f32, unit: &'static str, bar: Bar) {
        self.rows.push(Row { name, unit, bar, value });
    }

    /// How many bars were missed.
    pub fn missed(&self) -> usize {
        self.rows.iter().filter(|row| !row.holds()).count()
    }

    /// Keeps this run as the one to compare with.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn record(&self, path: &Path, scenes: &str, seeds: &[u64]) -> io::Result<()> {
        let figures: BTreeMap<&str, Value> = self
            .rows
            .iter()
            .map(|row| (row.name.as_str(), json!((f64::from(row.value) * 1000.0).round() / 1000.0)))
            .collect();
        let cores = std::thread::available_parallelism().map_or(0, |n| n.get());
        let document =
            json!({ "machine": { "cpu": cpu(), "cores": cores }, "seeds": seeds, "figures": figures });
        std::fs::write(path, format!("{document:#}\n"))?;
        let page = format!(
            "# Benchmarks of the sound path\n\nPrinted by `cargo xtask bench sound --record`: the capture path as the \
             daemon runs it, in rooms made from seeds {seeds:?}\nthat nothing was tuned on, on {cores} cores of {}. \
             `linear` is the echo canceller without its suppressor, `speex` the yardstick\n(SpeexDSP with its \
             preprocessor, 400 ms tail). Rows are means over the seeds.\n\n{}\n{scenes}",
            cpu(),
            self.markdown()
        );
        std::fs::write(path.with_extension("md"), page)
    }

    fn markdown(&self) -> String {
        let mut text = String::from("| figure | measured | bar | |\n|---|---|---|---|\n");
        for row in &self.rows {
            text +=
                &format!("| {} | {} | {} | {} |\n", row.name, row.shown(), row.bar_shown(), row.verdict());
        }
        text
    }
}

impl Row {
    fn holds(&self) -> bool {
        match self.bar {
            Bar::AtLeast(least) => self.value >= least,
            Bar::AtMost(most) => self.value <= most,
            Bar::None => true,
        }
    }

    fn verdict(&self) -> &'static str {
        match (self.bar, self.holds()) {
            (Bar::None, _) => "",
            (_, true) => "reached",
            (_, false) => "missed",
        }
    }

    fn shown(&self) -> String {
        match self.value.abs() {
            value if value >= 10.0 => format!("{:.1} {}", self.value, self.unit),
            _ => format!("{:.3} {}", self.value, self.unit),
        }
    }

    fn bar_shown(&self) -> String {
        match self.bar {
            Bar::AtLeast(least) => format!("≥ {least}"),
            Bar::AtMost(most) => format!("≤ {most}"),
            Bar::None => String::new(),
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<58} {:>14} {:>8} {:>10}", "figure", "measured", "bar", "last")?;
        for row in &self.rows {
            let last = self.last.get(&row.name).map_or_else(|| "-".into(), |v| format!("{v:.3}"));
            let mark = if row.holds() { "" } else { "  MISSED" };
            writeln!(f, "{:<58} {:>14} {:>8} {last:>10}{mark}", row.name, row.shown(), row.bar_shown())?;
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
