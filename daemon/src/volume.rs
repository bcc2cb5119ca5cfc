//! How loud, between its limits, in steps that sound equal; kept over restarts.
//!
//! Turned by the daemon itself or by the card's mixer. The file remembers what the configuration said when it was
//! written: an owner who changes the configuration means it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pressel_hal::Error;
use pressel_hal::alsa::set_playback_volume;
use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::config::{self, Config, VolumeBy};
use crate::keep::{self, Keep};

/// A button that is held makes several steps a second; a power cut costs the last of them.
const SETTLE: Duration = Duration::from_secs(1);

/// The volume, as it is told.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct VolumeStatus {
    /// Now.
    pub percent: u32,
    /// Limits.
    pub min_percent: u32,
    /// Limits.
    pub max_percent: u32,
    /// `software`, or the mixer's element.
    pub by: String,
    /// Why the mixer does not obey.
    pub problem: Option<String>,
}

impl fmt::Display for VolumeStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let VolumeStatus { percent, min_percent, max_percent, by, problem } = self;
        write!(f, "{percent} % ({min_percent} to {max_percent}) by {by}")?;
        problem.as_ref().map_or(Ok(()), |problem| write!(f, ", which does not obey: {problem}"))
    }
}

/// A wish to change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VolumeChange {
    /// One step louder.
    Up,
    /// One step softer.
    Down,
    /// To this, within the limits.
    To(u32),
}

/// The volume.
pub struct Volume {
    settings: config::Volume,
    device: String,
    /// What the configuration begins with.
    configured: u32,
    percent: u32,
    keep: Option<Keep<(u32, u32)>>,
    problem: Option<String>,
}

impl Volume {
    /// Takes up what was kept, else what the configuration says.
    pub fn open(config: &Config) -> Self {
        let (settings, configured) = (config.volume.clone(), config.playback.volume_percent);
        let file = keep::folder(&settings.keep_folder, std::env::var_os("STATE_DIRECTORY"), false)
            .map(|folder| folder.join("volume"));
        let kept = file.as_deref().and_then(|file| match read(file) {
            Ok(kept) => kept,
            Err(why) => {
                warn!(file = %file.display(), "{why}; the volume is the configuration's");
                None
            }
        });
        let percent = kept.filter(|(_, then)| *then == configured).map_or(configured, |(percent, _)| percent);
        let keep = file.and_then(begin);
        let (device, problem) = (config.playback.device.clone(), None);
        // An owner may begin beyond the limits, which hold for what follows.
        let percent = if kept.is_some() { within(&settings, percent) } else { percent };
        Volume { settings, device, configured, percent, keep, problem }
    }

    /// What the sound threads are to do; with a mixer nothing of their own.
    pub fn software_percent(&self) -> f32 {
        if self.settings.by == VolumeBy::Mixer { 100.0 } else { self.percent as f32 }
    }

    /// Sets the card's mixer, which a card that was plugged in does not remember; nothing where the daemon turns it.
    pub fn set_mixer(&mut self) {
        if self.settings.by == VolumeBy::Mixer {
            let set = set_playback_volume(&self.device, &self.settings.element, self.percent as f32);
            self.obeyed(set);
        }
    }

    fn obeyed(&mut self, result: Result<(), Error>) {
        let problem = result.err().map(|error| error.to_string());
        if let Some(problem) = problem.as_ref().filter(|problem| self.problem.as_ref() != Some(problem)) {
            warn!(problem, "the volume cannot be set"); // once, until it is another one
        }
        self.problem = problem;
    }

    /// Changes it; false when it is at its limit already.
    pub fn change(&mut self, change: VolumeChange) -> bool {
        let wished = match change {
            VolumeChange::Up => self.percent + self.settings.step_percent,
            VolumeChange::Down => self.percent.saturating_sub(self.settings.step_percent),
            VolumeChange::To(percent) => percent,
        };
        let percent = within(&self.settings, wished);
        let changed = std::mem::replace(&mut self.percent, percent) != percent;
        if changed {
            self.set_mixer();
            if let Some(keep) = &self.keep {
                keep.put((percent, self.configured));
            }
        }
        changed
    }

