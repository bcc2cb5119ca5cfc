//! What the speaker plays: whole answers, one after the other, and sounds of the device's own.

mod clock;
mod cut;

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use pressel::sound::SoundEvent;
use pressel_live::event::SpeakerInput;
use pressel_world::card::{CardOptions, Direction, Noise, StreamOptions};

use super::{Bench, find, ns_of, settings};

const RATE: usize = 24_000;

fn card() -> CardOptions {
    CardOptions { microphone: StreamOptions::new(16_000, 1), speaker: StreamOptions::new(RATE as u32, 1) }
}

fn drained(event: &SoundEvent) -> Option<(u32, Instant)> {
    match *event {
        SoundEvent::Speaker(SpeakerInput::Drained { turn }, at) => Some((turn, at)),
        _ => None,
    }
}

fn started(event: &SoundEvent) -> Option<(u32, Instant)> {
    match *event {
        SoundEvent::Speaker(SpeakerInput::Started { turn }, at) => Some((turn, at)),
        _ => None,
    }
}

/// Noise that is never 0, so that silence stands out.
fn noise(seed: u64, samples: usize) -> Vec<i16> {
    Noise::new(seed, 9_000)
        .take(samples)
        .into_iter()
        .map(|sample| if sample == 0 { 1 } else { sample })
        .collect()
}

fn first_sound(played: &[i16]) -> usize {
    played.iter().position(|&sample| sample != 0).expect("something was played")
}

impl Bench {
    /// Hands over an answer as the service does: in messages.
    fn answer(&mut self, turn: u32, samples: &[i16]) {
        for message in samples.chunks(RATE / 5) {
            assert_eq!(self.sound.play(turn, message.to_vec(), RATE as u32), 0);
        }
    }

    fn now(&self) -> u64 {
        self.card.now_sample(Direction::Playback)
    }
}

#[tokio::test]
async fn an_answer_is_played_whole_and_once() {
    let mut bench = Bench::start(card(), settings()).await;
    let answer = noise(1, RATE);
    let before = bench.now();
    bench.answer(1, &answer);
    bench.sound.end_of_turn(1);
    let (_, start) = bench.event(started).await;
    let (turn, end) = bench.event(drained).await;
    let played = bench.played(before);
    let first = first_sound(&played);
    assert_eq!(turn, 1);
    assert_eq!(played[first..first + answer.len()], answer);
    assert!(played[first + answer.len()..].iter().all(|&sample| sample == 0));
    for (what, said, sample) in [("start", start, first), ("end", end, first + answer.len())] {
        let off = bench.card.sample_at(Direction::Playback, ns_of(said)).abs_diff(before + sample as u64);
        assert!(off < 24, "{what} is off by {off} samples");
    }
}

#[tokio::test]
async fn a_starved_answer_goes_on_where_it_stopped() {
    let mut bench = Bench::start(card(), settings()).await;
    let answer = noise(5, RATE / 2);
    let (head, rest) = answer.split_at(RATE / 10);
    let before = bench.now();
    bench.answer(1, head);
    bench.until_played(before + RATE as u64 / 4).await;
    bench.answer(1, rest);
    bench.sound.end_of_turn(1);
    bench.event(drained).await;
    let played = bench.played(before);
    let sounding: Vec<i16> = played.iter().copied().filter(|&sample| sample != 0).collect();
    assert_eq!(sounding, answer);
    let first = first_sound(&played);
    assert_eq!(find(&played, head), Some(first));
    assert_eq!(bench.sound.facts().playback.starved.load(Relaxed), 1);
    assert_eq!(bench.sound.facts().playback.xruns.load(Relaxed), 0);
}

#[tokio::test]
async fn a_card_that_breaks_down_loses_nothing_of_the_answer() {
    let mut bench = Bench::start(card(), settings()).await;
    let answer = noise(15, RATE);
    let before = bench.now();
    bench.answer(1, &answer);
    bench.sound.end_of_turn(1);
    bench.event(started).await;
    bench.until_played(before + RATE as u64 / 2).await;
    bench.card.force_xrun(Direction::Playback);
    bench.event(drained).await;
    let played = bench.played(before);
    let first = first_sound(&played);
    let exact = played[first..].iter().zip(&answer).take_while(|(a, b)| a == b).count();
    assert!(exact < answer.len(), "the card did not break down");
    // Where it stopped is known to the millisecond; the rest is whole.
    let rest = &answer[exact + RATE / 100..];
    let again = find(&played[first + exact..], rest).expect("the rest of the answer");
    assert!(again < RATE / 8, "it went on after {again} samples");
    assert_eq!(bench.sound.facts().playback.xruns.load(Relaxed), 1);
}

