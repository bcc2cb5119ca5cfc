//! What the device says to the person by itself, without a server: a spoken line where its WAV is there, else a tone.
//!
//! `FOLDER/LANGUAGE/no-network.wav` and so on, one per [`Line`] of the conversation and one per line that somebody may ask
//! for ([`ASKED`]); docs/phrases.md has the words. They are loaded once. A line waits until nobody speaks and no answer is
//! due, and is forgotten when that takes too long.

use std::collections::{BTreeMap, VecDeque};
use std::f32::consts::TAU;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pressel_live::event::Line;

use crate::config;
use crate::earcons::{Sound, mono};

/// Lines that are said because somebody asked: how the device is, what it does; or because it asks for consent.
pub const ASKED: [&str; 13] = [
    "all-is-well",
    "muted",
    "microphone-trouble",
    "speaker-trouble",
    "device-trouble",
    "checking",
    "drawback",
    "new-talk",
    "goodbye",
    "not-allowed",
    "consent-double",
    "consent-hold",
    "consent-line",
];

/// Where the installer puts them.
const FOLDER: &str = "/usr/share/pressel/phrases";
/// Lines that may wait; more troubles than this at a time are one trouble.
const WAITING_MAX: usize = 4;
/// Nobody remembers what it was about.
const STALE: Duration = Duration::from_secs(120);
/// Between two lines.
const PAUSE: Duration = Duration::from_millis(300);

const TONE_RATE_HZ: u32 = 16_000;
const NOTE_S: f32 = 0.16;
/// 14 dB below full scale: as loud as quiet speech.
const NOTE_PEAK: f32 = 0.2;

/// What the lines say: language, line, words.
const WORDS: &str = include_str!("../phrases/words.txt");

/// What a line says, in English.
pub fn text(line: &str) -> &'static str {
    let said = |row: &'static str| row.strip_prefix("en\t")?.strip_prefix(line)?.strip_prefix('\t');
    WORDS.lines().find_map(said).unwrap_or_default()
}

/// Every line by its name.
fn words() -> impl Iterator<Item = &'static str> {
    Line::ALL.into_iter().map(Line::word).chain(ASKED)
}

/// The lines as sounds, and those that wait to be said.
#[derive(Debug, Default)]
pub struct Phrases {
    sounds: BTreeMap<&'static str, Sound>,
    spoken: usize,
    waiting: VecDeque<(&'static str, Instant)>,
    /// Until when the last one is being heard.
    busy_until: Option<Instant>,
    /// A line came that nobody has looked at yet.
    fresh: Option<Instant>,
}

impl Phrases {
    /// Loads what is there for each line, and makes a tone for what is not. Also returns a sentence for each file that
    /// is there and cannot be used, and for a folder that was named and is not there.
    pub fn load(settings: &config::Phrases) -> (Self, Vec<String>) {
        let mut problems = Vec::new();
        if !settings.on {
            // Without a word the wait for a tool would sound like a crash.
            let sounds = BTreeMap::from([(Line::Working.word(), tick(true))]);
            return (Phrases { sounds, ..Phrases::default() }, problems);
        }
        let folder = match settings.folder.as_str() {
            "" => None,
            "auto" => Some(PathBuf::from(FOLDER)),
            folder => Some(PathBuf::from(folder)),
        };
        let folder = folder.map(|folder| folder.join(&settings.language));
        let mut sounds = BTreeMap::new();
        for line in words() {
            let path = folder.as_ref().map(|folder| folder.join(format!("{line}.wav")));
            if let Some(path) = path.filter(|path| path.exists()) {
                match mono(&path) {
                    Ok(sound) => drop(sounds.insert(line, sound)),
                    Err(problem) => problems.push(problem),
                }
            }
        }
        let spoken = sounds.len();
        for line in words() {
            sounds.entry(line).or_insert_with(|| (tone(line), TONE_RATE_HZ));
        }
        if let Some(folder) = folder.filter(|folder| settings.folder != "auto" && !folder.is_dir()) {
            problems.push(missing(&folder));
        }
        (Phrases { sounds, spoken, waiting: VecDeque::new(), busy_until: None, fresh: None }, problems)
    }

    /// How many lines are spoken; the others are tones.
    pub fn spoken(&self) -> usize {
        self.spoken
    }

    /// How many lines there are.
    pub fn count() -> usize {
        words().count()
    }

    /// The person is to be told this as soon as nobody speaks. `line`: of a [`Line`] or one of [`ASKED`].
    pub fn tell(&mut self, line: &'static str, now: Instant) {
        if !self.sounds.contains_key(line) {
            return; // switched off
        }
        let waits = self.waiting.iter().any(|(waiting, _)| *waiting == line);
        if !waits && self.waiting.len() < WAITING_MAX {
            self.waiting.push_back((line, now));
            self.fresh = Some(now);
        }
    }

