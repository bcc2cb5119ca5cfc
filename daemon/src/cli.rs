//! The command line. Data goes to stdout, from here alone; talk goes to stderr.
//!
//! Exit codes: 0, 1 it failed, 2 usage, 3 the doctor saw a drawback, 75 no answer in time, 78 configuration (the unit does not restart on it).

mod arguments;
mod ask;
mod doctor;
mod follow;
mod run;
mod servers;
mod setup;
mod sound;
mod tools;

use std::fmt::Display;
use std::io::{self, Write};
use std::path::Path;
use std::time::Instant;

use clap::Parser;
use pressel::config::{self, Loaded};
use pressel::devices;
use serde_json::json;

use arguments::{Arguments, Command, ConfigCommand, Line};

/// EX_CONFIG of sysexits.h.
const CONFIGURATION: u8 = 78;

/// Why the program ends with something else than 0.
pub struct Failure {
    /// Exit code.
    pub code: u8,
    text: String,
}

impl Failure {
    fn new(code: u8, text: impl Display) -> Self {
        Failure { code, text: text.to_string() }
    }

    fn failed(text: impl Display) -> Self {
        Failure::new(1, text)
    }

    fn configuration(text: impl Display) -> Self {
        Failure::new(CONFIGURATION, text)
    }

    /// Says it on stderr.
    pub fn tell(&self) {
        if !self.text.is_empty() {
            eprintln!("pressel: {}", self.text);
        }
    }
}

/// Does what the arguments say.
pub fn main() -> Result<(), Failure> {
    let started = Instant::now();
    let arguments = Arguments::parse();
    let file = arguments.config.as_deref();
    match arguments.command {
        Command::Run => run::run(file, started),
        Command::Demo(rest) => run::demo(&rest.arguments),
        Command::Devices(format) => {
            let devices = devices::look();
            print(&if format.json { format!("{:#}\n", json!(devices)) } else { devices.to_string() })
        }
        Command::Doctor(arguments) => doctor::doctor(file, &arguments),
        Command::Setup(arguments) => setup::setup(arguments),
        Command::Config(ConfigCommand::Check) => load(file).and_then(|_| print("ok\n")),
        Command::Config(ConfigCommand::Show { default: true }) => print(config::EXAMPLE),
        Command::Config(ConfigCommand::Show { default: false }) => print(&load(file)?.show()),
        Command::Status(format) => follow::status(file, format.json),
        Command::Usage(format) => follow::usage(file, format.json),
        Command::Levels(format) => follow::levels(file, format.json),
        Command::Calibrate { out, json } => sound::calibrate(file, &out, json),
        Command::Record { stages, far, seconds } => sound::record(file, &stages, far.as_deref(), seconds),
        Command::Process(recordings) => sound::process(file, recordings),
        Command::Watch(format) => follow::watch(file, format.json),
        Command::Ask(arguments) => ask::ask(file, arguments),
        Command::Reload => follow::reload(file),
        Command::Tools(command) => tools::tools(file, command),
        Command::Press(Line { line }) => follow::gesture(file, "press", line),
        Command::Release(Line { line }) => follow::gesture(file, "release", line),
        Command::Act { act } => follow::act(file, &act),
        Command::Volume { to, json } => follow::volume(file, to.as_deref(), json),
    }
}

fn load(file: Option<&Path>) -> Result<Loaded, Failure> {
    config::load(file).map_err(Failure::configuration)
}

/// Writes to stdout. A reader that has seen enough (`pressel watch | head`) is no failure.
fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Failure::new(0, "")),
        Err(error) => Err(Failure::failed(format!("stdout: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_fit_together() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
    }
}
