//! What the microphone hears and what the speaker has played.

use std::io;
use std::ops::Range;
use std::path::Path;

use super::{Card, Direction};
use crate::wav::Wav;

/// Frames moved at once when a whole file is filled.
const BLOCK_FRAMES: usize = 65_536;

impl Card {
    /// Puts mono sound before the microphone, on all channels, over what was there.
    ///
    /// # Errors
    /// When it does not fit into the file.
    pub fn say(&self, at_sample: u64, sound: &[i16]) -> io::Result<()> {
        let all: Vec<usize> = (0..self.channels(Direction::Capture)).collect();
        self.say_on(&all, at_sample, sound)
    }

    /// The same on some of the microphone's channels.
    ///
    /// # Errors
    /// When it does not fit into the file.
    pub fn say_on(&self, channels: &[usize], at_sample: u64, sound: &[i16]) -> io::Result<()> {
        let count = self.channels(Direction::Capture);
        let mut frames = self.mic_slice(at_sample..at_sample + sound.len() as u64)?;
        for (frame, sample) in frames.chunks_exact_mut(count).zip(sound) {
            for channel in channels {
                frame[*channel] = *sample;
            }
        }
        self.put(Direction::Capture, at_sample, &frames)
    }

    /// Fills the whole microphone with noise of at most `level`, each channel its own; the same for the same seed.
    /// Its period is longer than any recording, so a few dozen samples tell where they come from.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn fill_noise(&self, seed: u64, level: i16) -> io::Result<()> {
        let channels = self.channels(Direction::Capture);
        let stream = self.stream(Direction::Capture);
        let total = stream.seconds as usize * stream.rate_hz as usize;
        let mut noise = Noise::new(seed, level);
        for first in (0..total).step_by(BLOCK_FRAMES) {
            let block = noise.take(BLOCK_FRAMES.min(total - first) * channels);
            self.put(Direction::Capture, first as u64, &block)?;
        }
        Ok(())
    }

    /// What stands before the microphone, without echo: interleaved.
    ///
    /// # Errors
    /// When the range is not within the file.
    pub fn mic_slice(&self, range: Range<u64>) -> io::Result<Vec<i16>> {
        self.slice(Direction::Capture, range)
    }

    /// What the speaker has played, interleaved; 0 where nothing was written. From now on it is what it would play
    /// next, as the ring stands.
    ///
    /// # Errors
    /// When the range is not within the file.
    pub fn speaker_slice(&self, range: Range<u64>) -> io::Result<Vec<i16>> {
        self.slice(Direction::Playback, range)
    }

    /// Puts interleaved frames into what the speaker has played: for whoever records it in the plugin's stead.
    ///
    /// # Errors
    /// When they do not fit into the file.
    pub fn put_played(&self, at_sample: u64, frames: &[i16]) -> io::Result<()> {
        self.put(Direction::Playback, at_sample, frames)
    }

    /// One channel of either direction.
    ///
    /// # Errors
    /// When the range is not within the file.
    pub fn channel(&self, direction: Direction, channel: usize, range: Range<u64>) -> io::Result<Vec<i16>> {
        let count = self.channels(direction);
        Ok(self.slice(direction, range)?.iter().skip(channel).step_by(count).copied().collect())
    }

    /// Writes a stretch of either direction as a WAV file.
    ///
    /// # Errors
    /// When the range is not within the file, or the WAV cannot be written.
    pub fn write_wav(&self, path: &Path, direction: Direction, range: Range<u64>) -> io::Result<()> {
        let samples = self.slice(direction, range)?;
        let stream = self.stream(direction);
        Wav { rate_hz: stream.rate_hz, channels: stream.file_channels() as u16, samples }.write(path)
    }

    /// Takes out of the speaker what was still queued: to be called after a process that played was killed.
    /// Hardware stops with its owner, a file cannot know. (Opening the speaker again does the same.)
    pub fn process_died(&self) {
        self.silence_from_now();
    }

    pub(super) fn silence_from_now(&self) {
        let now = self.now_sample(Direction::Playback);
        let end = self.report(Direction::Playback).queued_until.min(self.frames(Direction::Playback));
        if now < end {
            let silence = vec![0; (end - now) as usize * self.channels(Direction::Playback)];
            self.put(Direction::Playback, now, &silence).ok(); // the range is within the file
        }
    }

    fn channels(&self, direction: Direction) -> usize {
        self.stream(direction).file_channels() as usize
    }

    fn frames(&self, direction: Direction) -> u64 {
        let stream = self.stream(direction);
        u64::from(stream.seconds) * u64::from(stream.rate_hz)
    }

    fn check(&self, direction: Direction, first: u64, frames: u64) -> io::Result<()> {
        let end = self.frames(direction);
        if first.checked_add(frames).is_some_and(|last| last <= end) {
            return Ok(());
        }
        let text = format!("{direction:?} samples {first} and {frames} more: the card's file ends at {end}");
        Err(io::Error::new(io::ErrorKind::InvalidInput, text))
    }

    fn slice(&self, direction: Direction, range: Range<u64>) -> io::Result<Vec<i16>> {
        let frames = range.end.saturating_sub(range.start);
        self.check(direction, range.start, frames)?;
        let frame = self.channels(direction) * 2;
        let mut bytes = vec![0; frames as usize * frame];
        self.read_sound(direction, range.start * frame as u64, &mut bytes)?;
        Ok(bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect())
    }

    fn put(&self, direction: Direction, first: u64, frames: &[i16]) -> io::Result<()> {
        let channels = self.channels(direction);
        self.check(direction, first, (frames.len() / channels) as u64)?;
        let mut bytes = vec![0; frames.len() * 2];
        for (pair, sample) in bytes.chunks_exact_mut(2).zip(frames) {
            pair.copy_from_slice(&sample.to_le_bytes());
        }
        self.write_sound(direction, first * channels as u64 * 2, &bytes)
    }
}

/// Deterministic noise (xorshift64*, four samples from each number).
#[derive(Clone, Debug)]
pub struct Noise {
    state: u64,
    random: u64,
    left: u32,
    span: u32,
    level: i32,
}

impl Noise {
    /// Noise between `-level` and `level`.
    pub fn new(seed: u64, level: i16) -> Self {
        // The state must not be 0; seeds that are close must not give sounds that are.
        let state = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let level = i32::from(level.max(0));
        Noise { state, random: 0, left: 0, span: level as u32 * 2 + 1, level }
    }

    /// The next sample.
    pub fn next_sample(&mut self) -> i16 {
        if self.left == 0 {
            self.state ^= self.state >> 12;
            self.state ^= self.state << 25;
            self.state ^= self.state >> 27;
            self.random = self.state.wrapping_mul(0x2545_f491_4f6c_dd1d);
            self.left = 4;
        }
        self.left -= 1;
        let random = (self.random & 0xffff) as u32;
        self.random >>= 16;
        (((random * self.span) >> 16) as i32 - self.level) as i16
    }

    /// The next `count` samples.
    pub fn take(&mut self, count: usize) -> Vec<i16> {
        (0..count).map(|_| self.next_sample()).collect()
    }
}
