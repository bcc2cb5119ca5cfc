//! The key `builtin` of a tool's file.

use std::collections::BTreeMap;

use toml::de::DeTable;

use super::{Reader, WAYS};
use crate::tools::builtin::Builtin;
use crate::tools::tool::Head;

impl Reader<'_> {
    /// Which one a file offers, with its own words where the file has none.
    pub(super) fn builtin(
        &mut self,
        head: &mut Head,
        tables: &BTreeMap<&str, (usize, &DeTable<'_>)>,
    ) -> Option<Builtin> {
        let builtin = Builtin::of(&head.builtin)?;
        for text in WAYS.iter().chain(&["parameters"]) {
            if let Some((at, _)) = tables.get(text) {
                let problem = format!("stands beside builtin = \"{builtin}\", which says all of it");
                self.at(Some(*at), &format!("[{text}]"), problem);
            }
        }
        if head.name.is_empty() {
            builtin.word().clone_into(&mut head.name);
        }
        if head.description.is_empty() {
            builtin.description().clone_into(&mut head.description);
        }
        Some(builtin)
    }
}
