use alsa_sys as alsa;
use pressel_world::card::{CardFormat, CardOptions, Direction, StreamOptions};

use crate::bench;
use crate::pcm::{Ask, Pcm, ask};
use crate::playback::noise;

const MIC: Direction = Direction::Capture;
const SPEAKER: Direction = Direction::Playback;

#[test]
fn a_six_channel_array_in_24_bits() {
    let array = StreamOptions::new(48_000, 6).formats(&[CardFormat::S24Le3]);
    let bench = bench(CardOptions { microphone: array, ..CardOptions::default() });
    bench.fill_noise(1, 3000).unwrap();
    let pcm = Pcm::with(&bench, MIC, Ask { format: alsa::SND_PCM_FORMAT_S24_3LE, ..ask(6) });
    let bytes = pcm.read_bytes(4800).unwrap();
    let report = bench.report(MIC);
    assert_eq!((report.channels, report.format), (6, Some(CardFormat::S24Le3)));
    let there = bench.mic_slice(report.start..report.start + 4800).unwrap();
    assert_eq!(bytes.len(), there.len() * 3);
    for (bytes, sample) in bytes.chunks_exact(3).zip(there) {
        assert_eq!([bytes[1], bytes[2]], sample.to_le_bytes());
        assert_eq!(bytes[0], 0);
    }
}

#[test]
fn a_speaker_in_more_bits_rounds_to_16() {
    let samples = [0, 0x7fff, 0x8000, -0x8000, -0x8100, 5 << 16, -5 << 16, i32::MAX, i32::MIN, 1 << 30];
    for (ours, format, skip) in [
        (CardFormat::S32Le, alsa::SND_PCM_FORMAT_S32_LE, 0),
        (CardFormat::S24Le3, alsa::SND_PCM_FORMAT_S24_3LE, 1),
    ] {
        let speaker = StreamOptions::new(48_000, 2).formats(&[ours]);
        let bench = bench(CardOptions { speaker, ..CardOptions::default() });
        let pcm = Pcm::with(&bench, SPEAKER, Ask { format, ..ask(2) });
        let bytes: Vec<u8> =
            samples.iter().flat_map(|sample: &i32| sample.to_le_bytes().into_iter().skip(skip)).collect();
        assert_eq!(pcm.write_bytes(&bytes), Ok(5));
        let start = bench.report(SPEAKER).start;
        let heard = bench.speaker_slice(start..start + 5).unwrap();
        assert_eq!(heard, [0, 0, 1, 0, -1, 5, -5, i16::MAX, i16::MIN, 1 << 14], "{ours:?}");
    }
}

#[test]
fn a_card_refuses_what_it_does_not_have() {
    let bench = bench(CardOptions::default());
    let try_out = |direction, asked| {
        let name = if direction == MIC { "pressel_mic" } else { "pressel_speaker" };
        Pcm::open(&bench, name, direction).unwrap().set_up(asked)
    };
    assert_eq!(try_out(MIC, ask(1)), Ok(()));
    assert_eq!(try_out(MIC, Ask { rate: 16_000, ..ask(1) }), Err(libc::EINVAL));
    assert_eq!(try_out(MIC, Ask { format: alsa::SND_PCM_FORMAT_S32_LE, ..ask(1) }), Err(libc::EINVAL));
    assert_eq!(try_out(SPEAKER, ask(1)), Err(libc::EINVAL), "a stereo-only DAC");
    assert_eq!(try_out(MIC, Ask { period: 8, ..ask(1) }), Err(libc::EINVAL));
    assert_eq!(
        try_out(MIC, Ask { buffer: 4900, ..ask(1) }),
        Err(libc::EINVAL),
        "not a whole number of periods"
    );
    assert_eq!(
        try_out(MIC, Ask { period: 4800, buffer: 4800, ..ask(1) }),
        Err(libc::EINVAL),
        "a single period"
    );
}

#[test]
fn another_rate_than_the_files_is_resampled() {
    let microphone = StreamOptions { rates: vec![48_000, 16_000], ..StreamOptions::new(48_000, 1) };
    let speaker = StreamOptions { rates: vec![48_000, 24_000], ..StreamOptions::new(48_000, 2) };
    let bench = bench(CardOptions { microphone, speaker });
    let ramp: Vec<i16> = (0..30_000).collect();
    let from = bench.now_sample(MIC);
    bench.say(from, &ramp).unwrap();
    let pcm = Pcm::with(&bench, MIC, Ask { rate: 16_000, period: 160, buffer: 16_000, ..ask(1) });
    let heard = pcm.read(1600).unwrap();
    let start = bench.report(MIC).start; // at 16 kHz
    let expected: Vec<i16> = (0..1600).map(|n| ((start + n) * 3 - from) as i16).collect();
    assert_eq!(heard, expected);

    let pcm = Pcm::with(&bench, SPEAKER, Ask { rate: 24_000, period: 240, buffer: 24_000, ..ask(2) });
    let sound = noise(2, 2400);
    pcm.write(&sound).unwrap();
    pcm.drain().unwrap();
    let start = bench.report(SPEAKER).start * 2;
    let heard = bench.speaker_slice(start..start + 4800).unwrap();
    for (twice, once) in heard.chunks_exact(4).zip(sound.chunks_exact(2)) {
        assert_eq!((&twice[..2], &twice[2..]), (once, once));
    }
}

#[test]
fn between_the_files_samples_there_are_straight_lines() {
    let microphone = StreamOptions { rates: vec![16_000, 48_000], ..StreamOptions::new(16_000, 1) };
    let bench = bench(CardOptions { microphone, ..CardOptions::default() });
    let ramp: Vec<i16> = (0..10_000).map(|n| n * 3).collect();
    let from = bench.now_sample(MIC);
    bench.say(from, &ramp).unwrap();
    let pcm = Pcm::with(&bench, MIC, ask(1));
    let heard = pcm.read(4800).unwrap();
    let start = bench.report(MIC).start;
    let expected: Vec<i16> = (0..4800).map(|n| (start + n - from * 3) as i16).collect();
    assert_eq!(heard, expected);
}

#[test]
fn beyond_the_file_there_is_silence() {
    let short = |channels| StreamOptions { seconds: 1, ..StreamOptions::new(48_000, channels) };
    let bench = bench(CardOptions { microphone: short(1), speaker: short(2) });
    bench.fill_noise(3, 3000).unwrap();
    assert!(bench.say(47_000, &[1; 1001]).is_err());
    let pcm = Pcm::with(&bench, MIC, Ask { buffer: 96_000, ..ask(1) });
    pcm.start().unwrap();
    let left = 48_000 - bench.report(MIC).start;
    let heard = pcm.read(left as usize + 480).unwrap();
    assert!(heard[..left as usize].iter().any(|sample| *sample != 0));
    assert_eq!(heard[left as usize..], [0; 480]);
    let speaker = Pcm::with(&bench, SPEAKER, ask(2));
    assert_eq!(speaker.write(&noise(4, 480)), Ok(480));
    speaker.drain().unwrap();
    let length = std::fs::metadata(bench.directory().join("speaker.s16")).unwrap().len();
    assert_eq!(length, 48_000 * 4, "the file has grown");
}
