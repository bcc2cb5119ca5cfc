//! A microphone on libasound.

use std::time::{Duration, Instant};

use super::cards::Direction;
use super::convert::decode;
use super::pcm::{Pcm, Thresholds, duration};
use crate::{Captured, Error, Format, Microphone, StreamRequest, Timing, Wait, Wake};

/// A PCM that captures; running since it was opened.
pub struct AlsaMicrophone {
    pcm: Pcm,
    /// Index of the next frame.
    position: u64,
    /// When the frame before that was captured.
    at: Instant,
    /// An overrun was recovered, and the next read says so.
    xrun: bool,
    /// Frames as the card holds them.
    bytes: Box<[u8]>,
}

impl AlsaMicrophone {
    /// Opens the PCM, agrees on a format and starts it.
    ///
    /// # Errors
    /// What is in the way, and of whom: see [`crate::ErrorKind`].
    pub fn open(request: &StreamRequest) -> Result<Self, Error> {
        let mut pcm = Pcm::open(request, Direction::Capture)?;
        let buffer = pcm.format.buffer_frames;
        let thresholds = Thresholds { start: 1, stop: buffer as i64, driver_silence: false };
        let started = pcm.set_thresholds(&thresholds).and_then(|()| pcm.prepare()).and_then(|()| pcm.start());
        started.map_err(|errno| pcm.lost("start", errno))?;
        let bytes = vec![0; buffer * pcm.frame_bytes()].into();
        Ok(AlsaMicrophone { pcm, position: 0, at: Instant::now(), xrun: false, bytes })
    }

    fn recover(&mut self, errno: i32) -> Result<Captured, Error> {
        if errno != libc::EPIPE && errno != libc::ESTRPIPE {
            return Err(self.pcm.lost("read", errno));
        }
        self.xrun = true;
        // Preparing alone leaves a capture stream standing.
        let recovered = self.pcm.recover(errno).and_then(|()| match self.pcm.is_running() {
            true => Ok(()),
            false => self.pcm.start(),
        });
        recovered.map_err(|errno| self.pcm.lost("recover", errno))?;
        Ok(self.nothing())
    }

    fn nothing(&self) -> Captured {
        Captured { frames: 0, position: self.position, at: self.at, timing: Timing::Clock, xrun: false }
    }
}

impl Microphone for AlsaMicrophone {
    fn format(&self) -> Format {
        self.pcm.format
    }

    fn wait(&mut self, frames: usize, wake: &Wake, timeout: Duration) -> Result<Wait, Error> {
        // More than the ring holds never comes.
        let frames = frames.min(self.pcm.format.buffer_frames / 2);
        self.pcm.wait(Some(frames), wake, timeout)
    }

    fn read(&mut self, out: &mut [f32]) -> Result<Captured, Error> {
        let Format { rate_hz, channels, sample, .. } = self.pcm.format;
        let status = match self.pcm.read_status() {
            Ok(status) => status,
            Err(errno) => return self.recover(errno),
        };
        let room = (out.len() / channels as usize).min(self.bytes.len() / self.pcm.frame_bytes());
        let frames = room.min(usize::try_from(status.avail).unwrap_or(0));
        if frames == 0 {
            return Ok(self.nothing());
        }
        let frames = match self.pcm.read(&mut self.bytes, frames) {
            Ok(frames) => frames,
            Err(libc::EAGAIN) => return Ok(self.nothing()),
            Err(errno) => return self.recover(errno),
        };
        decode(
            sample,
            &self.bytes[..frames * self.pcm.frame_bytes()],
            &mut out[..frames * channels as usize],
        );
        // `delay` frames had been captured and not read; the last one read now is older by what stays.
        let newer = status.delay.max(status.avail) - frames as i64;
        let at = status.at - duration(newer, rate_hz);
        let xrun = std::mem::take(&mut self.xrun);
        if xrun {
            // The card does not say how much went by: the clock does.
            let passed = at.saturating_duration_since(self.at).as_nanos() * u128::from(rate_hz);
            let passed = (passed + 500_000_000) / 1_000_000_000;
            self.position += (passed as u64).saturating_sub(frames as u64);
        }
        let captured = Captured { frames, position: self.position, at, timing: status.timing, xrun };
        self.position += frames as u64;
        self.at = at;
        Ok(captured)
    }
}
