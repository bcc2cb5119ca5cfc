//! The rooms: what lies between the loudspeaker, the person and the microphone.

use std::str::FromStr;

use crate::room::{Clip, LOW_HZ};

/// A kind of room and loudspeaker.
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
    /// The echo is 12 dB louder than the person.
    Loud,
    /// Clipped heavily, 60 ppm, loud, noisy.
    Hard,
    /// Like `Hard`, with a loudspeaker that plays from 180 Hz.
    Hard180,
    /// Like `Hard`, with a loudspeaker that plays from 500 Hz.
    Hard500,
    /// Like `Hard`, but clipped at an edge, and sooner on one side: another shape than the canceller expects.
    HardEdge,
    /// The delay grows by 45 ms in the far end's second stretch, and falls again in the third.
    DelayJump,
    /// Somebody leans over the device: most of the room's response changes within 300 ms, twice.
    PathChange,
    /// A compressor starts at 22 s, in the middle of what the person says alone.
    Compressor,
    /// Eight people talk at the other end of the room.
    Babble,
    /// The answer is turned down by 8 dB and up by 12.
    Volume,
    /// The microphone's card loses 30 ms, and its place in time by 2 ms, twice.
    Xrun,
}

impl Kind {
    /// Those whose raw and Speex rows are known from elsewhere, in the order of that table.
    pub const KNOWN: [Kind; 7] =
        [Kind::Clean40, Kind::Room40, Kind::Room120, Kind::Drift3, Kind::Drift30, Kind::Loud, Kind::Hard];
    /// Those that only say how far the known ones flatter: nothing is known of them.
    pub const ALIKE: [Kind; 3] = [Kind::Hard180, Kind::Hard500, Kind::HardEdge];
    /// Those in which something happens.
    pub const EVENTFUL: [Kind; 6] =
        [Kind::DelayJump, Kind::PathChange, Kind::Compressor, Kind::Babble, Kind::Volume, Kind::Xrun];

    /// All of them.
    pub fn all() -> impl Iterator<Item = Kind> {
        Kind::KNOWN.into_iter().chain(Kind::ALIKE).chain(Kind::EVENTFUL)
    }

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
            Kind::Hard180 => "hard180",
            Kind::Hard500 => "hard500",
            Kind::HardEdge => "hard-edge",
            Kind::DelayJump => "delay-jump",
            Kind::PathChange => "path-change",
            Kind::Compressor => "compressor",
            Kind::Babble => "babble",
            Kind::Volume => "volume",
            Kind::Xrun => "xrun",
        }
    }

    /// What the raw microphone and SpeexDSP (400 ms tail, with its preprocessor) reached in the scene that this one
    /// is a likeness of: ESTOI in double talk of the one, ERLE in dB and ESTOI of the other.
    pub fn known(self) -> Option<Known> {
        let known =
            |raw_estoi, speex_erle_db, speex_estoi| Some(Known { raw_estoi, speex_erle_db, speex_estoi });
        match self {
            Kind::Clean40 => known(0.47, 36.0, 0.95),
            Kind::Room40 => known(0.38, 30.0, 0.92),
            Kind::Room120 => known(0.40, 30.0, 0.92),
            Kind::Drift3 => known(0.37, 26.0, 0.88),
            Kind::Drift30 => known(0.38, 15.0, 0.59),
            Kind::Loud => known(0.22, 29.0, 0.85),
            Kind::Hard => known(0.23, 13.0, 0.39),
            _ => None,
        }
    }

    pub(crate) fn acoustics(self) -> Acoustics {
        let room = Acoustics {
            delay_ms: 40.0,
            drift_ppm: 0.0,
            drive: 0.09,
            echo_over_near_db: 5.5,
            noise_dbfs: Some(-56.5),
            low_hz: LOW_HZ,
            clip: Clip::Soft,
        };
        match self {
            Kind::Clean40 => Acoustics { drive: 0.0, echo_over_near_db: 2.8, noise_dbfs: None, ..room },
            Kind::Room40 | Kind::Compressor | Kind::Babble | Kind::Volume => room,
            Kind::Room120 => Acoustics { delay_ms: 120.0, ..room },
            Kind::Drift3 => Acoustics { delay_ms: 60.0, drift_ppm: 3.0, ..room },
            Kind::Drift30 => Acoustics { delay_ms: 60.0, drift_ppm: 30.0, ..room },
            Kind::DelayJump | Kind::PathChange | Kind::Xrun => Acoustics { delay_ms: 60.0, ..room },
            Kind::Loud => Acoustics {
                delay_ms: 60.0,
                drive: 0.032,
                echo_over_near_db: 12.3,
                noise_dbfs: Some(-60.0),
                ..room
            },
            Kind::Hard | Kind::Hard180 | Kind::Hard500 | Kind::HardEdge => Acoustics {
                delay_ms: 90.0,
                drift_ppm: 60.0,
                drive: 0.2,
                echo_over_near_db: 10.8,
                noise_dbfs: Some(-50.0),
                low_hz: match self {
                    Kind::Hard180 => 180.0,
                    Kind::Hard500 => 500.0,
                    _ => LOW_HZ,
                },
                clip: if self == Kind::HardEdge { Clip::Edge } else { Clip::Soft },
            },
        }
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Kind::all().find(|kind| kind.name() == name).ok_or_else(|| format!("no scene \"{name}\""))
    }
}

/// Figures a scene must show to be as hard as the one it is a likeness of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Known {
    /// ESTOI of the raw microphone in double talk; within .03.
    pub raw_estoi: f32,
    /// ERLE of SpeexDSP in dB; within 3.
    pub speex_erle_db: f32,
    /// ESTOI of SpeexDSP in double talk; within .04.
    pub speex_estoi: f32,
}

/// What makes a kind of scene.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Acoustics {
    pub delay_ms: f64,
    /// How much faster the speaker's clock runs than the microphone's.
    pub drift_ppm: f64,
    /// RMS of the far end at the loudspeaker relative to full deflection; 0 does not clip.
    pub drive: f32,
    /// RMS of the echo over that of the person while speaking.
    pub echo_over_near_db: f32,
    pub noise_dbfs: Option<f32>,
    /// Where the loudspeaker begins to play, in Hz.
    pub low_hz: f32,
    /// How it ends.
    pub clip: Clip,
}
