//! Ephemeral tokens of the Developer API, one for each link: from a service of one's own, a command, or a file.
//!
//! The answer may be the token alone or the JSON object with which the API answered whoever asked for it.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use hyper::Method;
use hyper::header::AUTHORIZATION;
use rustls::ClientConfig;
use serde_json::Value;
use zeroize::Zeroizing;

use super::secret::{Last, Secret, presentable, read};
use super::{CredentialError, command};
use crate::config;
use crate::net::http::{Http, Request, Url};
use crate::tls::{self, Stamp};

/// What every token begins with.
const BEGINS: &str = "auth_tokens/";
/// Tokens and the objects around them are some hundred bytes.
const LENGTH_MAX: usize = 8 << 10;

/// Where tokens come from.
pub struct Tokens {
    source: Source,
    timeout: Duration,
    last: Last,
}

enum Source {
    Service(Box<Service>),
    Command(Vec<String>),
    File(PathBuf),
}

struct Service {
    url: Url,
    method: Method,
    bearer: Option<PathBuf>,
    /// Certificate and private key.
    identity: Option<(PathBuf, PathBuf)>,
    ca_file: Option<PathBuf>,
    /// Made of the files as they stood then.
    tls: Mutex<Option<(Stamp, Arc<ClientConfig>)>>,
}

impl Tokens {
    /// `ca_file` is trusted beside the public authorities.
    ///
    /// # Errors
    /// A sentence about a configuration that was not checked.
    pub(super) fn new(token: &config::Token, ca_file: &str) -> Result<Self, String> {
        let path = |text: &str| (!text.is_empty()).then(|| PathBuf::from(text));
        let source = if let Some(file) = path(&token.file) {
            Source::File(file)
        } else if !token.command.is_empty() {
            Source::Command(token.command.clone())
        } else {
            Source::Service(Box::new(Service {
                url: Url::parse(&token.url).map_err(|why| format!("[token] url: {why}"))?,
                method: match token.method {
                    config::Method::Post => Method::POST,
                    config::Method::Get => Method::GET,
                },
                bearer: path(&token.bearer_file),
                identity: path(&token.client_cert_file).zip(path(&token.client_key_file)),
                ca_file: path(ca_file),
                tls: Mutex::default(),
            }))
        };
        let timeout = Duration::from_secs(token.timeout_s.into());
        Ok(Tokens { source, timeout, last: Last::default() })
    }

    /// A token for one link.
    pub(super) async fn mint(&self, http: &Http) -> Result<Secret, CredentialError> {
        let text = match &self.source {
            Source::File(path) => read("token file", path, LENGTH_MAX as u64).await?,
            Source::Command(argv) => {
                text(&self.source, command::output(argv, self.timeout, LENGTH_MAX).await?)?
            }
            Source::Service(service) => text(&self.source, service.ask(http, self.timeout).await?)?,
        };
        let token = token_in(&text, SystemTime::now()).map_err(|unfit| match unfit {
            Unfit::Foreign(what) => CredentialError::fatal(format!(
                "{}: {what}; expected an ephemeral token, which begins with {BEGINS}",
                self.source
            )),
            Unfit::Expired(when) => CredentialError::passing(format!(
                "{}: its token expired at {when}; it must be renewed, or this device's clock is wrong",
                self.source
            )),
        })?;
        self.last.set(&token);
        Ok(token)
    }

    /// A file may hold another token by now; a service or command makes one in any case.
    pub(super) fn refused(&self) -> bool {
        match &self.source {
            Source::Service(_) | Source::Command(_) => true,
            Source::File(path) => {
                let again = super::secret::read_now("token file", path, LENGTH_MAX as u64);
                let token = again.ok().and_then(|text| token_in(&text, SystemTime::now()).ok());
                token.is_some_and(|token| !self.last.is(&token))
            }
        }
    }

    pub(super) fn hint(&self, status: u16) -> Option<String> {
        matches!(status, 400 | 401 | 403).then(|| {
            format!(
                "the token from {} is expired, used up, or of another project; it is good for one link",
                self.source
            )
        })
    }

    pub(super) fn blot_out(&self, words: String) -> String {
        self.last.blot_out(words)
    }
}

impl fmt::Display for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ephemeral tokens from {}", self.source)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Service(service) => write!(f, "token service {}", service.url),
            // Its arguments may be anybody's secrets.
            Source::Command(argv) => write!(f, "token command {}", argv.first().map_or("", String::as_str)),
            Source::File(path) => write!(f, "token file {}", path.display()),
        }
    }
}

impl Service {
    async fn ask(&self, http: &Http, within: Duration) -> Result<Zeroizing<Vec<u8>>, CredentialError> {
        let name = format!("token service {}", self.url);
        let mut headers = Vec::new();
        if let Some(path) = &self.bearer {
            let text = read("bearer file", path, LENGTH_MAX as u64).await?;
            let bearer = Secret::new(&text)
                .map_err(|what| CredentialError::fatal(format!("bearer file {}: {what}", path.display())))?;
            headers.push((AUTHORIZATION, bearer.header("Bearer ")));
        }
        let http = match &self.identity {
            Some(_) => http.with_tls(self.tls()?),
            None => http.clone(),
        };
        let (method, url) = (self.method.clone(), self.url.clone());
        let body = Zeroizing::default();
        let request = Request { method, url, headers, body, within, answer_max: LENGTH_MAX };
        let answer = http.ask(request).await.map_err(|error| CredentialError::on_the_way(&name, &error))?;
        let status = answer.status;
        let words = presentable(&String::from_utf8_lossy(&answer.body));
        let words = if words.is_empty() { words } else { format!(": {words}") };
        match status.as_u16() {
            200..=299 => Ok(answer.body),
            401 | 403 => Err(CredentialError::fatal(format!(
                "{name}: does not know this device ({status}){words}; renew {}",
                self.proof()
            ))),
            429 | 500..=599 => Err(CredentialError::passing(format!("{name}: {status}{words}"))),
            _ => Err(CredentialError::fatal(format!(
                "{name}: {status}{words}; is the address right, and [token] method?"
            ))),
        }
    }

