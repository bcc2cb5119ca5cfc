//! What calls are done with: runners for programs, connections for services.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::call::{Outcome, Runners};
use super::tool::{Tool, Way};
use crate::config::Config;
use crate::net::http::Http;
use crate::net::{Dialer, Settings};

/// What calls are done with. Clones share what was learnt about the network.
#[derive(Clone)]
pub struct Ways {
    runners: Runners,
    /// Asks services on the Internet alone.
    open: Http,
    /// Asks any.
    private: Http,
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
        })
    }

    /// Whether programs run as the daemon's own user.
    pub fn is_own_user(&self) -> bool {
        matches!(self.runners, Runners::Own { .. })
    }

    /// Makes a call with arguments that fit. Dropped before it ends, the call ends.
    pub async fn run(&self, tool: &Tool, args: Map<String, Value>) -> Outcome {
        match &tool.way {
            Way::Command(..) => self.runners.run(&tool.head.name, args, tool.timeout()).await,
            Way::Http(ask) => {
                let http = if ask.keys.private { &self.private } else { &self.open };
                ask.run(http, &args, tool.timeout()).await
            }
        }
    }
}
