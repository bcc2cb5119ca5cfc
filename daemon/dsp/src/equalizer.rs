//! Bends the frequency response toward what a small loudspeaker needs.

use heapless::Vec;

use crate::level::sane;

/// Most filters in a row.
pub const BANDS_MAX: usize = 8;

/// What a filter does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BandKind {
    /// Raises or lowers around a frequency.
    Peak,
    /// Raises or lowers below a frequency.
    LowShelf,
    /// Raises or lowers above a frequency.
    HighShelf,
    /// Removes what lies below, 12 dB per octave; its gain does not matter.
    HighPass,
    /// Removes what lies above, 12 dB per octave; its gain does not matter.
    LowPass,
}

/// One second-order filter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Band {
    /// What it does.
    pub kind: BandKind,
    /// Centre or corner in Hz.
    pub hz: f32,
    /// Gain in dB.
    pub gain_db: f32,
    /// Quality: 0.7 is flat for corners, more is narrower.
    pub q: f32,
}

/// A few second-order filters in a row. Without any, samples come out bit for bit.
#[derive(Clone, Debug)]
pub struct Equalizer {
    filters: Vec<Biquad, BANDS_MAX>,
}

#[derive(Clone, Copy, Debug)]
struct Biquad {
    b0: f32,
    b1: f32,
    b2: f32,
    a1: f32,
    a2: f32,
    s1: f32,
    s2: f32,
}

impl Equalizer {
    /// The filters in their order, at most 8; those beyond, and those at or above half the rate, are left out.
    pub fn new(bands: &[Band], rate_hz: u32) -> Self {
        let mut filters = Vec::new();
        for band in bands.iter().filter(|band| usable(band, rate_hz)) {
            if filters.push(Biquad::new(band, rate_hz)).is_err() {
                break;
            }
        }
        Self { filters }
    }

    /// Filters mono samples in place.
    pub fn process(&mut self, samples: &mut [f32]) {
        for filter in &mut self.filters {
            filter.process(samples);
        }
    }

    /// Forgets what was heard.
    pub fn reset(&mut self) {
        for filter in &mut self.filters {
            (filter.s1, filter.s2) = (0.0, 0.0);
        }
    }
}

fn usable(band: &Band, rate_hz: u32) -> bool {
    let numbers = band.hz.is_finite() && band.gain_db.is_finite() && band.q.is_finite();
    numbers && band.hz > 0.0 && band.hz < rate_hz as f32 / 2.0 && band.q > 0.0
}

impl Biquad {
    /// Bilinear transforms of the analogue prototypes, after R. Bristow-Johnson's cookbook; in f64, because corners
    /// far below the rate leave few digits.
    fn new(band: &Band, rate_hz: u32) -> Self {
        let w = std::f64::consts::TAU * f64::from(band.hz) / f64::from(rate_hz);
        let (sin, cos) = w.sin_cos();
        let alpha = sin / (2.0 * f64::from(band.q));
        let a = 10_f64.powf(f64::from(band.gain_db) / 40.0);
        let root = 2.0 * a.sqrt() * alpha;
        let (b, a) = match band.kind {
            BandKind::Peak => (
                [1.0 + alpha * a, -2.0 * cos, 1.0 - alpha * a],
                [1.0 + alpha / a, -2.0 * cos, 1.0 - alpha / a],
            ),
            BandKind::LowShelf => (
                [
                    a * (a + 1.0 - (a - 1.0) * cos + root),
                    2.0 * a * (a - 1.0 - (a + 1.0) * cos),
                    a * (a + 1.0 - (a - 1.0) * cos - root),
                ],
                [
                    a + 1.0 + (a - 1.0) * cos + root,
                    -2.0 * (a - 1.0 + (a + 1.0) * cos),
                    a + 1.0 + (a - 1.0) * cos - root,
                ],
            ),
            BandKind::HighShelf => (
                [
                    a * (a + 1.0 + (a - 1.0) * cos + root),
                    -2.0 * a * (a - 1.0 + (a + 1.0) * cos),
                    a * (a + 1.0 + (a - 1.0) * cos - root),
                ],
                [
                    a + 1.0 - (a - 1.0) * cos + root,
                    2.0 * (a - 1.0 - (a + 1.0) * cos),
                    a + 1.0 - (a - 1.0) * cos - root,
                ],
            ),
            BandKind::HighPass => {
                ([(1.0 + cos) / 2.0, -1.0 - cos, (1.0 + cos) / 2.0], [1.0 + alpha, -2.0 * cos, 1.0 - alpha])
            }
            BandKind::LowPass => {
                ([(1.0 - cos) / 2.0, 1.0 - cos, (1.0 - cos) / 2.0], [1.0 + alpha, -2.0 * cos, 1.0 - alpha])
            }
        };
        let [b0, b1, b2] = b.map(|b| (b / a[0]) as f32);
        Self { b0, b1, b2, a1: (a[1] / a[0]) as f32, a2: (a[2] / a[0]) as f32, s1: 0.0, s2: 0.0 }
    }

