//! An open microphone: its frames go through the front end and come out as blocks.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use pressel_dsp::{BLOCK, BLOCK_RATE, Block, EchoEngine, Fault, FrontEnd, FrontEndSettings, Reading};
use pressel_hal::{Error, ErrorKind, Microphone};

use super::SoundSettings;
use super::facts::Facts;
use super::outlet::Stamp;
use super::reference::Reference;
use super::trouble::Troubles;

/// Where a 16-bit card ends, less a step.
const FULL_SCALE: f32 = 0.999_9;
/// The level of speech is that of the last so many blocks of it.
const SPEECH_BLOCKS: f32 = 100.0;

/// What was learnt of a card and its room, for when it is opened again.
pub(super) struct Learnt {
    device: String,
    settings: FrontEndSettings,
    front_end: FrontEnd,
}

/// An open microphone and what its frames go through.
pub(super) struct Stream {
    pub(super) microphone: Box<dyn Microphone>,
    device: String,
    settings: FrontEndSettings,
    front_end: FrontEnd,
    channels: usize,
    rate_hz: u32,
    /// How late the front end's blocks are.
    delay: Duration,
    /// Frames of the block that is being read.
    frames: Box<[f32]>,
    filled: usize,
    /// Where the next frame should be.
    expected: u64,
    /// 16 kHz samples lost since the last block.
    lost: u64,
    /// Somebody asks what the speaker plays.
    wants_far: bool,
    /// The gain is on.
    gain: bool,
    /// Mean square of speech, and how many blocks it is of.
    speech_power: f32,
    speech_blocks: f32,
    troubles: Troubles,
}

impl Stream {
    /// Goes on with what was learnt, if that was of the same card in the same format and nothing else is asked for now.
    pub(super) fn new(
        microphone: Box<dyn Microphone>,
        settings: &SoundSettings,
        learnt: Option<Learnt>,
    ) -> Result<Self, Error> {
        let format = microphone.format();
        let device = settings.capture.device.clone();
        let asked = settings.front_end(format.rate_hz, format.channels);
        let front_end = match learnt.filter(|was| was.device == device && was.settings == asked) {
            Some(Learnt { mut front_end, .. }) => {
                front_end.reopen();
                front_end
            }
            None => FrontEnd::new(asked.clone())
                .map_err(|error| Error::new(ErrorKind::Unsupported, error.to_string()))?,
        };
        let channels = format.channels as usize;
        Ok(Stream {
            delay: Duration::from_secs_f32(front_end.delay_ms() / 1000.0),
            frames: vec![0.0; front_end.frames_per_block() * channels].into(),
            device,
            settings: asked,
            front_end,
            channels,
            rate_hz: format.rate_hz,
            filled: 0,
            expected: 0,
            lost: 0,
            wants_far: settings.echo.engine != EchoEngine::Off || settings.near_end.on,
            gain: settings.gain.on,
            speech_power: 0.0,
            speech_blocks: 0.0,
            troubles: Troubles::new(format.rate_hz),
            microphone,
        })
    }

    /// What is worth keeping of a card that is closed.
    pub(super) fn close(self) -> Learnt {
        Learnt { device: self.device, settings: self.settings, front_end: self.front_end }
    }

    /// Whether an answer is heard, over which somebody might speak.
    pub(super) fn watch(&mut self, watched: bool) {
        self.front_end.set_answering(watched);
    }

    /// Frames still missing for so many blocks.
    pub(super) fn frames_for(&self, blocks: usize) -> usize {
        blocks * self.front_end.frames_per_block() - self.filled
    }

    /// Reads until a block is complete; `None` when the card holds no more.
    pub(super) fn next_block(
        &mut self,
        out: &mut Block,
        facts: &Facts,
        reference: &mut Reference,
    ) -> Result<Option<(Stamp, Reading)>, Error> {
        loop {
            let start = self.filled * self.channels;
            let captured = self.microphone.read(&mut self.frames[start..])?;
            if captured.frames == 0 {
                return Ok(None);
            }
            reference.heard(&captured);
            self.troubles.came(&captured);
            facts.capture.frames.fetch_add(captured.frames as u64, Relaxed);
            if captured.xrun || captured.position != self.expected {
                // The frames before the break make no whole block any more.
                let broken = captured.position.saturating_sub(self.expected) + self.filled as u64;
                facts.capture.xruns.fetch_add(u64::from(captured.xrun), Relaxed);
                facts.capture.lost_frames.fetch_add(broken, Relaxed);
                self.lost += broken * u64::from(BLOCK_RATE) / u64::from(self.rate_hz);
                self.frames.copy_within(start..start + captured.frames * self.channels, 0);
                self.filled = 0;
                self.front_end.reset();
            }
            self.expected = captured.position + captured.frames as u64;
            self.filled += captured.frames;
            if self.filled == self.front_end.frames_per_block() {
                self.filled = 0;
                facts.capture.troubles.store(self.troubles.look(&self.frames), Relaxed);
                facts.capture.clipped_samples.fetch_add(clipped(&self.frames), Relaxed);
                let mut far = [0.0; BLOCK];
                if self.wants_far {
                    reference.read(self.expected - self.front_end.frames_per_block() as u64, &mut far);
                    if reference.is_reopened() {
                        self.front_end.realign();
                    }
                }
                let reading = self.front_end.process(&self.frames, &far, out);
                self.tell(&reading, reference.drift_ppm(), facts);
                let lost = std::mem::take(&mut self.lost);
                let stamp = Stamp { at: captured.at - self.delay, speech: reading.speech, lost };
                return Ok(Some((stamp, reading)));
            }
        }
    }

    /// Tells the world what was measured.
    fn tell(&mut self, reading: &Reading, clocks_ppm: Option<f64>, facts: &Facts) {
        let facts = &facts.capture;
        facts.level_dbfs.set(reading.level_dbfs);
        facts.floor_dbfs.set(reading.floor_dbfs);
        facts.gate_open.store(reading.open, Relaxed);
        if reading.speech && reading.open {
            let power = 10_f32.powf(reading.level_dbfs / 10.0);
            self.speech_power += (power - self.speech_power) / SPEECH_BLOCKS.min(self.speech_blocks + 1.0);
            self.speech_blocks = SPEECH_BLOCKS.min(self.speech_blocks + 1.0);
            facts.speech_dbfs.set(10.0 * self.speech_power.log10());
        }
        facts.gain_db.set(self.gain.then_some(reading.gain_db));
        facts.direction_deg.set(self.front_end.array().direction_deg);
        let faulty = |channel: &u32| self.front_end.fault(*channel) != Fault::None;
        let channels = (self.channels as u32).min(u32::BITS);
        let dead = (0..channels).filter(faulty).fold(0, |mask, channel| mask | 1 << channel);
        facts.dead_channels.store(dead, Relaxed);
        let echo = self.front_end.echo();
        facts.far_end.store(echo.active, Relaxed);
        let steer = self.front_end.steer();
        facts.echo_delay_ms.set((steer.delay_ms > 0.0).then_some(steer.delay_ms));
        // Where the clocks do not tell, the ear does.
        let heard_ppm = steer.locked.then_some(steer.drift_ppm);
        facts.drift_ppm.set(clocks_ppm.map(|ppm| ppm as f32).or(heard_ppm));
        facts.erle_db.set((echo.erle_db > 0.0).then_some(echo.erle_db));
    }
}

/// Samples at full scale.
fn clipped(frames: &[f32]) -> u64 {
    frames.iter().filter(|sample| sample.abs() >= FULL_SCALE).count() as u64
}
