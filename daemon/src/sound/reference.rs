//! The far end at the microphone's pace: what the speaker played in the 10 ms that the microphone has just heard.
//!
//! Two cards are two clocks. Each card's position is followed against the system's clock by a model of its own; a block
//! of the microphone is a stretch of time, that time is a stretch of the speaker's frames, and those are read from
//! the mirror at whatever pace it takes. What is left of the delay (converters, the room) is found by ear, in the front
//! end.

use std::sync::{Arc, OnceLock};

use pressel_dsp::{Asynchronous, BLOCK, BLOCK_RATE, Block, ClockModel};
use pressel_hal::{Captured, monotonic_ns};

use super::device::OpenSpeaker;
use super::far::FarReader;

/// Rates of speakers that one life of the program may see.
const RATES: usize = 8;
/// A block of the fastest card, and what its converter reads beyond it on both sides.
const FRAMES: usize = 8_192;
/// Where the clocks' lines move by more than this from one block to the next they have broken, in s: bending them moves
/// a block by nanoseconds.
const BROKEN_S: f64 = 0.000_5;
/// A drift that may be wrong by more than this is not told, in ppm.
const SURE_PPM: f64 = 10.0;

/// One converter for each rate that a speaker has had: made where a speaker is opened, since the microphone's thread
/// does not allocate.
#[derive(Default)]
pub(super) struct Converters([OnceLock<(u32, Option<Asynchronous>)>; RATES]);

impl Converters {
    /// A speaker that is opened prepares its converter.
    pub(super) fn at_opening(self: &Arc<Self>, mut open: OpenSpeaker) -> OpenSpeaker {
        let converters = self.clone();
        Box::new(move || {
            let speaker = open()?;
            converters.prepare(speaker.format().rate_hz);
            Ok(speaker)
        })
    }

    fn prepare(&self, rate_hz: u32) {
        let make = || (rate_hz, Asynchronous::new(rate_hz, BLOCK_RATE).ok());
        // Beyond the last slot there is no reference: a ninth rate is no device but a test of patience.
        let _ = self.0.iter().find(|slot| slot.get_or_init(make).0 == rate_hz);
    }

    fn of(&self, rate_hz: u32) -> Option<&Asynchronous> {
        self.0.iter().filter_map(OnceLock::get).find(|(rate, _)| *rate == rate_hz)?.1.as_ref()
    }
}

/// The speaker, as long as one card is open.
struct Far {
    generation: u32,
    rate_hz: u32,
    /// The newest position that was taken in.
    seen: u64,
    /// Where the next block begins if nothing breaks, in the speaker's frames.
    next: Option<f64>,
}

/// What the speaker plays, for the microphone's thread.
pub(super) struct Reference {
    mirror: FarReader,
    converters: Arc<Converters>,
    near_hz: u32,
    /// Boxed, as models are large and a thread's stack is small.
    near: Box<ClockModel>,
    speaker_hz: u32,
    speaker: Box<ClockModel>,
    far: Option<Far>,
    /// The speaker was opened again since somebody asked.
    reopened: bool,
    /// A stretch of the mirror.
    frames: Box<[f32]>,
}

impl Reference {
    pub(super) fn new(mirror: FarReader, converters: Arc<Converters>) -> Self {
        Reference {
            mirror,
            converters,
            near_hz: BLOCK_RATE,
            near: Box::new(ClockModel::new(BLOCK_RATE)),
            speaker_hz: BLOCK_RATE,
            speaker: Box::new(ClockModel::new(BLOCK_RATE)),
            far: None,
            reopened: false,
            frames: vec![0.0; FRAMES].into(),
        }
    }

    /// A microphone was opened: its positions begin anew. Its rate is remembered, in case it is the same card.
    pub(super) fn opened(&mut self, rate_hz: u32) {
        if rate_hz == self.near_hz {
            self.near.jump();
        } else {
            self.near_hz = rate_hz;
            *self.near = ClockModel::new(rate_hz);
        }
    }

    /// The microphone's thread has read something.
    pub(super) fn heard(&mut self, captured: &Captured) {
        if captured.xrun {
            // Nobody knows exactly how much was lost.
            self.near.jump();
        }
        self.near.observe(captured.position + captured.frames as u64, monotonic_ns(captured.at));
    }

    /// What the speaker played while the microphone heard its frames from `position` on, one block of them. Silence if
    /// nothing played, or nobody knows what.
    pub(super) fn read(&mut self, position: u64, out: &mut Block) {
        self.look_at_the_speaker();
        if self.converted(position, out).is_none() {
            out.fill(0.0);
        }
    }

