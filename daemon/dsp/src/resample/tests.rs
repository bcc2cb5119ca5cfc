use super::*;
use crate::from_i16;
use crate::synth::{Random, rms, to_db, tone, tone_in, white};

const COMMON_HZ: [u32; 12] =
    [8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 88_200, 96_000, 192_000];
/// Rates at which a block is a whole number of frames.
const CAPTURE_HZ: [u32; 10] =
    [8_000, 12_000, 16_000, 24_000, 32_000, 44_100, 48_000, 88_200, 96_000, 192_000];

/// All of the input through a converter, without its first and last 20 ms.
fn steady(from_hz: u32, to_hz: u32, input: &[f32]) -> Vec<f32> {
    let mut resample = Resampler::new(from_hz, to_hz).unwrap();
    let mut out = vec![0.0; input.len() * to_hz as usize / from_hz as usize + 1];
    let (consumed, produced) = resample.process(input, &mut out);
    assert_eq!(consumed, input.len());
    out[to_hz as usize / 50..produced - to_hz as usize / 50].to_vec()
}

/// What a tone loses, in dB, and how far everything else lies below the tone, in dB.
fn measure(from_hz: u32, to_hz: u32, hz: f64) -> (f64, f64) {
    let out = steady(from_hz, to_hz, &tone(from_hz, hz, 1.0, from_hz as usize / 5));
    let (amplitude, rest) = tone_in(&out, to_hz, hz);
    (to_db(amplitude), to_db(rest * 2f64.sqrt() / amplitude))
}

#[test]
fn tones_above_the_block_s_band_are_82_db_down_from_any_card_rate() {
    for from_hz in [22_050, 24_000, 32_000, 44_100, 48_000, 88_200, 96_000, 192_000] {
        let mut hz = 8_010.0;
        while hz < f64::from(from_hz) / 2.0 {
            let out = steady(from_hz, 16_000, &tone(from_hz, hz, 1.0, from_hz as usize / 5));
            let alias_db = to_db(rms(&out) * 2f64.sqrt());
            assert!(alias_db < -82.0, "{from_hz} Hz, tone at {hz} Hz: alias {alias_db:.1} dB");
            hz += if hz < 9_000.0 { 45.0 } else { 777.0 };
        }
    }
}

#[test]
fn images_of_the_answer_are_80_db_down_at_any_card_rate() {
    for to_hz in COMMON_HZ.into_iter().filter(|&hz| hz != 24_000) {
        let edge = 24_000.0f64.min(f64::from(to_hz)) / 2.0;
        for share in [0.02, 0.1, 0.3, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.875, 0.9] {
            let (_, rest_db) = measure(24_000, to_hz, edge * share);
            assert!(rest_db < -80.0, "to {to_hz} Hz, tone at {} Hz: {rest_db:.1} dB", edge * share);
        }
    }
}

#[test]
fn speech_up_to_7_khz_passes_within_a_tenth_of_a_db() {
    for from_hz in [22_050, 24_000, 32_000, 44_100, 48_000, 88_200, 96_000, 192_000] {
        for hz in [60.0, 300.0, 1_000.0, 3_400.0, 5_000.0, 6_500.0, 7_000.0] {
            let (gain_db, _) = measure(from_hz, 16_000, hz);
            assert!(gain_db.abs() < 0.1, "{from_hz} Hz, tone at {hz} Hz: {gain_db:.3} dB");
        }
    }
    let (gain_db, _) = measure(24_000, 48_000, 10_500.0);
    assert!(gain_db.abs() < 0.1, "answer at 10.5 kHz: {gain_db:.3} dB");
    // An 8 kHz card has half the band; the slope is as steep in Hz as the delay allows.
    let (gain_db, rest_db) = measure(8_000, 16_000, 2_900.0);
    assert!(gain_db.abs() < 0.1 && rest_db < -80.0, "8 kHz card: {gain_db:.3} dB, images {rest_db:.1} dB");
}

#[test]
fn the_delay_is_what_it_says_and_at_most_2_5_ms() {
    for from_hz in COMMON_HZ {
        for to_hz in COMMON_HZ {
            let mut resample = Resampler::new(from_hz, to_hz).unwrap();
            let said = resample.delay();
            assert!(resample.delay_ms() <= 2.5, "{from_hz} to {to_hz}: {} ms", resample.delay_ms());
            // the middle of gravity of an impulse's answer, 10 ms in
            let mut input = vec![0.0; from_hz as usize / 25];
            let at = from_hz as usize / 100;
            input[at] = 1.0;
            let mut out = vec![0.0; to_hz as usize / 25];
            let (_, produced) = resample.process(&input, &mut out);
            let (mut sum, mut moment) = (0.0, 0.0);
            for (n, &y) in out[..produced].iter().enumerate() {
                sum += f64::from(y);
                moment += f64::from(y) * n as f64;
            }
            let expected = at as f64 * f64::from(to_hz) / f64::from(from_hz) + f64::from(said);
            let apart = (moment / sum - expected).abs() / f64::from(to_hz) * 1e6;
            assert!(apart < 15.0, "{from_hz} to {to_hz}: {apart:.1} µs from what it says");
        }
    }
}

