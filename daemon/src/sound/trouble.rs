//! What is wrong with what a card delivers: each thing noticed once, and once when it is over.

use std::time::{Duration, Instant};

use pressel_hal::{Captured, Timing};

/// Something a card does that no microphone does. The sound path makes silence of it, or leaves it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing but zeros: muted, or not wired.
    Zeros,
    /// Numbers that are no sound: not a number, infinite, or far beyond full scale.
    Nonsense,
    /// Most samples stand at full scale.
    FullScale,
    /// The times of its frames jump.
    Times,
    /// Its driver gives no times: the machine's clock stands in, and is less exact.
    NoTimes,
    /// Frames come faster or slower than the agreed rate.
    Rate,
}

impl Trouble {
    /// All of them; the place is the bit in the facts.
    pub const ALL: [Trouble; 6] = [
        Trouble::Zeros,
        Trouble::Nonsense,
        Trouble::FullScale,
        Trouble::Times,
        Trouble::NoTimes,
        Trouble::Rate,
    ];

    /// Its name in the status; it stays the same.
    pub fn word(self) -> &'static str {
        match self {
            Trouble::Zeros => "zeros",
            Trouble::Nonsense => "nonsense",
            Trouble::FullScale => "full-scale",
            Trouble::Times => "times",
            Trouble::NoTimes => "no-times",
            Trouble::Rate => "rate",
        }
    }

    /// Those whose bit is set.
    pub fn of_bits(bits: u32) -> impl Iterator<Item = Trouble> {
        Trouble::ALL
            .into_iter()
            .enumerate()
            .filter_map(move |(n, trouble)| (bits >> n & 1 == 1).then_some(trouble))
    }

    /// What it is, after "the microphone".
    pub fn words(self) -> &'static str {
        match self {
            Trouble::Zeros => "delivers nothing but zeros: is it muted?",
            Trouble::Nonsense => "delivers numbers that are no sound; they are taken for silence",
            Trouble::FullScale => "stands at full scale: is its gain too high?",
            Trouble::Times => "tells times that jump; echo is found by the sound instead",
            Trouble::NoTimes => "tells no times; the machine's clock stands in",
            Trouble::Rate => "delivers at another rate than agreed",
        }
    }
}

/// Louder than any converter, in full scales: what is beyond is no sound.
const ABSURD: f32 = 8.0;
/// Where a 16-bit card ends, less a step.
const FULL_SCALE: f32 = 0.999_9;
/// Blocks in a row before something is said. Zeros are what a card delivers while it wakes up, and a mute switch.
const SURE_BLOCKS: [u16; 6] = [500, 20, 50, 1, 100, 1];
/// Blocks without it before it is over: something that comes and goes is said once.
const OVER_BLOCKS: u16 = 500;
/// A step of the card's clock against its frames. Drivers that tell the times of interrupts are a period late.
const STEP: Duration = Duration::from_millis(100);
/// The rate is compared over this long: at 2 % off it is another rate, which no crystal is.
const WINDOW: Duration = Duration::from_secs(2);
const RATE_OFF: f64 = 0.02;

/// Watches one opening of a card. Nothing in it allocates.
#[derive(Debug)]
pub(super) struct Troubles {
    rate_hz: u32,
    /// Blocks in a row with and without each trouble.
    with: [u16; 6],
    without: [u16; 6],
    /// What is wrong, as bits.
    present: u32,
    /// Frames and time of the last read, and of where the window began.
    last: Option<(u64, Instant)>,
    window: Option<(u64, Instant)>,
    /// What was seen since the last block.
    seen: [bool; 6],
    /// The last window was off, too.
    was_off: bool,
}

impl Troubles {
    pub(super) fn new(rate_hz: u32) -> Self {
        Troubles {
            rate_hz,
            with: [0; 6],
            without: [0; 6],
            present: 0,
            last: None,
            window: None,
            seen: [false; 6],
            was_off: false,
        }
    }

    /// Takes note of when frames came.
    pub(super) fn came(&mut self, captured: &Captured) {
        let now = (captured.position + captured.frames as u64, captured.at);
        self.seen[Trouble::NoTimes as usize] |= captured.timing == Timing::Clock;
        if captured.timing == Timing::Clock || captured.xrun {
            (self.last, self.window) = (None, None);
            return;
        }
        if let Some((frames, at)) = self.last.replace(now) {
            let step = self.lasts(now.0.saturating_sub(frames));
            let off =
                (at + step).saturating_duration_since(now.1) + now.1.saturating_duration_since(at + step);
            if off > STEP {
                self.seen[Trouble::Times as usize] = true;
                self.window = None;
            }
        }
        let (frames, since) = *self.window.get_or_insert(now);
        let passed = now.1.saturating_duration_since(since);
        if passed >= WINDOW {
            let expected = passed.as_secs_f64() * f64::from(self.rate_hz);
            let off = (now.0.saturating_sub(frames) as f64 / expected - 1.0).abs() > RATE_OFF;
            // A single window may have begun with frames that waited.
            self.seen[Trouble::Rate as usize] |= off && self.was_off;
            self.was_off = off;
            self.window = Some(now);
        }
    }

