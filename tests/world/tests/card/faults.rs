use std::time::Duration;

use alsa_sys as alsa;
use pressel_world::card::{CardOptions, Direction, Echo, StreamState};

use crate::bench;
use crate::pcm::{Ask, Pcm, ask};
use crate::playback::{noise, silent};

const MIC: Direction = Direction::Capture;
const SPEAKER: Direction = Direction::Playback;

#[test]
fn an_unplug_wakes_the_sleeper_and_kills_the_stream_for_good() {
    let bench = bench(CardOptions::default());
    let pcm = Pcm::with(&bench, MIC, Ask { avail_min: 40_000, ..ask(1) });
    let mut descriptor = pcm.descriptor();
    pcm.start().unwrap();
    let revents = std::thread::scope(|scope| {
        scope.spawn(|| bench.unplug(MIC));
        pcm.poll(&mut descriptor, 5000)
    });
    assert_eq!(revents, Some(libc::POLLIN | libc::POLLERR | libc::POLLHUP | libc::POLLNVAL));
    assert!(
        bench.now_sample(MIC) < bench.report(MIC).start + 40_000,
        "woken by the timer, not by the unplug"
    );
    assert_eq!(pcm.state(), alsa::SND_PCM_STATE_DISCONNECTED);
    assert_eq!(pcm.read(1), Err(libc::ENODEV));
    assert_eq!(pcm.delay(), Err(libc::ENODEV));
    assert_eq!(pcm.wait(1000), Err(libc::ENODEV));
    assert_eq!(bench.report(MIC).state, StreamState::Gone);
    assert_eq!(
        Pcm::open(&bench, "pressel_speaker", SPEAKER).err(),
        None,
        "the other half is still plugged in"
    );

    bench.replug(MIC);
    assert_eq!(pcm.prepare(), Err(libc::ENODEV));
    drop(pcm);
    let pcm = Pcm::with(&bench, MIC, ask(1));
    assert_eq!(pcm.read(480).map(|samples| samples.len()), Ok(480));
}

#[test]
fn an_unplugged_card_cannot_be_opened() {
    let bench = bench(CardOptions::default());
    bench.unplug(SPEAKER);
    assert_eq!(Pcm::open(&bench, "pressel_speaker", SPEAKER).err(), Some(libc::ENODEV));
    bench.replug(SPEAKER);
    assert!(Pcm::open(&bench, "pressel_speaker", SPEAKER).is_ok());
}

#[test]
fn an_unplugged_speaker_is_silent_at_once_and_blocking_writers_learn_it() {
    let bench = bench(CardOptions::default());
    let pcm = Pcm::with(&bench, SPEAKER, Ask { buffer: 24_000, start_threshold: 24_000, ..ask(2) });
    pcm.write(&noise(1, 24_000)).unwrap();
    let start = bench.report(SPEAKER).start;
    let written = std::thread::scope(|scope| {
        scope.spawn(|| {
            bench.sleep_until(SPEAKER, start + 2400);
            bench.unplug(SPEAKER);
        });
        pcm.write(&noise(2, 24_000))
    });
    // What fitted before the plug was pulled may be reported; then there is no doubt.
    assert!(written == Err(libc::ENODEV) || pcm.write(&[0; 2]) == Err(libc::ENODEV), "{written:?}");
    let now = bench.now_sample(SPEAKER);
    assert!(silent(&bench.speaker_slice(now..now + 48_000).unwrap()));
}

#[test]
fn an_unplugged_speaker_is_silent_even_while_the_process_sleeps() {
    let bench = bench(CardOptions::default());
    let pcm = Pcm::with(&bench, SPEAKER, Ask { buffer: 24_000, start_threshold: 24_000, ..ask(2) });
    pcm.write(&noise(3, 24_000)).unwrap();
    bench.unplug(SPEAKER);
    let now = bench.now_sample(SPEAKER);
    assert!(silent(&bench.speaker_slice(now..now + 48_000).unwrap()));
}

#[test]
fn a_stall_is_no_error_and_goes_on_where_it_stood() {
    let bench = bench(CardOptions::default());
    bench.fill_noise(5, 3000).unwrap();
    let pcm = Pcm::with(&bench, MIC, ask(1));
    let mut descriptor = pcm.descriptor();
    pcm.start().unwrap();
    let start = bench.report(MIC).start;
    let mut heard = pcm.read(960).unwrap();
    bench.stall(MIC);
    let stood = bench.now_sample(MIC);
    // Whatever was there may still be fetched, or wake; then nothing comes.
    pcm.nonblock();
    heard.extend(pcm.read(48_000).unwrap_or_default());
    assert_eq!(heard.len() as u64, stood - start);
    let woken = bench.report(MIC).wakeups;
    while let Some(revents) = pcm.poll(&mut descriptor, 200) {
        assert_eq!(revents, 0);
    }
    assert_eq!(bench.report(MIC).wakeups, woken);
    assert_eq!((pcm.avail_update(), pcm.state()), (Ok(0), alsa::SND_PCM_STATE_RUNNING));
    assert_eq!(bench.now_sample(MIC), stood);

    bench.resume(MIC);
    while heard.len() < 4800 {
        pcm.poll(&mut descriptor, 5000).expect("a wake-up after the stall");
        heard.extend(pcm.read(480).unwrap_or_default());
    }
    assert_eq!(heard, bench.mic_slice(start..start + heard.len() as u64).unwrap());
}

