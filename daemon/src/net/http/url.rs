//! Addresses of HTTP services, taken apart.

use std::fmt;

use hyper::Uri;
use hyper::header::HeaderValue;

use crate::net::is_loopback;

/// `https://host[:port][/path][?query]`, or `http://` to this machine. Its `Display` leaves the query out: people put
/// secrets there.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    /// TLS (`https`) or plain.
    pub tls: bool,
    /// Host name or address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    target: Uri,
    authority: HeaderValue,
}

impl Url {
    /// Takes an address apart.
    ///
    /// # Errors
    /// A sentence that says what is allowed. It quotes nothing.
    pub fn parse(text: &str) -> Result<Self, String> {
        let url = Self::parse_any(text)?;
        if !url.tls && !is_loopback(&url.host) {
            return Err(
                "an unencrypted request to another machine; allowed: https://, or http:// on loopback".into(),
            );
        }
        Ok(url)
    }

    /// The same, also unencrypted: only for what is asked of the machine's own hypervisor.
    ///
    /// # Errors
    /// As [`Url::parse`].
    pub fn parse_any(text: &str) -> Result<Self, String> {
        let wrong =
            |what: &str| format!("{what}; allowed: https://host[:port][/path], or http:// on loopback");
        let uri: Uri = text.parse().map_err(|_| wrong("not an address"))?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(wrong("no https:// before it")),
        };
        let authority = uri.authority().ok_or_else(|| wrong("no host"))?;
        if authority.as_str().contains('@') {
            return Err(wrong("a user name in it"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() || authority.as_str().ends_with(':') {
            return Err(wrong("no host or a bad port"));
        }
        let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        Ok(Url {
            tls,
            port,
            target: target.parse().map_err(|_| wrong("no path that can be asked for"))?,
            authority: HeaderValue::from_str(authority.as_str()).map_err(|_| wrong("not an address"))?,
            host,
        })
    }

    /// What the request line asks for.
    pub(crate) fn target(&self) -> Uri {
        self.target.clone()
    }

    /// The header `Host`.
    pub(super) fn authority(&self) -> HeaderValue {
        self.authority.clone()
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority.to_str().unwrap_or(&self.host), self.target.path())
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<(bool, &str, u16, &str), &str>) {
        match (Url::parse(text), expected) {
            (Ok(url), Ok(expected)) => {
                let target = url.target().to_string();
                assert_eq!((url.tls, url.host.as_str(), url.port, target.as_str()), expected, "{text}");
            }
            (Err(error), Err(start)) => assert!(error.starts_with(start), "{text}: {error}"),
            (found, expected) => panic!("{text}: {found:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn takes_addresses_apart() {
        check("https://example.org", Ok((true, "example.org", 443, "/")));
        check("https://example.org:8443/a/b?c=d", Ok((true, "example.org", 8443, "/a/b?c=d")));
        check("http://127.0.0.1:9000/t", Ok((false, "127.0.0.1", 9000, "/t")));
        check("http://[::1]:9000/t", Ok((false, "::1", 9000, "/t")));
        check("http://example.org/t", Err("an unencrypted request"));
        check("https://me:secret@example.org/t", Err("a user name"));
        check("wss://example.org", Err("no https://"));
        check("example.org/t", Err("not an address"));
        check("https://", Err("not an address"));
        check("", Err("not an address"));
    }

    #[test]
    fn a_query_is_never_shown() {
        let url = Url::parse("https://example.org/token?secret=hush").unwrap();
        assert_eq!(url.to_string(), "https://example.org/token");
        assert!(!format!("{url:?}").contains("hush"));
    }
}
