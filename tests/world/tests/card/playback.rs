use alsa_sys as alsa;
use pressel_world::card::{CardOptions, Direction, Noise, StreamState};

use crate::bench;
use crate::pcm::{Ask, Pcm, ask};

const SPEAKER: Direction = Direction::Playback;

/// Stereo noise, never silent.
pub fn noise(seed: u64, frames: usize) -> Vec<i16> {
    Noise::new(seed, 4000)
        .take(frames * 2)
        .iter()
        .map(|sample| if *sample == 0 { 1 } else { *sample })
        .collect()
}

pub fn silent(samples: &[i16]) -> bool {
    samples.iter().all(|sample| *sample == 0)
}

#[test]
fn what_is_written_is_heard_once_from_the_start_on() {
    let bench = bench(CardOptions::default());
    let pcm = Pcm::with(&bench, SPEAKER, Ask { start_threshold: 960, ..ask(2) });
    let sound = noise(1, 9600);
    pcm.write(&sound[..2 * 480]).unwrap();
    assert_eq!(bench.report(SPEAKER).state, StreamState::Prepared);
    pcm.write(&sound[2 * 480..]).unwrap();
    let report = bench.report(SPEAKER);
    assert_eq!((report.state, report.starts), (StreamState::Running, 1));
    pcm.drain().unwrap();
    assert!(bench.now_sample(SPEAKER) >= report.start + 9600);
    let heard = bench.speaker_slice(report.start..report.start + 9600).unwrap();
    assert_eq!(heard, sound);
    assert!(silent(&bench.speaker_slice(0..report.start).unwrap()));
    assert!(silent(&bench.speaker_slice(report.start + 9600..report.start + 30_000).unwrap()));
    let report = bench.report(SPEAKER);
    assert_eq!((report.xruns, report.late), (0, 0));
    assert!(report.wakeups <= 2, "{} to wait for one end", report.wakeups);
}

#[test]
fn a_long_sound_through_a_short_ring_has_no_gap() {
    let bench = bench(CardOptions::default());
    let pcm = Pcm::with(&bench, SPEAKER, Ask { buffer: 9600, start_threshold: 9600, ..ask(2) });
    let sound = noise(2, 24_000);
    for period in sound.chunks(2 * 480) {
        assert_eq!(pcm.write(period), Ok(480));
    }
    pcm.drain().unwrap();
    let start = bench.report(SPEAKER).start;
    assert_eq!(bench.speaker_slice(start..start + 24_000).unwrap(), sound);
}

#[test]
fn an_empty_ring_underruns() {
    let bench = bench(CardOptions::default());
    let pcm = Pcm::with(&bench, SPEAKER, ask(2));
    let sound = noise(3, 960);
    pcm.write(&sound).unwrap();
    let start = bench.report(SPEAKER).start;
    bench.sleep_until(SPEAKER, start + 960);
    assert_eq!(pcm.write(&sound), Err(libc::EPIPE));
    assert_eq!(pcm.state(), alsa::SND_PCM_STATE_XRUN);
    assert_eq!(bench.report(SPEAKER).xruns, 1);
    pcm.prepare().unwrap();
    pcm.write(&sound).unwrap();
    let again = bench.report(SPEAKER).start;
    assert!(again > start + 960);
    assert_eq!(bench.speaker_slice(start..start + 960).unwrap(), sound);
    assert!(silent(&bench.speaker_slice(start + 960..again).unwrap()));
    assert_eq!(bench.speaker_slice(again..again + 960).unwrap(), sound);
}

#[test]
fn a_drop_silences_at_once() {
    let bench = bench(CardOptions::default());
    let pcm = Pcm::with(&bench, SPEAKER, ask(2));
    let sound = noise(4, 24_000);
    pcm.write(&sound).unwrap();
    let start = bench.report(SPEAKER).start;
    bench.sleep_until(SPEAKER, start + 4800);
    let before = bench.now_sample(SPEAKER);
    pcm.drop_sound().unwrap();
    let after = bench.now_sample(SPEAKER);
    let heard = bench.speaker_slice(start..start + 24_000).unwrap();
    let end = heard.iter().rposition(|sample| *sample != 0).unwrap() as u64 / 2 + 1 + start;
    assert!(before <= end && end <= after, "{before} {end} {after}");
    assert_eq!(heard[..(end - start) as usize * 2], sound[..(end - start) as usize * 2]);
}

#[test]
fn delay_is_what_is_written_and_not_yet_heard() {
    let bench = bench(CardOptions::default());
    let pcm = Pcm::with(&bench, SPEAKER, ask(2));
    pcm.write(&noise(5, 24_000)).unwrap();
    let start = bench.report(SPEAKER).start;
    bench.sleep_until(SPEAKER, start + 2000);
    let before = bench.now_sample(SPEAKER) - start;
    let delay = pcm.delay().unwrap() as u64;
    let after = bench.now_sample(SPEAKER) - start;
    assert!(24_000 - after <= delay && delay <= 24_000 - before, "{before} {delay} {after}");
}

#[test]
fn a_ring_nobody_silences_goes_round_and_one_that_is_silenced_does_not() {
    for silence in [false, true] {
        let bench = bench(CardOptions::default());
        let asked = Ask { buffer: 4800, start_threshold: 4800, free_running: true, silence, ..ask(2) };
        let pcm = Pcm::with(&bench, SPEAKER, asked);
        let sound = noise(6, 4800);
        pcm.write(&sound).unwrap();
        let start = bench.report(SPEAKER).start;
        bench.sleep_until(SPEAKER, start + 14_400);
        assert!(pcm.avail_update().unwrap() >= 14_400);
        assert_eq!(pcm.state(), alsa::SND_PCM_STATE_RUNNING);
        let second = bench.speaker_slice(start + 4800..start + 9600).unwrap();
        if silence {
            assert!(silent(&second));
        } else {
            assert_eq!(second, sound);
        }
        assert_eq!(bench.report(SPEAKER).xruns, 0);
        assert!(bench.report(SPEAKER).free_running);
    }
}

#[test]
fn a_writer_is_held_back_by_a_full_ring() {
    let bench = bench(CardOptions::default());
    let pcm = Pcm::with(&bench, SPEAKER, Ask { buffer: 4800, start_threshold: 4800, ..ask(2) });
    pcm.nonblock();
    assert_eq!(pcm.write(&noise(7, 4800)), Ok(4800));
    assert_eq!(pcm.write(&noise(8, 480)), Err(libc::EAGAIN));
}
