//! The speaker's ring, sample by sample, on a card whose time is turned by hand.

use std::sync::atomic::Ordering::Relaxed;

use pressel_dsp::{Fade, from_i16};

use super::feed::Fed;
use super::player_rig::{FADE, LEAD, RATE, RING, Rig, floats, sound};

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
