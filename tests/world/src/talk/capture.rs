//! The virtual microphone: a room in which somebody speaks or not, a gate, and the last moments kept while nobody
//! listens. It behaves as the daemon's capture thread does.
//!
//! No two samples within four seconds are alike and none is 0, so that whoever receives them knows which they are.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use pressel_live::event::{Listen, MicrophoneInput};

use super::script::{Cable, Room, Suspicion};

/// Length of a chunk.
pub const TICK: Duration = Duration::from_millis(20);
/// The same in 16 kHz samples.
const SAMPLES: u64 = 320;
/// Different values there are.
const VALUES: u64 = 65_535;
/// Chunks after which chunks begin with the same value again: what 320 and 65,535 share is 5.
const AGAIN: u64 = VALUES / 5;
/// So many chunks of speech in a row open the gate (60 ms).
const BURST: u32 = 3;

/// The virtual microphone.
pub struct Capture {
    /// Whether there was speech, by chunk since the beginning.
    speech: Vec<bool>,
    /// Somebody speaks.
    pub speaking: bool,
    /// Whether the card is there.
    pub cable: Cable,
    listen: Listen,
    /// Chunks that were not delivered to anybody.
    ring: VecDeque<u64>,
    /// The detector of speech over an answer is not done with a suspicion: the gate stays open.
    suspects: bool,
    /// Chunks that arrived while an answer was heard: they may be held back, and what follows them may be not.
    over: BTreeSet<u64>,
    /// First chunks of uninterrupted stretches, as they were delivered.
    stretches: Vec<u64>,
    pre_roll: u64,
    hangover: u64,
    gate_open: bool,
    passing: bool,
    /// Chunks of speech in a row, and of silence.
    loud: u32,
    quiet: u64,
}

impl Capture {
    /// A microphone in this room.
    pub fn new(room: &Room) -> Self {
        let ticks = |time: Duration| time.as_millis() as u64 / TICK.as_millis() as u64;
        Capture {
            speech: Vec::new(),
            speaking: false,
            cable: Cable::Back,
            listen: Listen::Rest,
            ring: VecDeque::new(),
            suspects: false,
            over: BTreeSet::new(),
            stretches: Vec::new(),
            pre_roll: ticks(room.pre_roll),
            hangover: ticks(room.hangover),
            gate_open: false,
            passing: false,
            loud: 0,
            quiet: 0,
        }
    }

    /// The card goes, comes, or stands still; what it held is lost.
    pub fn plug(&mut self, cable: Cable) {
        self.cable = cable;
        self.ring.clear();
        self.gate_open = false;
        self.suspects = false;
        self.stretches.push(self.speech.len() as u64);
        if cable == Cable::Lost {
            self.passing = false;
        }
    }

    /// What is asked for from now on; delivers what is due at once.
    pub fn obey(&mut self, listen: Listen, now: Instant) -> Vec<MicrophoneInput> {
        let goes_on = number_of(listen).is_some() && number_of(listen) == number_of(self.listen);
        self.listen = listen;
        self.suspects &= self.watches();
        if !goes_on {
            self.passing = false;
        }
        match listen {
            Listen::Gated { .. } if self.passing => Vec::new(),
            Listen::All { number, since } => {
                self.passing = false;
                let wanted = self.pre_roll + ticks_between(since, now);
                while self.ring.len() as u64 > wanted {
                    self.ring.pop_front();
                }
                self.deliver_ring(number, now)
            }
            Listen::Gated { number, .. } if self.gate_open => self.pass(number, now),
            Listen::Gated { .. } | Listen::Rest => Vec::new(),
        }
    }

    /// Whether what is captured may be delivered.
    pub fn listens(&self) -> bool {
        self.listen != Listen::Rest
    }

    /// Up to when chunks are captured.
    pub fn captured(&self) -> Duration {
        TICK * self.speech.len() as u32
    }

    /// Captures up to here while nobody listens.
    pub fn rest_until(&mut self, now: Duration) {
        while self.captured() + TICK <= now {
            let tick = self.speech.len() as u64;
            let heard = self.hear();
            self.speech.push(heard);
            if self.cable == Cable::Back {
                self.keep(tick);
            }
        }
    }

