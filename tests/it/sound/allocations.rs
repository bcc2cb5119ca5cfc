//! The sound threads do not allocate once their cards are open: counted, for every thread of this program.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use pressel::sound::{SoundEvent, SoundSettings};
use pressel_dsp::Geometry;
use pressel_live::event::{Listen, MicrophoneInput};
use pressel_world::card::{CardFormat, CardOptions, Direction, Echo, Noise, StreamOptions};

use super::{Bench, settings};

/// Calls of the allocator by each thread, by its id: collisions would only count too much.
static CALLS: [AtomicU64; 65_536] = [const { AtomicU64::new(0) }; 65_536];

thread_local! {
    /// Without a destructor and a constant at first, so that asking for it does not allocate.
    static THREAD: Cell<u32> = const { Cell::new(0) };
}

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

fn calls(thread: u32) -> &'static AtomicU64 {
    &CALLS[thread as usize % CALLS.len()]
}

fn count() {
    // A thread that is ending has no id any more; nobody counts it.
    let _ = THREAD.try_with(|thread| {
        if thread.get() == 0 {
            thread.set(pressel_hal::realtime::thread_id());
        }
        calls(thread.get()).fetch_add(1, Relaxed);
    });
}

// SAFETY: hands everything on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count();
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[test]
fn the_count_counts() {
    let thread = pressel_hal::realtime::thread_id();
    let before = calls(thread).load(Relaxed);
    drop(std::hint::black_box(Box::new(7)));
    assert_eq!(calls(thread).load(Relaxed), before + 2);
}

#[tokio::test]
async fn the_sound_threads_neither_allocate_nor_free() {
    check(settings()).await;
}

#[tokio::test]
async fn nor_do_they_with_every_stage_of_the_product() {
    let SoundSettings { capture, playback, pre_roll_ms, realtime_priority, .. } = settings();
    let mut product =
        SoundSettings { capture, playback, pre_roll_ms, realtime_priority, ..SoundSettings::default() };
    product.capture.high_pass_hz = 80;
    check(product).await;
}

#[tokio::test]
async fn nor_do_they_with_a_beam() {
    let SoundSettings { capture, playback, pre_roll_ms, realtime_priority, .. } = settings();
    let mut product =
        SoundSettings { capture, playback, pre_roll_ms, realtime_priority, ..SoundSettings::default() };
    product.capture.high_pass_hz = 80;
    product.array.geometry = Geometry::ReSpeakerUsb4;
    check(product).await;
}

async fn check(mut settings: SoundSettings) {
    let options = CardOptions {
        microphone: StreamOptions::new(48_000, 6).formats(&[CardFormat::S24Le3]),
        speaker: StreamOptions::new(48_000, 2),
    };
    settings.playback.rate_hz = 48_000;
    let mut bench = Bench::start_waiting(options, settings, |card| {
        card.fill_noise(1, 9_000).unwrap();
        card.set_echo(Some(Echo { delay: Duration::from_millis(30), gain: 0.5 }));
    });
    bench.until_open().await;
    let facts = bench.sound.facts();
    let threads = [facts.capture.thread.load(Relaxed), facts.playback.thread.load(Relaxed)];
    let count = || threads.map(|thread| calls(thread).load(Relaxed));
    tokio::time::sleep(Duration::from_millis(200)).await;
    let before = count();

    let answer = Noise::new(2, 9_000).take(24_000);
    for turn in 1..=3 {
        bench.sound.listen(Listen::All { number: turn, since: Instant::now() });
        for message in answer.chunks(4_800) {
            bench.sound.play(turn, message.to_vec(), 24_000);
        }
        bench.sound.end_of_turn(turn);
        bench.sound.play_local(&answer[..4_800], 24_000);
        let chunk = |event: &SoundEvent| match event {
            SoundEvent::Microphone(MicrophoneInput::Chunk { listen, .. }) if *listen == turn => Some(()),
            _ => None,
        };
        for _ in 0..20 {
            bench.event(chunk).await;
        }
        bench.sound.duck(turn == 2);
        bench.sound.set_volume(30.0 * turn as f32);
        bench.sound.listen(Listen::Gated { number: turn, watch: turn == 2 });
        tokio::time::sleep(Duration::from_millis(150)).await;
        bench.sound.flush(turn);
        bench.sound.listen(Listen::Rest);
        bench.card.force_xrun(Direction::Capture);
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    assert_eq!(count(), before, "calls of the allocator by the capture and playback threads");
    assert!(facts.capture.frames.load(Relaxed) > 48_000 && facts.playback.frames.load(Relaxed) > 24_000);
    assert_eq!(facts.capture.xruns.load(Relaxed), 3);
}
