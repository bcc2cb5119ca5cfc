//! What every talk in these tests does: press, speak, be answered, and look at what went where.

use std::ops::{Deref, DerefMut, Range};
use std::time::Duration;

use fake_gemini::audio::recording;
use fake_gemini::{Event, Options, Script, What};
use pressel_world::card::{Direction, monotonic_ns};
use serde_json::Value;
use tempfile::TempDir;
use tests::measure::{Placement, Stretch, place};
use tests::stage::{Happened, Setting, Stage};

/// Longer than anything here takes on a machine that is busy with other things.
pub const WAIT: Duration = Duration::from_secs(30);
/// Between a decision to speak and the first sound: so late may this process be.
const BREATH: Duration = Duration::from_millis(300);
/// Samples per millisecond of the microphone.
pub const MIC_MS: u64 = 16;
/// Samples per millisecond of the server's sound, and of the stage's own speaker.
pub const SPK_MS: u64 = 24;

/// What is kept from before a press, unless a test says otherwise.
pub const PRE_ROLL_MS: u64 = 300;

/// A stage in a folder of its own. When a test fails on it, it says what happened there.
pub struct Scene {
    stage: Stage,
    _folder: TempDir,
}

/// What was done to the button, in CLOCK_MONOTONIC ns: the daemon learnt of it in this span.
pub type Moment = Range<u64>;

/// A press, something said, a release.
pub struct Asked {
    /// The press.
    pub pressed: Moment,
    /// Microphone samples of the words.
    pub words: Range<u64>,
    /// The release.
    pub released: Moment,
}

/// What arrived between activityStart and activityEnd.
#[derive(Debug)]
pub struct Utterance {
    /// On which link.
    pub link: u32,
    /// When activityStart arrived.
    pub began_ns: u64,
    /// When activityEnd arrived.
    pub ended_ns: Option<u64>,
    /// Where its sound is in what the microphone heard.
    pub heard: Placement,
}

impl Utterance {
    /// Microphone samples it consists of; nothing lost, repeated or invented.
    #[track_caller]
    pub fn whole(&self) -> Range<u64> {
        let Placement { lost, repeated, foreign, .. } = self.heard;
        assert!(self.heard.is_whole(), "lost {lost}, repeated {repeated}, foreign {foreign} samples");
        let span = self.heard.span().expect("a whole one is not empty");
        span.start as u64..span.end as u64
    }
}

/// A talk mode and a script.
pub fn setting(mode: &str, more: &str, script: Script) -> Setting {
    Setting { server: Options::script(script), ..Setting::mode(mode, more) }
}

impl Scene {
    /// Sets the stage.
    #[track_caller]
    pub fn set(setting: Setting) -> Scene {
        let folder = TempDir::new().unwrap();
        let stage = match Stage::set(folder.path(), setting) {
            Ok(stage) => stage,
            Err(error) => panic!("{error}"),
        };
        let scene = Scene { stage, _folder: folder };
        scene.pass(2 * PRE_ROLL_MS); // a press needs something before it
        scene
    }

    /// Sets the stage for a talk mode and a script.
    #[track_caller]
    pub fn of(mode: &str, more: &str, script: Script) -> Scene {
        Scene::set(setting(mode, more, script))
    }

    /// Presses.
    #[track_caller]
    pub fn press(&self) -> Moment {
        let before = monotonic_ns();
        self.remote.press().unwrap();
        before..monotonic_ns()
    }

    /// Releases.
    #[track_caller]
    pub fn release(&self) -> Moment {
        let before = monotonic_ns();
        self.remote.release().unwrap();
        before..monotonic_ns()
    }

    /// Puts a recording before the microphone; its samples.
    #[track_caller]
    pub fn speak(&self, name: &str) -> Range<u64> {
        let words = recording(name).unwrap();
        let at = self.say(BREATH, &words.samples).unwrap();
        at..at + words.samples.len() as u64
    }

    /// Waits until the microphone has heard a sample.
    pub fn until_heard(&self, sample: u64) {
        self.card.sleep_until(Direction::Capture, sample);
    }

    /// Lets so much time pass in the room.
    pub fn pass(&self, ms: u64) {
        let rate = u64::from(self.card.stream(Direction::Capture).rate_hz);
        self.until_heard(self.card.now_sample(Direction::Capture) + ms * rate / 1000);
    }

    /// Holds the button while a recording is spoken.
    #[track_caller]
    pub fn ask(&self, name: &str) -> Asked {
        let pressed = self.press();
        let words = self.speak(name);
        self.until_heard(words.end);
        Asked { pressed, words, released: self.release() }
    }

    /// The next time the light shows this phase, from a mark on.
    #[track_caller]
    pub fn phase(&self, mark: usize, phase: &str) -> Happened {
        self.remote.wait_phase(mark, phase, WAIT).unwrap()
    }

