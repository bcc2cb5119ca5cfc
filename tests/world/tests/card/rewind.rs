//! Taking back what was written, and going forward over silence.

use pressel_world::card::{CardOptions, Direction, StreamOptions, TakeBack};

use crate::bench;
use crate::pcm::{Ask, Pcm, ask};
use crate::playback::{noise, silent};

const SPEAKER: Direction = Direction::Playback;

/// A ring that runs all the time on the driver's silence.
fn quiet() -> Ask {
    Ask { buffer: 24_000, start_threshold: 24_000, free_running: true, silence: true, ..ask(2) }
}

/// Brings the application pointer to `lead` frames after what is played now; returns its number in the stream.
fn seek(pcm: &Pcm, lead: i64, written: i64) -> i64 {
    let avail = pcm.avail_update().unwrap() as i64;
    let distance = avail - 24_000 + lead; // the hardware's pointer and `lead`, seen from the application's
    if distance >= 0 {
        assert_eq!(pcm.forward(distance as u64), Ok(distance as u64));
    } else {
        assert!(pcm.rewindable().unwrap() as i64 >= -distance);
        assert_eq!(pcm.rewind(-distance as u64), Ok(-distance as u64));
    }
    written + distance
}

#[test]
fn what_is_overwritten_is_not_heard() {
    let bench = bench(CardOptions::default());
    let pcm = Pcm::with(&bench, SPEAKER, Ask { start_threshold: 24_000, ..ask(2) });
    let (first, second) = (noise(1, 24_000), noise(2, 24_000));
    pcm.write(&first).unwrap();
    let start = bench.report(SPEAKER).start;
    bench.sleep_until(SPEAKER, start + 4800);
    let avail = pcm.avail_update().unwrap();
    let back = 48_000 - avail - 4800; // to 100 ms after now
    assert_eq!(pcm.rewindable(), Ok(48_000 - avail));
    assert_eq!(pcm.rewind(back), Ok(back));
    let cut = 24_000 - back;
    pcm.write(&second).unwrap();
    pcm.drain().unwrap();
    let cut_at = cut as usize * 2;
    let heard = bench.speaker_slice(start..start + cut + 24_000).unwrap();
    assert_eq!(heard[..cut_at], first[..cut_at]);
    assert_eq!(heard[cut_at..], second);
    assert!(silent(&bench.speaker_slice(start + cut + 24_000..start + 60_000).unwrap()));
    assert_eq!(bench.report(SPEAKER).late, 0);
}

#[test]
fn what_is_taken_back_and_not_overwritten_stays_in_the_ring() {
    let bench = bench(CardOptions::default());
    let pcm = Pcm::with(&bench, SPEAKER, quiet());
    let sound = noise(3, 24_000);
    pcm.write(&sound).unwrap();
    let start = bench.report(SPEAKER).start;
    let cut = seek(&pcm, 4800, 24_000) as usize;
    pcm.write(&vec![0; 2 * 480]).unwrap();
    bench.sleep_until(SPEAKER, start + 24_000);
    let heard = bench.speaker_slice(start..start + 24_000).unwrap();
    let (silence, rest) = (cut * 2, (cut + 480) * 2);
    assert_eq!(heard[..silence], sound[..silence]);
    assert!(silent(&heard[silence..rest]));
    assert_eq!(heard[rest..], sound[rest..], "hardware has no idea where the application pointer is");
}

#[test]
fn a_drained_stream_ends_where_the_process_ended() {
    let bench = bench(CardOptions::default());
    let pcm = Pcm::with(&bench, SPEAKER, Ask { start_threshold: 9600, ..ask(2) });
    let sound = noise(12, 9600);
    pcm.write(&sound).unwrap();
    pcm.rewind(4800).unwrap();
    pcm.drain().unwrap();
    let start = bench.report(SPEAKER).start;
    let heard = bench.speaker_slice(start..start + 9600).unwrap();
    assert_eq!(heard[..9600], sound[..9600]);
    assert!(silent(&heard[9600..]));
}

