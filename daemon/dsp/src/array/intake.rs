//! From the card's channels to one: which can be trusted, what they are, and how they become a block.

use super::beam::{Beam, Look, azimuth_deg};
use super::direction::Direction;
use super::{ArrayReading, ArraySettings, Fault, Geometry, Health, PlaybackLoop, Scout};
use crate::level::{mean_square, power_dbfs};
use crate::no_sound::{is_broken, is_still};
use crate::rumble::Rumble;
use crate::{BLOCK, BLOCK_RATE, Block, Downmix, HighPass, RateError, Resampler, blocks_of_ms};

/// Above this the loudspeaker sounds, in dBFS; below the other one it is silent.
const SOUNDS_DBFS: f32 = -60.0;
const SILENT_DBFS: f32 = -80.0;
/// What the room keeps of the loudspeaker's sound, and what a delay may hide of it: no speech is learnt that long.
const HOLD_BLOCKS: usize = blocks_of_ms(400);
/// What no microphone hears rings on in the filters before the canceller for so long.
const DEAF_BLOCKS: usize = blocks_of_ms(50);
/// The scout looks at one block of so many, and gives up after so many blocks: an hour.
const SCOUT_EVERY: u32 = 10;
const SCOUT_BLOCKS: u32 = 360_000;
/// A loop that is silent this long while the device plays is not wired.
const UNWIRED_BLOCKS: u32 = blocks_of_ms(1_000) as u32;

/// First stage of the capture path: interleaved frames in, one block of 16 kHz mono out.
#[derive(Clone, Debug)]
pub(crate) struct Intake {
    width: usize,
    /// Channels of the microphones, as bits.
    microphones: u32,
    health: Option<Health>,
    scout: Option<Scout>,
    blocks: u32,
    mixed: Mixed,
    steered: Option<Steered>,
    playback_loop: Option<Loop>,
    hold_blocks: usize,
    /// Blocks until sound can be trusted again: one was no sound of any microphone, or nobody knows what the speaker played.
    deaf_blocks: usize,
    reading: ArrayReading,
    /// The next block is the first one, or the first after a loss.
    fresh: bool,
}

/// Channels picked or averaged.
#[derive(Clone, Debug)]
struct Mixed {
    downmix: Downmix,
    /// 10 ms of one channel at the card's rate.
    mono: Box<[f32]>,
    resample: Resampler,
    high_pass: HighPass,
    rumble: Rumble,
}

/// Channels kept apart until the beam.
#[derive(Clone, Debug)]
struct Steered {
    channels: Box<[usize]>,
    resample: Box<[Resampler]>,
    high_pass: Box<[HighPass]>,
    rumble: Rumble,
    /// 10 ms of one channel at the card's rate.
    line: Box<[f32]>,
    blocks: Box<[Block]>,
    direction: Direction,
    beam: Beam,
}

/// The card's own record of what it plays.
#[derive(Clone, Debug)]
struct Loop {
    /// Not found yet.
    channel: Option<usize>,
    line: Box<[f32]>,
    resample: Resampler,
    /// It sounded, and has not been silent since while the device played.
    wired: bool,
    silent_blocks: u32,
}

