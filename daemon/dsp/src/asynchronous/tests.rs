use super::*;
use crate::synth::{Random, rms, to_db, tone, tone_in, white};

/// Rates a card may play at, all of them read at 16 kHz.
const SOURCE_HZ: [u32; 5] = [48_000, 44_100, 32_000, 24_000, 16_000];

/// `source` read block by block with a step that is off by `ppm`; without the first and last 20 ms.
fn steady(from_hz: u32, to_hz: u32, ppm: f64, source: &[f32]) -> Vec<f32> {
    let read = Asynchronous::new(from_hz, to_hz).unwrap();
    let step = read.ratio() * (1.0 + ppm * 1e-6);
    let (mut out, mut at) = (Vec::new(), 0.3);
    while at + step * 160.0 < source.len() as f64 {
        let mut block = [0.0; 160];
        at = read.read(source, at, step, &mut block);
        out.extend_from_slice(&block);
    }
    let margin = to_hz as usize / 50;
    out[margin..out.len() - margin].to_vec()
}

#[test]
fn tones_above_the_band_are_80_db_down_with_any_drift() {
    for from_hz in &SOURCE_HZ[..4] {
        for ppm in [-500.0, 0.0, 37.0, 500.0] {
            let mut hz = 8_015.0;
            while hz < f64::from(*from_hz) / 2.0 {
                let out = steady(*from_hz, 16_000, ppm, &tone(*from_hz, hz, 1.0, *from_hz as usize / 5));
                let alias_db = to_db(rms(&out) * 2f64.sqrt());
                assert!(alias_db < -80.0, "{from_hz} Hz {ppm} ppm, tone at {hz} Hz: {alias_db:.1} dB");
                hz += if hz < 9_000.0 { 95.0 } else { 1_777.0 };
            }
        }
    }
}

#[test]
fn a_tone_comes_out_clean_level_and_shifted_by_the_drift_alone() {
    for (from_hz, to_hz) in SOURCE_HZ.map(|hz| (hz, 16_000)).into_iter().chain([(16_000, 48_000)]) {
        for ppm in [-500.0, -3.0, 0.0, 100.0, 500.0] {
            for hz in [60.0, 1_000.0, 3_400.0, 5_000.0, 7_000.0] {
                let out = steady(from_hz, to_hz, ppm, &tone(from_hz, hz, 0.5, from_hz as usize / 4));
                let (amplitude, rest) = tone_in(&out, to_hz, hz * (1.0 + ppm * 1e-6));
                let (gain_db, rest_db) = (to_db(amplitude / 0.5), to_db(rest * 2f64.sqrt() / amplitude));
                assert!(gain_db.abs() < 0.1, "{from_hz} Hz {ppm} ppm, {hz} Hz: {gain_db:.3} dB");
                assert!(rest_db < -80.0, "{from_hz} Hz {ppm} ppm, {hz} Hz: rest {rest_db:.1} dB");
            }
        }
    }
}

#[test]
fn at_equal_rates_and_whole_positions_sound_comes_through_unchanged() {
    let source = white(1, 500);
    let read = Asynchronous::new(16_000, 16_000).unwrap();
    let mut out = [0.0; 160];
    assert_eq!(read.read(&source, 100.0, 1.0, &mut out), 260.0);
    for (n, out) in out.iter().enumerate() {
        assert!((out - source[100 + n]).abs() < 1e-6, "{n}: {out} for {}", source[100 + n]);
    }
}

#[test]
fn the_delay_in_a_signal_path_is_at_most_2_5_ms() {
    for from_hz in SOURCE_HZ {
        let read = Asynchronous::new(from_hz, 16_000).unwrap();
        let after_ms = read.after() as f64 * 1_000.0 / f64::from(from_hz);
        assert!(after_ms <= 2.5, "{from_hz} Hz: {after_ms:.2} ms");
        // and it needs no more than it says: samples beyond change nothing
        let mut source = white(2, 2_000);
        let (start, mut out, mut again) = (700.6, [0.0; 1], [0.0; 1]);
        read.read(&source, start, 1.0, &mut out);
        source[..700 - read.before()].fill(1e3);
        source[701 + read.after()..].fill(1e3);
        read.read(&source, start, 1.0, &mut again);
        assert_eq!(out, again, "{from_hz} Hz");
    }
}

#[test]
fn a_changed_step_makes_no_click() {
    // A step from -500 to +500 ppm in mid-tone. A tone at 1 kHz has no energy above 3 kHz; a click would.
    let source = tone(16_000, 1_000.0, 1.0, 16_000);
    let read = Asynchronous::new(16_000, 16_000).unwrap();
    let (mut at, mut out) = (100.0, Vec::new());
    for n in 0..80 {
        let mut block = [0.0; 160];
        let step = if (n / 10) % 2 == 0 { 0.9995 } else { 1.0005 };
        at = read.read(&source, at, step, &mut block);
        out.extend_from_slice(&block);
    }
    let mut high = 0.0f32;
    for four in out.windows(9) {
        // eighth difference: 2^8 at half the rate, below 1e-5 of it at 1 kHz
        let weights = [1.0, -8.0, 28.0, -56.0, 70.0, -56.0, 28.0, -8.0, 1.0];
        let sum: f32 = four.iter().zip(weights).map(|(y, w)| y * w).sum();
        high = high.max(sum.abs() / 256.0);
    }
    assert!(to_db(f64::from(high)) < -84.0, "{:.1} dB", to_db(f64::from(high)));
}

#[test]
fn beyond_the_ends_of_the_source_is_silence() {
    let read = Asynchronous::new(48_000, 16_000).unwrap();
    let source = white(3, 4_800);
    let mut out = [1.0; 160];
    for start in [-1e12, -2_000.0, 5_000.0, 1e12, f64::NAN] {
        read.read(&source, start, 3.0, &mut out);
        assert_eq!(out, [0.0; 160], "from {start}");
    }
    // over the edge: as if zeros lay there
    let mut padded = vec![0.0; 1_000];
    padded.extend_from_slice(&source);
    padded.resize(7_000, 0.0);
    for start in [-200.5, 4_600.25] {
        let mut expected = [0.0; 160];
        read.read(&source, start, 3.0, &mut out);
        read.read(&padded, start + 1_000.0, 3.0, &mut expected);
        for (a, b) in out.iter().zip(expected) {
            assert!((a - b).abs() < 1e-6, "from {start}: {a} for {b}");
        }
    }
    assert_eq!(read.read(&[], 0.0, f64::INFINITY, &mut out), 0.0);
}

#[test]
fn nonsense_in_never_comes_out() {
    let read = Asynchronous::new(44_100, 16_000).unwrap();
    let mut random = Random::new(4);
    let nonsense = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN, 0.5];
    let source: Vec<f32> = (0..2_000).map(|_| nonsense[(random.even() * 6.0) as usize]).collect();
    let mut out = [0.0; 500];
    read.read(&source, 300.7, 2.756, &mut out);
    assert!(out.iter().all(|y| y.is_finite() && y.abs() <= 8.0));
}

#[test]
fn rates_nobody_has_are_refused() {
    assert_eq!(Asynchronous::new(7_999, 16_000).unwrap_err(), RateError { from_hz: 7_999, to_hz: 16_000 });
    assert!(Asynchronous::new(44_101, 16_000).is_ok(), "any ratio within the rates");
}
