//! The limiter in front of the card, by frame position: sound that is taken back and written again is limited as it
//! was, because the limiter goes back to what it knew there.

use pressel_dsp::Limiter;

use super::player::PIECE;

/// Pieces back to which it can go: more than a ring of a second at 48 kHz holds.
const SAVED: usize = 256;

/// A limiter that can be taken back.
pub(super) struct Limit {
    limiter: Limiter,
    /// The frame after the last that was limited.
    next: u64,
    /// What the limiter knew before the frame; of the newest pieces, in no order.
    saved: Box<[(u64, Limiter)]>,
    newest: usize,
}

impl Limit {
    pub(super) fn new(ceiling_dbfs: f32, rate_hz: u32, position: u64) -> Self {
        let limiter = Limiter::new(ceiling_dbfs, rate_hz);
        let saved = vec![(u64::MAX, limiter.clone()); SAVED].into();
        Limit { limiter, next: position, saved, newest: 0 }
    }

    /// Limits at most [`PIECE`] samples from frame `position` on. `mix` fills in what is in front of the limiter from
    /// a frame on: needed between a place it knows and the one it is taken back to.
    pub(super) fn process(&mut self, position: u64, samples: &mut [f32], mix: impl FnOnce(u64, &mut [f32])) {
        if position < self.next {
            self.go_back(position, mix);
        } else if position > self.next {
            self.limiter.reset(); // after a silence
        }
        self.newest = (self.newest + 1) % SAVED;
        self.saved[self.newest] = (position, self.limiter.clone());
        self.limiter.process(samples);
        self.next = position + samples.len() as u64;
    }

    fn go_back(&mut self, position: u64, mix: impl FnOnce(u64, &mut [f32])) {
        self.limiter.reset();
        let known = self.saved.iter().filter(|(at, _)| *at <= position).max_by_key(|(at, _)| *at);
        if let Some((at, limiter)) = known.filter(|(at, _)| position - at <= PIECE as u64) {
            self.limiter.clone_from(limiter);
            let mut between = [0.0; PIECE];
            let between = &mut between[..(position - at) as usize];
            mix(*at, between);
            self.limiter.process(between);
        }
        // What comes after is not true any more.
        self.saved.iter_mut().filter(|(at, _)| *at >= position).for_each(|(at, _)| *at = u64::MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u32 = 48_000;

    /// A sound with peaks far beyond the ceiling, by frame position.
    fn mix(position: u64, out: &mut [f32]) {
        for (at, out) in (position..).zip(out) {
            let burst = if at / 3_000 % 2 == 0 { 1.6 } else { 0.4 };
            *out = burst * (at as f32 * 0.05).sin();
        }
    }

    fn limited(limit: &mut Limit, from: u64, to: u64, step: u64) -> Vec<f32> {
        let mut heard = Vec::new();
        let mut at = from;
        while at < to {
            let mut piece = vec![0.0; step.min(to - at) as usize];
            mix(at, &mut piece);
            limit.process(at, &mut piece, mix);
            at += piece.len() as u64;
            heard.extend(piece);
        }
        heard
    }

    #[test]
    fn what_is_taken_back_and_written_again_is_limited_as_before() {
        let mut limit = Limit::new(-3.0, RATE, 0);
        let once = limited(&mut limit, 0, 20_000, 256);
        assert!(once.iter().all(|sample| sample.abs() <= 0.708));
        for from in [19_999, 18_000, 12_345, 12_100, 12_100, 11_000, 10_752] {
            assert_eq!(limited(&mut limit, from, 20_000, 251), once[from as usize..], "from {from}");
        }
    }

    #[test]
    fn beyond_what_it_remembers_it_begins_anew_and_after_a_silence_too() {
        let mut limit = Limit::new(-3.0, RATE, 0);
        limited(&mut limit, 0, 100_000, 256);
        assert!(limited(&mut limit, 3, 2_000, 256).iter().all(|sample| sample.abs() <= 0.708));
        limited(&mut limit, 2_000, 3_000, 256);
        let mut quiet = [0.5; 10];
        limit.process(9_000, &mut quiet, |_, _| unreachable!("nothing is between"));
        assert_eq!(quiet, [0.5; 10]);
    }

    #[test]
    fn below_the_ceiling_every_bit_stays() {
        let mut limit = Limit::new(0.0, RATE, 0);
        let mut samples: Vec<f32> = (0..256).map(|n| n as f32 / 256.0).collect();
        let before = samples.clone();
        limit.process(0, &mut samples, mix);
        assert_eq!(samples, before);
    }
}
