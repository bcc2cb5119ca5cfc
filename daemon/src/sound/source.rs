//! One source of sound for the speaker's thread: chunks of 24 kHz from the main loop become a [`Track`] at the
//! card's rate. Chunks are taken and handed back without being freed here.

use pressel_dsp::{Band, Conceal, Equalizer, Fade, RateError, Resampler, from_i16s};

use super::feed::{Fed, Feed};
use super::track::Track;

/// Rate at which all sound for the speaker is queued: that of the service's answers.
pub(super) const QUEUE_RATE: u32 = 24_000;

/// Samples converted at once.
const PIECE: usize = 256;

/// Something about a turn that happens when the DAC reaches a frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Mark {
    pub(super) position: u64,
    pub(super) turn: u32,
    pub(super) kind: MarkKind,
}

/// What happens there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MarkKind {
    /// Its first frame.
    Started,
    /// The frame after its last.
    Drained,
}

/// From the queue to the track.
pub(super) struct Source {
    pub(super) track: Track,
    resample: Resampler,
    equalizer: Equalizer,
    /// What came after here is made up, because the sound broke off.
    made_up_from: Option<u64>,
    /// It comes back here, fading in, over what was made up until there.
    returns: Option<(u64, u64)>,
    /// The turn that is being converted.
    turn: Option<u32>,
    /// Its end is known: told when its last frame is there.
    ends: bool,
    /// Silence still owed to the resampler, to get the turn's last frames out of it.
    tail: usize,
    closing: bool,
    chunk: Option<Box<[i16]>>,
    used: usize,
    input: [f32; PIECE],
    input_from: usize,
    input_to: usize,
}

impl Source {
    pub(super) fn new(rate_hz: u32, track_frames: usize, eq: &[Band]) -> Result<Self, RateError> {
        Ok(Source {
            track: Track::new(track_frames),
            resample: Resampler::aligned(QUEUE_RATE, rate_hz)?,
            equalizer: Equalizer::new(eq, rate_hz),
            made_up_from: None,
            returns: None,
            turn: None,
            ends: false,
            tail: 0,
            closing: false,
            chunk: None,
            used: 0,
            input: [0.0; PIECE],
            input_from: 0,
            input_to: 0,
        })
    }

    /// The turn in the middle of which it is.
    pub(super) fn turn(&self) -> Option<u32> {
        self.turn
    }

    /// The turn whose end was taken from the queue and is not in the track yet.
    pub(super) fn ending(&self) -> Option<u32> {
        self.turn.filter(|_| self.ends)
    }

    /// Whether there is anything to convert.
    pub(super) fn has_more(&self, feed: &mut Feed) -> bool {
        self.input_from < self.input_to || self.closing || self.chunk.is_some() || feed.peek().is_some()
    }

    /// Where its sound goes on, now that the next write sets frame `now`: after what it has in the ring already,
    /// or there. With `passed`, the DAC has passed frame `before`, and what was converted and not yet written is
    /// late by the difference.
    pub(super) fn begin(&mut self, passed: bool, before: u64, now: u64) {
        if passed && self.track.end() > before {
            self.track.shift(now - before);
            self.returns = self.returns.map(|(from, old_end)| (from + now - before, old_end));
        } else if passed || self.track.end() < now {
            self.track.place(now);
        }
    }

    /// Whether it is in the middle of a turn whose sound has run out, and nobody has made up for it yet.
    pub(super) fn breaks_off(&self, feed: &mut Feed) -> bool {
        self.turn.is_some() && self.made_up_from.is_none() && !self.has_more(feed)
    }

    /// Lets the sound end softly, for want of more.
    pub(super) fn conceal(&mut self, conceal: &mut Conceal, history: &mut [f32], out: &mut [f32]) {
        let end = self.track.end();
        history.fill(0.0);
        let missing = (history.len() as u64).saturating_sub(end) as usize;
        self.track.add_to(end.saturating_sub(history.len() as u64), &mut history[missing..]);
        let frames = conceal.process(history, out);
        self.track.push(&out[..frames]);
        self.made_up_from = Some(end);
    }

