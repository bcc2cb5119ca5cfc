//! The microphone's thread, sample by sample, on a card whose time is turned by hand.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use pressel_dsp::BLOCK;
use pressel_hal::Wake;
use pressel_live::event::Listen;

use super::capture_rig::{RATE, Rig, TEN_MS, meant, ramp};
use super::outlet::QUEUE;
use super::trouble::Trouble;

#[test]
fn at_rest_nothing_is_delivered_and_the_card_may_sleep() {
    let mut rig = Rig::new(ramp);
    assert_eq!(rig.stream.frames_for(rig.capture.blocks_wanted()), 6 * TEN_MS as usize);
    for _ in 0..100 {
        rig.pass(6 * TEN_MS);
    }
    assert!(rig.heard(0).samples.is_empty());
}

#[test]
fn a_press_brings_the_pre_roll_the_ring_and_then_every_sample() {
    // Pressed at any moment of the card's sleep, and handled at once or late.
    for (sleep, late) in [(0, 0), (1, 0), (333, 0), (959, 0), (500, 160), (77, 1_600), (960, 5_000)] {
        let mut rig = Rig::new(ramp);
        rig.pass(12_800);
        rig.card.hear(sleep);
        let pressed = 12_800 + sleep;
        rig.listen(Listen::All { number: 1, since: rig.card.at(pressed) });
        rig.pass(late);
        for _ in 0..40 {
            rig.pass(777);
        }
        let heard = rig.heard(1);
        // The block in which the pre-roll begins is delivered whole.
        let first = (pressed - 3 * RATE / 10) / TEN_MS * TEN_MS;
        let end = (pressed + late + 40 * 777) / TEN_MS * TEN_MS;
        assert_eq!(heard.samples, meant(first..end), "pressed {sleep} into a sleep, {late} late");
        assert!(heard.gaps.is_empty());
        assert_eq!(heard.last_at, Some(rig.card.at(end)));
    }
}

#[test]
fn chunks_end_with_the_block_that_completes_them_and_no_wake_up_is_wasted() {
    let mut rig = Rig::new(ramp);
    rig.pass(12_800);
    rig.listen(Listen::All { number: 1, since: rig.card.at(12_800) });
    rig.pass(0);
    let backlog = rig.heard(1);
    assert_eq!(backlog.samples.len() as u64, 30 * TEN_MS);
    for _ in 0..20 {
        let wanted = rig.stream.frames_for(rig.capture.blocks_wanted()) as u64;
        assert_eq!(wanted, 2 * TEN_MS);
        rig.pass(wanted);
        let heard = rig.heard(1);
        assert_eq!((heard.samples.len(), heard.chunk_ends), (2 * BLOCK, vec![2 * BLOCK]));
    }
    // Woken in between, it asks for what is missing.
    rig.pass(TEN_MS + 50);
    assert_eq!(rig.stream.frames_for(rig.capture.blocks_wanted()) as u64, TEN_MS - 50);
}

#[test]
fn nothing_is_delivered_twice_however_often_one_presses() {
    let mut rig = Rig::new(ramp);
    rig.pass(8_000);
    let mut end = 0;
    let mut now = 8_000;
    for number in 1..20 {
        rig.listen(Listen::All { number, since: rig.card.at(now) });
        for step in [0, 1_234, 3_210] {
            rig.pass(step);
            now += step;
        }
        rig.listen(Listen::Rest);
        rig.pass(u64::from(number) * 97);
        now += u64::from(number) * 97;
        let samples = rig.heard(number).samples;
        let value = |sample: i16| sample as u64 - 1;
        let first = value(samples[0]);
        assert!(samples.windows(2).all(|pair| value(pair[1]) == (value(pair[0]) + 1) % 24_001));
        assert!((first + 24_001 - end) % 24_001 < 12_000, "{number} begins at {first}, before {end}");
        end = (value(samples[samples.len() - 1]) + 1) % 24_001;
    }
}

#[test]
fn an_overrun_is_a_gap_of_its_length_and_blocks_stay_whole() {
    let mut rig = Rig::new(ramp);
    rig.pass(8_000);
    rig.listen(Listen::All { number: 1, since: rig.card.at(8_000) });
    rig.pass(1_650);
    rig.heard(1);
    // 50 frames of a block were read; they and 2 000 more are gone.
    rig.card.overrun(2_000);
    rig.pass(3_200);
    let heard = rig.heard(1);
    assert_eq!(heard.gaps, [(0, 2_050)]);
    assert_eq!(heard.samples, meant(11_650..14_850));
    assert_eq!(rig.facts.capture.xruns.load(Relaxed), 1);
    assert_eq!(rig.facts.capture.lost_frames.load(Relaxed), 2_050);
}

