//! What both sound threads share around their card: opening it, losing it, waiting for it, stopping.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use pressel_hal::realtime::{self, Scheduling};
use pressel_hal::{Error, ErrorKind, Format, Microphone, Speaker, Wake};

use super::facts::Facts;
use super::trouble::Trouble;

/// Opens the microphone, again after each loss.
pub type OpenMicrophone = Box<dyn FnMut() -> Result<Box<dyn Microphone>, Error> + Send>;
/// Opens the speaker, again after each loss.
pub type OpenSpeaker = Box<dyn FnMut() -> Result<Box<dyn Speaker>, Error> + Send>;

/// A missing card is looked for this often.
pub(super) const RETRY: Duration = Duration::from_secs(1);
/// The same, when a person has to change something first.
pub(super) const RETRY_SLOWLY: Duration = Duration::from_secs(10);
/// A card that is plugged in comes in steps: the kernel lists it, others look at it, udev gives it to its group. What is
/// in its way for no longer than this needs nobody.
pub(super) const SETTLING: Duration = Duration::from_secs(15);
/// Meanwhile the thread shows that it lives this often.
const LOOK_UP: Duration = Duration::from_secs(1);

/// One of the two directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The microphone.
    Microphone,
    /// The speaker.
    Speaker,
}

/// A card came or went: for the log and for status, not for the conversation.
#[derive(Clone, Debug, PartialEq)]
pub enum DeviceNews {
    /// It is open.
    Opened {
        /// Which.
        side: Side,
        /// What it agreed to.
        format: Format,
        /// How its thread is scheduled.
        scheduling: Scheduling,
        /// Speaker: whether written sound can be taken back. Where not, the ring is kept shallow and a flush is
        /// heard later.
        rewinds: bool,
    },
    /// It cannot be opened, or was lost. Told again when the reason changes.
    Waiting {
        /// Which.
        side: Side,
        /// What to do about it.
        kind: ErrorKind,
        /// The whole story, fit for a log.
        reason: String,
        /// A person was told that it is missing, and this asks nothing else of them.
        known: bool,
    },
    /// What the microphone delivers is wrong, or is right again. Said once each.
    Trouble {
        /// What it is.
        trouble: Trouble,
        /// It has ended.
        over: bool,
    },
    /// Other channels of the microphone are left out than before: a bit for each, none when all are used again.
    LeftOut {
        /// From 0.
        channels: u32,
    },
}

/// The threads' way to tell and to be told.
pub(super) struct Thread {
    pub(super) side: Side,
    pub(super) priority: u8,
    /// Signalled by the main loop when there is something to do.
    pub(super) wake: Wake,
    /// Signalled by the thread when there is something to fetch.
    pub(super) main: Wake,
    pub(super) stop: Arc<AtomicBool>,
    pub(super) news: mpsc::Sender<DeviceNews>,
    pub(super) facts: Arc<Facts>,
    /// None while the card is open.
    pub(super) absence: RefCell<Option<Absence>>,
}

/// A card is not there: what is known of that.
pub(super) struct Absence {
    /// The newest reason.
    reason: String,
    /// The newest reason that a person was told.
    said: String,
    kind: ErrorKind,
    /// It is of this kind since then.
    since: Instant,
}

impl Absence {
    /// Takes up a failure. What there is to tell: nothing, or whether a person knows it already.
    pub(super) fn failed(
        former: &mut Option<Absence>,
        kind: ErrorKind,
        reason: &str,
        now: Instant,
    ) -> Option<bool> {
        let Some(absence) = former else {
            let (reason, said) = (reason.to_owned(), reason.to_owned());
            *former = Some(Absence { reason, said, kind, since: now });
            return Some(false);
        };
        if absence.kind != kind {
            (absence.kind, absence.since) = (kind, now);
        }
        let news = absence.reason != reason;
        if news {
            reason.clone_into(&mut absence.reason);
        }
        if needs_a_person(kind) && absence.said != reason && absence.stays(now) {
            reason.clone_into(&mut absence.said);
            return Some(false);
        }
        news.then_some(true)
    }