#[tokio::test]
async fn turns_follow_each_other_without_a_gap() {
    let mut bench = Bench::start(card(), settings()).await;
    let answers = [noise(6, RATE / 3), noise(7, RATE / 3), noise(8, RATE / 3)];
    let before = bench.now();
    for (turn, answer) in (1..).zip(&answers) {
        bench.answer(turn, answer);
        bench.sound.end_of_turn(turn);
    }
    for turn in 1..=3 {
        assert_eq!(bench.event(started).await.0, turn);
        assert_eq!(bench.event(drained).await.0, turn);
    }
    let played = bench.played(before);
    assert_eq!(find(&played, &answers.concat()), Some(first_sound(&played)));
}

#[tokio::test]
async fn a_turn_without_sound_drains_at_once() {
    let mut bench = Bench::start(card(), settings()).await;
    bench.sound.end_of_turn(3);
    assert_eq!(bench.event(drained).await.0, 3);
}

#[tokio::test]
async fn a_sound_of_our_own_is_mixed_in_at_once_and_survives_a_flush() {
    let mut bench = Bench::start(card(), settings()).await;
    let (answer, earcon) = (noise(9, 2 * RATE), noise(10, RATE / 2));
    let before = bench.now();
    bench.answer(1, &answer);
    bench.event(started).await;
    bench.until_played(before + RATE as u64 / 4).await;
    let asked = (bench.now() - before) as usize;
    assert!(bench.sound.play_local(&earcon, RATE as u32));
    bench.until_played(before + RATE as u64 / 2).await;
    bench.sound.flush(1);
    bench.until_played(before + RATE as u64).await;
    let played = bench.played(before);
    let first = first_sound(&played);
    let exact = played[first..].iter().zip(&answer).take_while(|(a, b)| a == b).count();
    let mixed_from = first + exact;
    assert!(mixed_from.abs_diff(asked) < RATE / 20, "mixed {mixed_from}, asked {asked}");
    // Where both sound it is their sum; the answer goes on beneath as if nothing had happened. A thread that came
    // so late that the DAC had passed the place says so, and the first frames of the earcon are not heard.
    let late = bench.sound.facts().playback.late.load(Relaxed) > 0;
    let both = RATE / 10;
    let sums = |unheard: &usize| {
        (0..both).all(|at| {
            let sum = i32::from(answer[exact + at]) + i32::from(earcon[unheard + at]);
            (i32::from(played[mixed_from + at]) - sum).abs() <= 1
        })
    };
    let unheard = (0..RATE / 100).find(sums).expect("the sum of both, from the first 10 ms on");
    assert!(unheard == 0 || late, "{unheard} samples of the earcon are missing, and the thread was not late");
    // After the flush the earcon alone goes on to its end.
    let end = mixed_from + earcon.len() - unheard;
    let tail = RATE / 8;
    assert_eq!(played[end - tail..end], earcon[earcon.len() - tail..]);
    assert!(played[end..].iter().all(|&sample| sample == 0));
}

#[tokio::test]
async fn an_answer_does_not_wait_for_a_sound_of_our_own() {
    let mut bench = Bench::start(card(), settings()).await;
    let (answer, line) = (noise(11, RATE / 2), noise(12, RATE));
    let before = bench.now();
    assert!(bench.sound.play_local(&line, RATE as u32));
    bench.until_played(before + RATE as u64 / 3).await;
    let asked = bench.now();
    bench.answer(1, &answer);
    let (_, start) = bench.event(started).await;
    let start = bench.card.sample_at(Direction::Playback, ns_of(start));
    assert!(start - asked < RATE as u64 / 20, "{} samples", start - asked);
    bench.until_played(before + RATE as u64).await;
    let (played, from) = (bench.played(before), (start - before) as usize);
    let line_at = find(&played, &line[..RATE / 10]).unwrap();
    let sums = |from: usize| {
        (0..RATE / 4).all(|at| {
            let sum = i32::from(answer[at]) + i32::from(line[from - line_at + at]);
            (i32::from(played[from + at]) - sum).abs() <= 1
        })
    };
    assert!((from - 24..from + 24).any(sums), "the answer starts at {from}");
}

