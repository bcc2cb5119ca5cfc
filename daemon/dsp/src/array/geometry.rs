//! Where the microphones of an array are, and which of the card's channels they are on.
//!
//! Coordinates are metres in the array's own frame, seen from above: x to the right, y away from the reader, z up.
//! An azimuth runs counter-clockwise from x. Dimensions of the boards are those of the maker's drawings as the ODAS
//! project's configurations give them.

/// Most microphones that an array may have here: one bit each in a mask, and bounded work per block.
pub const MICROPHONES_MAX: usize = 8;

/// Where the microphones of an array are.
#[derive(Clone, Debug, PartialEq)]
pub enum Geometry {
    /// Not known: the channels are averaged.
    Unknown,
    /// ReSpeaker USB Mic Array, Mic Array v2.0: four on a circle of 64 mm.
    ReSpeakerUsb4,
    /// ReSpeaker 4-Mic Array for Raspberry Pi: a square of 57 mm, 81 mm across.
    ReSpeakerSquare4,
    /// ReSpeaker 6-Mic Circular Array: six on a circle of 93 mm.
    ReSpeakerCircular6,
    /// Two microphones 58 mm apart, as on the ReSpeaker 2-Mics HAT.
    Linear2,
    /// Positions in metres, in the order of the channels.
    Custom(Vec<[f64; 3]>),
}

/// What the channels of a card are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Channels of the raw microphones, from 0, in the order of the geometry.
    pub microphones: Vec<u32>,
    /// Channel that carries what the device itself plays, if the card has one.
    pub playback_loop: Option<u32>,
}

impl Geometry {
    /// Names of the known ones, as a configuration spells them.
    pub const NAMES: [&'static str; 5] =
        ["none", "respeaker-usb-4", "respeaker-square-4", "respeaker-circular-6", "linear-2"];

    /// The geometry of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        Some(match name {
            "none" => Self::Unknown,
            "respeaker-usb-4" => Self::ReSpeakerUsb4,
            "respeaker-square-4" => Self::ReSpeakerSquare4,
            "respeaker-circular-6" => Self::ReSpeakerCircular6,
            "linear-2" => Self::Linear2,
            _ => return None,
        })
    }

    /// Positions of the microphones in metres; none if unknown.
    pub fn positions_m(&self) -> Vec<[f64; 3]> {
        match self {
            Self::Unknown => Vec::new(),
            Self::ReSpeakerUsb4 => {
                vec![[-0.032, 0.0, 0.0], [0.0, -0.032, 0.0], [0.032, 0.0, 0.0], [0.0, 0.032, 0.0]]
            }
            Self::ReSpeakerSquare4 => {
                vec![[-0.0405, 0.0, 0.0], [0.0, 0.0405, 0.0], [0.0405, 0.0, 0.0], [0.0, -0.0405, 0.0]]
            }
            Self::ReSpeakerCircular6 => (0..6)
                .map(|n| {
                    let (sin, cos) = (120.0 + 60.0 * f64::from(n)).to_radians().sin_cos();
                    [0.0463 * cos, 0.0463 * sin, 0.0]
                })
                .collect(),
            Self::Linear2 => vec![[-0.029, 0.0, 0.0], [0.029, 0.0, 0.0]],
            Self::Custom(positions_m) => positions_m.clone(),
        }
    }

    /// What the channels of a card with this array are known to be.
    ///
    /// The USB boards deliver six channels with their factory firmware: their own processed sound, the four raw
    /// microphones, the playback loop. The six-microphone board delivers eight: two loops at the end.
    pub fn layout(&self, channels: u32) -> Layout {
        let microphones = self.positions_m().len() as u32;
        match (self, channels) {
            (Self::Unknown, _) => Layout { microphones: (0..channels).collect(), playback_loop: None },
            (Self::ReSpeakerUsb4 | Self::ReSpeakerSquare4, 6) => {
                Layout { microphones: (1..5).collect(), playback_loop: Some(5) }
            }
            (Self::ReSpeakerCircular6, 8) => Layout { microphones: (0..6).collect(), playback_loop: Some(6) },
            _ => Layout { microphones: (0..microphones.min(channels)).collect(), playback_loop: None },
        }
    }

    /// Whether all microphones lie on one line, so that its two sides cannot be told apart.
    pub(crate) fn is_linear(positions_m: &[[f64; 3]]) -> bool {
        let Some(first) = positions_m.first() else { return true };
        let from_first = |p: &[f64; 3]| [p[0] - first[0], p[1] - first[1]];
        let longest = positions_m
            .iter()
            .map(from_first)
            .fold([0.0, 0.0], |a: [f64; 2], b| if b[0].hypot(b[1]) > a[0].hypot(a[1]) { b } else { a });
        let length = longest[0].hypot(longest[1]);
        // a millimetre off the line is the tolerance of a drawing
        positions_m
            .iter()
            .map(from_first)
            .all(|p| (p[0] * longest[1] - p[1] * longest[0]).abs() <= 0.001 * length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn across_m(geometry: &Geometry) -> f64 {
        let positions = geometry.positions_m();
        let distance = |a: &[f64; 3], b: &[f64; 3]| (a[0] - b[0]).hypot(a[1] - b[1]);
        positions.iter().flat_map(|a| positions.iter().map(move |b| distance(a, b))).fold(0.0, f64::max)
    }

    #[test]
    fn the_boards_have_the_size_of_their_drawings() {
        for (name, microphones, across) in [
            ("respeaker-usb-4", 4, 0.064),
            ("respeaker-square-4", 4, 0.081),
            ("respeaker-circular-6", 6, 0.0926),
            ("linear-2", 2, 0.058),
        ] {
            let geometry = Geometry::of_name(name).unwrap();
            assert_eq!(geometry.positions_m().len(), microphones, "{name}");
            assert!((across_m(&geometry) - across).abs() < 1e-4, "{name}");
        }
        assert_eq!(Geometry::of_name("respeaker"), None);
        assert!(Geometry::NAMES.iter().all(|name| Geometry::of_name(name).is_some()));
    }

    #[test]
    fn a_six_channel_board_has_its_microphones_in_the_middle_and_the_loop_at_the_end() {
        let layout = Geometry::ReSpeakerUsb4.layout(6);
        assert_eq!((layout.microphones, layout.playback_loop), (vec![1, 2, 3, 4], Some(5)));
        let layout = Geometry::ReSpeakerUsb4.layout(4);
        assert_eq!((layout.microphones, layout.playback_loop), (vec![0, 1, 2, 3], None));
        let layout = Geometry::ReSpeakerCircular6.layout(8);
        assert_eq!((layout.microphones.len(), layout.playback_loop), (6, Some(6)));
    }

    #[test]
    fn a_line_is_told_from_a_plane() {
        assert!(Geometry::is_linear(&Geometry::Linear2.positions_m()));
        assert!(Geometry::is_linear(&[[0.0, 0.0, 0.0], [0.03, 0.03, 0.0], [0.06, 0.06, 0.0]]));
        assert!(!Geometry::is_linear(&Geometry::ReSpeakerUsb4.positions_m()));
    }
}