    /// What the device shows the service.
    fn proof(&self) -> String {
        match (&self.bearer, &self.identity) {
            (Some(path), _) => format!("the bearer token in {}", path.display()),
            (None, Some((path, _))) => format!("the certificate in {}", path.display()),
            (None, None) => "nothing: [token] has neither bearer_file nor client_cert_file".to_owned(),
        }
    }

    /// TLS with the client certificate; read again when the files have changed, as short-lived ones do.
    fn tls(&self) -> Result<Arc<ClientConfig>, CredentialError> {
        let Some((certificate, key)) = &self.identity else { unreachable!("asked for with one only") };
        let stamp = tls::stamp(&[certificate, key]);
        let mut kept = self.tls.lock().expect("nobody panics while they hold it");
        if let Some((_, config)) = kept.as_ref().filter(|(then, _)| *then == stamp) {
            return Ok(config.clone());
        }
        let config =
            tls::with_identity(self.ca_file.as_deref(), certificate, key).map_err(CredentialError::fatal)?;
        *kept = Some((stamp, config.clone()));
        Ok(config)
    }
}

fn text(source: &Source, mut bytes: Zeroizing<Vec<u8>>) -> Result<Zeroizing<String>, CredentialError> {
    let bytes = std::mem::take(&mut *bytes);
    String::from_utf8(bytes).map(Zeroizing::new).map_err(|error| {
        drop(Zeroizing::new(error.into_bytes()));
        CredentialError::fatal(format!("{source}: what it gives is not a text"))
    })
}

#[derive(Debug, PartialEq, Eq)]
enum Unfit {
    /// What it is instead.
    Foreign(&'static str),
    /// When it ended, as written there.
    Expired(String),
}

/// The token in a text: alone, or as the member `name` or `token` of an object.
fn token_in(text: &str, now: SystemTime) -> Result<Secret, Unfit> {
    let text = text.trim();
    if !text.starts_with('{') {
        return token(text);
    }
    let object: Value =
        serde_json::from_str(text).map_err(|_| Unfit::Foreign("begins like JSON and is none"))?;
    for end in ["expireTime", "newSessionExpireTime"] {
        if let Some(end) = object[end].as_str() {
            let over = super::time::rfc3339(end).is_some_and(|end| end < now);
            if over {
                return Err(Unfit::Expired(end.chars().take(30).filter(char::is_ascii_graphic).collect()));
            }
        }
    }
    let name = object["name"].as_str().or(object["token"].as_str());
    token(name.ok_or(Unfit::Foreign("is an object without a text named \"name\" or \"token\""))?)
}

fn token(text: &str) -> Result<Secret, Unfit> {
    let token = Secret::new(text).map_err(Unfit::Foreign)?;
    if token.reveal().len() > BEGINS.len() && token.reveal().starts_with(BEGINS) {
        Ok(token)
    } else if token.reveal().starts_with("AIza") {
        Err(Unfit::Foreign(
            "holds an API key, which belongs into [live] key_file with backend = \"developer\"",
        ))
    } else if token.reveal().starts_with("ya29.") {
        Err(Unfit::Foreign("holds an OAuth token, which is for backend = \"vertex\""))
    } else {
        Err(Unfit::Foreign("holds something else"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_found_alone_and_in_objects() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000); // 2027-01-15
        let check = |text: &str, expected: Result<&str, Unfit>| {
            let found = token_in(text, now);
            assert_eq!(found.as_ref().map(Secret::reveal), expected.as_ref().copied(), "{text}");
        };
        check(" auth_tokens/abc\n", Ok("auth_tokens/abc"));
        check(r#"{"name": "auth_tokens/abc", "expireTime": "2027-01-16T00:00:00Z"}"#, Ok("auth_tokens/abc"));
        check(r#"{"token": "auth_tokens/abc"}"#, Ok("auth_tokens/abc"));
        check(
            r#"{"name": "auth_tokens/abc", "newSessionExpireTime": "2027-01-14T00:00:00.5Z"}"#,
            Err(Unfit::Expired("2027-01-14T00:00:00.5Z".into())),
        );
        let foreign = |text: &str, what: &str| match token_in(text, now) {
            Err(Unfit::Foreign(found)) => assert!(found.contains(what), "{text}: {found}"),
            other => panic!("{text}: {other:?}"),
        };
        foreign("", "empty");
        foreign("<html>no</html>", "something else");
        foreign("auth_tokens/", "something else");
        foreign("AIzaSyKey", "an API key");
        foreign("ya29.abc", "an OAuth token");
        foreign("auth_tokens/a\nauth_tokens/b", "more than one");
        foreign("{\"name\": 7}", "without a text");
        foreign("{\"name\"", "is none");
    }
}
