use super::*;
use crate::level::{db, rms};

fn tone(hz: f64, place: impl Fn(usize) -> f64) -> Vec<f32> {
    (0..32_000).map(|n| (std::f64::consts::TAU * hz * place(n) / 16_000.0).sin() as f32).collect()
}

#[test]
fn values_between_samples_are_those_of_the_wave() {
    for (hz, most_db) in [(100.0, -70.0), (1000.0, -70.0), (5000.0, -70.0), (7000.0, -50.0)] {
        let samples = tone(hz, |n| n as f64);
        let between = Between::new(&samples);
        let place = |n: usize| n as f64 * 1.00006 - 3.7;
        let error: Vec<f32> = tone(hz, place)
            .iter()
            .enumerate()
            .skip(100)
            .take(31_000)
            .map(|(n, s)| s - between.at(place(n)))
            .collect();
        assert!(db(rms(&error)) < most_db, "{hz} Hz: {} dB", db(rms(&error)));
    }
}

#[test]
fn a_response_is_what_one_click_makes() {
    let taps = response(&mut Random::new(1), DECAY_S, TAIL_DB);
    let mut click = vec![0.0; 40_000];
    click[20_000] = 1.0;
    let heard = convolve(&click, &taps);
    assert!(heard[..20_000].iter().all(|s| s.abs() < 1e-4));
    let worst = heard[20_000..].iter().zip(&taps).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst < 1e-4, "{worst}");
    // 60 dB in the decay time: 20 dB every 100 ms
    let fall = db(rms(&taps[800..1600])) - db(rms(&taps[2400..3200]));
    assert!((fall - 20.0).abs() < 2.0, "{fall}");
}

#[test]
fn a_loudspeaker_passes_speech_clips_when_driven_and_has_no_bass() {
    let level = |hz: f64, drive: f32| {
        db(rms(&loudspeaker(&tone(hz, |n| n as f64), drive, LOW_HZ, Clip::Soft)[1600..]))
    };
    assert!((level(1000.0, 0.0) - level(3000.0, 0.0)).abs() < 0.5);
    assert!(level(1000.0, 0.0) - level(60.0, 0.0) > 20.0);
    assert!(level(1000.0, 0.0) - level(1000.0, 2.0) > 6.0);
}

#[test]
fn an_edge_distorts_speech_as_much_as_the_soft_clip() {
    let said = crate::speech::speech(3, crate::speech::Voice::MAN, 20 * 16_000);
    let rest_db = |clip: Clip| {
        let (clean, bent) = (loudspeaker(&said, 0.0, LOW_HZ, clip), loudspeaker(&said, 0.2, LOW_HZ, clip));
        let mean = bent.iter().sum::<f32>() / bent.len() as f32;
        let like: f32 = clean.iter().zip(&bent).map(|(a, b)| a * b).sum();
        let gain = like / clean.iter().map(|s| s * s).sum::<f32>();
        let rest: Vec<f32> = clean.iter().zip(&bent).map(|(a, b)| b - mean - gain * a).collect();
        db(rms(&rest)) - db(gain * rms(&clean))
    };
    let (soft, edge) = (rest_db(Clip::Soft), rest_db(Clip::Edge));
    assert!((soft - edge).abs() < 1.5, "{soft:.1} and {edge:.1} dB");
}
