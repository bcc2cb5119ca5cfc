//! Notices that the echo comes earlier or later than before, and by how much.
//!
//! After a jump of the delay the room is the same: what the filter predicts is right, only not when. So while little of the
//! echo is taken off, the prediction is laid beside the microphone at every shift up to 100 ms either way. Where
//! it fits, moving the reference by so much mends all at once; learning the path anew takes half a second of sound.

use realfft::num_complex::Complex32;

use crate::fourier::Fourier;
use crate::level::mean_square;
use crate::{BLOCK, Block};

/// Samples of the microphone that are compared: 150 ms.
const MIC: usize = 2_400;
/// Furthest shift either way: 100 ms.
const FURTHEST: usize = 1_600;
/// Samples of the prediction, and of the transform: what is shifted beyond the end meets silence.
const ECHO: usize = MIC + FURTHEST;
const LEN: usize = ECHO + FURTHEST;
/// It looks while more than this share of the microphone is left over the last 150 ms: -5 dB.
const MUCH_LEFT: f32 = 0.3;
/// What a shift that is right leaves at most: -7 dB.
const FITS: f32 = 0.2;
/// Two looks in a row must agree to so many samples.
const SAME: isize = 1;
/// Less than 1 ms is no jump.
const LEAST: isize = 16;
/// At least so much of the microphone's energy must be where a shift can explain it.
const HEARD: f32 = 0.25;
/// Softer than this (-50 dBFS) there is nothing to compare.
const SOUNDS: f32 = 1e-5;

/// Compares what was predicted with what was heard, a piece of the work per block.
#[derive(Clone, Debug)]
pub(super) struct Shift {
    /// The newest samples last.
    mic: Box<[f32]>,
    echo: Box<[f32]>,
    /// The same as they were when the look began.
    seen_mic: Box<[f32]>,
    seen_echo: Box<[f32]>,
    fourier: Fourier,
    time: Box<[f32]>,
    mic_spectrum: Box<[Complex32]>,
    echo_spectrum: Box<[Complex32]>,
    work: Work,
    before: Option<isize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    Begin,
    Echo,
    Judge,
}

impl Shift {
    pub(super) fn new() -> Self {
        let spectrum = || vec![Complex32::default(); LEN / 2 + 1].into_boxed_slice();
        let zeros = |len| vec![0.0; len].into_boxed_slice();
        Self {
            mic: zeros(MIC),
            echo: zeros(ECHO),
            seen_mic: zeros(MIC),
            seen_echo: zeros(ECHO),
            fourier: Fourier::new(LEN),
            time: zeros(LEN),
            mic_spectrum: spectrum(),
            echo_spectrum: spectrum(),
            work: Work::Begin,
            before: None,
        }
    }

    /// Takes in the newest block: what was heard, and what the filter that knows the room predicted. Returns by how
    /// many samples the echo comes later than predicted, if it does: less than 0 is earlier.
    pub(super) fn process(&mut self, mic: &Block, echo: &Block) -> Option<i32> {
        for (line, block) in [(&mut self.mic, mic), (&mut self.echo, echo)] {
            line.copy_within(BLOCK.., 0);
            let newest = line.len() - BLOCK;
            line[newest..].copy_from_slice(block);
        }
        match self.work {
            Work::Begin if self.much_is_left() => {
                self.seen_mic.copy_from_slice(&self.mic);
                self.seen_echo.copy_from_slice(&self.echo);
                transform(&mut self.fourier, &self.seen_mic, &mut self.time, &mut self.mic_spectrum);
                self.work = Work::Echo;
            }
            Work::Begin => self.before = None,
            Work::Echo => {
                transform(&mut self.fourier, &self.seen_echo, &mut self.time, &mut self.echo_spectrum);
                self.work = Work::Judge;
            }
            Work::Judge => {
                self.work = Work::Begin;
                let found = self.judge();
                let before = std::mem::replace(&mut self.before, found);
                let again = found.filter(|found| before.is_some_and(|before| (before - found).abs() <= SAME));
                return again.map(|samples| samples as i32);
            }
        }
        None
    }

