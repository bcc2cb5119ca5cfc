//! The ledger: what was used, as lines that are only ever added, so that a power cut costs the last line at most.
//!
//! A line is an entry as JSON, a blank and the CRC-32 of the JSON (IEEE 802.3) in eight digits. Money is set aside
//! before it is spent: an entry names what may be spent beyond it (`lease`), and who finds that entry to be the last
//! one counts all of it as spent. From time to time the file is written anew, beside and by rename.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::count::Count;
use super::day::Day;
use super::money::Money;

/// First line: what the file is, and the version of its lines.
const HEAD: &str = "pressel usage 1";
/// Days kept: this month, the one before, and a few.
const DAYS_KEPT: usize = 70;
/// Beyond this the file is written anew. 70 days take some 15 kB.
const SIZE_MAX: u64 = 128 << 10;
/// A file beyond this is no ledger.
const READ_MAX: u64 = 4 << 20;

/// One line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Entry {
    /// The day it is counted for.
    pub day: Day,
    /// When it was written, in seconds since 1970 by the device's clock.
    pub at_s: u64,
    /// What is to be added to that day.
    #[serde(flatten)]
    pub count: Count,
    /// What the talk has cost up to here.
    pub talk: Money,
    /// What may be spent from here on before the next entry is written.
    pub lease: Money,
}

/// What a ledger holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// By day.
    pub days: BTreeMap<Day, Count>,
    /// The newest entry.
    pub last: Entry,
}

impl Totals {
    /// Adds an entry.
    pub fn add(&mut self, entry: &Entry) {
        if !entry.count.is_empty() {
            *self.days.entry(entry.day).or_default() += entry.count;
        }
        self.last = *entry;
        while self.days.len() > DAYS_KEPT {
            self.days.pop_first();
        }
    }

    /// What was used on a day.
    pub fn day(&self, day: Day) -> Count {
        self.days.get(&day).copied().unwrap_or_default()
    }

    /// What was used in a month, a number like 202612.
    pub fn month(&self, month: u32) -> Count {
        let mut sum = Count::default();
        self.days.iter().filter(|(day, _)| day.month() == month).for_each(|(_, count)| sum += *count);
        sum
    }

    /// Days after `today` are counted for `today`: the clock was wrong. Returns whether there were any.
    pub fn bring_back(&mut self, today: Day) -> bool {
        let late = self.days.split_off(&Day(today.0 + 1));
        for count in late.values() {
            *self.days.entry(today).or_default() += *count;
        }
        let moved = !late.is_empty() || self.last.day > today;
        self.last.day = self.last.day.min(today);
        moved
    }

    /// What is set aside and was never accounted for counts as spent.
    pub fn settle(&mut self) -> Money {
        let lost = std::mem::take(&mut self.last.lease);
        if lost > Money(0) {
            let count = Count { money: lost, ..Count::default() };
            *self.days.entry(self.last.day).or_default() += count;
            self.last.talk += lost;
        }
        lost
    }

    /// As the lines of a new file.
    pub fn lines(&self) -> String {
        let mut text = format!("{HEAD}\n");
        for (day, count) in &self.days {
            text.push_str(&line(&Entry { day: *day, count: *count, ..self.last }));
        }
        // The last line says how the talk stands, and adds nothing.
        text.push_str(&line(&Entry { count: Count::default(), ..self.last }));
        text
    }
}

/// What could be read, and what is to be said about the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Read {
    /// What holds.
    pub totals: Totals,
    /// Lines that are damaged. The last line of a file may be torn by a power cut, which is nothing to tell.
    pub damaged: usize,
    /// It was written by a later version: nothing of it is understood.
    pub foreign: bool,
}

/// Reads the text of a ledger, whatever it holds.
pub fn read(bytes: &[u8]) -> Read {
    let text = String::from_utf8_lossy(bytes);
    let mut read = Read::default();
    let mut lines = text.split_inclusive('\n');
    match lines.next() {
        None => return read,
        Some(head) if head.trim_end() == HEAD => {}
        Some(head) if head.starts_with("pressel usage ") && head.ends_with('\n') => {
            read.foreign = true;
            return read;
        }
        // Torn in its first line: nothing was ever counted in it. Or damaged, and read as far as it can be.
        Some(head) => read.damaged += usize::from(head.ends_with('\n')),
    }
    for line in lines {
        match parse(line) {
            Some(entry) => read.totals.add(&entry),
            None if !line.ends_with('\n') => {}
            None => read.damaged += 1,
        }
    }
    read
}