#[test]
fn equal_rates_are_copied_bit_for_bit_without_delay() {
    let input: Vec<f32> = (i16::MIN..=i16::MAX).map(from_i16).collect();
    for mut resample in [Resampler::new(48_000, 48_000).unwrap(), Resampler::aligned(48_000, 48_000).unwrap()]
    {
        let mut out = vec![9.0; input.len()];
        assert_eq!(resample.process(&input, &mut out), (input.len(), input.len()));
        assert_eq!(out, input);
        assert_eq!((resample.delay(), resample.tail()), (0.0, 0));
    }
}

#[test]
fn ten_ms_of_any_card_are_always_one_block() {
    for from_hz in CAPTURE_HZ {
        let mut resample = Resampler::new(from_hz, 16_000).unwrap();
        let input = white(7, from_hz as usize / 100);
        for n in 0..300 {
            let mut out = [0.0; 161];
            let done = resample.process(&input, &mut out);
            assert_eq!(done, (input.len(), 160), "{from_hz} Hz, block {n}");
        }
    }
}

#[test]
fn however_the_stream_is_cut_the_outcome_is_the_same() {
    for (from_hz, to_hz) in
        [(24_000, 48_000), (24_000, 44_100), (48_000, 16_000), (44_100, 16_000), (24_000, 8_000)]
    {
        let input = white(11, 9_001);
        let mut whole = vec![0.0; 40_000];
        let (_, len) = Resampler::new(from_hz, to_hz).unwrap().process(&input, &mut whole);
        let (mut random, mut resample) = (Random::new(5), Resampler::new(from_hz, to_hz).unwrap());
        let (mut at, mut pieces) = (0, Vec::new());
        while at < input.len() || pieces.len() < len {
            let give = &input[at..input.len().min(at + random.between(0.0, 700.0) as usize)];
            let mut out = vec![0.0; random.between(0.0, 900.0) as usize];
            let (consumed, produced) = resample.process(give, &mut out);
            at += consumed;
            pieces.extend_from_slice(&out[..produced]);
        }
        assert_eq!(pieces, whole[..len], "{from_hz} to {to_hz}");
    }
}

#[test]
fn aligned_sound_starts_on_its_first_frame_and_ends_on_its_last() {
    let mut resample = Resampler::aligned(24_000, 48_000).unwrap();
    let mut input = tone(24_000, 1_000.0, 0.5, 2_400);
    input.resize(2_400 + resample.tail(), 0.0);
    let mut out = vec![0.0; 4_900];
    let (_, produced) = resample.process(&input, &mut out);
    assert_eq!((produced, resample.delay()), (4_800, 0.0));
    let expected = tone(48_000, 1_000.0, 0.5, 4_800);
    for n in 200..4_600 {
        assert!((out[n] - expected[n]).abs() < 1e-4, "frame {n}: {} for {}", out[n], expected[n]);
    }
}

#[test]
fn after_a_reset_nothing_of_the_old_stream_is_left() {
    let mut resample = Resampler::new(24_000, 48_000).unwrap();
    let mut out = [0.0; 480];
    resample.process(&white(3, 200), &mut out);
    resample.reset();
    assert_eq!(resample.process(&[0.0; 240], &mut out), (240, 480));
    assert_eq!(out, [0.0; 480]);
}

#[test]
fn a_stream_that_begins_on_an_offset_makes_no_step() {
    let mut resample = Resampler::new(48_000, 16_000).unwrap();
    resample.prime(0.25);
    let mut out = [0.0; 160];
    resample.process(&[0.25; 480], &mut out);
    assert!(out.iter().all(|y| (y - 0.25).abs() < 1e-5), "{out:?}");
}

#[test]
fn nonsense_in_never_comes_out_and_is_forgotten() {
    for to_hz in [48_000, 24_000] {
        let mut resample = Resampler::new(24_000, to_hz).unwrap();
        let nonsense = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN];
        let input: Vec<f32> = nonsense.into_iter().cycle().take(1_000).chain([0.0; 1_000]).collect();
        let mut out = vec![0.0; 4_000];
        let (_, produced) = resample.process(&input, &mut out);
        assert!(out.iter().all(|y| y.is_finite() && y.abs() < 40.0));
        assert_eq!(out[produced - 100], 0.0);
    }
}

#[test]
fn rates_without_a_simple_ratio_are_refused_with_a_reason() {
    for (from_hz, to_hz) in [(44_101, 16_000), (7_999, 16_000), (16_000, 192_001), (0, 16_000)] {
        let error = Resampler::new(from_hz, to_hz).unwrap_err();
        assert_eq!(error, RateError { from_hz, to_hz });
        assert!(error.to_string().contains(&format!("{from_hz} Hz to {to_hz} Hz")));
    }
}
