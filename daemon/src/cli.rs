//! The command line. Data goes to stdout, from here alone; talk goes to stderr.
//!
//! Exit codes: 0, 1 it failed, 2 usage, 3 the doctor saw a drawback, 75 no answer in time, 78 configuration (the unit does not restart on it).

mod ask;
mod tools;

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command as Process;
use std::time::Instant;

use clap::{Args, Parser, Subcommand};
use pressel::calibrate;
use pressel::config::{self, Loaded};
use pressel::control::{self, AskError};
use pressel::credential::{Credential, NoCredential};
use pressel::devices;
use pressel::doctor::{self, Class};
use pressel::levels::{self, Levels};
use pressel::offline;
use pressel::reload::Reload;
use pressel::secret::{self, NoKey};
use pressel::status::Status;
use pressel::usage::{self, report::UsageReport};
use pressel::volume::VolumeStatus;
use pressel_hal::wav::Wav;
use serde_json::{Value, json};

/// EX_CONFIG of sysexits.h.
const CONFIGURATION: u8 = 78;
/// `pressel doctor` found nothing worse than a drawback.
const DRAWBACK: u8 = 3;
/// What `pressel demo` runs; `cargo xtask demo` builds it.
const DEMO: &str = "pressel-demo";

#[derive(Parser)]
#[command(
    name = "pressel",
    version,
    about = "Press, speak, be answered: a voice appliance for the Gemini Live API"
)]
struct Arguments {
    /// Read this file instead of /etc/pressel/config.toml and /etc/pressel/config.d/*.toml
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the daemon in the foreground
    Run,
    /// Show a talk on a virtual sound card against a server on this machine
    Demo(Rest),
    /// List cards, GPIO lines, input devices and LEDs by the names the configuration wants
    Devices(Format),
    /// Look for what is wrong; exit code 0 all is well, 3 a drawback, 1 something is broken
    Doctor(Format),
    /// Look at the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Show what the running daemon is doing
    Status(Format),
    /// Show what talking has cost: today, yesterday, this month; from the running daemon, or what it has kept
    Usage(Format),
    /// Show a live meter: level, noise floor, gate, echo; from the running daemon, or of the microphone itself
    Levels(Format),
    /// Play a short sweep and measure delay, echo and channels; says what to change and writes a config fragment
    Calibrate {
        /// Where the fragment goes
        #[arg(long, value_name = "FILE", default_value = "calibration.toml")]
        out: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Record the microphone and write a WAV per stage of the capture path, for a bug report
    Record {
        /// Folder for card.wav (every channel as the card delivers it), microphone.wav, far.wav, cancelled.wav, out.wav
        #[arg(long, value_name = "FOLDER")]
        stages: PathBuf,
        /// What something else plays meanwhile, from the same moment on; without it far.wav is what a loop channel of the
        /// card carries, or silence: the daemon, which knows what it plays, has to be stopped to free the card
        #[arg(long, value_name = "WAV")]
        far: Option<PathBuf>,
        /// How long
        #[arg(long, value_name = "S", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
        seconds: u64,
    },
    /// Take recordings through the whole capture path: what echo goes, when the gate opens; needs no daemon
    Process(Recordings),
    /// Follow what happens in the running daemon: phases, captions, latencies
    Watch(Format),
    /// Ask a typed question, without a daemon; exit code 0 it was answered, 1 it was refused, 75 no answer came in time
    Ask(ask::Arguments),
    /// Have the running daemon read its configuration again; exit code 78 it was refused, and the former one is kept
    Reload,
    /// Look at the tools of this device, check them, call one by hand
    #[command(subcommand)]
    Tools(tools::ToolsCommand),
    /// Press the running daemon's button
    Press(Line),
    /// Release the running daemon's button
    Release(Line),
    /// Have the running daemon do what a gesture would: talk, stop, new-talk, volume-up, volume-down, status, doctor
    Act {
        /// What
        act: String,
    },
    /// Show or change the running daemon's volume
    Volume {
        /// up, down, or 0 to 100; without it the volume is shown
        to: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Say "ok", or name every mistake with file, line and key
    Check,
    /// Print every key with the value in effect
    Show {
        /// Print every key with unit, range and default instead
        #[arg(long)]
        default: bool,
    },
}

#[derive(Args)]
struct Format {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct Line {
    /// Another line than the button's own, by its name in [button] lines
    line: Option<String>,
}

#[derive(Args)]
struct Recordings {
    /// What the microphones heard: WAV of any rate, 1 to 32 channels, 16, 24 or 32-bit integers or float
    #[arg(long, value_name = "IN.wav")]
    mic: PathBuf,
    /// What the speaker played meanwhile, from the same moment on; without it a loop channel of the first is used
    #[arg(long, value_name = "FAR.wav")]
    far: Option<PathBuf>,
    /// Where the result goes: one channel at the rate of the first, as long and aligned with it
    #[arg(long, value_name = "OUT.wav")]
    out: PathBuf,
    /// Channels of the microphones, from 0; otherwise they are found
    #[arg(long, value_name = "N,N", value_delimiter = ',')]
    channels: Vec<u32>,
    /// Where the microphones are, for a beam: respeaker-usb-4, respeaker-square-4, respeaker-circular-6, linear-2
    #[arg(long, value_name = "NAME")]
    geometry: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct Rest {
    /// Handed on to the demo
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

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
        Command::Run => run(file, started),
        Command::Demo(rest) => demo(&rest.arguments),
        Command::Devices(format) => {
            let devices = devices::look();
            print(&if format.json { format!("{:#}\n", json!(devices)) } else { devices.to_string() })
        }
        Command::Doctor(format) => doctor(file, format.json),
        Command::Config(ConfigCommand::Check) => load(file).and_then(|_| print("ok\n")),
        Command::Config(ConfigCommand::Show { default: true }) => print(config::EXAMPLE),
        Command::Config(ConfigCommand::Show { default: false }) => print(&load(file)?.show()),
        Command::Status(format) => status(file, format.json),
        Command::Usage(format) => usage(file, format.json),
        Command::Levels(format) => levels(file, format.json),
        Command::Calibrate { out, json } => {
            let found = calibrate::calibrate(&load(file)?.config, &out).map_err(Failure::failed)?;
            print(&if json { format!("{:#}\n", json!(found)) } else { found.to_string() })?;
            eprintln!("pressel: wrote {}; /etc/pressel/config.d/ is its place", out.display());
            Ok(())
        }
        Command::Record { stages, far, seconds } => record(file, &stages, far.as_deref(), seconds),
        Command::Process(recordings) => process(file, recordings),
        Command::Watch(format) => watch(file, format.json),
        Command::Ask(arguments) => ask::ask(file, arguments),
        Command::Reload => reload(file),
        Command::Tools(command) => tools::tools(file, command),
        Command::Press(Line { line }) => gesture(file, "press", line),
        Command::Release(Line { line }) => gesture(file, "release", line),
        Command::Act { act } => ask_daemon(file, &json!({ "op": "act", "act": act })).map(|_| ()),
        Command::Volume { to, json } => volume(file, to.as_deref(), json),
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

fn run(file: Option<&Path>, started: Instant) -> Result<(), Failure> {
    let config = load(file)?.config;
    let credential = Credential::find(&config);
    // While there is one thread only.
    secret::wipe_environment();
    let credential = match credential {
        Ok(credential) => Some(credential),
        Err(why) if is_service() => {
            // A device without a key shows that it needs one; the unit's path watcher restarts it with it.
            eprintln!("pressel: {why}");
            None
        }
        Err(why) => return Err(Failure::configuration(no_credential(&why))),
    };
    pressel::log::start(&config.log).map_err(Failure::configuration)?;
    pressel::run(Reload::new(file, config), credential, started).map_err(Failure::failed)
}

/// Whether systemd started us as a service. INVOCATION_ID alone is inherited by terminals of a desktop session.
fn is_service() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    set("NOTIFY_SOCKET")
        || (set("INVOCATION_ID") && !io::stdin().is_terminal() && !io::stderr().is_terminal())
}

fn no_credential(why: &NoCredential) -> String {
    match why {
        NoCredential::Key(NoKey::NotFound(_)) => format!(
            "{why}\n\
             Get a key at https://aistudio.google.com/apikey, then either\n  \
             type: export GEMINI_API_KEY=…\n  \
             or put it into a file that only you can read and name that file in the configuration:\n    \
             [live]\n    key_file = \"/etc/pressel/key\"\n\
             `pressel demo` shows a talk without any key."
        ),
        _ => why.to_string(),
    }
}

/// The demo is a program of its own: it brings a sound card and a server that the daemon must not know.
fn demo(arguments: &[String]) -> Result<(), Failure> {
    let own = std::env::current_exe().map_err(Failure::failed)?;
    let folder = own.parent().unwrap_or(Path::new("."));
    for place in [folder.join(DEMO), folder.join("../libexec/pressel").join(DEMO)] {
        if place.exists() {
            // Returns only if it fails.
            let error = Process::new(&place).args(arguments).exec();
            return Err(Failure::failed(format!("{}: {error}", place.display())));
        }
    }
    Err(Failure::failed("the demo comes with the source tree; type there: cargo xtask demo"))
}

fn doctor(file: Option<&Path>, json: bool) -> Result<(), Failure> {
    let report = doctor::examine(config::load(file), Path::new("/"));
    print(&if json { format!("{:#}\n", json!(report)) } else { report.to_string() })?;
    match report.worst {
        Class::Ok | Class::Skip => Ok(()),
        Class::Warn => Err(Failure::new(DRAWBACK, "")),
        Class::Fail => Err(Failure::failed("")),
    }
}

/// Asks the running daemon.
fn ask_daemon(file: Option<&Path>, request: &Value) -> Result<Value, Failure> {
    control::ask(&socket(file)?, request).map_err(Failure::failed)
}

fn socket(file: Option<&Path>) -> Result<PathBuf, Failure> {
    let path = load(file)?.config.control.path;
    if path.is_empty() {
        return Err(Failure::configuration("[control] path is empty: the daemon has no control socket"));
    }
    Ok(path.into())
}

fn status(file: Option<&Path>, json: bool) -> Result<(), Failure> {
    let answer = ask_daemon(file, &json!({ "op": "status" }))?;
    if json {
        return print(&format!("{answer:#}\n"));
    }
    let status: Status = serde_json::from_value(answer).map_err(Failure::failed)?;
    print(&status.to_string())
}

fn usage(file: Option<&Path>, json: bool) -> Result<(), Failure> {
    let config = load(file)?.config;
    let asked = Some(&config.control.path)
        .filter(|path| !path.is_empty())
        .map(|path| control::ask(path.as_ref(), &json!({ "op": "usage" })));
    let report: UsageReport = match asked {
        Some(Ok(answer)) => serde_json::from_value(answer).map_err(Failure::failed)?,
        None | Some(Err(AskError::NotRunning(_))) => usage::look(&config).map_err(Failure::failed)?,
        Some(Err(error)) => return Err(Failure::failed(error)),
    };
    print(&if json { format!("{:#}\n", json!(report)) } else { report.to_string() })
}

fn gesture(file: Option<&Path>, gesture: &str, line: Option<String>) -> Result<(), Failure> {
    ask_daemon(file, &json!({ "op": "button", "gesture": gesture, "line": line })).map(|_| ())
}

fn volume(file: Option<&Path>, to: Option<&str>, json: bool) -> Result<(), Failure> {
    let request = match to {
        None => json!({ "op": "volume" }),
        // A number is one; anything else is for the daemon to judge.
        Some(to) => {
            json!({ "op": "volume", "to": to.parse::<u32>().map_or_else(|_| json!(to), |to| json!(to)) })
        }
    };
    let answer = ask_daemon(file, &request)?;
    if json {
        return print(&format!("{answer:#}\n"));
    }
    let status: VolumeStatus = serde_json::from_value(answer).map_err(Failure::failed)?;
    print(&format!("{status}\n"))
}

fn reload(file: Option<&Path>) -> Result<(), Failure> {
    // What it cannot read it cannot tell the socket from; the daemon is asked all the same, so that it says so too.
    let path =
        config::load(file).map_or_else(|_| config::Config::default(), |loaded| loaded.config).control.path;
    match control::ask(path.as_ref(), &json!({ "op": "reload" })) {
        Ok(_) => Ok(()),
        Err(AskError::Refused(mistakes)) => Err(Failure::configuration(mistakes)),
        Err(error) => load(file).and(Err(Failure::failed(error))),
    }
}

fn watch(file: Option<&Path>, json: bool) -> Result<(), Failure> {
    let path = socket(file)?;
    let show = |event: &Value| print(&if json { format!("{event}\n") } else { told(event) });
    let mut watcher = control::watch(&path).map_err(Failure::failed)?;
    // Where things stand, before what happens.
    let status = control::ask(&path, &json!({ "op": "status" })).map_err(Failure::failed)?;
    let now = control::monotonic_ns(Instant::now());
    show(&json!({ "at_ns": now, "event": "phase", "phase": status["phase"] }))?;
    while let Some(event) = watcher.next_event().map_err(Failure::failed)? {
        show(&event)?;
    }
    Err(Failure::failed("the daemon has ended, or we read too slowly"))
}

fn record(file: Option<&Path>, folder: &Path, far: Option<&Path>, seconds: u64) -> Result<(), Failure> {
    let config = load(file)?.config;
    let far = far.map(Wav::read).transpose().map_err(Failure::failed)?;
    let heard = calibrate::listen(&config, std::time::Duration::from_secs(seconds));
    let heard = heard.map_err(Failure::failed)?;
    std::fs::create_dir_all(folder).map_err(Failure::failed)?;
    let write = |name: &str, wav: &Wav| {
        let path = folder.join(format!("{name}.wav"));
        let written = wav.write(&path);
        written.map_err(|error| Failure::failed(format!("{}: {error}", path.display())))?;
        print(&format!("{}\n", path.display()))
    };
    write("card", &heard)?;
    let stages = offline::stages(&heard, far.as_ref(), &config).map_err(Failure::failed)?;
    if stages.iter().any(|(name, samples)| *name == "far" && samples.iter().all(|&sample| sample == 0.0)) {
        eprintln!(
            "pressel: far.wav is silence: no channel of {} carries what is played, and --far names no file",
            config.capture.device
        );
    }
    for (name, samples) in stages {
        write(name, &Wav { rate_hz: pressel_dsp::BLOCK_RATE, channels: 1, samples })?;
    }
    Ok(())
}

fn process(file: Option<&Path>, recordings: Recordings) -> Result<(), Failure> {
    let Recordings { mic, far, out, channels, geometry, json } = recordings;
    let job = offline::Job { mic, far, out, channels, geometry };
    let report = offline::process(&job, &load(file)?.config).map_err(Failure::failed)?;
    print(&if json { format!("{:#}\n", json!(report)) } else { report.to_string() })
}

fn levels(file: Option<&Path>, json: bool) -> Result<(), Failure> {
    let config = load(file)?.config;
    let live = io::stdout().is_terminal() && !json;
    let show = |levels: &Levels| {
        print(&match (json, live) {
            (true, _) => format!("{}\n", json!(levels)),
            // Over the line before.
            (false, true) => format!("\r\x1b[K{}", levels.meter()),
            (false, false) => format!("{}\n", levels.meter()),
        })
    };
    let asker = Some(&config.control.path)
        .filter(|path| !path.is_empty())
        .map(|path| control::connect(path.as_ref()));
    match asker {
        Some(Ok(mut asker)) => loop {
            let answer = asker.ask(&json!({ "op": "levels" })).map_err(Failure::failed)?;
            show(&serde_json::from_value(answer).map_err(Failure::failed)?)?;
            std::thread::sleep(levels::EVERY);
        },
        None | Some(Err(AskError::NotRunning(_))) => {
            eprintln!("pressel: no daemon runs; listening to {}", config.capture.device);
            levels::listen(&config, show).map_err(Failure::failed)?
        }
        Some(Err(error)) => Err(Failure::failed(error)),
    }
}

/// An event as a line for a person: time, what, and its members in order of their names.
fn told(event: &Value) -> String {
    let at = event["at_ns"].as_u64().unwrap_or_default() / 1_000_000;
    let mut line =
        format!("{:>9}.{:03} {:<16}", at / 1000, at % 1000, event["event"].as_str().unwrap_or("?"));
    for (name, value) in event.as_object().into_iter().flatten() {
        match (name.as_str(), value) {
            ("at_ns" | "event", _) => {}
            ("text" | "phase" | "name" | "what" | "kind", Value::String(text)) => {
                line.push(' ');
                line.push_str(text);
            }
            (name, Value::Number(number)) if number.is_f64() => {
                line.push_str(&format!(" {name}={:.1}", number.as_f64().unwrap_or_default()));
            }
            (name, value) => line.push_str(&format!(" {name}={value}")),
        }
    }
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_fit_together() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
    }

    #[test]
    fn events_read_as_lines() {
        let check = |event: Value, expected: &str| assert_eq!(told(&event), expected);
        check(
            json!({"at_ns": 12_345_678_901_u64, "event": "phase", "phase": "listening"}),
            "       12.345 phase            listening\n",
        );
        check(
            json!({"at_ns": 0, "event": "latency", "name": "press_to_light", "ms": 2.04}),
            "        0.000 latency          ms=2.0 press_to_light\n",
        );
        check(
            json!({"at_ns": 0, "event": "link_down", "code": 1008, "reason": "no", "retry": false}),
            "        0.000 link_down        code=1008 reason=\"no\" retry=false\n",
        );
    }
}