    /// What a line sounds like; `None` when nothing is to be said.
    pub fn sound(&self, line: &str) -> Option<(&[i16], u32)> {
        self.sounds.get(line).map(|(samples, rate_hz)| (samples.as_slice(), *rate_hz))
    }

    /// When [`Phrases::next`] wants to be asked although nothing happens.
    pub fn due(&self) -> Option<Instant> {
        self.fresh.or(self.busy_until.filter(|_| !self.waiting.is_empty()))
    }

    /// The line that is to be played now, if `quiet`: mono samples and their rate in Hz.
    pub fn next(&mut self, now: Instant, quiet: bool) -> Option<(&[i16], u32)> {
        self.fresh = None;
        if self.busy_until.is_some_and(|until| until <= now) {
            self.busy_until = None;
        }
        self.waiting.retain(|(_, since)| now.saturating_duration_since(*since) < STALE);
        if !quiet || self.busy_until.is_some() {
            return None;
        }
        let (line, _) = self.waiting.pop_front()?;
        let (samples, rate_hz) = self.sounds.get(line)?;
        let length = Duration::from_secs_f64(samples.len() as f64 / f64::from((*rate_hz).max(1)));
        self.busy_until = Some(now + length + PAUSE);
        Some((samples, *rate_hz))
    }
}

fn missing(folder: &Path) -> String {
    format!("[phrases] there is no folder {}; tones are played instead", folder.display())
}

/// A motif of its own for each line: falling where something is gone, rising where somebody must do something.
fn notes(line: &str) -> &'static [f32] {
    match line {
        "no-network" => &[659.3, 523.3, 392.0],
        "sign-in" => &[392.0, 523.3, 392.0, 523.3],
        "clock-not-set" => &[523.3, 523.3, 523.3, 392.0],
        "key-refused" => &[392.0, 659.3, 392.0],
        "refused" => &[392.0, 392.0, 659.3],
        "busy" => &[523.3, 0.0, 523.3],
        "server-down" => &[523.3, 440.0, 349.2],
        "speech-lost" => &[784.0, 392.0],
        "budget-low" => &[659.3, 587.3],
        "budget-spent" => &[659.3, 587.3, 523.3, 392.0],
        "needs-setup" => &[392.0, 523.3, 659.3],
        "working" => &[523.3, 0.0, 523.3, 659.3],
        "no-answer" => &[659.3, 0.0, 523.3],
        "all-is-well" => &[523.3, 659.3, 784.0],
        "muted" => &[784.0, 523.3, 523.3],
        "microphone-trouble" => &[349.2, 523.3, 349.2],
        "speaker-trouble" => &[349.2, 349.2, 523.3],
        "checking" => &[523.3, 587.3],
        "device-trouble" => &[440.0, 440.0, 349.2],
        "drawback" => &[659.3, 523.3, 659.3],
        "new-talk" => &[523.3, 784.0],
        "goodbye" => &[784.0, 659.3, 523.3, 392.0],
        "not-allowed" => &[349.2, 0.0, 349.2],
        "consent-double" => &[523.3, 659.3, 0.0, 659.3],
        "consent-hold" => &[523.3, 659.3, 659.3],
        "consent-line" => &[523.3, 659.3],
        // What a later version tells.
        _ => &[523.3, 392.0],
    }
}

/// A short sound: a step of the volume, or that there is none left; a tool that takes its time where nothing is said.
pub(crate) fn tick(louder_possible: bool) -> (Vec<i16>, u32) {
    (motif(if louder_possible { &[587.3] } else { &[587.3, 293.7] }), TONE_RATE_HZ)
}

fn tone(line: &str) -> Vec<i16> {
    motif(notes(line))
}