    /// Whether what is at the end of the track is made up.
    pub(super) fn is_made_up(&self) -> bool {
        self.made_up_from.is_some()
    }

    /// There is more after all, and the next write sets frame `now`: it goes on where the sound broke off, or fades in
    /// over what was made up. True if something of that was heard.
    pub(super) fn take_up(&mut self, now: u64) -> bool {
        let Some(from) = self.made_up_from.take() else { return false };
        let old_end = self.track.end();
        self.track.truncate(now.max(from));
        if now > from {
            self.returns = Some((now, old_end));
        }
        from < now && now <= old_end
    }

    /// There is more after all, after a silence: it fades in at `now`.
    pub(super) fn take_up_after_silence(&mut self, now: u64) {
        if self.made_up_from.take().is_some() {
            self.returns = Some((now, now));
        }
    }

    /// What was made up for a sound that has ended is not to be heard later than meant.
    pub(super) fn forget_made_up(&mut self, written: u64) {
        if let Some(from) = self.made_up_from {
            self.track.truncate(written.max(from));
        }
    }

    /// Converts until the track reaches `until` or nothing is left; marks go to `mark`.
    pub(super) fn render(&mut self, until: u64, feed: &mut Feed, fade: &Fade, mut mark: impl FnMut(Mark)) {
        let mut out = [0.0; PIECE];
        while self.track.end() < until {
            let room = (until - self.track.end()).min(PIECE as u64) as usize;
            let input = &self.input[self.input_from..self.input_to];
            let (consumed, produced) = self.resample.process(input, &mut out[..room]);
            self.input_from += consumed;
            let out = &mut out[..produced];
            self.equalizer.process(out);
            match self.returns {
                Some((from, old_end)) if self.track.end() < from + fade.frames() as u64 => {
                    let offset = self.track.end().saturating_sub(from) as usize;
                    self.track.push_over(out, fade, offset, old_end);
                }
                _ => self.track.push(out),
            }
            // A full `out` may leave frames in the resampler that need no more input.
            if produced < room && self.input_from == self.input_to && !self.refill(feed, &mut mark) {
                return;
            }
        }
    }

    /// Fetches the next samples for the resampler; false when there are none.
    fn refill(&mut self, feed: &mut Feed, mark: &mut impl FnMut(Mark)) -> bool {
        loop {
            if self.closing {
                if self.tail > 0 {
                    let n = self.tail.min(PIECE);
                    self.input[..n].fill(0.0);
                    (self.input_from, self.input_to) = (0, n);
                    self.tail -= n;
                    return true;
                }
                self.close(mark);
            }
            if let Some(chunk) = &self.chunk {
                let n = from_i16s(&chunk[self.used..], &mut self.input);
                (self.input_from, self.input_to) = (0, n);
                self.used += n;
                if self.used == chunk.len() {
                    if let Some(chunk) = self.chunk.take() {
                        feed.hand_back(chunk);
                    }
                }
                if n > 0 {
                    return true;
                }
            }
            let Some(next) = feed.peek() else { return false };
            if self.turn.is_some_and(|turn| turn != next) {
                self.begin_closing();
                continue;
            }
            match feed.pop() {
                Some(Fed::Sound { turn, samples }) => {
                    if self.turn.is_none() {
                        self.turn = Some(turn);
                        mark(Mark { position: self.track.end(), turn, kind: MarkKind::Started });
                    }
                    self.chunk = Some(samples);
                    self.used = 0;
                }
                Some(Fed::End { turn }) if self.turn.is_some() => {
                    debug_assert_eq!(self.turn, Some(turn));
                    self.ends = true;
                    self.begin_closing();
                }
                // A turn without a sound has been heard as soon as all before it has.
                Some(Fed::End { turn }) => {
                    mark(Mark { position: self.track.end(), turn, kind: MarkKind::Drained });
                }
                None => return false,
            }
        }
    }

    fn begin_closing(&mut self) {
        self.tail = self.resample.tail();
        self.closing = true;
    }

