//! The virtual card, seen through real libasound.
//!
//! Each test has its own card and opens it through that card's own asound.conf, so they run side by side in one
//! process; `programs` goes the way every other program goes, by ALSA_CONFIG_PATH.

mod capture;
mod faults;
mod formats;
mod pcm;
mod playback;
mod programs;
mod rewind;
mod wake;

use pressel_world::card::{Card, CardOptions};

/// A card in a directory that goes away with it. No test needs long sound files.
struct Bench {
    card: Card,
    _directory: tempfile::TempDir,
}

fn bench(mut options: CardOptions) -> Bench {
    options.microphone.seconds = options.microphone.seconds.min(60);
    options.speaker.seconds = options.speaker.seconds.min(60);
    let directory = tempfile::tempdir().unwrap();
    Bench { card: Card::create(directory.path(), options).unwrap(), _directory: directory }
}

impl std::ops::Deref for Bench {
    type Target = Card;

    fn deref(&self) -> &Card {
        &self.card
    }
}
