//! The tables `[home_assistant]` and `[data]` of a tool's file.

use toml::de::DeTable;

use super::{Reader, in_order, plain_table};
use crate::tools::home_assistant::{self, HomeAssistant};
use crate::tools::schema::Schema;
use crate::tools::tool::Way;

impl Reader<'_> {
    pub(super) fn home_assistant(
        &mut self,
        at: usize,
        table: &DeTable<'_>,
        data: Option<&DeTable<'_>>,
        parameters: Option<&Schema>,
    ) -> Option<Way> {
        let name = "home_assistant";
        let mut keys = HomeAssistant::default();
        let before = self.mistakes.len();
        for (key, value) in in_order(table) {
            self.set(&mut keys, name, key, value);
        }
        if self.mistakes.len() > before {
            return None;
        }
        match home_assistant::ask(keys, data.map(plain_table), parameters?) {
            Ok(ask) => {
                self.arguments(at, "[home_assistant]", &ask.arguments(), parameters?);
                Some(Way::Http(Box::new(ask)))
            }
            Err((key, problem)) => {
                self.at_key(at, table, name, key, problem);
                None
            }
        }
    }
}
