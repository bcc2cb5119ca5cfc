//! An answer cut into parts, each with the time it is due and the words that go with it.

use std::ops::Range;
use std::sync::Arc;

use crate::audio::{ANSWER_HZ, samples_of};
use crate::script::{Service, Turn};

/// One message's worth of an answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Part {
    /// Which samples of the answer.
    pub range: Range<usize>,
    /// When it is due, from the first part on.
    pub after_ns: u64,
    /// What is said meanwhile: a delta.
    pub words: Option<String>,
}

/// An answer, ready to be sent.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    pub samples: Arc<[i16]>,
    pub parts: Vec<Part>,
}

impl Answer {
    /// Cuts samples and words into parts and gives each its time.
    pub(crate) fn new(turn: &Turn, service: &Service, samples: Arc<[i16]>, words: &str) -> Self {
        let first = samples_of(service.first_part_ms).max(1);
        let other = samples_of(service.part_ms).max(1);
        let pace = turn.pace.unwrap_or(service.pace);
        let mut parts = Vec::new();
        let mut start = 0;
        while start < samples.len() {
            let length = if start == 0 { first } else { other };
            let end = (start + length).min(samples.len());
            let at_ms = milliseconds(start);
            let stalled: u64 = turn.stalls.iter().filter(|s| s.at_ms <= at_ms).map(|s| s.ms).sum();
            let paced_ns = if pace > 0.0 { (nanoseconds(start) as f64 / pace) as u64 } else { 0 };
            parts.push(Part { range: start..end, after_ns: paced_ns + stalled * 1_000_000, words: None });
            start = end;
        }
        if turn.transcript {
            spread(words, &mut parts);
        }
        Self { samples, parts }
    }

    /// When a listener who plays it as it comes has heard the last of it, from the first part on.
    pub(crate) fn heard_ns(&self) -> u64 {
        // playback stops where a part is late and goes on when it comes
        self.parts.iter().fold(0, |heard: u64, part| heard.max(part.after_ns) + nanoseconds(part.range.len()))
    }
}

/// Samples of an answer as milliseconds.
pub(crate) fn milliseconds(samples: usize) -> u64 {
    samples as u64 * 1000 / u64::from(ANSWER_HZ)
}

fn nanoseconds(samples: usize) -> u64 {
    samples as u64 * 1_000_000_000 / u64::from(ANSWER_HZ)
}

/// Words as deltas: joined together they are the text again.
pub(crate) fn deltas(text: &str) -> Vec<String> {
    text.split_inclusive(' ').map(str::to_owned).collect()
}

/// Gives each word to the part in which it is spoken, taking all words for equally long.
fn spread(text: &str, parts: &mut [Part]) {
    let words = deltas(text);
    for (index, word) in words.iter().enumerate() {
        let at = index * parts.len() / words.len();
        if let Some(part) = parts.get_mut(at) {
            part.words.get_or_insert_default().push_str(word);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::Stall;

    const MS: u64 = 1_000_000;

    fn answer(turn: &Turn, service: &Service, ms: u64) -> Answer {
        Answer::new(turn, service, vec![0; samples_of(ms)].into(), "one two three four")
    }

    fn times(answer: &Answer) -> Vec<u64> {
        answer.parts.iter().map(|p| p.after_ns / MS).collect()
    }

    #[test]
    fn parts_come_four_times_faster_than_they_sound() {
        let answer = answer(&Turn::default(), &Service::default(), 1000);
        let lengths: Vec<u64> = answer.parts.iter().map(|p| milliseconds(p.range.len())).collect();
        assert_eq!(lengths, [200, 240, 240, 240, 80]);
        assert_eq!(times(&answer), [0, 50, 110, 170, 230]);
        assert_eq!(answer.heard_ns(), 1000 * MS);
    }

    #[test]
    fn all_at_once_and_a_slow_drip() {
        let at_once = Service { pace: 0.0, ..Service::default() };
        assert_eq!(times(&answer(&Turn::default(), &at_once, 1000)), [0; 5]);
        let stalls = vec![Stall { at_ms: 300, ms: 1000 }];
        let drip = Turn { pace: Some(0.5), stalls, ..Turn::default() };
        let answer = answer(&drip, &Service::default(), 500);
        assert_eq!(times(&answer), [0, 400, 1880]);
        assert_eq!(answer.heard_ns(), 1940 * MS);
    }

    #[test]
    fn the_deltas_joined_are_the_words() {
        let answer = answer(&Turn::default(), &Service::default(), 600);
        let found: Vec<_> = answer.parts.iter().map(|p| p.words.as_deref().unwrap_or("-")).collect();
        assert_eq!(found, ["one two ", "three ", "four"]);
        let silent = Turn { transcript: false, ..Turn::default() };
        assert!(
            super::Answer::new(&silent, &Service::default(), vec![0; 99].into(), "a").parts[0]
                .words
                .is_none()
        );
    }
}