    /// Where it stands.
    pub fn status(&self) -> VolumeStatus {
        let config::Volume { by, element, min_percent, max_percent, .. } = &self.settings;
        VolumeStatus {
            percent: self.percent,
            min_percent: *min_percent,
            max_percent: *max_percent,
            by: if *by == VolumeBy::Mixer { element.clone() } else { by.to_string() },
            problem: self.problem.clone(),
        }
    }
}

fn within(settings: &config::Volume, percent: u32) -> u32 {
    percent.clamp(settings.min_percent, settings.max_percent.max(settings.min_percent))
}

fn begin(file: PathBuf) -> Option<Keep<(u32, u32)>> {
    let write = |path: &Path, (percent, configured): &(u32, u32)| {
        keep::replace(path, format!("{percent} {configured}\n").as_bytes())
    };
    Keep::begin(file, SETTLE, write, "the volume is not kept for a restart: see [volume] keep_folder")
        .map_err(|error| warn!(%error, "no thread to keep the volume"))
        .ok()
}

/// The volume that was kept, and what the configuration said then.
fn read(file: &Path) -> Result<Option<(u32, u32)>, String> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("cannot be read ({error})")),
    };
    let numbers: Vec<u32> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    match numbers.as_slice() {
        &[percent, configured] if percent <= 100 && configured <= 100 => Ok(Some((percent, configured))),
        _ => Err("is damaged".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(folder: &Path, volume_percent: u32) -> Config {
        let mut config = Config::default();
        config.volume.keep_folder = folder.to_str().unwrap().to_owned();
        config.playback.volume_percent = volume_percent;
        config
    }

    #[test]
    fn steps_end_at_the_limits() {
        let mut volume = Volume::open(&config(Path::new(""), 85));
        let mut seen = Vec::new();
        while volume.change(VolumeChange::Up) {
            seen.push(volume.status().percent);
        }
        while volume.change(VolumeChange::Down) {}
        seen.push(volume.status().percent);
        assert!(volume.change(VolumeChange::To(55)) && !volume.change(VolumeChange::To(55)));
        volume.change(VolumeChange::To(3));
        seen.push(volume.status().percent);
        assert_eq!(seen, [95, 100, 10, 10]);
    }

    #[test]
    fn it_is_kept_until_the_owner_says_otherwise() {
        let folder = tempfile::tempdir().unwrap();
        let mut volume = Volume::open(&config(folder.path(), 100));
        volume.change(VolumeChange::Down);
        volume.change(VolumeChange::Down);
        drop(volume);
        assert_eq!(Volume::open(&config(folder.path(), 100)).status().percent, 80);
        assert_eq!(
            Volume::open(&config(folder.path(), 40)).status().percent,
            40,
            "the configuration was changed"
        );
        for damage in ["", "80", "80 x", "800 100", "80 100 1", "\0\0\0"] {
            std::fs::write(folder.path().join("volume"), damage).unwrap();
            assert_eq!(Volume::open(&config(folder.path(), 70)).status().percent, 70, "{damage:?}");
        }
    }

    #[test]
    fn a_mixer_that_is_not_there_is_told_and_the_samples_are_left_alone() {
        let mut config = config(Path::new(""), 60);
        config.volume.by = VolumeBy::Mixer;
        config.volume.element = "Speaker".into();
        config.playback.device = "hw:CARD=Nowhere".into();
        let mut volume = Volume::open(&config);
        assert!(volume.change(VolumeChange::Down));
        assert_eq!((volume.software_percent(), volume.status().percent), (100.0, 50));
        assert!(volume.status().problem.unwrap().contains("Nowhere"));
    }
}
