//! A virtual sound card: real libasound, paced by the monotonic clock, exact to the sample.
//!
//! The card is an ALSA plugin in C (`tests/card`), which runs inside the process under test. This is the other end
//! of it: it writes the files the plugin works on, says what the microphone hears, reads what the speaker played
//! and switches faults while everything runs. Sample `n` of either direction exists at `t0 + n / rate`.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

mod build;
mod clock;
mod control;
mod faults;
mod options;
mod sound;

pub use clock::{monotonic_ns, sleep_until_ns};
pub use control::{Report, StreamState};
pub use faults::Echo;
pub use options::{CardFormat, CardOptions, StreamOptions, TakeBack};
pub use sound::Noise;

use control::Control;

/// One of the two ways of sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The microphone.
    Capture = 0,
    /// The speaker.
    Playback = 1,
}

/// A card, seen from the outside. Dropping it leaves its files behind.
#[derive(Debug)]
pub struct Card {
    directory: PathBuf,
    options: CardOptions,
    control: Control,
    sounds: [File; 2],
    kicks: [PathBuf; 2],
}

impl Card {
    /// Compiles the plugin, once for a given source, and returns where it lies.
    ///
    /// # Errors
    /// What the compiler says, and what to install.
    pub fn build() -> io::Result<PathBuf> {
        build::plugin()
    }

    /// Creates a card in a directory: control file, sound files, `asound.conf`. Its clock starts now.
    ///
    /// # Errors
    /// When the plugin cannot be compiled or a file not be written.
    pub fn create(directory: &Path, options: CardOptions) -> io::Result<Card> {
        Self::create_for(directory, options, &Self::build()?)
    }

    /// The same for a program of another machine, with the plugin that was built for it.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn create_for(directory: &Path, options: CardOptions, plugin: &Path) -> io::Result<Card> {
        let card = Self::create_files(directory, options)?;
        let conf = options::asound_conf(&card.directory, plugin, &card.options);
        std::fs::write(card.directory.join("asound.conf"), conf)?;
        Ok(card)
    }

    /// The same without the plugin: clock and sound files alone, for whoever carries the sound in another way.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn create_files(directory: &Path, options: CardOptions) -> io::Result<Card> {
        std::fs::create_dir_all(directory)?;
        let directory = directory.canonicalize()?;
        let path = |name: &str| directory.join(name);
        let kicks = [path("microphone.kick"), path("speaker.kick")];
        for kick in &kicks {
            control::make_fifo(kick)?;
        }
        let sound = |name: &str, stream: &StreamOptions| -> io::Result<File> {
            let file =
                OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path(name))?;
            let frames = u64::from(stream.seconds) * u64::from(stream.rate_hz);
            file.set_len(frames * u64::from(stream.file_channels()) * 2)?;
            Ok(file)
        };
        let sounds = [sound("microphone.s16", &options.microphone)?, sound("speaker.s16", &options.speaker)?];
        let control = Control::create(&path("control"), monotonic_ns())?;
        Ok(Card { directory, options, control, sounds, kicks })
    }

    /// The environment variable that makes libasound see this card: `pressel_mic`, `pressel_speaker`, `pressel`
    /// (both) and `default`. It is read once per process, when that opens its first PCM.
    pub fn env(&self) -> (&'static str, PathBuf) {
        ("ALSA_CONFIG_PATH", self.directory.join("asound.conf"))
    }

    /// Where the card's files are.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// What one direction was made of.
    pub fn stream(&self, direction: Direction) -> &StreamOptions {
        match direction {
            Direction::Capture => &self.options.microphone,
            Direction::Playback => &self.options.speaker,
        }
    }

    /// Where one direction stands and what it has counted so far.
    pub fn report(&self, direction: Direction) -> Report {
        self.control.report(direction)
    }

    /// Waits until one direction's report satisfies a condition; `None` when it does not in time. Looks every
    /// millisecond: the report is shared memory, there is nothing to wait on.
    pub fn wait_for(
        &self,
        direction: Direction,
        timeout: Duration,
        condition: impl Fn(&Report) -> bool,
    ) -> Option<Report> {
        let deadline = std::time::Instant::now() + timeout;
        loop {
            let report = self.report(direction);
            if condition(&report) {
                return Some(report);
            }
            if std::time::Instant::now() >= deadline {
                return None;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Wakes whoever sleeps on the card, so that it sees what has changed.
    fn kick(&self, direction: Direction) {
        self.control.count_kick(direction);
        let fifo = OpenOptions::new()
            .write(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(&self.kicks[direction as usize]);
        // Nobody has the card open, or the fifo is full of kicks: nothing to wake either way.
        if let Ok(mut fifo) = fifo {
            fifo.write_all(b"!").ok();
        }
    }

    fn read_sound(&self, direction: Direction, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.sounds[direction as usize].read_exact_at(bytes, offset)
    }

    fn write_sound(&self, direction: Direction, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.sounds[direction as usize].write_all_at(bytes, offset)
    }
}
