//! What no microphone hears and no speaker is given: nothing of a room can be learnt from it.

/// A sample from here on is at full scale.
const RAIL: f32 = 0.99;
/// So much of a block at full scale is no sound, however loud: a shout into a microphone clips at its peaks.
const RAILED_SHARE: f32 = 0.5;

/// Samples of which some are no numbers, or most are at full scale.
pub(crate) fn is_broken(samples: impl Iterator<Item = f32>) -> bool {
    let (mut finite, mut railed, mut count) = (true, 0u32, 0u32);
    for sample in samples {
        finite &= sample.is_finite();
        railed += u32::from(sample.abs() >= RAIL);
        count += 1;
    }
    !finite || is_railed(railed, count)
}

/// Samples that never change: a microphone's own noise moves the lowest bits.
pub(crate) fn is_still(mut samples: impl Iterator<Item = f32>) -> bool {
    let first = samples.next();
    samples.all(|sample| Some(sample) == first)
}

/// Whether so many samples at full scale are too many.
pub(crate) fn is_railed(railed: u32, count: u32) -> bool {
    railed as f32 > RAILED_SHARE * count as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BLOCK;
    use crate::synth::{at_level, speech, white};

    #[test]
    fn sound_is_sound_however_loud_and_silence_is_still() {
        let shout: Vec<f32> = at_level(speech(1, 16_000), -3.0).iter().map(|s| s.clamp(-1.0, 1.0)).collect();
        let faint =
            white(1, 16_000).iter().map(|s| (s * 3.0 * 10.0).round() / 32_768.0).collect::<Vec<f32>>();
        for sound in [shout, faint] {
            for block in sound.chunks_exact(BLOCK) {
                assert!(!is_broken(block.iter().copied()));
            }
            assert!(!is_still(sound[..BLOCK].iter().copied()));
        }
        assert!(is_still([0.0; BLOCK].into_iter()) && is_still([0.25; BLOCK].into_iter()));
    }

    #[test]
    fn one_that_is_no_number_or_most_at_full_scale_is_no_sound() {
        for bad in [f32::NAN, f32::INFINITY] {
            let mut block = [0.1; BLOCK];
            block[77] = bad;
            assert!(is_broken(block.into_iter()));
        }
        assert!(is_broken((0..BLOCK).map(|n| if n % 40 < 20 { 1.0 } else { -1.0 })));
    }
}