    /// Goes on by a chunk; whether there is speech in it.
    fn hear(&mut self) -> bool {
        let heard = self.speaking && self.cable == Cable::Back;
        if self.cable == Cable::Back {
            self.loud = if heard { self.loud + 1 } else { 0 };
            self.quiet = if heard { 0 } else { self.quiet + 1 };
            self.gate_open = self.loud >= BURST || (self.gate_open && self.quiet <= self.hangover);
        }
        heard
    }

    /// 20 ms are over.
    pub fn tick(&mut self, now: Instant) -> Vec<MicrophoneInput> {
        let tick = self.speech.len() as u64;
        let heard = self.hear();
        self.speech.push(heard);
        if self.cable != Cable::Back {
            return Vec::new();
        }
        match self.listen {
            Listen::All { number, .. } => vec![self.chunk(number, tick, now)],
            Listen::Gated { number, .. } if self.passing => {
                let mut told = vec![self.chunk(number, tick, now)];
                if !self.gate_open && !self.suspects {
                    self.passing = false;
                    told.push(MicrophoneInput::Closed { listen: number });
                }
                told
            }
            Listen::Gated { number, .. } => {
                self.keep(tick);
                if self.gate_open { self.pass(number, now) } else { Vec::new() }
            }
            Listen::Rest => {
                self.keep(tick);
                Vec::new()
            }
        }
    }

    fn watches(&self) -> bool {
        matches!(self.listen, Listen::Gated { watch: true, .. })
    }

    /// The detector says something, if it runs: what is told of it.
    pub fn suspicion(&mut self, suspicion: Suspicion, now: Instant) -> Vec<MicrophoneInput> {
        let Listen::Gated { number: listen, watch: true } = self.listen else { return Vec::new() };
        let before = std::mem::replace(&mut self.suspects, suspicion == Suspicion::Suspected);
        match suspicion {
            _ if self.cable != Cable::Back => Vec::new(),
            Suspicion::Suspected if before => Vec::new(),
            Suspicion::Suspected => {
                let mut told = if self.passing { Vec::new() } else { self.pass(listen, now) };
                told.push(MicrophoneInput::Suspected { listen });
                told
            }
            Suspicion::Confirmed if before => {
                (self.gate_open, self.quiet) = (true, 0);
                vec![MicrophoneInput::Confirmed { listen }]
            }
            Suspicion::Dismissed if before => vec![MicrophoneInput::Dismissed { listen }],
            Suspicion::Confirmed | Suspicion::Dismissed => Vec::new(),
        }
    }

    /// These samples arrive while an answer is being heard.
    pub fn spoke_over(&mut self, samples: &[i16]) {
        let chunks = self.recognize(samples).unwrap_or_default();
        self.over.extend(chunks);
    }

    /// Whether what came before this chunk may have been held back, or another utterance.
    pub fn was_spoken_over(&self, chunk: u64) -> bool {
        self.over.contains(&chunk) || self.over.contains(&chunk.saturating_sub(1))
    }

    fn keep(&mut self, tick: u64) {
        self.ring.push_back(tick);
        if self.ring.len() as u64 > self.pre_roll + 5 {
            self.ring.pop_front();
        }
    }

    /// The gate opens.
    fn pass(&mut self, number: u32, now: Instant) -> Vec<MicrophoneInput> {
        self.passing = true;
        while self.ring.len() as u64 > self.pre_roll + u64::from(BURST) {
            self.ring.pop_front();
        }
        let mut told = vec![MicrophoneInput::Opened { listen: number }];
        told.extend(self.deliver_ring(number, now));
        told
    }

    fn deliver_ring(&mut self, number: u32, now: Instant) -> Vec<MicrophoneInput> {
        let ring = std::mem::take(&mut self.ring);
        self.stretches.push(ring.front().copied().unwrap_or(self.speech.len() as u64));
        ring.into_iter().map(|tick| self.chunk(number, tick, now)).collect()
    }

    fn chunk(&self, number: u32, tick: u64, now: Instant) -> MicrophoneInput {
        let samples = (tick * SAMPLES..(tick + 1) * SAMPLES).map(value).collect();
        let age = (self.speech.len() as u64).saturating_sub(tick + 1);
        let at = now - TICK * age as u32;
        MicrophoneInput::Chunk { listen: number, samples, speech: self.speech[tick as usize], at }
    }

