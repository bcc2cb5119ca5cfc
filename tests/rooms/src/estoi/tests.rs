use super::*;
use crate::level::{amplitude, at_level};
use crate::noise::pink;
use crate::speech::{Voice, speech};

fn mixed(snr_db: f32) -> (Vec<f32>, Vec<f32>) {
    let clean = at_level(speech(5, Voice::MAN, 10 * 16_000), -26.0);
    let noise = pink(6, clean.len());
    let processed = clean.iter().zip(&noise).map(|(s, n)| s + n * amplitude(-26.0 - snr_db)).collect();
    (clean, processed)
}

#[test]
fn a_copy_is_understood_at_any_level() {
    let (clean, _) = mixed(0.0);
    for gain in [1.0, 0.01, -0.5] {
        let copy: Vec<f32> = clean.iter().map(|s| s * gain).collect();
        let got = estoi(&clean, &copy).unwrap();
        assert!((got - 1.0).abs() < 1e-3, "{got}");
    }
}

#[test]
fn less_noise_is_understood_better() {
    let row: Vec<f32> = [-20.0, -10.0, -5.0, 0.0, 5.0, 10.0, 20.0, 40.0]
        .map(|snr_db| {
            let (clean, processed) = mixed(snr_db);
            estoi(&clean, &processed).unwrap()
        })
        .to_vec();
    assert!(row.windows(2).all(|pair| pair[1] > pair[0] + 0.005), "{row:?}");
    assert!(row[0] < 0.15 && row[7] > 0.97, "{row:?}");
}

#[test]
fn other_speech_is_not_understood() {
    let (clean, _) = mixed(0.0);
    let other = speech(77, Voice::WOMAN, clean.len());
    let got = estoi(&clean, &other).unwrap();
    assert!(got.abs() < 0.15, "{got}");
}

#[test]
fn pauses_do_not_count() {
    let (clean, processed) = mixed(5.0);
    let short = estoi(&clean, &processed).unwrap();
    let pad = |samples: &[f32]| [samples, &vec![0.0; 32_000][..], samples].concat();
    let long = estoi(&pad(&clean), &pad(&processed)).unwrap();
    assert!((short - long).abs() < 0.02, "{short} {long}");
}

#[test]
fn too_little_speech_has_no_figure() {
    assert_eq!(estoi(&[0.0; 16_000], &[0.0; 16_000]).filter(|got| got.is_nan()), None);
    assert_eq!(estoi(&[0.1; 3_000], &[0.1; 3_000]), None);
}