    /// Whether the speaker was opened again since this was asked last: its echo may come from elsewhere.
    pub(super) fn is_reopened(&mut self) -> bool {
        std::mem::take(&mut self.reopened)
    }

    /// How much faster than the microphone the speaker runs, in ppm, as its clocks tell; `None` until they are sure.
    pub(super) fn drift_ppm(&self) -> Option<f64> {
        let sure = |clock: &ClockModel| clock.uncertainty_ppm() < SURE_PPM;
        let both = self.far.is_some() && sure(&self.near) && sure(&self.speaker);
        both.then(|| self.speaker.rate_ppm() - self.near.rate_ppm())
    }

    /// Takes in where the speaker says it stands.
    fn look_at_the_speaker(&mut self) {
        let Some(now) = self.mirror.clock() else { return };
        if self.far.as_ref().is_none_or(|far| far.generation != now.generation) {
            if now.rate_hz == self.speaker_hz {
                self.speaker.jump();
            } else {
                self.speaker_hz = now.rate_hz;
                *self.speaker = ClockModel::new(now.rate_hz);
            }
            self.reopened = self.far.is_some();
            let (generation, rate_hz) = (now.generation, now.rate_hz);
            self.far = Some(Far { generation, rate_hz, seen: u64::MAX, next: None });
        }
        if let Some(far) = self.far.as_mut().filter(|far| far.seen != now.position) {
            far.seen = now.position;
            self.speaker.observe(now.position, monotonic_ns(now.at));
        }
    }

