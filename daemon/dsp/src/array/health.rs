//! Which channels can be trusted. Broken hardware does not say so: it delivers zeros, a constant, full scale, noise
//! from a rail or next to nothing, and an average with it is worse than one without.
//!
//! A channel is judged against its siblings, so that a muted card or a shout into all microphones condemns none.

use crate::level::{power_dbfs, sane};
use crate::no_sound::is_railed;
use crate::{BLOCK_MS, SILENCE_DBFS, blocks_of_ms};

/// Channels that are watched; a card with more has the rest taken as they are.
pub const CHANNELS_MAX: usize = 32;
/// Time without any change that makes a channel dead or stuck: a microphone's own noise moves the lowest bits.
const STILL_BLOCKS: u16 = blocks_of_ms(300) as u16;
/// Time over which other faults must show, and after which a channel without fault is taken back.
const SURE_BLOCKS: u16 = blocks_of_ms(1_000) as u16;
/// Share of clipped samples that makes a block clipped.
const CLIPPED_SHARE: f32 = 0.02;
/// A block that is at full scale for the most part counts as so many clipped ones: no shout does that for long.
const RAILED_COUNTS: u16 = 25;
/// A sample beyond this counts as clipped.
const CLIPPED: f32 = 0.99;
/// A channel this far from the middle of its siblings is broken, in dB: far beyond tolerances (3 dB) and what
/// a head or a hand in front of a microphone takes away (10 dB).
const APART_DB: f32 = 20.0;
/// It comes back when it is this near again.
const BACK_DB: f32 = 14.0;
/// Below this the siblings hear nothing that could be compared, in dBFS.
const HEARD_DBFS: f32 = -75.0;

/// What is wrong with a channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// Digital silence, while others hear something.
    Dead,
    /// A constant that is not zero.
    Stuck,
    /// At full scale, while others are not.
    Clipped,
    /// More than 20 dB below the others.
    Quiet,
    /// More than 20 dB above the others.
    Loud,
    /// Values that are no numbers.
    Nonsense,
}

impl Fault {
    /// One word for reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "fine",
            Self::Dead => "dead",
            Self::Stuck => "stuck",
            Self::Clipped => "clipped",
            Self::Quiet => "too quiet",
            Self::Loud => "too loud",
            Self::Nonsense => "not a number",
        }
    }
}

/// Watches the channels of a card.
#[derive(Clone, Debug)]
pub struct Health {
    channels: Box<[Channel]>,
    /// Scratch for the median.
    levels: [f32; CHANNELS_MAX],
}

#[derive(Clone, Copy, Debug)]
struct Channel {
    fault: Fault,
    /// Mean of the blocks' levels without their offset over half a second, in dBFS: a mean of levels forgets a bang
    /// sooner than one of powers.
    level_dbfs: f32,
    last: f32,
    /// Blocks without any change, or with a fault in a row.
    still: u16,
    clipped: u16,
    apart: u16,
    nonsense: u16,
    /// It has just begun to move again.
    woke: bool,
    /// Blocks without fault since one was found.
    fine: u16,
}

impl Channel {
    const NEW: Self = Self {
        fault: Fault::None,
        level_dbfs: SILENCE_DBFS,
        last: 0.0,
        still: 0,
        clipped: 0,
        apart: 0,
        nonsense: 0,
        woke: false,
        fine: 0,
    };
}

/// What a block of one channel looks like.
struct Look {
    min: f32,
    max: f32,
    power: f32,
    clipped: bool,
    railed: bool,
    nonsense: bool,
}

impl Health {
    /// Takes every channel for healthy at first.
    pub fn new(channels: usize) -> Self {
        Self {
            channels: vec![Channel::NEW; channels.min(CHANNELS_MAX)].into_boxed_slice(),
            levels: [0.0; CHANNELS_MAX],
        }
    }

    /// Judges 10 ms of interleaved frames of `width` samples; only channels with a bit in `siblings` are compared
    /// with each other and can lose their place. Returns those of them that can be trusted, as bits.
    pub fn process(&mut self, frames: &[f32], width: usize, siblings: u32) -> u32 {
        let mut alive = 0;
        let mut clipping = 0u32;
        for (n, channel) in self.channels.iter_mut().enumerate() {
            if siblings >> n & 1 == 0 {
                continue;
            }
            let look = look(frames, width, n);
            channel.take(&look);
            alive += u32::from(channel.still < STILL_BLOCKS);
            clipping += u32::from(look.clipped);
        }
        let count = siblings.count_ones();
        if count < 2 {
            return siblings;
        }
        let middle_dbfs = self.middle_dbfs(siblings);
        let mut trusted = siblings;
        for (n, channel) in self.channels.iter_mut().enumerate() {
            if siblings >> n & 1 == 0 {
                continue;
            }
            channel.judge(middle_dbfs, alive > 0, 2 * clipping <= count);
            if channel.fault != Fault::None {
                trusted &= !(1 << n);
            }
        }
        // Nobody left is no better than everybody.
        if trusted == 0 { siblings } else { trusted }
    }

