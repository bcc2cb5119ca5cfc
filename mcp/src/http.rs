//! A server that is somewhere on the net: the SDK's transport over a client that asks only where it may.

use std::error::Error;
use std::net::{IpAddr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use rmcp::transport::streamable_http_client::{
    StreamableHttpClientTransport, StreamableHttpClientTransportConfig, StreamableHttpError,
};

use crate::file::Keys;
use crate::secret;

#[path = "../../daemon/src/net/public.rs"]
mod public;

/// The transport to the server of these keys.
///
/// # Errors
/// A sentence that says what is wrong.
pub fn transport(keys: &Keys) -> Result<StreamableHttpClientTransport<Client>, String> {
    let url: Url = keys.url.parse().map_err(|_| "its url is no address".to_owned())?;
    if url.scheme() != "https" && !(url.scheme() == "http" && keys.tls == Some(false)) {
        return Err("its url is not https, and tls = false is not said".to_owned());
    }
    let mut client =
        Client::builder().redirect(Policy::none()).connect_timeout(std::time::Duration::from_secs(10));
    if !keys.private {
        // A name is judged by its addresses, an address by itself.
        let literal = url.host_str().and_then(|host| host.trim_matches(['[', ']']).parse::<IpAddr>().ok());
        if literal.is_some_and(|address| !public::is_public(address)) {
            return Err("its address is this machine's or a neighbour's, which is not allowed; private = true allows it".to_owned());
        }
        client = client.dns_resolver(std::sync::Arc::new(PublicOnly));
    }
    let client = client.build().map_err(|error| format!("no HTTP client: {error}"))?;
    let mut config = StreamableHttpClientTransportConfig::with_uri(url.as_str());
    if let Some(secret) = secret::read(&keys.secret_file)? {
        config = config.auth_header(secret.as_str());
    }
    Ok(StreamableHttpClientTransport::with_client(client, config))
}

/// The page that comes with a refusal may be so long; the SDK calls one that is longer by the same name.
const REFUSAL_MAX: usize = 64 * 1024;

/// How long an answer may be, in bytes, if that is what an error is about: the SDK reads no further, and the connection
/// is as good as before.
pub fn too_long(error: &(dyn Error + 'static)) -> Option<usize> {
    match error.downcast_ref::<StreamableHttpError<reqwest::Error>>() {
        Some(StreamableHttpError::ResponseBodyTooLarge { max_size }) => {
            Some(*max_size).filter(|max| *max > REFUSAL_MAX)
        }
        _ => error.source().and_then(too_long),
    }
}

/// Names whose addresses are all the Internet's.
struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            if found.iter().all(|address| public::is_public(address.ip())) {
                Ok(Box::new(found.into_iter()) as Addrs)
            } else {
                Err("the host is this machine or a neighbour, which is not allowed; private = true allows it"
                    .into())
            }
        })
    }
}

#[cfg(test)]
mod tests;
