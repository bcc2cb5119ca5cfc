//! From the capture thread to the main loop: blocks and marks, in order, none lost in silence.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use heapless::spsc::Producer;
use pressel_dsp::{BLOCK, BargeIn, Block, to_i16s};

use super::facts::Facts;

/// Blocks that may wait for the main loop: 5 s. Beyond them the newest are dropped, counted and told as a gap.
pub(super) const QUEUE: usize = 512;

/// What the thread delivers, in order. Nearly all of it is sound, and the queue's memory is there anyway.
#[allow(clippy::large_enum_variant)]
pub(super) enum Captured {
    /// 10 ms of a listening.
    Sound {
        listen: u32,
        samples: [i16; BLOCK],
        speech: bool,
        at: Instant,
        /// The chunk is complete: the main loop was woken.
        ends_chunk: bool,
    },
    /// So many 16 kHz samples of the listening are missing here.
    Gap { listen: u32, samples: u64 },
    /// The gate opened.
    Opened { listen: u32 },
    /// The gate closed.
    Closed { listen: u32 },
    /// What the near-end detector says while an answer is heard.
    BargeIn { listen: u32, said: BargeIn },
    /// The card is gone.
    Lost,
    /// It is back.
    Back,
}

/// What is known of a block.
#[derive(Clone, Copy)]
pub(super) struct Stamp {
    /// When its last sample was captured.
    pub(super) at: Instant,
    pub(super) speech: bool,
    /// 16 kHz samples missing before it.
    pub(super) lost: u64,
}

/// What goes from here to the main loop.
pub(super) struct Outlet {
    queue: Producer<'static, Captured, QUEUE>,
    facts: Arc<Facts>,
    /// Samples of the listening that found no room.
    owed_gap: u64,
    /// Marks that found no room, with the listening they belong to.
    owed_mark: Option<Captured>,
}

impl Outlet {
    pub(super) fn new(queue: Producer<'static, Captured, QUEUE>, facts: Arc<Facts>) -> Self {
        Outlet { queue, facts, owed_gap: 0, owed_mark: None }
    }

    /// Another listening begins: what the one before missed is not its business.
    pub(super) fn begin(&mut self) {
        self.owed_gap = 0;
    }

    /// Puts a mark that must not be lost; it waits here while there is no room.
    pub(super) fn mark(&mut self, mark: Captured) {
        self.pay();
        if self.owed_mark.is_some() {
            // Only the newest counts: who did not fetch for 5 s gets the state, not the story.
            self.owed_mark = Some(mark);
        } else if let Err(mark) = self.queue.enqueue(mark) {
            self.owed_mark = Some(mark);
        }
    }

    fn pay(&mut self) {
        if let Some(mark) = self.owed_mark.take() {
            self.owed_mark = self.queue.enqueue(mark).err();
        }
    }

    /// Puts sound, or counts it as a gap.
    pub(super) fn sound(&mut self, listen: u32, block: &Block, stamp: Stamp, ends_chunk: bool) {
        self.pay();
        self.owed_gap += stamp.lost;
        if self.owed_gap > 0 && self.queue.enqueue(Captured::Gap { listen, samples: self.owed_gap }).is_ok() {
            self.owed_gap = 0;
        }
        let mut samples = [0; BLOCK];
        to_i16s(block, &mut samples);
        let item = Captured::Sound { listen, samples, speech: stamp.speech, at: stamp.at, ends_chunk };
        if self.owed_gap > 0 || self.queue.enqueue(item).is_err() {
            self.owed_gap += BLOCK as u64;
            self.facts.capture.dropped_samples.fetch_add(BLOCK as u64, Relaxed);
        }
    }
}
