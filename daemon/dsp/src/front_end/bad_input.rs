//! Whatever a card delivers: nothing but numbers comes out, no gain runs away, and a second later the whole path does
//! what it does where nothing happened.

use std::ops::Range;

use super::*;
use crate::array::scene::plane_wave;
use crate::level::block_level_dbfs;
use crate::synth::{Random, at_level, pink, rms, speech, to_db};
use crate::{BargeIn, Geometry};

const S: usize = 16_000;
/// Somebody speaks alone, the device answers, and in the middle of that something breaks for a second.
const SPEAKS: Range<usize> = S..4 * S;
const ANSWERS: usize = 5 * S;
const BREAKS: usize = 12 * S;
/// A second later everything has to be as it was; so long it is looked at.
const LOOKED_AT: usize = 5 * S / 2;
/// What leaves is never further above the target of -23 dBFS than 20 dB.
const LOUDEST_DBFS: f32 = -3.0;

/// What goes wrong.
#[derive(Clone, Copy)]
enum Cause {
    /// For a second every frame and what the speaker is said to play are changed.
    Spoils(fn(&mut [f32], &mut f32, usize)),
    /// The same, for cards with several channels.
    SpoilsChannel(fn(&mut [f32], usize)),
    /// From now on the microphone is read so many samples later (earlier if below 0) than before.
    Jumps(i32),
    /// The card stops for a second; whoever reads it knows.
    Stops,
    /// Nothing is played for so many hours.
    Rests(usize),
}

fn square(n: usize) -> f32 {
    if n / 20 % 2 == 0 { 1.0 } else { -1.0 }
}

const CAUSES: &[(&str, Cause)] = &[
    ("not a number", Cause::Spoils(|frame, _, _| frame.fill(f32::NAN))),
    ("infinite", Cause::Spoils(|frame, _, _| frame.fill(f32::INFINITY))),
    ("absurd", Cause::Spoils(|frame, _, n| frame.fill(if n % 3 == 0 { f32::MIN } else { f32::MAX }))),
    (
        "a number now and then",
        Cause::Spoils(|frame, _, n| {
            if n % 7 != 0 {
                frame.fill(f32::NAN)
            }
        }),
    ),
    ("far end not a number", Cause::Spoils(|_, far, _| *far = f32::NAN)),
    ("far end infinite", Cause::Spoils(|_, far, _| *far = f32::NEG_INFINITY)),
    ("both not a number", Cause::Spoils(|frame, far, _| (frame.fill(f32::NAN), *far = f32::NAN).1)),
    ("full-scale square", Cause::Spoils(|frame, _, n| frame.fill(square(n)))),
    ("far end a full-scale square", Cause::Spoils(|_, far, n| *far = square(n))),
    (
        "both a full-scale square",
        Cause::Spoils(|frame, far, n| {
            frame.fill(square(n));
            *far = square(n);
        }),
    ),
    ("all channels zero", Cause::Spoils(|frame, _, _| frame.fill(0.0))),
    ("all channels stuck", Cause::Spoils(|frame, _, _| frame.fill(0.25))),
    ("far end missing", Cause::Spoils(|_, far, _| *far = 0.0)),
    ("channel zero", Cause::SpoilsChannel(|frame, _| frame[2] = 0.0)),
    ("channel not a number", Cause::SpoilsChannel(|frame, _| frame[2] = f32::NAN)),
    ("channel a full-scale square", Cause::SpoilsChannel(|frame, n| frame[2] = square(n))),
    ("first channel a full-scale square", Cause::SpoilsChannel(|frame, n| frame[0] = square(n))),
    ("microphone 45 ms later", Cause::Jumps(720)),
    ("microphone 15 ms earlier", Cause::Jumps(-240)),
    ("microphone 3 ms later", Cause::Jumps(48)),
    ("card stops", Cause::Stops),
    ("far end silent for two hours", Cause::Rests(2)),
];

/// What follows from the end of it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum After {
    /// The answer goes on.
    Answer,
    /// The answer is over, and a second later somebody speaks.
    Person,
    /// The answer goes on, and a second later somebody speaks over it.
    Both,
}

/// What the loudspeaker plays, and frames of the microphones.
struct Room {
    width: usize,
    far: Vec<f32>,
    frames: Vec<f32>,
}

