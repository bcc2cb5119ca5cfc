//! The table `[gpio]` of a tool's file.

use toml::de::DeTable;

use super::{Reader, in_order};
use crate::config::{Mistake, Place, quoted};
use crate::tools::gpio::{Contact, Gpio};
use crate::tools::schema::Schema;
use crate::tools::tool::{Tool, Way};

impl Reader<'_> {
    pub(super) fn gpio(
        &mut self,
        at: usize,
        table: &DeTable<'_>,
        attended: bool,
        parameters: Option<&Schema>,
    ) -> Option<Way> {
        let mut keys = Gpio::default();
        let before = self.mistakes.len();
        for (key, value) in in_order(table) {
            self.set(&mut keys, "gpio", key, value);
        }
        if self.mistakes.len() > before {
            return None;
        }
        match Contact::new(keys, attended, parameters?) {
            Ok(contact) => Some(Way::Gpio(Box::new(contact))),
            Err((key, problem)) => {
                self.at_key(at, table, "gpio", key, problem);
                None
            }
        }
    }
}

/// Several tools may share a line, and then what they say of it must be the same.
pub(super) fn clash(tool: &Tool, others: &[Tool]) -> Option<Mistake> {
    let Way::Gpio(contact) = &tool.way else { return None };
    let other = others.iter().find(|other| match &other.way {
        Way::Gpio(theirs) => theirs.line() == contact.line() && theirs.wiring() != contact.wiring(),
        _ => false,
    })?;
    Some(Mistake {
        place: Place::File(tool.file.clone(), 0),
        key: "[gpio] line".into(),
        found: quoted(&contact.keys.line),
        problem: format!(
            "is the line of {} too, with another kind, direction, active_low, bias, on_max_s, interval_min_s or safe",
            other.file.display()
        ),
        allowed: String::new(),
    })
}
