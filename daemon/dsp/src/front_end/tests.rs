use super::*;
use crate::synth::{Random, at_level, pink, rms, speech, to_db, tone, tone_in};
use crate::{BLOCK, Resampler, from_i16, from_i16s, to_i16s};

fn settings(rate_hz: u32, channels: u32) -> FrontEndSettings {
    FrontEndSettings::bare(rate_hz, channels)
}

fn run(front_end: &mut FrontEnd, frames: &[f32]) -> (Vec<f32>, Vec<Reading>) {
    let mut sound = Vec::new();
    let mut readings = Vec::new();
    let mut block = [0.0; BLOCK];
    for frames in frames.chunks_exact(front_end.frames_per_block() * front_end.channels) {
        readings.push(front_end.process(frames, &[0.0; BLOCK], &mut block));
        sound.extend_from_slice(&block);
    }
    (sound, readings)
}

#[test]
fn a_16_khz_mono_card_comes_through_number_for_number() {
    let mut random = Random::new(1);
    let said: Vec<i16> = (0..16_000).map(|_| random.between(-32_768.0, 32_768.0) as i16).collect();
    let mut frames = vec![0.0; said.len()];
    from_i16s(&said, &mut frames);
    let (sound, _) = run(&mut FrontEnd::new(settings(16_000, 1)).unwrap(), &frames);
    let mut heard = vec![0; said.len()];
    to_i16s(&sound, &mut heard);
    assert_eq!(heard, said);
}

#[test]
fn one_channel_of_an_array_at_16_khz_comes_through_number_for_number() {
    let frames: Vec<f32> = (0..6 * 1_600).map(|n| from_i16((n * 7_919 % 65_536 - 32_768) as i16)).collect();
    let chosen = FrontEndSettings { use_channels: vec![4], ..settings(16_000, 6) };
    let (sound, _) = run(&mut FrontEnd::new(chosen).unwrap(), &frames);
    let expected: Vec<f32> = frames.chunks(6).map(|frame| frame[4]).collect();
    assert_eq!(sound, expected);
}

#[test]
fn speech_survives_any_card_in_shape_level_and_time() {
    for rate_hz in [8_000, 32_000, 44_100, 48_000, 96_000, 192_000] {
        // 440 and 2500 Hz, in stereo of unequal halves
        let mono = tone(rate_hz, 440.0, 0.3, rate_hz as usize);
        let high = tone(rate_hz, 2_500.0, 0.1, rate_hz as usize);
        let frames: Vec<f32> = mono.iter().zip(high).flat_map(|(a, b)| [a + 2.0 * b, *a]).collect();
        let mut front_end = FrontEnd::new(settings(rate_hz, 2)).unwrap();
        assert!(front_end.delay_ms() > 0.5 && front_end.delay_ms() <= 2.5, "{}", front_end.delay_ms());
        let (sound, _) = run(&mut front_end, &frames);
        assert_eq!(sound.len(), 16_000);
        let (low_amplitude, _) = tone_in(&sound[1_600..], 16_000, 440.0);
        let (high_amplitude, _) = tone_in(&sound[1_600..], 16_000, 2_500.0);
        assert!(to_db(low_amplitude / 0.3).abs() < 0.05, "{rate_hz} Hz: {low_amplitude}");
        assert!(to_db(high_amplitude / 0.1).abs() < 0.05, "{rate_hz} Hz: {high_amplitude}");
    }
}

#[test]
fn the_high_pass_removes_offset_and_hum_before_the_gate_judges() {
    let mut frames = at_level(tone(16_000, 50.0, 1.0, 32_000), -30.0);
    frames.iter_mut().for_each(|s| *s += 0.1);
    let with = FrontEndSettings { high_pass_hz: 200.0, ..settings(16_000, 1) };
    let (sound, readings) = run(&mut FrontEnd::new(with).unwrap(), &frames);
    assert!(to_db(rms(&sound[16_000..])) < -50.0);
    assert!(readings[199].level_dbfs < -50.0);
}

#[test]
fn an_offset_neither_thumps_at_the_start_nor_after_a_reset() {
    for rate_hz in [16_000, 48_000] {
        let with = FrontEndSettings { high_pass_hz: 80.0, ..settings(rate_hz, 1) };
        let mut front_end = FrontEnd::new(with).unwrap();
        let frames = vec![0.3; rate_hz as usize / 10];
        for _ in 0..2 {
            let (sound, _) = run(&mut front_end, &frames);
            assert!(sound.iter().all(|s| s.abs() < 1e-4), "{rate_hz} Hz");
            front_end.reset();
        }
    }
}

#[test]
fn after_a_reset_nothing_of_the_old_sound_is_left_and_the_gate_goes_on() {
    let with = FrontEndSettings { high_pass_hz: 80.0, ..settings(48_000, 1) };
    let mut front_end = FrontEnd::new(with).unwrap();
    let said = tone(48_000, 300.0, 0.2, 9_600);
    run(&mut front_end, &[vec![0.0; 48_000], said].concat());
    front_end.reset();
    let mut block = [9.0; BLOCK];
    let reading = front_end.process(&[0.0; 480], &[0.0; BLOCK], &mut block);
    assert_eq!(block, [0.0; BLOCK]);
    assert!(reading.open && !reading.opened);
}

