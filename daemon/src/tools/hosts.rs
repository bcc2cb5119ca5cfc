//! Whether the hosts of services are known and may be asked: looked up once tools are taken up, beside everything else.
//!
//! A name that is refused stays refused, and its tool is not offered. One that is not known may be, once the network is
//! there: its tool stays, and the name is looked up again for a while.

use std::time::Duration;

use tokio::sync::mpsc::{self, Receiver, Sender};
use tracing::warn;

use super::tool::{Tool, Way};
use super::ways::Ways;

/// Before the second look; each one after it waits twice as long.
const AGAIN: Duration = Duration::from_secs(5);
/// Looks at a name: the last is an hour and a half after the first.
const LOOKS: u32 = 11;

/// The look-ups of some tools.
pub(super) struct Look {
    begin: Option<(Vec<Tool>, Ways)>,
    refused: Option<Receiver<String>>,
}

impl Look {
    /// Those of these tools; they begin with the first [`Look::next`].
    pub(super) fn at(tools: &[Tool], ways: &Ways) -> Look {
        let asked: Vec<Tool> =
            tools.iter().filter(|tool| matches!(tool.way, Way::Http(_))).cloned().collect();
        Look { begin: (!asked.is_empty()).then(|| (asked, ways.clone())), refused: None }
    }

    /// The next tool that cannot be used. Cancel safe.
    pub(super) async fn next(&mut self) -> String {
        if let Some((tools, ways)) = self.begin.take() {
            let (tell, refused) = mpsc::channel(1);
            self.refused = Some(refused);
            tokio::spawn(look(tools, ways, tell));
        }
        let next = match &mut self.refused {
            Some(refused) => refused.recv().await,
            None => None,
        };
        match next {
            Some(name) => name,
            None => std::future::pending().await, // all of them are found
        }
    }
}

async fn look(mut tools: Vec<Tool>, ways: Ways, tell: Sender<String>) {
    for nth in 0..LOOKS {
        let mut unknown = Vec::new();
        for tool in tools {
            let name = &tool.head.name;
            match ways.find(&tool).await {
                None => {}
                Some((problem, true)) => {
                    warn!(tool = name, problem, "a tool cannot be used");
                    if tell.send(name.clone()).await.is_err() {
                        return; // other tools have been taken up
                    }
                }
                Some((problem, false)) => {
                    if nth == 0 {
                        warn!(tool = name, problem, "the host of a tool is not known now");
                    }
                    unknown.push(tool);
                }
            }
        }
        if unknown.is_empty() {
            return;
        }
        tools = unknown;
        tokio::select! {
            () = tokio::time::sleep(AGAIN * 2_u32.pow(nth)) => {}
            () = tell.closed() => return,
        }
    }
}
