//! The speaker's ring on a card whose time is turned by hand: what tests of it stand on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use heapless::spsc::{Consumer, Queue};
use pressel_dsp::from_i16;
use pressel_hal::Wake;

use super::crank::CrankSpeaker;
use super::facts::Facts;
use super::far::{self, FarReader};
use super::feed::{Fed, Feed};
use super::playback::{NOTES, Note, Orders, Playback};
use super::player::Player;
use super::settings::PlaybackSettings;

/// So that a frame is a sample of the answer.
pub(super) const RATE: u32 = 24_000;
/// 200 ms.
pub(super) const RING: usize = 4_800;
/// 2 ms.
pub(super) const LEAD: usize = 48;
/// 5 ms.
pub(super) const FADE: usize = 120;

pub(super) struct Rig {
    pub(super) card: CrankSpeaker,
    pub(super) player: Player,
    pub(super) with: Playback,
    answer: rtrb::Producer<Fed>,
    pub(super) local: rtrb::Producer<Fed>,
    notes: Consumer<'static, Note, NOTES>,
    pub(super) facts: Arc<Facts>,
    far: FarReader,
    /// Up to here the far end was compared with the card.
    compared: u64,
}

impl Rig {
    pub(super) fn new(can_rewind: bool) -> Rig {
        Rig::with(can_rewind, |_| {})
    }

    pub(super) fn with(can_rewind: bool, change: impl FnOnce(&mut PlaybackSettings)) -> Rig {
        let card = CrankSpeaker::new(RATE, RING, can_rewind);
        let facts = Arc::new(Facts::default());
        let orders = Arc::new(Orders {
            cut_below: AtomicU64::new(0),
            volume: AtomicU32::new(100.0_f32.to_bits()),
            ducked: AtomicBool::new(false),
            hungry: AtomicBool::new(true),
        });
        let mut settings = PlaybackSettings {
            rate_hz: RATE,
            lead_ms: 2,
            fade_ms: 5,
            conceal: false,
            ..PlaybackSettings::default()
        };
        change(&mut settings);
        let feed = || {
            let (producer, consumer) = rtrb::RingBuffer::new(1_000);
            let (spent, _) = rtrb::RingBuffer::new(2_000);
            (producer, Feed::new(consumer, spent, facts.clone()))
        };
        let ((answer, answer_feed), (local, local_feed)) = (feed(), feed());
        let (notes_in, notes) = Box::leak(Box::new(Queue::new())).split();
        let player = Player::new(Box::new(card.clone()), &settings, &orders).unwrap();
        let open = Box::new(|| unreachable!("the test opens the card"));
        let feeds = (answer_feed, local_feed);
        let (mut far_in, far) = far::mirror();
        far_in.open(RATE);
        let with = Playback::new(open, settings, facts.clone(), orders, feeds, far_in, notes_in);
        Rig { card, player, with, answer, local, notes, facts, far, compared: 0 }
    }

    pub(super) fn say(&mut self, turn: u32, samples: &[i16]) {
        let samples = samples.into();
        self.answer.push(Fed::Sound { turn, samples }).ok().unwrap();
    }

    pub(super) fn end(&mut self, turn: u32) {
        self.answer.push(Fed::End { turn }).ok().unwrap();
    }

    pub(super) fn flush(&mut self, turn: u32) {
        self.with.orders.cut_below.fetch_max(u64::from(turn) + 1, Ordering::AcqRel);
        self.turn();
    }

    pub(super) fn duck(&mut self, ducked: bool) {
        self.with.orders.ducked.store(ducked, Ordering::Release);
        self.turn();
    }

    /// One turn of the thread's loop. After it the far end is, up to the DAC, what the card has played.
    pub(super) fn turn(&mut self) {
        self.player.turn(&mut self.with, &Wake::new()).unwrap();
        let clock = self.far.clock().unwrap();
        let played = self.card.heard_from(self.compared, clock.position);
        let mut far = vec![9.0; played.len()];
        assert!(self.far.read(clock.generation, self.compared, &mut far));
        assert!(far == played, "far end from frame {} on", self.compared);
        let dac = self.card.dac();
        assert!(dac.played - clock.position <= 4 * dac.per_call, "a stale clock");
        drop(dac);
        self.compared = clock.position;
    }

    /// Time passes, in steps after each of which the thread turns.
    pub(super) fn pass(&mut self, frames: u64, step: u64) {
        let mut left = frames;
        while left > 0 {
            let step = step.min(left);
            self.card.play(step);
            self.turn();
            left -= step;
        }
    }

    pub(super) fn notes(&mut self) -> Vec<&'static str> {
        std::iter::from_fn(|| self.notes.dequeue())
            .map(|note| match note {
                Note::Started { .. } => "started",
                Note::Drained { .. } => "drained",
                Note::Lost => "lost",
                Note::Back => "back",
            })
            .collect()
    }

    pub(super) fn sounding(&self) -> Vec<f32> {
        self.card.heard().into_iter().filter(|&sample| sample != 0.0).collect()
    }
}

/// A sound in which no sample occurs twice, and none is 0.
pub(super) fn sound(from: i16, samples: usize) -> Vec<i16> {
    (0..samples as i16).map(|n| from + n).collect()
}

pub(super) fn floats(samples: &[i16]) -> Vec<f32> {
    samples.iter().map(|&sample| from_i16(sample)).collect()
}
