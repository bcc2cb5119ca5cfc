//! The moment before: blocks kept so that a first word is never cut off.

use crate::{BLOCK, Block};

/// Keeps the last blocks with a stamp each (usually when they were captured), oldest first.
///
/// The stamp's type is the caller's choice, since this crate has no clock.
#[derive(Clone, Debug)]
pub struct PreRoll<Stamp> {
    ring: Box<[(Block, Option<Stamp>)]>,
    oldest: usize,
    len: usize,
}

impl<Stamp: Copy> PreRoll<Stamp> {
    /// Room for `blocks` blocks; with 0 nothing is kept.
    pub fn new(blocks: usize) -> Self {
        Self { ring: vec![([0.0; BLOCK], None); blocks].into_boxed_slice(), oldest: 0, len: 0 }
    }

    /// Keeps a copy; a full ring loses its oldest block.
    pub fn push(&mut self, block: &Block, stamp: Stamp) {
        let capacity = self.ring.len();
        if capacity == 0 {
            return;
        }
        let mut slot = self.oldest + self.len;
        if slot >= capacity {
            slot -= capacity;
        }
        self.ring[slot] = (*block, Some(stamp));
        if self.len < capacity {
            self.len += 1;
        } else {
            self.oldest = if slot + 1 == capacity { 0 } else { slot + 1 };
        }
    }

    /// Takes the oldest block.
    pub fn pop(&mut self) -> Option<(&Block, Stamp)> {
        if self.len == 0 {
            return None;
        }
        let (block, stamp) = &self.ring[self.oldest];
        self.oldest = if self.oldest + 1 == self.ring.len() { 0 } else { self.oldest + 1 };
        self.len -= 1;
        stamp.map(|stamp| (block, stamp))
    }

    /// When the oldest block was captured.
    pub fn oldest(&self) -> Option<Stamp> {
        if self.len == 0 { None } else { self.ring[self.oldest].1 }
    }

    /// Blocks kept now.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Blocks it can keep.
    pub fn capacity(&self) -> usize {
        self.ring.len()
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.len = 0;
    }
}
