//! How loud it is, by frame position: what is taken back from the ring and written again is as loud as before.

use pressel_dsp::{Duck, DuckSettings, Volume};

/// The volume, and the duck over the answer. Each changes from a frame on; before it nothing is written any more.
pub(super) struct Loudness {
    duck: Duck,
    duck_from: u64,
    volume: Volume,
    volume_from: u64,
}

impl Loudness {
    /// From the first frame on as loud as that: a stream that stops while it is quiet begins with a first word.
    pub(super) fn new(percent: f32, duck_db: f32, rate_hz: u32) -> Self {
        let duck = Duck::new(DuckSettings { depth_db: duck_db, ..DuckSettings::default() }, rate_hz);
        Loudness { duck, duck_from: 0, volume: Volume::new(percent, rate_hz), volume_from: 0 }
    }

    /// Moves to a volume, beginning at `position`.
    pub(super) fn set_percent(&mut self, percent: f32, position: u64) {
        self.volume = self.volume_at(position);
        self.volume.set_percent(percent);
        self.volume_from = position;
    }

    /// Turns the answer down from `position` on, or back up.
    pub(super) fn set_ducked(&mut self, ducked: bool, position: u64) {
        self.duck = self.duck_at(position);
        self.duck.set(ducked);
        self.duck_from = position;
    }

    /// What is left of the answer's sound at `position`.
    pub(super) fn duck(&self, position: u64, answer: &mut [f32]) {
        self.duck_at(position).process(answer);
    }

    /// All sound at `position`, as loud as it is meant to be.
    pub(super) fn volume(&self, position: u64, samples: &mut [f32]) {
        self.volume_at(position).process(samples);
    }

    fn duck_at(&self, position: u64) -> Duck {
        let mut duck = self.duck;
        duck.skip(position.saturating_sub(self.duck_from) as usize);
        duck
    }

    fn volume_at(&self, position: u64) -> Volume {
        let mut volume = self.volume.clone();
        volume.skip(position.saturating_sub(self.volume_from) as usize);
        volume
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u32 = 48_000;

    fn ones(loudness: &Loudness, from: u64, to: u64, step: usize) -> Vec<f32> {
        let mut out = vec![1.0; (to - from) as usize];
        for (n, piece) in out.chunks_mut(step).enumerate() {
            loudness.duck(from + (n * step) as u64, piece);
            loudness.volume(from + (n * step) as u64, piece);
        }
        out
    }

    fn differ(a: &[f32], b: &[f32]) -> f32 {
        a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    }

    #[test]
    fn what_is_written_again_is_as_loud_as_before() {
        let mut loudness = Loudness::new(100.0, 15.0, RATE);
        loudness.set_percent(60.0, 1_000);
        loudness.set_ducked(true, 1_000);
        let once = ones(&loudness, 1_000, 10_000, 256);
        for from in [1_000, 1_003, 1_250, 1_500, 4_000] {
            let again = ones(&loudness, from, 10_000, 77);
            let differ = differ(&again, &once[from as usize - 1_000..]);
            assert!(differ < 1e-4, "from {from}: {differ}");
        }
    }

    #[test]
    fn a_change_goes_on_from_what_is_heard_there() {
        let mut loudness = Loudness::new(100.0, 15.0, RATE);
        loudness.set_ducked(true, 100);
        let mut heard = ones(&loudness, 100, 300, 100);
        loudness.set_ducked(false, 300);
        heard.extend(ones(&loudness, 300, 10_000, 100));
        assert!(heard[199] < 0.7, "{}", heard[199]);
        assert!(heard.windows(2).all(|pair| (pair[0] - pair[1]).abs() < 0.02), "no step");
        assert_eq!((heard[0], heard[9_899]), (1.0, 1.0));
    }

    #[test]
    fn a_first_sound_is_as_loud_as_ordered_from_its_first_frame() {
        for (percent, gain) in [(100.0, 1.0), (50.0, 0.125)] {
            let loudness = Loudness::new(percent, 15.0, RATE);
            assert!(ones(&loudness, 500, 1_500, 64).iter().all(|&sample| sample == gain), "{percent} %");
        }
    }
}
