//! `pressel tools`: look at the tools of this device, check them, call one by hand.

use std::fmt::Write;
use std::path::Path;

use pressel::config::Config;
use pressel::tools::builtin::Desk;
use pressel::tools::gpio::Lines;
use pressel::tools::runner::printable;
use pressel::tools::{self, CallLog, Shelf, Tool, Ways};
use serde_json::{Map, Value, json};

use super::arguments::ToolsCommand;
use super::servers::Servers;
use super::{Failure, load, print};

/// Does what was asked.
pub(super) fn tools(file: Option<&Path>, command: ToolsCommand) -> Result<(), Failure> {
    if let ToolsCommand::Run { folder } = command {
        return tools::runner::serve(&folder).map_err(|error| Failure::failed(format!("tool: {error}")));
    }
    let config = load(file)?.config;
    let shelf = tools::shelf(&config.tools);
    let servers = || Servers::look(&config, &shelf);
    match command {
        ToolsCommand::List(format) => list(&servers()?.beside(shelf), format.json),
        ToolsCommand::Check { call } => check(&config, &shelf, &servers()?, call),
        ToolsCommand::Call { name, args } => {
            by_hand(&config, &servers()?.beside(shelf), &name, args.as_deref())
        }
        ToolsCommand::Log(format) => log(&config, format.json),
        ToolsCommand::Run { .. } => unreachable!("it is done above"),
    }
}

fn list(shelf: &Shelf, json: bool) -> Result<(), Failure> {
    if json {
        let tools: Vec<Value> = shelf.tools.iter().map(Tool::declare).collect();
        return print(&printable(&format!("{:#}\n", Value::Array(tools))));
    }
    let mut out = String::new();
    for tool in &shelf.tools {
        let head = &tool.head;
        let names: Vec<&str> = tool.parameters.members().iter().map(|member| member.name.as_str()).collect();
        let off = if head.on { "" } else { "  (off)" };
        let _ = writeln!(
            out,
            "{}({}){off}\n    {}\n    {}",
            head.name,
            names.join(", "),
            head.description,
            tool.file.display()
        );
    }
    if !shelf.mistakes.is_empty() {
        let _ = writeln!(out, "{} more cannot be used: pressel tools check", shelf.mistakes.len());
    }
    print(&out)
}

fn check(config: &Config, shelf: &Shelf, servers: &Servers, call: bool) -> Result<(), Failure> {
    let mut out = String::new();
    let mut bad = shelf.mistakes.len();
    for mistake in &shelf.mistakes {
        let _ = writeln!(out, "fail  {mistake}");
    }
    for tool in &shelf.tools {
        let problems = tools::problems(tool, config, Path::new("/"));
        bad += problems.len();
        let name = &tool.head.name;
        for problem in &problems {
            let _ = writeln!(out, "fail  {}: {problem}", tool.file.display());
        }
        if let (true, Some((problem, stays))) = (problems.is_empty(), found(config, tool)?) {
            // A name may be unknown because this device is not on the network yet.
            bad += usize::from(stays);
            let word = if stays { "fail" } else { "warn" };
            let _ = writeln!(out, "{word}  {}: {problem}", tool.file.display());
        } else if problems.is_empty() {
            let _ = writeln!(out, "ok    {name}");
        }
        if let (true, true, Some(args)) = (call, problems.is_empty(), &tool.test) {
            match run(config, tool, args.clone())? {
                Ok(object) => {
                    let _ = writeln!(out, "ok    {name}: its test call gave {}", Value::Object(object));
                }
                Err(sentence) => {
                    bad += 1;
                    let _ = writeln!(out, "fail  {name}: its test call {sentence}");
                }
            }
        }
    }
    bad += servers.check(&mut out);
    let own = ways(config)?.is_own_user();
    if own && !shelf.tools.is_empty() {
        let _ = writeln!(
            out,
            "warn  no socket at {}: programs run as the daemon's own user",
            config.tools.socket
        );
    }
    if own && !tools::kernel_has_landlock() {
        let _ =
            writeln!(out, "warn  this kernel has no Landlock: programs read what the daemon's user reads");
    }
    let programs = shelf.tools.iter().any(|tool| matches!(tool.way, tools::Way::Command(..)));
    if programs && tools::kernel_has_landlock() && !tools::kernel_has_scopes() {
        let who = if own { "the daemon's user" } else { "pressel-tool" };
        let _ = writeln!(
            out,
            "warn  this kernel is older than 6.12: programs may signal others of {who}, and use sockets without a file"
        );
    }
    print(&printable(&out))?;
    if bad == 0 { Ok(()) } else { Err(Failure::failed(format!("{bad} mistakes in the tools"))) }
}

