//! The capture path in one place: what happens to the microphone's frames, one stage per line.

use std::fmt;

use crate::aec::Engine;
use crate::array::Intake;
use crate::spectrum::{NoiseSpectrum, Spectrum};
use crate::{
    ArrayReading, ArraySettings, BLOCK, BLOCK_RATE, Block, EchoCanceller, EchoEngine, EchoReading,
    EchoSettings, Fault, Gain, GainSettings, Gate, GateSettings, HighPass, MICROPHONES_MAX, NearEnd,
    NearEndSettings, NoiseSettings, NoiseSuppressor, RateError, Reading, SILENCE_DBFS, Steer, SteerReading,
};

/// What the capture path is built from.
#[derive(Clone, Debug, PartialEq)]
pub struct FrontEndSettings {
    /// The card's rate in Hz, 8000 to 192000, with a whole number of frames in 10 ms.
    pub rate_hz: u32,
    /// Samples per frame of the card.
    pub channels: u32,
    /// Channels to average or to make the beam of, from 0; empty means those that turn out to be microphones.
    pub use_channels: Vec<u32>,
    /// What is known of the microphones.
    pub array: ArraySettings,
    /// Corner of the high-pass in Hz; 0 switches it off. The gate always listens through it, the sound goes through it
    /// where there is an offset, hum or rumble to remove.
    pub high_pass_hz: f32,
    /// How the speaker's echo is cancelled.
    pub echo: EchoSettings,
    /// How much steady noise is taken away.
    pub noise: NoiseSettings,
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
            array: ArraySettings::default(),
            high_pass_hz: 80.0,
            echo: EchoSettings::default(),
            noise: NoiseSettings::default(),
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
            array: ArraySettings::OFF,
            high_pass_hz: 0.0,
            echo: EchoSettings::OFF,
            gate: GateSettings::default(),
            noise: NoiseSettings::OFF,
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
    /// The geometry and the channels do not fit each other.
    Microphones {
        /// Positions of the geometry.
        positions: usize,
        /// Channels that were chosen, or that the card has.
        channels: usize,
    },
    /// More microphones than a beam is made of.
    TooManyMicrophones(usize),
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
            Self::Microphones { positions, channels } => {
                write!(f, "array: {positions} microphones, but {channels} channels")
            }
            Self::TooManyMicrophones(positions) => {
                write!(f, "array: {positions} microphones, at most {MICROPHONES_MAX} are possible")
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
    intake: Intake,
    steer: Steer,
    echo: Engine,
    spectrum: Spectrum,
    noise: NoiseSpectrum,
    suppress: NoiseSuppressor,
    judged: HighPass,
    gate: Gate,
    near_end: NearEnd,
    gain: Gain,
    steer_reading: SteerReading,
    echo_reading: EchoReading,
    array_reading: ArrayReading,
    stages: Stages,
}

/// The newest block on its way through the path, for whoever wants to see where it was spoilt.
#[derive(Clone, Copy, Debug)]
pub struct Stages {
    /// What the speaker played, as the canceller got it.
    pub far: Block,
    /// One channel, before anything was taken out of it.
    pub microphone: Block,
    /// Without the echo.
    pub cancelled: Block,
    /// Without steady noise, and before the gain.
    pub quieted: Block,
}

impl FrontEnd {
    /// Builds the path; the error says which setting cannot be used.
    pub fn new(settings: FrontEndSettings) -> Result<Self, SettingsError> {
        let FrontEndSettings {
            rate_hz,
            channels,
            use_channels,
            array,
            high_pass_hz,
            echo,
            noise,
            gate,
            near_end,
            gain,
        } = settings;
        if rate_hz % 100 != 0 {
            return Err(SettingsError::UnevenRate(rate_hz));
        }
        if channels == 0 {
            return Err(SettingsError::NoChannels);
        }
        if let Some(&chosen) = use_channels.iter().find(|&&chosen| chosen >= channels) {
            return Err(SettingsError::Channel { chosen, channels });
        }
        let positions = array.geometry.positions_m().len();
        let microphones = match use_channels.len() {
            0 => array.geometry.layout(channels).microphones.len(),
            chosen => chosen,
        };
        if positions > MICROPHONES_MAX {
            return Err(SettingsError::TooManyMicrophones(positions));
        }
        if positions > 0 && positions != microphones {
            return Err(SettingsError::Microphones { positions, channels: microphones });
        }
        let intake = Intake::new(rate_hz, channels as usize, &use_channels, high_pass_hz, &array)
            .map_err(SettingsError::Rate)?;
        let frames_per_block = rate_hz as usize / 100;
        Ok(Self {
            frames_per_block,
            channels: channels as usize,
            intake,
            steer: Steer::new(echo.steer && echo.engine != EchoEngine::Off),
            echo: Engine::new(echo),
            spectrum: Spectrum::new(),
            noise: NoiseSpectrum::new(),
            suppress: NoiseSuppressor::new(noise),
            judged: HighPass::new(high_pass_hz, BLOCK_RATE),
            gate: Gate::new(gate),
            near_end: NearEnd::new(near_end),
            gain: Gain::new(gain),
            steer_reading: SteerReading::UNKNOWN,
            echo_reading: EchoReading::REST,
            array_reading: ArrayReading::default(),
            stages: Stages {
                far: [0.0; BLOCK],
                microphone: [0.0; BLOCK],
                cancelled: [0.0; BLOCK],
                quieted: [0.0; BLOCK],
            },
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
        let (mut mic, mut far, mut reference) = ([0.0; BLOCK], *far, [0.0; BLOCK]);
        self.array_reading = self.intake.process(frames, &mut far, &mut mic);
        self.steer_reading = self.steer.process(&far, &mic, &mut reference);
        // A beam that turns makes another path of the same room.
        if self.steer_reading.jumped || self.array_reading.moved {
            self.echo.realign();
        }
        if self.steer_reading.jumped {
            self.near_end.distrust();
        }
        self.echo.steady(self.steer_reading.locked);
        let deaf = self.intake.is_deaf();
        self.echo_reading = match deaf {
            true => self.echo.skip(&reference, &mic, out),
            false => self.echo.process(&reference, &mic, out),
        };
        self.steer.heed(self.echo_reading.explained);
        if self.echo_reading.later != 0 && self.steer.shift(self.echo_reading.later) {
            self.echo.rehear(&mut |ago, far| self.steer.recall(ago, far));
        }
        if self.echo_reading.unsettled {
            self.near_end.distrust();
        }
        (self.stages.far, self.stages.microphone, self.stages.cancelled) = (reference, mic, *out);
        self.spectrum.process(out);
        if !deaf {
            self.noise.process(self.spectrum.bands());
        }
        self.suppress.process(&self.spectrum, &self.noise, out);
        self.stages.quieted = *out;
        // Whether somebody speaks is judged without rumble, even where too little is there to be taken out of the sound.
        let mut judged = *out;
        self.judged.process(&mut judged);
        let mut reading = self.gate.process(&judged);
        let heard =
            if deaf { Reading { level_dbfs: SILENCE_DBFS, voiced: false, ..reading } } else { reading };
        reading.barge_in = self.near_end.process(&reference, &mic, &self.echo_reading, &heard);
        let ours = !deaf && (!self.echo_reading.active || self.echo_reading.near_end > 0.5);
        self.gain.process(&reading, ours, out);
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

    /// The newest block at each stage.
    pub fn stages(&self) -> &Stages {
        &self.stages
    }

    /// What the microphones' stage said of the newest block.
    pub fn array(&self) -> ArrayReading {
        self.array_reading
    }

    /// What is wrong with a channel of the card, from 0.
    pub fn fault(&self, channel: u32) -> Fault {
        self.intake.fault(channel as usize)
    }

    /// What is known of the echo's delay and drift.
    pub fn steer(&self) -> SteerReading {
        self.steer_reading
    }

    /// What the path adds between a sound and its place in the block, in ms.
    pub fn delay_ms(&self) -> f32 {
        self.intake.delay_ms() + self.echo.delay_ms()
    }

    /// Starts afresh after an overrun. The gate keeps its noise floor and stays open if it was: the room is the same,
    /// and a person who was cut off is still speaking.
    pub fn reset(&mut self) {
        // `process` then starts every filter from the next frames.
        self.intake.reset();
        // Sound is missing: the echo may now come at another time.
        self.realign();
    }

    /// The same card was opened again. Room, noise, channels and clocks are as they were; whoever was speaking may have
    /// ended long ago.
    pub fn reopen(&mut self) {
        self.reset();
        self.gate.close();
        self.near_end.rest();
    }

    /// The speaker was opened again, or another one was: the echo may come at another time, from another place. What is
    /// known of it is a first guess.
    pub fn realign(&mut self) {
        self.steer.reset();
        self.echo.realign();
        self.near_end.distrust();
    }
}

#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod tests;
