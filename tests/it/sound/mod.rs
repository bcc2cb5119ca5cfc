//! The sound threads on real libasound over the virtual card: what is delivered and played, sample for sample.

mod allocations;
mod capture;
mod cards;
mod faults;
mod playback;

use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use pressel::sound::{Sound, SoundEvent, SoundSettings};
use pressel_hal::alsa::{AlsaMicrophone, AlsaSpeaker};
use pressel_live::event::MicrophoneInput;
use pressel_world::card::{Card, CardOptions, Direction, monotonic_ns};
use tempfile::TempDir;

/// libasound reads the path of its configuration from the environment at each opening, and tests run side by side.
static ENVIRONMENT: Mutex<()> = Mutex::new(());

fn with_card<T>(conf: &Path, open: impl FnOnce() -> T) -> T {
    let _guard = ENVIRONMENT.lock().unwrap();
    // SAFETY: nothing else in this process reads or writes the environment from C while a card is opened; Rust's
    // own accesses are locked by the standard library.
    unsafe { std::env::set_var("ALSA_CONFIG_PATH", conf) };
    open()
}

/// A card and the sound threads on it.
struct Bench {
    card: Card,
    sound: Sound,
    _folder: TempDir,
}

impl Bench {
    async fn start(options: CardOptions, settings: SoundSettings) -> Bench {
        let mut bench = Bench::start_waiting(options, settings, |_| {});
        bench.until_open().await;
        bench
    }

    /// Both cards run.
    async fn until_open(&mut self) {
        let facts = self.sound.facts();
        let running = std::sync::atomic::Ordering::Relaxed;
        while !facts.capture.running.load(running) || !facts.playback.running.load(running) {
            match tokio::time::timeout(Duration::from_secs(5), self.sound.next()).await.expect("cards open") {
                SoundEvent::Device(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    fn start_waiting(options: CardOptions, settings: SoundSettings, prepare: impl FnOnce(&Card)) -> Bench {
        let folder = TempDir::new().unwrap();
        let card = Card::create(folder.path(), options).unwrap();
        prepare(&card);
        let conf = card.env().1;
        let (capture, playback) = (settings.capture.request(), settings.playback.request());
        let speaker_conf = conf.clone();
        let sound = Sound::start(
            settings,
            Box::new(move || Ok(Box::new(with_card(&conf, || AlsaMicrophone::open(&capture))?))),
            Box::new(move || Ok(Box::new(with_card(&speaker_conf, || AlsaSpeaker::open(&playback))?))),
        )
        .unwrap();
        Bench { card, sound, _folder: folder }
    }

    /// The next event of the kind that `pick` picks; others are passed over.
    async fn event<T>(&mut self, pick: impl Fn(&SoundEvent) -> Option<T>) -> T {
        let found = async {
            loop {
                if let Some(found) = pick(&self.sound.next().await) {
                    return found;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(10), found).await.expect("the event comes")
    }

    /// Chunks of a listening until `samples` are there; a gap is a failure.
    async fn hear(&mut self, number: u32, samples: usize) -> Vec<i16> {
        let mut heard = Vec::new();
        while heard.len() < samples {
            let chunk = self.event(|event| match event {
                SoundEvent::Microphone(MicrophoneInput::Chunk { listen, samples, .. }) => {
                    (*listen == number).then(|| samples.clone())
                }
                SoundEvent::Microphone(other) => panic!("{other:?}"),
                _ => None,
            });
            heard.extend(chunk.await);
        }
        heard
    }

    /// One channel of what the speaker played from `from` until now.
    fn played(&self, from: u64) -> Vec<i16> {
        let now = self.card.now_sample(Direction::Playback);
        self.card.channel(Direction::Playback, 0, from..now).unwrap()
    }

    async fn until_played(&self, sample: u64) {
        let at = self.card.time_of(Direction::Playback, sample);
        let left = at.saturating_sub(monotonic_ns());
        tokio::time::sleep(Duration::from_nanos(left)).await;
    }
}

/// Where `needle` lies in `haystack`.
fn find(haystack: &[i16], needle: &[i16]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// A time of `Instant` on the card's clock.
fn ns_of(at: Instant) -> u64 {
    let now = Instant::now();
    match at.checked_duration_since(now) {
        Some(ahead) => monotonic_ns() + ahead.as_nanos() as u64,
        None => monotonic_ns() - now.duration_since(at).as_nanos() as u64,
    }
}

fn settings() -> SoundSettings {
    let mut settings = SoundSettings { pre_roll_ms: 300, realtime_priority: 60, ..SoundSettings::bare() };
    settings.capture.device = "pressel_mic".into();
    settings.playback.device = "pressel_speaker".into();
    settings.playback.rate_hz = 24_000;
    settings.playback.conceal = false;
    settings
}
