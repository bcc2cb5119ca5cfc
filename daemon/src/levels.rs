//! Levels and health of the sound path as numbers: for status, for doctor, and as a live meter.

use std::fmt::Write;
use std::time::Duration;

use pressel_hal::{Error, ErrorKind};
use pressel_live::event::Listen;
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::sound::{DeviceNews, Facts, Side, Sound, SoundEvent};
use crate::world::World;

/// What the microphone's path measures now. Members that are not known (yet) are null.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Levels {
    /// RMS of the last 10 ms in dBFS, after echo and noise were taken out.
    pub level_dbfs: Option<f32>,
    /// Noise floor in dBFS.
    pub floor_dbfs: Option<f32>,
    /// Level of speech lately in dBFS, before the automatic gain.
    pub speech_dbfs: Option<f32>,
    /// Somebody speaks, or did within the hangover.
    pub open: bool,
    /// Samples of the card at full scale since the start, over all channels in use.
    pub clipped_samples: u64,
    /// What the automatic gain adds, in dB.
    pub gain_db: Option<f32>,
    /// The speaker sounds, or its echo may still be heard.
    pub far_end: bool,
    /// Echo removed, in dB, while only the speaker sounds.
    pub erle_db: Option<f32>,
    /// From the DAC's clock to the echo in the microphone, in ms.
    pub echo_delay_ms: Option<f32>,
    /// How much faster than the microphone the speaker runs, in ppm.
    pub drift_ppm: Option<f32>,
    /// Where the speech comes from, in degrees.
    pub direction_deg: Option<f32>,
    /// Channels that are dead, stuck or otherwise broken and are left out, from 0.
    pub dead_channels: Vec<u32>,
}

/// Columns of the meter, and what the first of them stands for in dBFS.
const COLUMNS: usize = 40;
const LEAST_DBFS: f32 = -80.0;

impl Levels {
    /// As the sound threads know them now.
    pub fn of(facts: &Facts) -> Self {
        use std::sync::atomic::Ordering::Relaxed;
        let facts = &facts.capture;
        let dead = facts.dead_channels.load(Relaxed);
        Levels {
            level_dbfs: facts.level_dbfs.value(),
            floor_dbfs: facts.floor_dbfs.value(),
            speech_dbfs: facts.speech_dbfs.value(),
            open: facts.gate_open.load(Relaxed),
            clipped_samples: facts.clipped_samples.load(Relaxed),
            gain_db: facts.gain_db.value(),
            far_end: facts.far_end.load(Relaxed),
            erle_db: facts.erle_db.value(),
            echo_delay_ms: facts.echo_delay_ms.value(),
            drift_ppm: facts.drift_ppm.value(),
            direction_deg: facts.direction_deg.value(),
            dead_channels: (0..32).filter(|channel| dead >> channel & 1 == 1).collect(),
        }
    }

    /// What is beside the level and the floor, for a person; empty when there is nothing to tell.
    pub fn more(&self) -> String {
        let mut text = String::new();
        let mut tell = |value: Option<f32>, before: &str, after: &str, digits: usize| {
            if let Some(value) = value {
                let comma = if text.is_empty() { "" } else { ", " };
                let _ = write!(text, "{comma}{before}{value:.digits$}{after}"); // to a String: cannot fail
            }
        };
        tell(self.speech_dbfs, "speech ", " dBFS", 0);
        tell(self.gain_db, "gain ", " dB", 1);
        tell(self.erle_db, "", " dB of echo removed", 0);
        tell(self.echo_delay_ms, "echo after ", " ms", 0);
        tell(self.drift_ppm, "speaker ", " ppm faster", 1);
        tell(self.direction_deg, "from ", "°", 0);
        let clipped = (self.clipped_samples > 0).then_some(self.clipped_samples as f32);
        tell(clipped, "", " samples clipped", 0);
        for &channel in &self.dead_channels {
            tell(Some(channel as f32), "channel ", " left out", 0);
        }
        text
    }

