//! What the MCP servers of a shelf have, for `pressel tools`.

use std::fmt::Write;
use std::io;
use std::time::Duration;

use pressel::config::Config;
use pressel::tools::mcp::{self, Listing, Offer, State};
use pressel::tools::{Shelf, Way};

use super::Failure;
use super::tools::{event_loop, ways};

/// What `pressel-mcp` says of the servers, and what is offered of it.
pub(super) struct Servers {
    /// Their names.
    names: Vec<String>,
    listing: io::Result<Listing>,
    offer: Offer,
}

impl Servers {
    /// Asks, if the shelf has any.
    pub(super) fn look(config: &Config, shelf: &Shelf) -> Result<Self, Failure> {
        let keys = shelf.tools.iter().filter_map(|tool| match &tool.way {
            Way::Server(keys) if tool.head.on => Some((tool.head.name.as_str(), keys.start_timeout_s)),
            _ => None,
        });
        let (names, times): (Vec<&str>, Vec<u32>) = keys.unzip();
        let listing = match times.into_iter().max() {
            None => Ok(Listing::default()),
            Some(longest) => {
                let within = Duration::from_secs(u64::from(longest) + 1);
                event_loop()?.block_on(ways(config)?.mcp().look(&names, within))
            }
        };
        let offer = listing.as_ref().map(|listing| mcp::offer(&shelf.tools, listing)).unwrap_or_default();
        Ok(Servers { names: names.into_iter().map(str::to_owned).collect(), listing, offer })
    }

    /// Their tools beside those of the files.
    pub(super) fn beside(self, mut shelf: Shelf) -> Shelf {
        shelf.tools.retain(|tool| !matches!(tool.way, Way::Server(_)));
        shelf.tools.extend(self.offer.tools);
        shelf
    }

    /// Says what they offer, and what became of the rest; how many mistakes.
    pub(super) fn check(&self, out: &mut String) -> usize {
        let mut bad = 0;
        let mut fail = |out: &mut String, line: String| {
            bad += 1;
            let _ = writeln!(out, "fail  {line}");
        };
        let listing = match &self.listing {
            Ok(listing) => listing,
            Err(error) => {
                let what = "install the package pressel-mcp, or type: systemctl start pressel-mcp.socket";
                fail(out, format!("pressel-mcp, which asks MCP servers, is not there: {error}; {what}"));
                return bad;
            }
        };
        for name in &self.names {
            let Some(server) = listing.servers.iter().find(|server| server.name == *name) else {
                fail(out, format!("{name}: pressel-mcp has no such file; it reads /etc/pressel/tools.d"));
                continue;
            };
            match server.state {
                State::Down => fail(out, format!("{name}: the server is not there: {}", server.why)),
                State::Starting => fail(out, format!("{name}: the server has not said yet what it has")),
                State::Up => {
                    let own = |tool: &&pressel::tools::Tool| matches!(&tool.way, Way::Mcp(remote) if remote.server == *name);
                    let names: Vec<&str> =
                        self.offer.tools.iter().filter(own).map(|tool| tool.head.name.as_str()).collect();
                    let _ = writeln!(out, "ok    {name}: its tools are {}", names.join(", "));
                }
            }
        }
        for (server, note) in &self.offer.notes {
            let _ = writeln!(out, "note  {server}: {note}");
        }
        bad
    }
}
