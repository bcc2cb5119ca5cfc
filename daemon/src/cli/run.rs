//! `pressel run` and `pressel demo`.

use std::io::{self, IsTerminal};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command as Process;
use std::time::Instant;

use pressel::credential::{Credential, NoCredential};
use pressel::reload::Reload;
use pressel::secret::{self, NoKey};
use pressel::tools;

use super::{Failure, load};

/// What `pressel demo` runs; `cargo xtask demo` builds it.
const DEMO: &str = "pressel-demo";

pub(super) fn run(file: Option<&Path>, started: Instant) -> Result<(), Failure> {
    let config = load(file).inspect_err(|_| tools::leave_safe())?.config;
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

pub(super) fn no_credential(why: &NoCredential) -> String {
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
pub(super) fn demo(arguments: &[String]) -> Result<(), Failure> {
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
