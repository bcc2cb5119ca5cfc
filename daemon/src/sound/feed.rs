//! The queue of sound from the main loop, seen from the speaker's thread: taken, cut, handed back.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::facts::Facts;

/// What the main loop hands over.
pub(super) enum Fed {
    /// Sound of a turn.
    Sound { turn: u32, samples: Box<[i16]> },
    /// Nothing more will come for this turn.
    End { turn: u32 },
}

impl Fed {
    fn turn(&self) -> u32 {
        match *self {
            Fed::Sound { turn, .. } | Fed::End { turn } => turn,
        }
    }
}

/// Both ends of the queue from the main loop; lives as long as the thread.
pub(super) struct Feed {
    queue: rtrb::Consumer<Fed>,
    spent: rtrb::Producer<Box<[i16]>>,
    facts: Arc<Facts>,
    /// Turns below this are cut.
    pub(super) cut_below: u64,
}

impl Feed {
    pub(super) fn new(
        queue: rtrb::Consumer<Fed>,
        spent: rtrb::Producer<Box<[i16]>>,
        facts: Arc<Facts>,
    ) -> Self {
        Feed { queue, spent, facts, cut_below: 0 }
    }

    /// Turn of what comes next, after discarding what belongs to cut turns.
    pub(super) fn peek(&mut self) -> Option<u32> {
        loop {
            let turn = self.queue.peek().ok()?.turn();
            if u64::from(turn) >= self.cut_below {
                return Some(turn);
            }
            if let Ok(Fed::Sound { samples, .. }) = self.queue.pop() {
                self.facts.playback.dropped_samples.fetch_add(samples.len() as u64, Relaxed);
                self.taken(samples.len());
                self.hand_back(samples);
            }
        }
    }

    /// Whether what comes next is sound, and not only the end of a turn.
    pub(super) fn has_sound(&mut self) -> bool {
        self.peek().is_some() && matches!(self.queue.peek(), Ok(Fed::Sound { .. }))
    }

    pub(super) fn pop(&mut self) -> Option<Fed> {
        let fed = self.queue.pop().ok()?;
        if let Fed::Sound { samples, .. } = &fed {
            self.taken(samples.len());
        }
        Some(fed)
    }

    fn taken(&self, samples: usize) {
        self.facts.playback.taken_samples.fetch_add(samples as u64, Relaxed);
    }

    pub(super) fn hand_back(&mut self, samples: Box<[i16]>) {
        // As many fit as can ever be under way; if not, freeing here is the lesser evil.
        let _ = self.spent.push(samples);
    }

    /// Discards everything, and calls `ended` for each turn whose end was among it.
    pub(super) fn discard_all(&mut self, mut ended: impl FnMut(u32)) {
        while self.peek().is_some() {
            match self.pop() {
                Some(Fed::Sound { samples, .. }) => {
                    self.facts.playback.dropped_samples.fetch_add(samples.len() as u64, Relaxed);
                    self.hand_back(samples);
                }
                Some(Fed::End { turn }) => ended(turn),
                None => break,
            }
        }
    }
}
