//! The capture path in one place: what happens to the microphone's frames, one stage per line.

use std::fmt;

use crate::aec::Engine;
use crate::{
    BLOCK, BLOCK_RATE, Block, Downmix, EchoCanceller, EchoReading, EchoSettings, Gain, GainSettings, Gate,
    GateSettings, HighPass, NearEnd, NearEndSettings, RateError, Reading, Resampler,
};

/// What the capture path is built from.
#[derive(Clone, Debug, PartialEq)]
pub struct FrontEndSettings {
    /// The card's rate in Hz, 8000 to 192000, with a whole number of frames in 10 ms.
    pub rate_hz: u32,
    /// Samples per frame of the card.
    pub channels: u32,
    /// Channels to average, from 0; empty means all.
    pub use_channels: Vec<u32>,
    /// Corner of the high-pass in Hz; 0 switches it off.
    pub high_pass_hz: f32,
    /// How the speaker's echo is cancelled.
    pub echo: EchoSettings,
    /// When the gate takes something for speech.
    pub gate: GateSettings,
    /// When sound over an answer is taken for a person.
    pub near_end: NearEndSettings,
    /// How speech is brought to its level.
    pub gain: GainSettings,
}

impl FrontEndSettings {
    /// Everything as it should be on a device with a bare microphone and a loudspeaker.
    pub fn new(rate_hz: u32, channels: u32) -> Self {
        Self {
            high_pass_hz: 80.0,
            echo: EchoSettings::default(),
            near_end: NearEndSettings::default(),
            gain: GainSettings::default(),
            ..Self::bare(rate_hz, channels)
        }
    }

    /// Nothing but the gate: every stage that could change a sample is off.
    pub fn bare(rate_hz: u32, channels: u32) -> Self {
        Self {
            rate_hz,
            channels,
            use_channels: Vec::new(),
            high_pass_hz: 0.0,
            echo: EchoSettings::OFF,
            gate: GateSettings::default(),
            near_end: NearEndSettings::OFF,
            gain: GainSettings::OFF,
        }
    }
}

/// Why settings cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingsError {
    /// No such rate can be resampled.
    Rate(RateError),
    /// 10 ms are not a whole number of frames at this rate (11.025 and 22.05 kHz): blocks could not keep step
    /// with the card. No card that records offers only such rates.
    UnevenRate(u32),
    /// A frame without samples.
    NoChannels,
    /// A channel was chosen that the card does not have.
    Channel {
        /// The chosen one, from 0.
        chosen: u32,
        /// How many there are.
        channels: u32,
    },
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Rate(error) => error.fmt(f),
            Self::UnevenRate(rate_hz) => {
                write!(f, "capture rate {rate_hz} Hz: 10 ms are not a whole number of frames")
            }
            Self::NoChannels => f.write_str("capture channels: 0"),
            Self::Channel { chosen, channels } => {
                write!(f, "capture channel {chosen}: the card has channels 0 to {}", channels - 1)
            }
        }
    }
}

impl std::error::Error for SettingsError {}

/// The capture path: interleaved frames of the card in, one [`Block`] and a [`Reading`] out, every 10 ms.
#[derive(Clone, Debug)]
pub struct FrontEnd {
    frames_per_block: usize,
    channels: usize,
    /// 10 ms of one channel at the card's rate.
    mono: Box<[f32]>,
    downmix: Downmix,
    resample: Resampler,
    high_pass: HighPass,
    echo: Engine,
    gate: Gate,
    near_end: NearEnd,
    gain: Gain,
    /// The next block is the first one, or the first after a loss.
    fresh: bool,
    echo_reading: EchoReading,
}

impl FrontEnd {
    /// Builds the path; the error says which setting cannot be used.
    pub fn new(settings: FrontEndSettings) -> Result<Self, SettingsError> {
        let FrontEndSettings { rate_hz, channels, use_channels, high_pass_hz, echo, gate, near_end, gain } =
            settings;
        let resample = Resampler::new(rate_hz, BLOCK_RATE).map_err(SettingsError::Rate)?;
        if rate_hz % 100 != 0 {
            return Err(SettingsError::UnevenRate(rate_hz));
        }
        if channels == 0 {
            return Err(SettingsError::NoChannels);
        }
        if let Some(&chosen) = use_channels.iter().find(|&&chosen| chosen >= channels) {
            return Err(SettingsError::Channel { chosen, channels });
        }
        let chosen: Vec<usize> = if use_channels.is_empty() {
            (0..channels as usize).collect()
        } else {
            use_channels.iter().map(|&channel| channel as usize).collect()
        };
        let frames_per_block = rate_hz as usize / 100;
        Ok(Self {
            frames_per_block,
            channels: channels as usize,
            mono: vec![0.0; frames_per_block].into_boxed_slice(),
            downmix: Downmix::new(channels as usize, &chosen),
            resample,
            high_pass: HighPass::new(high_pass_hz, BLOCK_RATE),
            echo: Engine::new(echo),
            gate: Gate::new(gate),
            near_end: NearEnd::new(near_end),
            gain: Gain::new(gain),
            fresh: true,
            echo_reading: EchoReading::REST,
        })
    }

    /// Frames of the card that make one block; never changes.
    pub fn frames_per_block(&self) -> usize {
        self.frames_per_block
    }

    /// Turns 10 ms of interleaved frames into a block and judges it. `far` is what the speaker played in the same
    /// 10 ms, as well as the clocks tell: silence where nothing played or nobody knows.
    ///
    /// # Panics
    /// If `frames` is not `frames_per_block() * channels` long.
    pub fn process(&mut self, frames: &[f32], far: &Block, out: &mut Block) -> Reading {
        assert_eq!(frames.len(), self.frames_per_block * self.channels, "not 10 ms of frames");
        self.downmix.process(frames, &mut self.mono);
        if std::mem::take(&mut self.fresh) {
            // A card's DC offset must not arrive as a step: every filter starts as if it had always been there.
            self.resample.prime(self.mono[0]);
            self.high_pass.prime(self.mono[0]);
        }
        let mut mic = [0.0; BLOCK];
        self.resample.process(&self.mono, &mut mic);
        self.high_pass.process(&mut mic);
        self.echo_reading = self.echo.process(far, &mic, out);
        let mut reading = self.gate.process(out);
        reading.barge_in = self.near_end.process(far, &self.echo_reading, &reading);
        self.gain.process(&reading, !self.echo_reading.active || self.echo_reading.near_end > 0.5, out);
        reading.gain_db = self.gain.gain_db();
        reading
    }

    /// Tells that an answer is heard although `far` does not carry it, as with an array that cancels in hardware:
    /// barge-in is watched for then, too.
    pub fn set_answering(&mut self, answering: bool) {
        self.near_end.set_answering(answering);
    }

    /// What the canceller said of the newest block.
    pub fn echo(&self) -> EchoReading {
        self.echo_reading
    }

    /// What the path adds between a sound and its place in the block, in ms.
    pub fn delay_ms(&self) -> f32 {
        self.resample.delay_ms() + self.echo.delay_ms()
    }

    /// Starts afresh after an overrun or a reopened card. The gate keeps its noise floor and stays open if it
    /// was: the room is the same, and a person who was cut off is still speaking.
    pub fn reset(&mut self) {
        // `process` then starts every filter from the next frames.
        self.fresh = true;
        // Sound is missing: the echo may now come at another time.
        self.echo.realign();
    }
}

#[cfg(test)]
mod tests;
