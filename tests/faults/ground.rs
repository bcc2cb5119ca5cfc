//! Where a row is measured: the shipped daemon on the virtual card, a network that can be made bad, the fake server
//! behind it; and a person who dictates words that can be found again, sample for sample.

use std::io;
use std::ops::Range;
use std::time::Duration;

use fake_gemini::{Event, Options, Script, What};
use pressel_world::card::{Direction, Noise, monotonic_ns};
use tempfile::TempDir;
use tests::measure::{Stretch, place};
use tests::stage::proxy::Proxy;
use tests::stage::{Setting, Stage};

/// Longer than anything takes that is meant to happen at all.
pub const WAIT: Duration = Duration::from_secs(60);
/// Between a decision to speak and the first sound: so late may this process be.
const BREATH: Duration = Duration::from_millis(400);
/// A word, and the pause after it, in samples.
const WORD: usize = 300 * MIC_MS as usize;
const PAUSE: usize = 130 * MIC_MS as usize;
/// Samples per millisecond of the microphone.
pub const MIC_MS: u64 = 16;

/// The surroundings of one daemon.
pub struct Ground {
    pub stage: Stage,
    pub proxy: Proxy,
    _folder: TempDir,
}

/// Something said while the button was down.
pub struct Dictation {
    /// Microphone samples of each word.
    pub words: Vec<Range<u64>>,
}

/// What one link's server has of an utterance.
#[derive(Debug, Default)]
pub struct Heard {
    pub link: u32,
    /// The person was said to be done.
    pub ended_ns: Option<u64>,
    /// Microphone samples.
    pub spans: Vec<Range<u64>>,
    /// When the first and the last sound arrived.
    pub arrived_ns: Option<(u64, u64)>,
}

impl Ground {
    /// Sets everything up; `open`: whether the network lets anything through yet.
    pub fn set(mode: &str, more: &str, script: Script, open: bool) -> io::Result<Self> {
        Self::with(Setting { server: Options::script(script), ..Setting::mode(mode, more) }, open)
    }

    /// The same with a setting of the row's own.
    pub fn with(setting: Setting, open: bool) -> io::Result<Self> {
        let folder = TempDir::new()?;
        let proxy = Proxy::start(1, open)?;
        let setting = Setting { endpoint: Some(proxy.url()), ..setting };
        let stage = Stage::set(folder.path(), setting)?;
        proxy.lead_to(stage.server.address());
        let ground = Ground { stage, proxy, _folder: folder };
        ground.pass(Duration::from_millis(600)); // a press needs something before it
        Ok(ground)
    }

    /// Lets so much time pass in the room.
    pub fn pass(&self, time: Duration) {
        let now = self.stage.card.now_sample(Direction::Capture);
        self.stage.card.sleep_until(Direction::Capture, now + time.as_millis() as u64 * MIC_MS);
    }

    /// Presses and begins to speak so many words; the daemon hears them while this thread goes on.
    pub fn begin(&self, words: usize) -> io::Result<Dictation> {
        self.stage.remote.press()?;
        let words = self.speak(words)?;
        Ok(Dictation { words })
    }

    /// Speaks so many words into the room.
    pub fn speak(&self, words: usize) -> io::Result<Vec<Range<u64>>> {
        let mut noise = Noise::new(monotonic_ns(), 6000);
        let sound: Vec<i16> = (0..words)
            .flat_map(|_| [noise.take(WORD), Noise::new(monotonic_ns(), 6).take(PAUSE)].concat())
            .collect();
        let at = self.stage.say(BREATH, &sound)?;
        Ok((0..words).map(|n| at + (n * (WORD + PAUSE)) as u64).map(|at| at..at + WORD as u64).collect())
    }

    /// Waits until the last word is said, and lets the button go; when.
    pub fn end(&self, dictation: &Dictation) -> io::Result<u64> {
        let last = dictation.words.last().map_or(0, |word| word.end);
        self.stage.card.sleep_until(Direction::Capture, last);
        self.stage.remote.release()?;
        Ok(monotonic_ns())
    }

    /// Dictates so many words, and waits until the answer is over.
    pub fn ask(&self, words: usize) -> io::Result<Dictation> {
        let mark = self.stage.remote.mark();
        let dictation = self.begin(words)?;
        self.end(&dictation)?;
        self.answered(mark)?;
        Ok(dictation)
    }

    /// Waits until an answer that is due from a mark on is over.
    pub fn answered(&self, mark: usize) -> io::Result<()> {
        let speaking = self.stage.remote.wait_phase(mark, "speaking", WAIT)?.at_ns;
        self.stage.remote.wait(mark, WAIT, |e| e.at_ns > speaking && e.is_phase("idle")).map(|_| ())
    }

