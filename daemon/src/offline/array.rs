//! What is known of the microphones of a recording before it is heard.

use pressel_dsp::{Geometry, PlaybackLoop};

use crate::config::Config;

/// Which channels, where they are, and which one carries what was played.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Known {
    pub(super) chosen: Vec<u32>,
    pub(super) geometry: Geometry,
    pub(super) playback_loop: PlaybackLoop,
}

/// What the options say, and of the configuration what they leave open and what fits to them.
pub(super) fn known(chosen: &[u32], geometry: Option<Geometry>, config: &Config) -> Known {
    let sound = config.sound();
    let fits = |geometry: &Geometry, channels: &[u32]| {
        let positions = geometry.positions_m().len();
        positions == 0 || channels.is_empty() || positions == channels.len()
    };
    let (array, mut used) = (sound.array, sound.capture.use_channels);
    let geometry = match geometry {
        Some(asked) => {
            used.retain(|_| fits(&asked, &config.capture.use_channels));
            asked
        }
        None if fits(&array.geometry, chosen) => array.geometry,
        None => Geometry::Unknown,
    };
    let chosen = if chosen.is_empty() { used } else { chosen.to_vec() };
    Known { chosen, geometry, playback_loop: array.playback_loop }
}