fn by_hand(config: &Config, shelf: &Shelf, name: &str, args: Option<&str>) -> Result<(), Failure> {
    let Some(tool) = shelf.tools.iter().find(|tool| tool.head.name == name) else {
        let names: Vec<&str> = shelf.tools.iter().map(|tool| tool.head.name.as_str()).collect();
        return Err(Failure::failed(format!("no tool \"{name}\"; there are: {}", names.join(", "))));
    };
    let args = match args {
        None => tool.test.clone().unwrap_or_default(),
        Some(text) => match serde_json::from_str(text) {
            Ok(Value::Object(args)) => args,
            _ => {
                return Err(Failure::failed(
                    "the arguments are no JSON object, such as '{\"unit\": \"bar\"}'",
                ));
            }
        },
    };
    let args = tool.parameters.fit(args).map_err(Failure::failed)?;
    match run(config, tool, args)? {
        Ok(object) => print(&printable(&format!("{:#}\n", Value::Object(object)))),
        Err(sentence) => Err(Failure::failed(printable(&sentence))),
    }
}

fn log(config: &Config, json: bool) -> Result<(), Failure> {
    let Some(folder) = tools::log_folder(&config.tools, true) else {
        return Err(Failure::failed("no log of calls is kept: [tools] log_folder is empty"));
    };
    let entries = CallLog::in_folder(&folder)
        .read()
        .map_err(|error| Failure::failed(format!("{}: {error}", folder.display())))?;
    let mut out = String::new();
    for entry in entries {
        if json {
            let _ = writeln!(out, "{}", json!(entry));
        } else {
            let args = entry.args.map_or_else(|| entry.args_sha256[..12].to_owned(), |args| args.to_string());
            let (tool, outcome, took_ms) = (entry.tool, entry.outcome.word(), entry.took_ms);
            let consent = entry.consent.map(|consent| format!("  consent {}", consent.word()));
            let consent = consent.unwrap_or_default();
            let cancelled =
                entry.cancelled_ms.map(|ms| format!("  cancelled after {ms} ms")).unwrap_or_default();
            let _ =
                writeln!(out, "{}  {tool}  {outcome}  {took_ms} ms  {args}{consent}{cancelled}", entry.at_s);
        }
    }
    print(&printable(&out))
}

pub(super) fn ways(config: &Config) -> Result<Ways, Failure> {
    Ways::new(config).map_err(Failure::configuration)
}

pub(super) fn event_loop() -> Result<tokio::runtime::Runtime, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::failed(format!("event loop: {error}")))
}

fn found(config: &Config, tool: &Tool) -> Result<Option<(String, bool)>, Failure> {
    let ways = ways(config)?;
    Ok(event_loop()?.block_on(ways.find(tool)))
}

fn run(config: &Config, tool: &Tool, args: Map<String, Value>) -> Result<tools::Outcome, Failure> {
    let (mut lines, mut tool) = (Lines::new(pressel::world::pins()), tool.clone());
    let problem = lines.take_in_hand(&mut tool);
    problem.map_err(|problem| Failure::failed(format!("{}: {problem}", tool.file.display())))?;
    let ways = ways(config)?.with_lines(lines.calls());
    let ways = ways.with_desk(Desk::new(tools::notes_folder(&config.tools, true).as_deref()).0);
    Ok(event_loop()?.block_on(ways.run(&tool, args)))
}
