//! Frames no good server sends.

use serde_json::{Value, json};

use crate::frame::{BINARY, PING, TEXT, encode};
use crate::outbox::pretty;
use crate::rule::Fault;

/// The frame a fault consists of, if it is one.
pub(crate) fn frame_of(fault: &Fault) -> Option<Vec<u8>> {
    Some(match fault {
        Fault::Text(text) => encode(TEXT, true, text.as_bytes()),
        Fault::Garbage { bytes } => encode(BINARY, true, &random(*bytes)),
        Fault::InvalidUtf8 => encode(TEXT, true, b"{\"serverContent\": {\"a\": \"\xc3\x28\"}}"),
        Fault::Truncated => {
            let whole = pretty(&json!({"serverContent": {"modelTurn": {"parts": [{"text": "half of it"}]}}}));
            encode(BINARY, true, &whole[..whole.len() / 2])
        }
        Fault::Huge { bytes } => encode(BINARY, true, &pretty(&huge(*bytes))),
        // opcode 11 is reserved: a client that follows the RFC must fail the link
        Fault::BadFrame => encode(11, true, b"?"),
        Fault::Ping => encode(PING, true, b"are you there"),
        _ => return None,
    })
}

fn huge(bytes: usize) -> Value {
    json!({"serverContent": {}, "ballast": "x".repeat(bytes)})
}

/// Random bytes, the same each time; never valid JSON.
pub(crate) fn random(count: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut bytes = vec![0xff];
    while bytes.len() < count {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(count);
    bytes
}
