//! One source's sound by frame position of the card: what was put into the ring, kept so that it can be written
//! again, mixed with something new or faded out.

use pressel_dsp::Fade;

/// The last frames of one source, mono, at the card's rate. Outside of them it is silent.
pub(super) struct Track {
    ring: Box<[f32]>,
    start: u64,
    end: u64,
    /// Position of slot 0; moves when the sound does.
    origin: u64,
}

impl Track {
    /// Remembers at least the last `frames` frames.
    pub(super) fn new(frames: usize) -> Self {
        Track { ring: vec![0.0; frames.next_power_of_two()].into(), start: 0, end: 0, origin: 0 }
    }

    /// Where the next frame goes.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Goes on at `position`; what lies between is silence.
    pub(super) fn place(&mut self, position: u64) {
        if position >= self.end {
            self.start = position;
        }
        self.start = self.start.min(position);
        self.end = position;
    }

    /// Moves all of it later: the DAC was faster.
    pub(super) fn shift(&mut self, frames: u64) {
        self.start += frames;
        self.end += frames;
        self.origin += frames;
    }

    /// Adds frames at the end.
    pub(super) fn push(&mut self, samples: &[f32]) {
        for &sample in samples {
            let slot = self.slot(self.end);
            self.ring[slot] = sample;
            self.end += 1;
        }
        self.start = self.start.max(self.end.saturating_sub(self.ring.len() as u64));
    }

    /// As [`Track::push`], fading in over what lay there: frame `offset` of the fade is the first, and up to `old_end`
    /// something else had been there, which fades out.
    pub(super) fn push_over(&mut self, samples: &[f32], fade: &Fade, offset: usize, old_end: u64) {
        for (n, &sample) in (offset..).zip(samples) {
            let old =
                if self.end < old_end { self.ring[self.slot(self.end)] * fade.gain_out(n) } else { 0.0 };
            self.push(&[sample * fade.gain_in(n) + old]);
        }
    }

    /// Adds what sounds from `position` on to `out`.
    pub(super) fn add_to(&self, position: u64, out: &mut [f32]) {
        let from = position.max(self.start);
        let to = (position + out.len() as u64).min(self.end);
        for at in from..to {
            out[(at - position) as usize] += self.ring[self.slot(at)];
        }
    }

    /// Whether it sounds right before `position`, so that what follows there is heard as its continuation.
    pub(super) fn sounds_before(&self, position: u64) -> bool {
        self.start < position && position <= self.end
    }

    /// Fades out from `position`, and is silent from then until `until`, where it goes on if there is more. Of what
    /// has not begun to sound before `position` nothing is left, and without a fade neither.
    pub(super) fn cut(&mut self, position: u64, fade: Option<&Fade>, until: u64) {
        let until = until.min(self.end);
        let fade = fade.filter(|_| self.sounds_before(position));
        let fades = fade.map_or(0, |fade| fade.frames() as u64);
        for at in position.max(self.start)..until {
            let slot = self.slot(at);
            self.ring[slot] *= fade.map_or(0.0, |fade| fade.gain_out((at - position) as usize));
        }
        if until == self.end {
            self.truncate(position + fades);
        }
    }

    /// Forgets what sounds from `position` on.
    pub(super) fn truncate(&mut self, position: u64) {
        self.end = self.end.min(position.max(self.start));
    }

    fn slot(&self, position: u64) -> usize {
        // The length is a power of two: wrapping below the origin keeps the slots apart.
        position.wrapping_sub(self.origin) as usize & (self.ring.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(track: &Track, position: u64, frames: usize) -> Vec<f32> {
        let mut out = vec![0.0; frames];
        track.add_to(position, &mut out);
        out
    }

    #[test]
    fn sounds_where_it_was_placed_and_nowhere_else() {
        let mut track = Track::new(8);
        track.place(100);
        track.push(&[1.0, 2.0, 3.0]);
        assert_eq!(heard(&track, 98, 6), [0.0, 0.0, 1.0, 2.0, 3.0, 0.0]);
    }

    #[test]
    fn forgets_the_oldest_frames_only() {
        let mut track = Track::new(4);
        track.push(&[1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(heard(&track, 0, 6), [0.0, 2.0, 3.0, 4.0, 5.0, 0.0]);
    }

    #[test]
    fn placed_anew_it_forgets_what_lay_behind() {
        let mut track = Track::new(8);
        track.push(&[1.0, 2.0, 3.0, 4.0]);
        track.place(6);
        track.push(&[7.0]);
        assert_eq!(heard(&track, 0, 8), [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 7.0, 0.0]);
    }

    #[test]
    fn shifted_it_sounds_later_and_goes_on() {
        let mut track = Track::new(4);
        track.place(2);
        track.push(&[1.0, 2.0]);
        track.shift(3);
        track.push(&[3.0]);
        assert_eq!(heard(&track, 4, 5), [0.0, 1.0, 2.0, 3.0, 0.0]);
    }

    #[test]
    fn a_cut_fades_and_is_silent_after() {
        let mut track = Track::new(16);
        track.push(&[1.0; 12]);
        track.cut(4, Some(&Fade::new(4)), u64::MAX);
        let out = heard(&track, 0, 12);
        assert_eq!(out[..4], [1.0; 4]);
        assert!(out[4..8].windows(2).all(|pair| pair[0] > pair[1]) && out[4] < 1.0, "{out:?}");
        assert_eq!(out[8..], [0.0; 4]);
        assert_eq!(track.end(), 8);
    }

    #[test]
    fn of_what_has_not_begun_nothing_is_left() {
        for position in [3, 4] {
            let mut track = Track::new(16);
            track.place(4);
            track.push(&[1.0; 8]);
            track.cut(position, Some(&Fade::new(4)), u64::MAX);
            assert_eq!(heard(&track, 0, 16), [0.0; 16], "cut at {position}");
        }
    }

    #[test]
    fn a_cut_leaves_what_comes_after_it() {
        let mut track = Track::new(16);
        track.push(&[1.0; 12]);
        track.cut(2, Some(&Fade::new(2)), 8);
        let out = heard(&track, 0, 12);
        assert_eq!((&out[4..8], &out[8..]), (&[0.0; 4][..], &[1.0; 4][..]));
    }
}
