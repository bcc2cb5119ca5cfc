//! When a process is woken.

use std::time::{Duration, Instant};

use pressel_world::card::{CardOptions, Direction, StreamOptions};

use crate::bench;
use crate::pcm::{Ask, Pcm, ask};
use crate::playback::noise;

const MIC: Direction = Direction::Capture;
const SPEAKER: Direction = Direction::Playback;

/// Reads as the daemon does: a descriptor kept from the start, non-blocking reads of all that is there.
fn listen(avail_min: u64, frames: u64) -> (u64, u64, u64) {
    let bench = bench(CardOptions::default());
    let pcm = Pcm::with(&bench, MIC, Ask { avail_min, ..ask(1) });
    pcm.nonblock();
    let mut descriptor = pcm.descriptor();
    pcm.start().unwrap();
    let start = bench.report(MIC).start;
    let (mut read, mut woken) = (0, 0);
    while read < frames {
        let Some(revents) = pcm.poll(&mut descriptor, 5000) else { panic!("never woken") };
        woken += 1;
        if revents == libc::POLLIN {
            let now = bench.now_sample(MIC) - start;
            assert!(now / 480 * 480 - read >= avail_min, "woken with {} of {avail_min} frames", now - read);
            read += pcm.read(480 * (pcm.avail_update().unwrap() / 480) as usize).unwrap().len() as u64;
        }
    }
    let report = bench.report(MIC);
    assert_eq!(report.wakeups + report.spurious, woken);
    (report.wakeups, report.spurious, report.xruns)
}

#[test]
fn a_listener_is_woken_once_per_period_and_never_for_nothing() {
    let (wakeups, spurious, xruns) = listen(480, 24_000);
    assert!(wakeups <= 50, "{wakeups} for 50 periods");
    assert_eq!((spurious, xruns), (0, 0));
}

#[test]
fn who_read_half_a_period_is_still_woken_at_a_whole_one() {
    let bench = bench(CardOptions::default());
    let pcm = Pcm::with(&bench, MIC, ask(1));
    pcm.start().unwrap();
    let start = bench.report(MIC).start;
    pcm.read(100).unwrap();
    // A process that is held up finds its frames there and does not sleep at all: not every time counts.
    let at_a_boundary = (0..12).filter(|_| {
        pcm.read(480).unwrap();
        let needed = bench.report(MIC).transferred + 480;
        assert_eq!(pcm.wait(5000), Ok(1));
        bench.now_sample(MIC) - start >= needed.div_ceil(480) * 480
    });
    let count = at_a_boundary.count();
    assert!(count >= 6, "{count} of 12");
}

#[test]
fn packets_move_the_pointer_in_steps() {
    let packets = |channels| StreamOptions { pointer_frames: 48, ..StreamOptions::new(48_000, channels) };
    let bench = bench(CardOptions { microphone: packets(1), speaker: packets(2) });
    bench.fill_noise(3, 3000).unwrap();
    let microphone = Pcm::with(&bench, MIC, ask(1));
    microphone.start().unwrap();
    let start = bench.report(MIC).start;
    for n in 0..10 {
        assert_eq!(microphone.wait(5000), Ok(1));
        let avail = microphone.avail_update().unwrap();
        assert!(
            avail % 48 == 0 && avail >= 480 && start + n * 480 + avail <= bench.now_sample(MIC),
            "{avail}"
        );
        assert_eq!(
            microphone.read(480).unwrap(),
            bench.mic_slice(start + n * 480..start + (n + 1) * 480).unwrap()
        );
    }
    let asked = Ask { start_threshold: 9600, free_running: true, silence: true, ..ask(2) };
    let speaker = Pcm::with(&bench, SPEAKER, asked);
    let sound = noise(4, 9600);
    speaker.write(&sound).unwrap();
    let start = bench.report(SPEAKER).start;
    bench.sleep_until(SPEAKER, start + 1000);
    let before = bench.now_sample(SPEAKER) - start;
    let (avail, delay, _) = speaker.status();
    let after = bench.now_sample(SPEAKER) - start;
    let pointer = avail + 9600 - 48_000;
    assert!(pointer % 48 == 0 && before < pointer && pointer <= after + 48, "{before} {pointer} {after}");
    assert!(9600 - after <= delay as u64 && delay as u64 <= 9600 - before, "{before} {delay} {after}");
    // What the card has fetched cannot be changed, though it is not heard yet.
    speaker.rewind(speaker.rewindable().unwrap()).unwrap();
    speaker.write(&noise(5, 480)).unwrap();
    let heard = bench.speaker_slice(start..start + pointer).unwrap();
    assert_eq!(heard, sound[..2 * pointer as usize]);
}

#[test]
fn a_resting_listener_is_woken_once_per_60_ms() {
    let (wakeups, spurious, xruns) = listen(2880, 28_800);
    assert!(wakeups <= 10, "{wakeups} for 10 times 60 ms");
    assert_eq!((spurious, xruns), (0, 0));
}

#[test]
fn a_wake_up_comes_soon_after_its_period() {
    let bench = bench(CardOptions::default());
    let pcm = Pcm::with(&bench, MIC, ask(1));
    pcm.start().unwrap();
    let start = bench.report(MIC).start;
    // The best of many: the machine may be busy.
    let best = (0..40)
        .map(|_| {
            assert_eq!(pcm.wait(2000), Ok(1));
            let late = (bench.now_sample(MIC) - start) % 480;
            pcm.read(480 * (pcm.avail_update().unwrap() / 480) as usize).unwrap();
            late
        })
        .min();
    assert!(best < Some(96), "{best:?} frames after the boundary");
}

#[test]
fn nobody_wakes_a_speaker_that_waits_for_nothing() {
    let bench = bench(CardOptions::default());
    let asked = Ask { buffer: 9600, free_running: true, silence: true, avail_min: u64::MAX / 4, ..ask(2) };
    let pcm = Pcm::with(&bench, SPEAKER, asked);
    let mut descriptor = pcm.descriptor();
    pcm.start().unwrap();
    assert_eq!(pcm.poll(&mut descriptor, 400), None);
    assert_eq!((bench.report(SPEAKER).wakeups, bench.report(SPEAKER).spurious), (0, 0));
}

#[test]
fn a_writer_is_woken_when_there_is_room_at_a_period() {
    let bench = bench(CardOptions::default());
    let pcm =
        Pcm::with(&bench, SPEAKER, Ask { buffer: 9600, start_threshold: 9600, avail_min: 4800, ..ask(2) });
    let mut descriptor = pcm.descriptor();
    pcm.write(&noise(1, 9600)).unwrap();
    let start = bench.report(SPEAKER).start;
    assert_eq!(pcm.poll(&mut descriptor, 5000), Some(libc::POLLOUT));
    assert!(bench.now_sample(SPEAKER) >= start + 4800);
    assert_eq!(bench.report(SPEAKER).wakeups, 1);
    // Room is still there: a level, not an edge.
    assert_eq!(pcm.poll(&mut descriptor, 0), Some(libc::POLLOUT));
}

#[test]
fn an_underrun_wakes_who_waits_for_more_than_the_ring() {
    let bench = bench(CardOptions::default());
    let pcm = Pcm::with(
        &bench,
        SPEAKER,
        Ask { buffer: 4800, start_threshold: 4800, avail_min: u64::MAX / 4, ..ask(2) },
    );
    pcm.write(&noise(2, 4800)).unwrap();
    let began = Instant::now();
    assert_eq!(pcm.wait(10_000), Err(libc::EPIPE));
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(bench.report(SPEAKER).xruns, 1);
}
