//! Does the service let this device in: key, model, quota. A session is opened and closed again; nothing is asked, so it
//! costs nothing.

use std::time::{Duration, Instant};

use pressel_live::event::{Cause, LinkInput};
use pressel_live::profile::Profile;
use pressel_live::verdict::{Failure, Stage, judge};
use pressel_live::wire::{client, server};
use tokio::time::timeout;

use super::{Finding, Ground, service};
use crate::config::{Backend, Config};
use crate::credential::Credential;
use crate::wire::{Way, Wire};

/// A service that lets nobody in within this time will not do so later.
const WITHIN: Duration = Duration::from_secs(10);
/// The number of the only link there is.
const LINK: u32 = 1;
const NORMAL: u16 = 1000;

/// Why no session came about.
#[derive(Debug, PartialEq, Eq)]
struct NoSession {
    /// The way to the service is to blame, not the service.
    on_the_way: bool,
    /// The operator's word, see docs/protocol.md.
    trouble: &'static str,
    /// The service's words.
    reason: String,
}

pub(super) fn session(ground: &Ground) -> Finding {
    let Some(config) = ground.config() else { return Finding::skip("the configuration has mistakes") };
    if let Some(link) = ground.status().map(|status| &status.link) {
        if link.state == "up" {
            return Finding::ok(format!("the daemon's link to {} is up", link.model));
        }
        let told = link.trouble.as_deref().and_then(|trouble| TROUBLES.iter().find(|(t, _)| *t == trouble));
        if let Some((trouble, advice)) = told {
            let words = link.last_end.as_deref().unwrap_or("no words");
            return Finding::fail(format!("{trouble}: the daemon was told \"{words}\""), *advice)
                .coded(trouble);
        }
    }
    let Some(credential) = credential(config, ground) else {
        return Finding::skip("nothing that opens the service can be read here");
    };
    match open(config, credential) {
        Ok(took) => {
            Finding::ok(format!("the service lets us in, {} in {} ms", config.live.model, took.as_millis()))
        }
        Err(why) if why.on_the_way => Finding::skip(format!("the way there is not clear: {}", why.reason)),
        Err(NoSession { trouble, reason, .. }) => {
            let advice =
                TROUBLES.iter().find(|(word, _)| *word == trouble).map_or(LATER, |(_, advice)| advice);
            let found = Finding::fail(format!("{trouble}: {reason}"), advice);
            found.coded(trouble)
        }
    }
}

const LATER: &str = "the service has a bad moment: try again later";
const SETUP: &str = "its words name what it does not take: mend it in [live]";

/// What only the service knows, and what to do about it.
const TROUBLES: &[(&str, &str)] = &[
    ("key-refused", "get a key at https://aistudio.google.com/apikey and put it into /etc/pressel/key"),
    ("credential", "see docs/troubleshooting.md#token"),
    ("quota", "see the account's limits and billing in AI Studio; wait, or use another key"),
    ("busy", "too many at once: wait a minute, or see the account's limits in AI Studio"),
    ("model-not-found", "name a model that this key may use: [live] model"),
    ("location", "the service is not offered where this network is"),
    ("setup-refused", SETUP),
    ("invalid-argument", SETUP),
    ("precondition", SETUP),
    ("policy", SETUP),
    ("refused", SETUP),
];

/// What opens the service, also where only systemd would hand it to the daemon.
fn credential(config: &Config, ground: &Ground) -> Option<Credential> {
    Credential::find(config).ok().or_else(|| {
        let installed = service::installed_key(&ground.facts);
        let own = config.live.backend == Backend::Developer && installed.exists();
        let key = own.then(|| crate::secret::find(installed.to_str()?).ok()).flatten()?;
        Some(Credential::Key(key))
    })
}

fn open(config: &Config, credential: Credential) -> Result<Duration, NoSession> {
    let local = |reason| NoSession { on_the_way: true, trouble: "local", reason };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(2).build();
    let runtime = runtime.map_err(|error| local(format!("event loop: {error}")))?;
    let started = Instant::now();
    let mut settings = config.settings(fastrand::u64(..));
    settings.model = credential.model(&settings.model);
    let setup = client::setup(&settings, Profile::of(&settings.model), None, None);
    let way = Way::new(config, Some(credential)).map_err(local)?;
    let opened = runtime.block_on(async {
        let late = NoSession { on_the_way: true, trouble: "hung", reason: "no answer within 10 s".into() };
        timeout(WITHIN, greet(Wire::new(way), setup)).await.unwrap_or(Err(late))
    });
    // A look-up that hangs in libc cannot be called off; it is left behind.
    runtime.shutdown_background();
    opened.map(|()| started.elapsed())
}

async fn greet(mut wire: Wire, setup: String) -> Result<(), NoSession> {
    wire.dial(LINK);
    let mut stage = Stage::Dialing;
    loop {
        let (failure, reason) = match wire.next().await.input {
            LinkInput::Opened => {
                stage = Stage::SettingUp { resuming: false };
                wire.send(LINK, setup.clone());
                continue;
            }
            LinkInput::Message(payload) => {
                if server::decode(&payload).is_ok_and(|message| message.setup_complete) {
                    wire.close(LINK, NORMAL);
                    // Until the close is answered, or the bound is reached.
                    while wire.is_busy() {
                        wire.next().await;
                    }
                    return Ok(());
                }
                continue;
            }
            LinkInput::Pong => continue,
            LinkInput::Failed { cause, reason } => (Failure::Dial(cause, ""), reason),
            LinkInput::Closed { code, reason } => (Failure::Close(code, ""), reason),
        };
        let failure = match failure {
            Failure::Dial(cause, _) => Failure::Dial(cause, &reason),
            Failure::Close(code, _) => Failure::Close(code, &reason),
        };
        let on_the_way = matches!(failure, Failure::Dial(cause, _) if !matches!(cause, Cause::Http(_) | Cause::Credential { .. }));
        return Err(NoSession { on_the_way, trouble: judge(stage, failure).trouble, reason });
    }
}
