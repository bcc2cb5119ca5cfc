//! The engine: filter, suppressor and the watch over both.

use super::filter::{Filter, References};
use super::fitting::Fitting;
use super::path::Pace;
use super::presence::Presence;
use super::rival::{Rival, Verdict};
use super::shaper::{OverlapAdd, Shaper};
use super::shift::Shift;
use super::spectrum::Fourier;
use super::suppressor::Suppressor;
use super::{EchoCanceller, EchoReading, EchoSettings};
use crate::level::{mean_square, power_dbfs, sane};
use crate::{BLOCK_MS, Block, blocks_of_ms};

/// Below this a block of the far end is silence: -90 dBFS.
const FAR_SILENCE: f32 = 1e-9;
/// How much of the echo path stays itself in 10 ms when the reference keeps step with the microphone, and when not.
const STEADY: f32 = 0.9998;
const SLIDING: f32 = 0.998;
/// How much surer each block makes the filter when the path is new, and when it is known. Eager, an echo is 20 dB less
/// after a second instead of five; settled, a person who speaks over it suffers less.
const EAGER: f32 = 0.25;
const SETTLED: f32 = 0.5;
const EAGER_BLOCKS: usize = blocks_of_ms(3_000);
/// The same for a path that was found to have moved, which most of the learning went before: longer, and who speaks
/// over it suffers.
const MOVED_BLOCKS: usize = blocks_of_ms(1_000);
/// The same where the path is the same and only came at another time: less than a sample is to be learnt.
const SHIFTED_BLOCKS: usize = blocks_of_ms(100);
/// After the echo path moved, what is left of the echo may sound like a person for so long.
const UNSETTLED_BLOCKS: usize = blocks_of_ms(700);
/// Share of the path's energy by which each block of it may be wrong after a jump.
const REALIGNED: f32 = 2.0;
/// Share of the newest block in powers that are watched: 200 ms.
const WATCH: f32 = 0.05;

/// Kalman filter over loudspeaker and room, and a suppressor for what it leaves.
#[derive(Clone, Debug)]
pub struct Kalman {
    fourier: Fourier,
    references: References,
    filter: Filter,
    rival: Rival,
    shift: Shift,
    presence: Presence,
    fitting: Fitting,
    suppressor: Option<Suppressor>,
    shaper: Shaper,
    /// In its place where a block of delay is allowed.
    overlap: Option<OverlapAdd>,
    pace: Pace,
    /// Blocks of far end for which it still learns eagerly.
    eager: usize,
    /// It has learnt the room once: what it loses after that is told.
    settled: bool,
    /// Blocks of far end for which what is left may sound like a person.
    unsettled: usize,
    /// Blocks until the tail of the far end has died away; 0 is rest.
    awake: usize,
    tail_blocks: usize,
    /// Powers of microphone and error, while far end sounds.
    mic_power: f32,
    error_power: f32,
    /// The same for microphone and output while only the far end speaks, over seconds.
    heard: f32,
    left: f32,
    echo_power: f32,
    /// Scale of the last sample out; below 1 where the output would be louder than the microphone.
    scale: f32,
}

impl Kalman {
    /// Builds the engine with all its memory.
    pub fn new(settings: EchoSettings) -> Self {
        let tail_ms = settings.tail_ms.clamp(100, 500);
        let references = References::new(tail_ms);
        Self {
            fourier: Fourier::new(),
            filter: Filter::new(&references),
            rival: Rival::new(&references),
            shift: Shift::new(),
            presence: Presence::new(),
            fitting: Fitting::new(&references),
            references,
            suppressor: settings.suppress.then(Suppressor::new),
            shaper: Shaper::new(),
            overlap: (settings.suppress && settings.suppress_delay_ms > 0).then(OverlapAdd::new),
            pace: Pace { persistence: STEADY, trust: SETTLED },
            eager: EAGER_BLOCKS,
            settled: false,
            unsettled: 0,
            awake: 0,
            // what the suppressor holds on to comes after the tail
            tail_blocks: blocks_of_ms(tail_ms) + blocks_of_ms(200),
            mic_power: 0.0,
            error_power: 0.0,
            heard: 0.0,
            left: 0.0,
            echo_power: 0.0,
            scale: 1.0,
        }
    }

