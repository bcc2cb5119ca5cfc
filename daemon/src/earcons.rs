//! Sounds of the device's own: a WAV per phase from a folder, mixed with whatever else is heard.
//!
//! `listening.wav`, `offline.wav`, `needs-setup.wav` and so on; a phase without a file is silent. They are loaded
//! once, so that the file system is never in the way of a sound. Without a folder there are tones: one for a press, one
//! for what needs a hand.

use std::collections::HashMap;
use std::f32::consts::TAU;
use std::path::Path;

use pressel_hal::wav::Wav;
use pressel_live::event::Phase;

use crate::config;
use crate::status::phase_word;

/// An earcon or spoken line, not a piece of music.
const LENGTH_MAX_S: usize = 15;

/// One phase's sound: mono samples and their rate in Hz.
pub(crate) type Sound = (Vec<i16>, u32);

const TONE_RATE_HZ: u32 = 16_000;
/// Together shorter than a syllable.
const NOTE_MS: u32 = 40;
/// 26 dB below full scale: heard in a quiet room, in nobody's way.
const TONE_PEAK: f32 = 0.05;

/// The sounds that were found.
#[derive(Debug, Default)]
pub struct Earcons {
    sounds: HashMap<Phase, Sound>,
    /// They are tones, not files that somebody chose.
    tones: bool,
}

impl Earcons {
    /// Loads what is there for each phase; without a folder makes tones. Also returns a sentence for each file that is
    /// there and cannot be used.
    pub fn load(settings: &config::Sounds) -> (Self, Vec<String>) {
        let mut earcons = Earcons::default();
        let mut problems = Vec::new();
        let folder = settings.folder.as_str();
        if !settings.on {
            return (earcons, problems);
        }
        if folder.is_empty() {
            let with_tone = PHASES.into_iter().filter_map(|phase| Some((phase, tone(phase)?)));
            return (Earcons { sounds: with_tone.collect(), tones: true }, problems);
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

    /// What announces this phase; `by_voice`: nobody presses to be listened to, and so no tone answers a press.
    pub fn of(&self, phase: Phase, by_voice: bool) -> Option<(&[i16], u32)> {
        if self.tones && by_voice && phase == Phase::Listening {
            return None;
        }
        self.sounds.get(&phase).map(|(samples, rate)| (samples.as_slice(), *rate))
    }
}

/// A press is answered, or something needs a hand; of everything else the light tells, and spoken lines.
fn tone(phase: Phase) -> Option<Sound> {
    let notes: &[f32] = match phase {
        Phase::Listening => &[880.0],
        Phase::Fault | Phase::NeedsSetup | Phase::NoDevice => &[440.0, 330.0],
        _ => return None,
    };
    let length = TONE_RATE_HZ * NOTE_MS / 1000;
    let note = |hz: &f32| {
        let hz = *hz;
        (0..length).map(move |n| {
            let at = n as f32 / length as f32;
            // Rises within a tenth and dies away: no click at either end.
            let shape = (at * 10.0).min(1.0) * (1.0 - at);
            pressel_dsp::to_i16(TONE_PEAK * shape * (TAU * hz * n as f32 / TONE_RATE_HZ as f32).sin())
        })
    };
    Some((notes.iter().flat_map(note).collect(), TONE_RATE_HZ))
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

    fn load(folder: &str) -> (Earcons, Vec<String>) {
        Earcons::load(&config::Sounds { on: true, folder: folder.to_owned() })
    }

    #[test]
    fn a_press_and_what_needs_a_hand_have_short_quiet_tones() {
        let (earcons, problems) = load("");
        assert!(problems.is_empty());
        let heard: Vec<Phase> =
            PHASES.into_iter().filter(|phase| earcons.of(*phase, false).is_some()).collect();
        assert_eq!(heard, [Phase::NeedsSetup, Phase::Fault, Phase::NoDevice, Phase::Listening]);
        for phase in heard {
            let (samples, rate_hz) = earcons.of(phase, false).unwrap();
            let peak = samples.iter().map(|sample| sample.unsigned_abs()).max().unwrap();
            assert!(samples.len() as u32 * 1000 <= 80 * rate_hz && (800..1700).contains(&peak), "{peak}");
            let steps = samples.windows(2).map(|pair| pair[0].abs_diff(pair[1])).max().unwrap();
            let ends = [samples[0], samples[samples.len() - 1]].map(i16::unsigned_abs);
            assert!(steps < 600 && ends.iter().all(|end| *end < 60), "{phase:?} clicks: {steps}, {ends:?}");
        }
        assert_eq!(earcons.of(Phase::Listening, true), None, "nobody pressed");
        assert!(earcons.of(Phase::Fault, true).is_some());
    }

    #[test]
    fn switched_off_nothing_sounds() {
        let folder = tempfile::tempdir().unwrap();
        let wav = Wav { rate_hz: 24_000, channels: 1, samples: vec![0.5; 10] };
        wav.write(&folder.path().join("listening.wav")).unwrap();
        for folder in ["", folder.path().to_str().unwrap()] {
            let (earcons, problems) = Earcons::load(&config::Sounds { on: false, folder: folder.to_owned() });
            assert!(problems.is_empty() && earcons.of(Phase::Listening, false).is_none(), "{folder}");
        }
    }

    #[test]
    fn files_are_found_by_the_phases_name_and_bad_ones_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let wav = Wav { rate_hz: 24_000, channels: 2, samples: vec![0.5, 0.0, 0.5, 0.0] };
        wav.write(&folder.path().join("no-device.wav")).unwrap();
        std::fs::write(folder.path().join("needs-setup.wav"), b"no wave").unwrap();
        let (earcons, problems) = load(folder.path().to_str().unwrap());
        assert_eq!(earcons.of(Phase::NoDevice, true), Some((&[8192i16, 8192][..], 24_000)));
        assert_eq!(earcons.of(Phase::NeedsSetup, true), None);
        assert_eq!(problems.len(), 1);
        assert!(
            problems[0].contains("needs-setup.wav") && problems[0].contains("not a WAV file"),
            "{problems:?}"
        );
    }

    #[test]
    fn a_missing_folder_is_said() {
        assert!(load("/nowhere").1[0].contains("/nowhere"));
    }
}
