//! What the speaker plays.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use pressel::sound::{KeepAwake, SoundEvent, SoundSettings};
use pressel_live::event::SpeakerInput;
use pressel_world::card::{CardOptions, Direction, Noise, StreamOptions, TakeBack, monotonic_ns};

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
