//! What a card can do, and the `asound.conf` that says so.

use std::fmt::Write as _;
use std::ops::RangeInclusive;
use std::path::Path;

/// How one sample lies in the card's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CardFormat {
    /// 16 bits.
    S16Le,
    /// 24 bits in 3 bytes; the card keeps the upper 16.
    S24Le3,
    /// 32 bits; the card keeps the upper 16.
    S32Le,
}

impl CardFormat {
    fn name(self) -> &'static str {
        match self {
            CardFormat::S16Le => "S16_LE",
            CardFormat::S24Le3 => "S24_3LE",
            CardFormat::S32Le => "S32_LE",
        }
    }

    /// From the number libasound gives it.
    pub(super) fn from_number(number: u32) -> Option<Self> {
        match number {
            2 => Some(CardFormat::S16Le),
            32 => Some(CardFormat::S24Le3),
            10 => Some(CardFormat::S32Le),
            _ => None,
        }
    }
}

/// Whether `snd_pcm_rewind` takes back what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakeBack {
    /// As on hardware.
    Yes,
    /// Nothing is ever rewindable, and it says so: 0. The card sits behind alsa-lib's `rate` plugin.
    Refused,
    /// It claims success, but what was written is heard all the same and what follows comes after it, as with the
    /// plugins of sound servers.
    Ignored,
}

/// One direction of a card.
#[derive(Clone, Debug)]
pub struct StreamOptions {
    /// The rate at which the sound file is counted; one of `rates`.
    pub rate_hz: u32,
    /// Rates on offer, in Hz. At another one than `rate_hz` the card resamples, crudely.
    pub rates: Vec<u32>,
    /// Channel counts on offer; the sound file has the largest.
    pub channels: Vec<u32>,
    /// Formats on offer.
    pub formats: Vec<CardFormat>,
    /// Shortest and longest period, in frames.
    pub period_frames: RangeInclusive<u32>,
    /// Shortest and longest buffer, in frames; always a whole number of periods, at least two.
    pub buffer_frames: RangeInclusive<u32>,
    /// The hardware pointer moves in steps of so many frames: 1 as on I2S, 48 as over USB in packets of 1 ms.
    pub pointer_frames: u32,
    /// How long the sound file is. Beyond it the microphone is silent and the speaker forgets.
    pub seconds: u32,
    /// Playback only.
    pub take_back: TakeBack,
}

impl StreamOptions {
    /// A stream that offers one rate, one channel count, S16_LE, periods of 16 to 16,384 frames, buffers to 131,072.
    pub fn new(rate_hz: u32, channels: u32) -> Self {
        StreamOptions {
            rate_hz,
            rates: vec![rate_hz],
            channels: vec![channels],
            formats: vec![CardFormat::S16Le],
            period_frames: 16..=16_384,
            buffer_frames: 32..=131_072,
            pointer_frames: 1,
            seconds: 300,
            take_back: TakeBack::Yes,
        }
    }

    /// The same with other formats.
    pub fn formats(mut self, formats: &[CardFormat]) -> Self {
        self.formats = formats.to_vec();
        self
    }

    /// Channels in the sound file.
    pub fn file_channels(&self) -> u32 {
        self.channels.iter().copied().max().unwrap_or(1)
    }
}

/// A card.
#[derive(Clone, Debug)]
pub struct CardOptions {
    /// Capture.
    pub microphone: StreamOptions,
    /// Playback.
    pub speaker: StreamOptions,
}

impl Default for CardOptions {
    /// A mono microphone and a stereo speaker, both at 48 kHz in S16_LE.
    fn default() -> Self {
        CardOptions { microphone: StreamOptions::new(48_000, 1), speaker: StreamOptions::new(48_000, 2) }
    }
}

pub(super) fn asound_conf(directory: &Path, plugin: &Path, options: &CardOptions) -> String {
    let CardOptions { microphone, speaker } = options;
    let at = |name: &str| directory.join(name).display().to_string();
    let mut conf = String::from("# Written for one run of the virtual sound card.\n");
    let system = "/usr/share/alsa/alsa.conf";
    if Path::new(system).exists() {
        // writing to a String cannot fail, here and below
        writeln!(conf, "<{system}>").ok();
    }
    writeln!(conf, "pcm_type.pressel {{ lib \"{}\" }}", plugin.display()).ok();

    let mut pcm = |name: &str, stream: &StreamOptions, files: &str, extra: &str| {
        let formats: Vec<&str> = stream.formats.iter().map(|format| format.name()).collect();
        let list = |numbers: &[u32]| numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(" ");
        write!(
            conf,
            "pcm.{name} {{\n  type pressel\n  control \"{}\"\n  sound \"{}\"\n  kick \"{}\"\n  file_rate {}\n  \
             file_channels {}\n  rates [ {} ]\n  channels [ {} ]\n  formats [ {} ]\n  period_min {}\n  \
             period_max {}\n  buffer_min {}\n  buffer_max {}\n  pointer_frames {}\n{extra}  hint {{ show on description \"Virtual card\" \
             }}\n}}\n",
            at("control"),
            at(&format!("{files}.s16")),
            at(&format!("{files}.kick")),
            stream.rate_hz,
            stream.file_channels(),
            list(&stream.rates),
            list(&stream.channels),
            formats.join(" "),
            stream.period_frames.start(),
            stream.period_frames.end(),
            stream.buffer_frames.start(),
            stream.buffer_frames.end(),
            stream.pointer_frames,
        )
        .ok();
    };
    let far_end = format!(
        "  far_end \"{}\"\n  far_end_rate {}\n  far_end_channels {}\n",
        at("speaker.s16"),
        speaker.rate_hz,
        speaker.file_channels()
    );
    pcm("pressel_mic", microphone, "microphone", &far_end);
    match speaker.take_back {
        TakeBack::Yes => pcm("pressel_speaker", speaker, "speaker", ""),
        TakeBack::Ignored => pcm("pressel_speaker", speaker, "speaker", "  takes_back 0\n"),
        TakeBack::Refused => pcm("pressel_speaker_card", speaker, "speaker", ""),
    }
    if speaker.take_back == TakeBack::Refused {
        writeln!(
            conf,
            "pcm.pressel_speaker {{ type rate slave {{ pcm \"pressel_speaker_card\" rate {} }} }}",
            speaker.rate_hz
        )
        .ok();
    }
    conf.push_str(
        "pcm.pressel { type asym capture.pcm \"pressel_mic\" playback.pcm \"pressel_speaker\" }\n\
         pcm.!default { type plug slave.pcm \"pressel\" }\n",
    );
    conf
}
