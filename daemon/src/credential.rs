//! What opens the service: an API key, an ephemeral token, an OAuth token. Fetched anew for each link, inside its task.
//!
//! An error here is a sentence that says what is wrong, where, and what to do; it never quotes what is secret.

mod command;
mod google;
mod metadata;
mod secret;
mod service_account;
#[cfg(test)]
mod tests;
mod time;
mod token;

use std::fmt;

use hyper::header::{AUTHORIZATION, HeaderName, HeaderValue};
use pressel_live::event::Cause;

use crate::config::{Backend, Config};
use crate::net::http::{Http, HttpError};
use crate::secret::{Key, NoKey};
use google::Google;
use token::Tokens;

pub use secret::Secret;

/// Header of the API key.
const KEY: HeaderName = HeaderName::from_static("x-goog-api-key");

/// Headers that open the service; marked so that nothing prints them.
pub type Headers = Vec<(HeaderName, HeaderValue)>;

/// Where what opens the service comes from. It cannot be printed, only where it comes from.
pub enum Credential {
    /// One key for all time.
    Key(Key),
    /// An ephemeral token for each link.
    Tokens(Box<Tokens>),
    /// An OAuth token for Vertex AI.
    Google(Box<Google>),
}

/// Why a link cannot be opened for want of a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialError {
    /// What kind of trouble it is.
    pub cause: Cause,
    /// What, where, and what to do; fit for a log.
    pub reason: String,
}

/// Why there is nothing to open the service with.
#[derive(Debug)]
pub enum NoCredential {
    /// No API key.
    Key(NoKey),
    /// What the configuration names cannot be used; a sentence.
    Unfit(String),
}

impl CredentialError {
    /// It may heal by itself.
    fn passing(reason: impl Into<String>) -> Self {
        CredentialError { cause: Cause::Credential { fatal: false }, reason: reason.into() }
    }

    /// Only a person, or another configuration, mends it.
    fn fatal(reason: impl Into<String>) -> Self {
        CredentialError { cause: Cause::Credential { fatal: true }, reason: reason.into() }
    }

    /// What went wrong on the way to where the credential comes from.
    fn on_the_way(to: impl fmt::Display, error: &HttpError) -> Self {
        let cause = match error {
            // What the whole device suffers from is told as such.
            HttpError::Dial(error) if matches!(error.cause, Cause::Clock | Cause::Captive) => error.cause,
            HttpError::Redirected(_) => Cause::Credential { fatal: true },
            _ => Cause::Credential { fatal: false },
        };
        CredentialError { cause, reason: format!("{to}: {error}") }
    }
}

impl fmt::Display for CredentialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for CredentialError {}

impl Credential {
    /// What the configuration names. Nothing is fetched yet.
    ///
    /// # Errors
    /// [`NoCredential`].
    pub fn find(config: &Config) -> Result<Self, NoCredential> {
        match config.live.backend {
            Backend::Developer => {
                crate::secret::find(&config.live.key_file).map(Credential::Key).map_err(NoCredential::Key)
            }
            Backend::Token => {
                let tokens = Tokens::new(&config.token, &config.live.ca_file).map_err(NoCredential::Unfit)?;
                Ok(Credential::Tokens(Box::new(tokens)))
            }
            Backend::Vertex => {
                let google = Google::new(&config.vertex).map_err(NoCredential::Unfit)?;
                Ok(Credential::Google(Box::new(google)))
            }
        }
    }

    /// Whether it opens the service as the other one does. What is fetched for each link is never known to.
    pub fn is_same(&self, other: &Credential) -> bool {
        matches!((self, other), (Credential::Key(key), Credential::Key(other)) if key == other)
    }

    /// What to open a link with: at once for a key, else fetched, which has a bound of its own. Cancel safe.
    ///
    /// # Errors
    /// [`CredentialError`].
    pub async fn headers(&self, http: &Http) -> Result<Headers, CredentialError> {
        match self {
            Credential::Key(key) => Ok(vec![(KEY, key.header_value())]),
            Credential::Tokens(tokens) => {
                let token = tokens.mint(http).await?;
                Ok(vec![(AUTHORIZATION, token.header("Token "))])
            }
            Credential::Google(google) => google.headers(http).await,
        }
    }

    /// The service did not take it (HTTP 401): what was kept is dropped. True if fetching once more may give another.
    pub fn refused(&self) -> bool {
        match self {
            Credential::Key(_) => false,
            Credential::Tokens(tokens) => tokens.refused(),
            Credential::Google(google) => google.refused(),
        }
    }

    /// What a refused handshake may come from, besides what the server says.
    pub fn hint(&self, status: u16) -> Option<String> {
        match self {
            Credential::Key(_) => None,
            Credential::Tokens(tokens) => tokens.hint(status),
            Credential::Google(google) => google.hint(status),
        }
    }

    /// What a link that the server closed with these words may come from, besides them.
    pub fn hint_closed(&self, reason: &str) -> Option<String> {
        match self {
            Credential::Google(google) => google.hint_closed(reason),
            Credential::Key(_) | Credential::Tokens(_) => None,
        }
    }

    /// Somebody else's words, in which what is secret is blotted out should they quote it.
    pub fn blot_out(&self, words: String) -> String {
        match self {
            Credential::Key(key) => key.blot_out(words),
            Credential::Tokens(tokens) => tokens.blot_out(words),
            Credential::Google(google) => google.blot_out(words),
        }
    }

    /// What `setup` names the model by; on Vertex AI its place in the project.
    pub fn model(&self, name: &str) -> String {
        match self {
            Credential::Google(google) => google.model(name),
            Credential::Key(_) | Credential::Tokens(_) => name.to_owned(),
        }
    }
}

impl fmt::Display for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Credential::Key(key) => key.source().fmt(f),
            Credential::Tokens(tokens) => tokens.fmt(f),
            Credential::Google(google) => google.fmt(f),
        }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential({self})")
    }
}

impl fmt::Display for NoCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoCredential::Key(why) => why.fmt(f),
            NoCredential::Unfit(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for NoCredential {}
