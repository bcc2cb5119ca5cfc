//! Between `f32` with full scale ±1.0 and samples as they lie in the card's memory, little-endian.

use crate::SampleFormat;

const SCALE_16: f32 = 32_768.0;
const SCALE_24: f32 = 8_388_608.0;
const SCALE_32: f32 = 2_147_483_648.0;

impl SampleFormat {
    /// Bytes of one sample.
    pub fn bytes(self) -> usize {
        match self {
            SampleFormat::S16Le => 2,
            SampleFormat::S24Le3 => 3,
            SampleFormat::S24Le | SampleFormat::S32Le => 4,
        }
    }
}

/// Card to `f32`: exact. Converts as many samples as both sides hold.
pub(super) fn decode(format: SampleFormat, bytes: &[u8], out: &mut [f32]) {
    match format {
        SampleFormat::S16Le => {
            for (out, b) in out.iter_mut().zip(bytes.chunks_exact(2)) {
                *out = f32::from(i16::from_le_bytes([b[0], b[1]])) / SCALE_16;
            }
        }
        SampleFormat::S24Le3 => {
            for (out, b) in out.iter_mut().zip(bytes.chunks_exact(3)) {
                // In the upper bytes, so that the sign falls into place.
                *out = i32::from_le_bytes([0, b[0], b[1], b[2]]) as f32 / SCALE_32;
            }
        }
        SampleFormat::S24Le => {
            for (out, b) in out.iter_mut().zip(bytes.chunks_exact(4)) {
                // The fourth byte may hold anything.
                *out = i32::from_le_bytes([0, b[0], b[1], b[2]]) as f32 / SCALE_32;
            }
        }
        SampleFormat::S32Le => {
            for (out, b) in out.iter_mut().zip(bytes.chunks_exact(4)) {
                *out = i32::from_le_bytes([b[0], b[1], b[2], b[3]]) as f32 / SCALE_32;
            }
        }
    }
}

/// `f32` to the card: rounded to the nearest, clamped, what is not a number is silence. Undoes [`decode`] exactly
/// as far as an `f32` goes (24 bits). Converts as many samples as both sides hold.
pub(super) fn encode(format: SampleFormat, samples: &[f32], out: &mut [u8]) {
    match format {
        SampleFormat::S16Le => {
            for (out, &sample) in out.chunks_exact_mut(2).zip(samples) {
                out.copy_from_slice(&(nearest(sample * SCALE_16) as i16).to_le_bytes());
            }
        }
        SampleFormat::S24Le3 => {
            for (out, &sample) in out.chunks_exact_mut(3).zip(samples) {
                out.copy_from_slice(&to_24(sample).to_le_bytes()[..3]);
            }
        }
        SampleFormat::S24Le => {
            for (out, &sample) in out.chunks_exact_mut(4).zip(samples) {
                out.copy_from_slice(&to_24(sample).to_le_bytes());
            }
        }
        SampleFormat::S32Le => {
            for (out, &sample) in out.chunks_exact_mut(4).zip(samples) {
                out.copy_from_slice(&((sample * SCALE_32) as i32).to_le_bytes());
            }
        }
    }
}

/// To be cut off by a cast, which saturates and turns what is not a number into 0.
fn nearest(scaled: f32) -> f32 {
    scaled + 0.5_f32.copysign(scaled)
}

fn to_24(sample: f32) -> i32 {
    (nearest(sample * SCALE_24) as i32).clamp(-8_388_608, 8_388_607)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [SampleFormat; 4] =
        [SampleFormat::S16Le, SampleFormat::S24Le3, SampleFormat::S24Le, SampleFormat::S32Le];

    fn round_trip(format: SampleFormat, samples: &[f32]) -> Vec<f32> {
        let mut bytes = vec![0xa5; samples.len() * format.bytes()];
        encode(format, samples, &mut bytes);
        let mut out = vec![0.0; samples.len()];
        decode(format, &bytes, &mut out);
        out
    }

    #[test]
    fn sixteen_bits_survive_every_format() {
        let samples: Vec<f32> = (i16::MIN..=i16::MAX).map(|s| f32::from(s) / SCALE_16).collect();
        for format in ALL {
            assert_eq!(round_trip(format, &samples), samples, "{format:?}");
        }
    }

    #[test]
    fn full_scale_is_clamped_and_nonsense_is_silence() {
        for format in ALL {
            let out = round_trip(format, &[1.0, 7.5, -1.0, -7.5, f32::NAN, f32::INFINITY]);
            assert!(
                out[0] > 0.999 && out[0] <= 1.0 && out[1] == out[0] && out[5] == out[0],
                "{format:?} {out:?}"
            );
            assert_eq!(out[2..5], [-1.0, -1.0, 0.0], "{format:?}");
        }
    }

    #[test]
    fn the_bytes_lie_as_the_name_says() {
        let bytes = |format, sample: f32| {
            let mut out = vec![0; SampleFormat::bytes(format)];
            encode(format, &[sample], &mut out);
            out
        };
        let sample = -2.0 / SCALE_16;
        assert_eq!(bytes(SampleFormat::S16Le, sample), [0xfe, 0xff]);
        assert_eq!(bytes(SampleFormat::S24Le3, sample), [0x00, 0xfe, 0xff]);
        assert_eq!(bytes(SampleFormat::S24Le, sample), [0x00, 0xfe, 0xff, 0xff]);
        assert_eq!(bytes(SampleFormat::S32Le, sample), [0x00, 0x00, 0xfe, 0xff]);
    }

    #[test]
    fn the_spare_byte_of_24_in_32_does_not_matter() {
        let mut out = [0.0];
        decode(SampleFormat::S24Le, &[0x00, 0xfe, 0xff, 0x5a], &mut out);
        assert_eq!(out, [-2.0 / SCALE_16]);
    }
}
