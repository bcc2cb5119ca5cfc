//! Plays a short sweep, measures the way back into each channel, and says what to change.

mod measure;
mod report;

use std::path::Path;
use std::time::{Duration, Instant};

use pressel_dsp::{BLOCK_RATE, gain_of_percent};
use pressel_hal::wav::Wav;
use pressel_hal::{Error, ErrorKind, Microphone, Speaker, Wake};

pub use measure::{Heard, Kind};
pub use report::Calibration;

use crate::config::Config;
use crate::offline::resample;
use crate::world::World;

/// Heard before the sweep, for the floor, and after it, for delay and tail.
const BEFORE: Duration = Duration::from_millis(1_000);
const AFTER: Duration = Duration::from_millis(1_200);
/// How far ahead of the DAC the sweep is put.
const LEAD: Duration = Duration::from_millis(100);
/// A card that delivers nothing for so long is broken.
const SILENT: Duration = Duration::from_secs(3);

/// Measures with the cards of the configuration and writes a fragment of configuration to `out`.
///
/// # Errors
/// A card that cannot be used, with what to do about it; a file that cannot be written.
pub fn calibrate(config: &Config, out: &Path) -> Result<Calibration, String> {
    let settings = config.sound();
    let World { mut microphone, mut speaker, .. } = World::real(config, &settings);
    let mut microphone = microphone().map_err(busy)?;
    let mut speaker = speaker().map_err(busy)?;
    let volume = settings.playback.volume_percent;
    let heard = hear(&mut *microphone, &mut *speaker, volume).map_err(|error| error.to_string())?;
    let calibration = Calibration::new(heard, settings.playback.volume_percent);
    std::fs::write(out, calibration.fragment()).map_err(|error| format!("{}: {error}", out.display()))?;
    Ok(calibration)
}

/// Plays the sweep once at this volume; what each channel heard of it. Takes 3.3 s.
///
/// # Errors
/// A card that fails meanwhile.
pub fn hear(
    microphone: &mut dyn Microphone,
    speaker: &mut dyn Speaker,
    volume_percent: u32,
) -> Result<Vec<Heard>, Error> {
    let gain = gain_of_percent(volume_percent as f32);
    let (channels, start) = record(microphone, speaker, gain)?;
    let measured =
        channels.iter().zip(0..).map(|(sound, channel)| measure::measure(channel, sound, start, gain));
    Ok(measured.collect())
}

/// Records all channels of the configuration's microphone for so long.
///
/// # Errors
/// A card that cannot be used, with what to do about it.
pub fn listen(config: &Config, length: Duration) -> Result<Wav, String> {
    let settings = config.sound();
    let World { mut microphone, .. } = World::real(config, &settings);
    let mut microphone = microphone().map_err(busy)?;
    let format = microphone.format();
    let mut recorder = Recorder::new(format.channels as usize);
    let wake = Wake::new();
    let frames = (length.as_secs_f64() * f64::from(format.rate_hz)) as usize;
    while recorder.frames() < frames {
        recorder.read(&mut *microphone, &wake).map_err(|error| error.to_string())?;
    }
    recorder.samples.truncate(frames * recorder.width);
    Ok(Wav { rate_hz: format.rate_hz, channels: format.channels, samples: recorder.samples })
}

fn busy(error: Error) -> String {
    match error.kind {
        ErrorKind::Busy => format!("{error}; stop the daemon first: systemctl stop pressel"),
        _ => error.to_string(),
    }
}

/// Plays and records; returns each channel at 16 kHz and the sample in it at which the DAC began with the sweep.
fn record(
    microphone: &mut dyn Microphone,
    speaker: &mut dyn Speaker,
    gain: f32,
) -> Result<(Vec<Vec<f32>>, usize), Error> {
    let (heard, played) = (microphone.format(), speaker.format());
    let sweep = resample(&measure::sweep(), BLOCK_RATE, played.rate_hz).map_err(unsupported)?;
    let width = played.channels as usize;
    let frames: Vec<f32> = sweep.iter().flat_map(|&s| std::iter::repeat_n(s * gain, width)).collect();
    let wake = Wake::new();
    let mut recorder = Recorder::new(heard.channels as usize);
    let floor_until = Instant::now() + BEFORE;
    while Instant::now() < floor_until {
        recorder.read(microphone, &wake)?;
    }
    let first = speaker.seek((LEAD.as_secs_f64() * f64::from(played.rate_hz)) as usize)?;
    let mut written = 0;
    let mut began = None;
    let end = Instant::now() + LEAD + Duration::from_secs(1) + AFTER;
    while Instant::now() < end || written < frames.len() {
        if written < frames.len() {
            written += speaker.write(&frames[written..])? * width;
            // Taken while the sweep is in the ring, so that the card's clock has had no time to drift.
            let head = speaker.playhead()?;
            let ahead_s = (first as f64 - head.played as f64) / f64::from(played.rate_hz);
            began = Some(shifted(head.at, ahead_s));
        }
        recorder.read(microphone, &wake)?;
    }
    let began = began.unwrap_or(floor_until);
    let rate = f64::from(heard.rate_hz);
    let since_s = match recorder.newest.checked_duration_since(began) {
        Some(later) => later.as_secs_f64(),
        None => -began.duration_since(recorder.newest).as_secs_f64(),
    };
    let start_frame = (recorder.frames() as f64 - since_s * rate).max(0.0);
    let start = (start_frame * f64::from(BLOCK_RATE) / rate) as usize;
    let channels = (0..recorder.width)
        .map(|channel| resample(&recorder.channel(channel), heard.rate_hz, BLOCK_RATE))
        .collect::<Result<_, _>>()
        .map_err(unsupported)?;
    Ok((channels, start))
}

/// What the microphone delivered, with silence where frames were lost.
struct Recorder {
    width: usize,
    samples: Vec<f32>,
    /// Position of the first frame.
    first: Option<u64>,
    newest: Instant,
    last_heard: Instant,
    chunk: Vec<f32>,
}

impl Recorder {
    fn new(width: usize) -> Self {
        let now = Instant::now();
        Recorder {
            width,
            samples: Vec::new(),
            first: None,
            newest: now,
            last_heard: now,
            chunk: vec![0.0; 4_096 * width],
        }
    }

    fn read(&mut self, microphone: &mut dyn Microphone, wake: &Wake) -> Result<(), Error> {
        let period = microphone.format().period_frames;
        microphone.wait(period, wake, Duration::from_millis(100))?;
        let captured = microphone.read(&mut self.chunk)?;
        if captured.frames == 0 {
            if self.last_heard.elapsed() > SILENT {
                return Err(Error::new(ErrorKind::Lost, "the microphone delivers nothing"));
            }
            return Ok(());
        }
        let first = *self.first.get_or_insert(captured.position);
        let place = captured.position.saturating_sub(first) as usize * self.width;
        self.samples.resize(place, 0.0);
        self.samples.extend_from_slice(&self.chunk[..captured.frames * self.width]);
        self.newest = captured.at;
        self.last_heard = Instant::now();
        Ok(())
    }

    fn frames(&self) -> usize {
        self.samples.len() / self.width
    }

    fn channel(&self, channel: usize) -> Vec<f32> {
        self.samples.iter().skip(channel).step_by(self.width).copied().collect()
    }
}

fn unsupported(rate: String) -> Error {
    Error::new(ErrorKind::Unsupported, rate)
}

fn shifted(at: Instant, by_s: f64) -> Instant {
    let by = Duration::from_secs_f64(by_s.abs());
    if by_s < 0.0 { at.checked_sub(by).unwrap_or(at) } else { at + by }
}
