//! The whole capture path over recordings: anyone can measure it on a room of their own, without a daemon or a card.

mod array;
mod report;
mod watch;

use std::path::{Path, PathBuf};

use pressel_dsp::{
    BLOCK, BLOCK_RATE, Block, EchoEngine, FrontEnd, FrontEndSettings, Geometry, PlaybackLoop, Resampler,
    Scout, block_level_dbfs,
};

use pressel_hal::wav::Wav;

pub use report::{Duck, Echo, Opening, Report};

use array::Known;

use crate::config::Config;
use watch::Watch;

/// A microphone below this in every block carries nothing, in dBFS: less than the lowest bit of 16.
const NOTHING_DBFS: f32 = -95.0;

/// What is to be done.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Job {
    /// Recording of the microphones.
    pub mic: PathBuf,
    /// Recording of what the speaker played, from the same moment on.
    pub far: Option<PathBuf>,
    /// Where the result goes: one channel at the rate of the microphones, as long as they are.
    pub out: PathBuf,
    /// Channels of the microphones from 0; empty means those of the configuration, and without any that they are found.
    pub channels: Vec<u32>,
    /// Where the microphones are; without it as the configuration says.
    pub geometry: Option<String>,
}

/// Reads, processes, writes.
///
/// # Errors
/// A sentence that names the file, what was found in it and what is allowed.
pub fn process(job: &Job, config: &Config) -> Result<Report, String> {
    let same = |path: &PathBuf| path.canonicalize().ok() == job.out.canonicalize().ok() && job.out.exists();
    if same(&job.mic) || job.far.as_ref().is_some_and(same) {
        return Err(format!("{}: would be overwritten; name another file for --out", job.out.display()));
    }
    let mic = recording(&job.mic)?;
    let far = job.far.as_deref().map(recording).transpose()?;
    let geometry = match &job.geometry {
        Some(name) => Some(Geometry::of_name(name).ok_or_else(|| {
            format!("--geometry {name}: not known; there are {}", Geometry::NAMES.join(", "))
        })?),
        None => None,
    };
    let name = |error: String| format!("{}: {error}", job.mic.display());
    let (sound, report) = run(&mic, far.as_ref(), &job.channels, geometry, config).map_err(name)?;
    let out = Wav { rate_hz: mic.rate_hz, channels: 1, samples: sound };
    out.write(&job.out).map_err(|error| format!("{}: {error}", job.out.display()))?;
    Ok(report)
}

/// Reads a file with sound in it; the error names it, says what was found and what is allowed.
fn recording(path: &Path) -> Result<Wav, String> {
    let wav = Wav::read(path).map_err(|error| error.to_string())?;
    let empty = || format!("{}: a WAV file without sound in it", path.display());
    if wav.frames() > 0 { Ok(wav) } else { Err(empty()) }
}

/// Takes recordings through the capture path; returns the sound at the microphones' rate, aligned with them and as
/// long, and what was seen on the way.
///
/// # Errors
/// What about the recording or the choice of channels cannot be used.
pub fn run(
    mic: &Wav,
    far: Option<&Wav>,
    chosen: &[u32],
    geometry: Option<Geometry>,
    config: &Config,
) -> Result<(Vec<f32>, Report), String> {
    let channels: Vec<Vec<f32>> = (0..mic.channels)
        .map(|channel| at_block_rate(&mic.channel(channel), mic.rate_hz))
        .collect::<Result<_, _>>()?;
    let played = match far {
        Some(far) => {
            Some(at_block_rate(&far.mono(), far.rate_hz).map_err(|error| format!("far end: {error}"))?)
        }
        None => None,
    };
    let array = array::known(chosen, geometry, config);
    let (sound, report, _) = through(&channels, played, mic, far.is_none(), &array, config)?;
    Ok((sound, report))
}