    fn close(&mut self, mark: &mut impl FnMut(Mark)) {
        self.closing = false;
        self.resample.reset();
        self.equalizer.reset();
        if let (Some(turn), true) = (self.turn.take(), std::mem::take(&mut self.ends)) {
            mark(Mark { position: self.track.end(), turn, kind: MarkKind::Drained });
        }
    }

    /// Forgets what it was about to convert.
    pub(super) fn abandon(&mut self, feed: &mut Feed) {
        if let Some(chunk) = self.chunk.take() {
            feed.hand_back(chunk);
        }
        (self.input_from, self.input_to) = (0, 0);
        self.turn = None;
        self.ends = false;
        self.closing = false;
        (self.made_up_from, self.returns) = (None, None);
        self.resample.reset();
        self.equalizer.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn feed() -> (rtrb::Producer<Fed>, rtrb::Consumer<Box<[i16]>>, Feed) {
        let (queue, consumer) = rtrb::RingBuffer::new(100);
        let (spent, back) = rtrb::RingBuffer::new(100);
        (queue, back, Feed::new(consumer, spent, Arc::default()))
    }

    fn tone(samples: usize) -> Vec<i16> {
        (0..samples).map(|n| ((n as f32 * 0.2).sin() * 9_000.0) as i16).collect()
    }

    /// What the whole sound is at another rate, to its very end.
    fn whole(samples: &[i16], rate_hz: u32) -> Vec<f32> {
        let mut resampler = Resampler::aligned(QUEUE_RATE, rate_hz).unwrap();
        let mut input = vec![0.0; samples.len() + resampler.tail()];
        from_i16s(samples, &mut input);
        let mut out = vec![0.0; input.len() * rate_hz as usize / QUEUE_RATE as usize + 8];
        let (_, produced) = resampler.process(&input, &mut out);
        out.truncate(produced);
        out
    }

    #[test]
    fn every_turn_is_converted_to_its_end_and_follows_the_one_before() {
        for rate_hz in [16_000, 24_000, 44_100, 48_000] {
            let (mut queue, _back, mut feed) = feed();
            let turns = [tone(1_000), tone(77), tone(1)];
            for (turn, samples) in (1..).zip(&turns) {
                for piece in samples.chunks(33) {
                    queue.push(Fed::Sound { turn, samples: piece.into() }).ok().unwrap();
                }
                queue.push(Fed::End { turn }).ok().unwrap();
            }
            let mut source = Source::new(rate_hz, 8_192, &[]).unwrap();
            let mut marks = Vec::new();
            for step in 1..200 {
                source.render(step * 53, &mut feed, &Fade::new(10), |mark| {
                    marks.push((mark.kind, mark.turn, mark.position))
                });
            }
            let meant: Vec<Vec<f32>> = turns.iter().map(|samples| whole(samples, rate_hz)).collect();
            let mut heard = vec![0.0; source.track.end() as usize];
            source.track.add_to(0, &mut heard);
            assert_eq!(heard, meant.concat(), "{rate_hz}");
            let mut position = 0;
            let told = (1..).zip(&meant).flat_map(|(turn, sound)| {
                let start = position;
                position += sound.len() as u64;
                [(MarkKind::Started, turn, start), (MarkKind::Drained, turn, position)]
            });
            assert_eq!(marks, told.collect::<Vec<_>>(), "{rate_hz}");
            assert!(!source.has_more(&mut feed));
        }
    }

    #[test]
    fn what_is_used_up_or_cut_is_handed_back() {
        let (mut queue, mut back, mut feed) = feed();
        for turn in [1, 1, 2, 3] {
            queue.push(Fed::Sound { turn, samples: tone(100).into() }).ok().unwrap();
        }
        let mut source = Source::new(QUEUE_RATE, 1_024, &[]).unwrap();
        source.render(150, &mut feed, &Fade::new(10), |_| {});
        assert_eq!(back.slots(), 2, "converted in pieces of 256");
        feed.cut_below = 3;
        source.abandon(&mut feed);
        assert_eq!(feed.peek(), Some(3));
        assert_eq!(back.slots(), 3);
        feed.discard_all(|_| {});
        assert_eq!(std::iter::from_fn(|| back.pop().ok()).count(), 4);
    }
}