    /// Heals a filter that has made things worse.
    fn watch(&mut self, mic: &Block, error: &Block) {
        self.mic_power += WATCH * (mean_square(mic) - self.mic_power);
        self.error_power += WATCH * (mean_square(error) - self.error_power);
        if self.error_power > 1.5 * self.mic_power + FAR_SILENCE {
            self.filter.forget();
            self.eager = EAGER_BLOCKS;
            if self.settled {
                // What comes through until the room is learnt again may sound like a person.
                self.unsettled = UNSETTLED_BLOCKS;
            }
            self.error_power = self.mic_power;
        }
    }

    /// Nothing is taken off.
    fn pass(&mut self, mic: &Block, out: &mut Block) {
        *out = mic.map(sane);
        if let Some(suppressor) = &mut self.suppressor {
            suppressor.rest(out);
            if let Some(overlap) = &mut self.overlap {
                overlap.microphone(out);
                overlap.rest(&suppressor.window, out);
            }
        }
        self.shaper.rest(out);
        self.scale = 1.0;
    }

    /// The far end has been silent for longer than the tail.
    fn fall_silent(&mut self) {
        self.references.silence();
        self.filter.silence();
        self.rival.rest();
        self.shift.start_over();
        self.fitting.rest();
    }

    fn erle_db(&self) -> f32 {
        if self.left > 0.0 { power_dbfs(self.heard) - power_dbfs(self.left) } else { 0.0 }
    }

    /// Never louder than the microphone.
    fn limit(&mut self, mic: &Block, out: &mut Block) {
        let (mic, loud) = (mean_square(mic), mean_square(out));
        let scale = if loud > mic { (mic / loud).sqrt() } else { 1.0 };
        if scale < 1.0 || self.scale < 1.0 {
            // Down at once, up with a ramp: never above what was asked.
            let from = self.scale.min(scale);
            for (n, sample) in out.iter_mut().enumerate() {
                *sample *= from + (scale - from) * ((n + 1) as f32 / 40.0).min(1.0);
            }
        }
        self.scale = scale;
    }
}

impl EchoCanceller for Kalman {
    fn process(&mut self, far: &Block, mic: &Block, out: &mut Block) -> EchoReading {
        let loud = mean_square(far) > FAR_SILENCE;
        if loud {
            self.awake = self.tail_blocks;
        }
        if self.awake == 0 {
            self.pass(mic, out);
            return EchoReading { erle_db: self.erle_db(), ..EchoReading::REST };
        }
        self.awake -= 1;
        let (far, mut mic) = (far.map(sane), mic.map(sane));
        self.references.hear(&far, &mut self.fourier);
        self.filter.predict(&self.references.sounds(), &mic, out, &mut self.fourier);
        self.watch(&mic, out);
        self.eager -= usize::from(loud && self.eager > 0);
        self.settled |= self.eager == 0;
        self.unsettled -= usize::from(loud && self.unsettled > 0);
        let trust = if self.eager > 0 { EAGER } else { SETTLED };
        let pace = Pace { trust, ..self.pace };
        self.filter.learn(&self.references.sounds(), out, pace, &mut self.fourier);
        self.presence.process(&self.filter.echo, &self.filter.error, &mut self.fourier);
        if self.eager > 0 {
            self.fitting.start_over();
        } else {
            let newest = (&far, &mic, &*out);
            self.fitting.process(&mut self.filter, &mut self.references, newest, pace, &mut self.fourier);
        }
        let (sound, present) = ((&mic, &mut *out), self.presence.share);
        let filter = &mut self.filter;
        match self.rival.process(filter, &self.references, sound, loud, present, &mut self.fourier) {
            Verdict::Stays => {}
            Verdict::Moved => {
                self.eager = MOVED_BLOCKS;
                self.unsettled = UNSETTLED_BLOCKS;
                self.presence.believe();
            }
            Verdict::Back => {
                self.eager = 0;
                self.fitting.start_over();
            }
        }
        // A filter that has just begun predicts nothing that could be shifted; the one of before did.
        let settled = self.rival.former().or((self.eager == 0).then_some(&self.filter));
        let later = settled.and_then(|filter| self.shift.process(&mic, &filter.echo));
        let mut near_end = 1.0;
        let mut residual_dbfs = crate::SILENCE_DBFS;
        if let Some(suppressor) = &mut self.suppressor {
            suppressor.process(out, &self.filter.echo, &self.filter.doubt, &mut self.fourier);
            match &mut self.overlap {
                None => self.shaper.process(&suppressor.gains, &mut self.fourier, out),
                Some(overlap) => {
                    overlap.process(&suppressor.error, &suppressor.gains, &mut self.fourier, out);
                    mic = overlap.microphone(&mic);
                }
            }
            near_end = suppressor.near_end;
            residual_dbfs = power_dbfs(suppressor.residual_power);
        }
        self.limit(&mic, out);
        self.echo_power += 0.2 * (mean_square(&self.filter.echo) - self.echo_power);
        if loud && near_end < 0.2 {
            self.heard += 0.01 * (mean_square(&mic) - self.heard);
            self.left += 0.01 * (mean_square(out) - self.left);
        }
        if self.awake == 0 {
            self.fall_silent();
        }
        EchoReading {
            active: true,
            erle_db: self.erle_db(),
            echo_dbfs: power_dbfs(self.echo_power),
            residual_dbfs,
            near_end,
            explained: self.presence.share,
            unsettled: self.unsettled > 0,
            later: later.unwrap_or(0),
        }
    }

