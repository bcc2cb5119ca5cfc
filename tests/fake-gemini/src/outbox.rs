//! What is on its way to the client: messages made into frames, with bad manners where the script wants them.

use std::collections::VecDeque;
use std::io;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::io::{AsyncWrite, AsyncWriteExt};

use crate::effects::name_of;
use crate::events::{What, now_ns};
use crate::frame::{BINARY, CONTINUATION, TEXT, encode};
use crate::rule::Fault;
use crate::world::World;

/// How messages are sent.
#[derive(Debug, Default)]
struct Manners {
    duplicates: u32,
    unknown_fields: bool,
    pieces: usize,
    text: bool,
}

/// Bytes for one write, and what to put on record when they are gone.
struct Parcel {
    bytes: Vec<u8>,
    written: usize,
    began_ns: Option<u64>,
    note: Option<What>,
}

/// What is on its way to the client.
#[derive(Default)]
pub(crate) struct Outbox {
    parcels: VecDeque<Parcel>,
    manners: Manners,
}

impl Outbox {
    /// Whether nothing is left to write.
    pub(crate) fn is_empty(&self) -> bool {
        self.parcels.is_empty()
    }

    /// Changes how messages are sent; `false` where the fault is about something else.
    pub(crate) fn change(&mut self, fault: &Fault) -> bool {
        match fault {
            Fault::Duplicate { messages } => self.manners.duplicates = *messages,
            Fault::UnknownFields => self.manners.unknown_fields = true,
            Fault::Fragment { pieces } => self.manners.pieces = *pieces,
            Fault::TextFrames => self.manners.text = true,
            _ => return false,
        }
        true
    }

    /// Queues bytes that are frames already.
    pub(crate) fn raw(&mut self, bytes: Vec<u8>) {
        self.parcels.push_back(Parcel { bytes, written: 0, began_ns: None, note: None });
    }

    /// Queues a message.
    pub(crate) fn message(&mut self, mut message: Value) {
        self.decorate(&mut message);
        let name = name_of(&message).to_owned();
        let payload = pretty(&message);
        let note = What::Sent { name, message, done_ns: 0, bytes: payload.len() };
        self.queue(&payload, note);
    }

    /// Queues a message with audio, which goes into its empty `data`.
    pub(crate) fn audio(&mut self, mut message: Value, samples: std::sync::Arc<[i16]>, turn: u32) {
        self.decorate(&mut message);
        let payload = with_audio(&message, &samples);
        let note = What::SentAudio { turn, samples, message, done_ns: 0, bytes: payload.len() };
        self.queue(payload.as_bytes(), note);
    }

    fn decorate(&self, message: &mut Value) {
        if !self.manners.unknown_fields {
            return;
        }
        if let Some(members) = message.as_object_mut() {
            if let Some(content) = members.get_mut("serverContent").and_then(Value::as_object_mut) {
                content.insert("mood".to_owned(), json!({"shade": 7, "names": ["new"]}));
                content.insert("turnCompleteReason".to_owned(), json!("REASON_OF_NEXT_YEAR"));
            }
            members.insert("weatherReport".to_owned(), json!([null, 1.5, {"rain": true}]));
        }
    }

    fn queue(&mut self, payload: &[u8], note: What) {
        let opcode = if self.manners.text { TEXT } else { BINARY };
        let pieces = self.manners.pieces.max(1);
        let size = payload.len().div_ceil(pieces).max(1);
        let count = payload.len().div_ceil(size).max(1);
        let mut bytes = Vec::with_capacity(payload.len() + 10 * count);
        for (index, piece) in payload.chunks(size).enumerate() {
            let opcode = if index == 0 { opcode } else { CONTINUATION };
            bytes.extend(encode(opcode, index + 1 == count, piece));
        }
        if self.manners.duplicates > 0 {
            self.manners.duplicates -= 1;
            let twin = Parcel { bytes: bytes.clone(), written: 0, began_ns: None, note: Some(note.clone()) };
            self.parcels.push_back(twin);
        }
        self.parcels.push_back(Parcel { bytes, written: 0, began_ns: None, note: Some(note) });
    }

    /// Writes what is queued and puts it on record. May be dropped at any point and called again.
    pub(crate) async fn write(
        &mut self,
        writer: &mut (impl AsyncWrite + Unpin),
        world: &World,
        link: u32,
    ) -> io::Result<()> {
        while let Some(parcel) = self.parcels.front_mut() {
            while parcel.written < parcel.bytes.len() {
                let began_ns = now_ns();
                let count = writer.write(&parcel.bytes[parcel.written..]).await?;
                if count == 0 {
                    return Err(io::ErrorKind::WriteZero.into());
                }
                parcel.began_ns.get_or_insert(began_ns);
                parcel.written += count;
            }
            writer.flush().await?;
            if let Some(Parcel { note: Some(mut what), began_ns, .. }) = self.parcels.pop_front() {
                let now = now_ns();
                if let What::Sent { done_ns, .. } | What::SentAudio { done_ns, .. } = &mut what {
                    *done_ns = now;
                }
                world.note_at(began_ns.unwrap_or(now), link, what);
            }
        }
        Ok(())
    }
}

/// A message with these samples in its empty `data`: filled in as text, the record keeps the message without it.
pub(crate) fn with_audio(message: &Value, samples: &[i16]) -> String {
    let raw: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
    let data = format!("\"data\": \"{}\"", STANDARD.encode(raw));
    String::from_utf8_lossy(&pretty(message)).replacen("\"data\": \"\"", &data, 1)
}

/// The service's way to write JSON: two spaces, and a line feed at the end.
pub(crate) fn pretty(message: &Value) -> Vec<u8> {
    format!("{message:#}\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_pretty_printed_as_the_service_does() {
        assert_eq!(pretty(&json!({"setupComplete": {}})), b"{\n  \"setupComplete\": {}\n}\n");
        assert_eq!(pretty(&json!({})), b"{}\n");
    }

    #[test]
    fn a_message_in_three_fragments() {
        let mut outbox = Outbox::default();
        assert!(outbox.change(&Fault::Fragment { pieces: 3 }));
        outbox.message(json!({}));
        let expected =
            [encode(BINARY, false, b"{"), encode(CONTINUATION, false, b"}"), encode(0, true, b"\n")];
        assert_eq!(outbox.parcels[0].bytes, expected.concat());
    }
}
