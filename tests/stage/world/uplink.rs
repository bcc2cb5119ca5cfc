//! What arrived on one link, held against what the microphone heard, sample for sample.

use std::io;
use std::ops::Range;
use std::time::Duration;

use pressel_world::card::{Card, Direction};
use pressel_world::talk::order::{Order, Said};
use serde_json::Value;

use crate::measure::find;

/// So many samples in a row tell where they are from: a block, of which all that is sent consists.
const KNOWN: usize = 160;

/// What one link's server received.
#[derive(Default)]
pub(super) struct Uplink {
    pub(super) link: u32,
    order: Order,
    /// Microphone samples of the newest utterance.
    parts: Vec<Range<u64>>,
    /// After the newest sample on this link.
    next: Option<u64>,
    /// Microphone samples that are missing within utterances.
    pub(super) gaps: Vec<Range<u64>>,
}

impl Uplink {
    pub(super) fn new(link: u32) -> Self {
        Uplink { link, ..Uplink::default() }
    }

    /// Takes a message; what is wrong with it.
    pub(super) fn take(
        &mut self,
        kind: &str,
        message: &Value,
        complete: bool,
        card: &Card,
    ) -> Result<(), String> {
        match self.order.take(kind, message, complete)? {
            Said::Begin => self.parts.clear(),
            Said::Sound { samples, begins } => self.hear(&samples, begins, card)?,
            Said::Other => {}
        }
        Ok(())
    }

    fn hear(&mut self, samples: &[i16], begins: bool, card: &Card) -> Result<(), String> {
        if begins {
            self.parts.clear();
        }
        let mut rest = samples;
        while !rest.is_empty() {
            let found = self.place(rest, card).map_err(|error| error.to_string())?;
            let found = found.ok_or("sound that the microphone never heard, or out of order")?;
            rest = &rest[(found.end - found.start) as usize..];
            self.next = Some(found.end);
            match self.parts.last_mut() {
                Some(last) if last.end == found.start => last.end = found.end,
                Some(last) => {
                    self.gaps.push(last.end..found.start);
                    self.parts.push(found);
                }
                None => self.parts.push(found),
            }
        }
        Ok(())
    }

    /// Where the microphone heard the beginning of this, not before what arrived already, and for how long it goes on:
    /// a message may hold the end of one stretch and the beginning of the next.
    fn place(&self, samples: &[i16], card: &Card) -> io::Result<Option<Range<u64>>> {
        let now = card.now_sample(Direction::Capture);
        let from = self.next.unwrap_or(0).min(now);
        let same = |at: u64| -> io::Result<Range<u64>> {
            let end = now.min(at + samples.len() as u64);
            let heard = card.channel(Direction::Capture, 0, at..end)?;
            let length = heard.iter().zip(samples).take_while(|(heard, sample)| heard == sample).count();
            Ok(at..at + length as u64)
        };
        let known = samples.len().min(KNOWN);
        let next = same(from)?;
        if self.next.is_some() && next.end - next.start >= known as u64 {
            return Ok(Some(next));
        }
        let heard = card.channel(Direction::Capture, 0, from..now)?;
        find(&heard, &samples[..known], 0).map(|at| same(from + at as u64)).transpose()
    }

    /// Silence since the last sound, or since the stream paused.
    pub(super) fn hush(&self) -> Duration {
        self.order.hush()
    }

    /// Microphone samples of the newest utterance.
    pub(super) fn parts(&self) -> &[Range<u64>] {
        &self.parts
    }
}
