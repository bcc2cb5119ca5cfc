//! What is known of what was played and when: the far end, and the card's clock when nothing is written.

use std::time::Duration;

use pressel::sound::{KeepAwake, SoundEvent};
use pressel_live::event::SpeakerInput;
use pressel_world::card::{Direction, TakeBack};

use super::{RATE, card, drained, first_sound, noise, started};
use crate::sound::{Bench, find, ns_of, settings};

#[tokio::test]
async fn the_far_end_is_what_the_card_played_and_when() {
    let mut bench = Bench::start(card(), settings()).await;
    let far = bench.sound.far_end();
    let before = bench.now();
    bench.answer(1, &noise(16, 2 * RATE));
    bench.event(started).await;
    bench.until_played(before + RATE as u64 / 4).await;
    bench.sound.set_volume(70.0);
    bench.until_played(before + RATE as u64 / 2).await;
    assert!(bench.sound.play_local(&noise(17, RATE / 4), RATE as u32));
    bench.until_played(before + RATE as u64 * 3 / 4).await;
    bench.sound.flush(1);
    bench.until_played(before + RATE as u64 * 9 / 10).await;
    bench.answer(2, &noise(18, RATE / 20));
    bench.sound.end_of_turn(2);
    bench.event(drained).await;
    let clock = far.clock().expect("a card is open");
    assert_eq!(clock.rate_hz as usize, RATE);
    let (played, now) = (bench.played(before), clock.at);
    let mut heard = vec![0.0; RATE * 19 / 20];
    assert!(far.read(clock.generation, clock.position - heard.len() as u64, &mut heard));
    let heard: Vec<i16> = heard.into_iter().map(pressel_dsp::to_i16).collect();
    let at = find(&played, &heard).expect("the same samples");
    let end = before + (at + heard.len()) as u64;
    let told = bench.card.sample_at(Direction::Playback, ns_of(now));
    assert!(end.abs_diff(told) <= 24, "frame {} was played at {end}, told {told}", clock.position);
    assert!(heard.iter().filter(|&&sample| sample != 0).count() > RATE / 2);
}

#[tokio::test]
async fn while_something_sounds_the_far_end_s_clock_is_fresh_and_a_reopened_card_is_another() {
    let mut bench = Bench::start(card(), settings()).await;
    let far = bench.sound.far_end();
    let first = far.clock().expect("a card is open");
    bench.answer(1, &noise(19, RATE));
    bench.sound.end_of_turn(1);
    bench.event(started).await;
    let mut stale = 0;
    for _ in 0..90 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        stale += u32::from(far.clock().unwrap().at.elapsed() > Duration::from_millis(100));
    }
    // Of a busy machine a few moments are forgiven; looked at when it is quiet, it would be stale nearly always.
    assert!(stale <= 20, "{stale} of 90 looks");
    bench.card.unplug(Direction::Playback);
    bench.event(|event| matches!(event, SoundEvent::Speaker(SpeakerInput::Lost, _)).then_some(())).await;
    assert_eq!(far.clock(), None);
    bench.card.replug(Direction::Playback);
    bench.event(|event| matches!(event, SoundEvent::Speaker(SpeakerInput::Back, _)).then_some(())).await;
    bench.answer(2, &noise(20, RATE / 10));
    bench.event(started).await;
    let again = far.clock().unwrap();
    assert!(again.generation != first.generation && again.position < RATE as u64);
    assert!(!far.read(first.generation, first.position, &mut [0.0; 10]));
}

/// Frames by which the card's clock moves in half a second after an answer.
async fn clock_after_an_answer(keep_awake: KeepAwake) -> u64 {
    let mut options = card();
    options.speaker.take_back = TakeBack::Refused;
    let mut settings = settings();
    settings.playback.keep_awake = keep_awake;
    let mut bench = Bench::start(options, settings).await;
    let answer = noise(21, RATE / 4);
    let before = bench.now();
    bench.answer(1, &answer);
    bench.sound.end_of_turn(1);
    bench.event(drained).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let far = bench.sound.far_end();
    let stopped = far.clock().unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    bench.sound.set_volume(50.0); // so that a thread that sleeps looks at its card
    tokio::time::sleep(Duration::from_millis(50)).await;
    let played = bench.played(before);
    assert_eq!(find(&played, &answer), Some(first_sound(&played)), "{keep_awake:?}");
    far.clock().unwrap().position - stopped.position
}

#[tokio::test]
async fn a_stream_that_stops_when_nothing_is_written_is_kept_running_if_that_is_wished() {
    assert_eq!(clock_after_an_answer(KeepAwake::Silence).await, 0);
    let moved = clock_after_an_answer(KeepAwake::Zeros).await;
    assert!(moved > RATE as u64 / 3, "{moved} frames in half a second");
}
