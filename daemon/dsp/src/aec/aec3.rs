//! WebRTC's canceller in its Rust port, to compare with: docs/decisions/0007 has the figures.
//!
//! It takes an echo off at once and the person with it. It allocates while it works and costs three times as much with
//! single blocks of more than a millisecond, so no device should ship it.

use std::fmt;

use ::aec3::api::config::EchoCanceller3Config;
use ::aec3::audio_processing::aec3::aec3_common::BLOCK_SIZE as PART;
use ::aec3::audio_processing::aec3::block::Block as Part;
use ::aec3::audio_processing::aec3::block_processor::BlockProcessor;
use heapless::Deque;

use super::presence::Presence;
use super::spectrum::{FRAME, Fourier, Spectrum};
use super::{EchoCanceller, EchoReading, EchoSettings};
use crate::level::{mean_square, power_dbfs, sane};
use crate::{BLOCK, BLOCK_RATE, Block, blocks_of_ms};

/// Full scale of its samples, which are those of 16-bit cards, and where it takes a microphone for clipped.
const FULL_SCALE: f32 = 32_768.0;
const CLIPPED: f32 = 32_700.0;
/// Samples held back so that each 10 ms are whole although it works in 4 ms: two and a half parts make a block.
const FRAMING: usize = PART / 2;
/// Below this a block of the far end is silence: -90 dBFS.
const FAR_SILENCE: f32 = 1e-9;
/// Taken off by more than this, nobody speaks; by less than a tenth of it, only a person: 20 dB and 10 dB.
const ECHO_ALONE: f32 = 0.01;

/// WebRTC's third canceller as WebRTC sets it up, with a filter as long as the tail.
pub struct Aec3 {
    settings: EchoSettings,
    processor: BlockProcessor,
    /// The 4 ms that are being filled.
    far: Part,
    mic: Part,
    filled: usize,
    /// Its linear filter's output.
    linear: Part,
    /// Sound on its way out, and what of it was predicted to be echo and was left by the filter.
    ready: Deque<f32, 512>,
    echo: Deque<f32, 512>,
    left: Deque<f32, 512>,
    /// The microphone as late as the output.
    late: Deque<f32, 512>,
    fourier: Fourier,
    presence: Presence,
    /// Blocks until the tail of the far end has died away.
    awake: usize,
    /// Powers of microphone, predicted echo and output, over some blocks.
    mic_power: f32,
    echo_power: f32,
    out_power: f32,
    /// The same for microphone and output while only the far end speaks, over seconds.
    heard: f32,
    kept: f32,
}

impl Aec3 {
    /// Builds the engine.
    pub fn new(settings: EchoSettings) -> Self {
        let mut config = EchoCanceller3Config::default();
        config.filter.export_linear_aec_output = true;
        config.filter.main.length_blocks = settings.tail_ms.clamp(100, 500) as usize * 16 / PART;
        let silence = |samples: usize| {
            let mut queue = Deque::new();
            (0..samples).for_each(|_| _ = queue.push_back(0.0));
            queue
        };
        // The gains of its suppressor are applied by overlap-add.
        let late = if settings.suppress { FRAMING + PART } else { FRAMING };
        Self {
            processor: BlockProcessor::new(config, BLOCK_RATE as i32, 1, 1),
            far: Part::new(1, 1),
            mic: Part::new(1, 1),
            filled: 0,
            linear: Part::new(1, 1),
            ready: silence(FRAMING),
            echo: silence(FRAMING),
            left: silence(FRAMING),
            late: silence(late),
            fourier: Fourier::new(),
            presence: Presence::new(),
            awake: 0,
            mic_power: 0.0,
            echo_power: 0.0,
            out_power: 0.0,
            heard: 0.0,
            kept: 0.0,
            settings,
        }
    }