fn parse(line: &str) -> Option<Entry> {
    let (json, sum) = line.strip_suffix('\n')?.rsplit_once(' ')?;
    if sum.len() != 8 || u32::from_str_radix(sum, 16) != Ok(crc32(json.as_bytes())) {
        return None;
    }
    serde_json::from_str(json).ok().filter(|entry: &Entry| entry.day.is_date() || entry.count.is_empty())
}

/// An entry as a line.
pub fn line(entry: &Entry) -> String {
    let json = serde_json::to_string(entry).expect("numbers under fixed names are always JSON");
    format!("{json} {:08x}\n", crc32(json.as_bytes()))
}

/// CRC-32 of IEEE 802.3, bit by bit: a line takes some µs.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0xedb8_8320 & 0u32.wrapping_sub(sum & 1)))
    })
}

/// The file, open for more. Every call returns when what it wrote is on the disk.
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
    file: File,
    size: u64,
    totals: Totals,
}

/// A ledger just opened: it, what it holds, and a sentence where something of it could not be used.
pub struct Opened {
    /// To be added to.
    pub ledger: Ledger,
    /// What it holds; what was set aside and lost is counted as spent.
    pub totals: Totals,
    /// What a person should know.
    pub told: Option<String>,
}

impl Ledger {
    /// Opens the ledger in `folder`, or begins one. What cannot be used is put aside under another name.
    ///
    /// # Errors
    /// When the folder or the file cannot be read or written.
    pub fn open(folder: &Path) -> io::Result<Opened> {
        fs::create_dir_all(folder)?;
        let path = file(folder);
        let bytes = bytes(&path)?;
        let mut found = read(&bytes);
        let told = if found.foreign {
            let aside = put_aside(&path, "later")?;
            Some(format!(
                "{} was written by a later version: kept as {}, and counting begins anew",
                path.display(),
                aside.display()
            ))
        } else if found.damaged > 0 {
            let aside = put_aside(&path, "damaged")?;
            Some(format!(
                "{} has {} damaged lines: the rest of it counts, all of it is kept as {}",
                path.display(),
                found.damaged,
                aside.display()
            ))
        } else {
            None
        };
        found.totals.settle();
        // Written anew: a torn last line must not be continued.
        let (file, size) = write_anew(&path, &found.totals)?;
        let ledger = Ledger { path, file, size, totals: found.totals.clone() };
        Ok(Opened { ledger, totals: found.totals, told })
    }

    /// Adds an entry, and writes the file anew when it has grown.
    ///
    /// # Errors
    /// When the disk is full, gone or read-only.
    pub fn append(&mut self, entry: &Entry) -> io::Result<()> {
        self.totals.add(entry);
        if self.size > SIZE_MAX {
            (self.file, self.size) = write_anew(&self.path, &self.totals)?;
            return Ok(());
        }
        let line = line(entry);
        self.file.write_all(line.as_bytes())?;
        self.size += line.len() as u64;
        self.file.sync_data()
    }

    /// Replaces all of it.
    ///
    /// # Errors
    /// As [`Ledger::append`].
    pub fn replace(&mut self, totals: Totals) -> io::Result<()> {
        self.totals = totals;
        (self.file, self.size) = write_anew(&self.path, &self.totals)?;
        Ok(())
    }
}

/// The ledger's file in a folder.
pub fn file(folder: &Path) -> PathBuf {
    folder.join("usage.ledger")
}

/// What a ledger holds now, without touching it; `None` where there is none.
///
/// # Errors
/// When it is there and cannot be read.
pub fn look(folder: &Path) -> io::Result<Option<Read>> {
    let path = file(folder);
    if !path.try_exists()? {
        return Ok(None);
    }
    let mut found = read(&bytes(&path)?);
    found.totals.settle();
    Ok(Some(found))
}

fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    match fs::metadata(path) {
        Ok(facts) if facts.len() > READ_MAX => Ok(b"too large\n".to_vec()),
        Ok(_) => fs::read(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn put_aside(path: &Path, why: &str) -> io::Result<PathBuf> {
    let aside = path.with_extension(format!("ledger.{why}"));
    fs::rename(path, &aside)?;
    Ok(aside)
}

/// Written beside, on the disk, then renamed: there is a whole file at any moment.
fn write_anew(path: &Path, totals: &Totals) -> io::Result<(File, u64)> {
    let text = totals.lines();
    let beside = path.with_extension("ledger.new");
    let mut file = File::create(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?; // the rename itself
    }
    Ok((OpenOptions::new().append(true).open(path)?, text.len() as u64))
}

#[cfg(test)]
mod tests;