    /// What is wrong with a channel.
    pub fn fault(&self, channel: usize) -> Fault {
        self.channels.get(channel).map_or(Fault::None, |channel| channel.fault)
    }

    /// Level of a channel over the last half second, without its offset, in dBFS.
    pub fn level_dbfs(&self, channel: usize) -> f32 {
        self.channels.get(channel).map_or(SILENCE_DBFS, |channel| channel.level_dbfs)
    }

    /// Takes every channel for healthy again.
    pub fn reset(&mut self) {
        self.channels.fill(Channel::NEW);
    }

    /// Median of the levels of those that hear anything; silence if none does.
    fn middle_dbfs(&mut self, siblings: u32) -> f32 {
        let mut count = 0;
        for (n, channel) in self.channels.iter().enumerate() {
            if siblings >> n & 1 == 1 && channel.still < STILL_BLOCKS && channel.nonsense == 0 {
                self.levels[count] = channel.level_dbfs;
                count += 1;
            }
        }
        if count < 2 {
            return SILENCE_DBFS;
        }
        let levels = &mut self.levels[..count];
        levels.sort_unstable_by(f32::total_cmp);
        // of two, the quieter one: a second one that is much louder is then the broken one, or the first is far off
        levels[(count - 1) / 2]
    }
}

impl Channel {
    fn take(&mut self, look: &Look) {
        let constant = look.min == look.max && look.max == self.last;
        self.last = look.max;
        self.woke = self.still >= STILL_BLOCKS && !constant;
        self.still = if constant { self.still.saturating_add(1) } else { 0 };
        self.clipped = match (look.railed, look.clipped) {
            (true, _) => (self.clipped + RAILED_COUNTS).min(SURE_BLOCKS),
            (_, true) => (self.clipped + 2).min(SURE_BLOCKS),
            _ => self.clipped.saturating_sub(1),
        };
        self.nonsense = if look.nonsense { SURE_BLOCKS } else { self.nonsense.saturating_sub(1) };
        let share = BLOCK_MS as f32 / 500.0;
        self.level_dbfs += (power_dbfs(look.power) - self.level_dbfs) * share;
    }

    fn judge(&mut self, middle_dbfs: f32, others_alive: bool, others_unclipped: bool) {
        if self.woke {
            // Its level of the last second says nothing; only what follows does.
            self.level_dbfs = middle_dbfs;
        }
        let apart_db = self.level_dbfs - middle_dbfs;
        let bound_db = if matches!(self.fault, Fault::Quiet | Fault::Loud) { BACK_DB } else { APART_DB };
        let apart = middle_dbfs > HEARD_DBFS && apart_db.abs() > bound_db;
        self.apart = if apart { (self.apart + 1).min(SURE_BLOCKS) } else { 0 };
        let now = if self.nonsense > 0 {
            Fault::Nonsense
        } else if self.still >= STILL_BLOCKS {
            if self.last != 0.0 {
                Fault::Stuck
            } else if others_alive {
                Fault::Dead
            } else {
                Fault::None
            }
        } else if self.clipped >= SURE_BLOCKS && others_unclipped {
            Fault::Clipped
        } else if self.apart >= SURE_BLOCKS {
            if apart_db < 0.0 { Fault::Quiet } else { Fault::Loud }
        } else {
            Fault::None
        };
        if now != Fault::None {
            self.fault = now;
            self.fine = 0;
        } else if self.fault != Fault::None {
            // Not while it is still moving away from its siblings, or starts to clip again.
            self.fine = if self.apart > 0 || self.still > 0 { 0 } else { self.fine + 1 };
            if self.fine >= SURE_BLOCKS {
                self.fault = Fault::None;
            }
        }
    }
}

fn look(frames: &[f32], width: usize, channel: usize) -> Look {
    let mut look =
        Look { min: f32::MAX, max: f32::MIN, power: 0.0, clipped: false, railed: false, nonsense: false };
    let (mut sum, mut squares, mut clipped, mut count) = (0.0f32, 0.0f32, 0u32, 0u32);
    for &sample in frames.iter().skip(channel).step_by(width) {
        look.nonsense |= !sample.is_finite();
        let x = sane(sample);
        look.min = look.min.min(x);
        look.max = look.max.max(x);
        sum += x;
        squares += x * x;
        clipped += u32::from(x.abs() >= CLIPPED);
        count += 1;
    }
    look.railed = is_railed(clipped, count);
    let count = count.max(1) as f32;
    let mean = sum / count;
    look.power = (squares / count - mean * mean).max(0.0);
    look.clipped = clipped as f32 > CLIPPED_SHARE * count;
    look
}
