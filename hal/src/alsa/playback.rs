//! A speaker on libasound.
//!
//! Where the PCM allows it the ring runs freely: it never stops, what was played is overwritten with silence by the
//! driver, and the write position is moved back or forward at will. Where it does not (libasound's rate converter,
//! its mixer, sound servers), the stream is stopped while nothing is said, as if it had drained.

use std::time::{Duration, Instant};

use super::cards::Direction;
use super::convert::encode;
use super::pcm::{Pcm, Status, Thresholds, duration};
use crate::{Error, Format, Playhead, Speaker, StreamRequest, Timing, Wait, Wake};

/// Layers of libasound that seem to take sound back, or to run freely, and do not: what they are called in a dump
/// of the PCM. The mixers keep a copy of the ring, which would be heard again; sound servers have it already.
const NOT_A_RING: [&str; 6] =
    ["Direct Stream Mixing", "Direct Share", "PulseAudio", "JACK", "OSS PCM", "BlueALSA"];

/// Trying out what a card takes back is quicker than this, or says nothing: 20 ms of silence do not wait.
const PROBE_MAX: Duration = Duration::from_millis(5);
/// Tries on a machine that is busy.
const PROBES: usize = 8;

/// A PCM that plays.
pub struct AlsaSpeaker {
    pcm: Pcm,
    /// The ring never stops.
    free: bool,
    rewinds: bool,
    /// Added to every lead: the hardware's pointer may be so far behind the hardware.
    slack: i64,
    /// Index of the frame that the next write sets.
    appl: u64,
    /// The last known position of the hardware, and when it was there, in whose words.
    hw: u64,
    hw_at: Instant,
    timing: Timing,
    xruns: u64,
    /// Frames as the card takes them.
    bytes: Box<[u8]>,
}

impl AlsaSpeaker {
    /// Opens the PCM, agrees on a format, finds out what it can take back, and starts it if it runs freely.
    ///
    /// # Errors
    /// What is in the way, and of whom: see [`crate::ErrorKind`].
    pub fn open(request: &StreamRequest) -> Result<Self, Error> {
        let pcm = Pcm::open(request, Direction::Playback)?;
        // USB hands its packets over when the pointer moves: what lies behind the pointer can be set.
        let slack = if pcm.coarse && !is_usb(&pcm) { pcm.format.period_frames as i64 } else { 0 };
        let bytes = vec![0; pcm.format.buffer_frames * pcm.frame_bytes()].into();
        let mut speaker = AlsaSpeaker {
            pcm,
            free: true,
            rewinds: false,
            slack,
            appl: 0,
            hw: 0,
            hw_at: Instant::now(),
            timing: Timing::Clock,
            xruns: 0,
            bytes,
        };
        let layered = {
            let description = speaker.pcm.describe();
            NOT_A_RING.iter().any(|layer| description.contains(layer))
        };
        if layered || speaker.run_freely().is_err() {
            speaker.run_when_fed().map_err(|errno| speaker.pcm.lost("start", errno))?;
        }
        Ok(speaker)
    }

    /// Starts a ring that never stops, and tries out what can be done with it.
    fn run_freely(&mut self) -> Result<(), i32> {
        let boundary = self.pcm.boundary;
        self.pcm.set_thresholds(&Thresholds { start: boundary, stop: boundary, driver_silence: true })?;
        self.pcm.prepare()?;
        self.pcm.start()?;
        self.free = true;
        let rate = i64::from(self.pcm.format.rate_hz);
        let (lead, probe) = (self.slack + rate / 500, (self.slack + rate / 100).min(self.ring() / 4));
        for _ in 0..PROBES {
            let began = Instant::now();
            let (avail, _) = self.pcm.avail_delay()?;
            let ahead = (lead + avail - self.ring()).max(0);
            if self.pcm.forward(ahead)? != ahead {
                return Err(libc::ENOSYS);
            }
            self.appl += ahead as u64;
            // Silence of which the later half is taken back must bring the end nearer by as much.
            let silence = 2 * probe as usize * self.pcm.frame_bytes();
            self.bytes.fill(0);
            let written = self.pcm.write(&self.bytes[..silence])?;
            self.appl += written as u64;
            let (_, queued) = self.pcm.avail_delay()?;
            if written == 2 * probe as usize && self.pcm.rewindable().is_ok_and(|frames| frames >= probe) {
                if let Ok(back) = self.pcm.rewind(probe) {
                    self.appl -= back as u64;
                    let (_, left) = self.pcm.avail_delay()?;
                    self.rewinds = back == probe && queued - left >= probe / 2;
                }
            }
            // Who was kept waiting meanwhile has learnt nothing: the silence was played before it was taken back.
            if self.rewinds || began.elapsed() < PROBE_MAX {
                break;
            }
        }
        Ok(())
    }

    /// Sets up a stream that starts with the first frames and stops after the last.
    fn run_when_fed(&mut self) -> Result<(), i32> {
        // It may be running already, or not have got so far.
        let _ = self.pcm.stop();
        (self.free, self.rewinds, self.slack) = (false, false, 0);
        (self.appl, self.hw) = (0, 0);
        self.pcm.set_thresholds(&Thresholds { start: 1, stop: self.ring(), driver_silence: false })?;
        self.pcm.prepare()
    }

    fn ring(&self) -> i64 {
        self.pcm.format.buffer_frames as i64
    }

