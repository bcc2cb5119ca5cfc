//! What each stage costs per 10 ms of sound: `cargo bench -p pressel-dsp`.

use std::hint::black_box;
use std::io::{Write, stdout};
use std::time::Instant;

use pressel_dsp::*;

#[allow(dead_code)] // shared with the tests, which use more of it
#[path = "../src/synth.rs"]
mod synth;

/// Runs per stage; the first tenth only warms up.
const RUNS: usize = 5_000;

/// Times each run of `work` and prints the median and the 99th percentile in µs.
fn measure(name: &str, mut work: impl FnMut()) {
    let mut times: Vec<f64> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64() * 1e6
        })
        .skip(RUNS / 10)
        .collect();
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[(times.len() as f64 * share) as usize];
    let mean = times.iter().sum::<f64>() / times.len() as f64;
    writeln!(stdout(), "{name:<44}{mean:>9.2}{:>9.2}{:>9.2}", at(0.5), at(0.99)).expect("stdout is open");
}

fn front_end(rate_hz: u32, channels: u32, high_pass_hz: f32) {
    let settings = FrontEndSettings { high_pass_hz, ..FrontEndSettings::bare(rate_hz, channels) };
    let mut front_end = FrontEnd::new(settings).expect("a common rate");
    let frames = synth::white(1, front_end.frames_per_block() * channels as usize);
    let mut block = [0.0; BLOCK];
    let high_pass = if high_pass_hz > 0.0 { "high-pass" } else { "no high-pass" };
    measure(&format!("front end {rate_hz} Hz, {channels} ch, {high_pass}"), || {
        black_box(front_end.process(black_box(&frames), &[0.0; BLOCK], &mut block));
    });
}

fn resample(from_hz: u32, to_hz: u32) {
    let mut resample = Resampler::new(from_hz, to_hz).expect("common rates");
    let input = synth::white(2, from_hz as usize / 100);
    let mut out = vec![0.0; to_hz as usize / 100 + 1];
    measure(&format!("resample {from_hz} to {to_hz} Hz"), || {
        black_box(resample.process(black_box(&input), &mut out));
    });
}

/// Reads at a drift of 100 ppm.
fn asynchronous(from_hz: u32) {
    let read = Asynchronous::new(from_hz, BLOCK_RATE).expect("common rates");
    let source = synth::white(6, from_hz as usize);
    let (mut at, mut out) = (1_000.0, [0.0; BLOCK]);
    measure(&format!("asynchronous {from_hz} to 16000 Hz"), || {
        let next = read.read(black_box(&source), at, read.ratio() * 1.0001, &mut out);
        at = if next > f64::from(from_hz) * 0.9 { 1_000.0 } else { next };
        black_box(&mut out);
    });
}

/// Steers an echo of speech; the slowest block counts too, because long transforms come now and then.
fn steer(name: &str, ppm: f64) {
    let far = synth::at_level(synth::speech(7, 16_000 * 60), -23.0);
    let read = Asynchronous::new(BLOCK_RATE, BLOCK_RATE).expect("common rates");
    let mut mic = vec![0.0; far.len()];
    read.read(&far, -1_000.0, 1.0 + ppm * 1e-6, &mut mic);
    let mut blocks = far.chunks_exact(BLOCK).zip(mic.chunks_exact(BLOCK)).cycle();
    let (mut steer, mut out) = (Steer::new(true), [0.0; BLOCK]);
    measure(name, || {
        if let Some((far, mic)) = blocks.next() {
            let (far, mic) = (far.try_into().expect("a block"), mic.try_into().expect("a block"));
            black_box(steer.process(far, mic, &mut out));
        }
    });
}

fn main() {
    writeln!(stdout(), "{:<44}{:>9}{:>9}{:>9}", "µs per 10 ms", "mean", "p50", "p99")
        .expect("stdout is open");
    front_end(16_000, 1, 0.0);
    front_end(16_000, 1, 80.0);
    front_end(48_000, 1, 80.0);
    front_end(48_000, 6, 80.0);
    front_end(44_100, 2, 80.0);
    front_end(192_000, 2, 80.0);

    let geometry = Geometry::ReSpeakerSquare4;
    let array = ArraySettings { geometry, ..ArraySettings::default() };
    let mut beam = FrontEnd::new(FrontEndSettings { array, ..FrontEndSettings::bare(16_000, 4) })
        .expect("a known array");
    let heard = synth::white(8, 4 * BLOCK);
    let mut out = [0.0; BLOCK];
    measure("front end 16000 Hz, beam of 4", || {
        black_box(beam.process(black_box(&heard), &[0.0; BLOCK], &mut out));
    });

    let mut block = [0.0; BLOCK];
    block.copy_from_slice(&synth::white(3, BLOCK));
    let frames = synth::white(4, 480 * 6);
    let mut mono = [0.0; 480];
    let mut downmix = Downmix::new(6, &[0, 1, 2, 3]);
    measure("downmix 4 of 6 channels at 48000 Hz", || downmix.process(black_box(&frames), &mut mono));
    for from_hz in [32_000, 44_100, 48_000, 192_000] {
        resample(from_hz, 16_000);
    }
    for from_hz in [16_000, 44_100, 48_000] {
        asynchronous(from_hz);
    }
    steer("steer, 60 ms", 0.0);
    steer("steer, 60 ms and 100 ppm", 100.0);
    let mut high_pass = HighPass::new(80.0, BLOCK_RATE);
    measure("high-pass", || high_pass.process(black_box(&mut block)));
    let mut gate = Gate::new(GateSettings::default());
    measure("gate", || {
        black_box(gate.process(black_box(&block)));
    });
    let mut pre_roll = PreRoll::new(30);
    measure("pre-roll push", || pre_roll.push(black_box(&block), 0u64));
    let mut pcm = [0i16; BLOCK];
    measure("block to 16 bits", || {
        black_box(to_i16s(black_box(&block), &mut pcm));
    });

    for to_hz in [16_000, 44_100, 48_000, 192_000] {
        resample(24_000, to_hz);
    }
    let sound = synth::white(5, 480);
    let mut out = sound.clone();
    let mut volume = Volume::new(60.0, 48_000);
    measure("volume 60 % at 48000 Hz", || volume.process(black_box(&mut out)));
    let mut percent = 0.0;
    measure("volume moving at 48000 Hz", || {
        percent = 100.0 - percent;
        volume.set_percent(percent);
        volume.process(black_box(&mut out));
    });
    let fade = Fade::new(480);
    out.copy_from_slice(&sound);
    measure("fade in at 48000 Hz", || fade.fade_in(black_box(&mut out), 0));
    out.copy_from_slice(&sound);
    measure("mix at 48000 Hz", || mix(black_box(&mut out), black_box(&sound)));
    let mut limiter = Limiter::new(0.0, 48_000);
    out.copy_from_slice(&sound);
    measure("limiter, nothing to do, at 48000 Hz", || limiter.process(black_box(&mut out)));
    let mut loud = Limiter::new(-60.0, 48_000);
    measure("limiter at work at 48000 Hz", || {
        out.copy_from_slice(&sound);
        loud.process(black_box(&mut out));
    });
    let mut meter = Meter::new();
    measure("meter", || meter.process(black_box(&block)));
}
