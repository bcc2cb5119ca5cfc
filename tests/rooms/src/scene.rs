//! What the far end says, what the microphone hears, and what happens meanwhile.

use std::ops::Range;

use crate::kind::{Acoustics, Kind};
use crate::level::{amplitude, rms};
use crate::noise;
use crate::random::Random;
use crate::room::{Between, DECAY_S, TAIL_DB, convolve, loudspeaker, response};
use crate::script::{Lines, Onset, Script};

/// Samples per second of every scene.
pub const RATE: usize = 16_000;

/// Level of the near speaker while speaking, in dBFS.
pub const NEAR_DBFS: f32 = -26.0;

/// Level of the far end while speaking, in dBFS.
const FAR_DBFS: f32 = -29.0;

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaking {
    /// The loudspeaker.
    Far,
    /// The person in the room.
    Near,
    /// Both.
    Both,
}

/// A stretch of a scene.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Who speaks in it.
    pub speaking: Speaking,
    /// The samples.
    pub range: Range<usize>,
}

/// Sound of both ends at 16 kHz mono, all of one length, full scale ±1.0.
#[derive(Clone, Debug)]
pub struct Scene {
    /// What the speaker plays, sample by sample of its own clock.
    pub far: Vec<f32>,
    /// What the microphone hears: `near` + `echo` + `noise`.
    pub mic: Vec<f32>,
    /// The person alone, as the microphone hears them; or the coughs and doors.
    pub near: Vec<f32>,
    /// The loudspeaker alone, as the microphone hears it.
    pub echo: Vec<f32>,
    /// Everything else.
    pub noise: Vec<f32>,
    /// Who speaks when.
    pub parts: Vec<Part>,
    /// What begins over a long answer.
    pub onsets: Vec<Onset>,
    /// Samples at which the echo's path is another one than before.
    pub moves: Vec<usize>,
    /// Samples before which the microphone's card lost some: the path is told to start afresh.
    pub losses: Vec<usize>,
}

impl Scene {
    /// The talk in a room of this kind: always the same samples for a seed.
    pub fn new(kind: Kind, seed: u64) -> Scene {
        Scene::play(kind, Script::Talk, seed)
    }

    /// A script in a room of this kind: always the same samples for a seed.
    pub fn play(kind: Kind, script: Script, seed: u64) -> Scene {
        let acoustics = kind.acoustics();
        let Lines { mut far, mut near, parts, onsets } = script.lines(seed);
        near.iter_mut().for_each(|s| *s *= amplitude(NEAR_DBFS));
        far.iter_mut().for_each(|s| *s *= amplitude(FAR_DBFS));
        let (echo, moves) = echo(kind, acoustics, &mut far, &parts, seed);
        let mut hiss = match acoustics.noise_dbfs {
            None => vec![0.0; far.len()],
            Some(dbfs) => scaled(noise::pink(seed, far.len()), dbfs),
        };
        match kind {
            Kind::Compressor => {
                let start = COMPRESSOR_S * RATE;
                let len = hiss.len().saturating_sub(start);
                add(&mut hiss, start, &scaled(noise::compressor(seed, len), COMPRESSOR_DBFS));
            }
            Kind::Babble => {
                let talk = scaled(noise::babble(seed, hiss.len()), BABBLE_DBFS);
                add(&mut hiss, 0, &talk);
            }
            _ => {}
        }
        let mut scene =
            Scene { far, mic: Vec::new(), near, echo, noise: hiss, parts, onsets, moves, losses: Vec::new() };
        if kind == Kind::Xrun {
            for second in XRUNS_S.into_iter().rev() {
                scene.lose(second * RATE, 3 * RATE / 100);
            }
        }
        scene.mic =
            scene.near.iter().zip(&scene.echo).zip(&scene.noise).map(|((n, e), x)| n + e + x).collect();
        scene
    }

