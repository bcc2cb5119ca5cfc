//! Usage as it is told: to `pressel usage`, status and doctor.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::count::Count;
use super::day::Day;
use super::ledger::Totals;
use super::meter::Limits;
use super::money::Money;

/// What was used today, yesterday and this month. Money is in millionths of a unit of the currency (`micro`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UsageReport {
    /// Name of the currency.
    pub currency: String,
    /// The day that counts as today, as a date.
    pub date: String,
    /// Today.
    pub today: Count,
    /// Yesterday.
    pub yesterday: Count,
    /// This month, today with it.
    pub month: Count,
    /// What may be spent, and what was: only what is limited.
    pub budgets: Vec<BudgetReport>,
    /// `fine`, `low` or `spent`.
    pub budget: String,
    /// Where it is kept; `None` = in memory only.
    pub ledger: Option<String>,
    /// What is wrong with the ledger, a sentence.
    pub problem: Option<String>,
}

/// One budget.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BudgetReport {
    /// `talk`, `day` or `month`.
    pub per: String,
    /// What may be spent.
    #[serde(rename = "limit_micro")]
    pub limit: Money,
    /// What was.
    #[serde(rename = "spent_micro")]
    pub spent: Money,
}

impl UsageReport {
    /// What a ledger says about `today` and around it.
    pub fn of(totals: &Totals, today: Day, currency: &str) -> Self {
        UsageReport {
            currency: currency.to_owned(),
            date: today.to_string(),
            today: totals.day(today),
            yesterday: totals.day(today.before()),
            month: totals.month(today.month()),
            ..UsageReport::default()
        }
    }

    /// Today in a line: what it cost, what is left, what is wrong.
    pub fn sentence(&self) -> String {
        let mut text = format!(
            "{} {} today, {} this month, budget {}",
            self.today.money, self.currency, self.month.money, self.budget
        );
        for budget in &self.budgets {
            text.push_str(&format!("; {} of {} per {}", budget.spent, budget.limit, budget.per));
        }
        if let Some(problem) = &self.problem {
            text.push_str("; ");
            text.push_str(problem);
        }
        text
    }

    /// Adds what may be spent and what was, in the order talk, day, month.
    pub fn limited(&mut self, limits: Limits, spent: [Money; 3]) {
        let limits = [("talk", limits.talk), ("day", limits.day), ("month", limits.month)];
        for ((per, limit), spent) in limits.into_iter().zip(spent) {
            if let Some(limit) = limit {
                self.budgets.push(BudgetReport { per: per.to_owned(), limit, spent });
            }
        }
    }
}

impl fmt::Display for UsageReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<18}{:>7}{:>7}{:>11}{:>13}{:>12}{:>12}{:>12}",
            "", "talks", "turns", "heard min", "spoken min", "tokens in", "tokens out", self.currency
        )?;
        let rows = [
            (format!("today {}", self.date), self.today),
            ("yesterday".into(), self.yesterday),
            ("this month".into(), self.month),
        ];
        for (name, count) in rows {
            writeln!(
                f,
                "{name:<18}{:>7}{:>7}{:>11.1}{:>13.1}{:>12}{:>12}{:>12}",
                count.talks,
                count.turns,
                count.sent_ms as f64 / 60_000.0,
                count.received_ms as f64 / 60_000.0,
                count.tokens.read(),
                count.tokens.made(),
                count.money.to_string()
            )?;
        }
        for budget in &self.budgets {
            writeln!(f, "budget per {}: {} of {} {}", budget.per, budget.spent, budget.limit, self.currency)?;
        }
        match (&self.problem, &self.ledger) {
            (Some(problem), _) => writeln!(f, "{problem}"),
            (None, Some(_)) => Ok(()),
            (None, None) => writeln!(f, "in memory only: forgotten at the end, see [usage] ledger_folder"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::count::Tokens;
    use super::super::ledger::Entry;
    use super::*;

    #[test]
    fn today_yesterday_and_the_month_are_told() {
        let count = |money| Count {
            talks: 1,
            turns: 2,
            tokens: Tokens { audio_in: 1500, audio_out: 750, ..Tokens::default() },
            sent_ms: 60_000,
            received_ms: 30_000,
            money: Money(money),
        };
        let mut totals = Totals::default();
        for (day, money) in [(20_261_031, 7), (20_261_130, 500_000), (20_261_201, 13_500)] {
            totals.add(&Entry { day: Day(day), count: count(money), ..Entry::default() });
        }
        let mut report = UsageReport::of(&totals, Day(20_261_201), "USD");
        assert_eq!((report.month, report.yesterday.money), (report.today, Money(500_000)));
        report.limited(
            Limits { day: Some(Money(1_000_000)), ..Limits::default() },
            [Money(0), Money(13_500), Money(0)],
        );
        report.ledger = Some("/var/lib/pressel/usage.ledger".into());
        let text = report.to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 5, "{text}");
        assert_eq!(
            lines[1].split_whitespace().collect::<Vec<_>>(),
            ["today", "2026-12-01", "1", "2", "1.0", "0.5", "1500", "750", "0.0135"]
        );
        assert_eq!(lines[4], "budget per day: 0.0135 of 1.0000 USD");
        let json = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<UsageReport>(&json).unwrap(), report);
        assert!(json.contains("\"micro\":13500"), "{json}");
        report.ledger = None;
        assert!(report.to_string().contains("in memory only"));
    }
}
