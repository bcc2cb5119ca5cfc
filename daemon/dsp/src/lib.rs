//! The sound path: blocks in, blocks out. Nothing here allocates once built, locks, waits or can fail.
//!
//! Two paths, each a row of stages that do not know their neighbours:
//!
//! ```text
//! capture    frames → array, or downmix → resample → high_pass → steer → aec → noise_suppressor → gate, near_end
//!            → gain → block (written down in front_end.rs)
//! playback   answer → resample → equalizer → fade → duck → mix → volume → limiter → frames  (put together by whoever
//!            plays; conceal makes up for what is missing)
//! ```
//!
//! A stage is a struct with `new(settings)`, `process(…)` and `reset()`. Samples are `f32` with full scale at
//! ±1.0. The capture path works in [`Block`]s; the playback stages take slices of any length. A stage that is
//! switched off, or has nothing to do, returns its samples bit for bit, so that a test can compare what was
//! said with what arrived. What is not a number, or infinite, becomes silence wherever it enters.
//!
//! Start reading at [`FrontEnd`]. The crate has no clock, no thread and no idea of what a conversation is.

mod aec;
mod array;
mod asynchronous;
mod clock;
mod conceal;
mod delay;
mod dot;
mod downmix;
mod duck;
mod equalizer;
mod fade;
mod fourier;
mod front_end;
mod gain;
mod gate;
mod high_pass;
mod kernel;
mod level;
mod limiter;
mod meter;
mod mix;
mod near_end;
mod no_sound;
mod noise_floor;
mod noise_suppressor;
mod pcm;
mod pre_roll;
mod resample;
mod rumble;
mod spectrum;
mod steer;
mod voice;
mod volume;

#[cfg(test)]
mod synth;

#[cfg(feature = "aec3")]
pub use aec::Aec3;
pub use aec::{EchoCanceller, EchoEngine, EchoReading, EchoSettings, Kalman, Off};
pub use array::{
    ArrayReading, ArraySettings, Fault, Geometry, Health, Layout, MICROPHONES_MAX, PlaybackLoop, Scout,
};
pub use asynchronous::Asynchronous;
pub use clock::ClockModel;
pub use conceal::Conceal;
pub use delay::{DelayFinder, Found};
pub use downmix::Downmix;
pub use duck::{Duck, DuckSettings};
pub use equalizer::{BANDS_MAX, Band, BandKind, Equalizer};
pub use fade::Fade;
pub use front_end::{FrontEnd, FrontEndSettings, SettingsError, Stages};
pub use gain::{Gain, GainSettings};
pub use gate::{Gate, GateSettings, Reading};
pub use high_pass::HighPass;
pub use kernel::correlate;
pub use level::{SILENCE_DBFS, block_level_dbfs, dbfs, from_db};
pub use limiter::Limiter;
pub use meter::{Levels, Meter};
pub use mix::{mix, mix_saturating};
pub use near_end::{BargeIn, NearEnd, NearEndSettings};
pub use noise_floor::NoiseFloor;
pub use noise_suppressor::{NoiseSettings, NoiseSuppressor};
pub use pcm::{from_i16, from_i16s, to_i16, to_i16s};
pub use pre_roll::PreRoll;
pub use resample::{RateError, Resampler};
pub use steer::{Steer, SteerReading};
pub use volume::{Volume, gain_of_percent};

/// Samples of a block.
pub const BLOCK: usize = 160;
/// Rate of a block in Hz.
pub const BLOCK_RATE: u32 = 16_000;
/// Length of a block in ms.
pub const BLOCK_MS: u32 = 10;
/// 10 ms, 16 kHz, mono, full scale ±1.0.
pub type Block = [f32; BLOCK];

/// Whole blocks that cover `ms`.
pub const fn blocks_of_ms(ms: u32) -> usize {
    ms.div_ceil(BLOCK_MS) as usize
}

/// The example in the README is compiled and run with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
