//! What talking costs: counted as it happens, kept over restarts and power cuts, held against budgets.
//!
//! [`meter`] counts, [`ledger`] keeps, [`book`] is the ledger's thread, [`money`] has the price list, [`day`] knows
//! which day it is when the clock does not. Here they meet the loop: it tells what it sends, what comes and what the
//! conversation notes, and asks what is left.

pub mod book;
pub mod count;
pub mod day;
pub mod ledger;
pub mod meter;
pub mod money;
pub mod report;

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use pressel_live::event::{Budget, Note};
use pressel_live::wire::client::audio_samples;
use tracing::{info, warn};

use crate::config::{self, Config};
use crate::keep;
use crate::net::Clock;
use book::Book;
use count::Count;
use day::Day;
use ledger::{Ledger, Totals};
use meter::{Limits, Meter};
use money::{Money, Prices};
use report::UsageReport;

/// How often the calendar is looked at.
const LOOK: Duration = Duration::from_secs(20);
/// A talk that a restart broke off goes on if it is shorter ago than this.
const SAME_TALK_S: u64 = 600;
/// Longer messages without sound hold text that the model reads: questions, notes, results of tools.
const MARK_MAX: usize = 64;

/// Counts, keeps and limits.
#[derive(Debug)]
pub struct Usage {
    meter: Meter,
    book: Book,
    currency: String,
    path: Option<PathBuf>,
    /// A sentence about the ledger as it was found.
    found: Option<String>,
    told: Budget,
    /// The clock can be believed, as far as the network says.
    clock_set: bool,
    looked: Option<Instant>,
    /// The newest entry of the run before, in seconds since 1970.
    left_at_s: Option<u64>,
}

impl Usage {
    /// Opens the ledger that the configuration names. A ledger that cannot be used is said once and done without.
    pub fn open(config: &Config) -> Self {
        Usage::with(
            config,
            keep::folder(&config.usage.ledger_folder, std::env::var_os("STATE_DIRECTORY"), false),
        )
    }

    /// Counts for somebody else's ledger: what was used is asked for by [`Usage::count`].
    pub fn beside(config: &Config) -> Self {
        Usage::with(config, None)
    }

    fn with(config: &Config, folder: Option<PathBuf>) -> Self {
        let (mut ledger, mut totals, mut found) = (None, Totals::default(), None);
        if let Some(folder) = &folder {
            match Ledger::open(folder) {
                Ok(opened) => {
                    (ledger, totals, found) = (Some(opened.ledger), opened.totals, opened.told);
                }
                Err(error) => {
                    found = Some(format!(
                        "{}: {error}; usage is counted in memory only, and a budget begins anew with each start",
                        ledger::file(folder).display()
                    ));
                }
            }
        }
        if let Some(text) = &found {
            warn!("{text}");
        }
        let last = totals.days.last_key_value().map(|(day, _)| *day).max(Some(totals.last.day));
        let day = Day::counted(Day::of(SystemTime::now()), last.filter(|day| day.is_date()), false);
        let left_at_s = (totals.last.talk > Money(0)).then_some(totals.last.at_s);
        let letters = config.live.instruction.len();
        let path = ledger.is_some().then_some(folder).flatten().map(|folder| ledger::file(&folder));
        let meter = Meter::new(prices(config), limits(&config.budget), letters, totals, day);
        Usage {
            meter,
            book: Book::new(ledger),
            currency: config.price.currency.clone(),
            path,
            found,
            told: Budget::Fine,
            clock_set: false,
            looked: None,
            left_at_s,
        }
    }

    /// Other prices, other limits.
    pub fn renew(&mut self, config: &Config) {
        self.currency.clone_from(&config.price.currency);
        self.meter.renew(prices(config), limits(&config.budget));
        self.looked = None;
    }

    /// A message is about to be sent.
    pub fn sends(&mut self, message: &str) {
        let samples = audio_samples(message) as u64;
        if samples > 0 {
            self.meter.sent(samples.div_ceil(16));
            self.write();
        } else if message.starts_with("{\"setup\"") {
            self.meter.session_begins_with(message.len());
        } else if message.len() > MARK_MAX {
            self.meter.typed(message.len());
        }
    }

    /// Sound of an answer came.
    pub fn plays(&mut self, samples: usize, rate_hz: u32) {
        self.meter.received(samples as u64 * 1000 / u64::from(rate_hz.max(1)));
        self.write();
    }

    /// Somebody else used this with the same account.
    pub fn used(&mut self, count: Count) {
        self.meter.add(count);
        self.write();
    }

    /// All that was ever counted, what is open with it.
    pub fn count(&self) -> Count {
        self.meter.totals().days.into_values().fold(Count::default(), |mut sum, count| {
            sum += count;
            sum
        })
    }

    /// What the conversation tells.
    pub fn note(&mut self, note: &Note) {
        match note {
            Note::Usage(usage) => self.meter.usage(usage),
            Note::Heard(text) | Note::Said(text) => self.meter.words(text),
            // It was made, and is billed, although nobody hears it. Answers come at 24 kHz.
            Note::AnswerDropped { samples } => self.meter.received(samples / 24),
            Note::LinkUp { resumed } => self.meter.link_up(*resumed),
            Note::LinkDown { .. } => self.meter.link_down(),
            Note::TurnComplete => self.meter.turn_complete(),
            Note::TalkBegan => {
                let now = seconds(SystemTime::now());
                let since = self.left_at_s.take().map(|left| now.saturating_sub(left));
                self.meter.talk_begins(since.is_some_and(|since| since < SAME_TALK_S));
            }
            Note::TalkEnded { forgotten } => self.meter.talk_ends(*forgotten),
            _ => return,
        }
        self.write();
    }