    /// The stretches in which this one speaks.
    pub fn parts_of(&self, speaking: Speaking) -> impl Iterator<Item = Range<usize>> + '_ {
        self.parts.iter().filter(move |part| part.speaking == speaking).map(|part| part.range.clone())
    }

    /// Takes samples out of both ends, before anything lost already: the card never delivered them, and whoever
    /// counts frames knows.
    fn lose(&mut self, at: usize, len: usize) {
        if at + len > self.far.len() {
            return;
        }
        for samples in [&mut self.far, &mut self.near, &mut self.echo, &mut self.noise] {
            samples.drain(at..at + len);
        }
        let moved = |place: usize| if place > at { place - len } else { place };
        for part in &mut self.parts {
            part.range = moved(part.range.start)..moved(part.range.end);
        }
        for onset in &mut self.onsets {
            onset.range = moved(onset.range.start)..moved(onset.range.end);
        }
        self.moves.iter_mut().for_each(|place| *place = moved(*place));
        self.losses.iter_mut().for_each(|place| *place = moved(*place));
        self.losses.insert(0, at);
    }
}

/// A compressor starts in the middle of what the person says alone.
const COMPRESSOR_S: usize = 22;
const COMPRESSOR_DBFS: f32 = -44.0;
const BABBLE_DBFS: f32 = -46.0;
/// In the far end's second and third stretch.
const MOVES_S: [usize; 2] = [14, 30];
const XRUNS_S: [usize; 2] = MOVES_S;

/// What the microphone hears of the far end, and where its path changes. Turns the far end up and down where the
/// kind says so: it is what the speaker plays.
fn echo(
    kind: Kind,
    acoustics: Acoustics,
    far: &mut [f32],
    parts: &[Part],
    seed: u64,
) -> (Vec<f32>, Vec<usize>) {
    let mut random = Random::of(seed, "room");
    let moves = MOVES_S.map(|second| second * RATE);
    if kind == Kind::Volume {
        for (n, sample) in far.iter_mut().enumerate() {
            *sample *= amplitude(if n < moves[0] {
                0.0
            } else if n < moves[1] {
                -8.0
            } else {
                4.0
            });
        }
    }
    let played = loudspeaker(far, acoustics.drive, acoustics.low_hz, acoustics.clip);
    let taps = response(&mut random, DECAY_S, TAIL_DB);
    let mut heard = convolve(&played, &taps);
    if kind == Kind::PathChange {
        // What comes back from a body: a quarter of the direct sound and most of the room's.
        let mut leaning = response(&mut random, DECAY_S, TAIL_DB);
        leaning[0] = 0.75;
        leaning.iter_mut().zip(&taps).for_each(|(new, old)| *new = 0.6 * *new + 0.4 * old);
        let other = convolve(&played, &leaning);
        for (n, (sample, other)) in heard.iter_mut().zip(other).enumerate() {
            let part = |start: usize| (n.saturating_sub(start) as f32 / (0.3 * RATE as f32)).min(1.0);
            let share = part(moves[0]) - part(moves[1]);
            *sample += share * (other - *sample);
        }
    }
    let between = Between::new(&heard);
    let speed = 1.0 + acoustics.drift_ppm * 1e-6;
    let mut echo: Vec<f32> = (0..heard.len())
        .map(|n| {
            let delay_ms = acoustics.delay_ms
                + match kind {
                    Kind::DelayJump if n >= moves[0] && n < moves[1] => 45.0,
                    Kind::Xrun if n >= moves[0] && n < moves[1] => 2.0,
                    _ => 0.0,
                };
            between.at((n as f64 - delay_ms * RATE as f64 / 1000.0) * speed)
        })
        .collect();
    let far_only: Vec<f32> = parts
        .iter()
        .filter(|part| part.speaking != Speaking::Near)
        .flat_map(|part| echo[part.range.clone()].iter().copied())
        .collect();
    let gain = amplitude(NEAR_DBFS + acoustics.echo_over_near_db) / rms(&far_only).max(1e-9);
    echo.iter_mut().for_each(|s| *s *= gain);
    let moved = matches!(kind, Kind::DelayJump | Kind::PathChange | Kind::Volume | Kind::Xrun);
    (echo, if moved { moves.to_vec() } else { Vec::new() })
}

fn scaled(mut samples: Vec<f32>, db: f32) -> Vec<f32> {
    samples.iter_mut().for_each(|s| *s *= amplitude(db));
    samples
}

fn add(sum: &mut [f32], start: usize, samples: &[f32]) {
    sum.iter_mut().skip(start).zip(samples).for_each(|(sum, sample)| *sum += sample);
}

#[cfg(test)]
mod tests;
