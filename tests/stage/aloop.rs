//! The kernel's loopback card (snd-aloop) in the place of the virtual one.
//!
//! The card's files and its clock stay what the stage speaks into and reads from. One thread plays the microphone's
//! file into one cable of the loopback card, another records the other cable into the speaker's file; the daemon has
//! the far ends. The near ends are set up first: a cable takes its rate, format and channels from whoever comes first.
//! The kernel moves the sound with its timer tick, so that times are right to about 10 ms; samples are not changed.

mod end;

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use alsa::Direction as Way;
use pressel_world::card::{Card, Direction};

use end::{End, PERIOD};

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
