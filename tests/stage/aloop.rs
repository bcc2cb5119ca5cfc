//! The kernel's loopback card (snd-aloop) in the place of the virtual one.
//!
//! The card's files and its clock stay what the stage speaks into and reads from. One thread plays the microphone's
//! file into one cable of the loopback card, another records the other cable into the speaker's file; the daemon has
//! the far ends. The near ends are set up first: a cable takes its rate, format and channels from whoever comes first.
//! The kernel moves the sound with its timer tick, so that times are right to about 10 ms; samples are not changed.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use alsa::pcm::{Access, Format, HwParams, PCM};
use alsa::{Direction as Way, ValueOr};
use pressel_world::card::{Card, Direction, monotonic_ns};

/// What is said comes later by this: what the microphone hears is taken out of its file before, and an emulated machine
/// may stand still between the decision to speak and the words.
pub const LATER: Duration = LEAD.saturating_add(Duration::from_millis(300));
/// Keys of the daemon's `[playback]`: the loopback card's pointer moves with the kernel's tick, in steps longer than
/// the usual lead; a ring that cannot be taken back is to bear that, too.
pub const PLAYBACK: &str = "lead_ms = 20\nshallow_ms = 100\n";
/// So long before it is heard.
const LEAD: Duration = Duration::from_millis(200);
/// So much of what was played may wait for the thread that records it.
const DEPTH: Duration = Duration::from_millis(800);
/// How often a thread looks, and how often it looks whether it is over.
const PERIOD: Duration = Duration::from_millis(10);
const LOOK_MS: u32 = 100;
/// A stream whose start took longer is started again, but not more often than this: its times would be wrong for good.
const AT_ONCE_NS: u64 = 5_000_000;
const STARTS: u32 = 20;
/// Above the daemon's own threads: no load makes a real microphone late.
const PRIORITY: u8 = 70;

/// A loopback card of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loopback {
    id: String,
}

impl Loopback {
    /// Looks for one.
    ///
    /// # Errors
    /// When there is none, with the command that makes one.
    pub fn find() -> io::Result<Self> {
        // Without any sound driver the file does not exist, and that is the same answer.
        let cards = std::fs::read_to_string("/proc/asound/cards").unwrap_or_default();
        Self::among(&cards).ok_or_else(|| {
            let text = "there is no snd-aloop card on this machine. It is made by\n\n    \
                        sudo modprobe snd-aloop pcm_substreams=2\n\nand docs/aloop.md says more";
            io::Error::new(io::ErrorKind::NotFound, text)
        })
    }

    /// The first one in the text of /proc/asound/cards: ` 0 [Loopback       ]: Loopback - Loopback`.
    fn among(cards: &str) -> Option<Self> {
        cards.lines().find_map(|line| {
            let (before, driver) = line.split_once("]: ")?;
            let id = before.split_once('[')?.1.trim();
            driver.starts_with("Loopback ").then(|| Loopback { id: id.to_owned() })
        })
    }

    /// What the daemon captures from.
    pub fn microphone(&self) -> String {
        self.pcm(1, 0)
    }

    /// What the daemon plays to.
    pub fn speaker(&self) -> String {
        self.pcm(0, 1)
    }

    fn pcm(&self, device: u32, cable: u32) -> String {
        format!("hw:CARD={},DEV={device},SUBDEV={cable}", self.id)
    }
}

/// The two threads. Dropping it ends them.
pub struct Bridge {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// What both sides know.
#[derive(Default)]
struct Shared {
    over: AtomicBool,
    /// The first sample of the microphone's file that was not yet taken.
    taken: AtomicU64,
    /// The first sample of the speaker's file that was not yet recorded.
    recorded: AtomicU64,
    gaps: [AtomicU64; 2],
    failed: Mutex<Option<String>>,
}

/// How often the bridge itself was too late, and sound is missing that the daemon had no part in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gaps {
    /// Before the microphone.
    pub microphone: u64,
    /// Behind the speaker.
    pub speaker: u64,
}

impl Bridge {
    /// Sets up the near ends and begins to carry.
    ///
    /// # Errors
    /// Which PCM could not be opened or set up: most often somebody else has it.
    pub fn start(card: &Arc<Card>, loopback: &Loopback) -> io::Result<Self> {
        let (mouth, ear) = (loopback.pcm(0, 0), loopback.pcm(1, 1));
        let ends = [
            End::open(card, mouth, Direction::Capture, Way::Playback, LEAD)?,
            End::open(card, ear, Direction::Playback, Way::Capture, DEPTH)?,
        ];
        let shared = Arc::new(Shared::default());
        let carry = ends.map(|end| {
            let shared = shared.clone();
            std::thread::spawn(move || end.carry(&shared))
        });
        Ok(Bridge { shared, threads: carry.into() })
    }

    /// The first sample of the microphone's file that can still be changed.
    pub fn taken(&self) -> u64 {
        self.shared.taken.load(Ordering::Acquire)
    }

    /// Waits until the speaker's file holds what was played up to a sample.
    ///
    /// # Errors
    /// When it does not within 5 s.
    pub fn until_recorded(&self, sample: u64) -> io::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(5);
        while self.shared.recorded.load(Ordering::Acquire) < sample {
            self.gaps()?;
            if Instant::now() > deadline {
                return Err(io::Error::other("the loopback card stands still"));
            }
            std::thread::sleep(PERIOD); // the thread that records counts, it does not tell
        }
        Ok(())
    }

    /// What the bridge itself has lost.
    ///
    /// # Errors
    /// When one of its threads has ended.
    pub fn gaps(&self) -> io::Result<Gaps> {
        if let Some(text) = &*self.shared.failed.lock().expect("nobody panics with it") {
            return Err(io::Error::other(text.clone()));
        }
        let [microphone, speaker] = [0, 1].map(|n: usize| self.shared.gaps[n].load(Ordering::Acquire));
        Ok(Gaps { microphone, speaker })
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Release);
        for thread in self.threads.drain(..) {
            // It has said why, if it ended before.
            let _ = thread.join();
        }
    }
}

/// The stage's end of one cable.
struct End {
    pcm: PCM,
    name: String,
    card: Arc<Card>,
    /// As the daemon sees it.
    direction: Direction,
    /// Room for all that the ring holds.
    frames: Vec<i16>,
}

impl End {
    fn open(
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

    fn carry(mut self, shared: &Shared) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_card_is_known_by_its_driver() {
        let cards = " 0 [PCH            ]: HDA-Intel - HDA Intel PCH\n                      HDA Intel PCH at 0xf\n \
                     1 [Cable          ]: Loopback - Loopback\n                      Loopback 1\n";
        let found = Loopback::among(cards).unwrap();
        assert_eq!(found.microphone(), "hw:CARD=Cable,DEV=1,SUBDEV=0");
        assert_eq!(found.speaker(), "hw:CARD=Cable,DEV=0,SUBDEV=1");
        assert_eq!(Loopback::among(" 0 [Loopback       ]: USB-Audio - Loopback"), None);
        assert_eq!(Loopback::among("--- no soundcards ---\n"), None);
    }
}
