//! Answers that are cut, or turned down for a moment, while they are heard.

use std::time::Duration;

use pressel::sound::SoundSettings;
use pressel_world::card::{CardOptions, Direction, TakeBack, monotonic_ns};

use super::{RATE, card, drained, first_sound, noise, started};
use crate::sound::{Bench, find, settings};

/// Cuts an answer in the middle and looks at what was heard of it.
async fn cut_an_answer(options: CardOptions, settings: SoundSettings, silent_within: Duration) {
    let mut bench = Bench::start(options, settings.clone()).await;
    let answer = noise(2, 5 * RATE);
    let before = bench.now();
    bench.answer(1, &answer);
    bench.event(started).await;
    bench.until_played(before + RATE as u64 / 3).await;
    let asked_ns = monotonic_ns();
    bench.sound.flush(1);
    // Late parts of the cut turn, then the next one.
    bench.sound.play(1, noise(3, RATE / 2), RATE as u32);
    bench.sound.end_of_turn(1);
    bench.until_played(bench.now() + RATE as u64 / 4).await;
    let next = noise(4, RATE / 4);
    let before_next = bench.now();
    bench.answer(2, &next);
    bench.sound.end_of_turn(2);
    let (turn, _) = bench.event(drained).await;
    assert_eq!(turn, 2, "a cut turn does not drain");

    let played = bench.played(before);
    let first = first_sound(&played);
    let exact = played[first..].iter().zip(&answer).take_while(|(a, b)| a == b).count();
    let cut = first + exact;
    let silent = cut + played[cut..].iter().position(|&sample| sample == 0).unwrap();
    let fade = RATE * settings.playback.fade_ms as usize / 1000;
    assert!(silent - cut <= fade, "faded over {} samples", silent - cut);
    for (at, (&heard, &meant)) in played[cut..silent].iter().zip(&answer[exact..]).enumerate() {
        assert!(
            heard.abs() <= meant.abs() && heard.signum() * meant.signum() >= 0,
            "{at}: {heard} of {meant}"
        );
    }
    let next_at = (before_next - before) as usize;
    assert!(played[silent + fade..next_at].iter().all(|&sample| sample == 0), "stale sound after the flush");
    assert_eq!(find(&played[next_at..], &next), Some(first_sound(&played[next_at..])));
    let asked = bench.card.sample_at(Direction::Playback, asked_ns) - before;
    let took = (silent as f64 - asked as f64) * 1000.0 / RATE as f64;
    assert!(took < silent_within.as_secs_f64() * 1000.0, "silent after {took:.1} ms");
    println!("silent after {took:.1} ms");
}

#[tokio::test]
async fn a_flush_fades_what_is_heard_and_nothing_stale_follows() {
    cut_an_answer(card(), settings(), Duration::from_millis(60)).await;
}

#[tokio::test]
async fn a_card_that_moves_in_packets_is_cut_as_well() {
    let mut options = card();
    options.speaker.pointer_frames = 24;
    cut_an_answer(options, settings(), Duration::from_millis(60)).await;
}

#[tokio::test]
async fn a_card_that_takes_nothing_back_is_kept_shallow() {
    let mut options = card();
    options.speaker.take_back = TakeBack::Ignored;
    let mut settings = settings();
    settings.playback.rewind = false;
    cut_an_answer(options, settings, Duration::from_millis(110)).await;
}

#[tokio::test]
async fn a_rate_converter_is_found_out() {
    let mut options = card();
    options.speaker.take_back = TakeBack::Refused;
    cut_an_answer(options, settings(), Duration::from_millis(110)).await;
}

/// Turns an answer down for a moment; 12 dB must be reached within this.
async fn duck_an_answer(options: CardOptions, ducked_within: Duration) {
    let mut bench = Bench::start(options, settings()).await;
    let answer: Vec<i16> = (0..3 * RATE).map(|n| 8_000 + (n % 1_000) as i16).collect();
    let before = bench.now();
    bench.answer(1, &answer);
    bench.event(started).await;
    bench.until_played(before + RATE as u64 / 3).await;
    let asked = bench.now() - before;
    bench.sound.duck(true);
    bench.until_played(before + RATE as u64 * 2 / 3).await;
    bench.sound.duck(false);
    bench.until_played(before + 2 * RATE as u64).await;
    let played = bench.played(before);
    let first = first_sound(&played);
    let exact = played[first..].iter().zip(&answer).take_while(|(a, b)| a == b).count();
    let gain = |at: usize| f32::from(played[first + at]) / f32::from(answer[at]);
    let down = (exact..).find(|&at| gain(at) < 0.251).unwrap();
    let took = (first + down) as f64 - asked as f64;
    println!("12 dB down after {:.1} ms", took * 1000.0 / RATE as f64);
    assert!(took < ducked_within.as_secs_f64() * RATE as f64, "{took} samples");
    let full = down + answer[down..].iter().zip(&played[first + down..]).position(|(a, b)| a == b).unwrap();
    assert!(full - down > RATE / 4, "it stayed down");
    // The same sentence, bit for bit, as if nothing had been.
    let left = played.len() - first;
    assert_eq!(played[first + full + 16..], answer[full + 16..left]);
    assert!((exact + 1..full).all(|at| (gain(at) - gain(at - 1)).abs() < 0.02), "a click");
}

#[tokio::test]
async fn a_duck_is_heard_at_once_and_the_same_sentence_comes_back() {
    duck_an_answer(card(), Duration::from_millis(60)).await;
}

#[tokio::test]
async fn a_duck_comes_late_by_the_shallow_ring_where_nothing_is_taken_back() {
    let mut options = card();
    options.speaker.take_back = TakeBack::Refused;
    duck_an_answer(options, Duration::from_millis(110)).await;
}