    /// One line for a terminal: a bar with the noise floor in it, then the numbers.
    pub fn meter(&self) -> String {
        let column = |dbfs: Option<f32>| {
            let share = (dbfs.unwrap_or(LEAST_DBFS) - LEAST_DBFS) / -LEAST_DBFS;
            (share.clamp(0.0, 1.0) * COLUMNS as f32) as usize
        };
        let (level, floor) = (column(self.level_dbfs), column(self.floor_dbfs));
        let bar: String = (0..COLUMNS)
            .map(|at| match () {
                () if at == floor => '|',
                () if at < level => '#',
                () => '.',
            })
            .collect();
        let dbfs = |value: Option<f32>| value.map_or("   -".into(), |value| format!("{value:4.0}"));
        let gate = if self.open { "open  " } else { "closed" };
        let far = if self.far_end { " speaker" } else { "" };
        let more = self.more();
        let comma = if more.is_empty() { "" } else { ", " };
        format!(
            "{bar} {} dBFS, floor {}, gate {gate}{far}{comma}{more}",
            dbfs(self.level_dbfs),
            dbfs(self.floor_dbfs)
        )
    }
}

/// How often a meter is drawn.
pub const EVERY: Duration = Duration::from_millis(100);

/// Opens the microphone as the daemon would, without a speaker, and shows its levels until `show` fails.
///
/// # Errors
/// Why there is no microphone.
pub fn listen<E>(
    config: &Config,
    mut show: impl FnMut(&Levels) -> Result<(), E>,
) -> Result<Result<(), E>, String> {
    let mut settings = config.sound();
    settings.realtime_priority = 0;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("event loop: {error}"))?;
    let microphone = World::real(config, &settings).microphone;
    let speaker = || Err(Error::new(ErrorKind::NotFound, "a meter plays nothing"));
    runtime.block_on(async {
        let sound = Sound::start(settings, microphone, Box::new(speaker));
        let mut sound = sound.map_err(|error| format!("sound threads: {error}"))?;
        // All of it, so that every block is seen soon; what comes is thrown away.
        sound.listen(Listen::Gated { number: 1, watch: false });
        let mut due = tokio::time::interval(EVERY);
        loop {
            tokio::select! {
                event = sound.next() => match event {
                    SoundEvent::Device(DeviceNews::Waiting { side: Side::Microphone, reason, .. }) => {
                        return Err(reason);
                    }
                    _ => continue,
                },
                _ = due.tick() => {}
            }
            let levels = Levels::of(&sound.facts());
            if levels.level_dbfs.is_some() {
                if let Err(stopped) = show(&levels) {
                    return Ok(Err(stopped));
                }
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_meter_shows_level_floor_and_gate_and_what_else_is_known() {
        let mut levels = Levels { level_dbfs: Some(-40.0), floor_dbfs: Some(-60.0), ..Levels::default() };
        let bar = "##########|#########....................";
        assert_eq!(levels.meter(), format!("{bar}  -40 dBFS, floor  -60, gate closed"));
        levels = Levels {
            open: true,
            far_end: true,
            erle_db: Some(31.4),
            echo_delay_ms: Some(34.0),
            drift_ppm: Some(-12.34),
            clipped_samples: 3,
            dead_channels: vec![5],
            ..levels
        };
        let told = "gate open   speaker, 31 dB of echo removed, echo after 34 ms, speaker -12.3 ppm faster, 3 \
                    samples clipped, channel 5 left out";
        assert_eq!(levels.meter(), format!("{bar}  -40 dBFS, floor  -60, {told}"));
    }

    #[test]
    fn levels_beyond_the_scale_stay_within_the_bar() {
        let meter = |level_dbfs| Levels { level_dbfs, floor_dbfs: Some(-90.0), ..Levels::default() }.meter();
        assert!(meter(Some(3.0)).starts_with(&format!("|{} ", "#".repeat(39))), "{}", meter(Some(3.0)));
        assert!(meter(None).starts_with(&format!("|{}    - dBFS", ".".repeat(39))), "{}", meter(None));
    }
}
