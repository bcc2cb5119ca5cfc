//! Cards that are missing, busy, or go away.

use std::time::Duration;

use pressel::sound::{DeviceNews, Side, SoundEvent};
use pressel_hal::ErrorKind;
use pressel_live::event::{Listen, MicrophoneInput, SpeakerInput};
use pressel_world::card::{CardOptions, Direction, Noise, StreamOptions};

use super::{Bench, settings};

fn card() -> CardOptions {
    CardOptions { microphone: StreamOptions::new(16_000, 1), speaker: StreamOptions::new(24_000, 1) }
}

impl Bench {
    /// Why a card is waited for.
    async fn waiting(&mut self, wanted: Side) -> (ErrorKind, String) {
        self.event(|event| match event {
            SoundEvent::Device(DeviceNews::Waiting { side, kind, reason }) if *side == wanted => {
                Some((*kind, reason.clone()))
            }
            _ => None,
        })
        .await
    }

    async fn opened(&mut self, wanted: Side) {
        self.event(|event| match event {
            SoundEvent::Device(DeviceNews::Opened { side, .. }) if *side == wanted => Some(()),
            _ => None,
        })
        .await;
    }
}

#[tokio::test]
async fn an_unplugged_microphone_is_told_and_found_again() {
    let mut bench = Bench::start(card(), settings()).await;
    bench.card.unplug(Direction::Capture);
    let (mut lost, mut kinds) = (false, Vec::new());
    while !lost || kinds.len() < 2 {
        match bench.event(|event| Some(event.clone())).await {
            SoundEvent::Microphone(MicrophoneInput::Lost) => lost = true,
            SoundEvent::Device(DeviceNews::Waiting { side: Side::Microphone, kind, .. }) => kinds.push(kind),
            SoundEvent::Device(DeviceNews::Opened { .. }) => {} // told late
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(kinds, [ErrorKind::Lost, ErrorKind::NotFound]);
    let microphone = |event: &SoundEvent| match event {
        SoundEvent::Microphone(input) => Some(input.clone()),
        _ => None,
    };
    bench.card.replug(Direction::Capture);
    assert_eq!(bench.event(microphone).await, MicrophoneInput::Back);
    bench.card.fill_noise(3, 5_000).unwrap();
    bench.sound.listen(Listen::All { number: 1, since: std::time::Instant::now() });
    bench.hear(1, 8_000).await;
}

#[tokio::test]
async fn an_unplugged_speaker_is_told_and_nothing_waits_for_it() {
    let mut bench = Bench::start(card(), settings()).await;
    let answer = Noise::new(1, 9_000).take(48_000);
    bench.sound.play(1, answer.clone(), 24_000);
    bench.sound.end_of_turn(1);
    let speaker = |event: &SoundEvent| match event {
        SoundEvent::Speaker(input, _) => Some(*input),
        _ => None,
    };
    assert_eq!(bench.event(speaker).await, SpeakerInput::Started { turn: 1 });
    bench.card.unplug(Direction::Playback);
    assert_eq!(bench.event(speaker).await, SpeakerInput::Lost);
    assert_eq!(bench.event(speaker).await, SpeakerInput::Drained { turn: 1 });
    bench.sound.play(2, answer.clone(), 24_000);
    bench.sound.end_of_turn(2);
    assert_eq!(bench.event(speaker).await, SpeakerInput::Drained { turn: 2 });
    bench.card.replug(Direction::Playback);
    assert_eq!(bench.event(speaker).await, SpeakerInput::Back);
    let before = bench.card.now_sample(Direction::Playback);
    bench.sound.play(3, answer[..12_000].to_vec(), 24_000);
    bench.sound.end_of_turn(3);
    assert_eq!(bench.event(speaker).await, SpeakerInput::Started { turn: 3 });
    assert_eq!(bench.event(speaker).await, SpeakerInput::Drained { turn: 3 });
    assert!(super::find(&bench.played(before), &answer[..12_000]).is_some());
}

#[tokio::test]
async fn a_quiet_speaker_is_missed_too() {
    let mut bench = Bench::start(card(), settings()).await;
    bench.card.unplug(Direction::Playback);
    assert_eq!(bench.waiting(Side::Speaker).await.0, ErrorKind::Lost);
}

#[tokio::test]
async fn busy_and_forbidden_cards_are_named_and_waited_for() {
    let mut bench = Bench::start_waiting(card(), settings(), |card| {
        card.set_busy(Direction::Capture, true);
        card.set_denied(Direction::Playback, true);
    });
    let (kind, reason) = bench.waiting(Side::Microphone).await;
    assert_eq!(kind, ErrorKind::Busy);
    assert!(reason.starts_with("open capture \"pressel_mic\": busy"), "{reason}");
    bench.card.set_busy(Direction::Capture, false);
    bench.opened(Side::Microphone).await;

    let folder = bench.card.directory().to_owned();
    drop(bench);
    let mut bench =
        Bench::start_waiting(card(), settings(), |card| card.set_denied(Direction::Playback, true));
    assert_ne!(bench.card.directory(), folder);
    let (kind, reason) = bench.waiting(Side::Speaker).await;
    assert_eq!(kind, ErrorKind::PermissionDenied);
    assert!(reason.contains("group audio"), "{reason}");
}

#[tokio::test]
async fn a_card_that_does_not_exist_is_named_with_those_that_do() {
    let mut settings = settings();
    settings.capture.device = "hw:CARD=Nowhere".into();
    let mut bench = Bench::start_waiting(card(), settings, |_| {});
    let (kind, reason) = bench.waiting(Side::Microphone).await;
    assert_eq!(kind, ErrorKind::NotFound, "{reason}");
    assert!(reason.contains("hw:CARD=Nowhere") && reason.contains("there "), "{reason}");
}

#[tokio::test]
async fn a_card_that_falls_silent_without_an_error_is_opened_again() {
    let mut bench = Bench::start(card(), settings()).await;
    bench.card.stall(Direction::Capture);
    bench.card.stall(Direction::Playback);
    assert_eq!(bench.waiting(Side::Microphone).await.0, ErrorKind::Lost);
    bench.waiting(Side::Speaker).await;
    bench.card.resume(Direction::Capture);
    bench.card.resume(Direction::Playback);
    let facts = bench.sound.facts();
    let running = std::sync::atomic::Ordering::Relaxed;
    for _ in 0..500 {
        if facts.capture.running.load(running) && facts.playback.running.load(running) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("both cards run again");
}

#[tokio::test]
async fn stopping_is_quick_and_closes_the_cards() {
    let mut bench = Bench::start(card(), settings()).await;
    bench.sound.play(1, Noise::new(1, 9_000).take(48_000), 24_000);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let before = std::time::Instant::now();
    bench.sound.stop();
    assert!(before.elapsed() < Duration::from_millis(200), "{:?}", before.elapsed());
    let closed = pressel_world::card::StreamState::Closed;
    assert_eq!(bench.card.report(Direction::Capture).state, closed);
    assert_eq!(bench.card.report(Direction::Playback).state, closed);
}

#[tokio::test]
async fn a_pcm_without_a_clock_is_refused_instead_of_spinning() {
    let mut settings = settings();
    settings.capture.device = "null".into();
    let mut bench = Bench::start_waiting(card(), settings, |_| {});
    let (kind, reason) = bench.waiting(Side::Microphone).await;
    assert_eq!(kind, ErrorKind::Unsupported, "{reason}");
}
