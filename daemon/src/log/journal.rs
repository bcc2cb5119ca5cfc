//! The journal's own protocol: one datagram per event, the message with its fields for people and the same fields
//! by name for queries (`journalctl -u pressel PRESSEL_CODE=1008`).
//!
//! Never waits: a journal that does not read loses lines, not the device its voice.

use std::fmt::{self, Write};
use std::io;
use std::os::unix::net::UnixDatagram;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

/// Where systemd-journald listens.
const SOCKET: &str = "/run/systemd/journal/socket";

/// Hands events to the journal.
pub struct Journal {
    socket: UnixDatagram,
}

impl Journal {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens there.
    pub fn connect() -> io::Result<Self> {
        Journal::connect_to(SOCKET)
    }

    fn connect_to(path: impl AsRef<std::path::Path>) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.connect(path)?;
        socket.set_nonblocking(true)?;
        Ok(Journal { socket })
    }
}

impl<S: Subscriber> Layer<S> for Journal {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut entry = Entry::default();
        event.record(&mut entry);
        let facts = event.metadata();
        // A full or dead journal: there is nowhere left to complain.
        let _ = self.socket.send(&entry.datagram(*facts.level(), facts.target()));
    }
}

/// What one event says.
#[derive(Default)]
struct Entry {
    message: String,
    fields: Vec<(&'static str, String)>,
}

impl Visit for Entry {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field.name(), format!("{value:?}"));
    }

    // Without the quotes and escapes of Debug.
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field.name(), value.to_owned());
    }
}

impl Entry {
    fn put(&mut self, name: &'static str, text: String) {
        if name == "message" { self.message = text } else { self.fields.push((name, text)) }
    }

    fn datagram(&self, level: Level, target: &str) -> Vec<u8> {
        let priority = match level {
            Level::ERROR => "3",
            Level::WARN => "4",
            Level::INFO => "6",
            _ => "7",
        };
        let mut message = self.message.clone();
        for (index, (name, text)) in self.fields.iter().enumerate() {
            let start = if index == 0 { " (" } else { ", " };
            let _ = write!(message, "{start}{name}: {text}"); // to a String: cannot fail
        }
        if !self.fields.is_empty() {
            message.push(')');
        }
        let mut out = Vec::with_capacity(256);
        add(&mut out, "PRIORITY", priority);
        add(&mut out, "SYSLOG_IDENTIFIER", env!("CARGO_PKG_NAME"));
        add(&mut out, "TARGET", target);
        add(&mut out, "MESSAGE", &message);
        for (name, text) in &self.fields {
            add(&mut out, &format!("PRESSEL_{}", name.to_uppercase()), text);
        }
        out
    }
}

/// `NAME=text`, or the form with a length for texts of several lines.
fn add(out: &mut Vec<u8>, name: &str, text: &str) {
    // The journal takes A to Z, 0 to 9 and _ in names.
    out.extend(name.bytes().map(|b| if b.is_ascii_alphanumeric() { b } else { b'_' }));
    if text.contains('\n') {
        out.push(b'\n');
        out.extend_from_slice(&(text.len() as u64).to_le_bytes());
    } else {
        out.push(b'=');
    }
    out.extend_from_slice(text.as_bytes());
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_subscriber::layer::SubscriberExt;

    /// What the journal is sent for the events of `act`.
    fn sent(act: impl FnOnce()) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let journal = UnixDatagram::bind(&path).unwrap();
        let subscriber = tracing_subscriber::registry().with(Journal::connect_to(&path).unwrap());
        tracing::subscriber::with_default(subscriber, act);
        let mut buffer = [0; 1024];
        let length = journal.recv(&mut buffer).unwrap();
        buffer[..length].to_vec()
    }

    #[test]
    fn people_read_the_fields_in_the_message_and_queries_find_them_by_name() {
        let entry = sent(|| {
            let error = io::Error::other("busy");
            tracing::warn!(target: "pressel::test", code = 1008, reason = "say \"hi\"", %error, "link down");
        });
        let expected = "PRIORITY=4\nSYSLOG_IDENTIFIER=pressel\nTARGET=pressel::test\nMESSAGE=link down (code: 1008, \
                        reason: say \"hi\", error: busy)\nPRESSEL_CODE=1008\nPRESSEL_REASON=say \
                        \"hi\"\nPRESSEL_ERROR=busy\n";
        assert_eq!(String::from_utf8(entry).unwrap(), expected);
    }

    #[test]
    fn texts_of_several_lines_carry_their_length() {
        let mut out = Vec::new();
        add(&mut out, "PRESSEL_a.b", "x\ny");
        assert_eq!(out, b"PRESSEL_a_b\n\x03\0\0\0\0\0\0\0x\ny\n");
    }

    #[test]
    fn levels_are_those_of_syslog() {
        let priority = |act: fn()| String::from_utf8(sent(act)).unwrap().lines().next().unwrap().to_owned();
        assert_eq!(priority(|| tracing::error!("e")), "PRIORITY=3");
        assert_eq!(priority(|| tracing::info!("i")), "PRIORITY=6");
        assert_eq!(priority(|| tracing::trace!("t")), "PRIORITY=7");
    }

    #[test]
    fn a_journal_that_does_not_read_holds_nobody_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let _journal = UnixDatagram::bind(&path).unwrap();
        let subscriber = tracing_subscriber::registry().with(Journal::connect_to(&path).unwrap());
        tracing::subscriber::with_default(subscriber, || {
            for line in 0..10_000 {
                tracing::info!(line, "nobody reads this");
            }
        });
    }
}
