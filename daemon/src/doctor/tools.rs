//! The tools: their files, and what they need.

use std::path::Path;

use super::{Class, Finding, Ground};
use crate::tools;

const CHECK: &str = "every mistake with its line: pressel tools check; then: sudo systemctl reload pressel";

pub(super) fn tools(ground: &Ground) -> Finding {
    let Some(config) = ground.config() else { return Finding::skip("the configuration has mistakes") };
    if config.tools.folder.is_empty() {
        return Finding::ok("none: [tools] folder is empty");
    }
    let shelf = tools::read_folder(&ground.facts.path(&config.tools.folder));
    let root = ground.facts.path("/");
    let told = |tool: &tools::Tool| {
        let problem = tools::problems(tool, config, &root).into_iter().next()?;
        Some(format!("{}: {problem}", tool.head.name))
    };
    let mistakes = shelf.mistakes.iter().map(ToString::to_string);
    let problems: Vec<String> = mistakes.chain(shelf.tools.iter().filter_map(told)).collect();
    let usable = shelf.tools.len() + shelf.mistakes.len() - problems.len();
    match problems.as_slice() {
        [] if shelf.tools.is_empty() => Finding::ok("none"),
        [] => judged(ground, &shelf.tools, &config.tools.socket),
        [one] => Finding::warn(format!("{usable} can be used, one cannot: {one}"), CHECK),
        [first, ..] => {
            Finding::warn(format!("{usable} can be used, {} cannot: {first}", problems.len()), CHECK)
        }
    }
}

/// Whether programs run as somebody who owns nothing.
fn judged(ground: &Ground, all: &[tools::Tool], socket: &str) -> Finding {
    let programs = all.iter().any(|tool| matches!(tool.way, tools::Way::Command(..)));
    let installed =
        ground.facts.told_by("systemctl", &["show", "pressel.service", "--property", "LoadState"]);
    let installed = installed.is_some_and(|told| told.contains("LoadState=loaded"));
    if programs
        && installed
        && !Path::new(socket).as_os_str().is_empty()
        && !ground.facts.path(socket).exists()
    {
        return Finding::warn(
            format!("{}, whose programs run as the daemon's own user: no socket at {socket}", all.len()),
            "sudo systemctl enable --now pressel-tool.socket",
        );
    }
    let names: Vec<&str> = all.iter().map(|tool| tool.head.name.as_str()).collect();
    Finding { class: Class::Ok, ..Finding::ok(names.join(", ")) }
}
