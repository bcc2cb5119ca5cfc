//! The far end: what the speaker plays, frame by frame, for whoever takes it out of the microphone again.
//!
//! A mirror of the card's ring: the playback thread stores here every sample it has written to the card, at the same
//! frame position and after everything that was done to it (volume, fades, limiter). What is sought back and written
//! again is stored again, so that a position the DAC has passed holds exactly what it played. Where only the driver's
//! silence is played there is silence. Beside it stands the newest pair of a position and the time at which the DAC
//! was, or will be, there.
//!
//! One thread writes, others read, and nobody waits for anybody: samples are atomics, and a reader finds out
//! afterwards whether the writer came round and took its place.

use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, fence};
use std::time::{Duration, Instant};

use pressel_hal::{Playhead, Timing};

/// More than a second at 192 kHz. Memory that is never touched costs nothing.
const SLOTS: usize = 1 << 18;
/// How many pairs of position and time are kept: a reader that is put aside while it copies one has time until the
/// writer has stored so many.
const CLOCKS: usize = 4;

/// When the DAC is where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FarClock {
    /// Which opening of the card the position counts from.
    pub generation: u32,
    /// Frames per second.
    pub rate_hz: u32,
    /// The frame that the DAC plays at this time.
    pub position: u64,
    /// The time, as the card tells it; with a FIFO behind the ring it may lie ahead.
    pub at: Instant,
    /// Whose time that is.
    pub timing: Timing,
}

#[derive(Default)]
struct Stamp {
    generation: AtomicU32,
    rate_hz: AtomicU32,
    position: AtomicU64,
    /// After `Mirror::epoch`.
    at_ns: AtomicU64,
    by_driver: AtomicBool,
}

struct Mirror {
    epoch: Instant,
    slots: Box<[AtomicU32]>,
    /// Slots in use less one: enough for 1.25 s at the card's rate.
    mask: AtomicU64,
    /// Even while a card is open, odd in between.
    generation: AtomicU32,
    /// The frame after the last that was written; from there on it is silent.
    end: AtomicU64,
    /// As `end`, before the samples are stored: what lies a ring before it is being overwritten.
    claimed: AtomicU64,
    clocks: [Stamp; CLOCKS],
    /// Pairs stored so far; the newest is in the slot before.
    stamped: AtomicU64,
}

/// The playback thread's side.
pub(super) struct FarWriter {
    mirror: Arc<Mirror>,
    rate_hz: u32,
}

/// Everybody else's side. A clone reads the same.
#[derive(Clone)]
pub struct FarReader(Arc<Mirror>);

/// Both sides of a mirror.
pub(super) fn mirror() -> (FarWriter, FarReader) {
    let slots = Box::into_raw(vec![0_u32; SLOTS].into_boxed_slice());
    let mirror = Arc::new(Mirror {
        epoch: Instant::now(),
        // SAFETY: an `AtomicU32` lies in memory as a `u32` does, and nobody else has the box. Made of zeroed memory,
        // pages that are never used are never there.
        slots: unsafe { Box::from_raw(slots as *mut [AtomicU32]) },
        mask: AtomicU64::new(0),
        generation: AtomicU32::new(1),
        end: AtomicU64::new(0),
        claimed: AtomicU64::new(0),
        clocks: Default::default(),
        stamped: AtomicU64::new(0),
    });
    (FarWriter { mirror: mirror.clone(), rate_hz: 0 }, FarReader(mirror))
}

impl FarWriter {
    /// A card was opened: its positions begin at 0, and nothing was played yet.
    pub(super) fn open(&mut self, rate_hz: u32) {
        self.close();
        let Mirror { slots, mask, generation, end, claimed, .. } = &*self.mirror;
        let used = (rate_hz as usize + rate_hz as usize / 4).next_power_of_two().min(SLOTS);
        for slot in &slots[..used] {
            slot.store(0, Relaxed);
        }
        mask.store(used as u64 - 1, Relaxed);
        end.store(0, Relaxed);
        claimed.store(0, Relaxed);
        self.rate_hz = rate_hz;
        generation.store(generation.load(Relaxed).wrapping_add(1), Release);
    }

    /// The card is gone: nothing is played any more.
    pub(super) fn close(&mut self) {
        let generation = self.mirror.generation.load(Relaxed);
        if generation % 2 == 0 {
            self.mirror.generation.store(generation.wrapping_add(1), Relaxed);
            fence(Release);
        }
    }

