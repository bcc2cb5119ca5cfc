//! Finds the loudspeaker's resonance: the filter that knows it leaves less.
//!
//! Where a loudspeaker begins to play decides what it clips, and a reference bent in the wrong place explains little: 10
//! dB less is cancelled a step and a half off. So beside the filter another one learns whose loudspeaker resonates a
//! step higher or lower. If it leaves less over some seconds of far end alone, it takes over and the next step is
//! tried; once neither neighbour is better, nothing is tried for a while.

use super::filter::{Filter, References};
use super::heard::Heard;
use super::loudspeaker::Loudspeaker;
use super::path::Pace;
use super::spectrum::{BINS, Bins, Fourier};
use crate::level::mean_square;
use crate::{Block, blocks_of_ms};

/// Blocks until the other filter has learnt enough to be compared, and blocks that are compared.
const LEARNS: usize = blocks_of_ms(1_200);
const COMPARED: usize = blocks_of_ms(2_000);
/// Only blocks count in which at most this share of the microphone is left: nobody else speaks. -10 dB.
const ALONE: f32 = 0.1;
/// And in which the far end is above this: -60 dBFS.
const SOUNDS: f32 = 1e-6;
/// How much of the bent path's energy the other filter doubts, and of the straight one's.
const DOUBT: f32 = 0.5;
const DOUBT_STRAIGHT: f32 = 0.003;
/// By so many dB it has to be better. It starts as a copy that fits the other loudspeaker, which costs it about one.
const LEAD_DB: f32 = 0.25;
/// Blocks of far end before the first trial; after both neighbours were worse; and never more than that. 30 s, 10 min.
const FIRST_WAIT: usize = blocks_of_ms(1_500);
const WAIT: usize = blocks_of_ms(30_000);
const WAIT_MOST: usize = blocks_of_ms(600_000);
/// Bins that are compared, 200 Hz to 7 kHz: clipping adds high tones.
const BENT: std::ops::Range<usize> = 4..140;

/// A filter with another loudspeaker, now and then.
#[derive(Clone, Debug)]
pub(super) struct Fitting {
    filter: Filter,
    loudspeaker: Loudspeaker,
    bent: Heard,
    /// Blocks of far end since the trial began, and of them those that were compared; none goes on while it waits.
    age: usize,
    compared: usize,
    wait: usize,
    next_wait: usize,
    higher: bool,
    /// The other direction was worse.
    turned: bool,
    /// Amplitudes, summed up, of what the filter leaves and of what the other leaves, per bin.
    ours: Bins,
    its: Bins,
}

impl Fitting {
    pub(super) fn new(references: &References) -> Self {
        Self {
            filter: Filter::new(references),
            loudspeaker: Loudspeaker::new(),
            bent: Heard::new(references.bent.len()),
            age: 0,
            compared: 0,
            wait: FIRST_WAIT,
            next_wait: WAIT,
            higher: true,
            turned: false,
            ours: [0.0; BINS],
            its: [0.0; BINS],
        }
    }

    /// Judges the newest block: `filter` has learnt from it and left `error` of `mic`. `filter` and `references` may be
    /// the other ones afterwards.
    pub(super) fn process(
        &mut self,
        filter: &mut Filter,
        references: &mut References,
        (far, mic, error): (&Block, &Block, &Block),
        pace: Pace,
        fourier: &mut Fourier,
    ) {
        if self.wait > 0 {
            self.wait -= 1;
            if self.wait == 0 {
                self.begin(references);
            }
            return;
        }
        self.bent.hear(&self.loudspeaker.process(far), fourier);
        self.age += 1;
        if self.age == self.bent.len() {
            self.filter.copy_from(filter);
            self.filter.doubt_bend(DOUBT, DOUBT_STRAIGHT);
        }
        if self.age <= self.bent.len() {
            return;
        }
        let mut left = *error;
        let sounds = references.with(&self.bent);
        self.filter.predict(&sounds, mic, &mut left, fourier);
        self.filter.learn(&sounds, &left, pace, fourier);
        if self.age < LEARNS || mean_square(far) < SOUNDS || mean_square(error) > ALONE * mean_square(mic) {
            return;
        }
        for k in BENT {
            self.ours[k] += filter.left[k].sqrt();
            self.its[k] += self.filter.left[k].sqrt();
        }
        self.compared += 1;
        if self.compared >= COMPARED {
            self.decide(filter, references);
        }
    }