#[test]
fn busy_and_denied_are_said_at_open() {
    let bench = bench(CardOptions::default());
    bench.set_busy(MIC, true);
    assert_eq!(Pcm::open(&bench, "pressel_mic", MIC).err(), Some(libc::EBUSY));
    bench.set_denied(MIC, true);
    assert_eq!(Pcm::open(&bench, "pressel_mic", MIC).err(), Some(libc::EACCES));
    bench.set_denied(MIC, false);
    assert!(Pcm::open(&bench, "pressel_mic", MIC).is_ok());
    assert_eq!(bench.report(MIC).opens, 1);
}

#[test]
fn a_card_that_has_given_up_fails_every_call_until_it_is_mended() {
    let bench = bench(CardOptions::default());
    let pcm = Pcm::with(&bench, MIC, ask(1));
    pcm.start().unwrap();
    pcm.read(480).unwrap();
    bench.break_calls(MIC, libc::EIO);
    assert_eq!(pcm.read(480), Err(libc::EIO));
    assert_eq!(pcm.delay(), Err(libc::EIO));
    bench.break_calls(MIC, 0);
    assert_eq!(pcm.read(480).map(|samples| samples.len()), Ok(480));
    bench.break_poll(MIC, true);
    let mut descriptor = pcm.descriptor();
    assert_eq!(pcm.poll(&mut descriptor, 5000), Some(libc::POLLERR));
    // What is not there yet nobody could wait for.
    bench.sleep_until(MIC, bench.now_sample(MIC) + 48);
    assert_eq!(pcm.read(48).map(|samples| samples.len()), Ok(48));
}

#[test]
fn a_missing_or_damaged_file_is_an_error() {
    let bench = bench(CardOptions::default());
    let path = |name: &str| bench.directory().join(name);
    std::fs::remove_file(path("microphone.s16")).unwrap();
    assert_eq!(Pcm::open(&bench, "pressel_mic", MIC).err(), Some(libc::ENOENT));
    std::fs::remove_file(path("speaker.kick")).unwrap();
    assert_eq!(Pcm::open(&bench, "pressel_speaker", SPEAKER).err(), Some(libc::ENOENT));
    for damaged in ["", "too short"] {
        std::fs::write(path("other"), damaged).unwrap();
        std::fs::rename(path("other"), path("control")).unwrap();
        assert_eq!(Pcm::open(&bench, "pressel_speaker", SPEAKER).err(), Some(libc::EPROTO));
    }
}

#[test]
fn a_forced_xrun_happens_once() {
    let bench = bench(CardOptions::default());
    let pcm = Pcm::with(&bench, SPEAKER, ask(2));
    pcm.write(&noise(6, 24_000)).unwrap();
    bench.force_xrun(SPEAKER);
    assert_eq!(pcm.avail_update(), Err(libc::EPIPE));
    let now = bench.now_sample(SPEAKER);
    assert!(silent(&bench.speaker_slice(now..now + 24_000).unwrap()));
    pcm.prepare().unwrap();
    pcm.write(&noise(7, 24_000)).unwrap();
    assert!(pcm.avail_update().is_ok());
    assert_eq!(bench.report(SPEAKER).xruns, 1);
}

#[test]
fn drift_moves_the_pointer_and_the_wake_ups() {
    let bench = bench(CardOptions::default());
    bench.set_drift(MIC, 200_000.0); // absurd, so that half a second shows it
    let pcm = Pcm::with(&bench, MIC, ask(1));
    pcm.start().unwrap();
    let (_, _, began_ns) = pcm.status();
    let began = bench.sample_at(MIC, began_ns);
    while pcm.status().0 < 24_000 {
        assert_eq!(pcm.wait(1000), Ok(1));
        if pcm.status().0 < 24_000 {
            bench.sleep_until(MIC, bench.now_sample(MIC) + 480);
        }
    }
    let (avail, _, at_ns) = pcm.status();
    let by_clock = bench.sample_at(MIC, at_ns) - began;
    assert!(avail.abs_diff(by_clock) < 480, "{avail} {by_clock}");
    let seconds = (at_ns - began_ns) as f64 / 1e9;
    let rate = avail as f64 / seconds;
    assert!((rate - 57_600.0).abs() < 1200.0, "{rate}");
}

#[test]
fn the_microphone_hears_the_speaker_late_and_quieter() {
    let bench = bench(CardOptions::default());
    bench.fill_noise(8, 100).unwrap();
    bench.set_echo(Some(Echo { delay: Duration::from_millis(20), gain: 0.25 }));
    let microphone = Pcm::with(&bench, MIC, ask(1));
    let speaker = Pcm::with(&bench, SPEAKER, ask(2));
    bench.sleep_until(MIC, 960); // what is heard was played 20 ms before
    microphone.start().unwrap();
    let start = bench.report(MIC).start;
    speaker.write(&noise(9, 4800)).unwrap();
    let heard = microphone.read(9600).unwrap();
    let own = bench.mic_slice(start..start + 9600).unwrap();
    let played = bench.speaker_slice(start - 960..start - 960 + 9600).unwrap();
    let mut echoes = 0;
    for ((heard, own), played) in heard.iter().zip(own).zip(played.chunks_exact(2)) {
        let echo = (f64::from(played[0]) + f64::from(played[1])) / 2.0 * 0.25;
        assert_eq!(*heard, own + echo.round() as i16);
        echoes += usize::from(echo != 0.0);
    }
    assert!(echoes > 4000, "{echoes}");
}
