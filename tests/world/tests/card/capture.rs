use alsa_sys as alsa;
use pressel_world::card::{CardOptions, Direction, StreamState};

use crate::bench;
use crate::pcm::{Pcm, ask};

const MIC: Direction = Direction::Capture;

#[test]
fn blocking_reads_bring_every_sample_in_order() {
    let bench = bench(CardOptions::default());
    bench.fill_noise(1, 3000).unwrap();
    let pcm = Pcm::with(&bench, MIC, ask(1));
    pcm.start().unwrap();
    let start = bench.report(MIC).start;
    for n in 0..30 {
        let first = start + n * 480;
        assert_eq!(pcm.read(480).unwrap(), bench.mic_slice(first..first + 480).unwrap());
        assert!(bench.now_sample(MIC) >= first + 480, "a read ended before its last sample was there");
    }
    assert_eq!(bench.report(MIC).transferred, 30 * 480);
}

#[test]
fn what_is_said_while_the_stream_runs_is_heard_at_its_sample() {
    let bench = bench(CardOptions::default());
    let pcm = Pcm::with(&bench, MIC, ask(1));
    pcm.start().unwrap();
    let start = bench.report(MIC).start;
    let words: Vec<i16> = (1..=100).collect();
    let at = bench.now_sample(MIC) + 2400;
    bench.say(at, &words).unwrap();
    let heard = pcm.read((at - start) as usize + 200).unwrap();
    let (before, after) = heard.split_at((at - start) as usize);
    assert!(before.iter().all(|sample| *sample == 0));
    assert_eq!(after[..100], words);
    assert_eq!(after[100..], [0; 100]);
}

#[test]
fn an_unread_ring_overruns_and_starts_again_at_now() {
    let bench = bench(CardOptions::default());
    bench.fill_noise(2, 3000).unwrap();
    let pcm = Pcm::with(&bench, MIC, crate::pcm::Ask { buffer: 4800, ..ask(1) });
    pcm.start().unwrap();
    bench.sleep_until(MIC, bench.report(MIC).start + 4800);
    assert_eq!(pcm.avail_update(), Err(libc::EPIPE));
    assert_eq!(pcm.state(), alsa::SND_PCM_STATE_XRUN);
    assert_eq!(pcm.read(10), Err(libc::EPIPE));
    assert_eq!(pcm.delay(), Err(libc::EPIPE));
    let report = bench.report(MIC);
    assert_eq!((report.xruns, report.state), (1, StreamState::Xrun));

    pcm.prepare().unwrap();
    let before = bench.now_sample(MIC);
    let heard = pcm.read(100).unwrap();
    let start = bench.report(MIC).start;
    assert!(start >= before && start <= bench.now_sample(MIC));
    assert_eq!(heard, bench.mic_slice(start..start + 100).unwrap());
}

#[test]
fn a_ring_that_never_stops_holds_the_newest() {
    let bench = bench(CardOptions::default());
    bench.fill_noise(3, 3000).unwrap();
    let pcm = Pcm::with(&bench, MIC, crate::pcm::Ask { buffer: 4800, free_running: true, ..ask(1) });
    pcm.start().unwrap();
    let start = bench.report(MIC).start;
    bench.sleep_until(MIC, start + 12_000);
    // What comes first has been overwritten twice in the ring's memory.
    let before = bench.now_sample(MIC) - start;
    let oldest = pcm.read(10).unwrap();
    let after = bench.now_sample(MIC) - start;
    let possible: Vec<u64> = (before / 4800 * 4800..=after).step_by(4800).collect();
    assert!(
        possible.iter().any(|at| oldest == bench.mic_slice(start + at..start + at + 10).unwrap()),
        "{possible:?}"
    );

    let avail = pcm.avail_update().unwrap();
    assert!(avail >= 11_990);
    // Skip to the oldest frame the ring still has, with room for what comes while this runs.
    let skip = avail - 2400;
    assert_eq!(pcm.forward(skip), Ok(skip));
    let first = start + 10 + skip;
    assert_eq!(pcm.read(1000).unwrap(), bench.mic_slice(first..first + 1000).unwrap());
    assert_eq!(bench.report(MIC).xruns, 0);
}

#[test]
fn status_says_what_the_clock_says() {
    let bench = bench(CardOptions::default());
    let pcm = Pcm::with(&bench, MIC, ask(1));
    pcm.start().unwrap();
    let start = bench.report(MIC).start;
    bench.sleep_until(MIC, start + 1234);
    for read in [0, 100, 200] {
        let (avail, delay, at_ns) = pcm.status();
        // The pointer is read first, then the time.
        let by_clock = bench.sample_at(MIC, at_ns) - start - read;
        assert!(avail <= by_clock && by_clock - avail <= 480, "{avail} {by_clock}");
        assert!(delay as u64 >= avail && delay as u64 - avail <= 480);
        pcm.read(100).unwrap();
    }
}

#[test]
fn two_streams_at_once_are_refused_and_the_second_may_follow_the_first() {
    let bench = bench(CardOptions::default());
    let first = Pcm::with(&bench, MIC, ask(1));
    assert_eq!(Pcm::open(&bench, "pressel_mic", MIC).err(), Some(libc::EBUSY));
    let other_direction = Pcm::open(&bench, "pressel_speaker", Direction::Playback);
    assert!(other_direction.is_ok());
    drop(first);
    assert_eq!(bench.report(MIC).state, StreamState::Closed);
    Pcm::with(&bench, MIC, ask(1));
    assert_eq!(bench.report(MIC).opens, 2);
}
