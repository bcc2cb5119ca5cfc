//! The speaker's ring, sample by sample, on a card whose time is turned by hand.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use heapless::spsc::{Consumer, Queue};
use pressel_dsp::{Fade, from_i16};
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
    with: Playback,
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

    fn duck(&mut self, ducked: bool) {
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
fn sound(from: i16, samples: usize) -> Vec<i16> {
    (0..samples as i16).map(|n| from + n).collect()
}

pub(super) fn floats(samples: &[i16]) -> Vec<f32> {
    samples.iter().map(|&sample| from_i16(sample)).collect()
}

#[test]
fn a_first_sound_is_written_just_ahead_of_the_dac() {
    let mut rig = Rig::new(true);
    rig.pass(10_007, 4_000);
    rig.say(1, &sound(1, 2_400));
    rig.turn();
    rig.pass(3_000, 100);
    let heard = rig.card.heard();
    assert_eq!(heard[..10_007 + LEAD], vec![0.0; 10_007 + LEAD]);
    assert_eq!(heard[10_007 + LEAD..][..2_400], floats(&sound(1, 2_400)));
}

#[test]
fn an_answer_that_is_a_streams_first_sound_loses_nothing_of_its_beginning() {
    for can_rewind in [true, false] {
        let mut rig = Rig::new(can_rewind);
        let answer = sound(20_000, 2_400);
        rig.say(1, &answer);
        rig.turn();
        rig.pass(3_000, 100);
        assert_eq!(rig.sounding(), floats(&answer), "rewinds: {can_rewind}");
    }
}

#[test]
fn the_ring_is_filled_and_then_kept_full_in_large_steps() {
    let mut rig = Rig::new(true);
    let answer = sound(1, 30_000);
    rig.say(1, &answer);
    rig.end(1);
    rig.turn();
    assert_eq!(rig.player.refill(), Some(RATE as usize * 85 / 1_000));
    rig.pass(31_000, RING as u64 / 2);
    assert_eq!(rig.sounding(), floats(&answer));
    assert_eq!(rig.player.refill(), None);
    assert_eq!(rig.notes(), ["started", "drained"]);
}

#[test]
fn the_thread_may_come_almost_too_late_and_nothing_is_missing() {
    let mut rig = Rig::new(true);
    let answer = sound(1, 20_000);
    rig.say(1, &answer);
    rig.turn();
    rig.pass(24_000, RING as u64 - 1);
    let heard = rig.card.heard();
    assert_eq!(heard[LEAD..LEAD + 20_000], floats(&answer));
}

#[test]
fn a_thread_that_comes_too_late_makes_a_gap_and_loses_nothing() {
    let mut rig = Rig::new(true);
    let answer = sound(1, 20_000);
    rig.say(1, &answer);
    rig.turn();
    rig.pass(60_000, RING as u64 + 777);
    assert_eq!(rig.sounding(), floats(&answer));
    assert!(rig.facts.playback.xruns.load(Relaxed) >= 3);
}

#[test]
fn a_card_that_loses_its_ring_is_given_it_again() {
    let mut rig = Rig::new(true);
    let answer = sound(1, 20_000);
    rig.say(1, &answer);
    rig.end(1);
    rig.turn();
    rig.pass(3_000, 1_000);
    rig.card.play(777);
    rig.card.underrun();
    rig.turn();
    rig.pass(25_000, 1_000);
    assert_eq!(rig.sounding(), floats(&answer));
    assert_eq!(rig.facts.playback.xruns.load(Relaxed), 1);
    assert_eq!(rig.notes(), ["started", "drained"]);
}

#[test]
fn a_flush_fades_exactly_what_would_have_been_heard() {
    for late in [0, 1, 100, 2_399] {
        let mut rig = Rig::new(true);
        let answer = sound(1, 20_000);
        rig.say(1, &answer);
        rig.turn();
        rig.pass(5_000, 1_000);
        rig.card.play(late);
        rig.flush(1);
        rig.pass(10_000, 500);
        let cut = 5_000 + late as usize + LEAD;
        let mut meant = floats(&answer);
        let fade = Fade::new(FADE);
        for (n, sample) in meant[cut - LEAD..].iter_mut().enumerate() {
            *sample *= fade.gain_out(n);
        }
        let heard = rig.card.heard();
        assert_eq!(heard[LEAD..15_000], meant[..15_000 - LEAD], "late by {late}");
        assert_eq!(rig.notes(), ["started"]);
    }
}

#[test]
fn a_flush_that_comes_after_the_end_changes_nothing() {
    let mut rig = Rig::new(true);
    let answer = sound(1, 1_000);
    rig.say(1, &answer);
    rig.end(1);
    rig.turn();
    rig.pass(3_000, 500);
    rig.flush(1);
    rig.pass(3_000, 500);
    assert_eq!(rig.sounding(), floats(&answer));
    assert_eq!(rig.notes(), ["started", "drained"]);
}

#[test]
fn a_flush_of_nothing_is_nothing() {
    let mut rig = Rig::new(true);
    rig.flush(7);
    rig.pass(1_000, 100);
    assert!(rig.sounding().is_empty());
    rig.say(7, &sound(1, 100));
    rig.say(8, &sound(200, 100));
    rig.turn();
    rig.pass(1_000, 100);
    assert_eq!(rig.sounding(), floats(&sound(200, 100)), "turn 7 was cut before it came");
}

#[test]
fn a_later_turn_in_the_ring_survives_the_flush_of_the_one_before() {
    let mut rig = Rig::new(true);
    let later = sound(10_000, 1_000);
    rig.say(1, &sound(1, 1_000));
    rig.end(1);
    rig.say(2, &later);
    rig.end(2);
    rig.turn();
    rig.pass(300, 100);
    rig.flush(1);
    rig.pass(4_000, 100);
    let heard = rig.card.heard();
    assert_eq!(heard[LEAD..300 + LEAD], floats(&sound(1, 300))[..]);
    assert_eq!(heard[300 + LEAD + FADE..LEAD + 1_000], vec![0.0; 700 - FADE]);
    assert_eq!(heard[LEAD + 1_000..LEAD + 2_000], floats(&later));
    assert_eq!(rig.notes(), ["started", "started", "drained"]);
}

#[test]
fn without_rewinding_the_ring_is_shallow_and_a_flush_fades_what_comes_next() {
    let mut rig = Rig::new(false);
    let answer = sound(1, 20_000);
    rig.say(1, &answer);
    rig.turn();
    rig.pass(5_000, 100);
    rig.flush(1);
    rig.pass(6_000, 100);
    let heard = rig.card.heard();
    let exact = heard[LEAD..].iter().zip(&floats(&answer)).take_while(|(a, b)| a == b).count();
    let shallow = RATE as usize * 40 / 1_000;
    assert!((5_000 - LEAD..=5_000 + shallow).contains(&exact), "{exact}");
    let fade = Fade::new(FADE);
    for n in 0..FADE {
        assert_eq!(heard[LEAD + exact + n], from_i16(answer[exact + n]) * fade.gain_out(n));
    }
    assert!(heard[LEAD + exact + FADE..].iter().all(|&sample| sample == 0.0));
}

#[test]
fn a_local_sound_is_added_and_stays_when_the_answer_is_cut() {
    let mut rig = Rig::new(true);
    let (answer, earcon) = (vec![1_000_i16; 20_000], vec![300_i16; 6_000]);
    rig.say(1, &answer);
    rig.turn();
    rig.pass(2_000, 500);
    rig.local.push(Fed::Sound { turn: 0, samples: earcon.into() }).ok().unwrap();
    rig.local.push(Fed::End { turn: 0 }).ok().unwrap();
    rig.turn();
    rig.pass(2_000, 500);
    rig.flush(1);
    rig.pass(10_000, 500);
    let heard = rig.card.heard();
    let level = |at: usize| (heard[at] * 32_768.0).round() as i32;
    assert_eq!(level(2_000 + LEAD - 1), 1_000);
    assert_eq!(level(2_000 + LEAD), 1_300);
    assert_eq!(level(4_000 + LEAD - 1), 1_300);
    assert_eq!(level(4_000 + LEAD + FADE), 300);
    assert_eq!(level(8_000 + LEAD - 1), 300);
    assert_eq!(level(8_000 + LEAD), 0);
}

#[test]
fn a_duck_begins_just_ahead_of_the_dac_and_the_same_sentence_comes_back() {
    for late in [0, 1, 100, 2_000] {
        let mut rig = Rig::new(true);
        let answer = sound(1, 30_000);
        rig.say(1, &answer);
        rig.turn();
        rig.pass(5_000, 1_000);
        rig.card.play(late);
        rig.duck(true);
        rig.pass(4_000, 500);
        rig.duck(false);
        rig.pass(15_000, 500);
        let (heard, meant) = (rig.card.heard(), floats(&answer));
        let (down, up) = (5_000 + late as usize + LEAD, 9_000 + late as usize + LEAD);
        let gain = |at: usize| heard[at] / meant[at - LEAD];
        assert_eq!(heard[LEAD..down], meant[..down - LEAD], "late by {late}");
        // 12 dB within 8 ms, and then at least as much.
        let deep = down + RATE as usize * 8 / 1_000;
        assert!((deep..up).all(|at| gain(at) < 0.251), "late by {late}: {}", gain(deep));
        let full = up + RATE as usize * 150 / 1_000 + 2;
        assert_eq!(heard[full..24_000], meant[full - LEAD..24_000 - LEAD], "every bit is back");
        assert!((down + 1..full).all(|at| (gain(at) - gain(at - 1)).abs() < 0.02), "without a step");
    }
}

#[test]
fn a_flush_of_a_ducked_answer_ends_it_from_where_it_is() {
    let mut rig = Rig::new(true);
    rig.say(1, &[16_384; 20_000]);
    rig.turn();
    rig.pass(5_000, 1_000);
    rig.duck(true);
    rig.pass(100, 50);
    rig.flush(1);
    rig.duck(false);
    rig.pass(4_000, 500);
    let heard = rig.card.heard();
    assert!(heard[LEAD + 1..].windows(2).all(|pair| (pair[0] - pair[1]).abs() < 0.02), "a click");
    assert!(heard[5_100 + LEAD + FADE..].iter().all(|&sample| sample == 0.0));
    rig.say(2, &sound(1, 1_000));
    rig.turn();
    rig.pass(2_000, 500);
    let heard = rig.card.heard();
    assert_eq!(
        heard[heard.len() - 2_000 + LEAD..][..1_000],
        floats(&sound(1, 1_000)),
        "the next is as loud as ever"
    );
}

#[test]
fn a_sound_of_our_own_stays_as_loud_as_it_is() {
    let mut rig = Rig::new(true);
    rig.duck(true);
    rig.local.push(Fed::Sound { turn: 0, samples: sound(1, 3_000).into() }).ok().unwrap();
    rig.turn();
    rig.pass(4_000, 500);
    assert_eq!(rig.sounding(), floats(&sound(1, 3_000)));
}

/// Whenever the ring is taken back and written again: nothing that is turned up or down makes a step.
#[test]
fn no_order_of_ducks_volumes_and_sounds_of_our_own_makes_a_click() {
    for seed in 0..60 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut rig = Rig::new(random.bool());
        rig.say(1, &vec![10_000; 28_000]);
        rig.turn();
        rig.pass(1_000, 500);
        for _ in 0..40 {
            match random.u8(0..4) {
                0 => rig.duck(random.bool()),
                1 => {
                    let percent = random.f32() * 100.0;
                    rig.with.orders.volume.store(percent.to_bits(), Ordering::Release);
                    rig.turn();
                }
                2 => {
                    // Silent, and yet it takes the ring back.
                    let samples = vec![0; random.usize(1..500)].into();
                    rig.local.push(Fed::Sound { turn: 0, samples }).ok().unwrap();
                    rig.turn();
                }
                _ => {}
            }
            rig.pass(random.u64(1..600), 300);
        }
        let heard = rig.card.heard();
        let (from, to) = (LEAD, heard.len().min(28_000));
        let step = heard[from..to].windows(2).map(|pair| (pair[0] - pair[1]).abs()).fold(0.0, f32::max);
        assert!(step < 0.005, "seed {seed}: {step}");
    }
}