    fn converted(&mut self, position: u64, out: &mut Block) -> Option<()> {
        let far = self.far.as_mut()?;
        let block = f64::from(self.near_hz) / f64::from(BLOCK_RATE) * BLOCK as f64;
        let place = |position: f64| self.speaker.position_at(self.near.time_at(position)?);
        let (first, end) = (place(position as f64)?, place(position as f64 + block)?);
        let broken = BROKEN_S * f64::from(far.rate_hz);
        let first = far.next.filter(|next| (next - first).abs() < broken).unwrap_or(first);
        far.next = Some(end);
        let converter = self.converters.of(far.rate_hz)?;
        let from = (first.floor() as i64 - converter.before() as i64).max(0) as u64;
        let until = (end.ceil() as i64 + converter.after() as i64 + 1).max(0) as u64;
        if from >= self.mirror.end() {
            return None; // the driver's silence, or nothing
        }
        let frames = self.frames.get_mut(..until.saturating_sub(from) as usize)?;
        if !self.mirror.read(far.generation, from, frames) {
            return None;
        }
        let step = (end - first) / BLOCK as f64;
        converter.read(frames, first - from as f64, step, out);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use pressel_hal::{Playhead, Timing};

    use super::super::far::{self, FarWriter};
    use super::*;

    const SPEAKER_HZ: u32 = 48_000;
    const NEAR_HZ: u32 = 16_000;

    /// Two cards with clocks of their own, and a tone that the speaker plays.
    struct Rig {
        start: Instant,
        speaker: FarWriter,
        reference: Reference,
        speaker_ppm: f64,
        near_ppm: f64,
        /// Frames written, and taken.
        written: u64,
        taken: u64,
        opened_s: f64,
    }

    fn tone(time_s: f64) -> f32 {
        (std::f64::consts::TAU * 700.0 * time_s).sin() as f32 * 0.5
    }

    impl Rig {
        fn new(speaker_ppm: f64, near_ppm: f64) -> Rig {
            let (mut speaker, mirror) = far::mirror();
            let converters = Arc::new(Converters::default());
            converters.prepare(SPEAKER_HZ);
            speaker.open(SPEAKER_HZ);
            let mut reference = Reference::new(mirror, converters);
            reference.opened(NEAR_HZ);
            let start = Instant::now();
            Rig { start, speaker, reference, speaker_ppm, near_ppm, written: 0, taken: 0, opened_s: 0.0 }
        }

        fn at(&self, time_s: f64) -> Instant {
            self.start + Duration::from_secs_f64(time_s)
        }

        fn near_s(&self, frames: u64) -> f64 {
            frames as f64 / (f64::from(NEAR_HZ) * (1.0 + self.near_ppm * 1e-6))
        }

        fn speaker_hz(&self) -> f64 {
            f64::from(SPEAKER_HZ) * (1.0 + self.speaker_ppm * 1e-6)
        }

        /// The next block; how far it lies from the tone, as a share of the tone, in dB.
        fn block(&mut self, stamps: bool) -> f64 {
            let end = self.taken + BLOCK as u64;
            let now_s = self.near_s(end);
            let played = ((now_s - self.opened_s) * self.speaker_hz()) as u64;
            // The ring is 100 ms ahead.
            let ahead = played + u64::from(SPEAKER_HZ) / 10;
            let sound: Vec<f32> = (self.written..ahead)
                .map(|frame| tone(self.opened_s + frame as f64 / self.speaker_hz()))
                .collect();
            self.speaker.write(self.written, &sound);
            self.written = ahead;
            if stamps && self.taken % 1_600 == 0 {
                let at = self.at(self.opened_s + played as f64 / self.speaker_hz());
                self.speaker.stamp(Playhead { played, written: ahead, at, timing: Timing::Driver });
            }
            self.reference.heard(&Captured {
                frames: BLOCK,
                position: self.taken,
                at: self.at(now_s),
                timing: Timing::Driver,
                xrun: false,
            });
            let mut out = [9.0; BLOCK];
            self.reference.read(self.taken, &mut out);
            let (mut off, mut all) = (1e-12, 0.0);
            for (n, &sample) in out.iter().enumerate() {
                let meant = f64::from(tone(self.near_s(self.taken + n as u64)));
                off += (f64::from(sample) - meant).powi(2);
                all += meant * meant;
            }
            self.taken = end;
            10.0 * (off / all).log10()
        }

        fn seconds(&mut self, seconds: u64) -> f64 {
            (0..seconds * 100).map(|_| self.block(true)).fold(f64::MIN, f64::max)
        }

        fn reopen(&mut self) {
            self.speaker.open(SPEAKER_HZ);
            self.opened_s = self.near_s(self.taken);
            self.written = 0;
        }
    }

    #[test]
    fn the_reference_is_what_was_played_at_that_time_whatever_the_clocks_do() {
        for (speaker_ppm, near_ppm) in [(0.0, 0.0), (100.0, 0.0), (-150.0, 150.0), (300.0, 0.0)] {
            let mut rig = Rig::new(speaker_ppm, near_ppm);
            rig.seconds(20);
            let worst_db = rig.seconds(5);
            // 700 Hz: a sample of 16 kHz beside its place would be 11 dB down.
            assert!(worst_db < -50.0, "{speaker_ppm} against {near_ppm} ppm: {worst_db:.1} dB");
            let drift = rig.reference.drift_ppm().unwrap();
            assert!((drift - (speaker_ppm - near_ppm)).abs() < 1.0, "{drift} ppm");
        }
    }

    #[test]
    fn a_speaker_that_is_opened_again_keeps_its_drift_and_finds_its_place_at_once() {
        let mut rig = Rig::new(-80.0, 20.0);
        rig.seconds(20);
        rig.reopen();
        rig.block(true);
        while rig.taken % 1_600 != 0 {
            rig.block(true);
        }
        rig.block(true); // its clock is known
        let worst_db = rig.seconds(1);
        assert!(worst_db < -40.0, "{worst_db:.1} dB");
        let drift = rig.reference.drift_ppm().unwrap();
        assert!((drift + 100.0).abs() < 3.0, "{drift} ppm");
    }

    #[test]
    fn an_overrun_of_the_microphone_and_missing_stamps_cost_little() {
        let mut rig = Rig::new(50.0, 0.0);
        rig.seconds(20);
        rig.taken += 8_000;
        let position = rig.taken;
        let at = rig.at(rig.near_s(position + 1));
        let timing = Timing::Driver;
        rig.reference.heard(&Captured { frames: 1, position, at, timing, xrun: true });
        for _ in 0..1_000 {
            let off_db = rig.block(false); // ten seconds without a word of the speaker's clock
            assert!(off_db < -30.0, "{off_db:.1} dB");
        }
    }

    #[test]
    fn where_nothing_plays_or_nobody_knows_what_there_is_silence() {
        let mut out = [9.0; BLOCK];
        let mut unknown = Reference::new(far::mirror().1, Arc::default());
        unknown.read(0, &mut out);
        assert_eq!(out, [0.0; BLOCK]);
        assert_eq!(unknown.drift_ppm(), None);
        let mut rig = Rig::new(0.0, 0.0);
        rig.seconds(1);
        rig.speaker.close();
        out = [9.0; BLOCK];
        rig.reference.read(rig.taken, &mut out);
        assert_eq!(out, [0.0; BLOCK], "no card is open");
        rig.speaker.open(SPEAKER_HZ);
        let at = rig.at(rig.near_s(rig.taken));
        rig.speaker.stamp(Playhead { played: 0, written: 0, at, timing: Timing::Driver });
        out = [9.0; BLOCK];
        rig.reference.read(rig.taken, &mut out);
        assert_eq!(out, [0.0; BLOCK], "it has not played anything");
    }
}
