//! Sounds of the device's own: a WAV per phase from a folder, mixed with whatever else is heard.
//!
//! `listening.wav`, `offline.wav`, `needs-setup.wav` and so on; a phase without a file is silent. They are loaded
//! once, so that the file system is never in the way of a sound.

use std::collections::HashMap;
use std::path::Path;

use pressel_hal::wav::Wav;
use pressel_live::event::Phase;

use crate::status::phase_word;

/// An earcon or spoken line, not a piece of music.
const LENGTH_MAX_S: usize = 15;

/// One phase's sound: mono samples and their rate in Hz.
pub(crate) type Sound = (Vec<i16>, u32);

/// The sounds that were found.
#[derive(Debug, Default)]
pub struct Earcons {
    sounds: HashMap<Phase, Sound>,
}

impl Earcons {
    /// Loads what is there for each phase; an empty folder name means none. Also returns a sentence for each file
    /// that is there and cannot be used.
    pub fn load(folder: &str) -> (Self, Vec<String>) {
        let mut earcons = Earcons::default();
        let mut problems = Vec::new();
        if folder.is_empty() {
            return (earcons, problems);
        }
        for phase in PHASES {
            let path = Path::new(folder).join(format!("{}.wav", file_word(phase)));
            if !path.exists() {
                continue;
            }
            match mono(&path) {
                Ok(sound) => {
                    earcons.sounds.insert(phase, sound);
                }
                Err(problem) => problems.push(problem),
            }
        }
        if !Path::new(folder).is_dir() {
            problems.push(format!("[sounds] folder \"{folder}\" is not there"));
        }
        (earcons, problems)
    }

    /// What announces this phase.
    pub fn of(&self, phase: Phase) -> Option<(&[i16], u32)> {
        self.sounds.get(&phase).map(|(samples, rate)| (samples.as_slice(), *rate))
    }
}

pub(crate) const PHASES: [Phase; 13] = [
    Phase::Muted,
    Phase::NeedsSetup,
    Phase::Fault,
    Phase::ClockNotSet,
    Phase::NoDevice,
    Phase::Spent,
    Phase::Offline,
    Phase::Idle,
    Phase::Connecting,
    Phase::Listening,
    Phase::Asking,
    Phase::Thinking,
    Phase::Speaking,
];

/// The name of a phase in file names and configuration.
pub(crate) fn file_word(phase: Phase) -> String {
    phase_word(phase).replace("set-up", "setup").replace(' ', "-")
}

pub(crate) fn mono(path: &Path) -> Result<Sound, String> {
    let wav = Wav::read(path).map_err(|error| error.to_string())?;
    if wav.frames() > LENGTH_MAX_S * wav.rate_hz as usize {
        return Err(format!("{}: longer than {LENGTH_MAX_S} s", path.display()));
    }
    Ok((wav.mono().into_iter().map(pressel_dsp::to_i16).collect(), wav.rate_hz))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_by_the_phases_name_and_bad_ones_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let wav = Wav { rate_hz: 24_000, channels: 2, samples: vec![0.5, 0.0, 0.5, 0.0] };
        wav.write(&folder.path().join("no-device.wav")).unwrap();
        std::fs::write(folder.path().join("needs-setup.wav"), b"no wave").unwrap();
        let (earcons, problems) = Earcons::load(folder.path().to_str().unwrap());
        assert_eq!(earcons.of(Phase::NoDevice), Some((&[8192i16, 8192][..], 24_000)));
        assert_eq!(earcons.of(Phase::NeedsSetup), None);
        assert_eq!(problems.len(), 1);
        assert!(
            problems[0].contains("needs-setup.wav") && problems[0].contains("not a WAV file"),
            "{problems:?}"
        );
    }

    #[test]
    fn a_missing_folder_is_said_and_no_folder_is_fine() {
        assert!(Earcons::load("/nowhere").1[0].contains("/nowhere"));
        assert!(Earcons::load("").1.is_empty());
    }
}
