//! `fake-gemini`: the Live API on loopback, for a developer to point `pressel run` at.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use fake_gemini::{FakeGemini, Options, Script};
use tokio::signal::unix::{SignalKind, signal};

const USAGE: &str = "\
usage: fake-gemini [--listen ADDRESS:PORT] [--no-tls] [--ca-out FILE] [--key KEY] [--script FILE] [--log FILE]

Serves the Gemini Live API on loopback and prints one JSON line with its URL when it listens.

  --listen ADDRESS:PORT  default 127.0.0.1:0, a free port
  --no-tls               ws:// instead of wss://
  --ca-out FILE          writes the certificate of the authority to trust (PEM)
  --key KEY              the right API key; without it any is taken
  --script FILE          what it says and what goes wrong (JSON)
  --log FILE             every event as a JSON line
";

struct Arguments {
    options: Options,
    ca_out: Option<PathBuf>,
}

fn parse(arguments: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let mut options = Options::default();
    let mut ca_out = None;
    let mut arguments = arguments;
    while let Some(name) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{name} needs a value"));
        match name.as_str() {
            "--listen" => {
                let text = value()?;
                options.listen =
                    text.parse().map_err(|_| format!("--listen \"{text}\": not ADDRESS:PORT"))?;
            }
            "--no-tls" => options.tls = false,
            "--ca-out" => ca_out = Some(value()?.into()),
            "--key" => options.key = Some(value()?),
            "--script" => {
                let path = value()?;
                let text = std::fs::read_to_string(&path).map_err(|e| format!("--script \"{path}\": {e}"))?;
                options.script = Script::from_json(&text).map_err(|e| format!("--script \"{path}\": {e}"))?;
            }
            "--log" => options.log = Some(value()?.into()),
            _ => return Err(format!("unknown argument \"{name}\"")),
        }
    }
    Ok(Arguments { options, ca_out })
}

async fn serve(arguments: Arguments) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut server = FakeGemini::start(arguments.options).await?;
    if let Some(path) = &arguments.ca_out {
        server.write_ca(path)?;
    }
    let line = serde_json::json!({"url": server.url(), "ca_file": arguments.ca_out});
    let mut stdout = io::stdout();
    writeln!(stdout, "{line}")?;
    stdout.flush()?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    server.shutdown();
    Ok(())
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).peekable();
    if arguments.peek().is_some_and(|a| a == "--help" || a == "-h") {
        // a closed stdout leaves nobody to tell
        let _ = io::stdout().write_all(USAGE.as_bytes());
        return ExitCode::SUCCESS;
    }
    let arguments = match parse(arguments) {
        Ok(arguments) => arguments,
        Err(problem) => {
            eprint!("fake-gemini: {problem}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("fake-gemini: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(serve(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fake-gemini: {error}");
            ExitCode::FAILURE
        }
    }
}
