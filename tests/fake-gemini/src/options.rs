//! How a server is started.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use crate::door::Passes;
use crate::script::Script;
use crate::tls::Authority;

/// How a server is started. The default serves TLS on a free port of loopback and takes any key.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it listens; port 0 = a free one.
    pub listen: SocketAddr,
    /// Whether it speaks TLS.
    pub tls: bool,
    /// The authority that vouches for it; absent = a new one.
    pub authority: Option<Authority>,
    /// The right key; absent = any.
    pub key: Option<String>,
    /// Tokens that are good, on the ways that take tokens.
    pub passes: Passes,
    /// The name of one more model, which takes only what every model takes: what a client does not know yet.
    pub new_model: Option<String>,
    /// What the service is to do.
    pub script: Script,
    /// Whether a server with its own thread asks for real-time priority, so that its times stay exact on a busy
    /// machine. Goes on without where the kernel refuses.
    pub realtime: bool,
    /// A file that gets every event as a JSON line.
    pub log: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            tls: true,
            authority: None,
            key: None,
            passes: Passes::default(),
            new_model: None,
            script: Script::default(),
            realtime: false,
            log: None,
        }
    }
}

impl Options {
    /// A server of this script.
    pub fn script(script: Script) -> Self {
        Self { script, ..Self::default() }
    }

    /// Without TLS.
    pub fn plain(mut self) -> Self {
        self.tls = false;
        self
    }
}
