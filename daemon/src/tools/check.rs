//! What would fail at the first call, found before it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::tool::{Tool, Way};

/// What is wrong around a tool, each with what to do.
pub fn problems(tool: &Tool) -> Vec<String> {
    let mut problems = Vec::new();
    let command = match &tool.way {
        Way::Command(command, _) => command,
        Way::Http(ask) => return ask.problems(),
    };
    if let Some(program) = command.argv.first() {
        problems.extend(program_problem(Path::new(program)));
    }
    for path in command.read.iter().chain(&command.write) {
        if !Path::new(path).exists() {
            problems.push(format!("\"{path}\" is not there, so it cannot be read or changed; make it first"));
        }
    }
    problems
}

fn program_problem(program: &Path) -> Option<String> {
    let name = program.display();
    match fs::metadata(program) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Some(format!("there is no program {name}; install it or mend [command] argv"))
        }
        Err(error) => Some(format!("the program {name}: {error}")),
        Ok(facts) if !facts.is_file() => Some(format!("{name} is no program")),
        Ok(facts) if facts.permissions().mode() & 0o111 == 0 => {
            Some(format!("{name} is not executable; type: chmod a+x {name}"))
        }
        // Whoever may write it decides what the device runs.
        Ok(facts) if facts.permissions().mode() & 0o002 != 0 => {
            Some(format!("everybody on this device can change {name}; type: chmod o-w {name}"))
        }
        Ok(_) => None,
    }
}