impl Intake {
    /// `use_channels` are checked already; empty means that they are found.
    pub(crate) fn new(
        rate_hz: u32,
        width: usize,
        use_channels: &[u32],
        high_pass_hz: f32,
        settings: &ArraySettings,
    ) -> Result<Self, RateError> {
        let layout = settings.geometry.layout(width as u32);
        let channels: Vec<usize> = match (use_channels, &settings.geometry) {
            ([], _) => layout.microphones.iter().map(|&c| c as usize).collect(),
            (chosen, _) => chosen.iter().map(|&c| c as usize).collect(),
        };
        let positions_m = settings.geometry.positions_m();
        let resample = Resampler::new(rate_hz, BLOCK_RATE)?;
        let high_pass = HighPass::new(high_pass_hz, BLOCK_RATE);
        let line = vec![0.0; rate_hz as usize / 100].into_boxed_slice();
        let steered = (positions_m.len() == channels.len() && channels.len() > 1).then(|| Steered {
            channels: channels.clone().into_boxed_slice(),
            resample: vec![resample.clone(); channels.len()].into_boxed_slice(),
            high_pass: vec![high_pass.clone(); channels.len()].into_boxed_slice(),
            rumble: Rumble::new(),
            line: line.clone(),
            blocks: vec![[0.0; BLOCK]; channels.len()].into_boxed_slice(),
            direction: Direction::new(&positions_m),
            beam: Beam::new(&positions_m),
        });
        let find =
            settings.watch && use_channels.is_empty() && settings.geometry == Geometry::Unknown && width > 2;
        let find = find && settings.playback_loop == PlaybackLoop::Find;
        let known = match settings.playback_loop {
            PlaybackLoop::None => None,
            PlaybackLoop::Find => layout.playback_loop.filter(|_| use_channels.is_empty()),
            PlaybackLoop::Channel(channel) => Some(channel).filter(|&channel| (channel as usize) < width),
        };
        let playback_loop = (find || known.is_some()).then(|| Loop {
            channel: known.map(|channel| channel as usize),
            line: line.clone(),
            resample: resample.clone(),
            wired: false,
            silent_blocks: 0,
        });
        let microphones = bits(&channels);
        Ok(Self {
            width,
            microphones,
            health: (settings.watch && width > 1).then(|| Health::new(width)),
            scout: find.then(|| Scout::new(width, rate_hz)),
            blocks: 0,
            mixed: Mixed {
                downmix: Downmix::new(width, &channels),
                mono: line,
                resample,
                high_pass,
                rumble: Rumble::new(),
            },
            steered,
            playback_loop,
            hold_blocks: 0,
            deaf_blocks: 0,
            reading: ArrayReading { present: microphones, ..ArrayReading::default() },
            fresh: true,
        })
    }

    /// Makes a block. `far` is what the device plays; where the card has a loop that sounds, it takes its place.
    pub(crate) fn process(&mut self, frames: &[f32], far: &mut Block, out: &mut Block) -> ArrayReading {
        self.look_for_loop(frames);
        let present = match &mut self.health {
            Some(health) => health.process(frames, self.width, self.microphones),
            None => self.microphones,
        };
        if let Some(playback_loop) = &mut self.playback_loop {
            playback_loop.process(frames, self.width, far);
        }
        let lost = is_broken(far.iter().copied());
        if lost {
            far.fill(0.0);
        }
        self.deaf_blocks = match lost || self.hears_nothing(frames, present) {
            true => DEAF_BLOCKS,
            false => self.deaf_blocks.saturating_sub(1),
        };
        self.hold_blocks = match lost || power_dbfs(mean_square(far)) > SOUNDS_DBFS {
            true => HOLD_BLOCKS,
            false => self.hold_blocks.saturating_sub(1),
        };
        let fresh = std::mem::take(&mut self.fresh);
        let before = self.reading.direction_deg;
        self.reading.present = present;
        if let Some(steered) = &mut self.steered {
            let hold = self.hold_blocks > 0 || self.deaf_blocks > 0;
            self.reading.direction_deg = steered.process(frames, self.width, present, hold, fresh, out);
        } else {
            self.mixed.process(frames, present, fresh, out);
        }
        self.reading.moved = self.reading.direction_deg != before;
        self.reading.playback_loop = self.playback_loop.as_ref().and_then(Loop::sounding);
        self.reading
    }

    /// Whether nothing can be learnt from the newest block: no microphone delivers sound, or the far end is none.
    pub(crate) fn is_deaf(&self) -> bool {
        self.deaf_blocks > 0
    }

    fn hears_nothing(&self, frames: &[f32], present: u32) -> bool {
        let samples = |channel: usize| frames.iter().skip(channel).step_by(self.width).copied();
        let mut present = (0..self.width.min(32)).filter(|channel| present >> channel & 1 == 1).peekable();
        present.peek().is_some() && present.all(|n| is_still(samples(n)) || is_broken(samples(n)))
    }

    /// What is wrong with a channel of the card.
    pub(crate) fn fault(&self, channel: usize) -> Fault {
        self.health.as_ref().map_or(Fault::None, |health| health.fault(channel))
    }

    /// Delay in ms.
    pub(crate) fn delay_ms(&self) -> f32 {
        let beam = if self.steered.is_some() { Beam::delay() as f32 } else { 0.0 };
        self.mixed.resample.delay_ms() + beam * 1_000.0 / BLOCK_RATE as f32
    }

