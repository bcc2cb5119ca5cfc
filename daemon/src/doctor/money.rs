//! What talking costs, and what the device says by itself.

use super::{Finding, Ground};
use crate::phrases::Phrases;
use crate::usage::{self, report::UsageReport};

const LEDGER: &str = "see docs/troubleshooting.md#usage; budgets hold over restarts only with a ledger";
const SPENT: &str = "it talks again with the next day or month, or with more in [budget]";

pub(super) fn usage(ground: &Ground) -> Finding {
    let Some(config) = ground.config() else { return Finding::skip("the configuration has mistakes") };
    let report = match ground.status().and_then(|status| status.usage.clone()) {
        Some(report) => report,
        None => match usage::look(config) {
            Ok(report) => report,
            Err(problem) => return Finding::warn(problem, LEDGER),
        },
    };
    judged(&report)
}

fn judged(report: &UsageReport) -> Finding {
    let text = report.sentence();
    let limited = !report.budgets.is_empty();
    if report.budget == "spent" {
        Finding::fail(text, SPENT)
    } else if report.problem.as_ref().is_some_and(|problem| !problem.contains("nothing was used yet"))
        || (limited && report.ledger.is_none())
    {
        Finding::warn(text, LEDGER)
    } else if report.budget == "low" {
        Finding::warn(text, SPENT).coded("budget-low")
    } else {
        Finding::ok(text)
    }
}

pub(super) fn phrases(ground: &Ground) -> Finding {
    let Some(config) = ground.config() else { return Finding::skip("the configuration has mistakes") };
    if !config.phrases.on {
        return Finding::ok("switched off; the light tells of troubles");
    }
    let (phrases, problems) = Phrases::load(&config.phrases);
    let (spoken, all) = (phrases.spoken(), Phrases::count());
    match problems.first() {
        Some(problem) => Finding::warn(problem.clone(), "the files and their names are in docs/phrases.md"),
        None if spoken == 0 => Finding::ok("tones"),
        None => Finding::ok(format!("{spoken} of {all} lines are spoken in \"{}\"", config.phrases.language)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Class;
    use super::*;
    use crate::usage::money::Money;
    use crate::usage::report::BudgetReport;

    #[test]
    fn a_budget_that_is_used_up_and_a_ledger_that_is_not_kept_are_told() {
        let check = |change: &dyn Fn(&mut UsageReport), class: Class| {
            let mut report = UsageReport {
                currency: "USD".into(),
                budget: "fine".into(),
                ledger: Some("/var/lib/pressel/usage.ledger".into()),
                budgets: vec![BudgetReport { per: "day".into(), limit: Money(1_000_000), spent: Money(5) }],
                ..UsageReport::default()
            };
            change(&mut report);
            assert_eq!(judged(&report).class, class, "{report:?}");
        };
        check(&|_| {}, Class::Ok);
        check(&|report| report.budget = "low".into(), Class::Warn);
        check(&|report| report.budget = "spent".into(), Class::Fail);
        check(&|report| report.ledger = None, Class::Warn);
        check(&|report| report.problem = Some("the disk is full".into()), Class::Warn);
        check(&|report| report.problem = Some("x is not there: nothing was used yet".into()), Class::Ok);
        let told =
            judged(&UsageReport { budget: "fine".into(), currency: "USD".into(), ..UsageReport::default() });
        assert_eq!(told, Finding::ok("0.0000 USD today, 0.0000 this month, budget fine"));
    }
}