/// Whatever order things happen in: of each turn a beginning is heard, in order, without a sample missing or heard
/// twice; all of it, where it was not cut.
#[test]
fn no_order_of_events_loses_or_repeats_a_sample() {
    let fade = Fade::new(FADE);
    for seed in 0..400 {
        let mut random = fastrand::Rng::with_seed(seed);
        let can_rewind = random.bool();
        let mut rig = Rig::new(can_rewind);
        // The DAC goes on while the thread works, but not by its whole lead.
        rig.card.dac().per_call = random.u64(0..4);
        let turns: Vec<Vec<i16>> =
            (0..5).map(|turn| sound(1 + 6_000 * turn, random.usize(1..6_000))).collect();
        let mut cut = [false; 5];
        for (turn, samples) in (0_u32..).zip(&turns) {
            let mut rest = &samples[..];
            let cut_after = random.bool().then(|| random.usize(0..=samples.len()));
            while !rest.is_empty() {
                let (piece, left) = rest.split_at(random.usize(1..2_000).min(rest.len()));
                rig.say(turn, piece);
                rest = left;
                rig.turn();
                if cut_after.is_some_and(|after| samples.len() - rest.len() >= after) {
                    break;
                }
                for _ in 0..random.usize(0..4) {
                    rig.card.play(random.u64(0..3_000));
                    rig.turn();
                }
            }
            if cut_after.is_some() {
                cut[..=turn as usize].fill(true);
                rig.flush(turn);
                // Parts that come too late.
                rig.say(turn, rest);
            }
            rig.end(turn);
            rig.pass(random.u64(0..4_000), 700);
        }
        rig.pass(60_000, 1_500);
        let heard = rig.card.heard();
        let mut at = 0;
        for (turn, samples) in turns.iter().enumerate() {
            let meant = floats(samples);
            let Some(start) = heard[at..].iter().position(|&sample| sample == meant[0]) else {
                assert!(cut[turn], "seed {seed}: turn {turn} was not heard");
                continue;
            };
            let between = heard[at..at + start].iter().filter(|&&sample| sample != 0.0).count();
            assert_eq!(between, 0, "seed {seed}: stale sound before turn {turn}");
            at += start;
            let (mut next, mut end) = (0, at);
            while next < meant.len() && at < heard.len() {
                if heard[at] == meant[next] {
                    next += 1;
                    end = at + 1;
                } else if heard[at] != 0.0 {
                    break;
                }
                at += 1;
            }
            at = end;
            if next < meant.len() {
                assert!(cut[turn], "seed {seed}: turn {turn} broke off at {next}");
                // It fades, unless it had stopped anyway; another flush may come on top.
                let fades = |&(n, &heard): &(usize, &f32)| {
                    let faded = meant.get(next + n).map_or(0.0, |sample| sample * fade.gain_out(n));
                    n < FADE && (0.0..=faded).contains(&heard)
                };
                at += heard[at..].iter().enumerate().take_while(fades).count();
            }
        }
        let rest = heard[at..].iter().filter(|&&sample| sample != 0.0).count();
        assert_eq!(rest, 0, "seed {seed}: stale samples at the end");
    }
}
