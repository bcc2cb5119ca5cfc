//! What was seen of a recording, for people and for programs.

use std::fmt;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

/// What was seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// Rate of the recording in Hz.
    pub rate_hz: u32,
    /// Length of the recording in ms.
    pub duration_ms: u64,
    /// Channels of the microphones that were used, from 0.
    pub channels: Vec<u32>,
    /// Channel that was taken for what the speaker played.
    pub playback_loop: Option<u32>,
    /// Azimuth of the last speaker in degrees, where a beam was steered.
    pub direction_deg: Option<f32>,
    /// Of the echo, where a far end was known.
    pub echo: Option<Echo>,
    /// Noise floor at the end, in dBFS.
    pub floor_dbfs: f32,
    /// When the gate was open.
    pub gate: Vec<Opening>,
    /// When the answer would have been turned down.
    pub duck: Vec<Duck>,
}

/// Of the echo.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Echo {
    /// Echo removed while only the far end spoke, after its first two seconds, in dB.
    pub erle_db: f32,
    /// From the far end to its direct sound in the microphone, in ms: the median over the recording.
    pub delay_ms: f32,
    /// How much faster the speaker's clock ran than the microphone's, in ppm.
    pub drift_ppm: f32,
    /// Delay and drift were known at the end.
    pub locked: bool,
}

/// The gate was open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Opening {
    /// From here, in ms from the start of the recording.
    pub open_ms: u64,
    /// To here.
    pub close_ms: u64,
}

/// The answer would have been turned down, or dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Duck {
    /// From here, in ms from the start of the recording.
    pub start_ms: u64,
    /// To here.
    pub end_ms: u64,
}

impl Report {
    /// What was seen in the block that the recording's end filled up with silence ends with the recording.
    pub(super) fn end_at(&mut self, end_ms: u64) {
        for Opening { open_ms, close_ms } in &mut self.gate {
            (*open_ms, *close_ms) = ((*open_ms).min(end_ms), (*close_ms).min(end_ms));
        }
        for Duck { start_ms, end_ms: until_ms } in &mut self.duck {
            (*start_ms, *until_ms) = ((*start_ms).min(end_ms), (*until_ms).min(end_ms));
        }
    }
}

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let tenth = |value: f32| (f64::from(value) * 10.0).round() / 10.0;
        let mut object = serializer.serialize_struct("Report", 12)?;
        object.serialize_field("erle_db", &self.echo.map(|echo| tenth(echo.erle_db)))?;
        object.serialize_field("delay_ms", &self.echo.map(|echo| tenth(echo.delay_ms)))?;
        object.serialize_field("drift_ppm", &self.echo.map(|echo| tenth(echo.drift_ppm)))?;
        object.serialize_field("gate", &self.gate)?;
        object.serialize_field("duck", &self.duck)?;
        object.serialize_field("locked", &self.echo.map(|echo| echo.locked))?;
        object.serialize_field("floor_dbfs", &tenth(self.floor_dbfs))?;
        object.serialize_field("rate_hz", &self.rate_hz)?;
        object.serialize_field("duration_ms", &self.duration_ms)?;
        object.serialize_field("channels", &self.channels)?;
        object.serialize_field("loop_channel", &self.playback_loop)?;
        object.serialize_field("direction_deg", &self.direction_deg.map(tenth))?;
        object.end()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |channels: &[u32]| channels.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
        let seconds = |ms: u64| format!("{}.{:02} s", ms / 1_000, ms % 1_000 / 10);
        writeln!(f, "recording   {}, {} Hz", seconds(self.duration_ms), self.rate_hz)?;
        write!(f, "channels    {}", list(&self.channels))?;
        if let Some(channel) = self.playback_loop {
            write!(f, "; far end from channel {channel}")?;
        }
        writeln!(f)?;
        if let Some(direction_deg) = self.direction_deg {
            writeln!(f, "direction   {direction_deg:.0}°")?;
        }
        match self.echo {
            Some(echo) => {
                writeln!(f, "ERLE        {:.1} dB", echo.erle_db)?;
                writeln!(f, "delay       {:.1} ms", echo.delay_ms)?;
                let sure = if echo.locked { "" } else { " (not sure)" };
                writeln!(f, "drift       {:.1} ppm{sure}", echo.drift_ppm)?;
            }
            None => writeln!(f, "far end     none given, no loop channel found")?,
        }
        writeln!(f, "floor       {:.1} dBFS", self.floor_dbfs)?;
        for opening in &self.gate {
            writeln!(f, "gate open   {} to {}", seconds(opening.open_ms), seconds(opening.close_ms))?;
        }
        for duck in &self.duck {
            writeln!(f, "ducked      {} to {}", seconds(duck.start_ms), seconds(duck.end_ms))?;
        }
        Ok(())
    }
}
