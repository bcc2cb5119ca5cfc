//! Figures with their bars, beside the run recorded last: what every benchmark and the fault campaign print and keep.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::Path;

use serde_json::{Value, json};

/// What a figure has to reach.
#[derive(Clone, Copy, Debug)]
pub enum Bar {
    /// At least this.
    AtLeast(f64),
    /// At most this.
    AtMost(f64),
    /// Exactly this.
    Exactly(f64),
    /// Only told.
    None,
}

/// Of one value at least.
fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values[values.len().div_ceil(2) - 1]
}

impl Bar {
    /// Whether so many rounds of a figure reach it.
    pub fn holds(&self, values: &[f64]) -> bool {
        match *self {
            Bar::AtLeast(least) => median(values) >= least,
            Bar::AtMost(most) => median(values) <= most,
            Bar::Exactly(value) => values.iter().all(|v| *v == value),
            Bar::None => true,
        }
    }
}

struct Row {
    name: String,
    unit: &'static str,
    bar: Bar,
    values: Vec<f64>,
}

/// All figures of a run; a figure measured in several rounds shows its median and its worst.
pub struct Table {
    rows: Vec<Row>,
    last: BTreeMap<String, f64>,
}

/// The machine that figures are measured on.
pub struct Machine {
    /// The processor's name as the kernel has it.
    pub cpu: String,
    /// Cores this process may use.
    pub cores: usize,
}

impl Machine {
    /// This one.
    pub fn this() -> Self {
        let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(": unknown");
        let cpu = line.trim_start_matches([' ', '\t', ':']).to_owned();
        Machine { cpu, cores: std::thread::available_parallelism().map_or(0, |n| n.get()) }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cores of {}", self.cores, self.cpu)
    }
}

impl Table {
    /// An empty table beside the recorded run, if there is one.
    pub fn new(recorded: &Path) -> Self {
        let text = std::fs::read_to_string(recorded).unwrap_or_default();
        let value: Value = serde_json::from_str(&text).unwrap_or_default();
        let last = value["figures"].as_object().into_iter().flatten();
        Table { rows: Vec::new(), last: last.filter_map(|(k, v)| Some((k.clone(), v.as_f64()?))).collect() }
    }

    /// Adds a figure, or another round of one.
    pub fn put(&mut self, name: impl Into<String>, value: impl Into<f64>, unit: &'static str, bar: Bar) {
        let (name, value) = (name.into(), value.into());
        match self.rows.iter_mut().find(|row| row.name == name) {
            Some(row) => row.values.push(value),
            None => self.rows.push(Row { name, unit, bar, values: vec![value] }),
        }
    }

    /// How many bars were missed.
    pub fn missed(&self) -> usize {
        self.rows.iter().filter(|row| !row.holds()).count()
    }

    /// Keeps this run as the one to compare with: figures and machine as JSON with the members of `more`, and beside it
    /// the page that is made of the rows in Markdown.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn record(&self, path: &Path, more: Value, page: impl FnOnce(&str) -> String) -> io::Result<()> {
        let rounded = |row: &Row| (row.median() * 1000.0).round() / 1000.0;
        let figures: BTreeMap<&str, f64> =
            self.rows.iter().map(|row| (row.name.as_str(), rounded(row))).collect();
        let machine = Machine::this();
        let mut document =
            json!({ "machine": { "cpu": machine.cpu, "cores": machine.cores }, "figures": figures });
        for (name, value) in more.as_object().into_iter().flatten() {
            document[name] = value.clone();
        }
        std::fs::write(path, format!("{document:#}\n"))?;
        std::fs::write(path.with_extension("md"), page(&self.markdown()))
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
    fn median(&self) -> f64 {
        median(&self.values)
    }

    fn worst(&self) -> f64 {
        let values = self.values.iter().copied();
        match self.bar {
            Bar::AtLeast(_) => values.fold(f64::MAX, f64::min),
            _ => values.fold(f64::MIN, f64::max),
        }
    }

