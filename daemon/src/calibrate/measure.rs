//! What a sweep tells of the way from the loudspeaker to each channel of the microphone.

use pressel_dsp::{BLOCK_RATE, SILENCE_DBFS, correlate, dbfs};
use serde::Serialize;

/// Length of the sweep in samples at 16 kHz: 1 s.
pub const SWEEP: usize = BLOCK_RATE as usize;
/// From and to, in Hz: what a small loudspeaker plays and the capture path keeps.
const BAND_HZ: (f64, f64) = (150.0, 7_000.0);
/// Peak of the sweep: loud enough for a noisy room, and far from what a small loudspeaker distorts.
const PEAK: f32 = 0.25;
/// Soft edges in samples.
const EDGE: usize = 320;
/// Delays that are looked at, in samples: from 20 ms early, when clocks are not well known, to 600 ms.
const EARLY: usize = 320;
const LATEST: usize = 9_600;
/// The direct sound is the first within 6 dB of the strongest.
const DIRECT: f32 = 0.5;
/// A peak this far above the mean of all delays is the sweep and no noise.
const ABOVE: f32 = 6.0;
/// The tail ends where 5 ms of it are this far below the strongest 5 ms: -25 dB, what a canceller then leaves is
/// below what its suppressor takes away.
const TAIL: f32 = 0.003;
const STEP: usize = 80;
/// This like the sweep itself is no room.
const ELECTRIC: f32 = 0.97;
/// Where a 16-bit card ends, less a step.
const FULL_SCALE: f32 = 0.999;

/// What one channel heard.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Heard {
    /// From 0.
    pub channel: u32,
    /// What it is.
    pub is: Kind,
    /// RMS before the sweep, in dBFS.
    pub floor_dbfs: f32,
    /// RMS while the sweep is heard, in dBFS.
    pub level_dbfs: f32,
    /// From the DAC to the ADC, in ms, where the sweep is heard.
    pub delay_ms: Option<f32>,
    /// What is heard against what is played, in dB.
    pub gain_db: Option<f32>,
    /// Time until the echo has decayed by 25 dB, in ms.
    pub tail_ms: Option<u32>,
    /// Samples at full scale.
    pub clipped: usize,
}

/// What a channel is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It hears the room.
    Microphone,
    /// It carries what is played, without any room.
    Loop,
    /// Always the same value.
    Dead,
}

/// The sweep at 16 kHz.
pub fn sweep() -> Vec<f32> {
    let seconds = SWEEP as f64 / f64::from(BLOCK_RATE);
    (0..SWEEP)
        .map(|n| {
            let t = n as f64 / f64::from(BLOCK_RATE);
            // linear, so that all frequencies have the same part in a correlation
            let phase = BAND_HZ.0 * t + (BAND_HZ.1 - BAND_HZ.0) * t * t / (2.0 * seconds);
            let edge = (n.min(SWEEP - 1 - n) as f64 / EDGE as f64).min(1.0);
            let fade = 0.5 - 0.5 * (std::f64::consts::PI * edge).cos();
            ((std::f64::consts::TAU * phase).sin() * fade) as f32 * PEAK
        })
        .collect()
}

