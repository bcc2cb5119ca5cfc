//! Several microphones: which of them can be trusted, where the speaker is, and a beam towards him.
//!
//! ```text
//! frames → health → [geometry known: per channel resample, high-pass → direction → beam]
//!                 → [not known: average of the healthy ones → resample → high-pass]      → block
//!          loop channel → resample → far end
//! ```
//!
//! Everything that depends on a direction is designed in `new`; while running, a change is a cross-fade.

mod beam;
mod design;
mod direction;
mod geometry;
mod health;
mod intake;
#[cfg(test)]
pub(crate) mod scene;
mod scout;
#[cfg(test)]
mod tests;

pub use geometry::{Geometry, Layout, MICROPHONES_MAX};
pub use health::{Fault, Health};
pub(crate) use intake::Intake;
pub use scout::Scout;

/// What the device knows of its microphones.
#[derive(Clone, Debug, PartialEq)]
pub struct ArraySettings {
    /// Where they are; a beam is steered if that is known and each has a channel.
    pub geometry: Geometry,
    /// Leave out channels that are broken.
    pub watch: bool,
    /// Which channel carries what the device plays.
    pub playback_loop: PlaybackLoop,
}

/// Which channel of the card carries what the device itself plays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PlaybackLoop {
    /// As the geometry says, or found by listening.
    #[default]
    Find,
    /// None does.
    None,
    /// This one, from 0.
    Channel(u32),
}

impl ArraySettings {
    /// Nothing is known and nothing is watched: channels are picked or averaged, and that is all.
    pub const OFF: Self =
        Self { geometry: Geometry::Unknown, watch: false, playback_loop: PlaybackLoop::None };
}

impl Default for ArraySettings {
    /// Nothing is known, broken channels are left out.
    fn default() -> Self {
        Self { geometry: Geometry::Unknown, watch: true, playback_loop: PlaybackLoop::Find }
    }
}

/// What the microphones' stage says of one block.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ArrayReading {
    /// Channels of the card that have a part in the block, as bits from channel 0.
    pub present: u32,
    /// Azimuth the beam looks at in degrees, counter-clockwise from the array's x; none before the first speech,
    /// and without a known geometry.
    pub direction_deg: Option<f32>,
    /// The beam turned with this block: echo paths are other ones now.
    pub moved: bool,
    /// Channel from which the far end is taken.
    pub playback_loop: Option<u32>,
}
