//! What the far end says, what the microphone hears, and who spoke when.

use std::ops::Range;
use std::str::FromStr;

use crate::level::{amplitude, rms};
use crate::noise;
use crate::random::Random;
use crate::room::{Between, DECAY_S, convolve, loudspeaker, response};
use crate::speech::{Voice, speech};

/// Samples per second of every scene.
pub const RATE: usize = 16_000;

/// Level of the near speaker while speaking, in dBFS.
pub const NEAR_DBFS: f32 = -26.0;

/// A kind of room and speaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// 40 ms delay, no clipping, no noise.
    Clean40,
    /// A room with 40 ms delay.
    Room40,
    /// A room with 120 ms delay.
    Room120,
    /// The clocks differ by 3 ppm.
    Drift3,
    /// The clocks differ by 30 ppm.
    Drift30,
    /// The echo is 12 dB louder than the speaker, 60 ms delay.
    Loud,
    /// As loud, clipped heavily, 60 ppm, 90 ms, noisy.
    Hard,
}

impl Kind {
    /// All of them, in the order of the table.
    pub const ALL: [Kind; 7] =
        [Kind::Clean40, Kind::Room40, Kind::Room120, Kind::Drift3, Kind::Drift30, Kind::Loud, Kind::Hard];

    /// As on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Clean40 => "clean40",
            Kind::Room40 => "room40",
            Kind::Room120 => "room120",
            Kind::Drift3 => "drift3",
            Kind::Drift30 => "drift30",
            Kind::Loud => "loud",
            Kind::Hard => "hard",
        }
    }

    fn acoustics(self) -> Acoustics {
        let room = Acoustics {
            delay_ms: 40.0,
            drift_ppm: 0.0,
            drive: 0.1,
            echo_over_near_db: 6.0,
            noise_dbfs: Some(-60.0),
        };
        match self {
            Kind::Clean40 => Acoustics { drive: 0.0, noise_dbfs: None, ..room },
            Kind::Room40 => room,
            Kind::Room120 => Acoustics { delay_ms: 120.0, ..room },
            Kind::Drift3 => Acoustics { delay_ms: 60.0, drift_ppm: 3.0, ..room },
            Kind::Drift30 => Acoustics { delay_ms: 60.0, drift_ppm: 30.0, ..room },
            Kind::Loud => Acoustics { delay_ms: 60.0, echo_over_near_db: 12.0, ..room },
            Kind::Hard => Acoustics {
                delay_ms: 90.0,
                drift_ppm: 60.0,
                drive: 0.6,
                echo_over_near_db: 12.0,
                noise_dbfs: Some(-50.0),
            },
        }
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| format!("no scene \"{name}\""))
    }
}

/// What makes a kind of scene.
#[derive(Clone, Copy, Debug)]
struct Acoustics {
    delay_ms: f32,
    /// How much faster the speaker's clock runs than the microphone's.
    drift_ppm: f64,
    /// RMS of the far end at the loudspeaker relative to full deflection; 0 does not clip.
    drive: f32,
    echo_over_near_db: f32,
    noise_dbfs: Option<f32>,
}

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
    /// The person alone, as the microphone hears them.
    pub near: Vec<f32>,
    /// The loudspeaker alone, as the microphone hears it.
    pub echo: Vec<f32>,
    /// Everything else.
    pub noise: Vec<f32>,
    /// Who speaks when: far (to converge), far, near, far, both, far.
    pub parts: Vec<Part>,
}

/// The parts of a scene in tenths of a second: 58.9 s together.
const PARTS: [(Speaking, usize); 6] = [
    (Speaking::Far, 100),
    (Speaking::Far, 89),
    (Speaking::Near, 80),
    (Speaking::Far, 80),
    (Speaking::Both, 140),
    (Speaking::Far, 100),
];

impl Scene {
    /// Builds the scene of this kind and seed: always the same samples.
    pub fn new(kind: Kind, seed: u64) -> Scene {
        let acoustics = kind.acoustics();
        let mut random = Random::of(seed, "scene");
        let mut start = 0;
        let parts: Vec<Part> = PARTS
            .iter()
            .map(|&(speaking, tenths)| {
                let range = start..start + tenths * RATE / 10;
                start = range.end;
                Part { speaking, range }
            })
            .collect();
        let len = start;
        let (far_voice, near_voice) = (Voice::random(&mut random), Voice::random(&mut random));
        let mut far = speech(seed ^ 0xFA2, far_voice, len);
        let mut near = speech(seed ^ 0x4EA2, near_voice, len);
        for part in &parts {
            let silent = match part.speaking {
                Speaking::Far => &mut near,
                Speaking::Near => &mut far,
                Speaking::Both => continue,
            };
            silent[part.range.clone()].fill(0.0);
            fade_edges(silent, &part.range);
        }
        near.iter_mut().for_each(|s| *s *= amplitude(NEAR_DBFS));
        far.iter_mut().for_each(|s| *s *= amplitude(FAR_DBFS));
        let taps = response(&mut random, DECAY_S, TAIL_DB);
        let heard = convolve(&loudspeaker(&far, acoustics.drive), &taps);
        let delay = f64::from(acoustics.delay_ms) * RATE as f64 / 1000.0;
        let between = Between::new(&heard);
        let speed = 1.0 + acoustics.drift_ppm * 1e-6;
        let mut echo: Vec<f32> = (0..len).map(|n| between.at((n as f64 - delay) * speed)).collect();
        let far_only: Vec<f32> = parts
            .iter()
            .filter(|part| part.speaking != Speaking::Near)
            .flat_map(|part| echo[part.range.clone()].iter().copied())
            .collect();
        let gain = amplitude(NEAR_DBFS + acoustics.echo_over_near_db) / rms(&far_only);
        echo.iter_mut().for_each(|s| *s *= gain);
        let noise = match acoustics.noise_dbfs {
            None => vec![0.0; len],
            Some(dbfs) => noise::pink(seed, len).into_iter().map(|s| s * amplitude(dbfs)).collect(),
        };
        let mic =
            near.iter().zip(&echo).zip(&noise).map(|((near, echo), noise)| near + echo + noise).collect();
        Scene { far, mic, near, echo, noise, parts }
    }

    /// The stretches in which this one speaks.
    pub fn parts_of(&self, speaking: Speaking) -> impl Iterator<Item = Range<usize>> + '_ {
        self.parts.iter().filter(move |part| part.speaking == speaking).map(|part| part.range.clone())
    }
}

/// Level of the far end while speaking, in dBFS.
const FAR_DBFS: f32 = -23.0;
/// Energy of the room's tail relative to the direct sound, in dB.
const TAIL_DB: f32 = 0.0;

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