    /// Looks at a block of frames; what is wrong now, as bits.
    pub(super) fn look(&mut self, frames: &[f32]) -> u32 {
        let count = |is: fn(&f32) -> bool| frames.iter().filter(|sample| is(sample)).count();
        let absurd = count(|sample| sample.is_nan() || sample.abs() > ABSURD);
        self.seen[Trouble::Zeros as usize] = count(|&sample| sample == 0.0) == frames.len();
        self.seen[Trouble::Nonsense as usize] = absurd > 0;
        self.seen[Trouble::FullScale as usize] =
            absurd == 0 && 2 * count(|sample| sample.abs() >= FULL_SCALE) > frames.len();
        for (n, seen) in self.seen.iter_mut().enumerate() {
            let bit = 1 << n;
            if std::mem::take(seen) {
                self.with[n] = self.with[n].saturating_add(1);
                self.without[n] = 0;
                if self.with[n] >= SURE_BLOCKS[n] {
                    self.present |= bit;
                }
            } else {
                self.without[n] = self.without[n].saturating_add(1);
                self.with[n] = 0;
                if self.without[n] >= OVER_BLOCKS {
                    self.present &= !bit;
                }
            }
        }
        self.present
    }

    fn lasts(&self, frames: u64) -> Duration {
        Duration::from_secs_f64(frames as f64 / f64::from(self.rate_hz))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: u64 = 160;

    /// A card at 16 kHz whose blocks come in time.
    struct Card {
        troubles: Troubles,
        position: u64,
        at: Instant,
        said: Vec<u32>,
    }

    impl Card {
        fn new() -> Self {
            let troubles = Troubles::new(16_000);
            Card { troubles, position: 0, at: Instant::now(), said: vec![0] }
        }

        /// Delivers blocks of this sample, each so long after the one before.
        fn delivers(&mut self, blocks: usize, sample: f32, apart: Duration, timing: Timing) {
            for n in 0..blocks {
                self.at += apart;
                let captured = Captured {
                    frames: BLOCK as usize,
                    position: self.position,
                    at: self.at,
                    timing,
                    xrun: false,
                };
                self.position += BLOCK;
                self.troubles.came(&captured);
                // what no microphone is without: a little noise
                let noise = if sample == 0.0 { 0.0 } else { n as f32 * 1e-9 };
                let now = self.troubles.look(&[sample + noise; BLOCK as usize]);
                if self.said.last() != Some(&now) {
                    self.said.push(now);
                }
            }
        }

        fn fine(&mut self, blocks: usize) {
            self.delivers(blocks, 0.01, Duration::from_millis(10), Timing::Driver);
        }
    }

    fn bit(trouble: Trouble) -> u32 {
        1 << Trouble::ALL.iter().position(|&other| other == trouble).unwrap()
    }

    #[test]
    fn each_trouble_is_said_once_and_once_when_it_is_over() {
        let ten = Duration::from_millis(10);
        for (trouble, sample, apart, timing) in [
            (Trouble::Zeros, 0.0, ten, Timing::Driver),
            (Trouble::Nonsense, f32::NAN, ten, Timing::Driver),
            (Trouble::Nonsense, f32::INFINITY, ten, Timing::Driver),
            (Trouble::FullScale, -1.0, ten, Timing::Driver),
            (Trouble::NoTimes, 0.01, ten, Timing::Clock),
            (Trouble::Rate, 0.01, Duration::from_millis(8), Timing::Driver),
        ] {
            let mut card = Card::new();
            card.fine(300);
            card.delivers(1_000, sample, apart, timing);
            card.fine(1_500);
            assert_eq!(card.said, [0, bit(trouble), 0], "{trouble:?}");
        }
    }

    #[test]
    fn times_that_jump_are_said_once_however_often_they_do() {
        let mut card = Card::new();
        for _ in 0..5 {
            card.fine(200);
            card.at += Duration::from_millis(400);
            card.fine(200);
            card.at -= Duration::from_millis(300);
        }
        card.fine(1_000);
        assert_eq!(card.said, [0, bit(Trouble::Times), 0]);
    }

    #[test]
    fn a_card_that_is_well_is_never_complained_of() {
        let mut card = Card::new();
        card.fine(2_000);
        // A shout and a click are no fault.
        card.delivers(30, 1.0, Duration::from_millis(10), Timing::Driver);
        card.delivers(400, 0.0, Duration::from_millis(10), Timing::Driver);
        card.fine(1_000);
        assert_eq!(card.said, [0]);
    }
}