    fn holds(&self) -> bool {
        self.bar.holds(&self.values)
    }

    fn verdict(&self) -> &'static str {
        match (self.bar, self.holds()) {
            (Bar::None, _) => "",
            (_, true) => "reached",
            (_, false) => "missed",
        }
    }

    fn shown(&self) -> String {
        let worst =
            if self.values.len() > 1 { format!(" ({})", number(self.worst())) } else { String::new() };
        format!("{}{worst} {}", number(self.median()), self.unit).trim_end().to_owned()
    }

    fn bar_shown(&self) -> String {
        match self.bar {
            Bar::AtLeast(least) => format!("≥ {}", bar(least)),
            Bar::AtMost(most) => format!("≤ {}", bar(most)),
            Bar::Exactly(value) => bar(value),
            Bar::None => String::new(),
        }
    }
}

/// Three digits that say something, or a little more.
fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        1.0.. => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// A bar that was set stands as it was; one that was measured, as figures do.
fn bar(value: f64) -> String {
    let set = format!("{value}");
    if set.len() > 6 { number(value) } else { set }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<58} {:>20} {:>10} {:>10}", "figure", "measured", "bar", "last")?;
        for row in &self.rows {
            let last = self.last.get(&row.name).map_or_else(|| "-".into(), |v| number(*v));
            let mark = if row.holds() { "" } else { "  MISSED" };
            writeln!(f, "{:<58} {:>20} {:>10} {last:>10}{mark}", row.name, row.shown(), row.bar_shown())?;
        }
        match self.missed() {
            0 => write!(f, "\nevery bar reached"),
            n => write!(f, "\n{n} bars missed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_decides_and_an_exact_figure_holds_in_every_round() {
        let mut table = Table::new(Path::new("/nonexistent"));
        for value in [1.0, 9.0, 2.0] {
            table.put("mostly low", value, "ms", Bar::AtMost(3.0));
            table.put("high enough", value, "ms", Bar::AtLeast(2.0));
            table.put("told", value, "", Bar::None);
        }
        assert_eq!(table.missed(), 0, "{table}");
        table.put("never lost", 0.0, "", Bar::Exactly(0.0));
        table.put("never lost", 0.001, "", Bar::Exactly(0.0));
        assert_eq!(table.missed(), 1, "{table}");
        table.put("too low", 2.9_f32, "", Bar::AtLeast(3.0));
        table.put("too high", 3.1, "", Bar::AtMost(3.0));
        assert_eq!(table.missed(), 3, "{table}");
        table.put("as much as another", 0.8, "", Bar::AtLeast(f64::from(0.768_474_04_f32)));
        let shown = table.to_string();
        assert!(shown.contains("≥ 0.768 ") && shown.contains("≤ 3 "), "{shown}");
        assert!(shown.contains("2.00 (9.00) ms") && shown.contains("2.00 (1.00) ms"), "{shown}");
        assert!(shown.ends_with("3 bars missed"), "{shown}");
    }

    #[test]
    fn a_recorded_run_stands_beside_the_next() {
        let path = std::env::temp_dir().join(format!("pressel-table-{}.json", std::process::id()));
        let mut table = Table::new(&path);
        table.put("a figure", 12.345_678, "ms", Bar::AtMost(20.0));
        table.record(&path, json!({ "seeds": [1, 2] }), |rows| format!("# Page\n\n{rows}")).unwrap();
        let page = std::fs::read_to_string(path.with_extension("md")).unwrap();
        assert!(page.contains("| a figure | 12.3 ms | ≤ 20 | reached |"), "{page}");
        let kept: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!((&kept["seeds"], &kept["figures"]["a figure"]), (&json!([1, 2]), &json!(12.346)));
        let mut next = Table::new(&path);
        next.put("a figure", 11.0, "ms", Bar::AtMost(20.0));
        let shown = next.to_string();
        for written in [&path, &path.with_extension("md")] {
            std::fs::remove_file(written).unwrap();
        }
        assert!(shown.contains("12.3"), "{shown}");
    }
}