    /// Whether what is in the way will not go away by itself.
    fn stays(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) >= SETTLING
    }

    /// How long to leave the card alone.
    pub(super) fn pause(&self, now: Instant) -> Duration {
        // Trying costs wake-ups and, with some drivers, log lines; who holds a card may let go of it at any time.
        let slowly = needs_a_person(self.kind) && self.kind != ErrorKind::Busy && self.stays(now);
        if slowly { RETRY_SLOWLY } else { RETRY }
    }
}

/// Whether somebody has to change something besides plugging the card in.
fn needs_a_person(kind: ErrorKind) -> bool {
    match kind {
        ErrorKind::NotFound | ErrorKind::Lost => false,
        ErrorKind::Busy | ErrorKind::PermissionDenied | ErrorKind::Unsupported | ErrorKind::Other => true,
    }
}

/// What a thread is to take up when it next opens its card: other settings, another card. Locked only while no card is
/// open.
pub(super) struct Renewal<T> {
    next: Mutex<Option<T>>,
    due: AtomicBool,
}

impl<T> Renewal<T> {
    pub(super) fn none() -> Arc<Self> {
        Arc::new(Renewal { next: Mutex::new(None), due: AtomicBool::new(false) })
    }

    /// Only the newest counts.
    pub(super) fn put(&self, next: T) {
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = Some(next);
        self.due.store(true, Ordering::Release);
    }

    pub(super) fn is_due(&self) -> bool {
        self.due.load(Ordering::Relaxed)
    }

    pub(super) fn take(&self) -> Option<T> {
        if !self.due.swap(false, Ordering::AcqRel) {
            return None;
        }
        self.next.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Why a thread let go of its card.
pub(super) enum Ended {
    /// The program ends, or there is something to take up.
    Stopped,
    /// The card failed.
    Failed(Error),
}

/// What a sound thread does with its card, and without.
pub(super) trait Work {
    /// Opens the card and uses it until it fails, is to be opened in another way, or the program ends.
    fn use_card(&mut self, thread: &Thread) -> Ended;
    /// The card is to be opened in another way from now on.
    fn is_renewed(&self) -> bool;
    /// The card has failed: called at once, and then at least once a second until it is opened again.
    fn pass_time(&mut self, thread: &Thread);
}

impl From<Error> for Ended {
    fn from(error: Error) -> Self {
        Ended::Failed(error)
    }
}

impl Thread {
    pub(super) fn stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Asks for real time from here on.
    pub(super) fn hurry(&self) -> Scheduling {
        realtime::touch_stack();
        realtime::schedule(self.priority)
    }

    /// Tells that the card is there, and moves.
    pub(super) fn opened(&self, format: Format, scheduling: Scheduling, rewinds: bool) {
        *self.absence.borrow_mut() = None;
        self.tell(DeviceNews::Opened { side: self.side, format, scheduling, rewinds });
    }

    fn tell(&self, news: DeviceNews) {
        // Fails only when the main side is gone, and then nobody wants to know.
        let _ = self.news.send(news);
        self.main.signal();
    }

    /// Opens and uses the card until the program ends.
    pub(super) fn run(&self, work: &mut impl Work) {
        while !self.stopping() {
            let opening = match self.side {
                Side::Microphone => &self.facts.capture.opening,
                Side::Speaker => &self.facts.playback.opening,
            };
            opening.store(true, Ordering::Relaxed);
            let ended = work.use_card(self);
            opening.store(false, Ordering::Relaxed);
            // Opening may take long, and it allocates: not before everybody else.
            realtime::ordinary();
            let Ended::Failed(error) = ended else { continue };
            let retry_at = Instant::now() + self.missed(&error);
            while !self.stopping() && !work.is_renewed() {
                work.pass_time(self);
                let left = retry_at.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    break;
                }
                self.wake.wait(left.min(LOOK_UP));
            }
            if work.is_renewed() {
                *self.absence.borrow_mut() = None; // it may be another card from now on
            }
        }
    }

    /// Tells what is new about the card's absence. How long to leave it alone then.
    fn missed(&self, error: &Error) -> Duration {
        let (kind, reason, now) = (error.kind, error.to_string(), Instant::now());
        let mut absence = self.absence.borrow_mut();
        if let Some(known) = Absence::failed(&mut absence, kind, &reason, now) {
            self.tell(DeviceNews::Waiting { side: self.side, kind, reason, known });
        }
        absence.as_ref().map_or(RETRY, |absence| absence.pause(now))
    }
}
