//! What the loudspeaker plays, told apart sample for sample: every answer is noise that was never sent before, so each
//! piece that is heard is known, and so are gaps, repetitions and sound that should have been cut.

use std::io;
use std::ops::Range;
use std::time::Duration;

use pressel_world::card::{Card, Direction, Noise};

/// Samples per millisecond of an answer.
const PER_MS: u64 = 24;
/// So many samples in a row tell where in an answer they are from.
const KNOWN: usize = 4;
/// A fade and its rounding: so many samples may be nobody's.
const FADE_MAX: usize = 10 * PER_MS as usize;
/// Silence of so long is one.
const SILENCE: usize = 5 * PER_MS as usize;
/// Of a cut answer, what comes after such a pause counts as a new one.
const STALE_GAP_NS: u64 = 1_000_000_000;

/// The sound of one message.
struct Piece {
    samples: Range<usize>,
    answer: u32,
    at_ns: u64,
    /// It belongs to the same utterance of the server as the piece before.
    follows: bool,
}

/// A stretch of what was sent, as it was heard.
#[derive(Clone, Debug)]
struct Run {
    sent: Range<usize>,
}

/// Something heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// The sound of a message that was sent at this time, in ns.
    Piece(u64),
    /// Sound stopped before its end.
    Cut,
}

/// Listens to the loudspeaker.
pub(super) struct Ear {
    noise: Noise,
    sent: Vec<i16>,
    pieces: Vec<Piece>,
    /// Speaker samples up to here were listened to.
    read_to: u64,
    runs: Vec<Run>,
    /// The newest run goes on.
    in_run: bool,
    /// Where a run was cut, until it is certain.
    cut: Option<u64>,
    silence: usize,
    /// Sound that is not known yet.
    recent: Vec<i16>,
    broken: Vec<String>,
}

impl Ear {
    pub(super) fn new() -> Self {
        Ear {
            noise: Noise::new(77, 8000),
            sent: Vec::new(),
            pieces: Vec::new(),
            read_to: 0,
            runs: Vec::new(),
            in_run: false,
            cut: None,
            silence: SILENCE,
            recent: Vec::new(),
            broken: Vec::new(),
        }
    }

    /// Makes sound for the server to say now.
    pub(super) fn sound(&mut self, time: Duration, answer: u32, follows: bool, at_ns: u64) -> &[i16] {
        let from = self.sent.len();
        let count = time.as_millis() as usize * PER_MS as usize;
        // Silence is told by zeros, so there are none.
        self.sent.extend((0..count).map(|_| match self.noise.next_sample() {
            0 => 1,
            sample => sample,
        }));
        self.pieces.push(Piece { samples: from..self.sent.len(), answer, at_ns, follows });
        &self.sent[from..]
    }

    /// Listens up to now; what was heard, with its time in ns.
    pub(super) fn listen(&mut self, card: &Card) -> io::Result<Vec<(u64, Heard)>> {
        let now = card
            .now_sample(Direction::Playback)
            .min(u64::from(card.stream(Direction::Playback).seconds) * PER_MS * 1000);
        if now <= self.read_to {
            return Ok(Vec::new());
        }
        let samples = card.channel(Direction::Playback, 0, self.read_to..now)?;
        let mut heard = Vec::new();
        for (at, sample) in (self.read_to..).zip(samples) {
            self.hear(at, sample, &mut heard);
        }
        self.read_to = now;
        Ok(heard.into_iter().map(|(at, what)| (card.time_of(Direction::Playback, at), what)).collect())
    }

    fn hear(&mut self, at: u64, sample: i16, heard: &mut Vec<(u64, Heard)>) {
        if self.in_run {
            if let Some(run) = self.runs.last_mut() {
                let next = run.sent.end;
                if self.sent.get(next) == Some(&sample) {
                    run.sent.end += 1;
                    if let Some(piece) = self.pieces.iter().find(|piece| piece.samples.start == next) {
                        heard.push((at, Heard::Piece(piece.at_ns)));
                    }
                    return;
                }
                self.in_run = false;
                self.cut = self.is_cut(next).then_some(at);
            }
        }
        if sample == 0 {
            self.forget();
            self.silence += 1;
            if self.silence == SILENCE {
                if let Some(cut) = self.cut.take() {
                    // With the fade, which is over when the silence begins.
                    heard.push(((at + 1 - SILENCE as u64).max(cut), Heard::Cut));
                }
            }
            return;
        }
        self.silence = 0;
        self.recent.push(sample);
        let tries = self.recent.len() == KNOWN || self.recent.len() % 64 == 0;
        if !tries {
            return;
        }
        let last = &self.recent[self.recent.len() - KNOWN..];
        let Some(from) = self.sent.windows(KNOWN).position(|window| window == last) else { return };
        if let Some(cut) = self.cut.take() {
            heard.push((cut, Heard::Cut));
        }
        self.recent.truncate(self.recent.len() - KNOWN);
        self.forget();
        let at = at + 1 - KNOWN as u64;
        self.begins(from, at);
        self.runs.push(Run { sent: from..from + KNOWN });
        self.in_run = true;
        if let Some(piece) = self.piece(from) {
            heard.push((at, Heard::Piece(piece.at_ns)));
        }
    }

    /// Sound that was nobody's ends.
    fn forget(&mut self) {
        if self.recent.len() > FADE_MAX {
            self.broken.push(format!("{} samples were heard that nobody sent", self.recent.len()));
        }
        self.recent.clear();
    }

