//! WebSocket frames (RFC 6455) by hand: a library would answer closes by itself, a puppet answers when it is told to.

/// A text message.
pub(super) const TEXT: u8 = 1;
/// A binary message, which is how the service sends its JSON.
pub(super) const BINARY: u8 = 2;
/// The end, with code and reason.
pub(super) const CLOSE: u8 = 8;
/// Asks for a [`PONG`].
pub(super) const PING: u8 = 9;
/// Answers a [`PING`].
pub(super) const PONG: u8 = 10;

const CONTINUED: u8 = 0;
const FIN: u8 = 0x80;

/// A frame as a server sends it: whole and without a mask.
pub(super) fn encode(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![FIN | opcode];
    match payload.len() {
        len @ 0..=125 => frame.push(len as u8),
        len @ 126..=0xffff => {
            frame.push(126);
            frame.extend((len as u16).to_be_bytes());
        }
        len => {
            frame.push(127);
            frame.extend((len as u64).to_be_bytes());
        }
    }
    frame.extend(payload);
    frame
}

/// The payload of a close frame.
pub(super) fn close(code: u16, reason: &str) -> Vec<u8> {
    [&code.to_be_bytes(), reason.as_bytes()].concat()
}

/// Bytes to messages.
#[derive(Default)]
pub(super) struct Decoder {
    buffer: Vec<u8>,
    /// Opcode and beginning of a message in several frames.
    begun: Option<(u8, Vec<u8>)>,
}

impl Decoder {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend(bytes);
    }

    /// The next message or control frame.
    pub(super) fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            let (first, payload) = self.frame()?;
            match first & 0x0f {
                opcode @ 8.. => return Some((opcode, payload)),
                opcode => {
                    let (begun, mut message) = self.begun.take().unwrap_or((opcode, Vec::new()));
                    debug_assert!(opcode == CONTINUED || message.is_empty());
                    message.extend(payload);
                    if first & FIN != 0 {
                        return Some((begun, message));
                    }
                    self.begun = Some((begun, message));
                }
            }
        }
    }

    /// First byte and payload of the next frame, once all of it is there.
    fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let (&first, &second) = (self.buffer.first()?, self.buffer.get(1)?);
        let extended = match second & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let number = |bytes: &[u8]| bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        let length = match extended {
            0 => usize::from(second & 0x7f),
            bytes => number(self.buffer.get(2..2 + bytes)?),
        };
        let mask_at = 2 + extended;
        let mask: Vec<u8> =
            if second & 0x80 == 0 { vec![0; 4] } else { self.buffer.get(mask_at..mask_at + 4)?.to_vec() };
        let from = if second & 0x80 == 0 { mask_at } else { mask_at + 4 };
        let masked = self.buffer.get(from..from + length)?;
        let payload = masked.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
        self.buffer.drain(..from + length);
        Some((first, payload))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = encode(0, payload);
        frame[0] = first;
        frame[1] |= 0x80;
        let header = frame.len() - payload.len();
        let mask = [1, 2, 3, 4];
        for (n, byte) in frame[header..].iter_mut().enumerate() {
            *byte ^= mask[n % 4];
        }
        [&frame[..header], &mask, &frame[header..]].concat()
    }

    #[test]
    fn what_a_client_sends_is_read_whatever_its_length_and_however_it_is_cut() {
        let long: Vec<u8> = (0..70_000_u32).map(|n| n as u8).collect();
        let mut bytes = Vec::new();
        for payload in [&b""[..], b"a", &long[..126], &long[..65_535], &long] {
            bytes.extend(masked(FIN | TEXT, payload));
        }
        bytes.extend([masked(TEXT, b"in "), masked(FIN | PING, b"p"), masked(FIN, b"two")].concat());
        let mut decoder = Decoder::default();
        let mut found = Vec::new();
        for piece in bytes.chunks(1000) {
            decoder.push(piece);
            found.extend(std::iter::from_fn(|| decoder.next()));
        }
        let lengths: Vec<_> = found.iter().map(|(opcode, payload)| (*opcode, payload.len())).collect();
        assert_eq!(lengths[..5], [(1, 0), (1, 1), (1, 126), (1, 65_535), (1, 70_000)]);
        assert_eq!(found[4].1, long);
        assert_eq!(found[5..], [(PING, b"p".to_vec()), (TEXT, b"in two".to_vec())]);
    }

    #[test]
    fn a_close_frame_has_code_and_reason() {
        assert_eq!(encode(CLOSE, &close(1008, "no")), [0x88, 4, 0x03, 0xf0, b'n', b'o']);
    }
}