#[test]
fn after_silence_a_sound_lands_where_it_is_put() {
    let bench = bench(CardOptions::default());
    let pcm = Pcm::with(&bench, SPEAKER, quiet());
    pcm.start().unwrap();
    let start = bench.report(SPEAKER).start;
    let mut written = 0;
    for (seed, quiet_until) in [(4, 7000), (5, 40_000)] {
        bench.sleep_until(SPEAKER, start + quiet_until);
        let sound = noise(seed, 1000);
        written = seek(&pcm, 2400, written);
        assert!(written as u64 >= quiet_until + 2400);
        assert_eq!(pcm.write(&sound), Ok(1000));
        let at = start + written as u64;
        assert_eq!(bench.speaker_slice(at..at + 1000).unwrap(), sound);
        assert!(silent(&bench.speaker_slice(at - 2400..at).unwrap()));
        written += 1000;
    }
    bench.sleep_until(SPEAKER, start + written as u64);
    assert_eq!((bench.report(SPEAKER).xruns, bench.report(SPEAKER).late), (0, 0));
}

#[test]
fn what_comes_too_late_is_counted_and_heard_a_ring_later() {
    let bench = bench(CardOptions::default());
    let pcm = Pcm::with(&bench, SPEAKER, quiet());
    pcm.start().unwrap();
    let start = bench.report(SPEAKER).start;
    bench.sleep_until(SPEAKER, start + 4800);
    // No forward: these 480 frames belong to the stream's first 10 ms.
    let sound = noise(6, 480);
    pcm.write(&sound).unwrap();
    assert_eq!(bench.report(SPEAKER).late, 480);
    assert!(silent(&bench.speaker_slice(start..start + 24_000).unwrap()));
    assert_eq!(bench.speaker_slice(start + 24_000..start + 24_480).unwrap(), sound);
}

#[test]
fn a_rewind_past_the_hardware_is_late() {
    let bench = bench(CardOptions::default());
    let pcm = Pcm::with(
        &bench,
        SPEAKER,
        Ask { start_threshold: 24_000, free_running: true, silence: true, ..ask(2) },
    );
    let first = noise(7, 24_000);
    pcm.write(&first).unwrap();
    let start = bench.report(SPEAKER).start;
    bench.sleep_until(SPEAKER, start + 9600);
    pcm.avail_update().unwrap();
    pcm.rewind(24_000).unwrap();
    pcm.write(&noise(8, 4800)).unwrap();
    assert_eq!(bench.report(SPEAKER).late, 4800);
    assert_eq!(
        bench.speaker_slice(start..start + 9600).unwrap(),
        first[..2 * 9600],
        "the past does not change"
    );
}

fn speaker(take_back: TakeBack) -> CardOptions {
    let speaker = StreamOptions { take_back, ..StreamOptions::new(48_000, 2) };
    CardOptions { speaker, ..CardOptions::default() }
}

#[test]
fn a_sound_server_takes_nothing_back_whatever_it_says() {
    let bench = bench(speaker(TakeBack::Ignored));
    let pcm = Pcm::with(&bench, SPEAKER, Ask { start_threshold: 24_000, ..ask(2) });
    let (first, second) = (noise(9, 24_000), noise(10, 4800));
    pcm.write(&first).unwrap();
    let start = bench.report(SPEAKER).start;
    pcm.avail_update().unwrap();
    let (began, before) = (bench.now_sample(SPEAKER), pcm.delay().unwrap());
    assert_eq!(pcm.rewind(9600), Ok(9600));
    let (after, passed) = (pcm.delay().unwrap(), bench.now_sample(SPEAKER) - began);
    assert!(
        before - after <= passed as i64,
        "the delay does not believe it: {before} {after}, {passed} passed"
    );
    pcm.write(&second).unwrap();
    assert_eq!(bench.speaker_slice(start..start + 24_000).unwrap(), first);
    assert_eq!(bench.speaker_slice(start + 24_000..start + 28_800).unwrap(), second);
}

#[test]
fn a_pcm_that_refuses_says_so_and_plays_all_the_same() {
    let bench = bench(speaker(TakeBack::Refused));
    let pcm = Pcm::with(&bench, SPEAKER, Ask { start_threshold: 9600, ..ask(2) });
    let sound = noise(11, 9600);
    pcm.write(&sound).unwrap();
    pcm.avail_update().unwrap();
    assert_eq!(pcm.rewindable(), Ok(0));
    assert_eq!(pcm.rewind(480), Ok(0));
    pcm.drain().unwrap();
    let start = bench.report(SPEAKER).start;
    let heard = bench.speaker_slice(start..start + 9600 + 480).unwrap();
    let at = heard
        .windows(100)
        .position(|window| *window == sound[200..300])
        .expect("the sound, sample for sample");
    let offset = at as i64 - 200;
    assert!((0..=960).contains(&offset), "{offset}");
    let offset = offset as usize;
    assert_eq!(heard[offset + 200..offset + 18_000], sound[200..18_000]);
}
