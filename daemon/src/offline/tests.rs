use super::*;

/// Noise in syllables from a seed: loud for 150 ms, silent for 50 ms, at 16 kHz.
pub(super) fn babble(seed: u32, len: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
    let mut smooth = 0.0;
    (0..len)
        .map(|n| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            smooth = 0.7 * smooth + 0.3 * ((state >> 8) as f32 / 8_388_608.0 - 1.0);
            if n % 3_200 < 2_400 { 0.3 * smooth } else { 0.0 }
        })
        .collect()
}

/// A voice in syllables: harmonics of a pitch that moves, which noise has not.
pub(super) fn voice(len: usize) -> Vec<f32> {
    let mut phase = 0.0f32;
    (0..len)
        .map(|n| {
            phase += (140.0 + 20.0 * (n as f32 / 4_000.0).sin()) / 16_000.0;
            let turns = (1..=16).map(|k| (std::f32::consts::TAU * phase.fract() * k as f32).sin() / k as f32);
            if n % 3_200 < 2_400 { 0.15 * turns.sum::<f32>() } else { 0.0 }
        })
        .collect()
}

/// The loudspeaker 40 ms late at the microphone, and a person from the fifth second to the seventh.
pub(super) fn room() -> (Vec<f32>, Vec<f32>) {
    let mut far = babble(1, 10 * 16_000);
    far[5 * 16_000..7 * 16_000].fill(0.0);
    let near = voice(2 * 16_000);
    let noise = babble(3, far.len());
    let mic = (0..far.len())
        .map(|n| {
            let echo = if n >= 640 { 0.5 * far[n - 640] } else { 0.0 };
            let said = if (80_000..112_000).contains(&n) { 0.6 * near[n - 80_000] } else { 0.0 };
            echo + said + 0.001 * noise[(n * 7 + 2_400) % noise.len()]
        })
        .collect();
    (far, mic)
}

pub(super) fn wav(rate_hz: u32, channels: &[Vec<f32>]) -> Wav {
    let samples = (0..channels[0].len()).flat_map(|n| channels.iter().map(move |c| c[n])).collect();
    Wav { rate_hz, channels: channels.len() as u32, samples }
}

/// Every stage off but the gate: what comes out is what went in.
pub(super) fn bare() -> Config {
    let mut config = Config::default();
    config.capture.high_pass_hz = 0;
    config.echo.engine = crate::config::EchoEngine::Off;
    config.gain.on = false;
    config.noise.max_attenuation_db = 0.0;
    config
}

#[test]
fn a_recording_of_any_rate_comes_out_as_long_and_at_the_same_time() {
    let (_, mic) = room();
    for rate_hz in [8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000] {
        let at_rate = resample(&mic[..3 * 16_000 + 77], BLOCK_RATE, rate_hz).unwrap();
        let (sound, report) =
            run(&wav(rate_hz, std::slice::from_ref(&at_rate)), None, &[], None, &bare()).unwrap();
        assert_eq!(sound.len(), at_rate.len(), "{rate_hz} Hz");
        // What is above the block's band is lost; the rest lies where it was.
        let (mut same, mut power) = (0.0, 0.0);
        for (a, b) in sound.iter().zip(&at_rate) {
            same += a * b;
            power += b * b;
        }
        assert!(same / power > 0.9, "{rate_hz} Hz: {}", same / power);
        assert_eq!((report.channels, report.echo), (vec![0], None), "{rate_hz} Hz");
    }
}

