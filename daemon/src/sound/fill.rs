//! What is written into the speaker's ring, and where.

use std::sync::atomic::Ordering;

use pressel_hal::{Error, Playhead};

use super::feed::Feed;
use super::playback::Playback;
use super::player::{PIECE, Player, STUCK_CARD, push, stuck};
use super::settings::KeepAwake;
use super::source::{Mark, MarkKind, Source};

impl Player {
    /// Converts the answer up to `until`.
    pub(super) fn render(&mut self, until: u64, with: &mut Playback) {
        let (marks, began) = (&mut with.marks, &mut self.began);
        self.answer.render(until, &mut with.answer, &self.fade, |mark| {
            if mark.kind == MarkKind::Started {
                *began = mark.position;
            }
            push(marks, mark);
        });
    }

    /// Fills the ring with what there is to say.
    pub(super) fn fill(&mut self, with: &mut Playback) -> Result<Playhead, Error> {
        let playhead = self.playhead(with)?;
        self.check_movement(playhead)?;
        if playhead.written < self.written {
            // The card broke down and has lost its ring. The tracks still know what was in it.
            self.written = playhead.written;
            with.far.lose(self.written);
            self.more = false;
            with.facts.playback.xruns.fetch_add(1, Ordering::Relaxed);
        }
        let dry = self.is_dry(playhead);
        if dry && (self.written..=self.faded).contains(&self.answer.track.end()) {
            // The rest of a fade, after a silence: nobody should hear it.
            self.answer.track.place(self.written);
        }
        if dry {
            self.answer.forget_made_up(self.written);
        } else if self.answer.is_made_up() && self.answer.has_more(&mut with.answer) {
            self.seek()?;
            if self.answer.take_up(self.written) && with.answer.has_sound() {
                with.facts.playback.starved.fetch_add(1, Ordering::Relaxed);
            }
        }
        let begins = |source: &Source, feed: &mut Feed| {
            (dry && (source.track.end() > self.written || source.has_more(feed)))
                || (source.track.end() < self.written && source.has_more(feed))
        };
        let (answer, local) = (begins(&self.answer, &mut with.answer), begins(&self.local, &mut with.local));
        if answer || local {
            if dry && self.more {
                with.facts.playback.xruns.fetch_add(1, Ordering::Relaxed);
            } else if answer && self.answer.turn().is_some() && with.answer.has_sound() {
                with.facts.playback.starved.fetch_add(1, Ordering::Relaxed);
            }
            let before = self.written;
            self.seek()?;
            if answer {
                self.answer.begin(dry, before, self.written);
                self.answer.take_up_after_silence(self.written);
                let late = |mark: &&mut Mark| {
                    dry && mark.position >= before + u64::from(mark.kind == MarkKind::Drained)
                };
                let passed = self.written - before.min(self.written);
                if dry && self.began >= before {
                    self.began += passed;
                }
                with.marks.iter_mut().filter(late).for_each(|mark| mark.position += passed);
            }
            if local {
                self.local.begin(dry, before, self.written);
            }
        } else if dry {
            self.written = playhead.written;
        }
        if self.breaks_off_at(playhead, with).is_some_and(|at| at <= playhead.played) {
            if self.written > self.answer.track.end() {
                self.seek()?; // there is silence already, or something else sounds
            }
            if let Some(conceal) = &mut self.conceal {
                self.answer.conceal(&mut conceal.stage, &mut conceal.history, &mut conceal.made_up);
            }
        }
        let first = self.written;
        if !self.compose(playhead.played + self.depth, with)? {
            return Ok(playhead);
        }
        let playhead = self.playhead(with)?;
        if (answer || local) && playhead.played > first {
            with.facts.playback.late.fetch_add(1, Ordering::Relaxed);
        }
        Ok(playhead)
    }

    /// Writes up to `limit`: the sources' sound, and silence over what is not meant any more. True if it wrote.
    fn compose(&mut self, limit: u64, with: &mut Playback) -> Result<bool, Error> {
        let first = self.written;
        let awake = self.keep_awake != KeepAwake::Silence;
        self.more = false;
        loop {
            let until = limit.min(self.written + PIECE as u64);
            // Sound that came a moment ago, for a source that is silent here, is placed by the next `fill`.
            if self.answer.track.end() >= self.written {
                self.render(until, with);
            }
            if self.local.track.end() >= self.written {
                self.local.render(until, &mut with.local, &self.fade, |_| {});
            }
            let sound = self.answer.track.end().max(self.local.track.end()).max(self.dirty);
            let end = if awake { limit.max(sound) } else { sound };
            if until <= self.written {
                self.more = awake || end > self.written || self.has_more(with);
                break;
            }
            if end <= self.written {
                break;
            }
            let n = (end.min(until) - self.written) as usize;
            let mut mono = [0.0; PIECE];
            let mono = &mut mono[..n];
            let Player { answer, local, loudness, limit, .. } = self;
            let mix = |position, mono: &mut [f32]| {
                answer.track.add_to(position, mono);
                loudness.duck(position, mono);
                local.track.add_to(position, mono);
                loudness.volume(position, mono);
            };
            mix(self.written, mono);
            limit.process(self.written, mono, mix);
            if self.keep_awake == KeepAwake::Dither {
                dither(self.written, mono);
            }
            for (frame, &sample) in self.frames.chunks_exact_mut(self.channels).zip(&*mono) {
                frame.fill(sample);
            }
            let taken = self.speaker.write(&self.frames[..n * self.channels])?;
            with.far.write(self.written, &mono[..taken]);
            self.written += taken as u64;
            if taken < n {
                self.more = true;
                break;
            }
        }
        with.facts.playback.frames.fetch_add(self.written - first, Ordering::Relaxed);
        Ok(self.written > first)
    }

    /// Notices a card that stopped without saying so.
    fn check_movement(&mut self, playhead: Playhead) -> Result<(), Error> {
        let runs = self.speaker.can_rewind() || playhead.written > playhead.played;
        if playhead.played != self.moved.played || !runs {
            self.moved = playhead;
        } else if playhead.at.saturating_duration_since(self.moved.at) > STUCK_CARD {
            return Err(stuck());
        }
        Ok(())
    }
}

/// Adds noise of the last bit of 16, triangular, the same at the same frame.
fn dither(position: u64, samples: &mut [f32]) {
    for (at, sample) in (position..).zip(samples) {
        // A multiplication whose upper bits are as good as random.
        let bits = (at ^ (at >> 29)).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let bits = (bits ^ (bits >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
        let (a, b) = ((bits >> 48) as f32, (bits >> 32 & 0xffff) as f32);
        *sample += (a - b) / 65_536.0 / 32_768.0;
    }
}
