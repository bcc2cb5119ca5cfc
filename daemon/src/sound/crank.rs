//! Cards whose time a test turns by hand, so that every sample and every moment is decided by the test.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use pressel_hal::{Captured, Error, Format, Microphone, Playhead, SampleFormat, Speaker, Timing, Wait, Wake};

fn format(rate_hz: u32, channels: u32, buffer_frames: usize) -> Format {
    let period_frames = rate_hz as usize / 100;
    Format { rate_hz, channels, sample: SampleFormat::S16Le, period_frames, buffer_frames }
}

fn duration(frames: u64, rate_hz: u32) -> Duration {
    Duration::from_nanos(frames * 1_000_000_000 / u64::from(rate_hz))
}

/// A speaker and what its DAC played; clones are the same one.
#[derive(Clone)]
pub(super) struct CrankSpeaker(Arc<Mutex<Dac>>);

pub(super) struct Dac {
    format: Format,
    start: Instant,
    can_rewind: bool,
    pub(super) played: u64,
    written: u64,
    /// What each frame holds: beyond `played`, what would come next.
    ring: Vec<f32>,
    /// Frames that pass at every call, as on a card that does not wait for a busy machine.
    pub(super) per_call: u64,
    pub(super) fails: Option<Error>,
}

impl CrankSpeaker {
    pub(super) fn new(rate_hz: u32, buffer_frames: usize, can_rewind: bool) -> Self {
        CrankSpeaker(Arc::new(Mutex::new(Dac {
            format: format(rate_hz, 1, buffer_frames),
            // Long ago, so that no frame is in the future.
            start: Instant::now() - Duration::from_secs(600),
            can_rewind,
            played: 0,
            written: 0,
            ring: Vec::new(),
            per_call: 0,
            fails: None,
        })))
    }

    pub(super) fn dac(&self) -> MutexGuard<'_, Dac> {
        self.0.lock().unwrap()
    }

    /// Lets the DAC play.
    pub(super) fn play(&self, frames: u64) {
        let mut dac = self.dac();
        dac.played += frames;
    }

    /// The card breaks down and loses what it has not played.
    pub(super) fn underrun(&self) {
        let mut dac = self.dac();
        let played = dac.played as usize;
        dac.ring.truncate(played);
        dac.written = dac.played;
    }

    /// Everything played so far.
    pub(super) fn heard(&self) -> Vec<f32> {
        let dac = self.dac();
        let mut heard = dac.ring.clone();
        heard.resize(dac.played as usize, 0.0);
        heard
    }
}

impl CrankSpeaker {
    /// What was played of these frames.
    pub(super) fn heard_from(&self, from: u64, to: u64) -> Vec<f32> {
        let dac = self.dac();
        let sample = |at: u64| dac.ring.get(at as usize).copied().unwrap_or(0.0);
        (from..to).map(sample).collect()
    }
}

impl Dac {
    fn turn(&mut self) -> Result<(), Error> {
        self.played += self.per_call;
        self.fails.take().map_or(Ok(()), Err)
    }
}

impl Speaker for CrankSpeaker {
    fn format(&self) -> Format {
        self.dac().format
    }

    fn can_rewind(&self) -> bool {
        self.dac().can_rewind
    }

    fn wait(&mut self, _frames: Option<usize>, _wake: &Wake, _timeout: Duration) -> Result<Wait, Error> {
        self.dac().turn().map(|()| Wait::TimedOut)
    }

    fn playhead(&mut self) -> Result<Playhead, Error> {
        let mut dac = self.dac();
        dac.turn()?;
        let at = dac.start + duration(dac.played, dac.format.rate_hz);
        Ok(Playhead { played: dac.played, written: dac.written.max(dac.played), at, timing: Timing::Driver })
    }

    fn seek(&mut self, lead: usize) -> Result<u64, Error> {
        let mut dac = self.dac();
        dac.turn()?;
        let target = dac.played + lead as u64;
        if dac.can_rewind || target > dac.written {
            dac.written = target;
        }
        Ok(dac.written)
    }

    fn write(&mut self, samples: &[f32]) -> Result<usize, Error> {
        let mut dac = self.dac();
        dac.turn()?;
        if dac.written < dac.played {
            dac.written = dac.played;
            return Ok(0);
        }
        let room = dac.format.buffer_frames - (dac.written - dac.played) as usize;
        let taken = samples.len().min(room);
        let at = dac.written as usize;
        if dac.ring.len() < at + taken {
            dac.ring.resize(at + taken, 0.0);
        }
        dac.ring[at..at + taken].copy_from_slice(&samples[..taken]);
        dac.written += taken as u64;
        Ok(taken)
    }

    fn xruns(&self) -> u64 {
        0
    }
}

/// A microphone that hears a ramp: the sample at frame `n` is a function of `n`. Clones are the same one.
#[derive(Clone)]
pub(super) struct CrankMicrophone(Arc<Mutex<Adc>>);

pub(super) struct Adc {
    format: Format,
    pub(super) start: Instant,
    heard: u64,
    read: u64,
    xrun: bool,
    sound: fn(u64) -> f32,
    pub(super) fails: Option<Error>,
}

impl CrankMicrophone {
    pub(super) fn new(rate_hz: u32, sound: fn(u64) -> f32) -> Self {
        CrankMicrophone(Arc::new(Mutex::new(Adc {
            format: format(rate_hz, 1, rate_hz as usize),
            start: Instant::now() - Duration::from_secs(600),
            heard: 0,
            read: 0,
            xrun: false,
            sound,
            fails: None,
        })))
    }

    pub(super) fn adc(&self) -> MutexGuard<'_, Adc> {
        self.0.lock().unwrap()
    }

    /// Lets it hear.
    pub(super) fn hear(&self, frames: u64) {
        self.adc().heard += frames;
    }

    /// Loses what it has heard and nobody has read, and `frames` more.
    pub(super) fn overrun(&self, frames: u64) {
        let mut adc = self.adc();
        adc.heard += frames;
        adc.read = adc.heard;
        adc.xrun = true;
    }

    /// When a frame was captured.
    pub(super) fn at(&self, frame: u64) -> Instant {
        let adc = self.adc();
        adc.start + duration(frame, adc.format.rate_hz)
    }
}

impl Microphone for CrankMicrophone {
    fn format(&self) -> Format {
        self.adc().format
    }

    fn wait(&mut self, _frames: usize, _wake: &Wake, _timeout: Duration) -> Result<Wait, Error> {
        Ok(Wait::TimedOut)
    }

    fn read(&mut self, out: &mut [f32]) -> Result<Captured, Error> {
        let mut adc = self.adc();
        if let Some(error) = adc.fails.take() {
            return Err(error);
        }
        let (position, frames) = (adc.read, out.len().min((adc.heard - adc.read) as usize));
        for (n, out) in out[..frames].iter_mut().enumerate() {
            *out = (adc.sound)(position + n as u64);
        }
        adc.read += frames as u64;
        let at = adc.start + duration(adc.read, adc.format.rate_hz);
        let xrun = frames > 0 && std::mem::take(&mut adc.xrun);
        Ok(Captured { frames, position, at, timing: Timing::Driver, xrun })
    }
}
