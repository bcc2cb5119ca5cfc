//! The playback stages in a row, as a player puts them together.

use pressel_dsp::*;

/// What the speaker plays of an answer, in pieces of uneven length.
fn play(answer: &[i16], rate_hz: u32, percent: f32, earcon: &[f32]) -> Vec<f32> {
    let mut resample = Resampler::aligned(24_000, rate_hz).expect("a common rate");
    let mut volume = Volume::new(percent, rate_hz);
    let mut limiter = Limiter::new(0.0, rate_hz);
    let mut input = vec![0.0; answer.len()];
    from_i16s(answer, &mut input);
    input.resize(input.len() + resample.tail(), 0.0);
    let (mut at, mut played) = (0, Vec::new());
    loop {
        let mut out = [0.0; 441];
        let (consumed, produced) = resample.process(&input[at..input.len().min(at + 333)], &mut out);
        if consumed + produced == 0 {
            return played;
        }
        at += consumed;
        let out = &mut out[..produced];
        volume.process(out);
        mix(out, &earcon[played.len().min(earcon.len())..]);
        limiter.process(out);
        played.extend_from_slice(out);
    }
}

fn answer() -> Vec<i16> {
    // every number once, full scale included, in a wild order
    (0..65_536u32).map(|n| (n.wrapping_mul(40_503) & 0xFFFF) as u16 as i16).collect()
}

#[test]
fn at_equal_rates_full_volume_and_no_second_source_every_sample_is_played_as_sent() {
    let sent = answer();
    let mut played = vec![0; sent.len()];
    assert_eq!(to_i16s(&play(&sent, 24_000, 100.0, &[]), &mut played), sent.len());
    assert_eq!(played, sent);
}

#[test]
fn at_the_card_s_rate_no_frame_is_missing_or_too_many() {
    let sent = answer();
    for (rate_hz, frames) in [(48_000, 131_072), (44_100, 120_423), (96_000, 262_144), (16_000, 43_691)] {
        assert_eq!(play(&sent, rate_hz, 100.0, &[]).len(), frames, "{rate_hz} Hz");
    }
}

#[test]
fn two_loud_sources_together_stay_within_full_scale() {
    let played = play(&answer(), 48_000, 100.0, &[0.9; 100_000]);
    assert!(played.iter().all(|sample| sample.abs() <= 1.0));
}