/// What a recording sounds like after each stage: name and samples at 16 kHz, one channel each. `far` is what was played
/// meanwhile; without it a playback loop among the channels is, and without that the far end is silence.
///
/// # Errors
/// As [`run`].
pub fn stages(
    mic: &Wav,
    far: Option<&Wav>,
    config: &Config,
) -> Result<Vec<(&'static str, Vec<f32>)>, String> {
    let channels: Vec<Vec<f32>> = (0..mic.channels)
        .map(|channel| at_block_rate(&mic.channel(channel), mic.rate_hz))
        .collect::<Result<_, _>>()?;
    let played = far.map(|far| at_block_rate(&far.mono(), far.rate_hz)).transpose();
    let played = played.map_err(|error| format!("far end: {error}"))?;
    let array = array::known(&[], None, config);
    let (_, _, stages) = through(&channels, played, mic, far.is_none(), &array, config)?;
    Ok(stages.into())
}

type Staged = [(&'static str, Vec<f32>); 5];

fn through(
    channels: &[Vec<f32>],
    played: Option<Vec<f32>>,
    mic: &Wav,
    wants_loop: bool,
    array: &Known,
    config: &Config,
) -> Result<(Vec<f32>, Report, Staged), String> {
    let found = find(channels, wants_loop, array)?;
    let played = played.or_else(|| found.playback_loop.map(|channel| channels[channel as usize].clone()));
    let mut settings = config.sound().front_end(BLOCK_RATE, found.microphones.len() as u32);
    settings.array.geometry = array.geometry.clone();
    settings.array.playback_loop = PlaybackLoop::None;
    settings.use_channels = Vec::new();
    let (sound, mut report, stages) = walk(channels, &found.microphones, played.as_deref(), settings)?;
    report.channels = found.microphones;
    report.playback_loop = found.playback_loop.filter(|_| wants_loop);
    report.rate_hz = mic.rate_hz;
    report.duration_ms = mic.frames() as u64 * 1_000 / u64::from(mic.rate_hz);
    report.end_at(report.duration_ms);
    let mut sound = resample(&sound, BLOCK_RATE, mic.rate_hz)?;
    sound.resize(mic.frames(), 0.0);
    Ok((sound, report, stages))
}

/// Which channel is what.
struct Found {
    microphones: Vec<u32>,
    playback_loop: Option<u32>,
}

fn find(channels: &[Vec<f32>], wants_loop: bool, array: &Known) -> Result<Found, String> {
    let Known { chosen, geometry, playback_loop: asked } = array;
    let count = channels.len() as u32;
    if let Some(wrong) = chosen.iter().find(|&&channel| channel >= count) {
        return Err(format!("channel {wrong} of {count}: channels 0 to {} are allowed", count - 1));
    }
    let mut scout = Scout::new(channels.len(), BLOCK_RATE);
    let mut frames = vec![0.0; channels.len() * BLOCK];
    for n in 0..channels[0].len() / BLOCK {
        interleave(channels, n, &mut frames);
        scout.process(&frames);
    }
    let (found, heard) = scout.finding();
    let layout = geometry.layout(count);
    let playback_loop = match asked {
        PlaybackLoop::None => None,
        PlaybackLoop::Channel(channel) => Some(*channel).filter(|&channel| channel < count),
        PlaybackLoop::Find => layout
            .playback_loop
            .filter(|_| chosen.is_empty())
            .or(found.map(|channel| channel as u32).filter(|_| wants_loop || chosen.is_empty())),
    };
    if !chosen.is_empty() {
        return Ok(Found { microphones: chosen.clone(), playback_loop });
    }
    if layout.microphones.len() > 1 && *geometry != Geometry::Unknown {
        return Ok(Found { playback_loop, microphones: layout.microphones });
    }
    let sounds = |channel: u32| {
        let blocks = channels[channel as usize].chunks_exact(BLOCK);
        blocks
            .map(|block| block_level_dbfs(block.try_into().expect("a whole block")))
            .any(|l| l > NOTHING_DBFS)
    };
    // Loud enough to be compared; if none is, whatever carries anything at all; if none does, silence is processed.
    let all: Vec<u32> = (0..count).filter(|&channel| Some(channel) != playback_loop).collect();
    let is_heard = |channel: &u32| count > 16 || heard >> channel & 1 == 1;
    let mut microphones: Vec<u32> = all.iter().copied().filter(is_heard).filter(|&c| sounds(c)).collect();
    if microphones.is_empty() {
        microphones = all.iter().copied().filter(|&channel| sounds(channel)).collect();
    }
    if microphones.is_empty() {
        microphones = all;
    }
    Ok(Found { microphones, playback_loop })
}

/// The capture path, block by block.
fn walk(
    channels: &[Vec<f32>],
    microphones: &[u32],
    played: Option<&[f32]>,
    settings: FrontEndSettings,
) -> Result<(Vec<f32>, Report, Staged), String> {
    let steered = settings.echo.steer && settings.echo.engine != EchoEngine::Off;
    let mut front_end = FrontEnd::new(settings).map_err(|error| error.to_string())?;
    let chosen: Vec<&[f32]> = microphones.iter().map(|&channel| &channels[channel as usize][..]).collect();
    let late = (front_end.delay_ms() * BLOCK_RATE as f32 / 1_000.0).round() as usize;
    let len = chosen[0].len();
    let mut frames = vec![0.0; chosen.len() * BLOCK];
    let mut sound = Vec::with_capacity(len + late + BLOCK);
    let mut watch = Watch::new(late as f32 * 1_000.0 / BLOCK_RATE as f32, played.is_some(), steered);
    let mut out: Block = [0.0; BLOCK];
    let names = ["far", "microphone", "cancelled", "quieted", "out"];
    let mut staged: Staged = names.map(|name| (name, Vec::new()));
    for n in 0..(len + late).div_ceil(BLOCK) {
        interleave(&chosen, n, &mut frames);
        let mut far: Block = [0.0; BLOCK];
        copy_block(played.unwrap_or_default(), n, &mut far);
        let reading = front_end.process(&frames, &far, &mut out);
        watch.see(n, &front_end, &far, &reading);
        sound.extend_from_slice(&out);
        let stages = front_end.stages();
        let blocks = [&stages.far, &stages.microphone, &stages.cancelled, &stages.quieted, &out];
        for ((_, sound), block) in staged.iter_mut().zip(blocks) {
            sound.extend_from_slice(block);
        }
    }
    sound.drain(..late.min(sound.len()));
    sound.truncate(len);
    Ok((sound, watch.end(), staged))
}

/// The n-th block of all channels; after their end silence.
fn interleave(channels: &[impl AsRef<[f32]>], n: usize, frames: &mut [f32]) {
    let width = channels.len();
    for (channel, sound) in channels.iter().enumerate() {
        let sound = sound.as_ref();
        for k in 0..BLOCK {
            frames[k * width + channel] = sound.get(n * BLOCK + k).copied().unwrap_or(0.0);
        }
    }
}

fn copy_block(sound: &[f32], n: usize, block: &mut Block) {
    for (k, slot) in block.iter_mut().enumerate() {
        *slot = sound.get(n * BLOCK + k).copied().unwrap_or(0.0);
    }
}

fn at_block_rate(sound: &[f32], rate_hz: u32) -> Result<Vec<f32>, String> {
    resample(sound, rate_hz, BLOCK_RATE)
}

/// The same sound at another rate, without delay and as long.
pub(crate) fn resample(sound: &[f32], from_hz: u32, to_hz: u32) -> Result<Vec<f32>, String> {
    let mut resample = Resampler::aligned(from_hz, to_hz).map_err(|error| error.to_string())?;
    let len = (sound.len() as u64 * u64::from(to_hz)).div_ceil(u64::from(from_hz)) as usize;
    let mut out = vec![0.0; len];
    let tail = vec![0.0; resample.tail()];
    let mut made = 0;
    for mut input in [sound, &tail] {
        while made < len {
            let (used, produced) = resample.process(input, &mut out[made..]);
            input = &input[used..];
            made += produced;
            if input.is_empty() && produced == 0 {
                break;
            }
        }
    }
    Ok(out)
}

#[cfg(test)]
mod array_tests;
#[cfg(test)]
mod echo_tests;
#[cfg(test)]
mod tests;
