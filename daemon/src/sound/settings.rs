//! What the sound threads are told once. Field names are those of the configuration.

use pressel_dsp::{
    ArraySettings, Band, EchoSettings, FrontEndSettings, GainSettings, GateSettings, NearEndSettings,
    NoiseSettings,
};
use pressel_hal::StreamRequest;

/// Everything about sound.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SoundSettings {
    /// The microphone.
    pub capture: CaptureSettings,
    /// The speaker.
    pub playback: PlaybackSettings,
    /// What is known of several microphones.
    pub array: ArraySettings,
    /// How the speaker is taken out of the microphone.
    pub echo: EchoSettings,
    /// How much steady noise is taken away.
    pub noise: NoiseSettings,
    /// How speech is brought to one level.
    pub gain: GainSettings,
    /// When sound over an answer is taken for a person.
    pub near_end: NearEndSettings,
    /// When something is speech.
    pub gate: GateSettings,
    /// Kept from before the press or the gate opening, in ms.
    pub pre_roll_ms: u32,
    /// SCHED_FIFO priority of both threads; 0 = off.
    pub realtime_priority: u8,
}

impl SoundSettings {
    /// Every stage that could change a sample of the microphone is off, so that what was said can be compared with
    /// what is delivered; and nobody listens for speech over an answer.
    pub fn bare() -> Self {
        let (echo, gain, near_end) = (EchoSettings::OFF, GainSettings::OFF, NearEndSettings::OFF);
        let (array, noise) = (ArraySettings::OFF, NoiseSettings::OFF);
        let mut settings = SoundSettings { array, noise, echo, gain, near_end, ..SoundSettings::default() };
        settings.capture.high_pass_hz = 0;
        settings
    }

    /// What the capture path is built from, for a card with this rate and so many channels.
    pub fn front_end(&self, rate_hz: u32, channels: u32) -> FrontEndSettings {
        FrontEndSettings {
            use_channels: self.capture.use_channels.clone(),
            array: self.array.clone(),
            high_pass_hz: self.capture.high_pass_hz as f32,
            echo: self.echo,
            noise: self.noise,
            gate: self.gate,
            near_end: self.near_end,
            gain: self.gain,
            ..FrontEndSettings::bare(rate_hz, channels)
        }
    }
}

/// `[capture]`.
#[derive(Clone, Debug, PartialEq)]
pub struct CaptureSettings {
    /// ALSA PCM.
    pub device: String,
    /// Wished rate in Hz.
    pub rate_hz: u32,
    /// Wished channels.
    pub channels: u32,
    /// Channels that are averaged or make the beam, from 0; empty = those found to be microphones.
    pub use_channels: Vec<u32>,
    /// Period in ms.
    pub period_ms: u32,
    /// Ring in ms.
    pub buffer_ms: u32,
    /// Corner of the high-pass in Hz; 0 = off.
    pub high_pass_hz: u32,
    /// Sound per message in ms, a multiple of 10.
    pub chunk_ms: u32,
    /// How long capture sleeps while nobody talks, in ms.
    pub rest_ms: u32,
}

impl Default for CaptureSettings {
    fn default() -> Self {
        CaptureSettings {
            device: "default".into(),
            rate_hz: 16_000,
            channels: 1,
            use_channels: Vec::new(),
            period_ms: 10,
            buffer_ms: 400,
            high_pass_hz: 80,
            chunk_ms: 20,
            rest_ms: 60,
        }
    }
}

impl CaptureSettings {
    /// What the card is asked for.
    pub fn request(&self) -> StreamRequest {
        let needed = self.use_channels.iter().map(|&channel| channel + 1).max().unwrap_or(1);
        StreamRequest {
            device: self.device.clone(),
            rate_hz: self.rate_hz,
            channels: self.channels.max(needed),
            period_ms: self.period_ms,
            buffer_ms: self.buffer_ms,
        }
    }
}

/// `[playback]`.
#[derive(Clone, Debug, PartialEq)]
pub struct PlaybackSettings {
    /// ALSA PCM.
    pub device: String,
    /// Wished rate in Hz.
    pub rate_hz: u32,
    /// Wished channels.
    pub channels: u32,
    /// Period in ms.
    pub period_ms: u32,
    /// Ring in ms.
    pub buffer_ms: u32,
    /// How close to the DAC a first sound or a flush is written, in ms.
    pub lead_ms: u32,
    /// Whether sound in the ring may be taken back, where the card can.
    pub rewind: bool,
    /// Ring depth used where nothing can be taken back, in ms.
    pub shallow_ms: u32,
    /// A flush fades out over this, in ms.
    pub fade_ms: u32,
    /// 0 to 100.
    pub volume_percent: u32,
    /// So far is the answer turned down while somebody may be speaking over it, in dB.
    pub duck_db: f32,
    /// After an answer has run dry the next one waits for so much sound at most, in ms; 0 = never.
    pub jitter_max_ms: u32,
    /// Whether a sound that breaks off for want of more fades out.
    pub conceal: bool,
    /// What is kept going while nothing sounds.
    pub keep_awake: KeepAwake,
    /// No sample leaves beyond this, in dBFS.
    pub limit_dbfs: f32,
    /// Filters in the way of all sound, in their order.
    pub eq: Vec<Band>,
    /// Answer sound kept, in s.
    pub queue_max_s: u32,
}

/// What a speaker that says nothing is given, so that its amplifier stays awake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeepAwake {
    /// What costs nothing: the card's clock runs on, and the driver plays silence. Where only libasound's plugins know
    /// the card, the stream stops with the last sound.
    Silence,
    /// Zeros, written, so that plugins keep the clock running too.
    Zeros,
    /// Noise of the last bit, for converters and amplifiers that mute when they see zeros.
    Dither,
}

impl Default for PlaybackSettings {
    fn default() -> Self {
        PlaybackSettings {
            device: "default".into(),
            rate_hz: 48_000,
            channels: 1,
            period_ms: 10,
            buffer_ms: 200,
            lead_ms: 2,
            rewind: true,
            shallow_ms: 40,
            fade_ms: 3,
            volume_percent: 100,
            duck_db: 15.0,
            jitter_max_ms: 400,
            conceal: true,
            keep_awake: KeepAwake::Silence,
            limit_dbfs: 0.0,
            eq: Vec::new(),
            queue_max_s: 120,
        }
    }
}

impl PlaybackSettings {
    /// What the card is asked for.
    pub fn request(&self) -> StreamRequest {
        StreamRequest {
            device: self.device.clone(),
            rate_hz: self.rate_hz,
            channels: self.channels,
            period_ms: self.period_ms,
            buffer_ms: self.buffer_ms,
        }
    }
}
