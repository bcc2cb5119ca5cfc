//! What is agreed on with cards of all kinds, without the threads.

use std::time::Duration;

use pressel_hal::alsa::{AlsaMicrophone, AlsaSpeaker, Direction, probe};
use pressel_hal::{
    ErrorKind, Format, Microphone, SampleFormat, Speaker, StreamRequest, Timing, Wake, monotonic_ns,
};
use pressel_world::card::{Card, CardFormat, CardOptions, Direction as Side, StreamOptions, TakeBack};
use tempfile::TempDir;

use super::with_card;

fn request(device: &str, rate_hz: u32, channels: u32) -> StreamRequest {
    StreamRequest { device: device.into(), rate_hz, channels, period_ms: 10, buffer_ms: 200 }
}

fn microphone(stream: StreamOptions, request: &StreamRequest) -> Format {
    let folder = TempDir::new().unwrap();
    let options = CardOptions { microphone: stream, ..CardOptions::default() };
    let card = Card::create(folder.path(), options).unwrap();
    with_card(&card.env().1, || AlsaMicrophone::open(request)).unwrap().format()
}

fn speaker(stream: StreamOptions, request: &StreamRequest) -> AlsaSpeaker {
    let folder = TempDir::new().unwrap();
    let options = CardOptions { speaker: stream, ..CardOptions::default() };
    let card = Card::create(folder.path(), options).unwrap();
    with_card(&card.env().1, || AlsaSpeaker::open(request)).unwrap()
}

#[test]
fn what_is_wished_is_taken_where_it_is_offered() {
    let format = microphone(StreamOptions::new(16_000, 1), &request("pressel_mic", 16_000, 1));
    let meant = Format {
        rate_hz: 16_000,
        channels: 1,
        sample: SampleFormat::S16Le,
        period_frames: 160,
        buffer_frames: 3_200,
    };
    assert_eq!(format, meant);
}

#[test]
fn a_rate_that_is_not_offered_becomes_one_that_converts_well() {
    let rates = |rates: &[u32], wished| {
        let mut stream = StreamOptions::new(rates[0], 1);
        stream.rates = rates.to_vec();
        microphone(stream, &request("pressel_mic", wished, 1)).rate_hz
    };
    assert_eq!(rates(&[44_100, 48_000], 16_000), 48_000);
    assert_eq!(rates(&[44_100, 96_000], 16_000), 96_000);
    assert_eq!(rates(&[44_100], 16_000), 44_100);
    assert_eq!(rates(&[8_000, 32_000], 16_000), 32_000);
    assert_eq!(rates(&[16_000, 48_000], 16_000), 16_000);
}

#[test]
fn arrays_and_stereo_only_cards_are_taken_as_they_are() {
    let array = StreamOptions::new(48_000, 6).formats(&[CardFormat::S24Le3]);
    let format = microphone(array, &request("pressel_mic", 16_000, 1));
    assert_eq!((format.channels, format.sample, format.rate_hz), (6, SampleFormat::S24Le3, 48_000));
    let dac = StreamOptions::new(48_000, 2).formats(&[CardFormat::S32Le]);
    let format = speaker(dac, &request("pressel_speaker", 48_000, 1)).format();
    assert_eq!((format.channels, format.sample), (2, SampleFormat::S32Le));
}

#[test]
fn sixteen_bits_are_preferred() {
    let stream =
        StreamOptions::new(48_000, 2).formats(&[CardFormat::S32Le, CardFormat::S16Le, CardFormat::S24Le3]);
    let format = speaker(stream, &request("pressel_speaker", 48_000, 1)).format();
    assert_eq!(format.sample, SampleFormat::S16Le);
}

#[test]
fn the_plug_layer_is_not_allowed_to_resample() {
    // `default` is libasound's plug over a card that only knows 48 kHz.
    let format = microphone(StreamOptions::new(48_000, 1), &request("default", 16_000, 1));
    assert_eq!(format.rate_hz, 48_000);
}

#[test]
fn a_plug_over_a_card_takes_sound_back_as_the_card_does() {
    let mut stream = StreamOptions::new(48_000, 2).formats(&[CardFormat::S32Le]);
    assert!(speaker(stream.clone(), &request("default", 48_000, 1)).can_rewind());
    stream.take_back = TakeBack::Refused;
    assert!(!speaker(stream, &request("pressel_speaker", 48_000, 2)).can_rewind());
}