    /// Waits until something has happened at the server.
    pub fn server_until(&self, what: &str, fits: impl Fn(&[Event]) -> bool) -> io::Result<()> {
        if self.stage.server.wait_blocking(WAIT, fits) {
            return Ok(());
        }
        Err(io::Error::other(format!("never happened: {what}\n{}", self.stage.log())))
    }

    /// Waits until a set-up after this time is accepted; when that was.
    pub fn ready_after(&self, ns: u64) -> io::Result<u64> {
        let ready = |event: &&Event| event.at_ns > ns && matches!(event.what, What::Ready { .. });
        self.server_until("a set-up", |events| events.iter().any(|event| ready(&event)))?;
        Ok(self.stage.server.events().iter().find(ready).map_or(0, |event| event.at_ns))
    }

    /// Everything that was said, as the server has it: by activity, or by link where there is none.
    pub fn heard(&self) -> io::Result<Vec<Heard>> {
        let now = self.stage.card.now_sample(Direction::Capture);
        let microphone = self.stage.card.channel(Direction::Capture, 0, 0..now)?;
        let record = self.stage.server.events();
        let mut found: Vec<(Heard, Vec<Stretch<'_>>)> = Vec::new();
        for event in record.iter() {
            match &event.what {
                What::Received { name, .. } if name == "activityStart" => {
                    found.push((Heard { link: event.link, ..Heard::default() }, Vec::new()));
                }
                What::Received { name, .. } if name == "activityEnd" => {
                    if let Some((heard, _)) = found.last_mut() {
                        heard.ended_ns = Some(event.at_ns);
                    }
                }
                What::Audio { samples, .. } => {
                    if found.last().is_none_or(|(heard, _)| heard.link != event.link) {
                        found.push((Heard { link: event.link, ..Heard::default() }, Vec::new()));
                    }
                    if let Some((heard, stretches)) = found.last_mut() {
                        let first = heard.arrived_ns.map_or(event.at_ns, |(first, _)| first);
                        heard.arrived_ns = Some((first, event.at_ns));
                        stretches.push(Stretch { at_ns: event.at_ns, samples });
                    }
                }
                _ => {}
            }
        }
        let placed = found.into_iter().map(|(heard, stretches)| {
            let mut spans: Vec<Range<u64>> = Vec::new();
            for part in place(&microphone, 0, stretches).placed {
                let range = part.range.start as u64..part.range.end as u64;
                match spans.last_mut() {
                    Some(last) if last.end == range.start => last.end = range.end,
                    _ => spans.push(range),
                }
            }
            Heard { spans, ..heard }
        });
        Ok(placed.collect())
    }

    /// Resident memory of the daemon in MB.
    pub fn rss_mb(&self) -> io::Result<f64> {
        Ok(self.stage.daemon.usage()?.rss_kb as f64 / 1024.0)
    }

    /// Starts the daemon again with its own configuration, as a service manager does after it has ended.
    pub fn restart(&mut self) -> io::Result<()> {
        self.stage.restart()
    }
}

/// Whether what a server has that it may answer: said to its end, or the newest there is.
fn counts(heard: &[Heard]) -> impl Iterator<Item = &Heard> {
    let newest = heard.len().saturating_sub(1);
    heard
        .iter()
        .enumerate()
        .filter(move |(n, heard)| heard.ended_ns.is_some() || *n == newest)
        .map(|(_, h)| h)
}

/// Samples of these words that arrived nowhere where they count.
pub fn missing(heard: &[Heard], words: &[Range<u64>]) -> Vec<u64> {
    let spans: Vec<&Range<u64>> = counts(heard).flat_map(|heard| &heard.spans).collect();
    words
        .iter()
        .map(|word| word.clone().filter(|at| !spans.iter().any(|span| span.contains(at))).count() as u64)
        .collect()
}

/// Words of which anything is missing, and the milliseconds that are.
pub fn lost(heard: &[Heard], words: &[Range<u64>]) -> (f64, f64) {
    let missing = missing(heard, words);
    let damaged = missing.iter().filter(|samples| **samples > 0).count();
    (damaged as f64, missing.iter().sum::<u64>() as f64 / MIC_MS as f64)
}

/// When the script let something go wrong.
pub fn struck(events: &[Event]) -> io::Result<u64> {
    let fault = events.iter().find(|event| matches!(event.what, What::Fault(_)));
    fault.map(|event| event.at_ns).ok_or_else(|| io::Error::other("nothing went wrong"))
}

/// Connections that arrived at the server.
pub fn dials(events: &[Event]) -> usize {
    events.iter().filter(|event| event.what == What::Accepted).count()
}

/// Nanoseconds from here to there in milliseconds; negative where it was before.
pub fn ms(from_ns: u64, to_ns: u64) -> f64 {
    (to_ns as f64 - from_ns as f64) / 1e6
}