    fn process(&mut self, samples: &mut [f32]) {
        let Self { b0, b1, b2, a1, a2, mut s1, mut s2 } = *self;
        for sample in samples {
            // transposed direct form II: the one that rounds least in f32 at low corners
            let x = sane(*sample);
            let y = b0 * x + s1;
            s1 = b1 * x - a1 * y + s2;
            s2 = b2 * x - a2 * y;
            *sample = sane(y);
        }
        // A decaying tail ends in denormals, which are slow on most cores; what overflowed must not stay.
        let rests = |s: f32| if s.abs() < 1e-20 { 0.0 } else { sane(s) };
        (self.s1, self.s2) = (rests(s1), rests(s2));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synth::{tone, tone_in, white};

    /// Gain in dB of one band at a frequency.
    fn response(kind: BandKind, hz: f32, gain_db: f32, q: f32, at_hz: f64) -> f64 {
        let mut samples = tone(48_000, at_hz, 0.1, 48_000);
        Equalizer::new(&[Band { kind, hz, gain_db, q }], 48_000).process(&mut samples);
        20.0 * (tone_in(&samples[24_000..], 48_000, at_hz).0 / 0.1).log10()
    }

    fn check(kind: BandKind, hz: f32, gain_db: f32, expected: &[(f64, f64)]) {
        for &(at_hz, db) in expected {
            let got = response(kind, hz, gain_db, 0.707, at_hz);
            assert!((got - db).abs() < 0.5, "{kind:?} at {at_hz} Hz: {got} dB, expected {db}");
        }
    }

    #[test]
    fn each_kind_does_what_it_says() {
        check(BandKind::Peak, 2_000.0, -6.0, &[(50.0, 0.0), (2_000.0, -6.0), (20_000.0, 0.0)]);
        check(BandKind::LowShelf, 400.0, -9.0, &[(50.0, -9.0), (400.0, -4.5), (8_000.0, 0.0)]);
        check(BandKind::HighShelf, 4_000.0, 6.0, &[(200.0, 0.0), (4_000.0, 3.0), (18_000.0, 6.0)]);
        check(BandKind::HighPass, 200.0, 0.0, &[(50.0, -24.1), (200.0, -3.0), (4_000.0, 0.0)]);
        check(BandKind::LowPass, 5_000.0, 0.0, &[(500.0, 0.0), (5_000.0, -3.0), (16_000.0, -28.3)]);
    }

    #[test]
    fn without_filters_every_bit_stays() {
        let before = white(1, 960);
        let mut samples = before.clone();
        Equalizer::new(&[], 48_000).process(&mut samples);
        assert_eq!(samples, before);
    }

    #[test]
    fn filters_add_up_and_pieces_are_the_whole() {
        let band = Band { kind: BandKind::Peak, hz: 1_000.0, gain_db: -4.0, q: 1.0 };
        let (mut whole, mut pieces) =
            (tone(48_000, 1_000.0, 0.3, 48_000), tone(48_000, 1_000.0, 0.3, 48_000));
        Equalizer::new(&[band, band], 48_000).process(&mut whole);
        let mut equalizer = Equalizer::new(&[band, band], 48_000);
        pieces.chunks_mut(77).for_each(|piece| equalizer.process(piece));
        assert_eq!(whole, pieces);
        let gain = 20.0 * (tone_in(&whole[24_000..], 48_000, 1_000.0).0 / 0.3).log10();
        assert!((gain + 8.0).abs() < 0.1, "{gain}");
    }

    #[test]
    fn what_no_filter_can_be_is_left_out() {
        let good = Band { kind: BandKind::LowPass, hz: 1_000.0, gain_db: 0.0, q: 0.7 };
        let bad = [
            Band { hz: 8_000.0, ..good },
            Band { hz: 0.0, ..good },
            Band { q: 0.0, ..good },
            Band { gain_db: f32::NAN, ..good },
            Band { hz: f32::INFINITY, ..good },
        ];
        let before = white(3, 320);
        let mut samples = before.clone();
        Equalizer::new(&bad, 16_000).process(&mut samples);
        assert_eq!(samples, before);
        assert_eq!(Equalizer::new(&[good; 12], 16_000).filters.len(), BANDS_MAX);
    }

    #[test]
    fn nonsense_leaves_no_trace() {
        let band = Band { kind: BandKind::HighShelf, hz: 3_000.0, gain_db: 12.0, q: 0.7 };
        let mut equalizer = Equalizer::new(&[band], 48_000);
        let mut samples = vec![f32::NAN, f32::INFINITY, f32::MAX, f32::MIN, 1.0];
        samples.resize(48_000, 0.0);
        equalizer.process(&mut samples);
        assert!(samples.iter().all(|sample| sample.is_finite()));
        assert!(samples[47_000..].iter().all(|sample| sample.abs() < 1e-3), "and it comes to rest");
        equalizer.reset();
        let mut silence = [0.0; 100];
        equalizer.process(&mut silence);
        assert_eq!(silence, [0.0; 100]);
    }
}
