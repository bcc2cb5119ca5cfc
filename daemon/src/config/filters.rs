//! Filters as a person writes them: `high-pass 150, peak 3000 -4 1.2`.

use pressel_dsp::{BANDS_MAX, Band, BandKind};

/// Quality of a filter that names none: flat at a corner, an octave and a half wide at a peak.
const QUALITY: f32 = 0.707;
const KINDS: [(&str, BandKind); 5] = [
    ("peak", BandKind::Peak),
    ("low-shelf", BandKind::LowShelf),
    ("high-shelf", BandKind::HighShelf),
    ("high-pass", BandKind::HighPass),
    ("low-pass", BandKind::LowPass),
];

/// Reads filters, separated by commas: kind, Hz, dB (not for the two passes), and a quality if wished.
///
/// # Errors
/// Which one is wrong, and what it must look like.
pub fn bands(text: &str) -> Result<Vec<Band>, String> {
    let written: Vec<&str> = text.split(',').map(str::trim).filter(|band| !band.is_empty()).collect();
    if written.len() > BANDS_MAX {
        return Err(format!("has more than {BANDS_MAX} filters"));
    }
    written.into_iter().map(band).collect()
}

/// As [`bands`], for a key's rule.
pub fn check(text: &str) -> Result<(), String> {
    bands(text).map(drop)
}

fn band(written: &str) -> Result<Band, String> {
    let mut words = written.split_whitespace();
    let kind = words.next().unwrap_or_default();
    let Some((_, kind)) = KINDS.into_iter().find(|(word, _)| *word == kind) else {
        let kinds = KINDS.map(|(word, _)| word).join(", ");
        return Err(format!("has a filter that is none of {kinds}: \"{written}\""));
    };
    let numbers: Option<Vec<f32>> = words.map(|word| word.parse().ok()).collect();
    let pass = matches!(kind, BandKind::HighPass | BandKind::LowPass);
    let (hz, gain_db, q) = match (pass, numbers.as_deref()) {
        (true, Some(&[hz])) => (hz, 0.0, QUALITY),
        (true, Some(&[hz, q])) => (hz, 0.0, q),
        (false, Some(&[hz, gain_db])) => (hz, gain_db, QUALITY),
        (false, Some(&[hz, gain_db, q])) => (hz, gain_db, q),
        _ => {
            let form = if pass { "Hz [quality]" } else { "Hz dB [quality]" };
            return Err(format!("has a filter that is not \"kind {form}\": \"{written}\""));
        }
    };
    let within =
        (20.0..=20_000.0).contains(&hz) && (-24.0..=12.0).contains(&gain_db) && (0.1..=10.0).contains(&q);
    if !within {
        return Err(format!(
            "has a filter beyond 20 to 20000 Hz, -24 to 12 dB or a quality of 0.1 to 10: \"{written}\""
        ));
    }
    Ok(Band { kind, hz, gain_db, q })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_read_in_their_order() {
        let expected = [
            Band { kind: BandKind::HighPass, hz: 150.0, gain_db: 0.0, q: 0.707 },
            Band { kind: BandKind::Peak, hz: 3_000.0, gain_db: -4.5, q: 1.2 },
            Band { kind: BandKind::HighShelf, hz: 6_000.0, gain_db: 3.0, q: 0.707 },
        ];
        assert_eq!(bands("high-pass 150, peak 3000 -4.5 1.2,high-shelf 6000 3"), Ok(expected.to_vec()));
        assert_eq!(bands(""), Ok(Vec::new()));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, said) in [
            ("bell 100 3", "none of peak"),
            ("peak 100", "kind Hz dB [quality]"),
            ("high-pass", "kind Hz [quality]"),
            ("low-pass 100 1 1", "kind Hz [quality]"),
            ("peak 100 x", "kind Hz dB"),
            ("peak 10 3", "beyond 20"),
            ("peak 100 30", "beyond 20"),
            ("peak 100 NaN", "beyond 20"),
            ("peak 100 3 0", "beyond 20"),
            (&"peak 100 3,".repeat(9), "more than 8"),
        ] {
            let problem = bands(text).unwrap_err();
            assert!(problem.contains(said), "{text}: {problem}");
        }
    }
}