    /// The network knows whether the clock can be believed.
    pub fn clock(&mut self, set: bool) {
        self.clock_set = set;
        self.looked = None;
    }

    /// What is left of the money, where that has changed since it was last asked.
    pub fn changed(&mut self, now: Instant) -> Option<Budget> {
        if self.looked.is_none_or(|looked| now.saturating_duration_since(looked) >= LOOK) {
            self.look(now);
        }
        let budget = self.meter.budget();
        (budget != std::mem::replace(&mut self.told, budget)).then_some(budget)
    }

    /// What is left of the money at the start. What was warned of by the run before is not warned of again.
    pub fn at_start(&mut self, now: Instant) -> Option<Budget> {
        self.changed(now).filter(|budget| *budget != Budget::Low)
    }

    /// When [`Usage::changed`] wants to be asked although nothing happens: a new day brings new money.
    pub fn next_look(&self) -> Option<Instant> {
        let waits = !matches!(self.told, Budget::Fine);
        self.looked.filter(|_| waits).map(|looked| looked + LOOK)
    }

    fn look(&mut self, now: Instant) {
        self.looked = Some(now);
        self.write(); // what was used up to now is of the day that was
        let (clock, known) = (Day::of(SystemTime::now()), self.meter.day());
        if clock >= known {
            return self.meter.day_is(clock);
        }
        let set = self.clock_set || Clock::read().synchronized == Some(true);
        let day = Day::counted(clock, Some(known), set);
        if day < known {
            if let Some(totals) = self.meter.bring_back(day) {
                info!(%day, "the clock was ahead: what was used on later days is counted for today");
                self.book.replace(totals);
            }
        }
    }

    fn write(&mut self) {
        while let Some(entry) = self.meter.entry(seconds(SystemTime::now())) {
            self.book.append(entry);
        }
    }

    /// The end: all that is open is counted and written.
    pub fn stop(&mut self) {
        self.meter.settle();
        self.write();
        self.book.close();
    }

    /// For `pressel usage`, status and doctor.
    pub fn report(&self) -> UsageReport {
        let mut report = UsageReport::of(&self.meter.totals(), self.meter.day(), &self.currency);
        report.limited(self.meter.limits(), self.meter.spent());
        report.budget = budget_word(self.told).to_owned();
        report.ledger = self.path.as_ref().map(|path| path.display().to_string());
        report.problem = self.book.problem().or_else(|| self.found.clone());
        report
    }
}

/// Where the ledger lies, if one is kept.
pub fn folder_of(config: &Config) -> Option<PathBuf> {
    keep::folder(&config.usage.ledger_folder, std::env::var_os("STATE_DIRECTORY"), true)
}

/// What the ledger says while no daemon runs.
///
/// # Errors
/// A sentence: the ledger is there and cannot be read.
pub fn look(config: &Config) -> Result<UsageReport, String> {
    let folder = folder_of(config);
    let mut totals = Totals::default();
    let (mut path, mut problem) = (None, None);
    if let Some(folder) = folder {
        let file = ledger::file(&folder);
        let found = ledger::look(&folder)
            .map_err(|error| format!("{}: {error}; ask as root, or while the daemon runs", file.display()))?;
        match found {
            None => problem = Some(format!("{} is not there: nothing was used yet", file.display())),
            Some(read) if read.foreign => {
                problem = Some(format!("{} was written by a later version", file.display()));
            }
            Some(read) => {
                if read.damaged > 0 {
                    problem =
                        Some(format!("{}: {} damaged lines do not count", file.display(), read.damaged));
                }
                totals = read.totals;
            }
        }
        path = Some(file.display().to_string());
    }
    let last = Some(totals.last.day).filter(|day| day.is_date());
    let today = Day::counted(Day::of(SystemTime::now()), last, false);
    let mut report = UsageReport::of(&totals, today, &config.price.currency);
    report.limited(limits(&config.budget), [totals.last.talk, report.today.money, report.month.money]);
    (report.ledger, report.problem) = (path, problem);
    let mut meter = Meter::new(prices(config), limits(&config.budget), 0, totals, today);
    report.budget = budget_word(meter.budget()).to_owned();
    Ok(report)
}

/// The word for what is left.
pub fn budget_word(budget: Budget) -> &'static str {
    match budget {
        Budget::Fine => "fine",
        Budget::Low => "low",
        Budget::Spent | Budget::Over => "spent",
    }
}

fn limits(budget: &config::Budget) -> Limits {
    let limit = |units: f32| (units > 0.0).then(|| Money::of_units(units));
    Limits { talk: limit(budget.talk), day: limit(budget.day), month: limit(budget.month) }
}

fn prices(config: &Config) -> Prices {
    let listed = Prices::listed(&config.live.model);
    let own =
        |price: f32, listed: u64| if price < 0.0 { listed } else { Money::of_units(price).0.div_ceil(1000) };
    let price = &config.price;
    Prices {
        text_in: own(price.text_in, listed.text_in),
        audio_in: own(price.audio_in, listed.audio_in),
        text_out: own(price.text_out, listed.text_out),
        audio_out: own(price.audio_out, listed.audio_out),
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests;
