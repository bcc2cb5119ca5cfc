//! What the speaker is given: answers and sounds of the device's own.

use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};
use std::time::Instant;

use super::Sound;
use crate::sound::facts::Facts;
use crate::sound::feed::{Fed, Feed};
use crate::sound::rate;

/// Shortest message of an answer that is reckoned with, when the queue's slots are counted.
pub(super) const MESSAGE_MS: usize = 20;
/// Slots kept for ends of turns: those are never dropped.
pub(super) const ENDS: usize = 64;
/// Local sounds that may wait.
pub(super) const LOCAL: usize = 16;

impl Sound {
    /// Queues answer sound. Returns how many samples (at 24 kHz) were dropped because the queue holds its bound.
    pub fn play(&mut self, turn: u32, samples: Vec<i16>, rate_hz: u32) -> usize {
        self.free_spent();
        let samples = self.answer_rate.convert(turn, samples, rate_hz);
        if samples.is_empty() {
            return 0;
        }
        if u64::from(turn) < self.orders.cut_below.load(Ordering::Relaxed) {
            return self.enqueue(turn, samples); // the thread throws it away, and counts it
        }
        self.jitter.arrived(turn, samples, Instant::now());
        self.enqueue_released()
    }

    /// Queues what has waited long enough.
    pub(super) fn enqueue_released(&mut self) -> usize {
        let mut dropped = 0;
        while let Some((turn, samples)) = self.jitter.pop() {
            dropped += self.enqueue(turn, samples);
        }
        self.facts.playback.jitter_ms.store(self.jitter.depth().as_millis() as u32, Ordering::Relaxed);
        dropped
    }

    fn enqueue(&mut self, turn: u32, samples: Vec<i16>) -> usize {
        let waiting = self.queued_samples - self.facts.playback.taken_samples.load(Ordering::Relaxed);
        let len = samples.len() as u64;
        let fits = waiting + len <= self.queue_max_samples && self.answer.slots() > ENDS;
        if !fits || self.answer.push(Fed::Sound { turn, samples: samples.into() }).is_err() {
            self.facts.playback.dropped_samples.fetch_add(len, Ordering::Relaxed);
            return len as usize;
        }
        self.queued_samples += len;
        self.feed_hungry();
        0
    }

    /// Nothing more comes for this turn: `Drained` is reported when it has been heard.
    pub fn end_of_turn(&mut self, turn: u32) {
        self.jitter.ended(turn, Instant::now());
        self.enqueue_released();
        // Slots are kept for ends; without one the thread has not turned for a hundred turns.
        let _ = self.answer.push(Fed::End { turn });
        self.feed_hungry();
    }

    /// Silences all turns up to this one, at once.
    pub fn flush(&mut self, turn: u32) {
        self.orders.cut_below.fetch_max(u64::from(turn) + 1, Ordering::AcqRel);
        let held = self.jitter.flush(turn, Instant::now());
        self.facts.playback.dropped_samples.fetch_add(held, Ordering::Relaxed);
        self.playback_wake.signal();
    }

    /// Turns the answer down at once, or lets the same sentence come back; sounds of the device's own stay as loud
    /// as they are.
    pub fn duck(&mut self, ducked: bool) {
        self.orders.ducked.store(ducked, Ordering::Release);
        self.playback_wake.signal();
    }

    /// Plays a sound of the device's own, mixed with whatever else sounds, at once; several are played one after
    /// the other. False if too many wait already.
    pub fn play_local(&mut self, samples: &[i16], rate_hz: u32) -> bool {
        self.free_spent();
        if self.local.slots() < 2 {
            return false;
        }
        let turn = self.local_number;
        let Some(samples) = rate::whole(samples, rate_hz) else { return false };
        self.queued_samples += samples.len() as u64;
        self.local_number += 1;
        let sound = Fed::Sound { turn, samples: samples.into() };
        let done = self.local.push(sound).is_ok() && self.local.push(Fed::End { turn }).is_ok();
        self.playback_wake.signal();
        done
    }

    /// Sets the volume, 0 to 100 percent; it moves there without a click.
    pub fn set_volume(&mut self, percent: f32) {
        self.orders.volume.store(percent.to_bits(), Ordering::Release);
        self.playback_wake.signal();
    }

    /// Wakes the thread if it has nothing left to write; otherwise it comes by itself.
    fn feed_hungry(&self) {
        fence(Ordering::SeqCst);
        if self.orders.hungry.load(Ordering::SeqCst) {
            self.playback_wake.signal();
        }
    }

    pub(super) fn free_spent(&mut self) {
        for spent in &mut self.spent {
            while spent.pop().is_ok() {}
        }
    }
}

/// Both ends of a queue of sound, and the way back for what is used up.
pub(super) fn feed(
    slots: usize,
    facts: &Arc<Facts>,
) -> (rtrb::Producer<Fed>, Feed, rtrb::Consumer<Box<[i16]>>) {
    let (producer, consumer) = rtrb::RingBuffer::new(slots);
    // Twice as many can be under way: in the queue, and used up since the main loop last looked.
    let (spent_in, spent) = rtrb::RingBuffer::new(2 * slots);
    (producer, Feed::new(consumer, spent_in, facts.clone()), spent)
}
