//! An open speaker: where its ring stands, and what is written there.

use std::sync::atomic::{Ordering, fence};
use std::time::{Duration, Instant};

use heapless::Deque;
use pressel_dsp::{Conceal, Fade};
use pressel_hal::{Error, ErrorKind, Playhead, Speaker, Wake};

use super::device::Thread;
use super::limit::Limit;
use super::loudness::Loudness;
use super::playback::{MARKS, Orders, Playback, duration, when};
use super::settings::{KeepAwake, PlaybackSettings};
use super::source::{Mark, MarkKind, Source};

/// Frames composed at once.
pub(super) const PIECE: usize = 256;
/// A quiet stream is looked at this often: the thread shows that it lives, and that the card does.
const LOOK_UP: Duration = Duration::from_secs(2);
/// A card that is to play and does not move for this long is taken for lost.
pub(super) const STUCK_CARD: Duration = Duration::from_secs(3);
/// A card that was just opened is looked at this often until it moves.
const FIRST_LOOK: Duration = Duration::from_millis(10);
/// The ring is filled up again when it has so much room, at most. As often the far end learns where the DAC is: no
/// longer than 100 ms ago while something sounds, a period that the card lets pass included.
const STEP_MS: u32 = 85;

/// A sound that is about to break off is made to end softly so long before it does: late enough that what still comes
/// in time costs nothing, and early enough for a thread that is late.
const CONCEAL_AHEAD_MS: u32 = 20;
/// And where nothing can be taken back: what comes then is heard after it.
const CONCEAL_AHEAD_SHALLOW_MS: u32 = 6;

/// What makes up for missing sound, and its memory.
pub(super) struct Concealment {
    pub(super) stage: Conceal,
    pub(super) history: Box<[f32]>,
    pub(super) made_up: Box<[f32]>,
    /// Frames before the end of the sound.
    ahead: u64,
}

/// An open speaker.
pub(super) struct Player {
    pub(super) speaker: Box<dyn Speaker>,
    pub(super) rewinds: bool,
    pub(super) rate_hz: u32,
    pub(super) channels: usize,
    /// Distance from the DAC at which a first sound or a flush is written.
    pub(super) lead: usize,
    /// How far ahead of the DAC the ring is filled.
    pub(super) depth: u64,
    /// Room in the ring that is worth a wake-up.
    pub(super) refill_at: usize,
    pub(super) fade: Fade,
    pub(super) conceal: Option<Concealment>,
    pub(super) limit: Limit,
    pub(super) keep_awake: KeepAwake,
    pub(super) loudness: Loudness,
    /// The volume that was ordered, as in [`Orders`].
    pub(super) ordered: u32,
    /// The answer is turned down, as in [`Orders`].
    pub(super) ducked: bool,
    pub(super) answer: Source,
    pub(super) local: Source,
    /// Frame that the next write sets.
    pub(super) written: u64,
    /// Before this frame the ring may hold sound that is not meant any more.
    pub(super) dirty: u64,
    /// Where the newest turn begins in the answer's track.
    pub(super) began: u64,
    /// End of the last flush's fade there.
    pub(super) faded: u64,
    /// Sound was left over when the ring was full.
    pub(super) more: bool,
    /// Frames on their way to the card.
    pub(super) frames: Box<[f32]>,
    /// When the DAC was last seen to have moved.
    pub(super) moved: Playhead,
}

impl Concealment {
    fn new(rate_hz: u32, ahead: u64) -> Self {
        let stage = Conceal::new(rate_hz);
        let (history, made_up) = (vec![0.0; stage.history_frames()], vec![0.0; stage.frames_max()]);
        Concealment { stage, history: history.into(), made_up: made_up.into(), ahead }
    }
}

