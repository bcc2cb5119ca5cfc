//! Who speaks when.

use std::ops::Range;

use crate::noise;
use crate::random::Random;
use crate::scene::{Part, RATE, Speaking};
use crate::speech::{Voice, speech};

/// What happens in a scene.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Script {
    /// Far end to converge (10 s), far end, person, far end, both, far end: 58.9 s.
    Talk,
    /// A long answer; from 12 s on a person begins to speak over it about every 6 s.
    BargeIns,
    /// A long answer; from 12 s on somebody coughs or slams a door about every 4 s.
    Bangs,
    /// The same with somebody who says "mm-hm".
    Nods,
    /// A long answer of so many seconds, and nobody else.
    Monologue(u32),
}

/// A sound that begins over the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Onset {
    /// From its first to its last sample.
    pub range: Range<usize>,
    /// A person speaks; otherwise it was a cough, a door or an "mm-hm".
    pub person: bool,
}

/// Both ends before they meet in a room: RMS 1 while speaking.
pub(crate) struct Lines {
    pub far: Vec<f32>,
    pub near: Vec<f32>,
    pub parts: Vec<Part>,
    pub onsets: Vec<Onset>,
}

/// The parts of a talk in tenths of a second.
const TALK: [(Speaking, usize); 6] = [
    (Speaking::Far, 100),
    (Speaking::Far, 89),
    (Speaking::Near, 80),
    (Speaking::Far, 80),
    (Speaking::Both, 140),
    (Speaking::Far, 100),
];

impl Script {
    pub(crate) fn lines(self, seed: u64) -> Lines {
        let mut random = Random::of(seed, "script");
        let (far_voice, near_voice) = (Voice::random(&mut random), Voice::random(&mut random));
        let (far_seed, near_seed) = (seed ^ 0xFA2, seed ^ 0x4EA2);
        match self {
            Script::Talk => {
                let mut start = 0;
                let parts: Vec<Part> = TALK
                    .iter()
                    .map(|&(speaking, tenths)| {
                        let range = start..start + tenths * RATE / 10;
                        start = range.end;
                        Part { speaking, range }
                    })
                    .collect();
                let mut far = speech(far_seed, far_voice, start);
                let mut near = speech(near_seed, near_voice, start);
                for part in &parts {
                    let silent = match part.speaking {
                        Speaking::Far => &mut near,
                        Speaking::Near => &mut far,
                        Speaking::Both => continue,
                    };
                    silent[part.range.clone()].fill(0.0);
                    fade_edges(silent, &part.range);
                }
                Lines { far, near, parts, onsets: Vec::new() }
            }
            Script::Monologue(seconds) => answer(far_seed, far_voice, seconds as usize * RATE),
            Script::BargeIns => {
                let mut lines = answer(far_seed, far_voice, 60 * RATE);
                let mut at = 12 * RATE;
                for number in 0.. {
                    let len = (random.between(1.4, 2.4) * RATE as f32) as usize;
                    if at + len > 58 * RATE {
                        break;
                    }
                    let voice = Voice::random(&mut random);
                    let mut said = speech(near_seed ^ (number << 32), voice, len);
                    // The synthesiser begins with whatever the first sound needs; a person is heard from here on.
                    let first = said.iter().position(|s| s.abs() > 0.15).unwrap_or(0);
                    said.drain(..first);
                    place(&mut lines, &said, at, true);
                    at += (random.between(5.4, 6.6) * RATE as f32) as usize;
                }
                lines
            }
            Script::Bangs | Script::Nods => {
                let mut lines = answer(far_seed, far_voice, 60 * RATE);
                let mut at = 12 * RATE;
                while at < 58 * RATE {
                    let bang = match self {
                        Script::Nods => noise::mm_hm(&mut random),
                        _ if random.chance(0.6) => noise::cough(&mut random),
                        _ => noise::slam(&mut random),
                    };
                    place(&mut lines, &bang, at, false);
                    at += (random.between(3.5, 4.5) * RATE as f32) as usize;
                }
                lines
            }
        }
    }
}

/// An answer without end, and nobody else.
fn answer(seed: u64, voice: Voice, len: usize) -> Lines {
    let parts = vec![Part { speaking: Speaking::Far, range: 0..len }];
    Lines { far: speech(seed, voice, len), near: vec![0.0; len], parts, onsets: Vec::new() }
}

fn place(lines: &mut Lines, sound: &[f32], at: usize, person: bool) {
    let range = at..(at + sound.len()).min(lines.near.len());
    lines.near[range.clone()].copy_from_slice(&sound[..range.len()]);
    lines.onsets.push(Onset { range, person });
}

/// Nobody starts or stops in the middle of a wave: 5 ms on each side of a silence.
fn fade_edges(samples: &mut [f32], silence: &Range<usize>) {
    const EDGE: usize = 80;
    for n in 0..EDGE {
        let gain = n as f32 / EDGE as f32;
        if let Some(sample) = silence.start.checked_sub(n + 1).and_then(|at| samples.get_mut(at)) {
            *sample *= gain;
        }
        if let Some(sample) = samples.get_mut(silence.end + n) {
            *sample *= gain;
        }
    }
}
