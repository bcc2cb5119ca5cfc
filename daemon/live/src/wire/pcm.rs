//! Samples to base64 and back, through a small buffer on the stack: the text is never copied as a whole.

use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Bytes per step: a multiple of 3, so that no step but the last is padded, and of 2, so that no sample is cut.
const STEP_BYTES: usize = 3072;
/// The same in base64 characters.
const STEP_CHARS: usize = STEP_BYTES / 3 * 4;

const TOLERANT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
static BASE64: GeneralPurpose = GeneralPurpose::new(&STANDARD, TOLERANT);
static BASE64_URL: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, TOLERANT);

/// How many base64 characters this many samples take, padding included.
pub(super) const fn encoded_chars(samples: usize) -> usize {
    (samples * 2).div_ceil(3) * 4
}

/// Appends samples as base64 of s16le.
pub(super) fn encode(samples: &[i16], text: &mut String) {
    let mut bytes = [0_u8; STEP_BYTES];
    for step in samples.chunks(STEP_BYTES / 2) {
        for (two, sample) in bytes.chunks_exact_mut(2).zip(step) {
            two.copy_from_slice(&sample.to_le_bytes());
        }
        BASE64.encode_string(&bytes[..step.len() * 2], text);
    }
}

/// Reads base64 (standard or URL-safe, padded or not) of s16le; half a sample at the end is dropped. `None` when it is
/// not base64.
pub(super) fn decode(text: &str) -> Option<Vec<i16>> {
    let mut samples = Vec::with_capacity(text.len() / 4 * 3 / 2 + 2);
    // The decoder estimates the length upwards, so there is room for one more group.
    let mut bytes = [0_u8; STEP_BYTES + 4];
    let (mut engine, mut other) = (&BASE64, &BASE64_URL);
    for step in text.as_bytes().chunks(STEP_CHARS) {
        let len = match engine.decode_slice(step, &mut bytes) {
            Ok(len) => len,
            Err(_) => {
                std::mem::swap(&mut engine, &mut other);
                engine.decode_slice(step, &mut bytes).ok()?
            }
        };
        samples.extend(bytes[..len].chunks_exact(2).map(|two| i16::from_le_bytes([two[0], two[1]])));
    }
    Some(samples)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(samples: &[i16]) -> String {
        let mut text = String::new();
        encode(samples, &mut text);
        text
    }

    #[test]
    fn samples_are_little_endian() {
        assert_eq!(encoded(&[1, -2]), "AQD+/w==");
        assert_eq!(encoded(&[]), "");
    }

    #[test]
    fn every_length_around_a_step_comes_back() {
        let all: Vec<i16> = (0..5000).map(|i| (i * 7919) as i16).collect();
        for len in [0, 1, 2, 3, 319, 320, 1535, 1536, 1537, 3071, 3072, 3073, 5000] {
            let text = encoded(&all[..len]);
            assert_eq!(text.len(), encoded_chars(len), "{len} samples");
            assert_eq!(decode(&text).as_deref(), Some(&all[..len]), "{len} samples");
        }
    }

    #[test]
    fn both_alphabets_padded_or_not() {
        for text in ["AQD+/w==", "AQD+/w", "AQD-_w==", "AQD-_w"] {
            assert_eq!(decode(text), Some(vec![1, -2]), "{text}");
        }
        // The alphabet shows only in the second step.
        let long = format!("{}{}", "A".repeat(STEP_CHARS), "AQD-_w");
        assert_eq!(decode(&long).map(|samples| samples[1536..].to_vec()), Some(vec![1, -2]));
    }

    #[test]
    fn half_a_sample_is_dropped_and_nonsense_refused() {
        assert_eq!(decode("AQD+"), Some(vec![1]));
        assert_eq!(decode("AQ=="), Some(vec![]));
        assert_eq!(decode(""), Some(vec![]));
        for text in ["A", "AQD+ /w==", "AQ==AQ==", "…"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
