//! What calls are done with: runners for programs, connections for services.

use std::path::{Path, PathBuf};
use std::time::Duration;

use pressel_live::event::Cause;
use serde_json::{Map, Value};

use super::builtin::Desk;
use super::call::{Outcome, Runners};
use super::gpio::Calls;
use super::mcp::Helper;
use super::tool::{Tool, Way};
use crate::config::Config;
use crate::net::http::Http;
use crate::net::{Dialer, Settings};

/// A name that is known is found in less.
const FIND_MAX: Duration = Duration::from_secs(5);

/// What calls are done with. Clones share what was learnt about the network.
#[derive(Clone)]
pub struct Ways {
    runners: Runners,
    /// Asks services on the Internet alone.
    open: Http,
    /// Asks any.
    private: Http,
    /// Switches lines; absent where nobody holds them.
    lines: Option<Calls>,
    /// Asks MCP servers.
    mcp: Helper,
    /// Built in tools.
    desk: Option<Desk>,
}

impl Ways {
    /// As the configuration has it.
    ///
    /// # Errors
    /// A file with authorities that cannot be used.
    pub fn new(config: &Config) -> Result<Self, String> {
        let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("/proc/self/exe"));
        let (socket, folder) = (Path::new(&config.tools.socket), PathBuf::from(&config.tools.folder));
        let ca_file = Some(config.live.ca_file.as_str()).filter(|file| !file.is_empty());
        let tls = crate::tls::client(ca_file.map(Path::new))?;
        let settings = Settings::from_config(&config.network);
        let mut open = settings.clone();
        open.public_only = true;
        Ok(Ways {
            runners: Runners::find(socket, program, folder),
            open: Http::new(Dialer::new(open), tls.clone()),
            private: Http::new(Dialer::new(settings), tls),
            lines: None,
            mcp: Helper::new(PathBuf::from(&config.tools.mcp_socket)),
            desk: None,
        })
    }

    /// With somebody who has the lines.
    pub fn with_lines(mut self, lines: Calls) -> Self {
        self.lines = Some(lines);
        self
    }

    /// With somebody who does what is built in.
    pub fn with_desk(mut self, desk: Desk) -> Self {
        self.desk = Some(desk);
        self
    }

    /// Whether programs run as the daemon's own user.
    pub fn is_own_user(&self) -> bool {
        self.runners.are_own_user()
    }

    /// A program may soon be called.
    pub fn prepare(&self) {
        self.runners.prepare();
    }

    /// What holds the connections to MCP servers.
    pub fn mcp(&self) -> &Helper {
        &self.mcp
    }

    /// Whether a service's host is known, and one that may be asked: a problem now, and whether it will stay one.
    pub async fn find(&self, tool: &Tool) -> Option<(String, bool)> {
        let Way::Http(ask) = &tool.way else { return None };
        let http = if ask.keys.private { &self.private } else { &self.open };
        let error = tokio::time::timeout(FIND_MAX, http.find(&ask.place()?)).await;
        match error {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some((error.to_string(), error.cause != Cause::Lookup)),
            Err(_) => Some(("no name server answers".to_owned(), false)),
        }
    }

    /// Makes a call with arguments that fit. Dropped before it ends, the call ends.
    pub async fn run(&self, tool: &Tool, args: Map<String, Value>) -> Outcome {
        match &tool.way {
            Way::Command(..) => self.runners.run(&tool.head.name, args, tool.timeout()).await,
            Way::Http(ask) => {
                let http = if ask.keys.private { &self.private } else { &self.open };
                ask.run(http, &args, tool.timeout()).await
            }
            Way::Gpio(contact) => match &self.lines {
                Some(lines) => lines.run(contact, &args, tool.timeout()).await,
                None => Err("failed: nobody has the line".to_owned()),
            },
            Way::Mcp(remote) => remote.run(&self.mcp, tool, args).await,
            Way::Server(_) => Err("not done: it is a server and no tool".to_owned()),
            Way::Builtin(what) => match &self.desk {
                Some(desk) => desk.run(*what, args).await,
                None => Err("failed: only the running daemon can do this".to_owned()),
            },
        }
    }
}