#[tokio::test]
async fn another_rate_and_more_channels_lose_nothing() {
    let mut options = card();
    options.speaker = StreamOptions::new(48_000, 2);
    let mut settings = settings();
    settings.playback.rate_hz = 48_000;
    let mut bench = Bench::start(options, settings).await;
    let answer: Vec<i16> = (0..RATE).map(|n| ((n as f32 * 0.13).sin() * 8_000.0) as i16).collect();
    let before = bench.now();
    bench.answer(1, &answer);
    bench.sound.end_of_turn(1);
    let (_, start) = bench.event(started).await;
    bench.event(drained).await;
    let mut resampler = pressel_dsp::Resampler::aligned(24_000, 48_000).unwrap();
    let mut input = vec![0.0; answer.len()];
    pressel_dsp::from_i16s(&answer, &mut input);
    input.resize(input.len() + resampler.tail(), 0.0);
    let mut output = vec![0.0; 2 * input.len() + 16];
    let (_, produced) = resampler.process(&input, &mut output);
    let meant: Vec<i16> = output[..produced].iter().map(|&sample| pressel_dsp::to_i16(sample)).collect();
    let start = bench.card.sample_at(Direction::Playback, ns_of(start));
    let slice = bench.card.speaker_slice(before..bench.now()).unwrap();
    let (left, right): (Vec<i16>, Vec<i16>) = slice.chunks_exact(2).map(|frame| (frame[0], frame[1])).unzip();
    assert_eq!(left, right);
    let core = &meant[480..meant.len() - 480];
    let at = find(&left, core).expect("the answer, resampled") - 480;
    assert!((before + at as u64).abs_diff(start) < 48);
}

#[tokio::test]
async fn a_quiet_card_costs_no_wake_ups_and_a_playing_one_few() {
    let mut bench = Bench::start(card(), settings()).await;
    let facts = bench.sound.facts();
    let wakes = || facts.playback.wakes.load(Relaxed);
    let quiet = wakes();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let quiet = wakes() - quiet;
    assert!(quiet <= 2, "{quiet} wake-ups in 3 s of silence");
    bench.answer(1, &noise(13, 3 * RATE));
    bench.event(started).await;
    let playing = wakes();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let playing = wakes() - playing;
    assert!((15..=26).contains(&playing), "{playing} wake-ups in 2 s of sound");
}

#[tokio::test]
async fn a_full_queue_drops_the_newest() {
    let mut settings = settings();
    settings.playback.queue_max_s = 10;
    let mut bench = Bench::start(card(), settings).await;
    let answer = noise(14, RATE);
    let dropped: Vec<usize> = (0..12).map(|_| bench.sound.play(1, answer.clone(), RATE as u32)).collect();
    assert_eq!(dropped[..10], [0; 10]);
    assert_eq!(dropped[11], RATE);
    let counted = bench.sound.facts().playback.dropped_samples.load(Relaxed);
    assert_eq!(counted as usize, dropped.iter().sum::<usize>());
}

#[tokio::test]
async fn the_volume_follows_at_once() {
    let mut bench = Bench::start(card(), settings()).await;
    let answer = vec![8_000; RATE];
    let before = bench.now();
    bench.answer(1, &answer);
    bench.until_played(before + RATE as u64 / 4).await;
    bench.sound.set_volume(50.0);
    let asked = (bench.now() - before) as usize;
    bench.until_played(before + RATE as u64 / 2).await;
    let played = bench.played(before);
    let turned = played.iter().rposition(|&sample| sample == 8_000).unwrap();
    assert!(turned.abs_diff(asked) < RATE / 20, "asked at {asked}, turned at {turned}");
    assert_eq!(played[turned + RATE / 20], 1_000, "the cube of a half");
    assert!(played[turned..].windows(2).all(|pair| pair[0].abs_diff(pair[1]) < 40), "a click");
}

#[tokio::test]
async fn a_voice_that_breaks_off_fades_out_at_its_pitch_and_in_again() {
    let mut settings = settings();
    settings.playback.conceal = true;
    let mut bench = Bench::start(card(), settings).await;
    let wave = |n: usize| (n as f32 * 160.0 * std::f32::consts::TAU / RATE as f32).sin();
    let voice: Vec<i16> = (0..RATE / 2).map(|n| (9_000.0 * wave(n)) as i16 | 1).collect();
    let (head, rest) = voice.split_at(RATE / 8);
    let before = bench.now();
    bench.answer(1, head);
    bench.until_played(before + RATE as u64 / 3).await;
    bench.answer(1, rest);
    bench.sound.end_of_turn(1);
    bench.event(drained).await;
    let played = bench.played(before);
    let first = first_sound(&played);
    assert_eq!(find(&played, head), Some(first));
    let made_up = &played[first + head.len()..][..RATE * 40 / 1000];
    assert!(made_up[..100].iter().any(|sample| sample.abs() > 4_000), "it goes on for a moment");
    let fade = RATE * 3 / 1000;
    let back = find(&played, &rest[fade..]).expect("every sample after the fade");
    assert!(back > first + head.len() + made_up.len());
    let sounding = &played[first..back + 1_000];
    let step = sounding.windows(2).map(|pair| pair[0].abs_diff(pair[1])).max().unwrap();
    assert!(step < 600, "a click of {step}; the wave itself has steps of 380");
    assert_eq!(bench.sound.facts().playback.starved.load(Relaxed), 1);
}
