//! WebSocket framing (RFC 6455), the server's side of it.
//!
//! Written here instead of taken from a library because a fault needs what a correct library refuses to do:
//! late pongs, broken frames, text that is not UTF-8, half a message.

/// Opcodes.
pub(crate) const CONTINUATION: u8 = 0;
pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

/// The largest message taken; the service closes with 1009 somewhere above its documented sizes.
const MESSAGE_MAX: usize = 16 << 20;

/// What came in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Incoming {
    /// A whole message.
    Message(Vec<u8>),
    Ping(Vec<u8>),
    Pong,
    /// Code 1005 when there was none.
    Close(u16, String),
}

/// What the client did wrong: the close code and reason it earns.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Violation(pub u16, pub &'static str);

/// Collects bytes and cuts frames and messages out of them.
#[derive(Default)]
pub(crate) struct Frames {
    bytes: Vec<u8>,
    message: Option<(u8, Vec<u8>)>,
}

impl Frames {
    /// Takes what was read.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Gives the next message or control frame, if it is whole.
    pub(crate) fn next(&mut self) -> Result<Option<Incoming>, Violation> {
        loop {
            let Some((first, payload)) = self.cut()? else { return Ok(None) };
            let (last, opcode) = (first & 0x80 != 0, first & 0x0f);
            match opcode {
                PING => return Ok(Some(Incoming::Ping(payload))),
                PONG => return Ok(Some(Incoming::Pong)),
                CLOSE => return close_of(&payload).map(Some),
                CONTINUATION => match &mut self.message {
                    Some((_, message)) => message.extend_from_slice(&payload),
                    None => return Err(Violation(1002, "continuation of nothing")),
                },
                TEXT | BINARY if self.message.is_some() => {
                    return Err(Violation(1002, "message within a message"));
                }
                TEXT | BINARY => self.message = Some((opcode, payload)),
                _ => return Err(Violation(1002, "reserved opcode")),
            }
            if self.message.as_ref().is_some_and(|(_, m)| m.len() > MESSAGE_MAX) {
                return Err(Violation(1009, "message too big"));
            }
            if last {
                if let Some((kind, message)) = self.message.take() {
                    if kind == TEXT && std::str::from_utf8(&message).is_err() {
                        return Err(Violation(1007, "text is not UTF-8"));
                    }
                    return Ok(Some(Incoming::Message(message)));
                }
            }
        }
    }

    /// Cuts one frame off, unmasked: its first byte and its payload.
    fn cut(&mut self) -> Result<Option<(u8, Vec<u8>)>, Violation> {
        let bytes = &self.bytes;
        if bytes.len() < 2 {
            return Ok(None);
        }
        let (first, second) = (bytes[0], bytes[1]);
        if first & 0x70 != 0 {
            return Err(Violation(1002, "reserved bits are set"));
        }
        if second & 0x80 == 0 {
            return Err(Violation(1002, "client frames must be masked"));
        }
        let short = usize::from(second & 0x7f);
        if first & 0x08 != 0 && (short > 125 || first & 0x80 == 0) {
            return Err(Violation(1002, "long or fragmented control frame"));
        }
        let (length, at) = match short {
            126 if bytes.len() < 4 => return Ok(None),
            126 => (usize::from(u16::from_be_bytes([bytes[2], bytes[3]])), 4),
            127 if bytes.len() < 10 => return Ok(None),
            127 => {
                let mut eight = [0; 8];
                eight.copy_from_slice(&bytes[2..10]);
                (usize::try_from(u64::from_be_bytes(eight)).unwrap_or(usize::MAX), 10)
            }
            _ => (short, 2),
        };
        if length > MESSAGE_MAX {
            return Err(Violation(1009, "message too big"));
        }
        let end = at + 4 + length;
        if bytes.len() < end {
            return Ok(None);
        }
        let mask = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        let payload = bytes[at + 4..end].iter().zip(mask.iter().cycle()).map(|(b, m)| b ^ m).collect();
        self.bytes.drain(..end);
        Ok(Some((first, payload)))
    }
}

