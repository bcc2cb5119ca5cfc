//! Between 16-bit samples, as the wire has them, and `f32`.

/// One 16-bit sample to full scale ±1.0. Exact.
#[inline]
pub fn from_i16(sample: i16) -> f32 {
    f32::from(sample) / 32_768.0
}

/// To 16 bits: rounded to the nearest, clamped; what is not a number becomes 0. Undoes [`from_i16`] exactly.
#[inline]
pub fn to_i16(sample: f32) -> i16 {
    let scaled = sample * 32_768.0;
    // Adding a half and cutting off instead of `round()`, which is a library call per sample on ARMv7 and SSE2.
    // The cast saturates and turns NaN into 0.
    (scaled + 0.5f32.copysign(scaled)) as i16
}

/// Converts as many samples as both sides have, and says how many.
pub fn from_i16s(input: &[i16], out: &mut [f32]) -> usize {
    for (out, &sample) in out.iter_mut().zip(input) {
        *out = from_i16(sample);
    }
    input.len().min(out.len())
}

/// Converts as many samples as both sides have, and says how many.
pub fn to_i16s(input: &[f32], out: &mut [i16]) -> usize {
    for (out, &sample) in out.iter_mut().zip(input) {
        *out = to_i16(sample);
    }
    input.len().min(out.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_16_bit_sample_survives_the_round_trip() {
        for sample in i16::MIN..=i16::MAX {
            assert_eq!(to_i16(from_i16(sample)), sample);
        }
    }

    #[test]
    fn rounding_is_to_the_nearest_on_both_sides_of_zero() {
        let lsb = 1.0 / 32_768.0;
        for (input, expected) in [
            (0.4, 0),
            (0.6, 1),
            (-0.4, 0),
            (-0.6, -1),
            (1234.4, 1234),
            (-1234.6, -1235),
            (0.5, 1),
            (-0.5, -1),
        ] {
            assert_eq!(to_i16(input * lsb), expected, "{input} LSB");
        }
    }

    #[test]
    fn too_loud_is_clamped_and_nonsense_is_silence() {
        assert_eq!(to_i16(1.0), i16::MAX);
        assert_eq!(to_i16(-1.0), i16::MIN);
        assert_eq!(to_i16(7.0), i16::MAX);
        assert_eq!(to_i16(f32::NEG_INFINITY), i16::MIN);
        assert_eq!(to_i16(f32::NAN), 0);
    }

    #[test]
    fn slices_convert_what_both_sides_have() {
        let mut floats = [9.0; 4];
        assert_eq!(from_i16s(&[i16::MIN, 0, 16_384], &mut floats), 3);
        assert_eq!(floats, [-1.0, 0.0, 0.5, 9.0]);
        let mut shorts = [0; 2];
        assert_eq!(to_i16s(&floats, &mut shorts), 2);
        assert_eq!(shorts, [i16::MIN, 0]);
    }
}
