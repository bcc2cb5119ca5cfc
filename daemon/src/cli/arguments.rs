//! The command line: every command and option, with the words of its help. The manual pages and the shells' completions
//! are made of it too, so nothing else is used here but clap.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

#[derive(Parser)]
#[command(
    name = "pressel",
    version,
    about = "Press, speak, be answered: a voice appliance for the Gemini Live API"
)]
pub struct Arguments {
    /// Read this file instead of /etc/pressel/config.toml and /etc/pressel/config.d/*.toml
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Run the daemon in the foreground
    Run,
    /// Show a talk on a virtual sound card against a server on this machine
    Demo(Rest),
    /// List cards, GPIO lines, input devices and LEDs by the names the configuration wants
    Devices(Format),
    /// Look for what is wrong; exit code 0 all is well, 3 a drawback, 1 something is broken
    Doctor(Doctor),
    /// Set the device up: key, cards, button, light, mode, language; tries each, starts the service, can be run again; exit
    /// code 3 it is set up and something does not work yet, 78 an answer is wrong and nothing was changed
    Setup(Setup),
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
        /// Folder for card.wav (every channel as the card delivers it), microphone.wav, far.wav, cancelled.wav, quieted.wav (before the gain), out.wav
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
    Ask(Ask),
    /// Have the running daemon read its configuration again; exit code 78 it was refused, and the former one is kept
    Reload,
    /// Look at the tools of this device, check them, call one by hand
    #[command(subcommand)]
    Tools(ToolsCommand),
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
pub enum ConfigCommand {
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
pub struct Format {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
pub struct Line {
    /// Another line than the button's own, by its name in [button] lines
    pub line: Option<String>,
}

/// What is done with the tools.
#[derive(Subcommand)]
pub enum ToolsCommand {
    /// List the tools
    List(Format),
    /// Name every mistake with file, line and key, and what a program would lack; exit code 0 all is well, 1 it is not
    Check {
        /// Make the test call of each tool too
        #[arg(long)]
        call: bool,
    },
    /// Call a tool by hand, as the assistant would
    Call {
        /// Its name
        name: String,
        /// Its arguments as a JSON object; without, those of its [test]
        args: Option<String>,
    },
    /// Show the calls that were made
    Log(Format),
    /// One call in a process of its own: systemd and the daemon start it
    #[command(hide = true)]
    Run {
        /// Folder with the tools
        #[arg(long)]
        folder: PathBuf,
    },
}

#[derive(Args)]
pub struct Recordings {
    /// What the microphones heard: WAV of any rate, 1 to 32 channels, 16, 24 or 32-bit integers or float
    #[arg(long, value_name = "IN.wav")]
    pub mic: PathBuf,
    /// What the speaker played meanwhile, from the same moment on; without it a loop channel of the first is used
    #[arg(long, value_name = "FAR.wav")]
    pub far: Option<PathBuf>,
    /// Where the result goes: one channel at the rate of the first, as long and aligned with it
    #[arg(long, value_name = "OUT.wav")]
    pub out: PathBuf,
    /// Channels of the microphones, from 0; otherwise they are found
    #[arg(long, value_name = "N,N", value_delimiter = ',')]
    pub channels: Vec<u32>,
    /// Where the microphones are, for a beam: respeaker-usb-4, respeaker-square-4, respeaker-circular-6, linear-2
    #[arg(long, value_name = "NAME")]
    pub geometry: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
pub struct Rest {
    /// Handed on to the demo
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub arguments: Vec<String>,
}

#[derive(Args)]
pub struct Doctor {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Play nothing; otherwise a sweep of one second tells whether the loudspeaker is heard, where no daemon runs
    #[arg(long)]
    pub quiet: bool,
    /// Also write a report for whoever helps: findings, configuration, versions, log, facts; without any secret
    #[arg(long, value_name = "FILE")]
    pub bundle: Option<PathBuf>,
    /// Look at the system whose files lie below this folder, such as a mounted memory card
    #[arg(long, value_name = "FOLDER", default_value = "/")]
    pub root: PathBuf,
}

/// What is asked, and where the answer goes.
#[derive(Args)]
pub struct Ask {
    /// The question; "-" reads it from stdin
    pub text: String,
    /// Write the sound of the answer to this file instead of playing it; no sound card is needed
    #[arg(long, value_name = "FILE")]
    pub wav: Option<PathBuf>,
    /// Play nothing, print the words only; no sound card is needed
    #[arg(long)]
    pub quiet: bool,
    /// Print one JSON object at the end: words, times, tokens
    #[arg(long)]
    pub json: bool,
    /// How long the whole answer may take
    #[arg(long, value_name = "S", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub timeout: u64,
}

#[derive(Args)]
pub struct Setup {
    /// Take the answers from this file instead of asking: lines such as mode = "hold" for key, microphone, speaker, button
    /// (GPIO17, none, KEY_F13@name of a pedal), light (GPIO27, none, led:ACT), mode, language; its key is overwritten once it
    /// is taken over. The exit code is 0 then, whatever the trial tells
    #[arg(long, value_name = "FILE")]
    pub from: Option<PathBuf>,
    /// Say what would change, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Try nothing: no tone, no dial
    #[arg(long)]
    pub no_test: bool,
    /// Neither stop nor start the service
    #[arg(long)]
    pub no_start: bool,
    /// Set up the system whose files lie below this folder, such as an image; nothing is started
    #[arg(long, value_name = "FOLDER", default_value = "/")]
    pub root: PathBuf,
}