    fn piece(&self, sample: usize) -> Option<&Piece> {
        self.pieces.iter().find(|piece| piece.samples.contains(&sample))
    }

    /// Whether sound that ends before this sample ends too early.
    fn is_cut(&self, next: usize) -> bool {
        self.piece(next).is_some_and(|piece| piece.samples.start < next || piece.follows)
    }

    /// What must hold when sound from here begins to be heard.
    fn begins(&mut self, from: usize, at: u64) {
        let Some(piece) = self.piece(from) else { return };
        let (answer, sent_at, begin) = (piece.answer, piece.at_ns, piece.samples.start);
        let before = self.runs.last().map_or(0, |run| run.sent.end);
        let ms = at / PER_MS;
        let broken = if from < before {
            Some(format!("at {ms} ms of the speaker sound was heard again or out of order"))
        } else if from > begin {
            let what =
                if from == before { "goes on after a gap" } else { "begins in the middle of a message" };
            Some(format!("at {ms} ms of the speaker sound {what}"))
        } else {
            None
        };
        self.broken.extend(broken);
        let cut = self.runs.last().map(|run| run.sent.end).filter(|&end| self.is_cut(end));
        let of_cut = cut.and_then(|end| self.piece(end)).is_some_and(|piece| piece.answer == answer);
        if of_cut && from >= before {
            let others =
                self.pieces.iter().filter(|piece| piece.answer == answer && piece.samples.end <= begin);
            let last = others.map(|piece| piece.at_ns).max().unwrap_or(0);
            // Of one answer that was cut: a tenth less, for what happens at the same time here and there.
            if sent_at < last + STALE_GAP_NS * 9 / 10 {
                self.broken.push(format!("at {ms} ms of the speaker an answer was heard that had been cut"));
            }
        }
    }

    /// How much of the newest answer was heard.
    pub(super) fn newest(&self) -> Duration {
        let newest = self.runs.last().and_then(|run| self.piece(run.sent.end - 1)).map(|piece| piece.answer);
        let of_newest = self.pieces.iter().filter(|piece| Some(piece.answer) == newest);
        let samples: usize =
            of_newest.flat_map(|piece| self.runs.iter().map(|run| overlap(&run.sent, &piece.samples))).sum();
        Duration::from_micros(samples as u64 * 1000 / PER_MS)
    }

    /// What must hold and did not.
    pub(super) fn broken(&self) -> &[String] {
        &self.broken
    }
}

fn overlap(a: &Range<usize>, b: &Range<usize>) -> usize {
    a.end.min(b.end).saturating_sub(a.start.max(b.start))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: usize = PER_MS as usize;

    /// Two messages of 20 ms of one answer and one of the next, heard as this makes of them.
    fn heard(play: impl Fn(&[i16]) -> Vec<i16>) -> (Vec<(u64, Heard)>, Ear) {
        let mut ear = Ear::new();
        let ms = Duration::from_millis;
        ear.sound(ms(20), 1, false, 10);
        ear.sound(ms(20), 1, true, 11);
        ear.sound(ms(20), 2, false, 12);
        let played = play(&ear.sent.clone());
        let mut found = Vec::new();
        for (at, sample) in (0..).zip(played) {
            ear.hear(at, sample, &mut found);
        }
        (found, ear)
    }

    fn silence(ms: usize) -> Vec<i16> {
        vec![0; ms * MS]
    }

    #[test]
    fn an_answer_is_known_by_its_samples() {
        let (found, ear) = heard(|sent| [silence(7), sent.to_vec(), silence(20)].concat());
        let at = |ms: usize| (ms * MS) as u64;
        let pieces = [(at(7), Heard::Piece(10)), (at(27), Heard::Piece(11)), (at(47), Heard::Piece(12))];
        assert_eq!(found, pieces);
        assert_eq!(ear.newest(), Duration::from_millis(20));
        assert_eq!(ear.broken(), [""; 0]);
    }

    #[test]
    fn a_cut_is_when_the_silence_begins_and_what_follows_may_be_the_next_answer() {
        let fade: Vec<i16> = vec![3; 3 * MS];
        let play =
            |sent: &[i16]| [&sent[..10 * MS], &fade, &silence(30), &sent[40 * MS..], &silence(9)].concat();
        let (found, ear) = heard(play);
        let cut = (13 * MS) as u64;
        assert_eq!(found[1..], [(cut, Heard::Cut), ((43 * MS) as u64, Heard::Piece(12))]);
        assert_eq!(ear.broken(), [""; 0]);
    }

    #[test]
    fn what_must_not_be_heard_is_told() {
        let check = |play: &dyn Fn(&[i16]) -> Vec<i16>, expected: &str| {
            let (_, ear) = heard(play);
            let text = ear.broken().join("; ");
            assert!(text.contains(expected), "{expected}: {text:?}");
        };
        let cut = 10 * MS;
        check(&|sent| [&sent[..cut], &silence(9), &sent[cut..]].concat(), "after a gap");
        check(&|sent| [&sent[..cut], &silence(9), &sent[15 * MS..]].concat(), "in the middle");
        check(&|sent| [&sent[..20 * MS], &silence(9), &sent[..cut]].concat(), "again");
        check(&|sent| [&sent[..cut], &silence(9), &sent[20 * MS..]].concat(), "had been cut");
        check(&|_| [vec![5; 20 * MS], silence(9)].concat(), "nobody sent");
    }
}