fn close_of(payload: &[u8]) -> Result<Incoming, Violation> {
    match payload {
        [] => Ok(Incoming::Close(1005, String::new())),
        [_] => Err(Violation(1002, "half a close code")),
        [high, low, reason @ ..] => match std::str::from_utf8(reason) {
            Ok(reason) => Ok(Incoming::Close(u16::from_be_bytes([*high, *low]), reason.to_owned())),
            Err(_) => Err(Violation(1007, "close reason is not UTF-8")),
        },
    }
}

/// One unmasked frame; `last` is false for all but the last fragment of a message.
pub(crate) fn encode(opcode: u8, last: bool, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(payload.len() + 10);
    frame.push(opcode | if last { 0x80 } else { 0 });
    match payload.len() {
        short @ 0..=125 => frame.push(short as u8),
        medium @ 126..=0xffff => {
            frame.push(126);
            frame.extend_from_slice(&(medium as u16).to_be_bytes());
        }
        long => {
            frame.push(127);
            frame.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(payload);
    frame
}

/// A close frame; the reason is cut to the 123 bytes that fit, between two characters.
pub(crate) fn encode_close(code: u16, reason: &str) -> Vec<u8> {
    let mut payload = code.to_be_bytes().to_vec();
    payload.extend_from_slice(cut_reason(reason).as_bytes());
    encode(CLOSE, true, &payload)
}

/// What of a reason fits into a close frame.
pub(crate) fn cut_reason(reason: &str) -> &str {
    let mut end = reason.len().min(123);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    &reason[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = encode(first & 0x0f, first & 0x80 != 0, payload);
        let head = frame.len() - payload.len();
        frame[1] |= 0x80;
        let mask = [1, 2, 3, 4];
        for (byte, m) in frame[head..].iter_mut().zip(mask.iter().cycle()) {
            *byte ^= m;
        }
        frame.splice(head..head, mask);
        frame
    }

    fn all(bytes: &[u8]) -> Result<Vec<Incoming>, Violation> {
        let mut frames = Frames::default();
        let mut found = Vec::new();
        // one byte at a time: a frame may be cut anywhere
        for byte in bytes {
            frames.feed(&[*byte]);
            while let Some(incoming) = frames.next()? {
                found.push(incoming);
            }
        }
        Ok(found)
    }

    #[test]
    fn a_message_in_fragments_with_a_ping_between() {
        let bytes = [masked(TEXT, b"ab"), masked(0x80 | PING, b"p"), masked(0x80, b"cd")].concat();
        let expected = vec![Incoming::Ping(b"p".to_vec()), Incoming::Message(b"abcd".to_vec())];
        assert_eq!(all(&bytes), Ok(expected));
    }

    #[test]
    fn lengths_of_one_two_and_eight_bytes() {
        for length in [0, 125, 126, 65_535, 65_536] {
            let payload = vec![7; length];
            assert_eq!(all(&masked(0x80 | BINARY, &payload)), Ok(vec![Incoming::Message(payload)]));
        }
    }

    #[test]
    fn a_client_that_breaks_the_framing_is_told_how() {
        let check = |bytes: &[u8], code| assert_eq!(all(bytes).map_err(|v| v.0), Err(code), "{bytes:?}");
        check(&encode(TEXT, true, b"unmasked"), 1002);
        check(&[0xc1, 0x80, 0, 0, 0, 0], 1002);
        check(&masked(0x80 | TEXT, b"\xff\xfe"), 1007);
        check(&masked(0x80, b"nothing before"), 1002);
        check(&masked(0x83, b""), 1002);
        check(&masked(PING, b""), 1002);
        check(&[0x82, 0xff, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff], 1009);
    }

    #[test]
    fn a_reason_is_cut_between_characters() {
        let reason = "x".repeat(122) + "é and more";
        assert_eq!(encode_close(1007, &reason)[4..], *"x".repeat(122).as_bytes());
        let close = masked(0x80 | CLOSE, &[0x03, 0xe8, b'o', b'k']);
        assert_eq!(all(&close), Ok(vec![Incoming::Close(1000, "ok".into())]));
    }
}