    /// The prediction is another one from now on.
    pub(super) fn start_over(&mut self) {
        self.echo.fill(0.0);
        self.mic.fill(0.0);
        self.work = Work::Begin;
        self.before = None;
    }

    fn much_is_left(&self) -> bool {
        let heard = mean_square(&self.mic);
        let both = self.mic.iter().zip(&self.echo[FURTHEST..]);
        let left: f32 = both.map(|(mic, echo)| (mic - echo) * (mic - echo)).sum();
        heard > SOUNDS && left > MUCH_LEFT * heard * MIC as f32
    }

    /// The shift at which least is left, if that is little.
    fn judge(&mut self) -> Option<isize> {
        for (mic, echo) in self.mic_spectrum.iter_mut().zip(&self.echo_spectrum) {
            *mic *= echo.conj();
        }
        self.fourier.inverse(&mut self.mic_spectrum, &mut self.time);
        let (mic, echo) = (&self.seen_mic, &self.seen_echo);
        let energy = |samples: &[f32]| samples.iter().map(|s| s * s).sum::<f32>();
        let all = energy(mic);
        let (mut heard, mut predicted) = (energy(&mic[..MIC - FURTHEST]), energy(&echo[2 * FURTHEST..]));
        let (mut best, mut least) = (0, 1.0);
        for later in -(FURTHEST as isize)..=FURTHEST as isize {
            // The microphone begins FURTHEST after the prediction.
            let lag = (later - FURTHEST as isize).rem_euclid(LEN as isize) as usize;
            let both = self.time[lag] / LEN as f32;
            let left = (heard + predicted - 2.0 * both) / heard.max(f32::MIN_POSITIVE);
            if heard > HEARD * all && left < least {
                (best, least) = (later, left);
            }
            // The next shift compares one sample more of the microphone, or drops the newest predicted one.
            let Some(first) = FURTHEST.checked_add_signed(-later - 1) else { break };
            predicted += echo[first] * echo[first];
            if later < 0 {
                let newest = mic[MIC.wrapping_add_signed(later)];
                heard += newest * newest;
            } else {
                let last = echo[first + MIC];
                predicted -= last * last;
            }
        }
        (least < FITS && best.abs() >= LEAST).then_some(best)
    }
}

/// Spectrum of `sound` and silence.
fn transform(fourier: &mut Fourier, sound: &[f32], time: &mut [f32], spectrum: &mut [Complex32]) {
    time[..sound.len()].copy_from_slice(sound);
    time[sound.len()..].fill(0.0);
    fourier.forward(time, spectrum);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synth::{at_level, pink, speech};

    /// When and where a jump is seen that comes after a second.
    fn seen(later: i32, near_dbfs: Option<f64>) -> Option<(usize, i32)> {
        let echo = at_level(speech(3, 48_000), -26.0);
        let noise = at_level(pink(4, echo.len()), -60.0);
        let near = at_level(speech(5, echo.len()), near_dbfs.unwrap_or(-120.0));
        let mut shift = Shift::new();
        let mut mic = [0.0; BLOCK];
        for n in 0..echo.len() / BLOCK {
            let by = if n < 100 { 0 } else { later };
            for (k, mic) in mic.iter_mut().enumerate() {
                let at = n * BLOCK + k;
                let from = (at as i32 - by) as usize;
                *mic = echo.get(from).copied().unwrap_or(0.0) + noise[at] + near[at];
            }
            let predicted = echo[n * BLOCK..(n + 1) * BLOCK].try_into().unwrap();
            if let Some(found) = shift.process(&mic, predicted) {
                return Some((n, found));
            }
        }
        None
    }

    #[test]
    fn a_jump_is_seen_within_a_quarter_of_a_second_either_way() {
        for later in [-1_500, -720, -100, -17, 17, 100, 720, 1_500] {
            let (block, found) = seen(later, None).expect("a jump is seen");
            assert_eq!(found, later);
            assert!((100..130).contains(&block), "{later}: block {block}");
        }
    }

    #[test]
    fn nobody_who_speaks_is_a_jump() {
        for near_dbfs in [-36.0, -26.0, -16.0] {
            assert_eq!(seen(0, Some(near_dbfs)), None, "{near_dbfs}");
        }
    }
}
