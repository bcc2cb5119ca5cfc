//! `pressel doctor`.

use std::path::Path;

use pressel::config;
use pressel::doctor::{self, Class, Look};
use serde_json::json;

use super::arguments::Doctor;
use super::{Failure, print};

/// Nothing worse than a drawback was found.
const DRAWBACK: u8 = 3;

pub(super) fn doctor(file: Option<&Path>, arguments: &Doctor) -> Result<(), Failure> {
    let Doctor { json, quiet, bundle, root } = arguments;
    let look = Look { root: root.clone(), quiet: *quiet };
    let loaded = config::load_below(root, file);
    let report = doctor::examine(loaded.clone(), &look);
    print(&if *json { format!("{:#}\n", json!(report)) } else { report.to_string() })?;
    if let Some(path) = bundle {
        let text = doctor::bundle(&report, &loaded, &look);
        doctor::write_private(path, &text)
            .map_err(|error| Failure::failed(format!("{}: {error}", path.display())))?;
        eprintln!("pressel: wrote {}; read it before you hand it on", path.display());
    }
    match report.worst {
        Class::Ok | Class::Skip => Ok(()),
        Class::Warn => Err(Failure::new(DRAWBACK, "")),
        Class::Fail => Err(Failure::failed("")),
    }
}