fn motif(notes: &[f32]) -> Vec<i16> {
    let rate = TONE_RATE_HZ as f32;
    let length = (NOTE_S * rate) as usize;
    let note = |hz: &f32| {
        let hz = *hz;
        (0..length).map(move |n| {
            let at = n as f32 / length as f32;
            // Rises within a twentieth and dies away: no click at either end.
            let shape = (at * 20.0).min(1.0) * (1.0 - at);
            pressel_dsp::to_i16(NOTE_PEAK * shape * (TAU * hz * n as f32 / rate).sin())
        })
    };
    notes.iter().flat_map(note).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pressel_hal::wav::Wav;

    fn load(folder: &Path, language: &str) -> (Phrases, Vec<String>) {
        Phrases::load(&config::Phrases {
            on: true,
            folder: folder.to_str().unwrap().to_owned(),
            language: language.to_owned(),
        })
    }

    #[test]
    fn switched_off_nothing_is_said_and_a_wait_has_a_tick() {
        let settings = config::Phrases { on: false, folder: "auto".to_owned(), language: "en".to_owned() };
        let (mut phrases, problems) = Phrases::load(&settings);
        let now = Instant::now();
        phrases.tell("busy", now);
        assert_eq!((phrases.due(), phrases.next(now, true), problems.len()), (None, None, 0));
        phrases.tell("working", now);
        let (samples, rate_hz) = phrases.next(now, true).expect("a wait is no crash");
        assert!(samples.len() < rate_hz as usize / 4, "a tick and no word");
    }

    #[test]
    fn every_line_sounds_and_none_like_another() {
        let (phrases, problems) = load(Path::new(""), "en");
        assert_eq!((phrases.spoken(), problems), (0, Vec::new()));
        let all: Vec<&str> = words().collect();
        for (index, line) in all.iter().enumerate() {
            let (samples, rate_hz) = &phrases.sounds[line];
            assert!(*rate_hz == TONE_RATE_HZ && samples.iter().any(|s| s.abs() > 3000), "{line:?}");
            assert!(samples.len() < 16_000 && samples.iter().all(|s| s.abs() < 8000), "{line:?}");
            for other in &all[index + 1..] {
                assert_ne!(notes(line), notes(other), "{line:?} and {other:?}");
            }
        }
    }

    #[test]
    fn what_ships_has_every_line_in_every_language() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("phrases");
        for language in ["en", "de"] {
            let (phrases, problems) = load(&folder, language);
            assert_eq!((phrases.spoken(), problems), (Phrases::count(), Vec::new()), "{language}");
            for (line, (samples, rate_hz)) in &phrases.sounds {
                let seconds = samples.len() as f32 / *rate_hz as f32;
                assert!(*rate_hz == 16_000 && (0.4..6.0).contains(&seconds), "{line:?}: {seconds} s");
                assert!(samples.iter().any(|s| s.abs() > 4000), "{line:?} is silent");
            }
        }
    }

    #[test]
    fn the_words_are_in_the_docs() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let docs = std::fs::read_to_string(root.join("docs/phrases.md")).unwrap();
        let rows = std::fs::read_to_string(root.join("daemon/phrases/words.txt")).unwrap();
        let lines: Vec<Vec<&str>> = rows.lines().map(|line| line.split('\t').collect()).collect();
        for line in words() {
            let of: Vec<_> = lines.iter().filter(|row| row[1] == line).collect();
            assert_eq!(of.len(), 2, "{line:?} in two languages");
            for row in of {
                assert!(docs.contains(row[2]), "docs/phrases.md lacks \"{}\"", row[2]);
            }
        }
    }

    #[test]
    fn a_missing_or_broken_file_is_a_tone() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("xx");
        std::fs::create_dir(&own).unwrap();
        let wav = Wav { rate_hz: 24_000, channels: 1, samples: vec![0.5; 2400] };
        wav.write(&own.join("busy.wav")).unwrap();
        std::fs::write(own.join("refused.wav"), "no wave").unwrap();
        let (phrases, problems) = load(folder.path(), "xx");
        assert_eq!((phrases.spoken(), problems.len()), (1, 1));
        assert!(problems[0].contains("refused.wav"), "{problems:?}");
        assert_eq!(phrases.sounds["busy"].1, 24_000);
        assert_eq!(phrases.sounds["refused"].0, tone("refused"));
        assert!(load(folder.path(), "yy").1[0].contains("/yy"));
    }

    #[test]
    fn a_line_waits_for_silence_is_said_once_and_does_not_wait_for_ever() {
        let (mut phrases, _) = load(Path::new(""), "en");
        let t = Instant::now();
        let ms = |n| t + Duration::from_millis(n);
        phrases.tell("busy", t);
        phrases.tell("busy", t);
        phrases.tell("budget-low", t);
        assert_eq!(phrases.due(), Some(t));
        assert_eq!(phrases.next(t, false), None);
        assert_eq!(phrases.due(), None, "somebody speaks: their silence is news enough");
        assert_eq!(phrases.next(ms(10), true).map(|(samples, _)| samples.to_vec()), Some(tone("busy")));
        let until = phrases.due().unwrap();
        assert_eq!(phrases.next(ms(11), true), None, "one after the other");
        assert!(phrases.next(until, true).is_some());
        assert_eq!(phrases.next(until + STALE, true), None, "said once");
        phrases.tell("busy", until);
        assert_eq!(phrases.next(until + STALE, true), None, "nobody remembers what it was about");
        for line in words() {
            phrases.tell(line, until);
        }
        assert_eq!(phrases.waiting.len(), WAITING_MAX);
    }
}