    /// Starts every filter afresh with the next frames; what was learnt of channels and direction is kept.
    pub(crate) fn reset(&mut self) {
        self.fresh = true;
        if let Some(playback_loop) = &mut self.playback_loop {
            playback_loop.resample.reset();
        }
    }

    fn look_for_loop(&mut self, frames: &[f32]) {
        let Some(scout) = &mut self.scout else { return };
        self.blocks += 1;
        if self.blocks % SCOUT_EVERY != 0 {
            return;
        }
        scout.process(frames);
        if self.blocks % (50 * SCOUT_EVERY) == 0 {
            if let (Some(channel), microphones) = scout.finding() {
                self.microphones &= microphones;
                if let Some(playback_loop) = &mut self.playback_loop {
                    playback_loop.channel = Some(channel);
                }
                self.scout = None;
            } else if self.blocks > SCOUT_BLOCKS {
                self.scout = None;
            }
        }
    }
}

impl Mixed {
    fn process(&mut self, frames: &[f32], present: u32, fresh: bool, out: &mut Block) {
        self.downmix.select(present);
        self.downmix.process(frames, &mut self.mono);
        if fresh {
            // A card's DC offset must not arrive as a step: every filter starts as if it had always been there.
            self.resample.prime(self.mono[0]);
            self.high_pass.prime(self.mono[0]);
            self.rumble.prime(self.mono[0]);
        }
        self.resample.process(&self.mono, out);
        self.high_pass.process_share(out, self.rumble.process(out));
    }
}

impl Steered {
    fn process(
        &mut self,
        frames: &[f32],
        width: usize,
        present: u32,
        hold: bool,
        fresh: bool,
        out: &mut Block,
    ) -> Option<f32> {
        // From bits of the card's channels to bits of the array's microphones.
        let mut here = 0;
        for (m, &channel) in self.channels.iter().enumerate() {
            here |= (present >> channel & 1) << m;
            for (slot, &sample) in self.line.iter_mut().zip(frames.iter().skip(channel).step_by(width)) {
                *slot = sample;
            }
            if fresh {
                self.resample[m].prime(self.line[0]);
                self.high_pass[m].prime(self.line[0]);
                if m == 0 {
                    self.rumble.prime(self.line[0]);
                }
            }
            self.resample[m].process(&self.line, &mut self.blocks[m]);
        }
        // All alike: a filter in one line and not in another would turn the beam.
        let share = self.rumble.process(&self.blocks[here.trailing_zeros() as usize % self.blocks.len()]);
        for (high_pass, block) in self.high_pass.iter_mut().zip(&mut self.blocks) {
            high_pass.process_share(block, share);
        }
        if fresh {
            self.beam.reset();
            self.direction.reset();
        }
        let held = self.direction.process(&self.blocks, here, hold);
        self.beam.process(&self.blocks, held.map_or(Look::Around, Look::At), here, out);
        held.map(azimuth_deg)
    }
}

impl Loop {
    fn process(&mut self, frames: &[f32], width: usize, far: &mut Block) {
        let Some(channel) = self.channel else { return };
        for (slot, &sample) in self.line.iter_mut().zip(frames.iter().skip(channel).step_by(width)) {
            *slot = sample;
        }
        let mut heard = [0.0; BLOCK];
        self.resample.process(&self.line, &mut heard);
        let level_dbfs = power_dbfs(mean_square(&heard));
        let far_dbfs = power_dbfs(mean_square(far));
        if level_dbfs > SOUNDS_DBFS {
            self.wired = true;
            self.silent_blocks = 0;
        } else if level_dbfs < SILENT_DBFS && far_dbfs > SOUNDS_DBFS {
            self.silent_blocks += 1;
            if self.silent_blocks > UNWIRED_BLOCKS {
                self.wired = false;
            }
        }
        if self.wired {
            *far = heard;
        }
    }

    /// The channel, while what it carries is used.
    fn sounding(&self) -> Option<u32> {
        self.channel.filter(|_| self.wired).map(|channel| channel as u32)
    }
}

fn bits(channels: &[usize]) -> u32 {
    // A mask has 32 bits; no card that records has more channels.
    channels.iter().filter(|&&channel| channel < 32).fold(0, |bits, channel| bits | 1 << channel)
}