impl Room {
    /// `ends` is where the trouble does.
    fn new(geometry: &Geometry, width: usize, ends: usize, after: After) -> Self {
        let len = ends + S + LOOKED_AT;
        let mut far = at_level(speech(1, len), -22.0);
        far[..ANSWERS].fill(0.0);
        if after == After::Person {
            far[ends..].fill(0.0);
        }
        let mut near = at_level(speech(2, len), -29.0);
        near[..SPEAKS.start].fill(0.0);
        near[SPEAKS.end..ends + S].fill(0.0);
        near[ends + S..].copy_from_slice(&at_level(speech(3, LOOKED_AT), -29.0));
        if after == After::Answer {
            near[ends + S..].fill(0.0);
        }
        let echo = heard_in_a_room(&far);
        let positions = match geometry.positions_m() {
            positions if positions.is_empty() => vec![[0.0; 3]; width],
            positions => positions,
        };
        let (near, echo) =
            (plane_wave(&near, &positions, 60.0, 0.0), plane_wave(&echo, &positions, 200.0, 0.0));
        let noise: Vec<Vec<f32>> = (0..width as u64).map(|m| at_level(pink(10 + m, len), -62.0)).collect();
        let sum = |n: usize, m: usize| near[m][n] + echo[m][n] + noise[m][n];
        let frames = (0..len).flat_map(|n| (0..width).map(move |m| (n, m))).map(|(n, m)| sum(n, m)).collect();
        Self { width, far, frames }
    }
}

/// 30 ms later, with 40 ms of reverberation.
fn heard_in_a_room(sound: &[f32]) -> Vec<f32> {
    let mut random = Random::new(7);
    let taps: Vec<f32> = (0..640)
        .map(|n| if n == 0 { 1.0 } else { (0.05 * random.bell() * (-6.9 * n as f64 / 640.0).exp()) as f32 })
        .collect();
    let mut heard = vec![0.0; sound.len() + 480 + taps.len()];
    for (n, &sample) in sound.iter().enumerate().filter(|(_, sample)| **sample != 0.0) {
        heard[n + 480..].iter_mut().zip(&taps).for_each(|(out, tap)| *out += sample * tap);
    }
    heard.truncate(sound.len());
    heard
}

/// What came out of the path, block by block.
#[derive(Default)]
struct Heard {
    sound: Vec<f32>,
    readings: Vec<Reading>,
}

impl Heard {
    /// The path over these frames; each block is looked at at once.
    fn run(&mut self, path: &mut FrontEnd, far: &[f32], frames: &[f32], what: &str) {
        let mut out = [0.0; BLOCK];
        for (far, frames) in far.chunks_exact(BLOCK).zip(frames.chunks_exact(BLOCK * path.channels)) {
            let reading = path.process(frames, far.try_into().unwrap(), &mut out);
            assert!(out.iter().all(|s| s.is_finite()), "{what}: nonsense comes out");
            let told = [reading.level_dbfs, reading.floor_dbfs, reading.gain_db];
            let (echo, steer) = (path.echo(), path.steer());
            let more = [echo.erle_db, echo.echo_dbfs, echo.residual_dbfs, echo.near_end, echo.explained];
            let all = told.iter().chain(&more).chain([&steer.delay_ms, &steer.drift_ppm]);
            assert!(all.clone().all(|told| told.is_finite()), "{what}: {reading:?} {echo:?} {steer:?}");
            let level_dbfs = block_level_dbfs(&out);
            assert!(level_dbfs <= LOUDEST_DBFS + 0.01, "{what}: {level_dbfs} dBFS leave");
            self.sound.extend_from_slice(&out);
            self.readings.push(reading);
        }
    }

    fn level_db(&self) -> f64 {
        to_db(rms(&self.sound))
    }
}

fn path(geometry: &Geometry, width: usize) -> FrontEnd {
    let array = ArraySettings { geometry: geometry.clone(), ..ArraySettings::default() };
    FrontEnd::new(FrontEndSettings { array, ..FrontEndSettings::new(S as u32, width as u32) }).unwrap()
}

