//! One end of a cable of the loopback card, in step with the virtual card's clock.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use alsa::pcm::{Access, Format, HwParams, PCM};
use alsa::{Direction as Way, ValueOr};
use pressel_world::card::{Card, Direction, monotonic_ns};

use super::Shared;

/// How often a thread looks, and how often it looks whether it is over.
pub(super) const PERIOD: Duration = Duration::from_millis(10);
const LOOK_MS: u32 = 100;
/// A stream whose start took longer is started again, but not more often than this: its times would be wrong for good.
const AT_ONCE_NS: u64 = 5_000_000;
const STARTS: u32 = 20;
/// Above the daemon's own threads: no load makes a real microphone late.
const PRIORITY: u8 = 70;

/// The stage's end of one cable.
pub(super) struct End {
    pcm: PCM,
    name: String,
    card: Arc<Card>,
    /// As the daemon sees it.
    direction: Direction,
    /// Room for all that the ring holds.
    frames: Vec<i16>,
}

impl End {
    /// Opens a PCM and sets it up for one direction of the card.
    ///
    /// # Errors
    /// What is in the way, and what it is called.
    pub(super) fn open(
        card: &Arc<Card>,
        name: String,
        direction: Direction,
        way: Way,
        depth: Duration,
    ) -> io::Result<Self> {
        let stream = card.stream(direction);
        let (rate, channels) = (stream.rate_hz, stream.file_channels());
        let in_frames = |time: Duration| (time.as_millis() as i64) * i64::from(rate) / 1000;
        let set_up = || -> alsa::Result<PCM> {
            let pcm = PCM::new(&name, way, true)?;
            {
                let hw = HwParams::any(&pcm)?;
                hw.set_access(Access::RWInterleaved)?;
                hw.set_format(Format::S16LE)?;
                hw.set_channels(channels)?;
                hw.set_rate(rate, ValueOr::Nearest)?;
                hw.set_period_size(in_frames(PERIOD), ValueOr::Nearest)?;
                hw.set_buffer_size(in_frames(depth))?;
                pcm.hw_params(&hw)?;
                let sw = pcm.sw_params_current()?;
                sw.set_avail_min(in_frames(PERIOD))?;
                sw.set_start_threshold(sw.get_boundary()?)?; // it is started when its first sample is due
                pcm.sw_params(&sw)?;
            }
            Ok(pcm)
        };
        let pcm = set_up().map_err(|error| {
            let hint =
                if error.errno() == libc::EBUSY { ": another program uses the loopback card" } else { "" };
            io::Error::other(format!("{name}: {error}{hint}"))
        })?;
        let frames = vec![0; in_frames(depth) as usize * channels as usize];
        Ok(End { pcm, name, card: card.clone(), direction, frames })
    }

    /// Carries until it is over, and says why if it ends before.
    pub(super) fn carry(mut self, shared: &Shared) {
        // Where this is refused, a busy machine makes gaps, and they are counted.
        pressel_hal::realtime::schedule(PRIORITY);
        let ended = loop {
            match self.run(shared) {
                Err(error) if error.errno() == libc::EPIPE => {
                    shared.gaps[self.direction as usize].fetch_add(1, Ordering::AcqRel);
                }
                other => break other,
            }
        };
        if let Err(error) = ended {
            *shared.failed.lock().expect("nobody panics with it") = Some(format!("{}: {error}", self.name));
        }
    }

    /// Carries from the sample that exists now until it is over, or broken.
    fn run(&mut self, shared: &Shared) -> alsa::Result<()> {
        let mut next = self.start(shared)?;
        while !shared.over.load(Ordering::Acquire) {
            if self.pcm.wait(Some(LOOK_MS))? {
                match self.direction {
                    Direction::Capture => self.say(&mut next, shared)?,
                    Direction::Playback => self.hear(&mut next, shared)?,
                }
            }
        }
        self.pcm.drop()
    }

    /// Starts the stream so that its first frame is the sample that exists now; the next one to carry.
    fn start(&mut self, shared: &Shared) -> alsa::Result<u64> {
        let mut starts = 0;
        loop {
            starts += 1;
            self.pcm.prepare()?;
            let begun = monotonic_ns();
            let mut next = self.card.sample_at(self.direction, begun);
            if self.direction == Direction::Capture {
                self.say(&mut next, shared)?;
            }
            self.pcm.start()?;
            if starts == STARTS || monotonic_ns() - begun < AT_ONCE_NS {
                return Ok(next);
            }
            self.pcm.drop()?;
        }
    }

    /// Takes from the microphone's file what the ring has room for.
    fn say(&mut self, next: &mut u64, shared: &Shared) -> alsa::Result<()> {
        let avail = self.pcm.avail()?.max(0) as u64;
        // Before it is read: whoever speaks afterwards is told that it was too late.
        shared.taken.store(*next + avail, Ordering::Release);
        let channels = self.card.stream(self.direction).file_channels() as usize;
        // Beyond its end the room is silent.
        let said = self.card.mic_slice(*next..*next + avail);
        let said = said.unwrap_or_else(|_| vec![0; avail as usize * channels]);
        let mut left = &said[..];
        while !left.is_empty() {
            let written = self.pcm.io_i16()?.writei(left)?;
            left = &left[written * channels..];
            *next += written as u64;
        }
        Ok(())
    }

    /// Puts into the speaker's file what the ring holds.
    fn hear(&mut self, next: &mut u64, shared: &Shared) -> alsa::Result<()> {
        let avail = self.pcm.avail()?.max(0) as usize;
        let channels = self.card.stream(self.direction).file_channels() as usize;
        let room = (avail * channels).min(self.frames.len());
        if room == 0 {
            return Ok(());
        }
        let read = self.pcm.io_i16()?.readi(&mut self.frames[..room])?;
        // Beyond the file's end nobody listens any more.
        self.card.put_played(*next, &self.frames[..read * channels]).ok();
        *next += read as u64;
        shared.recorded.store(*next, Ordering::Release);
        Ok(())
    }
}
