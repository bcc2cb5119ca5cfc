//! What the microphone delivers.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use pressel::sound::{SoundEvent, SoundSettings};
use pressel_live::event::{Listen, MicrophoneInput};
use pressel_world::card::{CardFormat, CardOptions, Direction, StreamOptions, monotonic_ns};

use super::{Bench, find, settings};

const RATE: u64 = 16_000;

fn card() -> CardOptions {
    CardOptions { microphone: StreamOptions::new(RATE as u32, 1), speaker: StreamOptions::new(24_000, 1) }
}

async fn noisy(options: CardOptions, settings: SoundSettings) -> Bench {
    let mut bench = Bench::start_waiting(options, settings, |card| card.fill_noise(7, 8_000).unwrap());
    bench.until_open().await;
    bench
}

/// A voice at 160 Hz from the first sample on: the gate does not open for noise.
fn vowel(samples: usize) -> Vec<i16> {
    let harmonic = |n: usize, k: usize| (n as f64 * k as f64 * 0.062_8).sin() / k as f64;
    (0..samples).map(|n| ((1..=8).map(|k| harmonic(n, k)).sum::<f64>() * 6_000.0) as i16).collect()
}

impl Bench {
    /// Where in the microphone's file this was said.
    fn said_at(&self, heard: &[i16]) -> u64 {
        let now = self.card.now_sample(Direction::Capture);
        let from = now.saturating_sub(10 * RATE);
        let said = self.card.channel(Direction::Capture, 0, from..now).unwrap();
        from + find(&said, &heard[..64]).expect("it was said") as u64
    }

    fn mic_now(&self) -> u64 {
        self.card.now_sample(Direction::Capture)
    }
}

#[tokio::test]
async fn a_press_brings_the_pre_roll_and_then_everything_exactly() {
    let mut bench = noisy(card(), settings()).await;
    tokio::time::sleep(Duration::from_millis(1_013)).await;
    let (pressed, pressed_at) = (bench.mic_now(), Instant::now());
    bench.sound.listen(Listen::All { number: 1, since: pressed_at });
    let heard = bench.hear(1, 2 * RATE as usize).await;
    let first = bench.said_at(&heard);
    assert_eq!(heard, bench.card.mic_slice(first..first + heard.len() as u64).unwrap());
    // The pre-roll is 300 ms, and up to one block more.
    let before = pressed as f64 - first as f64;
    let (least, most) = (0.300 * RATE as f64, 0.312 * RATE as f64);
    assert!((least - 16.0..most).contains(&before), "{before} samples before the press");
}

#[tokio::test]
async fn a_press_at_any_moment_of_the_rest_is_handled_at_once() {
    let mut bench = noisy(card(), settings()).await;
    for (number, wait) in (1..).zip([503, 317, 441, 289, 372, 418]) {
        tokio::time::sleep(Duration::from_millis(wait)).await;
        let asked = Instant::now();
        bench.sound.listen(Listen::All { number, since: asked });
        let heard = bench.hear(number, RATE as usize / 5).await;
        assert!(asked.elapsed() < Duration::from_millis(60), "first sound after {:?}", asked.elapsed());
        let first = bench.said_at(&heard);
        assert_eq!(heard, bench.card.mic_slice(first..first + heard.len() as u64).unwrap());
        bench.sound.listen(Listen::Rest);
    }
}

#[tokio::test]
async fn what_was_delivered_is_not_delivered_again() {
    let mut bench = noisy(card(), settings()).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut end = 0;
    for number in 1..=4 {
        bench.sound.listen(Listen::All { number, since: Instant::now() });
        let heard = bench.hear(number, RATE as usize / 2).await;
        let first = bench.said_at(&heard);
        assert!(
            first >= end,
            "the pre-roll of {number} begins {} samples inside the one before",
            end - first
        );
        end = first + heard.len() as u64;
        bench.sound.listen(Listen::Rest);
    }
}

#[tokio::test]
async fn chunks_leave_when_they_are_complete() {
    let mut bench = noisy(card(), settings()).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    bench.sound.listen(Listen::All { number: 1, since: Instant::now() });
    let heard = bench.hear(1, RATE as usize / 2).await;
    let mut position = bench.said_at(&heard) + heard.len() as u64;
    let (mut ages, mut off) = (Vec::new(), Vec::new());
    for _ in 0..150 {
        let (samples, at) = bench
            .event(|event| match event {
                SoundEvent::Microphone(MicrophoneInput::Chunk { samples, at, .. }) => {
                    Some((samples.len(), *at))
                }
                _ => None,
            })
            .await;
        assert_eq!(samples as u64, RATE / 50);
        let oldest = bench.card.time_of(Direction::Capture, position);
        ages.push((monotonic_ns() - oldest) as f64 / 1e6);
        position += samples as u64;
        off.push(
            (super::ns_of(at) as f64 - bench.card.time_of(Direction::Capture, position) as f64).abs() / 1e6,
        );
    }
    let mut sorted = ages.clone();
    sorted.sort_by(f64::total_cmp);
    println!("oldest sample of a chunk: median {:.2} ms, worst {:.2} ms", sorted[75], sorted[149]);
    // The machine may be busy; half of the chunks are not even then.
    assert!(sorted[75] < 23.0, "{sorted:?}");
    off.sort_by(f64::total_cmp);
    assert!(off[75] < 0.5, "capture times are off by {off:?}");
}