    /// The far end has been silent for longer than the tail.
    pub(super) fn rest(&mut self) {
        self.bent.silence();
    }

    /// Forgets which loudspeakers were tried.
    pub(super) fn reset(&mut self) {
        self.bent.silence();
        (self.wait, self.next_wait) = (FIRST_WAIT, WAIT);
        (self.higher, self.turned) = (true, false);
    }

    /// The filter has changed: what is being tried began from another.
    pub(super) fn start_over(&mut self) {
        if self.wait == 0 {
            self.wait = FIRST_WAIT;
        }
        self.wait = self.wait.max(FIRST_WAIT);
    }

    fn begin(&mut self, references: &References) {
        let beside = references.loudspeaker.beside(self.higher);
        let Some(loudspeaker) = beside else { return self.worse() };
        self.loudspeaker = loudspeaker;
        (self.age, self.compared) = (0, 0);
        (self.ours, self.its) = ([0.0; BINS], [0.0; BINS]);
    }

    fn decide(&mut self, filter: &mut Filter, references: &mut References) {
        let sum = |bins: &Bins| bins[BENT].iter().sum::<f32>().max(f32::MIN_POSITIVE);
        let lead_db = 20.0 * (sum(&self.ours) / sum(&self.its)).log10();
        if lead_db < LEAD_DB {
            return self.worse();
        }
        std::mem::swap(filter, &mut self.filter);
        std::mem::swap(&mut references.loudspeaker, &mut self.loudspeaker);
        std::mem::swap(&mut references.bent, &mut self.bent);
        // Where it came from is worse.
        self.turned = true;
        self.next_wait = WAIT;
        self.wait = 1;
    }

    fn worse(&mut self) {
        self.higher = !self.higher;
        self.wait = if self.turned { self.next_wait } else { 1 };
        if self.turned {
            self.next_wait = (2 * self.next_wait).min(WAIT_MOST);
        }
        self.turned = !self.turned;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synth::{at_level, pink, speech};
    use crate::{BLOCK, BLOCK_RATE, HighPass};

    /// What the resonance is taken for after 20 s with a loudspeaker that clips what is above `resonance_hz`.
    fn found_hz(resonance_hz: f32) -> f32 {
        let far = at_level(speech(1, 320_000), -15.0);
        let mut played = far.clone();
        HighPass::new(resonance_hz, BLOCK_RATE).process(&mut played);
        let mut mic = at_level(pink(2, far.len()), -70.0);
        for (n, sample) in mic.iter_mut().enumerate().skip(40) {
            *sample += 0.2 * (4.0 * played[n - 40]).tanh() + 0.05 * (4.0 * played[n - 31]).tanh();
        }
        let mut fourier = Fourier::new();
        let mut references = References::new(100);
        let (mut filter, mut fitting) = (Filter::new(&references), Fitting::new(&references));
        let pace = Pace { persistence: 0.9998, trust: 0.5 };
        let mut error = [0.0; BLOCK];
        for (n, (far, mic)) in far.chunks_exact(BLOCK).zip(mic.chunks_exact(BLOCK)).enumerate() {
            let (far, mic) = (far.try_into().unwrap(), mic.try_into().unwrap());
            references.hear(far, &mut fourier);
            filter.predict(&references.sounds(), mic, &mut error, &mut fourier);
            filter.learn(&references.sounds(), &error, pace, &mut fourier);
            if n > 200 {
                fitting.process(&mut filter, &mut references, (far, mic, &error), pace, &mut fourier);
            }
        }
        references.loudspeaker.resonance_hz()
    }

    #[test]
    fn a_loudspeaker_is_found_by_what_it_clips() {
        assert_eq!(found_hz(300.0), 300.0);
        assert!((160.0..=220.0).contains(&found_hz(185.0)), "{} for 185 Hz", found_hz(185.0));
        assert!((400.0..=540.0).contains(&found_hz(480.0)), "{} for 480 Hz", found_hz(480.0));
    }
}