/// Looks at a channel at 16 kHz in which the sweep, if the clocks are right and the way had no length, would begin
/// at sample `start`; `played_gain` is what the volume made of it.
pub fn measure(channel: u32, sound: &[f32], start: usize, played_gain: f32) -> Heard {
    let sweep = sweep();
    let before = &sound[..start.saturating_sub(EARLY).min(sound.len())];
    let from = start.saturating_sub(EARLY);
    let mut after = sound.get(from..).unwrap_or_default().to_vec();
    after.resize(EARLY + LATEST + SWEEP, 0.0);
    let mut correlation = vec![0.0; EARLY + LATEST];
    correlate(&after, &sweep, &mut correlation);
    let mean = (correlation.iter().map(|c| c * c).sum::<f32>() / correlation.len() as f32).sqrt();
    let peak = correlation.iter().fold(0.0f32, |peak, c| peak.max(c.abs()));
    let floor = rms(before);
    let dead = sound.iter().all(|&s| s == sound[0]);
    let mut heard = Heard {
        channel,
        is: if dead { Kind::Dead } else { Kind::Microphone },
        floor_dbfs: if dead { SILENCE_DBFS } else { dbfs(floor) },
        level_dbfs: SILENCE_DBFS,
        delay_ms: None,
        gain_db: None,
        tail_ms: None,
        clipped: sound.iter().filter(|s| s.abs() >= FULL_SCALE).count(),
    };
    let Some(first) = correlation.iter().position(|c| c.abs() >= DIRECT * peak) else { return heard };
    if dead || peak < ABOVE * mean {
        return heard;
    }
    // The top of the first peak, not its foot.
    let direct = (first..(first + 16).min(correlation.len()))
        .max_by(|&a, &b| correlation[a].abs().total_cmp(&correlation[b].abs()))
        .unwrap_or(first);
    let level = rms(&after[direct..direct + SWEEP]);
    let own = rms(&sweep) * played_gain;
    let echo = (level * level - floor * floor).max(0.0).sqrt();
    heard.level_dbfs = dbfs(level);
    heard.delay_ms = Some((direct as f32 - (start - from) as f32) * 1_000.0 / BLOCK_RATE as f32);
    heard.gain_db = Some(dbfs(echo / own.max(1e-6)));
    let energy: Vec<f32> =
        correlation[direct.saturating_sub(8)..].chunks(STEP).map(|c| c.iter().map(|c| c * c).sum()).collect();
    let strongest = energy.iter().copied().fold(0.0, f32::max);
    let last = energy.iter().rposition(|&e| e > TAIL * strongest).unwrap_or(0);
    heard.tail_ms = Some((last as u32 + 1) * (STEP as u32 * 1_000 / BLOCK_RATE));
    let likeness = correlation[direct].abs() / (level * rms(&sweep) * SWEEP as f32).max(1e-9);
    if likeness > ELECTRIC && dbfs(floor) < -85.0 {
        heard.is = Kind::Loop;
    }
    heard
}

fn rms(samples: &[f32]) -> f32 {
    (samples.iter().map(|s| s * s).sum::<f32>() / samples.len().max(1) as f32).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A second of soft noise, and the sweep this much later and fainter in it, with one reflection.
    fn heard(delay: usize, gain: f32, noise: f32) -> Heard {
        let sweep = sweep();
        let mut state = 1u32;
        let sound: Vec<f32> = (0..4 * SWEEP)
            .map(|n| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let hiss = ((state >> 8) as f32 / 8_388_608.0 - 1.0) * noise;
                let at = |n: Option<usize>| n.and_then(|n| sweep.get(n)).copied().unwrap_or(0.0);
                let direct = at(n.checked_sub(SWEEP + delay));
                hiss + gain * (direct + 0.4 * at(n.checked_sub(SWEEP + delay + 800)))
            })
            .collect();
        measure(3, &sound, SWEEP, 1.0)
    }

    #[test]
    fn delay_and_gain_are_those_of_the_way() {
        for (delay, gain, noise) in [(640, 0.5, 0.01), (4_800, 0.05, 0.002), (0, 1.0, 0.03)] {
            let heard = heard(delay, gain, noise);
            assert!((heard.delay_ms.unwrap() - delay as f32 / 16.0).abs() < 0.1, "{heard:?}");
            // the reflection adds 16 % of power: 0.6 dB
            assert!((heard.gain_db.unwrap() - dbfs(gain) - 0.64).abs() < 0.5, "{heard:?}");
            assert!((50..=60).contains(&heard.tail_ms.unwrap()), "{heard:?}");
            assert_eq!((heard.is, heard.clipped), (Kind::Microphone, 0));
        }
    }

    #[test]
    fn a_channel_without_the_sweep_has_no_delay() {
        let heard = heard(0, 0.0, 0.05);
        assert_eq!((heard.delay_ms, heard.gain_db, heard.is), (None, None, Kind::Microphone));
        assert!((heard.floor_dbfs - dbfs(0.05 / 3f32.sqrt())).abs() < 0.5, "{heard:?}");
    }

    #[test]
    fn zeros_are_dead_and_the_sweep_itself_is_a_loop() {
        assert_eq!(measure(0, &vec![0.0; 4 * SWEEP], SWEEP, 1.0).is, Kind::Dead);
        let alone = [vec![0.0; SWEEP + 30], sweep(), vec![0.0; SWEEP]].concat();
        let heard = measure(5, &alone, SWEEP, 1.0);
        assert_eq!(heard.is, Kind::Loop);
        assert!(heard.gain_db.unwrap().abs() < 0.1);
    }
}
