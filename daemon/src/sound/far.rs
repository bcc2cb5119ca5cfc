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
mod tests {
    use super::*;

    fn opened(rate_hz: u32) -> (FarWriter, FarReader) {
        let (mut writer, reader) = mirror();
        writer.open(rate_hz);
        writer.stamp(at(0));
        (writer, reader)
    }

    fn at(played: u64) -> Playhead {
        Playhead { played, written: played, at: Instant::now(), timing: Timing::Driver }
    }

    fn heard(reader: &FarReader, position: u64, frames: usize) -> Vec<f32> {
        let mut out = vec![9.0; frames];
        let generation = reader.clock().unwrap().generation;
        assert!(reader.read(generation, position, &mut out));
        out
    }

    #[test]
    fn what_was_written_is_read_at_its_place_and_all_else_is_silent() {
        let (mut writer, reader) = opened(16_000);
        writer.write(100, &[1.0, 2.0, 3.0]);
        assert_eq!(heard(&reader, 98, 7), [0.0, 0.0, 1.0, 2.0, 3.0, 0.0, 0.0]);
        assert_eq!(reader.end(), 103);
    }

    #[test]
    fn what_is_written_again_replaces_what_was_there_and_no_more() {
        let (mut writer, reader) = opened(16_000);
        writer.write(0, &[1.0; 8]);
        writer.write(3, &[2.0; 2]);
        assert_eq!(heard(&reader, 0, 9), [1.0, 1.0, 1.0, 2.0, 2.0, 1.0, 1.0, 1.0, 0.0]);
    }

    #[test]
    fn what_is_skipped_is_silent_however_long_it_is() {
        for gap in [1_u64, 20_000, 32_760, 32_768, 40_000, 1 << 40] {
            let (mut writer, reader) = opened(16_000);
            writer.write(0, &vec![1.0; 32_768]);
            writer.write(32_768 + gap, &[2.0; 8]);
            let before = gap.min(20_000) as usize;
            let out = heard(&reader, 32_768 + gap - before as u64, before + 8);
            assert_eq!((&out[..before], &out[before..]), (&vec![0.0; before][..], &[2.0; 8][..]), "{gap}");
        }
    }

    #[test]
    fn more_than_a_second_is_remembered_at_every_rate_and_what_is_older_is_silent() {
        for rate_hz in [8_000, 16_000, 24_000, 44_100, 48_000, 96_000, 192_000] {
            let (mut writer, reader) = opened(rate_hz);
            let total = 3 * u64::from(rate_hz);
            for at in (0..total).step_by(1_000) {
                writer.write(at, &[0.5; 1_000]);
            }
            let end = reader.end();
            let second = heard(&reader, end - u64::from(rate_hz), rate_hz as usize);
            assert!(second.iter().all(|&sample| sample == 0.5), "{rate_hz}");
            assert_eq!(heard(&reader, 0, 100), [0.0; 100], "{rate_hz}");
        }
    }

    #[test]
    fn what_the_card_has_lost_is_silent() {
        let (mut writer, reader) = opened(16_000);
        writer.write(0, &[1.0; 10]);
        writer.lose(4);
        assert_eq!(heard(&reader, 0, 6), [1.0, 1.0, 1.0, 1.0, 0.0, 0.0]);
        writer.write(6, &[2.0; 2]);
        assert_eq!(heard(&reader, 3, 6), [1.0, 0.0, 0.0, 2.0, 2.0, 0.0]);
    }

    #[test]
    fn another_opening_of_the_card_is_another_generation() {
        let (mut writer, reader) = opened(48_000);
        writer.write(0, &[1.0; 10]);
        let first = reader.clock().unwrap();
        writer.close();
        assert_eq!(reader.clock(), None, "no card");
        let mut out = [9.0; 4];
        assert!(!reader.read(first.generation, 0, &mut out));
        assert_eq!(out, [0.0; 4]);
        writer.open(44_100);
        assert_eq!(reader.clock(), None, "nobody has asked it where it stands");
        writer.stamp(at(7));
        let second = reader.clock().unwrap();
        assert!(second.generation != first.generation);
        assert_eq!((second.rate_hz, second.position), (44_100, 7));
        assert!(!reader.read(first.generation, 0, &mut out), "positions of another card");
        assert_eq!(heard(&reader, 0, 10), [0.0; 10], "and nothing is left of its sound");
    }

    #[test]
    fn the_newest_pair_is_told() {
        let (mut writer, reader) = opened(48_000);
        for played in 1..20 {
            let playhead = at(played);
            writer.stamp(playhead);
            let clock = reader.clock().unwrap();
            assert_eq!(clock.position, played);
            // The epoch is subtracted and added again.
            assert_eq!((clock.at, clock.timing), (playhead.at, Timing::Driver));
        }
    }

    /// A writer that seeks back and forth as fast as it can, and a reader beside it: no sample is ever seen at
    /// another position than its own, and no position with another one's time.
    #[test]
    fn reading_while_it_is_written_shows_each_sample_at_its_place() {
        // Exact in an f32: the position within a megaframe, and how often it was written.
        let sample = |at: u64, version: u64| ((at % (1 << 20)) * 8 + version % 7 + 1) as f32;
        let position_of = |sample: f32| (sample as u64) / 8;
        let (mut writer, reader) = mirror();
        writer.open(48_000);
        writer.stamp(Playhead { played: 0, written: 0, at: writer.mirror.epoch, timing: Timing::Clock });
        let done = std::sync::atomic::AtomicBool::new(false);
        let (mut seen, mut clocks) = (0_u64, 0_u64);
        std::thread::scope(|scope| {
            let done = &done;
            scope.spawn(move || {
                let mut random = fastrand::Rng::with_seed(1);
                let (mut written, mut dac) = (0_u64, 0_u64);
                for version in 0..40_000 {
                    let n = random.u64(1..600);
                    let piece: Vec<f32> = (written..written + n).map(|at| sample(at, version)).collect();
                    writer.write(written, &piece);
                    written += n;
                    dac = written.saturating_sub(9_600).max(dac);
                    let at = writer.mirror.epoch + Duration::from_nanos(dac * 1_000);
                    writer.stamp(Playhead { played: dac, written, at, timing: Timing::Clock });
                    if random.u8(..) < 20 {
                        written = written.min(dac + 96).max(dac); // taken back
                    } else if random.u8(..) < 5 {
                        written += random.u64(..5_000); // a silence
                    }
                }
                done.store(true, Release);
            });
            let mut random = fastrand::Rng::with_seed(2);
            let mut out = [0.0; 480];
            while !done.load(Acquire) {
                let Some(clock) = reader.clock() else { continue };
                clocks += 1;
                let ns = clock.at.duration_since(reader.0.epoch).as_nanos() as u64;
                assert_eq!(ns, clock.position * 1_000, "a position with another one's time");
                let from = clock.position.saturating_sub(random.u64(..70_000));
                assert!(reader.read(clock.generation, from, &mut out));
                for (at, &heard) in (from..).zip(&out).filter(|(_, heard)| **heard != 0.0) {
                    assert_eq!(position_of(heard), at % (1 << 20));
                    seen += 1;
                }
            }
        });
        assert!(seen > 10_000 && clocks > 100, "{seen} samples and {clocks} pairs seen");
    }
}
