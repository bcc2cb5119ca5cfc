//! `http://[user[:password]@]host[:port][/path]`, taken apart.

use std::fmt::Write;

use zeroize::Zeroizing;

/// A plain HTTP address. It has no `Debug`, since it may hold a password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct HttpUrl {
    /// User and password as they are meant, decoded.
    pub(crate) user: Option<(String, Option<Zeroizing<String>>)>,
    /// Without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// With its slash.
    pub(crate) path: String,
}

impl HttpUrl {
    /// Takes it apart; without a scheme `http://` is meant.
    ///
    /// # Errors
    /// What is wrong with it; never quotes a password.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let rest = match text.split_once("://") {
            Some(("http", rest)) => rest,
            Some(_) => return Err("only http:// is spoken to it"),
            None => text,
        };
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        let (user, place) = match authority.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, authority),
        };
        let (host, port) = split_place(place)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || ".-_:%".contains(c);
        if !host.chars().all(plain) {
            return Err("no host");
        }
        if !path.chars().all(|c| c.is_ascii_graphic()) {
            return Err("a path with blanks");
        }
        let user = match user {
            None => None,
            Some(user) => {
                let (name, password) = match user.split_once(':') {
                    Some((name, password)) => (name, Some(decoded(password)?)),
                    None => (user, None),
                };
                Some((decoded(name)?.to_string(), password))
            }
        };
        Ok(HttpUrl { user, host: host.to_owned(), port: port.unwrap_or(80), path: path.to_owned() })
    }

    /// `host:port`, with brackets where they belong.
    pub(crate) fn place(&self) -> String {
        place(&self.host, self.port)
    }
}

/// `host[:port]` taken apart; the host without its brackets.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn split_place(place: &str) -> Result<(&str, Option<u16>), &'static str> {
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or("a bracket is not closed")?;
            (host, if port.is_empty() { None } else { Some(port.strip_prefix(':').ok_or("a bad port")?) })
        }
        None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
    };
    if host.is_empty() {
        return Err("no host");
    }
    match port.map(str::parse) {
        None => Ok((host, None)),
        Some(Ok(port)) if port != 0 => Ok((host, Some(port))),
        Some(_) => Err("a bad port"),
    }
}

/// `host:port`, with brackets where they belong.
pub(crate) fn place(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// Appends a text with every byte but letters, digits and `kept` as `%40` and the like (RFC 3986, 2.1).
pub(crate) fn encode(text: &str, kept: &[u8], into: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || kept.contains(&byte) {
            into.push(char::from(byte));
        } else {
            let _ = write!(into, "%{byte:02X}"); // writing to a String cannot fail
        }
    }
}

/// Undoes `%40` and the like (RFC 3986, 2.1).
fn decoded(text: &str) -> Result<Zeroizing<String>, &'static str> {
    const WRONG: &str = "a % in the user or password that is not followed by two hex digits";
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|d| char::from(d).to_digit(16)).ok_or(WRONG);
        let (high, low) = (digit()?, digit()?);
        bytes.push(u8::try_from(high * 16 + low).expect("two hex digits are a byte"));
    }
    match std::str::from_utf8(&bytes) {
        Ok(text) if !text.chars().any(char::is_control) => Ok(Zeroizing::new(text.to_owned())),
        _ => Err("a user or password that is no text"),
    }
}

/// A text with every password of a URL in it blotted out.
pub(crate) fn without_password(text: &str) -> String {
    let Some((before, rest)) = text.split_once("://") else { return text.to_owned() };
    let end = rest.find(['/', '?', ' ']).unwrap_or(rest.len());
    let (authority, after) = rest.split_at(end);
    // A password with a slash in it is a mistake, and no less a password.
    let (authority, after) = match rest.rfind('@') {
        Some(at) if at > end => rest.split_at(at),
        _ => (authority, after),
    };
    let (user, place) = authority.rsplit_once('@').map_or((authority, ""), |(user, place)| (user, place));
    match user.split_once(':') {
        Some((user, _)) if authority.contains('@') => format!("{before}://{user}:…@{place}{after}"),
        Some((user, _)) if after.starts_with('@') => format!("{before}://{user}:…{after}"),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<(&str, u16, &str), &str>) {
        match (HttpUrl::parse(text), expected) {
            (Ok(url), Ok(parts)) => {
                assert_eq!((url.host.as_str(), url.port, url.path.as_str()), parts, "{text}")
            }
            (Err(why), Err(expected)) => assert_eq!(why, expected, "{text}"),
            (got, _) => panic!("{text}: {:?}", got.map(|url| url.place())),
        }
    }

    #[test]
    fn addresses_are_taken_apart() {
        check("http://proxy.example:3128", Ok(("proxy.example", 3128, "/")));
        check("proxy.example", Ok(("proxy.example", 80, "/")));
        check("http://[2001:db8::1]:8080/x?y", Ok(("2001:db8::1", 8080, "/x?y")));
        check("https://proxy.example", Err("only http:// is spoken to it"));
        check("socks5://proxy.example", Err("only http:// is spoken to it"));
        check("http://:80", Err("no host"));
        check("http://a b", Err("no host"));
        check("http://proxy:0", Err("a bad port"));
        check("http://[::1", Err("a bracket is not closed"));
    }

    #[test]
    fn users_and_passwords_are_decoded() {
        let check = |text: &str, name: &str, password: Option<&str>| {
            let url = HttpUrl::parse(text).unwrap_or_else(|why| panic!("{text}: {why}"));
            let (found, secret) = url.user.unwrap();
            assert_eq!((found.as_str(), secret.as_ref().map(|p| p.as_str())), (name, password));
        };
        check("http://me@host", "me", None);
        check("http://me:p%40ss:w@host", "me", Some("p@ss:w"));
        check("http://dom%5Cme:@host", "dom\\me", Some(""));
        assert!(HttpUrl::parse("http://me:p%4@host").is_err());
        assert!(HttpUrl::parse("http://me:p%0d%0a@host").is_err());
    }

    #[test]
    fn passwords_are_blotted_out_wherever_they_stand() {
        let check = |text: &str, expected: &str| assert_eq!(without_password(text), expected);
        check("http://me:secret@host:1/p", "http://me:…@host:1/p");
        check("\"http://me:se/cret@host\"", "\"http://me:…@host\"");
        check("http://me:se@cret@host", "http://me:…@host");
        check("http://me@host:80", "http://me@host:80");
        check("http://host:80/a@b", "http://host:…@b");
        check("no address: at all", "no address: at all");
    }
}