#[test]
fn a_coarse_ring_is_made_of_what_the_card_has() {
    let mut stream = StreamOptions::new(48_000, 2);
    stream.period_frames = 1_024..=2_048;
    stream.buffer_frames = 4_096..=65_536;
    let format = speaker(stream, &request("pressel_speaker", 48_000, 2)).format();
    assert_eq!(format.period_frames, 1_024);
    assert!(format.buffer_frames >= 9_000, "{}", format.buffer_frames);
}

#[test]
fn probing_tells_what_a_card_can_do_and_why_it_cannot_be_had() {
    let folder = TempDir::new().unwrap();
    let mut microphone = StreamOptions::new(48_000, 6).formats(&[CardFormat::S24Le3, CardFormat::S16Le]);
    microphone.rates = vec![16_000, 48_000];
    let options = CardOptions { microphone, ..CardOptions::default() };
    let card = Card::create(folder.path(), options).unwrap();
    let conf = card.env().1;
    let abilities = with_card(&conf, || probe("pressel_mic", Direction::Capture)).unwrap();
    assert_eq!(abilities.rates_hz, [16_000, 48_000]);
    assert_eq!(abilities.channels, [6]);
    assert_eq!(abilities.formats, [SampleFormat::S16Le, SampleFormat::S24Le3]);
    card.set_busy(pressel_world::card::Direction::Capture, true);
    let error = with_card(&conf, || probe("pressel_mic", Direction::Capture)).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Busy);
}

/// Half of the distances between what a stream says of its clock and what the card's clock says are below this.
fn check_half(mut off_ns: Vec<u64>, frame_ns: u64, what: &str) {
    off_ns.sort_unstable();
    let half = off_ns[off_ns.len() / 2];
    assert!(half < frame_ns + 20_000, "{what}: half of the times are off by more than {half} ns: {off_ns:?}");
}

#[test]
fn positions_and_their_times_lie_on_the_card_s_own_clock() {
    let folder = TempDir::new().unwrap();
    let options =
        CardOptions { microphone: StreamOptions::new(16_000, 1), speaker: StreamOptions::new(48_000, 1) };
    let card = Card::create(folder.path(), options).unwrap();
    card.set_drift(Side::Capture, 250.0);
    card.set_drift(Side::Playback, -250.0);
    let conf = card.env().1;
    let mut microphone =
        with_card(&conf, || AlsaMicrophone::open(&request("pressel_mic", 16_000, 1))).unwrap();
    let mut speaker = with_card(&conf, || AlsaSpeaker::open(&request("pressel_speaker", 48_000, 1))).unwrap();
    // The card's files began before the streams did.
    let (heard_from, played_from) = (card.report(Side::Capture).start, card.report(Side::Playback).start);
    let (wake, mut frames) = (Wake::new(), [0.0; 480]);
    let (mut heard, mut played) = (Vec::new(), Vec::new());
    while heard.len() < 60 {
        microphone.wait(160, &wake, Duration::from_secs(1)).unwrap();
        let captured = microphone.read(&mut frames).unwrap();
        if captured.frames > 0 {
            assert_eq!(captured.timing, Timing::Driver);
            let end = heard_from + captured.position + captured.frames as u64;
            heard.push(monotonic_ns(captured.at).abs_diff(card.time_of(Side::Capture, end)));
            let playhead = speaker.playhead().unwrap();
            assert_eq!(playhead.timing, Timing::Driver);
            let at = card.time_of(Side::Playback, played_from + playhead.played);
            played.push(monotonic_ns(playhead.at).abs_diff(at));
        }
    }
    check_half(heard, 62_500, "microphone");
    check_half(played, 20_900, "speaker");
}

#[test]
fn a_speaker_that_only_knows_its_fill_level_says_so() {
    let mut stream = StreamOptions::new(48_000, 2);
    stream.take_back = TakeBack::Refused;
    let mut speaker = speaker(stream, &request("pressel_speaker", 48_000, 2));
    assert_eq!(speaker.playhead().unwrap().timing, Timing::Clock);
}