#[test]
fn it_opens_for_speech_from_a_48_khz_array_in_noise() {
    let quiet = at_level(pink(1, 3 * 48_000), -50.0);
    let said = at_level(speech(1, 48_000), -30.0);
    // the same sound at three times the rate, by the crate's own means
    let mut faster = vec![0.0; 3 * said.len()];
    Resampler::new(16_000, 48_000).unwrap().process(&said, &mut faster);
    let frames: Vec<f32> = (0..3 * 48_000)
        .flat_map(|n| {
            let voice = if n >= 48_000 { faster.get(n - 48_000).copied().unwrap_or(0.0) } else { 0.0 };
            [0.0, voice + quiet[n], 0.0, voice + quiet[n]]
        })
        .collect();
    let with = FrontEndSettings { use_channels: vec![1, 3], high_pass_hz: 80.0, ..settings(48_000, 4) };
    let (_, readings) = run(&mut FrontEnd::new(with).unwrap(), &frames);
    let opened: Vec<usize> = (0..300).filter(|&n| readings[n].opened).collect();
    assert!(opened.len() == 1 && (105..=111).contains(&opened[0]), "{opened:?}");
}

#[test]
fn nonsense_from_a_card_is_silence_and_is_forgotten_within_a_second() {
    for rate_hz in [16_000, 48_000] {
        for nonsense in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX] {
            let with = FrontEndSettings { high_pass_hz: 80.0, ..settings(rate_hz, 2) };
            let mut front_end = FrontEnd::new(with).unwrap();
            let (sound, readings) = run(&mut front_end, &vec![nonsense; rate_hz as usize]);
            assert!(sound.iter().all(|s| s.is_finite()));
            assert!(readings.iter().all(|r| r.level_dbfs.is_finite() && r.floor_dbfs.is_finite()));
            let (sound, _) = run(&mut front_end, &vec![0.0; 2 * rate_hz as usize]);
            assert!(sound[15_000..].iter().all(|s| s.abs() < 1e-6), "{rate_hz} Hz, {nonsense}");
        }
    }
}

#[test]
fn settings_that_cannot_work_are_refused_with_a_reason() {
    let refused = |settings| FrontEnd::new(settings).unwrap_err();
    for (error, words) in [
        (refused(settings(22_050, 1)), "capture rate 22050 Hz: 10 ms are not a whole number of frames"),
        (refused(settings(11_025, 1)), "capture rate 11025 Hz: 10 ms are not a whole number of frames"),
        (refused(settings(16_000, 0)), "capture channels: 0"),
        (
            refused(FrontEndSettings { use_channels: vec![0, 6], ..settings(48_000, 6) }),
            "capture channel 6: the card has channels 0 to 5",
        ),
    ] {
        assert_eq!(error.to_string(), words);
    }
    assert!(refused(settings(4_000, 1)).to_string().starts_with("cannot resample 4000 Hz to 16000 Hz"));
}

#[test]
#[should_panic(expected = "not 10 ms of frames")]
fn frames_of_another_length_are_a_mistake_of_the_caller() {
    FrontEnd::new(settings(16_000, 1)).unwrap().process(&[0.0; 100], &[0.0; BLOCK], &mut [0.0; BLOCK]);
}

#[test]
fn an_echo_that_jumps_is_cancelled_again_within_400_ms_and_the_room_is_not_learnt_anew() {
    const S: usize = 16_000;
    let mut random = Random::new(21);
    let room: Vec<f32> = (0..2_400)
        .map(|n| if n == 0 { 1.0 } else { (0.05 * random.bell() * (-6.9 * n as f64 / 2_400.0).exp()) as f32 })
        .collect();
    for (seed, jump_ms) in [(1, 45), (2, -30), (3, 80), (4, -15)] {
        let far = at_level(speech(seed, 10 * S), -24.0);
        let mut wet = vec![0.0; far.len()];
        for (n, &sample) in far.iter().enumerate() {
            wet[n..].iter_mut().zip(&room).for_each(|(out, tap)| *out += sample * tap);
        }
        let noise = at_level(pink(seed, far.len()), -65.0);
        let lag = |n: usize| 16 * if n < 7 * S { 90 } else { 90 + jump_ms } as usize;
        let mic: Vec<f32> =
            (0..far.len()).map(|n| n.checked_sub(lag(n)).map_or(0.0, |at| wet[at]) + noise[n]).collect();
        let mut front_end = FrontEnd::new(FrontEndSettings {
            echo: crate::EchoSettings::default(),
            near_end: crate::NearEndSettings::default(),
            ..settings(S as u32, 1)
        })
        .unwrap();
        let (mut sound, mut block, mut confirmed) = (Vec::new(), [0.0; BLOCK], 0);
        for (far, mic) in far.chunks_exact(BLOCK).zip(mic.chunks_exact(BLOCK)) {
            let reading = front_end.process(mic, far.try_into().unwrap(), &mut block);
            confirmed += usize::from(reading.barge_in == Some(crate::BargeIn::Confirmed));
            sound.extend_from_slice(&block);
        }
        let after = 7 * S + 2 * S / 5..8 * S;
        let less = to_db(rms(&mic[after.clone()]) / rms(&sound[after]));
        assert!(less > 24.0, "{jump_ms} ms: {less:.1} dB in the rest of the first second");
        let delay_ms = front_end.steer().delay_ms;
        assert!((delay_ms - (90 + jump_ms) as f32).abs() < 3.0, "{jump_ms} ms: {delay_ms}");
        assert_eq!(confirmed, 0, "{jump_ms} ms: the device heard itself");
    }
}
