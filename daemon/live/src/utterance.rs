//! What the person says, from press or gate opening to its end, kept until the server surely holds it (see `memory.rs`).
//!
//! Bounded: beyond the bound the oldest goes first. What was never sent is counted as lost at once, what was sent when its
//! link is lost and it is no longer there to be sent again.

use std::collections::VecDeque;
use std::fmt;
use std::time::Instant;

use crate::wire::client;

const RATE: usize = 16_000;
/// Kept speech is sent in messages of this size; live speech as it comes.
const BURST: usize = RATE / 10;

/// One stretch of speech on its way to the server. What was said is not printed.
pub(crate) struct Utterance {
    /// When its last sample was captured.
    pub(crate) until: Instant,
    /// When the gate last heard speech in it.
    pub(crate) last_speech: Option<Instant>,
    /// Nothing will be added.
    pub(crate) ended: bool,
    /// Links on which some of it was sent.
    pub(crate) tries: u32,
    chunks: VecDeque<Vec<i16>>,
    samples: usize,
    samples_max: usize,
    /// Index of the first chunk not yet sent on the present link.
    next: usize,
    begun: bool,
    end_sent: bool,
    /// Samples that were sent on the present link and are not kept any more.
    forgotten: u64,
}

impl fmt::Debug for Utterance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Utterance")
            .field("samples", &self.samples)
            .field("ended", &self.ended)
            .field("tries", &self.tries)
            .field("begun", &self.begun)
            .field("end_sent", &self.end_sent)
            .finish_non_exhaustive()
    }
}

impl Utterance {
    pub(crate) fn new(since: Instant, samples_max: usize) -> Self {
        Utterance {
            until: since,
            last_speech: None,
            ended: false,
            tries: 0,
            chunks: VecDeque::new(),
            samples: 0,
            samples_max,
            next: 0,
            begun: false,
            end_sent: false,
            forgotten: 0,
        }
    }

    /// Adds a chunk; returns how many samples were lost to the bound.
    pub(crate) fn push(&mut self, samples: Vec<i16>, speech: bool, at: Instant) -> u64 {
        self.until = self.until.max(at);
        if speech {
            self.last_speech = Some(at);
        }
        if samples.is_empty() {
            return 0;
        }
        self.samples += samples.len();
        self.chunks.push_back(samples);
        self.keep_to_bound()
    }

    fn keep_to_bound(&mut self) -> u64 {
        let mut lost = 0;
        while self.samples > self.samples_max && self.chunks.len() > 1 {
            let Some(oldest) = self.chunks.pop_front() else { break };
            self.samples -= oldest.len();
            if self.next > 0 {
                self.next -= 1; // sent already, only forgotten
                self.forgotten += oldest.len() as u64;
            } else {
                lost += oldest.len() as u64;
            }
        }
        lost
    }

    /// What was said before goes in front; both are on the present link, or neither is. Returns how many samples were
    /// lost to the bound.
    pub(crate) fn prepend(&mut self, mut older: Utterance) -> u64 {
        self.until = self.until.max(older.until);
        self.last_speech = self.last_speech.max(older.last_speech);
        self.tries = self.tries.max(older.tries);
        self.forgotten += older.forgotten;
        self.samples += older.samples;
        if self.begun {
            self.next += older.chunks.len();
        }
        older.chunks.append(&mut self.chunks);
        self.chunks = older.chunks;
        self.keep_to_bound()
    }

    /// Whether some of it is on the present link.
    pub(crate) fn is_begun(&self) -> bool {
        self.begun
    }

    /// Samples that are kept.
    pub(crate) fn kept(&self) -> u64 {
        self.samples as u64
    }

    /// Whether nothing was captured at all: the microphone is deaf.
    pub(crate) fn is_empty(&self) -> bool {
        self.chunks.is_empty() && !self.begun
    }

    /// Whether speech was heard in it.
    pub(crate) fn has_speech(&self) -> bool {
        self.last_speech.is_some()
    }

    /// Whether all of it, its end included, is on the present link.
    pub(crate) fn is_sent(&self) -> bool {
        self.end_sent
    }

    /// Samples not yet sent on the present link.
    pub(crate) fn unsent(&self) -> u64 {
        self.chunks.iter().skip(self.next).map(|c| c.len() as u64).sum()
    }

    /// What was not yet sent on the present link never will be. Nothing of it is lost on anybody: it is taken back.
    pub(crate) fn drop_unsent(&mut self) {
        for chunk in self.chunks.drain(self.next..) {
            self.samples -= chunk.len();
        }
    }

