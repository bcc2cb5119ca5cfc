//! The microphone's thread on a card whose time is turned by hand: what tests of it stand on.

use std::sync::Arc;
use std::time::Instant;

use heapless::spsc::{Consumer, Producer, Queue};
use pressel_dsp::{BargeIn, NearEndSettings, from_i16, to_i16};
use pressel_hal::Wake;
use pressel_live::event::Listen;

use super::SoundSettings;
use super::capture::{COMMANDS, Capture};
use super::crank::CrankMicrophone;
use super::facts::Facts;
use super::far;
use super::outlet::{Captured, QUEUE};
use super::reference::Reference;
use super::stream::Stream;

pub(super) const RATE: u64 = 16_000;
/// A block in frames of the card.
pub(super) const TEN_MS: u64 = RATE / 100;

pub(super) struct Rig {
    pub(super) settings: SoundSettings,
    pub(super) card: CrankMicrophone,
    pub(super) capture: Capture,
    pub(super) stream: Stream,
    commands: Producer<'static, Listen, COMMANDS>,
    pub(super) queue: Consumer<'static, Captured, QUEUE>,
    pub(super) facts: Arc<Facts>,
}

/// Samples of one listening, where they begin in the card's time, and what was told between them.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) samples: Vec<i16>,
    pub(super) chunk_ends: Vec<usize>,
    pub(super) gaps: Vec<(usize, u64)>,
    pub(super) marks: Vec<&'static str>,
    pub(super) speech: usize,
    pub(super) last_at: Option<Instant>,
}

/// Different at every frame for a second and a half.
pub(super) fn ramp(frame: u64) -> f32 {
    from_i16((frame % 24_001) as i16 + 1)
}

impl Rig {
    pub(super) fn new(sound: fn(u64) -> f32) -> Rig {
        Rig::with(NearEndSettings::OFF, sound)
    }

    pub(super) fn with(near_end: NearEndSettings, sound: fn(u64) -> f32) -> Rig {
        let mut settings = SoundSettings { pre_roll_ms: 300, near_end, ..SoundSettings::bare() };
        settings.capture.chunk_ms = 20;
        settings.capture.rest_ms = 60;
        let card = CrankMicrophone::new(RATE as u32, sound);
        let facts = Arc::new(Facts::default());
        let (commands, for_capture) = Box::leak(Box::new(Queue::new())).split();
        let (outlet, queue) = Box::leak(Box::new(Queue::new())).split();
        let open = Box::new(|| unreachable!("the test opens the card"));
        let stream = Stream::new(Box::new(card.clone()), &settings, None).unwrap();
        let capture = Capture::new(
            open,
            settings.clone(),
            facts.clone(),
            Reference::new(far::mirror().1, Arc::default()),
            for_capture,
            outlet,
        );
        Rig { settings, card, capture, stream, commands, queue, facts }
    }

    /// The card hears, then the thread takes it.
    pub(super) fn pass(&mut self, frames: u64) {
        self.card.hear(frames);
        self.capture.fetch(&mut self.stream, &Wake::new()).unwrap();
    }

    pub(super) fn listen(&mut self, listen: Listen) {
        self.commands.enqueue(listen).unwrap();
    }

    /// What was delivered since.
    pub(super) fn heard(&mut self, number: u32) -> Heard {
        let mut heard = Heard::default();
        while let Some(item) = self.queue.dequeue() {
            match item {
                Captured::Sound { listen, samples, speech, at, ends_chunk } if listen == number => {
                    heard.samples.extend(samples);
                    heard.speech += usize::from(speech);
                    heard.last_at = Some(at);
                    if ends_chunk {
                        heard.chunk_ends.push(heard.samples.len());
                    }
                }
                Captured::Sound { .. } => {}
                Captured::Gap { samples, .. } => heard.gaps.push((heard.samples.len(), samples)),
                Captured::Opened { .. } => heard.marks.push("opened"),
                Captured::Closed { .. } => heard.marks.push("closed"),
                Captured::BargeIn { said, .. } => heard.marks.push(match said {
                    BargeIn::Suspected => "suspected",
                    BargeIn::Confirmed => "confirmed",
                    BargeIn::Dismissed => "dismissed",
                }),
                Captured::Lost => heard.marks.push("lost"),
                Captured::Back => heard.marks.push("back"),
            }
        }
        heard
    }
}

pub(super) fn meant(frames: std::ops::Range<u64>) -> Vec<i16> {
    frames.map(|frame| to_i16(ramp(frame))).collect()
}
