//! The table about the way to the service.

use super::rule::{Rule, TEXT};
use super::table::table;
use crate::net::HttpUrl;

table! {
    /// `[network]`: proxy and captive portals.
    Network {
        /// HTTP proxy; empty = what the environment says, "none" = none.
        proxy: String = "", Rule::Text { empty: true, check: Some(proxy) };
        /// File with the proxy's password; empty = the systemd credential proxy-password, if there is one.
        proxy_password_file: String = "", TEXT;
        /// Who is reached without the proxy; empty = what the environment says.
        no_proxy: String = "", TEXT;
        /// Web address that answers 204; asked when a link fails as it does behind a sign-in page; empty = never.
        captive_check: String = "http://connectivitycheck.gstatic.com/generate_204",
            Rule::Text { empty: true, check: Some(web_address) };
    }
}

/// `[network] proxy`: its password stands elsewhere, since everybody may read the configuration.
fn proxy(text: &str) -> Result<(), String> {
    if text.is_empty() || text == "none" {
        return Ok(());
    }
    match HttpUrl::parse(text) {
        Err(why) => Err(format!("is refused: {why}; allowed: http://[user@]host:port, \"none\"")),
        Ok(url) if matches!(url.user, Some((_, Some(_)))) => {
            Err("has a password in it; put that into a file of its own and name it in proxy_password_file"
                .to_owned())
        }
        Ok(_) => Ok(()),
    }
}

fn web_address(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Ok(());
    }
    match HttpUrl::parse(text) {
        Ok(url) if url.user.is_none() => Ok(()),
        Ok(_) => Err("is refused: a user name".to_owned()),
        Err(why) => Err(format!("is refused: {why}; allowed: http://host[:port]/path")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_looked_at_closely() {
        assert!(proxy("").is_ok() && proxy("none").is_ok() && proxy("http://me@proxy:3128").is_ok());
        assert!(proxy("http://me:secret@proxy:3128").is_err_and(|e| e.contains("proxy_password_file")));
        assert!(proxy("https://proxy").is_err_and(|e| e.contains("only http://")));
        assert!(web_address("").is_ok() && web_address(&Network::default().captive_check).is_ok());
        assert!(web_address("https://example.org").is_err());
    }
}
