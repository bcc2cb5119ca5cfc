//! What happened, and exactly when.
//!
//! Times are CLOCK_MONOTONIC nanoseconds, the clock of a virtual sound card too, so that both can be compared.
//! What arrives carries the time at which its bytes were read, before anything is parsed; what is sent carries
//! the time just before its first byte was handed to the kernel, and the time after its last.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::rule::Fault;

/// Reads CLOCK_MONOTONIC, in nanoseconds.
pub fn now_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid timespec to write to, and CLOCK_MONOTONIC exists on every Linux.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// CLOCK_MONOTONIC nanoseconds.
    pub at_ns: u64,
    /// Number of the TCP connection, from 1 in order of arrival.
    pub link: u32,
    /// What it was.
    pub what: What,
}

/// How the key came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFrom {
    /// In the `x-goog-api-key` header, as it should.
    Header,
    /// In the URL, where it leaks into logs.
    Url,
    /// Not at all.
    Nowhere,
}

/// The upgrade request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Path without the query.
    pub path: String,
    /// Names in lower case, in order; a key's value is replaced by `…`.
    pub headers: Vec<(String, String)>,
    /// How the key came.
    pub key: KeyFrom,
}

/// Who ended a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// This server sent the first close frame.
    Server,
    /// The client sent the first close frame.
    Client,
    /// Nobody: the connection was cut. The code is 1006.
    Cut,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// A TCP connection was accepted.
    Accepted,
    /// The TLS handshake is done.
    Secured,
    /// The upgrade request was read.
    Requested(Request),
    /// The upgrade was answered with this HTTP status instead of 101.
    Refused(u16),
    /// 101 was sent: the WebSocket is open.
    Opened,
    /// `setupComplete` is on its way.
    Ready {
        /// Number of the session: the same after a resumption.
        session: u32,
        /// Whether a handle was accepted.
        resumed: bool,
    },
    /// A message came, other than audio.
    Received {
        /// `setup`, `activityStart`, … : the member that says what it is; empty when it could not be read.
        name: String,
        /// The message, names as the client spelt them; a string where it was not JSON.
        message: Value,
        /// Bytes of payload.
        bytes: usize,
    },
    /// A chunk of audio came.
    Audio {
        /// Mono samples.
        samples: Arc<[i16]>,
        /// The rate it declared.
        rate_hz: u32,
        /// Whether the model hears it: always with automatic activity detection, within an activity otherwise.
        heard: bool,
        /// Bytes of payload.
        bytes: usize,
    },
    /// The person began to speak (activityStart, or detected).
    UtteranceStarted {
        /// Number of the turn it will become.
        turn: u32,
    },
    /// The person has spoken.
    UtteranceEnded {
        /// Number of the turn that answers it.
        turn: u32,
    },
    /// A message was sent, other than audio.
    Sent {
        /// `setupComplete`, `turnComplete`, … : the first member that says what it is; empty for `{}`.
        name: String,
        /// The message.
        message: Value,
        /// When its last byte was with the kernel.
        done_ns: u64,
        /// Bytes of payload.
        bytes: usize,
    },
    /// A message with audio was sent.
    SentAudio {
        /// Number of the turn.
        turn: u32,
        /// 24 kHz mono.
        samples: Arc<[i16]>,
        /// The message, its audio left out.
        message: Value,
        /// When its last byte was with the kernel.
        done_ns: u64,
        /// Bytes of payload.
        bytes: usize,
    },
    /// A ping came.
    Pinged,
    /// A pong came.
    Ponged,
    /// Something the service lets pass and a good client does not do.
    Complaint(String),
    /// A scripted fault struck.
    Fault(Fault),
    /// The link is closing.
    Closed {
        /// Who began.
        by: Side,
        /// Close code; 1005 for none given, 1006 for no close frame.
        code: u16,
        /// Reason, may be empty.
        reason: String,
    },
    /// The TCP connection is over.
    Gone,
}

impl Event {
    /// As one JSON line of a log file; audio is told by its length only.
    pub fn to_json(&self) -> Value {
        let (name, more) = match &self.what {
            What::Accepted => ("accepted", json!({})),
            What::Secured => ("secured", json!({})),
            What::Requested(r) => (
                "requested",
                json!({"path": r.path, "headers": r.headers, "key": format!("{:?}", r.key).to_lowercase()}),
            ),
            What::Refused(status) => ("refused", json!({"status": status})),
            What::Opened => ("opened", json!({})),
            What::Ready { session, resumed } => ("ready", json!({"session": session, "resumed": resumed})),
            What::Received { name, message, bytes } => {
                ("received", json!({"name": name, "message": message, "bytes": bytes}))
            }
            What::Audio { samples, rate_hz, heard, bytes } => (
                "audio",
                json!({"samples": samples.len(), "rate_hz": rate_hz, "heard": heard, "bytes": bytes}),
            ),
            What::UtteranceStarted { turn } => ("utterance_started", json!({"turn": turn})),
            What::UtteranceEnded { turn } => ("utterance_ended", json!({"turn": turn})),
            What::Sent { name, message, done_ns, bytes } => {
                ("sent", json!({"name": name, "message": message, "done_ns": done_ns, "bytes": bytes}))
            }
            What::SentAudio { turn, samples, message, done_ns, bytes } => (
                "sent_audio",
                json!({"turn": turn, "samples": samples.len(), "message": message, "done_ns": done_ns, "bytes": bytes}),
            ),
            What::Pinged => ("pinged", json!({})),
            What::Ponged => ("ponged", json!({})),
            What::Complaint(text) => ("complaint", json!({"text": text})),
            What::Fault(fault) => ("fault", json!({"fault": format!("{fault:?}")})),
            What::Closed { by, code, reason } => {
                ("closed", json!({"by": format!("{by:?}").to_lowercase(), "code": code, "reason": reason}))
            }
            What::Gone => ("gone", json!({})),
        };
        let mut line = json!({"at_ns": self.at_ns, "link": self.link, "event": name});
        if let (Value::Object(line), Value::Object(more)) = (&mut line, more) {
            line.extend(more);
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_is_the_one_instants_use() {
        let before = now_ns();
        let instant = std::time::Instant::now();
        std::thread::yield_now();
        let passed = now_ns() - before;
        assert!(u128::from(passed) >= instant.elapsed().as_nanos() / 2, "{passed}");
    }

    #[test]
    fn a_line_of_the_log_names_the_event_and_leaves_the_audio_out() {
        let what = What::Audio { samples: [7; 320].into(), rate_hz: 16_000, heard: true, bytes: 900 };
        let line = Event { at_ns: 5, link: 2, what }.to_json();
        let expected = json!({"at_ns": 5, "link": 2, "event": "audio", "samples": 320, "rate_hz": 16_000,
            "heard": true, "bytes": 900});
        assert_eq!(line, expected);
    }
}