    /// `samples` were written to the card from frame `position` on.
    pub(super) fn write(&mut self, position: u64, samples: &[f32]) {
        let Mirror { end, claimed, mask, slots, .. } = &*self.mirror;
        let mask = mask.load(Relaxed);
        let (old_end, new_end) = (end.load(Relaxed), position + samples.len() as u64);
        claimed.store(claimed.load(Relaxed).max(new_end), Relaxed);
        fence(Release);
        // What was skipped is silent, and must not show what was there a ring ago.
        for at in old_end.max(position.saturating_sub(mask + 1))..position {
            slots[(at & mask) as usize].store(0, Relaxed);
        }
        for (at, sample) in (position..).zip(samples) {
            slots[(at & mask) as usize].store(sample.to_bits(), Relaxed);
        }
        end.store(old_end.max(new_end), Release);
    }

    /// The card has lost what it was to play from frame `position` on.
    pub(super) fn lose(&mut self, position: u64) {
        let end = &self.mirror.end;
        end.store(end.load(Relaxed).min(position), Release);
    }

    /// The card was asked where it stands.
    pub(super) fn stamp(&mut self, playhead: Playhead) {
        let Mirror { epoch, clocks, stamped, generation, .. } = &*self.mirror;
        let count = stamped.load(Relaxed);
        let clock = &clocks[count as usize % CLOCKS];
        // Whoever sees a part of what follows also sees that this slot had been taken.
        fence(Release);
        clock.generation.store(generation.load(Relaxed), Relaxed);
        clock.rate_hz.store(self.rate_hz, Relaxed);
        clock.position.store(playhead.played, Relaxed);
        clock.at_ns.store(playhead.at.saturating_duration_since(*epoch).as_nanos() as u64, Relaxed);
        clock.by_driver.store(playhead.timing == Timing::Driver, Relaxed);
        stamped.store(count + 1, Release);
    }
}

impl FarReader {
    /// The newest pair of position and time; `None` while no card is open, and in the rare case that the writer
    /// stored several while this one was copied.
    pub fn clock(&self) -> Option<FarClock> {
        let Mirror { epoch, clocks, stamped, generation, .. } = &*self.0;
        let newest = stamped.load(Acquire).checked_sub(1)?;
        let clock = &clocks[newest as usize % CLOCKS];
        let copy = FarClock {
            generation: clock.generation.load(Relaxed),
            rate_hz: clock.rate_hz.load(Relaxed),
            position: clock.position.load(Relaxed),
            at: *epoch + Duration::from_nanos(clock.at_ns.load(Relaxed)),
            timing: if clock.by_driver.load(Relaxed) { Timing::Driver } else { Timing::Clock },
        };
        fence(Acquire);
        // The slot is written again for pair `newest + CLOCKS`, which begins once the one before it is stored.
        let stays = stamped.load(Relaxed) < newest + CLOCKS as u64;
        (stays && copy.generation == generation.load(Acquire)).then_some(copy)
    }

    /// The frame after the last that was written to the card; there and after it is silent, unless more comes.
    pub fn end(&self) -> u64 {
        self.0.end.load(Acquire)
    }

    /// Copies what is played from frame `position` on, full scale ±1.0. What the DAC has not reached yet may still
    /// be taken back; what is older than a second may be forgotten and is silent here. False, and silence, if the
    /// card was opened anew since `generation`.
    pub fn read(&self, generation: u32, position: u64, out: &mut [f32]) -> bool {
        let mirror = &*self.0;
        let stands = mirror.generation.load(Acquire) == generation;
        let mask = mirror.mask.load(Relaxed);
        let end = mirror.end.load(Acquire);
        for (at, out) in (position..).zip(out.iter_mut()) {
            let sounds = at < end && end - at <= mask + 1;
            let slot = || f32::from_bits(mirror.slots[(at & mask) as usize].load(Relaxed));
            *out = if sounds { slot() } else { 0.0 };
        }
        fence(Acquire);
        let forgotten = mirror.claimed.load(Relaxed).saturating_sub(mask + 1).saturating_sub(position);
        let forgotten = usize::try_from(forgotten).map_or(out.len(), |frames| frames.min(out.len()));
        out[..forgotten].fill(0.0);
        let stands = stands && mirror.generation.load(Relaxed) == generation;
        if !stands {
            out.fill(0.0);
        }
        stands
    }
}

#[cfg(test)]
mod tests;
