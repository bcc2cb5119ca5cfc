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

/// 1 for the same sound at any volume, 0 for another one.
pub fn correlation(a: &[i16], b: &[i16]) -> f64 {
    let dot =
        |x: &[i16], y: &[i16]| -> f64 { x.iter().zip(y).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum() };
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt().max(1.0)
}

/// A sound between its samples, on a straight line: good enough for speech.
pub fn between(sound: &[i16], at: f64) -> i16 {
    let sample = |n: usize| sound.get(n).copied().map_or(0.0, f64::from);
    let (n, share) = (at as usize, at.fract());
    (sample(n) * (1.0 - share) + sample(n + 1) * share).round() as i16
}

/// How alike a sound and what was made of it on the way are, in the window where they are least so: all of it must
/// lie at the same distance. Windows are `window` samples long, and quiet ones are passed over.
pub fn alike(original: &[i16], converted: &[i16], window: usize) -> f64 {
    let part = |sound: &[i16], from: usize| {
        let from = from.min(sound.len());
        sound[from..(from + window).min(sound.len())].to_vec()
    };
    let energy = |from: usize| part(original, from).iter().map(|s| f64::from(*s).powi(2)).sum::<f64>();
    let windows: Vec<usize> = (0..original.len().saturating_sub(window)).step_by(window / 2).collect();
    let Some(&loudest) = windows.iter().max_by(|a, b| energy(**a).total_cmp(&energy(**b))) else {
        return 0.0;
    };
    let at = |lag: usize, from: usize| correlation(&part(original, from), &part(converted, lag + from));
    // Where the first loud sample lies, and a little around it.
    let onset = |sound: &[i16]| {
        let loud = sound.iter().map(|s| s.unsigned_abs()).max().unwrap_or(0) / 4;
        sound.iter().position(|s| s.unsigned_abs() > loud).unwrap_or(0)
    };
    let guess = onset(converted).saturating_sub(onset(original));
    let lags = guess.saturating_sub(150)..guess + 150;
    let lag = lags.max_by(|a, b| at(*a, loudest).total_cmp(&at(*b, loudest))).unwrap_or(guess);
    let heard = windows.into_iter().filter(|from| energy(*from) > energy(loudest) / 1000.0);
    heard.map(|from| at(lag, from)).fold(1.0, f64::min)
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
    fn alike_is_what_lies_at_the_same_distance_whatever_its_volume() {
        let mut random = 1_u32;
        let mut noise = || {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (random >> 18) as i16 - 8192
        };
        let original: Vec<i16> = (0..4000).map(|_| noise()).collect();
        let softer = |lag: usize| [vec![0; lag], original.iter().map(|s| s / 2).collect()].concat();
        assert!(alike(&original, &softer(70), 500) > 0.99);
        let mut gap = softer(70);
        gap.drain(2000..2003);
        assert!(alike(&original, &gap, 500) < 0.5, "three samples are missing");
        let doubled: Vec<i16> = (0..7999).map(|n| between(&original, f64::from(n) / 2.0)).collect();
        assert_eq!(doubled.iter().copied().step_by(2).collect::<Vec<_>>(), original);
    }

    #[test]
    fn percentiles_are_values_that_occurred() {
        let mut values: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(percentile(&mut values, 0.99), 99.0);
        assert_eq!(percentile(&mut values, 0.5), 50.0);
        assert_eq!(percentile(&mut [], 0.5), 0.0);
    }
}
