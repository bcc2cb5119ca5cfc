//! The tools of these runs, as files: what a schema can hold, so that every model's setup has to take it.

use std::path::Path;

use pressel::tools::{Tool, read_folder};

const FILES: [(&str, &str); 5] = [
    (
        "lamp",
        r#"
name = "lamp"
description = "Switches a lamp."
[command]
argv = ["/bin/true", "--", "{n}", "{note?}"]
[parameters]
required = ["n"]
[parameters.properties]
n = { type = "integer", minimum = 0, description = "Which." }
note = { type = "string", maxLength = 100000, nullable = true }
colour = { type = "string", enum = ["red", "green"] }
at = { type = "string", format = "date", description = "When." }
until = { type = "string", format = "date-time" }
"#,
    ),
    (
        "valve",
        r#"
name = "valve"
description = "Opens a valve."
on_cancel = "finish"
[command]
argv = ["/bin/true"]
stdin = "json"
[parameters]
required = ["n"]
additionalProperties = false
title = "Valve"
[parameters.properties]
n = { type = "number" }
note = { type = "string", pattern = "^.*$", minLength = 0 }
steps = { type = "array", minItems = 1, maxItems = 9, items = { type = "object", required = ["ms"], properties = { ms = { type = "integer" } } } }
site = { type = "object", properties = { hall = { type = "string" } } }
"#,
    ),
    (
        "report",
        r#"
name = "report"
description = "Reports."
[http]
url = "https://reports.example/{n}?note={note?}"
[parameters]
required = ["n"]
[parameters.properties]
n = { type = "integer" }
note = { type = "string" }
[parameters.properties.urgent]
type = "boolean"
default = false
"#,
    ),
    (
        "gate",
        r#"
name = "gate"
description = "Opens a gate."
confirm = "button"
ask = "Shall I open gate {n}?"
[command]
argv = ["/bin/true", "{n}", "{note?}"]
[parameters]
required = ["n"]
[parameters.properties]
n = { type = "integer" }
note = { type = "string" }
"#,
    ),
    (
        "hoist",
        r#"
name = "hoist"
description = "Lifts something."
confirm = "hold"
ask = "Shall I lift {n}?"
on_cancel = "finish"
[command]
argv = ["/bin/true", "{n}"]
[parameters]
required = ["n"]
[parameters.properties]
n = { type = "integer" }
note = { type = "string" }
"#,
    ),
];

/// The tools, read from files as the daemon reads them.
pub fn tools(folder: &Path) -> Result<Vec<Tool>, String> {
    for (name, text) in FILES {
        let path = folder.join(format!("{name}.toml"));
        std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    let shelf = read_folder(folder);
    match shelf.mistakes.first() {
        None => Ok(shelf.tools),
        Some(mistake) => Err(mistake.to_string()),
    }
}