#[test]
fn the_delay_is_measured_and_the_gate_told_in_time() {
    let (far, mut mic) = room();
    mic.truncate(7 * 16_000 - 37); // in the middle of a word and of a block
    let (sound, report) = run(
        &wav(16_000, std::slice::from_ref(&mic)),
        Some(&wav(16_000, &[far])),
        &[],
        None,
        &Config::default(),
    )
    .unwrap();
    assert_eq!(sound.len(), mic.len());
    assert_eq!(report.gate.iter().map(|opening| opening.close_ms).max(), Some(report.duration_ms));
    let echo = report.echo.unwrap();
    assert!((echo.delay_ms - 40.0).abs() < 1.0, "{echo:?}");
    assert!(echo.drift_ppm.abs() < 3.0, "{echo:?}");
    let during = |opening: &&Opening| opening.open_ms < 5_300 && opening.close_ms > 6_900;
    assert_eq!(report.gate.iter().filter(during).count(), 1, "{:?}", report.gate);
}

#[test]
fn sensible_channels_are_found_and_the_loop_is_the_far_end() {
    let (far, mic) = room();
    let zero = vec![0.0; mic.len()];
    let late = [vec![0.0; 2], mic[..mic.len() - 2].to_vec()].concat();
    let processed = [vec![0.0; 300], mic[..mic.len() - 300].to_vec()].concat();
    for (channels, microphones) in [
        (vec![processed, mic.clone(), late.clone(), mic.clone(), late, far.clone()], vec![1, 2, 3, 4]),
        (vec![mic.clone(), zero.clone(), zero.clone(), zero.clone(), zero.clone(), far], vec![0]),
        (vec![zero.clone(), mic, zero], vec![1]),
    ] {
        let count = channels.len();
        let (_, report) = run(&wav(16_000, &channels), None, &[], None, &bare()).unwrap();
        assert_eq!(report.channels, microphones, "{count} channels");
        assert_eq!(report.playback_loop, (count == 6).then_some(5), "{count} channels");
        let delay_ms = report.echo.map(|echo| echo.delay_ms);
        assert_eq!(delay_ms.is_some(), count == 6);
        assert!(delay_ms.is_none_or(|delay_ms| (delay_ms - 40.0).abs() < 1.0), "{delay_ms:?}");
    }
}

#[test]
fn silence_is_processed_too() {
    let (sound, report) = run(&wav(16_000, &[vec![0.0; 1_000]]), None, &[], None, &bare()).unwrap();
    assert_eq!(sound, vec![0.0; 1_000]);
    assert!(report.gate.is_empty());
}

#[test]
fn what_cannot_be_done_is_said_with_what_can() {
    let (_, mic) = room();
    let stereo = wav(16_000, &[mic.clone(), mic.clone()]);
    let refused =
        |wav: &Wav, chosen: &[u32], geometry| run(wav, None, chosen, geometry, &bare()).unwrap_err();
    assert_eq!(refused(&stereo, &[0, 2], None), "channel 2 of 2: channels 0 to 1 are allowed");
    assert_eq!(refused(&stereo, &[], Some(Geometry::ReSpeakerUsb4)), "array: 4 microphones, but 2 channels");
    assert_eq!(
        refused(&wav(300, &[mic]), &[], None),
        "cannot resample 300 Hz to 16000 Hz: 8000 to 192000 Hz in a simple ratio are possible"
    );
}

#[test]
fn json_has_its_keys_also_where_there_is_nothing_to_tell() {
    let opening = Opening { open_ms: 110, close_ms: 900 };
    let mut report = Report { gate: vec![opening], ..Report::default() };
    report.duck.push(Duck { start_ms: 120, end_ms: 300 });
    let json = serde_json::to_value(&report).unwrap();
    for key in ["erle_db", "delay_ms", "drift_ppm"] {
        assert!(json.as_object().unwrap().contains_key(key) && json[key].is_null(), "{key}");
    }
    assert_eq!(json["gate"], serde_json::json!([{ "open_ms": 110, "close_ms": 900 }]));
    assert_eq!(json["duck"], serde_json::json!([{ "start_ms": 120, "end_ms": 300 }]));
    report.echo = Some(Echo { erle_db: 28.46, delay_ms: 40.04, drift_ppm: -3.06, locked: true });
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!((&json["erle_db"], &json["drift_ppm"]), (&28.5.into(), &(-3.1).into()));
}
