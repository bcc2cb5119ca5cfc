//! What a typed question costs. The ledger has one writer: a daemon that runs is told what was used, and without one the
//! ledger is opened here.

use std::path::PathBuf;

use pressel_live::event::Budget;
use serde_json::json;

use crate::config::Config;
use crate::control::{self, AskError};
use crate::usage::report::UsageReport;
use crate::usage::{self, Usage, budget_word};

/// Counts a question.
pub(super) struct Books {
    pub(super) usage: Usage,
    /// The daemon that writes the ledger.
    daemon: Option<PathBuf>,
    /// Nothing more may be spent.
    pub(super) spent: bool,
    config: Config,
}

impl Books {
    /// Finds out who writes the ledger, and what is left. A ledger that this person may not read limits the daemon alone.
    pub(super) fn open(config: &Config) -> Self {
        let path = Some(PathBuf::from(&config.control.path)).filter(|path| !path.as_os_str().is_empty());
        let asked = path.map(|path| (control::ask(&path, &json!({ "op": "usage" })), path));
        let (report, daemon) = match asked {
            None | Some((Err(AskError::NotRunning(_)), _)) => (usage::look(config).ok(), None),
            Some((Ok(answer), path)) => (serde_json::from_value::<UsageReport>(answer).ok(), Some(path)),
            Some((Err(_), path)) => (usage::look(config).ok(), Some(path)),
        };
        let spent = report.is_some_and(|report| report.budget == budget_word(Budget::Spent));
        let apart = daemon.is_some() || spent;
        let usage = if apart { Usage::beside(config) } else { Usage::open(config) };
        Books { usage, daemon, spent, config: config.clone() }
    }

    /// Everything is counted; a sentence where it is not.
    pub(super) fn close(&mut self) -> Option<String> {
        self.usage.stop();
        let path = self.daemon.take()?;
        let count = self.usage.count();
        if count.is_empty() {
            return None;
        }
        match control::ask(&path, &json!({ "op": "used", "count": count })) {
            Ok(_) => None,
            // It has ended meanwhile: nobody else writes now.
            Err(AskError::NotRunning(_)) => {
                let mut own = Usage::open(&self.config);
                own.used(count);
                own.stop();
                None
            }
            Err(error) => Some(format!("what this cost is not counted: {error}")),
        }
    }
}
