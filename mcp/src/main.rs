//! `pressel-mcp`: holds the connections of pressel's tools to MCP servers.
//!
//! It reads the files with `[mcp]` in the folder of tools, starts or dials their servers through the official SDK, and
//! answers the daemon on a Unix socket: what there is, and calls. What may be called stands in those files, so that
//! whoever takes the daemon over can call what they allow and nothing else.

mod answer;
mod door;
mod file;
mod http;
mod link;
mod program;
mod secret;
mod server;
mod servers;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, info};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use servers::Servers;

const USAGE: &str = "\
pressel-mcp [--folder DIR] [--socket PATH]

  --folder DIR   files of tools, of which those with [mcp] are read (default: /etc/pressel/tools.d)
  --socket PATH  where to listen (default: what systemd hands over, or /run/pressel-mcp/socket)
  --version      print the version";

fn main() -> ExitCode {
    let mut folder = PathBuf::from("/etc/pressel/tools.d");
    let mut socket = None;
    let mut args = std::env::args_os().skip(1);
    while let Some(arg) = args.next() {
        match (arg.to_str(), args.next()) {
            (Some("--folder"), Some(value)) => folder = value.into(),
            (Some("--socket"), Some(value)) => socket = Some(PathBuf::from(value)),
            (Some("--version"), None) => {
                println!("pressel-mcp {}", env!("CARGO_PKG_VERSION"));
                return ExitCode::SUCCESS;
            }
            (Some("-h" | "--help"), None) => {
                println!("{USAGE}");
                return ExitCode::SUCCESS;
            }
            _ => {
                eprintln!("pressel-mcp: bad option {}\n\n{USAGE}", arg.display());
                return ExitCode::from(2);
            }
        }
    }
    // Not the SDK's own words: they quote what is said.
    let ours = Targets::new().with_target("pressel_mcp", LevelFilter::INFO);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).without_time().with_ansi(false);
    tracing_subscriber::registry().with(lines.with_target(false)).with(ours).init();
    // The one provider; without it the first dial would fail.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = runtime.map_err(|error| format!("event loop: {error}")).and_then(|runtime| {
        runtime.block_on(async {
            let listener = door::open(socket)?;
            serve(listener, folder).await.map_err(|error| error.to_string())
        })
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            error!(problem, "cannot serve");
            ExitCode::FAILURE
        }
    }
}

async fn serve(listener: UnixListener, folder: PathBuf) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let servers = Arc::new(Servers::new(folder));
    info!("ready");
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = door::answer_all(&listener, &servers) => {}
    }
    servers.end();
    Ok(())
}
