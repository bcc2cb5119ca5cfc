//! What opens the service where that is no key: where it comes from, and whether it comes.

use std::path::Path;
use std::time::Instant;

use super::{Finding, Ground};
use crate::config::{Backend, Config};
use crate::credential::Credential;
use crate::net::http::Http;
use crate::net::{Dialer, Settings};

/// Where tokens come from; nothing is asked for yet.
pub(super) fn source(config: &Config) -> Finding {
    let credential = match Credential::find(config) {
        Ok(credential) => credential,
        Err(why) => return Finding::fail(why.to_string(), "docs/troubleshooting.md#token"),
    };
    if config.live.backend == Backend::Vertex && !is_plausible(&config.vertex.location) {
        let text = format!("{credential}: \"{}\" looks like no location", config.vertex.location);
        return Finding::warn(text, "a region is written as us-central1; there are also us, eu and global");
    }
    Finding::ok(format!("none is needed: {credential}"))
}

/// Asks for a token as a link does, and throws it away.
pub(super) fn token(ground: &Ground) -> Finding {
    let Some(config) = ground.config() else { return Finding::skip("the configuration has mistakes") };
    if config.live.backend == Backend::Developer {
        return Finding::ok("not used: an API key opens the service");
    }
    let Ok(credential) = Credential::find(config) else { return Finding::skip("nothing gives one") };
    let started = Instant::now();
    match fetch(config, &credential) {
        Ok(()) => Finding::ok(format!("fetched in {} ms", started.elapsed().as_millis())),
        // The sentence says what to do.
        Err(why) => Finding::fail(why, "docs/troubleshooting.md#token"),
    }
}

fn fetch(config: &Config, credential: &Credential) -> Result<(), String> {
    let ca_file = Some(config.live.ca_file.as_str()).filter(|file| !file.is_empty()).map(Path::new);
    let http = Http::new(Dialer::new(Settings::from_config(&config.network)), crate::tls::client(ca_file)?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(2).build();
    let runtime = runtime.map_err(|error| format!("event loop: {error}"))?;
    let fetched = runtime.block_on(credential.headers(&http));
    // A look-up that hangs in libc cannot be called off; it is left behind.
    runtime.shutdown_background();
    fetched.map(|_| ()).map_err(|error| error.reason)
}

/// Whether a location looks like those there are: two words and a number, or one of the large ones.
fn is_plausible(location: &str) -> bool {
    let region = || {
        let (place, rest) = location.split_once('-')?;
        let letters = rest.trim_end_matches(|c: char| c.is_ascii_digit());
        let words =
            [place, letters].iter().all(|w| !w.is_empty() && w.bytes().all(|b| b.is_ascii_lowercase()));
        Some(words && letters.len() < rest.len())
    };
    matches!(location, "us" | "eu" | "global") || region().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::super::Class;
    use super::super::facts::Facts;
    use super::*;
    use crate::config::load_from;

    fn ground(text: &str) -> Ground {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.toml"), text).unwrap();
        Ground::of(load_from(folder.path(), None, []), None, Facts::below("/".as_ref()))
    }

    #[test]
    fn locations_are_known_by_their_shape() {
        for location in ["us-central1", "europe-west12", "us", "eu", "global"] {
            assert!(is_plausible(location), "{location}");
        }
        for location in ["us-central", "useast1", "us--1", "mars"] {
            assert!(!is_plausible(location), "{location}");
        }
    }

    #[test]
    fn a_token_that_comes_is_fine_and_one_that_does_not_says_why() {
        let fine =
            ground("[live]\nbackend = \"token\"\n[token]\ncommand = [\"/bin/echo\", \"auth_tokens/a\"]\n");
        assert_eq!(token(&fine).class, Class::Ok);
        let told = source(fine.config().unwrap()).text;
        assert_eq!(told, "none is needed: ephemeral tokens from token command /bin/echo");
        let broken = ground("[live]\nbackend = \"token\"\n[token]\ncommand = [\"/bin/false\"]\n");
        let found = token(&broken);
        assert!(
            found.class == Class::Fail && found.text.contains("token command /bin/false: failed"),
            "{found:?}"
        );
        assert_eq!(token(&ground("")).class, Class::Ok);
    }

    #[test]
    fn a_strange_location_is_a_drawback() {
        let strange =
            ground("[live]\nbackend = \"vertex\"\n[vertex]\nproject = \"p-7\"\nlocation = \"mars\"\n");
        assert_eq!(source(strange.config().unwrap()).class, Class::Warn);
    }
}
