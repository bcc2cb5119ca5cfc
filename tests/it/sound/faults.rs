//! Cards that are missing, busy, or go away.

use std::time::Duration;

use pressel::sound::{DeviceNews, Side, SoundEvent};
use pressel_hal::ErrorKind;
use pressel_hal::alsa::AlsaMicrophone;
use pressel_live::event::{Listen, MicrophoneInput, SpeakerInput};
use pressel_world::card::{CardOptions, Direction, Noise, StreamOptions};

use super::{Bench, settings};

/// A card that is there again is in use again after this.
const BACK: Duration = Duration::from_secs(3);

fn card() -> CardOptions {
    CardOptions { microphone: StreamOptions::new(16_000, 1), speaker: StreamOptions::new(24_000, 1) }
}

impl Bench {
    /// Why a card is waited for.
    async fn waiting(&mut self, wanted: Side) -> (ErrorKind, String) {
        self.event(|event| match event {
            SoundEvent::Device(DeviceNews::Waiting { side, kind, reason, .. }) if *side == wanted => {
                Some((*kind, reason.clone()))
            }
            _ => None,
        })
        .await
    }

    /// Until both cards are waited for, whichever is told first; why the microphone is.
    async fn both_waiting(&mut self) -> ErrorKind {
        let (mut microphone, mut speaker) = (None, false);
        while microphone.is_none() || !speaker {
            let waiting = |event: &SoundEvent| match event {
                SoundEvent::Device(DeviceNews::Waiting { side, kind, .. }) => Some((*side, *kind)),
                _ => None,
            };
            match self.event(waiting).await {
                (Side::Microphone, kind) => microphone = Some(kind),
                (Side::Speaker, _) => speaker = true,
            }
        }
        microphone.expect("the loop ends with it")
    }

    /// Until both cards are in use, whichever is told first.
    async fn both_opened(&mut self) {
        let mut sides = [false; 2];
        while sides != [true; 2] {
            let opened = |event: &SoundEvent| match event {
                SoundEvent::Device(DeviceNews::Opened { side, .. }) => Some(*side),
                _ => None,
            };
            sides[self.event(opened).await as usize] = true;
        }
    }

