//! The speaker's thread: keeps the card's ring full while there is something to say, and takes it back when there
//! is something else.
//!
//! The ring is deep, so that no load makes a gap, and yet nothing waits behind it: a first sound and a flush seek
//! back to just ahead of the DAC and write over what was there. Each source keeps what it put into the ring (a
//! [`Track`](super::track::Track)), so that it can be written again: the answer faded out, the earcon unharmed.
//! While nothing sounds the driver plays silence and the thread sleeps. Once running it neither allocates, locks,
//! logs nor waits for anything but the card.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use heapless::Deque;
use heapless::spsc::Producer;
use pressel_hal::{Playhead, Wake, realtime};

use super::device::{Ended, OpenSpeaker, Renewal, Thread, Work};
use super::facts::Facts;
use super::far::FarWriter;
use super::feed::Feed;
use super::player::{Player, push};
use super::settings::PlaybackSettings;
use super::source::{Mark, MarkKind};

/// Notes that may wait for the main loop.
pub(super) const NOTES: usize = 64;
/// Turns whose sound can be in the ring at the same time, beginnings and ends.
pub(super) const MARKS: usize = 16;

/// What the main loop wants at once, beside the queues.
pub(super) struct Orders {
    /// Turns below this are cut.
    pub(super) cut_below: AtomicU64,
    /// Volume in percent, the bits of an `f32`.
    pub(super) volume: AtomicU32,
    /// The answer is turned down.
    pub(super) ducked: AtomicBool,
    /// From the thread: it has no more of the answer, new sound must wake it.
    pub(super) hungry: AtomicBool,
}

/// What the thread reports.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Note {
    /// The turn's first frame is heard at this time.
    Started { turn: u32, at: Instant },
    /// The turn's last frame was heard at this time.
    Drained { turn: u32, at: Instant },
    /// The card is gone.
    Lost,
    /// It is back.
    Back,
}

/// Another speaker, or the same in another way.
pub(super) type NewSpeaker = (PlaybackSettings, OpenSpeaker);

/// The thread's state over all openings of the card.
pub(super) struct Playback {
    open: OpenSpeaker,
    settings: PlaybackSettings,
    pub(super) renewal: Arc<Renewal<NewSpeaker>>,
    pub(super) facts: Arc<Facts>,
    pub(super) orders: Arc<Orders>,
    pub(super) answer: Feed,
    pub(super) local: Feed,
    pub(super) far: FarWriter,
    notes: Producer<'static, Note, NOTES>,
    /// Marks not told yet, in order.
    pub(super) marks: Deque<Mark, MARKS>,
    /// `Lost` was told and `Back` is due.
    away: bool,
}

impl Playback {
    pub(super) fn new(
        open: OpenSpeaker,
        settings: PlaybackSettings,
        facts: Arc<Facts>,
        orders: Arc<Orders>,
        (answer, local): (Feed, Feed),
        far: FarWriter,
        notes: Producer<'static, Note, NOTES>,
    ) -> Self {
        Playback {
            open,
            settings,
            renewal: Renewal::none(),
            facts,
            orders,
            answer,
            local,
            far,
            notes,
            marks: Deque::new(),
            away: false,
        }
    }

    /// Tells the marks that the DAC has reached, a start also when it is due within `early`.
    pub(super) fn tell_marks(&mut self, playhead: Playhead, rate_hz: u32, early: Duration, main: &Wake) {
        let now = Instant::now();
        while let Some(&mark) = self.marks.front() {
            let at = when(mark.position, playhead, rate_hz);
            let reached = mark.position <= playhead.played && at <= now;
            let note = match mark.kind {
                MarkKind::Started if reached || at <= now + early => Note::Started { turn: mark.turn, at },
                MarkKind::Drained if reached => Note::Drained { turn: mark.turn, at },
                _ => return,
            };
            if self.notes.enqueue(note).is_err() {
                return; // told when there is room
            }
            self.marks.pop_front();
            main.signal();
        }
    }
}

/// When the DAC reaches, or reached, a position.
pub(super) fn when(position: u64, playhead: Playhead, rate_hz: u32) -> Instant {
    match position.checked_sub(playhead.played) {
        Some(ahead) => playhead.at + duration(ahead, rate_hz),
        None => playhead.at - duration((playhead.played - position).min(u64::from(rate_hz)), rate_hz),
    }
}

pub(super) fn duration(frames: u64, rate_hz: u32) -> Duration {
    Duration::from_nanos(frames.saturating_mul(1_000_000_000) / u64::from(rate_hz))
}

impl Work for Playback {
    fn use_card(&mut self, thread: &Thread) -> Ended {
        if let Some((settings, open)) = self.renewal.take() {
            (self.settings, self.open) = (settings, open);
        }
        let opened = (self.open)().and_then(|speaker| Player::new(speaker, &self.settings, &self.orders));
        let mut player = match opened {
            Ok(player) => player,
            Err(error) => return Ended::Failed(error),
        };
        let format = player.speaker.format();
        self.far.open(format.rate_hz);
        let facts = &self.facts.playback;
        facts.thread.store(realtime::thread_id(), Ordering::Relaxed);
        facts.rate_hz.store(format.rate_hz, Ordering::Relaxed);
        facts.channels.store(format.channels, Ordering::Relaxed);
        facts.rewinds.store(player.rewinds, Ordering::Relaxed);
        facts.running.store(true, Ordering::Relaxed);
        let scheduling = thread.hurry();
        if let Err(error) = player.await_movement(self, thread) {
            self.far.close();
            return Ended::Failed(error);
        }
        if std::mem::take(&mut self.away) && self.notes.enqueue(Note::Back).is_err() {
            self.away = true;
        }
        thread.opened(format, scheduling, player.rewinds);
        let ended = player.play(self, thread);
        self.far.close();
        match ended {
            Err(error) => {
                if let Some(turn) = player.answer.ending() {
                    push(&mut self.marks, Mark { position: 0, turn, kind: MarkKind::Drained });
                }
                Ended::Failed(error)
            }
            Ok(()) => Ended::Stopped,
        }
    }

    fn is_renewed(&self) -> bool {
        self.renewal.is_due()
    }

    fn pass_time(&mut self, thread: &Thread) {
        self.facts.playback.beats.fetch_add(1, Ordering::Relaxed);
        self.facts.playback.running.store(false, Ordering::Relaxed);
        let now = Instant::now();
        self.away = self.away || self.notes.enqueue(Note::Lost).is_ok();
        // Nobody will hear it. Ends are told all the same, so that nobody waits for them.
        while let Some(mark) = self.marks.pop_front() {
            if mark.kind == MarkKind::Drained {
                let _ = self.notes.enqueue(Note::Drained { turn: mark.turn, at: now });
            }
        }
        self.answer.cut_below = self.orders.cut_below.load(Ordering::Acquire);
        let notes = &mut self.notes;
        self.answer.discard_all(|turn| {
            let _ = notes.enqueue(Note::Drained { turn, at: now });
        });
        self.local.discard_all(|_| {});
        thread.main.signal();
    }
}