impl Player {
    pub(super) fn new(
        mut speaker: Box<dyn Speaker>,
        settings: &PlaybackSettings,
        orders: &Orders,
    ) -> Result<Self, Error> {
        let format = speaker.format();
        let rate_hz = format.rate_hz;
        let frames = |ms: u32| (u64::from(rate_hz) * u64::from(ms) / 1000) as usize;
        let rewinds = settings.rewind && speaker.can_rewind();
        let ring = format.buffer_frames;
        let depth = if rewinds { ring } else { ring.min(frames(settings.shallow_ms)) };
        let step = (depth / 2).min(frames(STEP_MS));
        let fade = Fade::new(frames(settings.fade_ms));
        let ahead = if rewinds { CONCEAL_AHEAD_MS } else { CONCEAL_AHEAD_SHALLOW_MS };
        let conceal = settings.conceal.then(|| Concealment::new(rate_hz, frames(ahead) as u64));
        let made_up = conceal.as_ref().map_or(0, |conceal| conceal.made_up.len());
        // The ring, and what is rendered beyond it: by a flush that takes nothing back, or for want of sound.
        let track = ring + fade.frames() + made_up + 2 * PIECE;
        let source = || {
            Source::new(rate_hz, track, &settings.eq)
                .map_err(|error| Error::new(ErrorKind::Unsupported, error.to_string()))
        };
        let playhead = speaker.playhead()?;
        let ordered = orders.volume.load(Ordering::Acquire);
        Ok(Player {
            rewinds,
            rate_hz,
            channels: format.channels as usize,
            lead: frames(settings.lead_ms),
            depth: depth as u64,
            refill_at: ring - depth + step,
            fade,
            conceal,
            limit: Limit::new(settings.limit_dbfs, rate_hz, playhead.written),
            keep_awake: settings.keep_awake,
            loudness: Loudness::new(f32::from_bits(ordered), settings.duck_db, rate_hz),
            ordered,
            ducked: false,
            answer: source()?,
            local: source()?,
            written: playhead.written,
            dirty: playhead.written,
            began: 0,
            faded: 0,
            more: false,
            frames: vec![0.0; PIECE * format.channels as usize].into(),
            moved: playhead,
            speaker,
        })
    }

