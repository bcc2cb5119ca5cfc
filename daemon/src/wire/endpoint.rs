//! Where the Live API is: a base URL taken apart, and the path of its one method.

/// Scheme, host and port of the server, and the path to ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// TLS (`wss`) or, on loopback only, plain (`ws`).
    pub tls: bool,
    /// Host name or address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Path of the WebSocket.
    pub path: String,
}

impl Endpoint {
    /// Takes `wss://host[:port][/prefix]` apart and adds the path of BidiGenerateContent in `api_version`.
    ///
    /// # Errors
    /// A sentence that says what is allowed.
    pub fn parse(base: &str, api_version: &str) -> Result<Self, String> {
        let allowed = "allowed: wss://host[:port][/prefix], or ws:// on loopback";
        let wrong = |what: &str| format!("{what} in \"{base}\"; {allowed}");
        let (tls, rest) = if let Some(rest) = base.strip_prefix("wss://").or(base.strip_prefix("https://")) {
            (true, rest)
        } else if let Some(rest) = base.strip_prefix("ws://") {
            (false, rest)
        } else {
            return Err(wrong("no ws:// or wss://"));
        };
        let (authority, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if authority.contains('@') || prefix.contains('?') {
            return Err(wrong("a user name or query"));
        }
        let (host, port) = split_authority(authority).ok_or_else(|| wrong("no host or a bad port"))?;
        if !tls && !is_loopback(&host) {
            return Err(wrong("an unencrypted link to another machine"));
        }
        let prefix = prefix.trim_end_matches('/');
        let slash = if prefix.is_empty() { "" } else { "/" };
        let path = format!(
            "{slash}{prefix}/ws/google.ai.generativelanguage.{api_version}.GenerativeService.BidiGenerateContent"
        );
        Ok(Endpoint { tls, host, port: port.unwrap_or(if tls { 443 } else { 80 }), path })
    }

    /// The URL to put into the request; the key is never part of it.
    pub fn url(&self) -> String {
        let scheme = if self.tls { "wss" } else { "ws" };
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        format!("{scheme}://{host}:{}{}", self.port, self.path)
    }
}

fn split_authority(authority: &str) -> Option<(String, Option<u16>)> {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        (host, rest.strip_prefix(':'))
    } else if let Some((host, port)) = authority.split_once(':') {
        (host, Some(port))
    } else {
        (authority, None)
    };
    if host.is_empty() {
        return None;
    }
    let port = match port {
        Some(text) => Some(text.parse().ok().filter(|&p| p != 0)?),
        None => None,
    };
    Some((host.to_owned(), port))
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|a| a.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(base: &str, expected: Result<(bool, &str, u16, &str), &str>) {
        let tail = "ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent";
        match (Endpoint::parse(base, "v1beta"), expected) {
            (Ok(got), Ok((tls, host, port, prefix))) => {
                let path = format!("{prefix}{tail}");
                assert_eq!(got, Endpoint { tls, host: host.into(), port, path }, "{base}");
            }
            (Err(got), Err(start)) => assert!(got.starts_with(start), "{base}: {got}"),
            (got, expected) => panic!("{base}: {got:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn takes_base_urls_apart() {
        check("wss://example.org", Ok((true, "example.org", 443, "/")));
        check("wss://example.org:8443/gate/", Ok((true, "example.org", 8443, "/gate/")));
        check("ws://127.0.0.1:9000", Ok((false, "127.0.0.1", 9000, "/")));
        check("ws://[::1]:9000", Ok((false, "::1", 9000, "/")));
        check("ws://example.org", Err("an unencrypted link"));
        check("http://example.org", Err("no ws://"));
        check("wss://user@example.org", Err("a user name"));
        check("wss://example.org/?key=1", Err("a user name or query"));
        check("wss://:443", Err("no host"));
        check("wss://example.org:0", Err("no host or a bad port"));
    }

    #[test]
    fn ipv6_hosts_keep_their_brackets_in_the_url() {
        let endpoint = Endpoint::parse("ws://[::1]:9000", "v1beta").unwrap();
        assert!(endpoint.url().starts_with("ws://[::1]:9000/ws/"), "{}", endpoint.url());
    }
}
