//! The upgrade: reading the request, judging it, and writing the answer.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::door::{Door, Passes};
use crate::events::{KeyFrom, Request};

const HEAD_MAX: usize = 16 * 1024;

/// An upgrade request as it stands, with the key that the record must not hold.
#[derive(Debug)]
pub(crate) struct Upgrade {
    /// For the record.
    pub request: Request,
    /// What the key was, if one came.
    pub key: Option<String>,
    authorization: Option<String>,
    method: String,
}

/// What the upgrade earns.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// 101 with this head.
    Switch(Door, String),
    /// This status with this text.
    Refuse(u16, String),
}

/// Reads the head of a request; gives it and what was read beyond it.
pub(crate) async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            let head = String::from_utf8(bytes).map_err(|_| invalid("the request is not UTF-8"))?;
            return Ok((head, rest));
        }
        if bytes.len() > HEAD_MAX {
            return Err(invalid("the request is too long"));
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

fn invalid(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

/// Takes the head apart.
pub(crate) fn parse(head: &str) -> Upgrade {
    let mut lines = head.split("\r\n");
    let mut words = lines.next().unwrap_or("").split(' ');
    let method = words.next().unwrap_or("").to_owned();
    let target = words.next().unwrap_or("");
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut key = None;
    let mut from = KeyFrom::Nowhere;
    if let Some(value) = query.split('&').find_map(|pair| pair.strip_prefix("key=")) {
        (key, from) = (Some(value.to_owned()), KeyFrom::Url);
    }
    let mut headers = Vec::new();
    let mut authorization = None;
    for line in lines {
        let Some((name, value)) = line.split_once(':') else { continue };
        let (name, value) = (name.trim().to_lowercase(), value.trim());
        if name == "x-goog-api-key" {
            // the header wins, so that a URL with a key beside it is still seen as one
            if from != KeyFrom::Url {
                from = KeyFrom::Header;
            }
            key = Some(value.to_owned());
            headers.push((name, "…".to_owned()));
        } else if name == "authorization" {
            // which kind it is may be told
            let scheme = value.split(' ').next().unwrap_or("");
            headers.push((name, format!("{scheme} …")));
            authorization = Some(value.to_owned());
        } else {
            headers.push((name, value.to_owned()));
        }
    }
    Upgrade { request: Request { path: path.to_owned(), headers, key: from }, key, authorization, method }
}

impl Upgrade {
    fn header(&self, name: &str) -> &str {
        let found = self.request.headers.iter().find(|(n, _)| n == name);
        found.map_or("", |(_, value)| value.as_str())
    }

    /// Judges the request as the service's front end does.
    pub(crate) fn verdict(&self, passes: &Passes) -> Verdict {
        let Some(door) = Door::at(&self.request.path) else {
            return Verdict::Refuse(404, format!("no method at {}", self.request.path));
        };
        let has = |name: &str, word: &str| {
            self.header(name).split(',').any(|part| part.trim().eq_ignore_ascii_case(word))
        };
        let client_key = self.header("sec-websocket-key");
        let right = self.method == "GET"
            && has("upgrade", "websocket")
            && has("connection", "upgrade")
            && self.header("sec-websocket-version") == "13"
            && !self.header("host").is_empty()
            && client_key.len() == 24;
        if !right {
            return Verdict::Refuse(400, "not a WebSocket upgrade".to_owned());
        }
        if let Err((status, text)) = door.judge(passes, self.key.is_some(), self.authorization.as_deref()) {
            return Verdict::Refuse(status, text);
        }
        let accept = derive_accept_key(client_key.as_bytes());
        let head = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        Verdict::Switch(door, head)
    }
}

/// An answer that refuses the upgrade, in the shape of the service's error bodies.
pub(crate) fn refusal(status: u16, text: &str) -> String {
    let (phrase, name) = match status {
        400 => ("Bad Request", "INVALID_ARGUMENT"),
        401 => ("Unauthorized", "UNAUTHENTICATED"),
        403 => ("Forbidden", "PERMISSION_DENIED"),
        404 => ("Not Found", "NOT_FOUND"),
        429 => ("Too Many Requests", "RESOURCE_EXHAUSTED"),
        503 => ("Service Unavailable", "UNAVAILABLE"),
        _ => ("Error", "INTERNAL"),
    };
    let error = serde_json::json!({"error": {"code": status, "message": text, "status": name}});
    let body = format!("{error:#}\n");
    format!(
        "HTTP/1.1 {status} {phrase}\r\nContent-Type: application/json; charset=UTF-8\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::schema::Version;

    const GOOD: &str = "GET /ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent HTTP/1.1\r\n\
        Host: localhost\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nx-goog-api-key: secret\r\n\r\n";

    #[test]
    fn a_right_request_switches_with_the_accept_key_of_the_rfc() {
        match parse(GOOD).verdict(&Passes::default()) {
            Verdict::Switch(Door::Key(Version::Beta), head) => {
                assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="))
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn other_paths_and_half_upgrades_are_refused() {
        let check =
            |from: &str, to: &str, status| match parse(&GOOD.replace(from, to)).verdict(&Passes::default()) {
                Verdict::Refuse(got, _) => assert_eq!(got, status, "{to}"),
                other => panic!("{to}: {other:?}"),
            };
        check("v1beta.", "v2.", 404);
        check("BidiGenerateContent", "BidiGenerateContentConstrained", 401);
        check("/ws/google.ai.", "/ws/google.cloud.", 404);
        check("Upgrade: websocket", "Upgrade: h2c", 400);
        check("Version: 13", "Version: 8", 400);
        check("GET", "POST", 400);
    }

    #[test]
    fn the_record_says_how_the_key_came_and_never_what_it_was() {
        let header = parse(GOOD);
        assert_eq!(header.request.key, KeyFrom::Header);
        let url =
            parse(&GOOD.replace("x-goog-api-key: secret\r\n", "").replace("Content ", "Content?key=secret "));
        assert_eq!((url.request.key, url.key.as_deref()), (KeyFrom::Url, Some("secret")));
        let both = parse(&GOOD.replace("Content ", "Content?alt=1&key=secret "));
        assert_eq!(both.request.key, KeyFrom::Url);
        let bearer = parse(&GOOD.replace("x-goog-api-key:", "Authorization: Bearer"));
        assert!(bearer.request.headers.contains(&("authorization".to_owned(), "Bearer …".to_owned())));
        for upgrade in [header, url, both, bearer] {
            assert!(!format!("{:?}", upgrade.request).contains("secret"));
        }
    }
}