    /// The link is gone: everything kept will be sent again on the next one. Returns how many samples went with it.
    pub(crate) fn rewind(&mut self) -> u64 {
        if self.begun {
            self.tries += 1;
        }
        self.next = 0;
        self.begun = false;
        self.end_sent = false;
        std::mem::take(&mut self.forgotten)
    }

    /// Messages that are due: the beginning, what was not yet sent, the end. `silence` samples close an utterance
    /// whose end the server finds by itself.
    pub(crate) fn drain(&mut self, manual: bool, silence: usize, mut send: impl FnMut(String)) {
        if self.chunks.is_empty() && !self.begun {
            return; // an activity without sound would be refused
        }
        if !self.begun {
            self.begun = true;
            if manual {
                send(client::activity_start().to_owned());
            }
        }
        while self.next < self.chunks.len() {
            let backlog = self.chunks.len() - self.next;
            if backlog == 1 {
                send(client::audio(&self.chunks[self.next]));
                self.next += 1;
                continue;
            }
            let mut burst = Vec::with_capacity(BURST);
            while self.next < self.chunks.len() && burst.len() + self.chunks[self.next].len() <= BURST {
                burst.extend_from_slice(&self.chunks[self.next]);
                self.next += 1;
            }
            if burst.is_empty() {
                burst.clone_from(&self.chunks[self.next]); // one chunk larger than a burst
                self.next += 1;
            }
            send(client::audio(&burst));
        }
        if self.ended && !self.end_sent {
            self.end_sent = true;
            if manual {
                send(client::activity_end().to_owned());
            } else {
                for part in vec![0; silence].chunks(BURST) {
                    send(client::audio(part));
                }
                send(client::audio_stream_end().to_owned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(utterance: &mut Utterance, manual: bool) -> Vec<String> {
        let mut out = Vec::new();
        utterance.drain(manual, 160, |m| out.push(m));
        out
    }

    #[test]
    fn kept_speech_goes_out_in_bursts_between_its_beginning_and_its_end() {
        let now = Instant::now();
        let mut utterance = Utterance::new(now, 16_000);
        for n in 0..7 {
            assert_eq!(utterance.push(vec![n; 320], true, now), 0);
        }
        let first = sent(&mut utterance, true);
        assert_eq!(first.len(), 3, "start, five chunks at once, two at once: {first:?}");
        assert_eq!(first[0], client::activity_start());
        assert_eq!(first[1], client::audio(&[[0; 320], [1; 320], [2; 320], [3; 320], [4; 320]].concat()));
        utterance.push(vec![9; 320], true, now);
        utterance.ended = true;
        assert_eq!(sent(&mut utterance, true), [client::audio(&[9; 320]), client::activity_end().to_owned()]);
        assert!(utterance.is_sent());
    }

    #[test]
    fn a_chunk_longer_than_a_burst_goes_out_alone() {
        let now = Instant::now();
        let mut utterance = Utterance::new(now, 16_000);
        for len in [2000, 320, 320, 2000, 2000] {
            utterance.push(vec![1; len], true, now);
        }
        let lengths: Vec<usize> = sent(&mut utterance, true)[1..].iter().map(String::len).collect();
        let expected = [2000, 640, 2000, 2000].map(|len| client::audio(&vec![1; len]).len());
        assert_eq!(lengths, expected);
    }

    #[test]
    fn beyond_the_bound_the_oldest_goes_and_only_the_unsent_counts_as_lost() {
        let now = Instant::now();
        let mut utterance = Utterance::new(now, 640);
        utterance.push(vec![1; 320], true, now);
        sent(&mut utterance, true);
        utterance.push(vec![2; 320], true, now);
        assert_eq!(utterance.push(vec![3; 320], true, now), 0, "the first was sent already");
        assert_eq!(utterance.push(vec![4; 320], true, now), 320, "the second was not");
        assert_eq!(sent(&mut utterance, true), [client::audio(&[[3; 320], [4; 320]].concat())]);
    }

    #[test]
    fn what_was_said_is_not_printed() {
        let now = Instant::now();
        let mut utterance = Utterance::new(now, 16_000);
        utterance.push(vec![12_345; 320], true, now);
        assert!(!format!("{utterance:?} {utterance:#?}").contains("12345"));
    }

    #[test]
    fn a_lost_link_sends_everything_again_and_counts_the_try() {
        let now = Instant::now();
        let mut utterance = Utterance::new(now, 16_000);
        utterance.rewind();
        assert_eq!(utterance.tries, 0, "nothing had been sent");
        utterance.push(vec![1; 320], true, now);
        let first = sent(&mut utterance, false);
        utterance.rewind();
        assert_eq!(sent(&mut utterance, false), first);
        assert_eq!(utterance.tries, 1);
    }
}