#[test]
fn what_was_lost_before_the_pre_roll_is_nobody_s_gap() {
    let mut rig = Rig::new(ramp);
    rig.pass(3_200);
    rig.card.overrun(1_600);
    rig.pass(1_600);
    rig.listen(Listen::All { number: 1, since: rig.card.at(6_400) });
    rig.pass(3_200);
    let heard = rig.heard(1);
    assert_eq!(heard.samples[..160], meant(1_600..1_760), "the pre-roll reaches over the gap");
    assert_eq!(heard.gaps, [(1_600, 1_600)]);

    let mut rig = Rig::new(ramp);
    rig.card.overrun(1_600);
    rig.pass(1_600);
    rig.listen(Listen::All { number: 1, since: rig.card.at(3_200) });
    rig.pass(1_600);
    assert!(rig.heard(1).gaps.is_empty());
}

#[test]
fn a_main_loop_that_does_not_fetch_gets_the_gap_told() {
    let mut rig = Rig::new(ramp);
    rig.pass(8_000);
    rig.listen(Listen::All { number: 1, since: rig.card.at(8_000) });
    for _ in 0..600 {
        rig.pass(TEN_MS);
    }
    let dropped = rig.facts.capture.dropped_samples.load(Relaxed);
    assert!(dropped > 0);
    let first = rig.heard(1);
    assert_eq!(first.samples.len(), (QUEUE - 1) * BLOCK);
    rig.pass(TEN_MS);
    let after = rig.heard(1);
    assert_eq!(after.gaps, [(0, dropped)]);
    let next = 8_000 - 4_800 + (QUEUE as u64 - 1) * TEN_MS + dropped;
    assert_eq!(after.samples, meant(next..next + TEN_MS));
}

#[test]
fn a_new_listening_owes_nothing_to_the_one_before() {
    let mut rig = Rig::new(ramp);
    rig.listen(Listen::All { number: 1, since: rig.card.at(0) });
    rig.pass(0);
    // An odd number of blocks, and more than the queue holds.
    for _ in 0..QUEUE + 20 {
        rig.pass(TEN_MS);
    }
    rig.listen(Listen::Rest);
    rig.pass(TEN_MS);
    rig.heard(1);
    rig.pass(4 * TEN_MS);
    rig.listen(Listen::All { number: 2, since: rig.card.at(1_000_000) });
    rig.pass(0);
    rig.pass(2 * TEN_MS);
    let heard = rig.heard(2);
    assert_eq!(heard.gaps, []);
    assert_eq!(heard.chunk_ends, [2 * BLOCK]);
}

#[test]
fn only_the_newest_command_counts() {
    let mut rig = Rig::new(ramp);
    rig.pass(8_000);
    rig.listen(Listen::All { number: 1, since: rig.card.at(8_000) });
    rig.listen(Listen::Rest);
    rig.listen(Listen::All { number: 2, since: rig.card.at(8_000) });
    rig.pass(1_600);
    assert_eq!(rig.heard(2).samples, meant(3_200..9_600));
    assert!(rig.heard(1).samples.is_empty());
}

#[test]
fn times_are_those_of_the_last_sample() {
    let mut rig = Rig::new(ramp);
    rig.listen(Listen::All { number: 1, since: rig.card.at(0) + Duration::from_secs(1) });
    rig.pass(0);
    for n in 1..20 {
        rig.pass(2 * TEN_MS);
        let at = rig.heard(1).last_at.unwrap();
        assert_eq!(at, rig.card.at(2 * n * TEN_MS));
    }
}

#[test]
fn what_a_card_does_wrong_is_a_fact_while_it_does_and_the_main_loop_is_woken_for_it_once() {
    // Two seconds of sound, one of nonsense, and sound again.
    let mut rig =
        Rig::new(|frame| if (2 * RATE..3 * RATE).contains(&frame) { f32::NAN } else { ramp(frame) });
    let main = Wake::new();
    let mut woken = Vec::new();
    for second in 0..10 {
        for _ in 0..100 {
            rig.card.hear(TEN_MS);
            rig.capture.fetch(&mut rig.stream, &main).unwrap();
            if main.take() {
                woken.push((second, rig.facts.capture.troubles.load(Relaxed)));
            }
        }
    }
    let nonsense = 1 << Trouble::Nonsense as u32;
    assert_eq!(woken, [(2, nonsense), (7, 0)]);
}