    /// The next event of this name, from a mark on.
    #[track_caller]
    pub fn told(&self, mark: usize, name: &str) -> Happened {
        let found = self.remote.wait(mark, WAIT, |e| e.name == name);
        found.unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// Waits until the answer that is due from a mark on is over.
    #[track_caller]
    pub fn answered(&self, mark: usize) {
        let speaking = self.phase(mark, "speaking").at_ns;
        self.remote.wait(mark, WAIT, |e| e.at_ns > speaking && e.is_phase("idle")).unwrap();
    }

    /// Waits until something has happened at the server.
    #[track_caller]
    pub fn server_until(&self, what: &str, fits: impl Fn(&[Event]) -> bool) {
        assert!(self.server.wait_blocking(WAIT, fits), "never happened: {what}");
    }

    /// Waits for the so-manieth message of this name.
    #[track_caller]
    pub fn received(&self, name: &str, count: usize) {
        self.server_until(&format!("{name} × {count}"), |events| messages(events, name).count() >= count);
    }

    /// What the microphone has heard so far, by one of its channels.
    pub fn microphone(&self, channel: usize) -> Vec<i16> {
        let now = self.card.now_sample(Direction::Capture);
        self.card.channel(Direction::Capture, channel, 0..now).unwrap()
    }

    /// All utterances that were marked at the server.
    pub fn utterances(&self) -> Vec<Utterance> {
        let microphone = self.microphone(0);
        let record = self.server.events();
        let mut found: Vec<(Utterance, Vec<Stretch<'_>>)> = Vec::new();
        for event in record.iter() {
            match &event.what {
                What::Received { name, .. } if name == "activityStart" => {
                    let (link, began_ns, heard) = (event.link, event.at_ns, Placement::default());
                    found.push((Utterance { link, began_ns, ended_ns: None, heard }, Vec::new()));
                }
                What::Received { name, .. } if name == "activityEnd" => {
                    if let Some((utterance, _)) = found.last_mut() {
                        utterance.ended_ns = Some(event.at_ns);
                    }
                }
                What::Audio { samples, rate_hz, .. } => {
                    assert_eq!(*rate_hz, 16_000);
                    if let Some((_, stretches)) = found.last_mut() {
                        stretches.push(Stretch { at_ns: event.at_ns, samples });
                    }
                }
                _ => {}
            }
        }
        let placed = found.into_iter().map(|(utterance, stretches)| {
            let heard = place(&microphone, 0, stretches);
            Utterance { heard, ..utterance }
        });
        placed.collect()
    }

    /// The microphone sample that is heard at a time.
    pub fn mic_at(&self, ns: u64) -> u64 {
        self.card.sample_at(Direction::Capture, ns)
    }

    /// The speaker sample that is played at a time.
    pub fn spk_at(&self, ns: u64) -> u64 {
        self.card.sample_at(Direction::Playback, ns)
    }

    /// What the speaker has played until now, by one of its channels.
    pub fn played(&self, channel: usize) -> Vec<i16> {
        let now = self.card.now_sample(Direction::Playback);
        self.card.channel(Direction::Playback, channel, 0..now).unwrap()
    }

    /// A counter of the daemon's status.
    #[track_caller]
    pub fn counter(&self, name: &str) -> u64 {
        self.remote.status().unwrap()["counters"][name].as_u64().unwrap()
    }

    /// How often messages of each kind could not be used.
    #[track_caller]
    pub fn unread(&self) -> Value {
        self.remote.status().unwrap()["counters"]["unread"].clone()
    }

    /// Ends the daemon: it must do so by itself, and the server must have nothing to complain of.
    #[track_caller]
    pub fn end(mut self) {
        let (code, _) = self.daemon.stop().unwrap();
        assert_eq!(code, Some(0), "{}", self.log());
        assert_eq!(self.server.events().complaints(), [""; 0]);
    }
}

impl Deref for Scene {
    type Target = Stage;
    fn deref(&self) -> &Stage {
        &self.stage
    }
}

impl DerefMut for Scene {
    fn deref_mut(&mut self) -> &mut Stage {
        &mut self.stage
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the daemon's log\n{}--- told", self.log());
            for event in self.remote.events() {
                eprintln!("{}", event.value);
            }
            eprintln!("--- the server");
            for event in self.server.events().iter() {
                eprintln!("{}", event.to_json());
            }
        }
    }
}

/// Messages of a name that the server received.
pub fn messages<'a>(events: &'a [Event], name: &'a str) -> impl Iterator<Item = (&'a Event, &'a Value)> {
    events.iter().filter_map(move |event| match &event.what {
        What::Received { name: found, message, .. } if found == name => Some((event, message)),
        _ => None,
    })
}

/// How links ended: number, by whom, code.
pub fn closes(events: &[Event]) -> Vec<(u32, fake_gemini::Side, u16)> {
    let close = |event: &Event| match &event.what {
        What::Closed { by, code, .. } => Some((event.link, *by, *code)),
        _ => None,
    };
    events.iter().filter_map(close).collect()
}

/// Links that were opened, counted by their TCP connections.
pub fn dials(events: &[Event]) -> usize {
    events.iter().filter(|event| event.what == What::Accepted).count()
}
