//! Notices that the echo takes another way than before, by trying it.
//!
//! An error that grows may be a person who speaks, or an echo path that has moved: somebody leans over the device. The
//! powers of the sounds do not tell the two apart, but learning does. So whenever much is left, a copy of the filter
//! that doubts all it knows learns beside it for a while. If the path has moved, the copy soon predicts the microphone
//! clearly better, and takes over. If somebody speaks, nothing in the far end explains it: the copy only gets worse,
//! and is dropped. (Two filters of which the better one counts: Ochiai, Araseki & Ogihara 1977.)
//!
//! Who took over by chance is found out in the same way: the filter of before learns on beside it, and comes back if it
//! was right.

use super::filter::{Filter, References};
use super::path::Pace;
use super::spectrum::{BINS, Bins, Fourier};
use crate::level::mean_square;
use crate::{Block, blocks_of_ms};

/// A rival is called for when the error, averaged over 50 ms, is above this share of the microphone: -13 dB.
const MUCH_LEFT: f32 = 0.05;
const WATCH: f32 = 0.2;
/// It doubts so much of the path's energy, and learns at this pace.
const DOUBT: f32 = 1.0;
const PACE: Pace = Pace { persistence: 0.998, trust: 0.25 };
/// Blocks of far end that a trial lasts, and the least that are compared.
const TRIAL: usize = blocks_of_ms(400);
const PROBATION: usize = blocks_of_ms(1_000);
const LEAST: usize = 4;
/// By so many dB a rival is better, in the sum over all bins and in the mean of the bins, so that neither one loud tone
/// nor many faint ones decide. At 2 and 1.5, a vowel over a vowel was sometimes taken for a room.
const LEAD_DB: [f32; 2] = [2.5, 2.0];
/// If less of the predicted echo than this is there, less of a lead will do, and the mean counts amplitudes: bins
/// between the harmonics of a voice, in which there is nothing but noise, must not hide it.
const ABSENT: f32 = 0.9;
const ABSENT_LEAD_DB: [f32; 2] = [1.5, 1.0];
/// And by so many one that comes back.
const BACK_DB: [f32; 2] = [1.0, 0.7];
/// Memory of the powers that are compared: 100 ms.
const KEPT: f32 = 0.9;
/// Below this a power is nothing: -100 dBFS in the unit of a bin.
const LEAST_POWER: f32 = 1e-7;
/// Bins that are compared: 200 Hz to 5 kHz.
const VOICE: std::ops::Range<usize> = 4..100;

/// Who the rival is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trial {
    None,
    /// A copy that doubts.
    Doubter,
    /// The filter of before.
    Former,
}

/// What a block decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The filter stays.
    Stays,
    /// The echo path has moved: the two have changed places.
    Moved,
    /// It had not: they have changed places again.
    Back,
}

/// A second filter, now and then.
#[derive(Clone, Debug)]
pub(super) struct Rival {
    filter: Filter,
    trial: Trial,
    /// Blocks of far end since it began.
    age: usize,
    /// Powers of microphone and error.
    heard: f32,
    left: f32,
    /// Powers of what the filter leaves and of what the rival leaves, per bin.
    ours: Bins,
    its: Bins,
}

impl Rival {
    pub(super) fn new(references: &References) -> Self {
        Self {
            filter: Filter::new(references),
            trial: Trial::None,
            age: 0,
            heard: 0.0,
            left: 0.0,
            ours: [0.0; BINS],
            its: [0.0; BINS],
        }
    }

    /// Judges the newest block: `filter` has learnt from it and left `error` of `mic`; `present`
    /// is the share of the predicted echo that is there. Unless it stays, `filter` and
    /// `error` are the rival's afterwards.
    pub(super) fn process(
        &mut self,
        filter: &mut Filter,
        references: &References,
        (mic, error): (&Block, &mut Block),
        loud: bool,
        present: f32,
        fourier: &mut Fourier,
    ) -> Verdict {
        self.heard += WATCH * (mean_square(mic) - self.heard);
        self.left += WATCH * (mean_square(error) - self.left);
        if self.trial == Trial::None {
            if loud && self.left > MUCH_LEFT * self.heard {
                self.filter.copy_from(filter);
                self.filter.doubt_path(DOUBT);
                self.begin(Trial::Doubter);
            }
            return Verdict::Stays;
        }
        let mut left = *error;
        let sounds = references.sounds();
        self.filter.predict(&sounds, mic, &mut left, fourier);
        self.filter.learn(&sounds, &left, PACE, fourier);
        if !loud {
            return Verdict::Stays;
        }
        self.age += 1;
        let leads = self.leads(filter, present);
        match self.trial {
            Trial::Doubter if leads => {
                self.change_places(filter, error, &left);
                self.begin(Trial::Former);
                Verdict::Moved
            }
            Trial::Former if leads => {
                self.change_places(filter, error, &left);
                self.rest();
                Verdict::Back
            }
            trial => {
                if self.age >= if trial == Trial::Doubter { TRIAL } else { PROBATION } {
                    self.rest();
                }
                Verdict::Stays
            }
        }
    }

    /// The filter of before, while it may still come back.
    pub(super) fn former(&self) -> Option<&Filter> {
        (self.trial == Trial::Former).then_some(&self.filter)
    }

    /// The filter of before was right: it comes back, and no trial goes on.
    pub(super) fn give_back(&mut self, filter: &mut Filter) {
        if self.trial == Trial::Former {
            std::mem::swap(filter, &mut self.filter);
        }
        self.rest();
    }

    /// No trial goes on: everything may have changed.
    pub(super) fn rest(&mut self) {
        self.trial = Trial::None;
    }

    fn begin(&mut self, trial: Trial) {
        self.trial = trial;
        self.age = 0;
        (self.ours, self.its) = ([0.0; BINS], [0.0; BINS]);
    }

    fn change_places(&mut self, filter: &mut Filter, error: &mut Block, left: &Block) {
        std::mem::swap(filter, &mut self.filter);
        *error = *left;
    }

    /// Compares the newest errors. `present` is the share of the predicted echo that is there.
    fn leads(&mut self, filter: &Filter, present: f32) -> bool {
        let (mut powers, mut roots, mut bels) = ([0.0; 2], [0.0; 2], 0.0);
        for k in VOICE {
            self.ours[k] = KEPT * self.ours[k] + filter.left[k];
            self.its[k] = KEPT * self.its[k] + self.filter.left[k];
            let (ours, its) = (self.ours[k] + LEAST_POWER, self.its[k] + LEAST_POWER);
            powers = [powers[0] + ours, powers[1] + its];
            roots = [roots[0] + ours.sqrt(), roots[1] + its.sqrt()];
            bels += (ours / its).log10();
        }
        let lead_db = 10.0 * (powers[0] / powers[1]).log10();
        let mean_db = 10.0 * bels / VOICE.len() as f32;
        let root_db = 20.0 * (roots[0] / roots[1]).log10();
        let clearly = |least: [f32; 2]| lead_db > least[0] && mean_db > least[1];
        self.age >= LEAST
            && match self.trial {
                Trial::Former => clearly(BACK_DB),
                _ if clearly(LEAD_DB) => true,
                _ => present < ABSENT && lead_db > ABSENT_LEAD_DB[0] && root_db > ABSENT_LEAD_DB[1],
            }
    }
}