    async fn opened_within(&mut self, wanted: Side, within: Duration) {
        tokio::time::timeout(within, self.opened(wanted)).await.expect("it is opened in time");
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
    assert_eq!(bench.both_waiting().await, ErrorKind::Lost);
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
async fn a_card_that_stands_still_is_told_once_however_often_it_is_opened() {
    let mut bench = Bench::start(card(), settings()).await;
    bench.card.stall(Direction::Capture);
    bench.card.stall(Direction::Playback);
    bench.both_waiting().await;
    let opens = bench.card.report(Direction::Capture).opens;
    let device = |event: &SoundEvent| match event {
        SoundEvent::Device(news) => Some(news.clone()),
        _ => None,
    };
    // Long enough for each to be opened again, and to be given up again.
    let told = tokio::time::timeout(Duration::from_secs(5), async {
        loop {
            if let Some(news) = device(&bench.sound.next().await) {
                return news;
            }
        }
    });
    assert_eq!(told.await.ok(), None);
    assert!(bench.card.report(Direction::Capture).opens > opens, "nobody has tried again");
    bench.card.resume(Direction::Capture);
    bench.card.resume(Direction::Playback);
    bench.both_opened().await;
}

/// What drivers say of a card that is gone, or has given up.
const GONE: [i32; 5] = [libc::ENODEV, libc::EBADFD, libc::EIO, libc::ENXIO, libc::EPROTO];

#[tokio::test]
async fn whatever_a_microphone_fails_with_it_is_missed_and_used_again() {
    let mut bench = Bench::start(card(), settings()).await;
    for errno in GONE {
        bench.card.break_calls(Direction::Capture, errno);
        let (kind, reason) = bench.waiting(Side::Microphone).await;
        assert_eq!(kind, ErrorKind::Lost, "{reason}");
        bench.card.break_calls(Direction::Capture, 0);
        bench.opened_within(Side::Microphone, BACK).await;
    }
    bench.card.break_poll(Direction::Capture, true);
    let (kind, reason) = bench.waiting(Side::Microphone).await;
    assert!(kind == ErrorKind::Lost && reason.contains("poll"), "{reason}");
    bench.card.break_poll(Direction::Capture, false);
    bench.opened_within(Side::Microphone, BACK).await;
}

#[tokio::test]
async fn whatever_a_speaker_fails_with_it_is_missed_and_used_again() {
    let mut bench = Bench::start(card(), settings()).await;
    let answer = Noise::new(1, 9_000).take(48_000);
    // The last is one that says nothing but POLLERR.
    for (turn, errno) in (1..).zip(GONE.into_iter().map(Some).chain([None])) {
        bench.sound.play(turn, answer.clone(), 24_000);
        bench.sound.end_of_turn(turn);
        let started = |event: &SoundEvent| {
            matches!(event, SoundEvent::Speaker(SpeakerInput::Started { turn: found }, _) if *found == turn)
                .then_some(())
        };
        bench.event(started).await;
        match errno {
            Some(errno) => bench.card.break_calls(Direction::Playback, errno),
            None => bench.card.break_poll(Direction::Playback, true),
        }
        let (kind, reason) = bench.waiting(Side::Speaker).await;
        assert_eq!(kind, ErrorKind::Lost, "{reason}");
        bench.card.break_calls(Direction::Playback, 0);
        bench.opened_within(Side::Speaker, BACK).await;
    }
}

#[tokio::test]
async fn a_card_that_comes_back_with_another_rate_is_agreed_with_anew() {
    let mut bench = Bench::start(card(), settings()).await;
    bench.card.unplug(Direction::Capture);
    bench.waiting(Side::Microphone).await;
    // As another firmware would have it; libasound is told by its configuration, which it must read again.
    let conf = bench.card.env().1;
    let text = std::fs::read_to_string(&conf).unwrap();
    std::fs::write(&conf, text.replace("rates [ 16000 ]", "rates [ 44100 ]")).unwrap();
    bench.card.replug(Direction::Capture);
    bench.opened_within(Side::Microphone, BACK).await;
    assert_eq!(bench.card.report(Direction::Capture).rate_hz, 44_100);
    bench.sound.listen(Listen::All { number: 1, since: std::time::Instant::now() });
    bench.hear(1, 8_000).await;
}

#[tokio::test]
async fn other_settings_open_the_card_again_without_a_word_of_loss() {
    let mut bench = Bench::start(card(), settings()).await;
    let mut settings = settings();
    settings.playback.volume_percent = 50;
    settings.capture.period_ms = 20;
    let conf = bench.card.env().1;
    let capture = settings.capture.request();
    let speaker = || -> Result<Box<dyn pressel_hal::Speaker>, _> { panic!("only its volume is another") };
    bench.sound.renew(
        settings.clone(),
        Box::new(move || Ok(Box::new(super::with_card(&conf, || AlsaMicrophone::open(&capture))?))),
        Box::new(speaker),
    );
    let opened = |event: &SoundEvent| match event {
        // That of the former settings may not have been fetched yet.
        SoundEvent::Device(DeviceNews::Opened { side: Side::Microphone, format, .. }) => {
            (format.period_frames != 160).then_some(*format)
        }
        SoundEvent::Device(_) => None,
        other => panic!("{other:?}"),
    };
    assert_eq!(bench.event(opened).await.period_frames, 320);
    assert_eq!(bench.card.report(Direction::Playback).opens, 1);
    bench.card.fill_noise(3, 5_000).unwrap();
    bench.sound.listen(Listen::All { number: 1, since: std::time::Instant::now() });
    bench.hear(1, 8_000).await;
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
