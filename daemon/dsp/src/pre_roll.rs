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

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(ring: &mut PreRoll<u32>) -> Vec<(f32, u32)> {
        std::iter::from_fn(|| ring.pop().map(|(block, stamp)| (block[0], stamp))).collect()
    }

    #[test]
    fn the_last_blocks_come_out_in_order_with_their_stamps() {
        for pushed in 0..12u32 {
            let mut ring = PreRoll::new(4);
            for n in 0..pushed {
                ring.push(&[n as f32; BLOCK], n * 10);
            }
            assert_eq!(ring.len(), pushed.min(4) as usize);
            assert_eq!(ring.oldest(), (pushed > 0).then(|| pushed.saturating_sub(4) * 10));
            let expected: Vec<_> = (pushed.saturating_sub(4)..pushed).map(|n| (n as f32, n * 10)).collect();
            assert_eq!(drain(&mut ring), expected);
            assert!(ring.is_empty());
        }
    }

    #[test]
    fn it_goes_on_keeping_after_some_were_taken() {
        let mut ring = PreRoll::new(3);
        for n in 0..5 {
            ring.push(&[n as f32; BLOCK], n);
        }
        assert_eq!(ring.pop().map(|(_, stamp)| stamp), Some(2));
        for n in 5..7 {
            ring.push(&[n as f32; BLOCK], n);
        }
        assert_eq!(drain(&mut ring), [(4.0, 4), (5.0, 5), (6.0, 6)]);
    }

    #[test]
    fn without_room_nothing_is_kept() {
        let mut ring = PreRoll::new(0);
        ring.push(&[1.0; BLOCK], 1);
        assert_eq!((ring.len(), ring.capacity(), ring.oldest()), (0, 0, None));
        assert!(ring.pop().is_none());
    }

    #[test]
    fn cleared_it_is_empty_and_works_again() {
        let mut ring = PreRoll::new(2);
        (0..3).for_each(|n| ring.push(&[n as f32; BLOCK], n));
        ring.clear();
        assert!(ring.pop().is_none());
        ring.push(&[9.0; BLOCK], 9);
        assert_eq!(drain(&mut ring), [(9.0, 9)]);
    }
}
