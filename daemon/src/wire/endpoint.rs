//! Where the Live API is: a base URL taken apart, and the path of its one method, which each backend spells in its own way.

use crate::config::{Backend, Config, Live};
use crate::net::{is_loopback, place, split_place};

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
    /// What the configuration names: the path of its backend, on its base URL or on the host of its location.
    ///
    /// # Errors
    /// As [`Endpoint::parse`].
    pub fn of(config: &Config) -> Result<Self, String> {
        let (base, version) = (config.live.endpoint.as_str(), config.live.api_version.word());
        match config.live.backend {
            Backend::Developer => Self::parse(base, version),
            // Tokens are taken by a method of their own; on the plain one they are nobody's ("unregistered callers").
            Backend::Token => Self::at(base, &format!("{}Constrained", developer(version))),
            Backend::Vertex => {
                let version = config.vertex.api_version.word();
                // Dots before the service, a slash before the method.
                let method = format!("google.cloud.aiplatform.{version}.LlmBidiService/BidiGenerateContent");
                if base == Live::default().endpoint {
                    Self::at(&format!("wss://{}", vertex_host(&config.vertex.location)), &method)
                } else {
                    Self::at(base, &method)
                }
            }
        }
    }

    /// Takes `wss://host[:port][/prefix]` apart and adds the path of BidiGenerateContent in `api_version`.
    ///
    /// # Errors
    /// A sentence that says what is allowed.
    pub fn parse(base: &str, api_version: &str) -> Result<Self, String> {
        Self::at(base, &developer(api_version))
    }

    fn at(base: &str, method: &str) -> Result<Self, String> {
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
        let (host, port) = split_place(authority).map_err(wrong)?;
        if !tls && !is_loopback(host) {
            return Err(wrong("an unencrypted link to another machine"));
        }
        let prefix = prefix.trim_end_matches('/');
        let slash = if prefix.is_empty() { "" } else { "/" };
        let path = format!("{slash}{prefix}/ws/{method}");
        Ok(Endpoint { tls, host: host.to_owned(), port: port.unwrap_or(if tls { 443 } else { 80 }), path })
    }

    /// Scheme, host and port.
    pub fn base(&self) -> String {
        self.url().strip_suffix(&self.path).unwrap_or_default().to_owned()
    }

    /// The URL to put into the request; the key is never part of it.
    pub fn url(&self) -> String {
        let scheme = if self.tls { "wss" } else { "ws" };
        format!("{scheme}://{}{}", place(&self.host, self.port), self.path)
    }
}

fn developer(version: &str) -> String {
    format!("google.ai.generativelanguage.{version}.GenerativeService.BidiGenerateContent")
}

/// Host of a location of Vertex AI: of a region, of a multi-region, or of all the world.
fn vertex_host(location: &str) -> String {
    match location {
        "global" => "aiplatform.googleapis.com".to_owned(),
        "us" | "eu" => format!("aiplatform.{location}.rep.googleapis.com"),
        region => format!("{region}-aiplatform.googleapis.com"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ApiVersion, VertexVersion};

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
        check("wss://example.org:0", Err("a bad port"));
    }

    #[test]
    fn each_backend_has_its_host_and_path() {
        let check = |change: &dyn Fn(&mut Config), expected: &str| {
            let mut config = Config::default();
            change(&mut config);
            assert_eq!(Endpoint::of(&config).unwrap().url(), expected);
        };
        let developer = "wss://generativelanguage.googleapis.com:443/ws/google.ai.generativelanguage.";
        check(&|_| {}, &format!("{developer}v1beta.GenerativeService.BidiGenerateContent"));
        check(
            &|c| (c.live.backend, c.live.api_version) = (Backend::Token, ApiVersion::V1Alpha),
            &format!("{developer}v1alpha.GenerativeService.BidiGenerateContentConstrained"),
        );
        for (location, host) in [
            ("us-central1", "us-central1-aiplatform.googleapis.com"),
            ("global", "aiplatform.googleapis.com"),
            ("eu", "aiplatform.eu.rep.googleapis.com"),
        ] {
            check(
                &|c| (c.live.backend, c.vertex.location) = (Backend::Vertex, location.into()),
                &format!("wss://{host}:443/ws/google.cloud.aiplatform.v1.LlmBidiService/BidiGenerateContent"),
            );
        }
        check(
            &|c| {
                (c.live.backend, c.live.endpoint) = (Backend::Vertex, "ws://127.0.0.1:9000".into());
                c.vertex.api_version = VertexVersion::V1Beta1;
            },
            "ws://127.0.0.1:9000/ws/google.cloud.aiplatform.v1beta1.LlmBidiService/BidiGenerateContent",
        );
    }

    #[test]
    fn ipv6_hosts_keep_their_brackets_in_the_url() {
        let endpoint = Endpoint::parse("ws://[::1]:9000", "v1beta").unwrap();
        assert!(endpoint.url().starts_with("ws://[::1]:9000/ws/"), "{}", endpoint.url());
    }
}