    /// 4 ms are complete.
    fn part(&mut self) {
        let heard = *self.mic.view(0, 0);
        let clipped = heard.iter().any(|sample| sample.abs() >= CLIPPED);
        self.processor.buffer_render(&self.far);
        self.processor.process_capture(false, clipped, Some(&mut self.linear), &mut self.mic);
        let out = if self.settings.suppress { &self.mic } else { &self.linear };
        let sounds = heard.iter().zip(self.linear.view(0, 0)).zip(out.view(0, 0));
        for ((heard, linear), out) in sounds {
            // Never full: what comes in goes out in the same block.
            _ = self.ready.push_back(out / FULL_SCALE);
            _ = self.left.push_back(linear / FULL_SCALE);
            _ = self.echo.push_back((heard - linear) / FULL_SCALE);
        }
    }

    /// What can be told from outside: how much less there is after it than before.
    fn judge(&mut self, loud: bool, mic: &Block, echo: &Block, out: &Block) -> EchoReading {
        for (power, of) in
            [(&mut self.mic_power, mic), (&mut self.echo_power, echo), (&mut self.out_power, out)]
        {
            *power += 0.3 * (mean_square(of) - *power);
        }
        let near_end = (0.1 * self.out_power / (ECHO_ALONE * self.mic_power + FAR_SILENCE)).min(1.0);
        if loud && near_end < 0.2 {
            self.heard += 0.01 * (mean_square(mic) - self.heard);
            self.kept += 0.01 * (mean_square(out) - self.kept);
        }
        EchoReading {
            active: true,
            erle_db: self.erle_db(),
            echo_dbfs: power_dbfs(self.echo_power),
            residual_dbfs: power_dbfs((1.0 - near_end) * self.out_power),
            near_end,
            explained: self.presence.share,
            unsettled: false,
            later: 0,
        }
    }

    fn erle_db(&self) -> f32 {
        if self.kept > 0.0 { power_dbfs(self.heard) - power_dbfs(self.kept) } else { 0.0 }
    }
}

impl EchoCanceller for Aec3 {
    fn process(&mut self, far: &Block, mic: &Block, out: &mut Block) -> EchoReading {
        let loud = mean_square(far) > FAR_SILENCE;
        // what it holds on to comes after the tail
        let tail = blocks_of_ms(self.settings.tail_ms) + blocks_of_ms(200);
        self.awake = if loud { tail } else { self.awake.saturating_sub(1) };
        for (&far, &mic) in far.iter().zip(mic) {
            let mic = sane(mic);
            _ = self.late.push_back(mic);
            self.far.view_mut(0, 0)[self.filled] = sane(far) * FULL_SCALE;
            self.mic.view_mut(0, 0)[self.filled] = mic * FULL_SCALE;
            self.filled += 1;
            if self.filled == PART {
                self.filled = 0;
                self.part();
            }
        }
        let (mut mic, mut echo, mut frame) = ([0.0; BLOCK], [0.0; BLOCK], [0.0; FRAME]);
        for (block, queue) in
            [(&mut *out, &mut self.ready), (&mut mic, &mut self.late), (&mut echo, &mut self.echo)]
        {
            block.fill_with(|| queue.pop_front().map_or(0.0, sane));
        }
        frame[BLOCK..].fill_with(|| self.left.pop_front().map_or(0.0, sane));
        let (before, after) = (mean_square(&mic), mean_square(out));
        if after > before {
            let scale = (before / after).sqrt();
            out.iter_mut().for_each(|sample| *sample *= scale);
        }
        if self.awake == 0 {
            return EchoReading { erle_db: self.erle_db(), ..EchoReading::REST };
        }
        let mut error = Spectrum::ZERO;
        self.fourier.forward(&mut frame, &mut error);
        self.presence.process(&echo, &error, &mut self.fourier);
        self.judge(loud, &mic, &echo, out)
    }

    fn delay_ms(&self) -> f32 {
        let samples = if self.settings.suppress { FRAMING + PART } else { FRAMING };
        samples as f32 * 1000.0 / BLOCK_RATE as f32
    }

    fn reset(&mut self) {
        *self = Self::new(self.settings);
    }
}

/// A clone has not met the room yet: the engine cannot be copied.
impl Clone for Aec3 {
    fn clone(&self) -> Self {
        Self::new(self.settings)
    }
}

impl fmt::Debug for Aec3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Aec3({:?})", self.settings)
    }
}
