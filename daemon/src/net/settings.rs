//! What the way to a server goes by: the configuration, then what the environment says about proxies.

use std::path::PathBuf;

use super::proxy::Proxy;
use super::url::HttpUrl;
use crate::config;

/// Names under which a proxy for TLS stands in the environment, in order.
const PROXY: [&str; 4] = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
const NO_PROXY: [&str; 2] = ["no_proxy", "NO_PROXY"];
/// Name of the systemd credential with the proxy's password.
const CREDENTIAL: &str = "proxy-password";

/// How servers are reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Route {
    /// By themselves.
    #[default]
    Direct,
    /// Through a proxy.
    Proxy(Proxy),
    /// What names the proxy is wrong, in words: every dial fails with them until it is put right.
    Broken(String),
}

/// What the way to a server goes by.
#[derive(Clone, Default)]
pub struct Settings {
    /// Proxy or none.
    pub route: Route,
    /// The web address that tells captive portals apart; none = they are not looked for.
    pub(super) captive_check: Option<HttpUrl>,
    /// Hosts whose addresses are not the Internet's are refused. What a proxy is asked for is the proxy's to judge.
    pub public_only: bool,
}

impl Settings {
    /// From `[network]` and this process's environment.
    pub fn from_config(network: &config::Network) -> Self {
        Self::new(network, |name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    fn new(network: &config::Network, variable: impl Fn(&str) -> Option<String>) -> Self {
        let first =
            |names: &[&'static str]| names.iter().find_map(|name| variable(name).map(|value| (*name, value)));
        let no_proxy = match network.no_proxy.as_str() {
            "" => first(&NO_PROXY).map_or(String::new(), |(_, value)| value),
            list => list.to_owned(),
        };
        let credential = || {
            let path = PathBuf::from(variable("CREDENTIALS_DIRECTORY")?).join(CREDENTIAL);
            path.exists().then_some(path)
        };
        let password_file = match network.proxy_password_file.as_str() {
            "" => credential(),
            path => Some(PathBuf::from(path)),
        };
        let proxy = match network.proxy.as_str() {
            "none" => None,
            "" => first(&PROXY).map(|(name, url)| (name, url, None)),
            url => Some(("[network] proxy", url.to_owned(), password_file)),
        };
        let route = match proxy {
            None => Route::Direct,
            Some((origin, url, password_file)) => {
                Proxy::new(&url, password_file, &no_proxy, origin).map_or_else(Route::Broken, Route::Proxy)
            }
        };
        Settings { route, captive_check: HttpUrl::parse(&network.captive_check).ok(), public_only: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(change: impl FnOnce(&mut config::Network), environment: &[(&str, &str)]) -> Route {
        let mut network = config::Network::default();
        change(&mut network);
        let find = |name: &str| {
            let found = environment.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Settings::new(&network, find).route
    }

    fn place(route: &Route) -> Option<(String, &'static str)> {
        match route {
            Route::Proxy(proxy) => Some((proxy.place(), proxy.origin())),
            _ => None,
        }
    }

    #[test]
    fn the_configuration_wins_over_the_environment_and_can_say_none() {
        let environment = [("HTTPS_PROXY", "http://two:2"), ("all_proxy", "http://three:3")];
        assert_eq!(route(|_| {}, &[]), Route::Direct);
        assert_eq!(place(&route(|_| {}, &environment)), Some(("two:2".into(), "HTTPS_PROXY")));
        let named = route(|n| n.proxy = "http://one:1".into(), &environment);
        assert_eq!(place(&named), Some(("one:1".into(), "[network] proxy")));
        assert_eq!(route(|n| n.proxy = "none".into(), &environment), Route::Direct);
    }

    #[test]
    fn exceptions_come_from_the_same_places() {
        let environment = [("https_proxy", "proxy:1"), ("no_proxy", "example.org")];
        let check = |route: Route, host: &str, left_out| match route {
            Route::Proxy(proxy) => assert_eq!(proxy.leaves_out(host, 443), left_out, "{host}"),
            other => panic!("{other:?}"),
        };
        check(route(|_| {}, &environment), "example.org", true);
        check(route(|n| n.no_proxy = "example.net".into(), &environment), "example.org", false);
        check(route(|n| n.no_proxy = "example.net".into(), &environment), "example.net", true);
    }

    #[test]
    fn a_broken_variable_is_told_by_its_name_without_its_password() {
        let found = route(|_| {}, &[("https_proxy", "socks5://me:s3cret@proxy:1")]);
        let Route::Broken(words) = found else { panic!("{found:?}") };
        assert!(words.starts_with("https_proxy: only http://") && !words.contains("s3cret"), "{words}");
    }
}
