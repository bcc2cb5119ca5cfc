//! Sound of any rate becomes sound of the speaker's queue. On the main loop's side: it allocates.

use pressel_dsp::{Resampler, from_i16s, to_i16};

use super::source::QUEUE_RATE;

/// Converts answers; those of the service come at the queue's rate and pass untouched.
#[derive(Default)]
pub(super) struct AnswerRate {
    /// Of which turn, from which rate.
    converts: Option<(u32, u32, Resampler)>,
}

impl AnswerRate {
    /// The next piece of a turn's answer. Silent where the rate cannot be converted at all.
    pub(super) fn convert(&mut self, turn: u32, samples: Vec<i16>, rate_hz: u32) -> Vec<i16> {
        if rate_hz == QUEUE_RATE {
            return samples;
        }
        let fits = |&(of, rate, _): &(u32, u32, Resampler)| (of, rate) == (turn, rate_hz);
        if !self.converts.as_ref().is_some_and(fits) {
            let resampler = Resampler::aligned(rate_hz, QUEUE_RATE).ok();
            self.converts = resampler.map(|resampler| (turn, rate_hz, resampler));
        }
        match &mut self.converts {
            Some((_, _, resampler)) => resample(resampler, &samples),
            None => Vec::new(),
        }
    }
}

/// A whole sound at the queue's rate; `None` where that cannot be.
pub(super) fn whole(samples: &[i16], rate_hz: u32) -> Option<Vec<i16>> {
    if rate_hz == QUEUE_RATE {
        return Some(samples.to_vec());
    }
    let mut resampler = Resampler::aligned(rate_hz, QUEUE_RATE).ok()?;
    let mut out = resample(&mut resampler, samples);
    let tail = vec![0; resampler.tail()];
    out.extend(resample(&mut resampler, &tail));
    Some(out)
}

fn resample(resampler: &mut Resampler, samples: &[i16]) -> Vec<i16> {
    let mut out = Vec::with_capacity(samples.len() * 2);
    let (mut input, mut output) = ([0.0; 256], [0.0; 1024]);
    for piece in samples.chunks(input.len()) {
        let n = from_i16s(piece, &mut input);
        let mut used = 0;
        loop {
            let (consumed, produced) = resampler.process(&input[used..n], &mut output);
            used += consumed;
            out.extend(output[..produced].iter().map(|&sample| to_i16(sample)));
            if produced < output.len() && used == n {
                break;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(rate_hz: u32, samples: usize) -> Vec<i16> {
        let step = std::f32::consts::TAU * 440.0 / rate_hz as f32;
        (0..samples).map(|n| ((n as f32 * step).sin() * 10_000.0) as i16).collect()
    }

    #[test]
    fn an_answer_in_pieces_is_the_answer_in_one() {
        let sound = tone(16_000, 4_000);
        let mut rate = AnswerRate::default();
        let pieces: Vec<i16> =
            sound.chunks(333).flat_map(|piece| rate.convert(1, piece.to_vec(), 16_000)).collect();
        let once = AnswerRate::default().convert(1, sound, 16_000);
        assert_eq!(pieces, once);
    }

    #[test]
    fn a_whole_sound_keeps_its_length_and_pitch() {
        for rate_hz in [8_000, 16_000, 22_050, 44_100, 48_000] {
            let out = whole(&tone(rate_hz, rate_hz as usize / 2), rate_hz).unwrap();
            assert!(out.len().abs_diff(12_000) <= 1, "{rate_hz}: {}", out.len());
            let off =
                out[200..11_800].iter().zip(&tone(24_000, 12_000)[200..]).map(|(a, b)| a.abs_diff(*b)).max();
            assert!(off.unwrap() < 40, "{rate_hz}: off by {off:?}");
        }
    }

    #[test]
    fn the_queue_s_own_rate_passes_untouched() {
        let sound = tone(24_000, 100);
        assert_eq!(whole(&sound, 24_000), Some(sound.clone()));
        assert_eq!(AnswerRate::default().convert(1, sound.clone(), 24_000), sound);
    }
}
