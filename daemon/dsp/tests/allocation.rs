//! Real-time threads call `process`: nothing in there may allocate or free.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use pressel_dsp::*;

/// Counts what the watched thread allocates and frees.
struct Counting;

thread_local! {
    static WATCHED: Cell<bool> = const { Cell::new(false) };
    static CALLS: Cell<usize> = const { Cell::new(0) };
}

fn count() {
    if WATCHED.get() {
        CALLS.set(CALLS.get() + 1);
    }
}

// SAFETY: hands everything on to the system's allocator unchanged; counting touches only const thread-locals
// without destructors, which allocate nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count();
        // SAFETY: the pointer came from `alloc` above with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often `work` allocates or frees.
fn allocations(work: impl FnOnce()) -> usize {
    CALLS.set(0);
    WATCHED.set(true);
    work();
    WATCHED.set(false);
    CALLS.get()
}

#[test]
fn the_guard_sees_an_allocation_and_its_end() {
    assert_eq!(allocations(|| drop(std::hint::black_box(vec![0u8; 64]))), 2);
}

#[test]
fn the_capture_path_allocates_nothing_at_any_rate() {
    for rate_hz in [8_000, 16_000, 44_100, 48_000, 192_000] {
        for use_channels in [vec![], vec![1]] {
            let settings = FrontEndSettings { use_channels, ..FrontEndSettings::new(rate_hz, 4) };
            let mut front_end = FrontEnd::new(settings).expect("a common rate");
            let mut pre_roll = PreRoll::new(30);
            let frames: Vec<f32> =
                (0..front_end.frames_per_block() * 4).map(|n| (n % 97) as f32 / 97.0).collect();
            let silence = vec![0.0; frames.len()];
            let far = [0.1; BLOCK];
            let mut block = [0.0; BLOCK];
            let mut pcm = [0i16; BLOCK];
            let mut meter = Meter::new();
            let (mut opened, mut closed) = (0, 0);
            let calls = allocations(|| {
                for n in 0..3_000 {
                    let loud = n % 200 < 100;
                    let reading = front_end.process(if loud { &frames } else { &silence }, &far, &mut block);
                    pre_roll.push(&block, n);
                    if reading.opened {
                        while let Some((block, _)) = pre_roll.pop() {
                            to_i16s(block, &mut pcm);
                        }
                    }
                    opened += u32::from(reading.opened);
                    closed += u32::from(reading.closed);
                    meter.process(&block);
                    if n == 1_500 {
                        front_end.reset();
                        meter.take();
                    }
                }
            });
            assert_eq!(calls, 0, "{rate_hz} Hz");
            assert!(opened > 5 && closed > 5, "{rate_hz} Hz: the gate never worked: {opened}, {closed}");
        }
    }
}

#[test]
fn arrays_with_a_beam_allocate_nothing_while_it_turns_and_a_microphone_breaks() {
    for (geometry, channels, rate_hz) in
        [(Geometry::ReSpeakerUsb4, 4, 16_000), (Geometry::ReSpeakerCircular6, 6, 48_000)]
    {
        let array = ArraySettings { geometry: geometry.clone(), ..ArraySettings::default() };
        let settings = FrontEndSettings { array, ..FrontEndSettings::new(rate_hz, channels) };
        let mut front_end = FrontEnd::new(settings).expect("a known array");
        let (width, frames) = (channels as usize, front_end.frames_per_block());
        let positions = geometry.positions_m();
        // Words of noise from one side, then from the other; between them the rest of the array hears its own hiss.
        let mut state = 1u32;
        let mut random = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state as f32 / u32::MAX as f32 - 0.5
        };
        let source: Vec<f32> = (0..8 * rate_hz as usize).map(|_| random()).collect();
        let metres = 343.0 / f64::from(rate_hz);
        let mut sound = vec![0.0; source.len() * width];
        for (n, frame) in sound.chunks_exact_mut(width).enumerate() {
            let second = n / rate_hz as usize;
            let side = if second < 5 { 1.0 } else { -1.0 };
            for (sample, at) in frame.iter_mut().zip(&positions) {
                let late = (20.0 - side * at[0] / metres).round() as usize;
                let word = second >= 2 && n % (rate_hz as usize / 2) < rate_hz as usize / 3;
                let near = if word { 0.3 * source[n.saturating_sub(late)] } else { 0.0 };
                *sample = near + 0.001 * random();
            }
            if second == 7 {
                frame[1] = f32::NAN;
            }
        }
        let (mut block, far) = ([0.0; BLOCK], [0.0; BLOCK]);
        let (mut turns, mut broken) = (0, false);
        let calls = allocations(|| {
            for frames in sound.chunks_exact(frames * width) {
                front_end.process(frames, &far, &mut block);
                turns += u32::from(front_end.array().moved);
                broken |= front_end.fault(1) == Fault::Nonsense;
            }
        });
        assert_eq!(calls, 0, "{geometry:?}");
        assert!(turns >= 2 && broken, "{geometry:?}: turned {turns} times, broken {broken}");
    }
}

