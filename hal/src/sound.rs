use std::fmt;

/// How one sample lies in the card's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SampleFormat {
    /// 16 bits.
    S16Le,
    /// 24 bits in 3 bytes.
    S24Le3,
    /// 24 bits in the lower 3 of 4 bytes.
    S24Le,
    /// 32 bits.
    S32Le,
}

/// What a stream is asked for; the card has the last word, see [`Format`].
#[derive(Clone, Debug)]
pub struct StreamRequest {
    /// PCM name: `hw:CARD=Array`, `plughw:…`, `default`, any plugin.
    pub device: String,
    /// Wished rate in Hz; the nearest usable one is taken.
    pub rate_hz: u32,
    /// Wished channels; the card's nearest count is taken.
    pub channels: u32,
    /// Period in ms.
    pub period_ms: u32,
    /// Ring in ms.
    pub buffer_ms: u32,
}

/// What the card agreed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// Frames per second.
    pub rate_hz: u32,
    /// Samples per frame.
    pub channels: u32,
    /// How samples lie in memory; callers only see `f32`.
    pub sample: SampleFormat,
    /// Frames per period.
    pub period_frames: usize,
    /// Frames in the ring.
    pub buffer_frames: usize,
}

/// Whose word a time is that belongs to a card's position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timing {
    /// The driver's: taken together with the position, within microseconds.
    Driver,
    /// Ours, read beside the fill level, where a plugin gives no time: a busy machine shows in it.
    Clock,
}

impl fmt::Display for Timing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Timing::Driver => "driver",
            Timing::Clock => "clock",
        })
    }
}

impl fmt::Display for SampleFormat {
    /// As ALSA spells it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SampleFormat::S16Le => "S16_LE",
            SampleFormat::S24Le3 => "S24_3LE",
            SampleFormat::S24Le => "S24_LE",
            SampleFormat::S32Le => "S32_LE",
        })
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |frames: usize| frames as f64 * 1000.0 / f64::from(self.rate_hz);
        write!(
            f,
            "{} Hz, {} ch, {}, period {:.1} ms, buffer {:.0} ms",
            self.rate_hz,
            self.channels,
            self.sample,
            ms(self.period_frames),
            ms(self.buffer_frames)
        )
    }
}
