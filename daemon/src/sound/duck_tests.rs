//! Answers that are turned down while they are heard, on a card whose time is turned by hand.

use std::sync::atomic::Ordering;

use super::feed::Fed;
use super::player_rig::{FADE, LEAD, RATE, Rig, floats, sound};

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