#[test]
fn finding_following_and_correcting_an_echo_allocates_nothing() {
    let mut state = 1u32;
    let mut random = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state as f32 / u32::MAX as f32 - 0.5
    };
    let far: Vec<f32> = (0..16_000 * 12).map(|_| 0.2 * random()).collect();
    let read = Asynchronous::new(BLOCK_RATE, BLOCK_RATE).expect("a common rate");
    let mut mic = vec![0.0; far.len()];
    let half = far.len() / 2;
    read.read(&far, -1_000.0, 1.0001, &mut mic[..half]);
    read.read(&far, half as f64 - 4_000.0, 1.0001, &mut mic[half..]);
    let (mut steer, mut clock) = (Steer::new(true), ClockModel::new(48_000));
    let (mut out, mut jumps, mut last) = ([0.0; BLOCK], 0, None);
    let calls = allocations(|| {
        for (n, (far, mic)) in far.chunks_exact(BLOCK).zip(mic.chunks_exact(BLOCK)).enumerate() {
            let (far, mic) = (far.try_into().expect("a block"), mic.try_into().expect("a block"));
            let reading = steer.process(far, mic, &mut out);
            jumps += u32::from(reading.jumped);
            last = Some(reading);
            clock.observe(480 * n as u64, 10_000_000 * n as u64);
        }
    });
    assert_eq!(calls, 0);
    let last = last.expect("there were blocks");
    assert!(jumps >= 2 && last.locked && (last.drift_ppm - 100.0).abs() < 3.0, "{jumps}: {last:?}");
}

#[test]
fn an_echo_that_jumps_is_followed_without_an_allocation() {
    let mut state = 1u32;
    let mut random = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state as f32 / u32::MAX as f32 - 0.5
    };
    let far: Vec<f32> = (0..16_000 * 8).map(|_| 0.2 * random()).collect();
    let lag = |n: usize| if n < 16_000 * 6 { 1_600 } else { 880 };
    let mic: Vec<f32> =
        (0..far.len()).map(|n| n.checked_sub(lag(n)).map_or(0.0, |at| 0.5 * far[at])).collect();
    let mut path = FrontEnd::new(FrontEndSettings::new(16_000, 1)).expect("one channel is possible");
    let (mut out, mut shifts) = ([0.0; BLOCK], 0);
    let calls = allocations(|| {
        for (far, mic) in far.chunks_exact(BLOCK).zip(mic.chunks_exact(BLOCK)) {
            path.process(mic, far.try_into().expect("a block"), &mut out);
            shifts += u32::from(path.echo().later != 0);
        }
    });
    assert_eq!(calls, 0);
    assert_eq!((shifts, path.steer().delay_ms.round()), (1, 55.0));
}

#[test]
fn the_playback_stages_allocate_nothing() {
    for rate_hz in [24_000, 44_100, 48_000, 192_000] {
        let mut resample = Resampler::aligned(24_000, rate_hz).expect("a common rate");
        let mut volume = Volume::new(80.0, rate_hz);
        let mut limiter = Limiter::new(-1.0, rate_hz);
        let fade = Fade::new(240);
        let mut duck = Duck::new(DuckSettings::default(), rate_hz);
        let mut conceal = Conceal::new(rate_hz);
        let band = Band { kind: BandKind::Peak, hz: 2_800.0, gain_db: -4.0, q: 2.0 };
        let mut equalizer = Equalizer::new(&[band; BANDS_MAX], rate_hz);
        let answer: Vec<i16> = (0..2_400).map(|n| (n * 31 % 30_000) as i16).collect();
        let mut input = vec![0.0; answer.len()];
        let earcon: Vec<f32> = (0..19_200).map(|n| if n / 80 % 2 == 0 { 0.5 } else { -0.5 }).collect();
        let mut missing = vec![0.0; conceal.frames_max()];
        let (mut concealed, mut ducked) = (0, false);
        let mut out = vec![0.0; 19_200];
        let calls = allocations(|| {
            for round in 0..20 {
                from_i16s(&answer, &mut input);
                let (mut at, mut produced) = (0, 1);
                while at < input.len() || produced > 0 {
                    let (consumed, made) = resample.process(&input[at..], &mut out[..997]);
                    (at, produced) = (at + consumed, made);
                    equalizer.process(&mut out[..made]);
                    duck.set(round % 2 == 0);
                    duck.process(&mut out[..made]);
                    ducked |= duck.gain_db() < -12.0;
                    volume.process(&mut out[..made]);
                    fade.fade_in(&mut out[..made], 17);
                    mix(&mut out[..made], &earcon);
                    mix_saturating(&mut out[..made], &earcon);
                    fade.fade_out(&mut out[..made], 100);
                    limiter.process(&mut out[..made]);
                }
                concealed += conceal.process(&earcon, &mut missing);
                volume.set_percent((round * 5) as f32);
                equalizer.reset();
                duck.reset();
                resample.reset();
                limiter.reset();
            }
        });
        assert_eq!(calls, 0, "{rate_hz} Hz");
        assert!(concealed > 0 && ducked, "{rate_hz} Hz: {concealed} frames concealed, turned down: {ducked}");
    }
}
