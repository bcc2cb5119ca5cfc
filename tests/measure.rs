//! Where sound went: the chunks that arrived are found again in what was spoken, sample for sample, and the other way
//! round. Needs sound of which every stretch is unlike every other (speech over low noise).

use std::ops::Range;

/// A stretch of sound with the moment it arrived or was sent.
#[derive(Clone, Debug)]
pub struct Stretch<'a> {
    /// CLOCK_MONOTONIC in nanoseconds.
    pub at_ns: u64,
    /// Mono samples.
    pub samples: &'a [i16],
}

/// Where a stretch was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// As in [`Stretch`].
    pub at_ns: u64,
    /// Its samples' indices.
    pub range: Range<usize>,
}

/// All stretches, in order, against the sound they were taken from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placement {
    /// Each stretch that was found.
    pub placed: Vec<Placed>,
    /// Samples skipped between neighbours: lost on the way.
    pub lost: usize,
    /// Samples that came a second time, or before earlier ones.
    pub repeated: usize,
    /// Samples that are nowhere in the original.
    pub foreign: usize,
}

impl Placement {
    /// Nothing lost, nothing repeated, nothing invented.
    pub fn is_whole(&self) -> bool {
        self.lost == 0 && self.repeated == 0 && self.foreign == 0 && !self.placed.is_empty()
    }

    /// From the first sample to the last.
    pub fn span(&self) -> Option<Range<usize>> {
        Some(self.placed.first()?.range.start..self.placed.last()?.range.end)
    }
}

/// Finds `needle` exactly, not before `from`.
pub fn find(hay: &[i16], needle: &[i16], from: usize) -> Option<usize> {
    let first = *needle.first()?;
    let last = hay.len().checked_sub(needle.len())?;
    (from..=last).find(|&at| hay[at] == first && hay[at..at + needle.len()] == *needle)
}

/// Places stretches in `original`. `from` is an index before the first of them.
pub fn place<'a>(
    original: &[i16],
    from: usize,
    stretches: impl IntoIterator<Item = Stretch<'a>>,
) -> Placement {
    let mut placement = Placement::default();
    let mut next: Option<usize> = None;
    for Stretch { at_ns, samples } in stretches {
        let len = samples.len();
        let direct = next.filter(|&at| original.get(at..at + len) == Some(samples));
        let after = || find(original, samples, next.unwrap_or(from));
        let before = || find(original, samples, from);
        let Some(at) = direct.or_else(after).or_else(before) else {
            placement.foreign += len;
            continue;
        };
        if let Some(expected) = next {
            placement.lost += at.saturating_sub(expected);
            placement.repeated += expected.saturating_sub(at);
        }
        next = Some(at + len);
        placement.placed.push(Placed { at_ns, range: at..at + len });
    }
    placement
}

/// Smallest value that a share (0 to 1) of the values does not exceed; 0 for none.
pub fn percentile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let index = ((values.len() as f64 * share).ceil() as usize).clamp(1, values.len().max(1)) - 1;
    values.get(index).copied().unwrap_or_default()
}

/// The last sample of a range that is not silent; `None` when all are.
pub fn last_sound(samples: &[i16]) -> Option<usize> {
    samples.iter().rposition(|&s| s != 0)
}

/// The first sample of a range that is not silent.
pub fn first_sound(samples: &[i16]) -> Option<usize> {
    samples.iter().position(|&s| s != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(order: &[Range<usize>], lost: usize, repeated: usize) {
        let original: Vec<i16> = (0..1000).map(|n| (n * 31 % 997) as i16).collect();
        let parts = order.iter().map(|range| Stretch { at_ns: 0, samples: &original[range.clone()] });
        let placement = place(&original, 0, parts);
        assert_eq!((placement.lost, placement.repeated, placement.foreign), (lost, repeated, 0), "{order:?}");
    }

    #[test]
    fn gaps_and_repeats_are_counted() {
        check(&[100..120, 120..160, 160..180], 0, 0);
        check(&[100..120, 140..160], 20, 0);
        check(&[100..120, 110..160], 0, 10);
        check(&[100..120, 140..160, 120..140], 20, 40);
    }

    #[test]
    fn what_was_never_said_is_foreign() {
        let original = vec![1, 2, 3, 4, 5];
        let placement = place(&original, 0, [Stretch { at_ns: 0, samples: &[9, 9] }]);
        assert_eq!(placement.foreign, 2);
        assert!(!placement.is_whole());
    }

    #[test]
    fn percentiles_are_values_that_occurred() {
        let mut values: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(percentile(&mut values, 0.99), 99.0);
        assert_eq!(percentile(&mut values, 0.5), 50.0);
        assert_eq!(percentile(&mut [], 0.5), 0.0);
    }
}