    fn skip(&mut self, far: &Block, mic: &Block, out: &mut Block) -> EchoReading {
        if mean_square(far) > FAR_SILENCE {
            self.awake = self.tail_blocks;
        }
        let active = self.awake > 0;
        if active {
            self.awake -= 1;
            self.references.hear(&far.map(sane), &mut self.fourier);
            // What they compare is broken off.
            self.rival.rest();
            self.shift.start_over();
            if self.awake == 0 {
                self.fall_silent();
            }
        }
        self.pass(mic, out);
        let (erle_db, explained) = (self.erle_db(), self.presence.share);
        EchoReading { active, erle_db, explained, near_end: 0.0, ..EchoReading::REST }
    }

    fn delay_ms(&self) -> f32 {
        if self.overlap.is_some() { BLOCK_MS as f32 } else { 0.0 }
    }

    fn realign(&mut self) {
        self.filter.doubt_path(REALIGNED);
        self.rival.rest();
        self.shift.start_over();
        self.eager = EAGER_BLOCKS;
        self.unsettled = UNSETTLED_BLOCKS;
    }

    fn rehear(&mut self, past: &mut dyn FnMut(usize, &mut Block)) {
        self.rival.give_back(&mut self.filter);
        self.references.rehear(past, &mut self.fourier);
        self.shift.start_over();
        self.presence.believe();
        self.fitting.start_over();
        self.eager = SHIFTED_BLOCKS;
        self.unsettled = UNSETTLED_BLOCKS;
    }

    fn steady(&mut self, steady: bool) {
        self.pace.persistence = if steady { STEADY } else { SLIDING };
    }

    fn reset(&mut self) {
        self.references.reset();
        self.filter.reset();
        self.rival.rest();
        self.shift.start_over();
        self.presence = Presence::new();
        self.fitting.reset();
        (self.settled, self.unsettled) = (false, 0);
        if let Some(suppressor) = &mut self.suppressor {
            *suppressor = Suppressor::new();
        }
        self.shaper = Shaper::new();
        self.overlap = self.overlap.as_ref().map(|_| OverlapAdd::new());
        self.pace.persistence = STEADY;
        self.eager = EAGER_BLOCKS;
        self.awake = 0;
        (self.mic_power, self.error_power) = (0.0, 0.0);
        (self.heard, self.left, self.echo_power) = (0.0, 0.0, 0.0);
        self.scale = 1.0;
    }
}

#[cfg(test)]
mod tests;
