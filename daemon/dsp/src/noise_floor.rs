//! What the room sounds like when nobody speaks.

use heapless::{Deque, HistoryBuffer};

use crate::level::power_dbfs;

/// Blocks averaged before anything is compared: 50 ms smooth out single pitch periods and clicks.
const SMOOTH: usize = 5;
/// Blocks of a slot: 100 ms.
const SLOT: usize = 10;
/// Slots that must be even to be noise: 2 s. Speech has gaps between syllables and words within that time.
const STEADY_SLOTS: usize = 20;
/// Loudest above quietest within which sound counts as even, in dB.
const STEADY_DB: f32 = 8.0;
/// Slots over which the quietest moment is the floor otherwise: 12 s, longer than anyone speaks without a pause.
const LONG_SLOTS: usize = 120;
/// How far the quietest 50 ms of a noise lie below its level, in dB.
const BIAS_DB: f32 = 1.5;
/// Blocks of digital silence ignored at the very start, while a card wakes up.
const WAKE_BLOCKS: u32 = 20;

/// Tracks the level of the noise: from one side by minima, from the other by evenness.
///
/// Sound that stays within 8 dB for 2 s is noise, whatever its level: so it follows a starting compressor.
/// Any other sound raises the floor only as far as its quietest moment of the last 12 s: so it does not learn
/// speech. Downwards it follows at once.
#[derive(Clone, Debug)]
pub struct NoiseFloor {
    recent: HistoryBuffer<f32, SMOOTH>,
    slots: Deque<Slot, LONG_SLOTS>,
    current: Slot,
    blocks: usize,
    waking: u32,
    floor_dbfs: f32,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    min_dbfs: f32,
    max_dbfs: f32,
    power: f32,
}

impl Slot {
    const EMPTY: Self = Self { min_dbfs: f32::MAX, max_dbfs: f32::MIN, power: 0.0 };
}

impl Default for NoiseFloor {
    fn default() -> Self {
        Self::new()
    }
}

impl NoiseFloor {
    /// Knows nothing yet: the first sound is taken for the floor.
    pub fn new() -> Self {
        Self {
            recent: HistoryBuffer::new(),
            slots: Deque::new(),
            current: Slot::EMPTY,
            blocks: 0,
            waking: WAKE_BLOCKS,
            floor_dbfs: crate::SILENCE_DBFS,
        }
    }

    /// Takes in one block's mean square and returns the floor in dBFS.
    pub fn process(&mut self, power: f32) -> f32 {
        if self.waking > 0 {
            if power == 0.0 {
                self.waking -= 1;
                return self.floor_dbfs;
            }
            self.waking = 0;
            self.floor_dbfs = f32::MAX;
        }
        self.recent.write(power);
        let smooth = power_dbfs(self.recent.iter().sum::<f32>() / self.recent.len() as f32);
        self.current.min_dbfs = self.current.min_dbfs.min(smooth);
        self.current.max_dbfs = self.current.max_dbfs.max(smooth);
        self.current.power += power / SLOT as f32;
        self.blocks += 1;
        if self.blocks == SLOT {
            self.close_slot();
        }
        self.floor_dbfs = self.floor_dbfs.min(smooth + BIAS_DB);
        self.floor_dbfs
    }

    /// The floor in dBFS.
    pub fn floor_dbfs(&self) -> f32 {
        self.floor_dbfs
    }

    fn close_slot(&mut self) {
        if self.slots.is_full() {
            self.slots.pop_front();
        }
        let _ = self.slots.push_back(std::mem::replace(&mut self.current, Slot::EMPTY));
        self.blocks = 0;
        if let Some(steady_dbfs) = self.steady_dbfs() {
            self.floor_dbfs = steady_dbfs;
            // What was quieter before is another room.
            while self.slots.len() > STEADY_SLOTS {
                self.slots.pop_front();
            }
        } else if self.slots.len() >= STEADY_SLOTS {
            let quietest = self.slots.iter().map(|slot| slot.min_dbfs).fold(f32::MAX, f32::min);
            self.floor_dbfs = quietest + BIAS_DB;
        }
    }

    /// The level of the last 2 s, if they were even.
    fn steady_dbfs(&self) -> Option<f32> {
        let start = self.slots.len().checked_sub(STEADY_SLOTS)?;
        let (mut min, mut max, mut power) = (f32::MAX, f32::MIN, 0.0);
        for slot in self.slots.iter().skip(start) {
            min = min.min(slot.min_dbfs);
            max = max.max(slot.max_dbfs);
            power += slot.power;
        }
        (max - min <= STEADY_DB).then(|| power_dbfs(power / STEADY_SLOTS as f32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::from_db;

    /// Feeds blocks of these levels and returns the floor after each.
    fn floors(levels_dbfs: impl IntoIterator<Item = f32>) -> Vec<f32> {
        let mut floor = NoiseFloor::new();
        levels_dbfs.into_iter().map(|level| floor.process(from_db(level).powi(2))).collect()
    }

    fn level(level_dbfs: f32, blocks: usize) -> impl Iterator<Item = f32> {
        std::iter::repeat_n(level_dbfs, blocks)
    }

    #[test]
    fn the_first_sound_is_the_floor() {
        let floors = floors(level(-40.0, 3));
        assert!((floors[0] + 38.5).abs() < 0.1, "{floors:?}");
    }

    #[test]
    fn what_stays_even_for_two_seconds_is_noise() {
        let floors = floors(level(-60.0, 300).chain(level(-30.0, 300)));
        assert!((floors[299] + 60.0).abs() < 0.1);
        assert!(floors[300 + 190] < -58.0, "after 1.9 s: {}", floors[490]);
        assert!((floors[300 + 210] + 30.0).abs() < 0.2, "after 2.1 s: {}", floors[510]);
    }

    #[test]
    fn what_goes_up_and_down_raises_it_only_to_its_quietest_moment_of_12_seconds() {
        let words = (0..2_000).map(|n| if n / 10 % 4 == 3 { -45.0 } else { -25.0 });
        let floors = floors(level(-60.0, 300).chain(words));
        assert!(floors[300 + 1_150] < -58.0, "after 11.5 s: {}", floors[1_450]);
        assert!((floors[300 + 1_300] + 43.5).abs() < 1.0, "after 13 s: {}", floors[1_600]);
    }

    #[test]
    fn a_louder_room_once_learnt_is_not_forgotten_when_somebody_speaks_in_it() {
        let words = (0..300).map(|n| if n / 10 % 4 == 3 { -40.0 } else { -20.0 });
        let floors = floors(level(-60.0, 500).chain(level(-40.0, 250)).chain(words));
        assert!(floors[750..].iter().all(|floor| (floor + 40.0).abs() < 2.0), "{:?}", &floors[740..800]);
    }

    #[test]
    fn it_falls_at_once_but_not_for_a_single_lost_block() {
        let floors =
            floors(level(-40.0, 300).chain(level(-120.0, 2)).chain(level(-40.0, 10)).chain(level(-70.0, 6)));
        assert!(floors[311] > -41.5, "a lost block pulled it down to {}", floors[311]);
        assert!(floors[317] < -68.0, "60 ms after it became quiet: {}", floors[317]);
    }

    #[test]
    fn zeros_of_a_waking_card_are_no_floor_but_lasting_silence_is() {
        let mut woken = NoiseFloor::new();
        (0..15).for_each(|_| _ = woken.process(0.0));
        assert!((woken.process(1e-4) + 38.5).abs() < 0.1);
        let mut silent = NoiseFloor::new();
        (0..40).for_each(|_| _ = silent.process(0.0));
        assert!(silent.process(1e-4) < -100.0);
    }
}