    /// The stream broke: gets it going again, empty. What had not been heard yet is to be written once more: the
    /// next frame is the one at which the hardware stopped.
    fn recover(&mut self, errno: i32, what: &str) -> Result<(), Error> {
        if errno != libc::EPIPE && errno != libc::ESTRPIPE {
            return Err(self.pcm.lost(what, errno));
        }
        let recovered = self.pcm.recover(errno).and_then(|()| match self.free && !self.pcm.is_running() {
            true => self.pcm.start(),
            false => Ok(()),
        });
        recovered.map_err(|errno| self.pcm.lost("recover", errno))?;
        if self.free {
            // A ring that never stops has no other reason to.
            self.xruns += 1;
        }
        // Nobody tells where it stopped: no later than now, and not beyond what was written.
        let since = self.hw_at.elapsed().as_nanos() * u128::from(self.pcm.format.rate_hz) / 1_000_000_000;
        self.appl = self.hw.max(self.appl.min(self.hw + since as u64));
        self.hw = self.appl;
        (self.hw_at, self.timing) = (Instant::now(), Timing::Clock);
        Ok(())
    }

    /// Frames between the hardware and the next write, below 0 if the hardware has passed it; then those on their
    /// way behind the hardware's pointer.
    fn queued(&mut self) -> Result<(i64, i64), Error> {
        if !self.free && !self.pcm.is_running() {
            // Stopped, because all was played: some plugins know no position then.
            self.hw = self.appl;
            (self.hw_at, self.timing) = (Instant::now(), Timing::Clock);
            return Ok((0, 0));
        }
        match self.position() {
            Ok(Status { avail, delay, at, timing }) => {
                let queued = self.ring() - avail;
                self.hw = self.appl.saturating_add_signed(-queued);
                (self.hw_at, self.timing) = (at, timing);
                Ok((queued, (delay - queued).clamp(0, i64::from(self.pcm.format.rate_hz))))
            }
            Err(errno) => {
                self.recover(errno, "position")?;
                Ok((0, 0))
            }
        }
    }

    /// Where the stream stands. Only a ring of a card's own is asked for its time: what converts or mixes keeps a
    /// fill level of its own, which its status leaves out.
    fn position(&mut self) -> Result<Status, i32> {
        if self.free {
            return self.pcm.read_status();
        }
        let before = Instant::now();
        let (avail, delay) = self.pcm.avail_delay()?;
        // Halfway: the position was taken somewhere in between.
        Ok(Status { avail, delay, at: before + before.elapsed() / 2, timing: Timing::Clock })
    }

    fn forward(&mut self, frames: i64) -> Result<(), Error> {
        match self.pcm.forward(frames) {
            Ok(forward) => {
                self.appl += forward as u64;
                Ok(())
            }
            Err(errno) => self.recover(errno, "forward"),
        }
    }
}

impl Speaker for AlsaSpeaker {
    fn format(&self) -> Format {
        self.pcm.format
    }

    fn can_rewind(&self) -> bool {
        self.rewinds
    }

    fn wait(&mut self, frames: Option<usize>, wake: &Wake, timeout: Duration) -> Result<Wait, Error> {
        self.pcm.wait(frames, wake, timeout)
    }

    fn playhead(&mut self) -> Result<Playhead, Error> {
        let (queued, on_the_way) = self.queued()?;
        if queued < -16 * self.ring() {
            // Positions of libasound wrap (after hours, with 32 bits): never let the distance grow that far.
            self.forward(-queued)?;
        }
        let at = self.hw_at + duration(on_the_way, self.pcm.format.rate_hz);
        Ok(Playhead { played: self.hw, written: self.appl.max(self.hw), at, timing: self.timing })
    }

    fn seek(&mut self, lead: usize) -> Result<u64, Error> {
        let (queued, _) = self.queued()?;
        let target = (lead as i64 + self.slack).min(self.ring());
        if !self.free {
            return Ok(self.appl);
        }
        if queued < target {
            self.forward(target - queued)?;
        } else if self.rewinds {
            let back = match self.pcm.rewindable() {
                Ok(frames) => frames.min(queued - target),
                Err(_) => 0,
            };
            if back > 0 {
                match self.pcm.rewind(back) {
                    Ok(back) => self.appl -= back as u64,
                    Err(errno) => self.recover(errno, "rewind")?,
                }
            }
        }
        Ok(self.appl)
    }

    fn write(&mut self, samples: &[f32]) -> Result<usize, Error> {
        let avail = match self.pcm.avail() {
            Ok(avail) => avail,
            Err(errno) => {
                self.recover(errno, "write")?;
                return Ok(0);
            }
        };
        if self.free && avail > self.ring() {
            // The hardware has passed: what is written here would be heard when the ring comes round.
            self.xruns += 1;
            self.forward(avail - self.ring() + self.slack)?;
            return Ok(0);
        }
        let Format { channels, sample, .. } = self.pcm.format;
        let frames = (samples.len() / channels as usize).min(usize::try_from(avail).unwrap_or(0));
        if frames == 0 {
            return Ok(0);
        }
        let bytes = &mut self.bytes[..frames * self.pcm.frame_bytes()];
        encode(sample, &samples[..frames * channels as usize], bytes);
        match self.pcm.write(bytes) {
            Ok(frames) => {
                self.appl += frames as u64;
                Ok(frames)
            }
            Err(libc::EAGAIN) => Ok(0),
            Err(errno) => {
                self.recover(errno, "write")?;
                Ok(0)
            }
        }
    }

    fn xruns(&self) -> u64 {
        self.xruns
    }
}

fn is_usb(pcm: &Pcm) -> bool {
    pcm.card().is_some_and(|card| std::path::Path::new(&format!("/proc/asound/card{card}/usbid")).exists())
}