/// From the beginning until a second after the trouble's end, and what is heard from then on.
fn after(mut path: FrontEnd, room: &Room, cause: Option<Cause>, ends: usize, what: &str) -> Heard {
    let (mut far, mut frames, width) = (room.far.clone(), room.frames.clone(), room.width);
    let mut heard = Heard::default();
    match cause {
        None | Some(Cause::Rests(_)) => {}
        Some(Cause::Spoils(spoil)) => {
            for n in BREAKS..ends {
                spoil(&mut frames[n * width..(n + 1) * width], &mut far[n], n);
            }
        }
        Some(Cause::SpoilsChannel(spoil)) => {
            (BREAKS..ends).for_each(|n| spoil(&mut frames[n * width..(n + 1) * width], n));
        }
        Some(Cause::Jumps(later)) => {
            for n in (BREAKS..far.len()).rev() {
                let from = (n as i32 - later).clamp(0, far.len() as i32 - 1) as usize;
                let source = room.frames[from * width..(from + 1) * width].to_vec();
                frames[n * width..(n + 1) * width].copy_from_slice(&source);
            }
        }
        Some(Cause::Stops) => {
            path.reset();
        }
    }
    let start = if matches!(cause, Some(Cause::Stops)) { ends } else { BREAKS };
    if let Some(Cause::Rests(hours)) = cause {
        let mut rest = Heard::default();
        // A second of the room's noise, again and again.
        for _ in 0..hours * 3_600 {
            rest.run(&mut path, &[0.0; S], &room.frames[..S * width], what);
            rest = Heard::default();
        }
    }
    heard.run(&mut path, &far[start..ends + S], &frames[start * width..(ends + S) * width], what);
    let mut later = Heard::default();
    later.run(&mut path, &far[ends + S..], &frames[(ends + S) * width..], what);
    later
}

/// A second after the trouble's end everything is as it is for the twin who had none.
fn check(geometry: Geometry, width: usize) {
    let mut wrong = Vec::new();
    for follows in [After::Answer, After::Person, After::Both] {
        let rooms = [BREAKS, BREAKS + S].map(|ends| (Room::new(&geometry, width, ends, follows), ends));
        let mut before = path(&geometry, width);
        let (far, frames) = (&rooms[1].0.far[..BREAKS], &rooms[1].0.frames[..BREAKS * width]);
        Heard::default().run(&mut before, far, frames, "before");
        let twins = [0, 1].map(|n| after(before.clone(), &rooms[n].0, None, rooms[n].1, "twin"));
        for &(name, cause) in CAUSES {
            let lasts = !matches!(cause, Cause::Jumps(_) | Cause::Rests(_));
            let left_out = match cause {
                Cause::SpoilsChannel(_) => width == 1,
                Cause::Rests(_) => width > 1 || follows != After::Both,
                _ => false,
            };
            if left_out {
                continue;
            }
            let what = format!("{name}, {width} channels, {geometry:?}, {follows:?}");
            let (room, ends) = &rooms[usize::from(lasts)];
            let twin = &twins[usize::from(lasts)];
            let heard = after(before.clone(), room, Some(cause), *ends, &what);
            // A loudspeaker that nobody tells of is a person: the beam turns to it, and has to turn back.
            let turned = name == "far end missing" && geometry != Geometry::Unknown;
            let more_db = heard.level_db() - twin.level_db();
            match follows {
                After::Answer => {
                    let most_db = if turned || matches!(cause, Cause::Jumps(_)) { 11.0 } else { 6.0 };
                    if more_db >= most_db {
                        wrong.push(format!("{what}: {more_db:.1} dB more is left of the echo"));
                    }
                }
                _ => {
                    let most_db = if turned { 15.0 } else { 3.0 };
                    if more_db.abs() >= most_db {
                        wrong.push(format!("{what}: the person is {more_db:.1} dB louder"));
                    }
                }
            }
            let opens = |heard: &Heard| heard.readings.iter().position(|r| r.open).map_or(-1, |n| n as i32);
            let late = opens(&heard) - opens(twin);
            if late.abs() > 5 {
                wrong.push(format!("{what}: the gate opens {late} blocks later"));
            }
            let said = |what: BargeIn| heard.readings.iter().any(|r| r.barge_in == Some(what));
            match follows {
                After::Answer if said(BargeIn::Confirmed) => {
                    wrong.push(format!("{what}: the device hears itself"))
                }
                // Turned down at once; how soon it is sure depends on what is said.
                After::Both if !turned && !said(BargeIn::Suspected) && !said(BargeIn::Confirmed) => {
                    wrong.push(format!("{what}: who talks over the answer is not noticed"));
                }
                _ => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn one_microphone() {
    check(Geometry::Unknown, 1);
}

#[test]
fn four_microphones_averaged() {
    check(Geometry::Unknown, 4);
}

#[test]
fn four_microphones_and_a_beam() {
    check(Geometry::ReSpeakerUsb4, 4);
}
