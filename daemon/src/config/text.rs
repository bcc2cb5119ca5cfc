//! Checks of one key's text that a range cannot express.

use crate::gesture;
use crate::net::http::Url;
use crate::wire::Endpoint;

/// `[light] night`: hours in which the light is dimmed.
pub fn night(text: &str) -> Result<(), String> {
    crate::warm::Hours::parse(text).map(|_| ())
}

/// `[light] patterns`: what phases look like.
pub fn patterns(text: &str) -> Result<(), String> {
    crate::panel::patterns(text).map(drop)
}

/// `[button] lines`: names and lines.
pub fn button_lines(text: &str) -> Result<(), String> {
    gesture::lines(text).map(drop)
}

/// `[live] endpoint`: encrypted, or on this machine. The path is added later, so any version will do here.
pub fn endpoint(text: &str) -> Result<(), String> {
    Endpoint::parse(text, "v1beta").map(|_| ()).map_err(|why| format!("is refused: {why}"))
}

/// `[link] warm`: hours at which a link is kept ready.
pub fn warm(text: &str) -> Result<(), String> {
    crate::warm::Hours::parse(text).map(|_| ())
}

/// `[live] model`: goes into `models/…`, so it is a plain name.
pub fn model(text: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    if text.starts_with("models/") {
        return Err("is written without \"models/\"".to_owned());
    }
    if text.chars().all(plain) {
        Ok(())
    } else {
        Err("is not a model name: letters, digits, \"-\", \".\" and \"_\" only".to_owned())
    }
}

/// `[live] ca_file`: a file with certificates in it; whether they are good is seen when TLS is set up.
pub fn ca_file(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Ok(());
    }
    let bytes = std::fs::read(text).map_err(|error| format!("is a file that cannot be read: {error}"))?;
    let begin = b"-----BEGIN CERTIFICATE-----";
    if bytes.windows(begin.len()).any(|part| part == begin) {
        Ok(())
    } else {
        Err("has no certificate in it; expected PEM, with a line -----BEGIN CERTIFICATE-----".to_owned())
    }
}

/// `[token] url`: encrypted, or on this machine.
pub fn token_url(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Ok(());
    }
    Url::parse(text).map(|_| ()).map_err(|why| format!("is refused: {why}"))
}

/// `[vertex] project`, `quota_project`: an id (perhaps with a domain before it) or a number.
pub fn project(text: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.:".contains(c);
    if text.chars().all(plain) {
        return Ok(());
    }
    Err("is not a project id: lower-case letters, digits and \"-\" only; it is not the project's display name".to_owned())
}

/// `[vertex] location`: becomes part of a host name.
pub fn location(text: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if text.chars().all(plain) && !text.starts_with('-') && !text.ends_with('-') {
        return Ok(());
    }
    Err("is not a location; allowed: a region such as \"us-central1\", a multi-region \"us\" or \"eu\", or \"global\""
        .to_owned())
}

/// `[phrases] language`: the name of a folder.
pub fn language(text: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    if text.chars().all(plain) {
        Ok(())
    } else {
        Err("is not the name of a language: letters, digits, \"-\" and \"_\" only, such as \"en\"".to_owned())
    }
}

/// `[button] key`: the name of a key code.
pub fn key_name(text: &str) -> Result<(), String> {
    pressel_hal::evdev::check_name(text).map_err(|error| format!("is refused: {error}"))
}

/// `[control] path`: absolute, and as short as the kernel wants it.
pub fn socket_path(text: &str) -> Result<(), String> {
    // sockaddr_un holds 108 bytes with the closing zero.
    if text.len() > 107 {
        return Err(format!("is {} bytes long, a socket's path has at most 107", text.len()));
    }
    if text.is_empty() || text.starts_with('/') { Ok(()) } else { Err("is not an absolute path".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_looked_at_closely() {
        assert!(endpoint("wss://example.org").is_ok());
        assert!(endpoint("ws://127.0.0.1:9000").is_ok());
        assert!(endpoint("ws://example.org").is_err_and(|e| e.contains("unencrypted")));
        assert!(token_url("https://example.org/token").is_ok() && token_url("").is_ok());
        assert!(token_url("http://example.org/token").is_err_and(|e| e.contains("unencrypted")));
        assert!(
            project("my-device-7").is_ok() && project("example.com:old").is_ok() && project("123456").is_ok()
        );
        assert!(project("My Device").is_err_and(|e| e.contains("display name")));
        assert!(location("us-central1").is_ok() && location("global").is_ok() && location("eu").is_ok());
        assert!(location("US Central").is_err() && location("eu.rep").is_err() && location("-").is_err());
        assert!(model("gemini-3.8-live").is_ok());
        assert!(model("models/gemini-3.8-live").is_err());
        assert!(model("gemini 3").is_err());
        assert!(language("de").is_ok() && language("pt-BR").is_ok());
        assert!(language("../etc").is_err_and(|e| e.contains("name of a language")));
        assert!(key_name("KEY_B").is_ok());
        assert!(key_name("KEY_SPCE").is_err_and(|e| e.contains("KEY_SPCE")));
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap();
        assert!(ca_file("").is_ok());
        assert!(ca_file("/nowhere/ca.pem").is_err_and(|e| e.contains("cannot be read")));
        assert!(ca_file(path).is_err_and(|e| e.contains("no certificate")));
        std::fs::write(path, "text\n-----BEGIN CERTIFICATE-----\n").unwrap();
        assert!(ca_file(path).is_ok());
        assert!(socket_path("").is_ok() && socket_path("/run/x").is_ok());
        assert!(socket_path("run/x").is_err());
        assert!(socket_path(&format!("/{}", "x".repeat(107))).is_err());
    }
}
