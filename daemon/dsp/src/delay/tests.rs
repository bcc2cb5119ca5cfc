use super::*;
use crate::synth::{at_level, pink, speech, tone, tone_in};

/// What is found, with the number of the block.
fn findings(far: &[f32], mic: &[f32]) -> Vec<(usize, Found)> {
    let mut finder = DelayFinder::new();
    let blocks = far.chunks_exact(BLOCK).zip(mic.chunks_exact(BLOCK)).enumerate();
    blocks
        .filter_map(|(n, (far, mic))| {
            Some((n, finder.process(far.try_into().unwrap(), mic.try_into().unwrap(), None)?))
        })
        .collect()
}

#[test]
fn a_plain_echo_collects_votes_for_its_delay_from_the_first_look_on() {
    let far = at_level(speech(1, 48_000), -23.0);
    for delay in [0, 2, 480, 4_000, 7_990] {
        let mut mic = vec![0.0; delay];
        mic.extend_from_slice(&far[..far.len() - delay]);
        let found = findings(&far, &mic);
        assert!(found.len() > 10, "{delay}: {}", found.len());
        for (n, found) in found.iter().skip(2) {
            assert!(found.delay <= delay && delay - found.delay <= 64, "{delay}, block {n}: {found:?}");
        }
        assert!(found[found.len() - 1].1.votes > 35.0, "{delay}");
    }
}

#[test]
fn a_loud_steady_noise_over_the_echo_is_not_taken_for_it() {
    let far = at_level(speech(2, 160_000), -23.0);
    let noise = at_level(pink(3, 160_000), -23.0);
    let mic: Vec<f32> =
        (0..160_000).map(|n| noise[n] + if n < 900 { 0.0 } else { 0.5 * far[n - 900] }).collect();
    let found = findings(&far, &mic);
    assert!(found.iter().any(|(_, found)| found.votes > 17.0 && found.delay == 900));
    assert!(
        found.iter().all(|(_, found)| found.votes < 14.0 || found.delay.abs_diff(900) <= 64),
        "{found:?}"
    );
}

#[test]
fn a_silent_far_end_has_no_echo_whatever_the_microphone_hears() {
    let mic = at_level(speech(4, 160_000), -20.0);
    assert_eq!(findings(&vec![0.0; 160_000], &mic), []);
    assert_eq!(findings(&at_level(pink(5, 160_000), -75.0), &mic), []);
}

#[test]
fn halving_the_rate_keeps_the_voice_and_folds_little_back() {
    for (hz, least_db) in [(300.0, -0.1), (2_000.0, -0.1), (3_500.0, -1.5)] {
        let (amplitude, _) = tone_in(&halved(hz), 8_000, hz);
        let gain_db = 20.0 * amplitude.log10();
        assert!(gain_db > least_db && gain_db < 0.1, "{hz} Hz: {gain_db:.2} dB");
    }
    for hz in [5_000.0, 6_000.0, 7_500.0] {
        let (amplitude, _) = tone_in(&halved(hz), 8_000, 8_000.0 - hz);
        let gain_db = 20.0 * amplitude.log10();
        assert!(gain_db < -45.0, "{hz} Hz: {gain_db:.1} dB");
    }
}

fn halved(hz: f64) -> Vec<f32> {
    let mut half = HalfBand::new();
    let mut out = vec![0.0; 8_000];
    for (block, out) in tone(16_000, hz, 1.0, 16_000).chunks_exact(BLOCK).zip(out.chunks_exact_mut(HALF)) {
        half.process(block.try_into().unwrap(), out);
    }
    out.split_off(400)
}