    /// Waits until a ring that runs by itself has moved: a card that can be opened and stands still is not there yet.
    pub(super) fn await_movement(&mut self, with: &Playback, thread: &Thread) -> Result<(), Error> {
        let opened_at = Instant::now();
        while self.rewinds && !thread.stopping() && !with.renewal.is_due() {
            if self.speaker.playhead()?.played != self.moved.played {
                break;
            }
            if opened_at.elapsed() > STUCK_CARD {
                return Err(stuck());
            }
            self.speaker.wait(None, &thread.wake, FIRST_LOOK)?;
            with.facts.playback.beats.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    /// The loop. Nothing in it allocates.
    pub(super) fn play(&mut self, with: &mut Playback, thread: &Thread) -> Result<(), Error> {
        while !thread.stopping() && !with.renewal.is_due() {
            let Some(playhead) = self.turn(with, &thread.main)? else { continue };
            self.speaker.wait(self.refill(), &thread.wake, self.patience(playhead, with))?;
            with.facts.playback.wakes.fetch_add(1, Ordering::Relaxed);
            with.facts.playback.beats.fetch_add(1, Ordering::Relaxed);
        }
        // Whoever stops in the middle of a word should not hear it snap.
        self.flush(with, u64::MAX)?;
        self.fill(with)?;
        let ending = duration((self.lead + self.fade.frames()) as u64, self.rate_hz);
        thread.wake.take();
        self.speaker.wait(None, &thread.wake, ending)?;
        Ok(())
    }

    /// Obeys, fills the ring, tells what was reached. `None`: there is more to do already.
    pub(super) fn turn(&mut self, with: &mut Playback, main: &Wake) -> Result<Option<Playhead>, Error> {
        self.obey(with)?;
        let playhead = self.fill(with)?;
        with.tell_marks(playhead, self.rate_hz, 2 * duration(self.lead as u64, self.rate_hz), main);
        // The flag is told before the queue is looked at: whoever feeds it looks at the flag after feeding.
        let fed = self.answer.track.end() > self.written || self.answer.has_more(&mut with.answer);
        with.orders.hungry.store(!fed, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        let came_meanwhile = !fed && self.answer.has_more(&mut with.answer);
        Ok((!came_meanwhile).then_some(playhead))
    }

    /// Room in the ring that is worth a wake-up; `None` when there is nothing to write.
    pub(super) fn refill(&self) -> Option<usize> {
        self.more.then_some(self.refill_at)
    }

    pub(super) fn has_more(&self, with: &mut Playback) -> bool {
        self.answer.has_more(&mut with.answer) || self.local.has_more(&mut with.local)
    }

    /// Where the card stands; the far end learns it too.
    pub(super) fn playhead(&mut self, with: &mut Playback) -> Result<Playhead, Error> {
        let playhead = self.speaker.playhead()?;
        with.far.stamp(playhead);
        Ok(playhead)
    }

    /// How long to wait at most: until the next mark is due, and while something sounds not so long that nobody
    /// knows where the DAC is.
    fn patience(&self, playhead: Playhead, with: &mut Playback) -> Duration {
        // While there is more to write, the ring's room wakes the thread.
        let ends = !self.more && self.written > playhead.played;
        let look_up = if ends { Duration::from_millis(STEP_MS.into()) } else { LOOK_UP };
        let breaks_off_at = self.breaks_off_at(playhead, with);
        let next = with.marks.front().map(|mark| mark.position).into_iter().chain(breaks_off_at).min();
        let Some(position) = next else { return look_up };
        let left = when(position, playhead, self.rate_hz).saturating_duration_since(Instant::now());
        // A card whose position moves in steps may need another look.
        left.clamp(Duration::from_millis(1), look_up)
    }

    /// When the DAC is here, something must be made up, because the answer ends in the middle of a turn.
    pub(super) fn breaks_off_at(&self, playhead: Playhead, with: &mut Playback) -> Option<u64> {
        let (end, ahead) = (self.answer.track.end(), self.conceal.as_ref()?.ahead);
        let sounds = end > playhead.played && self.answer.track.sounds_before(end);
        (sounds && self.answer.breaks_off(&mut with.answer)).then(|| end.saturating_sub(ahead))
    }

    /// Does at once what does not wait in a queue.
    fn obey(&mut self, with: &mut Playback) -> Result<(), Error> {
        let cut_below = with.orders.cut_below.load(Ordering::Acquire);
        if cut_below != with.answer.cut_below {
            self.flush(with, cut_below)?;
        }
        let ordered = with.orders.volume.load(Ordering::Acquire);
        if ordered != self.ordered {
            self.ordered = ordered;
            self.seek()?;
            self.loudness.set_percent(f32::from_bits(ordered), self.written);
        }
        let ducked = with.orders.ducked.load(Ordering::Acquire);
        if ducked != self.ducked {
            self.ducked = ducked;
            self.seek()?;
            self.loudness.set_ducked(ducked, self.written);
        }
        Ok(())
    }

    /// Cuts all turns below `cut_below`, beginning just ahead of the DAC.
    fn flush(&mut self, with: &mut Playback, cut_below: u64) -> Result<(), Error> {
        let is_cut = |turn: u32| u64::from(turn) < cut_below;
        let playhead = self.playhead(with)?;
        // A ring that has run dry is silent already, and what was to come next is not to be heard.
        let dry = self.is_dry(playhead);
        if !dry {
            self.seek()?;
            if self.answer.turn().is_some_and(is_cut) && self.answer.track.sounds_before(self.written) {
                // Where nothing could be taken back, the fade is made of what would have come next.
                let fade_end = self.written + self.fade.frames() as u64;
                self.render(fade_end, with);
            }
        }
        // What a later turn has in the ring already stays there.
        let stays = |mark: &&Mark| mark.kind == MarkKind::Started && !is_cut(mark.turn);
        let until = with.marks.iter().find(stays).map_or(u64::MAX, |mark| mark.position);
        self.answer.track.cut(self.written, (!dry).then_some(&self.fade), until);
        if until == u64::MAX && self.began >= self.written {
            // What was to begin within the fade begins no more.
            self.answer.track.truncate(self.began);
        }
        self.faded = self.answer.track.end();
        with.answer.cut_below = cut_below;
        if self.answer.turn().is_some_and(is_cut) {
            self.answer.abandon(&mut with.answer);
        }
        for _ in 0..with.marks.len() {
            if let Some(mark) = with.marks.pop_front().filter(|mark| !is_cut(mark.turn)) {
                push(&mut with.marks, mark);
            }
        }
        Ok(())
    }

    /// The DAC has passed, or reached, all that was written.
    pub(super) fn is_dry(&self, playhead: Playhead) -> bool {
        playhead.written > self.written || playhead.played >= playhead.written
    }

    /// Moves the write position to just ahead of the DAC; where nothing is taken back, only if the DAC has passed.
    pub(super) fn seek(&mut self) -> Result<(), Error> {
        if !self.rewinds {
            let playhead = self.speaker.playhead()?;
            if playhead.written == self.written && playhead.played < playhead.written {
                return Ok(());
            }
        }
        self.dirty = self.dirty.max(self.written);
        self.written = self.speaker.seek(self.lead)?;
        Ok(())
    }
}

pub(super) fn stuck() -> Error {
    Error::new(ErrorKind::Lost, "playback: the card has not moved for 3 s")
}

pub(super) fn push(marks: &mut Deque<Mark, MARKS>, mark: Mark) {
    // Beyond so many turns in one ring the news of one is lost, not the sound.
    let _ = marks.push_back(mark);
}
