//! A recording with an echo, two clocks and a person: the report says what is true of it.

use pressel_dsp::Asynchronous;

use super::tests::{babble, voice, wav};
use super::*;

const DRIFT_PPM: f64 = 100.0;
const SECONDS: usize = 30;
/// The person speaks in this second and the next.
const SPEAKS_S: usize = 25;

/// What a speaker plays whose clock is faster than the microphone's, and what comes back from the room after 60 ms, with
/// a person who speaks over it.
fn drifting() -> (Wav, Wav) {
    let len = SECONDS * 16_000;
    let far = babble(7, len + 4_800);
    let read = Asynchronous::new(BLOCK_RATE, BLOCK_RATE).unwrap();
    let mut mic = vec![0.0; len];
    let step = 1.0 + DRIFT_PPM * 1e-6;
    for (n, block) in mic.chunks_exact_mut(BLOCK).enumerate() {
        let Some(at) = (n * BLOCK).checked_sub(960) else { continue };
        let mut echo = [0.0; BLOCK];
        let at = at as f64 * step;
        if at > 100.0 {
            let first = at as usize - 100;
            read.read(&far[first..first + 400], at - first as f64, step, &mut echo);
        }
        block.copy_from_slice(&echo.map(|sample| 0.5 * sample));
    }
    let noise = babble(9, len);
    for (n, sample) in mic.iter_mut().enumerate() {
        *sample += 0.001 * noise[(n * 7 + 2_400) % len];
    }
    let said = voice(2 * 16_000);
    for (sample, said) in mic[SPEAKS_S * 16_000..].iter_mut().zip(&said) {
        *sample += 0.6 * said;
    }
    (wav(16_000, &[far]), wav(16_000, &[mic]))
}

#[test]
fn echo_drift_and_who_speaks_over_it_are_reported() {
    let (far, mic) = drifting();
    let (_, report) = run(&mic, Some(&far), &[], None, &Config::default()).unwrap();
    let echo = report.echo.unwrap();
    assert!(echo.locked, "{echo:?}");
    assert!((f64::from(echo.drift_ppm) - DRIFT_PPM).abs() < 3.0, "{echo:?}");
    assert!((echo.delay_ms - 60.0).abs() < 3.5, "it moves by 3 ms: {echo:?}");
    assert!(echo.erle_db > 20.0, "{echo:?}");
    let speaks_ms = SPEAKS_S as u64 * 1_000;
    let over = |duck: &&Duck| duck.start_ms >= speaks_ms && duck.start_ms < speaks_ms + 300;
    assert_eq!(report.duck.iter().filter(over).count(), 1, "{:?}", report.duck);
    let before = report.duck.iter().filter(|duck| duck.start_ms < speaks_ms).count();
    assert_eq!(before, 0, "nobody spoke: {:?}", report.duck);
}