    /// Whether there was speech in this chunk.
    pub fn is_speech(&self, tick: u64) -> bool {
        self.speech.get(tick as usize).is_some_and(|&speech| speech)
    }

    /// The newest chunk.
    pub fn newest(&self) -> u64 {
        (self.speech.len() as u64).saturating_sub(1)
    }

    /// These samples get lost on their way: what follows them begins a stretch.
    pub fn lose(&mut self, samples: &[i16]) {
        let chunks = self.recognize(samples).unwrap_or_default();
        self.stretches.extend(chunks.last().map(|chunk| chunk + 1));
    }

    /// Whether this chunk was the first of a stretch.
    pub fn begins_stretch(&self, tick: u64) -> bool {
        self.stretches.contains(&tick)
    }

    /// Which chunks these samples are; `None` where they are not whole chunks of this microphone.
    pub fn recognize(&self, samples: &[i16]) -> Option<Vec<u64>> {
        samples
            .chunks(SAMPLES as usize)
            .map(|chunk| {
                let tick = self.beginning_with(chunk[0])?;
                let expected = (tick * SAMPLES..(tick + 1) * SAMPLES).map(value);
                expected.eq(chunk.iter().copied()).then_some(tick)
            })
            .collect()
    }

    /// The newest chunk that begins with this value.
    fn beginning_with(&self, first: i16) -> Option<u64> {
        let newest = (self.speech.len() as u64).checked_sub(1)?;
        (newest.saturating_sub(AGAIN - 1)..=newest).rev().find(|tick| value(tick * SAMPLES) == first)
    }
}

/// The sample at this position.
fn value(position: u64) -> i16 {
    (position % VALUES + 1) as u16 as i16
}

fn ticks_between(since: Instant, now: Instant) -> u64 {
    (now.saturating_duration_since(since).as_millis() / TICK.as_millis()) as u64
}

fn number_of(listen: Listen) -> Option<u32> {
    match listen {
        Listen::Rest => None,
        Listen::All { number, .. } | Listen::Gated { number, .. } => Some(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room() -> Room {
        let ms = Duration::from_millis;
        Room { pre_roll: ms(100), hangover: ms(60), dial: None, fails: None, pong: None, goodbye: ms(0) }
    }

    fn ticks(capture: &Capture, told: &[MicrophoneInput]) -> Vec<u64> {
        let chunks = told.iter().filter_map(|input| match input {
            MicrophoneInput::Chunk { samples, .. } => capture.recognize(samples),
            _ => None,
        });
        chunks.flatten().collect()
    }

    #[test]
    fn a_press_delivers_the_pre_roll_and_then_every_chunk() {
        let now = Instant::now();
        let mut capture = Capture::new(&room());
        for _ in 0..20_000 {
            assert!(capture.tick(now).is_empty());
        }
        let told = capture.obey(Listen::All { number: 1, since: now }, now);
        assert_eq!(ticks(&capture, &told), [19_995, 19_996, 19_997, 19_998, 19_999]);
        let told = capture.tick(now);
        assert_eq!(ticks(&capture, &told), [20_000]);
        assert!(capture.obey(Listen::Rest, now).is_empty());
        capture.tick(now);
        let told = capture.obey(Listen::All { number: 2, since: now }, now);
        assert_eq!(ticks(&capture, &told), [20_001], "what was delivered is not delivered again");
    }

    #[test]
    fn the_gate_opens_with_speech_and_closes_after_its_hangover() {
        let now = Instant::now();
        let mut capture = Capture::new(&room());
        capture.obey(Listen::Gated { number: 7, watch: false }, now);
        for _ in 0..10 {
            assert!(capture.tick(now).is_empty());
        }
        capture.speaking = true;
        assert!(capture.tick(now).is_empty() && capture.tick(now).is_empty());
        let told = capture.tick(now);
        assert_eq!(told[0], MicrophoneInput::Opened { listen: 7 });
        assert_eq!(ticks(&capture, &told), [5, 6, 7, 8, 9, 10, 11, 12]);
        capture.speaking = false;
        for _ in 0..3 {
            assert_eq!(capture.tick(now).len(), 1);
        }
        assert_eq!(capture.tick(now).last(), Some(&MicrophoneInput::Closed { listen: 7 }));
        assert!(capture.tick(now).is_empty());
    }
}
