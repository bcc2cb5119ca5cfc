//! The metadata server of a Google machine: a token for whatever account the machine runs as.

use std::time::Duration;

use hyper::Method;
use hyper::header::{HeaderName, HeaderValue};
use zeroize::Zeroizing;

use super::CredentialError;
use super::google::{Environment, Token, token};
use super::secret::presentable;
use crate::net::http::{Http, HttpError, Request, Url};

const HOST: &str = "metadata.google.internal";
const PATH: &str = "/computeMetadata/v1/instance/service-accounts/default/token";
const FLAVOR: HeaderName = HeaderName::from_static("metadata-flavor");
/// It is on the same machine; anywhere else nobody answers.
const WITHIN: Duration = Duration::from_secs(3);
const ANSWER_MAX: usize = 16 << 10;
/// Says "Google" on a Google machine.
const PRODUCT: &str = "/sys/class/dmi/id/product_name";

/// Where the server is.
pub(super) struct Metadata {
    url: Url,
    /// This is a machine of Google's, or somebody says so.
    expected: bool,
}

impl Metadata {
    /// # Errors
    /// A sentence: what the environment names is no host.
    pub(super) fn new(environment: Environment) -> Result<Self, String> {
        let named = environment("GCE_METADATA_HOST");
        let product = || std::fs::read_to_string(PRODUCT).is_ok_and(|name| name.contains("Google"));
        let expected = named.is_some() || product();
        let host = named.unwrap_or_else(|| HOST.to_owned());
        let url = Url::parse_any(&format!("http://{host}{PATH}"))
            .map_err(|_| "environment GCE_METADATA_HOST is no host[:port]".to_owned())?;
        Ok(Metadata { url, expected })
    }

    pub(super) async fn token(&self, http: &Http) -> Result<Token, CredentialError> {
        let request = Request {
            method: Method::GET,
            url: self.url.clone(),
            headers: vec![(FLAVOR, HeaderValue::from_static("Google"))],
            body: Zeroizing::default(),
            within: WITHIN,
            answer_max: ANSWER_MAX,
        };
        let at = format!("metadata server {}", self.url.host);
        let answer = http.direct().ask(request).await.map_err(|error| self.unreachable(&at, &error))?;
        match answer.status.as_u16() {
            200 => token(&answer, &at),
            status @ (429 | 500..=599) => Err(CredentialError::passing(format!("{at}: {status}"))),
            status => {
                let words = presentable(&String::from_utf8_lossy(&answer.body));
                Err(CredentialError::fatal(format!(
                    "{at}: {status} {words}; has this machine a service account?"
                )))
            }
        }
    }

    fn unreachable(&self, at: &str, error: &HttpError) -> CredentialError {
        if self.expected {
            return CredentialError::on_the_way(at, error);
        }
        CredentialError::fatal(format!(
            "no credentials for Vertex AI: neither [vertex] credential_file nor GOOGLE_APPLICATION_CREDENTIALS names a \
             file, gcloud has left none, and this is no machine of Google's ({at}: {error}); put a service account's \
             file on this device and name it in [vertex] credential_file"
        ))
    }
}