#[tokio::test]
async fn at_rest_the_card_wakes_the_thread_only_as_often_as_it_is_told() {
    let mut bench = noisy(card(), settings()).await;
    let facts = bench.sound.facts();
    let before = facts.capture.wakes.load(Relaxed);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let wakes = facts.capture.wakes.load(Relaxed) - before;
    assert!((44..=54).contains(&wakes), "{wakes} wake-ups in 3 s of rest");
    bench.sound.listen(Listen::All { number: 1, since: Instant::now() });
    bench.hear(1, RATE as usize / 2).await;
    let before = facts.capture.wakes.load(Relaxed);
    bench.hear(1, 2 * RATE as usize).await;
    let wakes = facts.capture.wakes.load(Relaxed) - before;
    assert!((96..=110).contains(&wakes), "{wakes} wake-ups for 100 chunks");
}

#[tokio::test]
async fn an_array_is_heard_through_the_chosen_channel() {
    let mut options = card();
    options.microphone = StreamOptions::new(48_000, 6).formats(&[CardFormat::S24Le3]);
    let mut settings = settings();
    settings.capture.use_channels = vec![4];
    let mut bench = Bench::start_waiting(options, settings, |card| {
        let tone: Vec<i16> = (0..48_000 * 5).map(|n| ((n as f32 * 0.0654).sin() * 10_000.0) as i16).collect();
        card.say_on(&[4], 0, &tone).unwrap();
        card.say_on(&[0, 1, 2, 3, 5], 0, &vec![20_000; tone.len()]).unwrap();
    });
    bench.until_open().await;
    let facts = bench.sound.facts();
    assert_eq!(facts.capture.rate_hz.load(Relaxed), 48_000);
    assert_eq!(facts.capture.channels.load(Relaxed), 6);
    tokio::time::sleep(Duration::from_millis(400)).await;
    bench.sound.listen(Listen::All { number: 1, since: Instant::now() });
    let heard = bench.hear(1, RATE as usize / 2).await;
    let peak = heard.iter().map(|sample| sample.unsigned_abs()).max().unwrap();
    assert!((9_900..=10_100).contains(&peak), "{peak}");
    // A sine and nothing else: each sample follows from the two before it.
    let twice_cos = 2.0 * (0.0654_f64 * 3.0).cos();
    for three in heard[320..].windows(3) {
        let meant = twice_cos * f64::from(three[1]) - f64::from(three[0]);
        assert!((f64::from(three[2]) - meant).abs() < 12.0, "{three:?}");
    }
}

#[tokio::test]
async fn the_gate_lets_speech_through_with_what_came_before() {
    let mut settings = settings();
    settings.gate.hangover_ms = 300;
    let speech = vowel(RATE as usize / 2);
    let said = speech.clone();
    let mut bench = Bench::start_waiting(card(), settings, |_| {});
    bench.until_open().await;
    let at = bench.mic_now() + RATE;
    bench.card.say(at, &said).unwrap();
    bench.sound.listen(Listen::Gated { number: 5, watch: false });
    let microphone = |event: &SoundEvent| match event {
        SoundEvent::Microphone(input) => Some(input.clone()),
        _ => None,
    };
    assert_eq!(bench.event(microphone).await, MicrophoneInput::Opened { listen: 5 });
    let mut heard = Vec::new();
    loop {
        match bench.event(microphone).await {
            MicrophoneInput::Chunk { listen: 5, samples, .. } => heard.extend(samples),
            MicrophoneInput::Closed { listen: 5 } => break,
            other => panic!("{other:?}"),
        }
    }
    let start = find(&heard, &speech[..64]).expect("the speech");
    assert_eq!(heard[start..start + speech.len()], speech);
    // It opens after 60 ms of speech, the pre-roll begins 300 ms before that.
    let before = start as f64 / RATE as f64;
    assert!((0.23..0.26).contains(&before), "{before} s before the speech");
    let after = (heard.len() - start - speech.len()) as f64 / RATE as f64;
    assert!((0.28..0.33).contains(&after), "{after} s after the speech");
}

#[tokio::test]
async fn an_overrun_is_told_as_a_gap_of_its_length() {
    let mut bench = noisy(card(), settings()).await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    bench.sound.listen(Listen::All { number: 1, since: Instant::now() });
    let first = bench.hear(1, RATE as usize / 2).await;
    let mut position = bench.said_at(&first) + first.len() as u64;
    bench.card.force_xrun(Direction::Capture);
    let lost = loop {
        let input = bench.event(|event| match event {
            SoundEvent::Microphone(input) => Some(input.clone()),
            _ => None,
        });
        match input.await {
            MicrophoneInput::Chunk { samples, .. } => position += samples.len() as u64,
            MicrophoneInput::Gap { listen: 1, samples } => break samples,
            other => panic!("{other:?}"),
        }
    };
    let after = bench.hear(1, RATE as usize / 2).await;
    let went_on = bench.said_at(&after[320..]) - 320;
    // Blocks that were on their way when the gap was told belong to the chunk after it.
    assert!((went_on as i64 - (position + lost) as i64).abs() <= 330, "{position} + {lost}, then {went_on}");
    assert_eq!(bench.sound.facts().capture.xruns.load(Relaxed), 1);
}
