//! The sounds of English as formants, durations and sources, after D. Klatt's tables of 1980.

/// How a sound is made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Manner {
    Vowel,
    Glide,
    Nasal,
    /// Breath shaped by the vowel that follows.
    Aspirate,
    Fricative {
        voiced: bool,
    },
    Stop {
        voiced: bool,
    },
}

/// One sound: formants in Hz at its start and end, and its noise if it has any.
#[derive(Clone, Copy, Debug)]
pub(super) struct Phoneme {
    pub manner: Manner,
    pub start_hz: [f32; 3],
    pub end_hz: [f32; 3],
    pub width_hz: [f32; 3],
    pub length_ms: f32,
    /// Centre and width of frication or burst in Hz, and its strength.
    pub noise: (f32, f32, f32),
}

const fn vowel(start_hz: [f32; 3], end_hz: [f32; 3], width_hz: [f32; 3], length_ms: f32) -> Phoneme {
    Phoneme { manner: Manner::Vowel, start_hz, end_hz, width_hz, length_ms, noise: (0.0, 0.0, 0.0) }
}

const fn still(manner: Manner, hz: [f32; 3], width_hz: [f32; 3], length_ms: f32) -> Phoneme {
    Phoneme { manner, start_hz: hz, end_hz: hz, width_hz, length_ms, noise: (0.0, 0.0, 0.0) }
}

const fn noisy(manner: Manner, hz: [f32; 3], length_ms: f32, noise: (f32, f32, f32)) -> Phoneme {
    Phoneme { manner, start_hz: hz, end_hz: hz, width_hz: [200.0, 120.0, 200.0], length_ms, noise }
}

/// Vowels and diphthongs that may carry stress.
pub(super) const VOWELS: [Phoneme; 15] = [
    vowel([310.0, 2020.0, 2960.0], [290.0, 2070.0, 2960.0], [45.0, 200.0, 400.0], 120.0),
    vowel([400.0, 1800.0, 2570.0], [470.0, 1600.0, 2600.0], [50.0, 100.0, 140.0], 100.0),
    vowel([480.0, 1720.0, 2520.0], [330.0, 2020.0, 2600.0], [70.0, 100.0, 200.0], 140.0),
    vowel([530.0, 1680.0, 2500.0], [620.0, 1530.0, 2530.0], [60.0, 90.0, 200.0], 110.0),
    vowel([620.0, 1660.0, 2430.0], [650.0, 1490.0, 2470.0], [70.0, 150.0, 320.0], 150.0),
    vowel([700.0, 1220.0, 2600.0], [700.0, 1220.0, 2600.0], [130.0, 70.0, 160.0], 150.0),
    vowel([600.0, 990.0, 2570.0], [630.0, 1040.0, 2600.0], [90.0, 100.0, 80.0], 150.0),
    vowel([620.0, 1220.0, 2550.0], [620.0, 1220.0, 2550.0], [80.0, 50.0, 140.0], 100.0),
    vowel([540.0, 1100.0, 2300.0], [450.0, 900.0, 2300.0], [80.0, 70.0, 70.0], 140.0),
    vowel([450.0, 1100.0, 2350.0], [500.0, 1180.0, 2390.0], [80.0, 100.0, 80.0], 100.0),
    vowel([350.0, 1250.0, 2200.0], [320.0, 900.0, 2200.0], [65.0, 110.0, 140.0], 120.0),
    vowel([470.0, 1270.0, 1540.0], [420.0, 1310.0, 1540.0], [100.0, 60.0, 110.0], 130.0),
    vowel([660.0, 1200.0, 2550.0], [400.0, 1880.0, 2500.0], [100.0, 70.0, 200.0], 170.0),
    vowel([640.0, 1230.0, 2550.0], [420.0, 940.0, 2350.0], [80.0, 70.0, 140.0], 170.0),
    vowel([550.0, 960.0, 2400.0], [360.0, 1820.0, 2450.0], [80.0, 50.0, 130.0], 180.0),
];

/// The vowel of syllables without stress.
pub(super) const SCHWA: Phoneme =
    vowel([550.0, 1260.0, 2470.0], [500.0, 1300.0, 2470.0], [80.0, 70.0, 140.0], 60.0);

/// Consonants, the commoner ones several times.
pub(super) const CONSONANTS: [Phoneme; 30] = {
    use Manner::{Aspirate, Fricative, Glide, Nasal, Stop};
    const S: Phoneme =
        noisy(Fricative { voiced: false }, [320.0, 1390.0, 2530.0], 100.0, (5400.0, 1800.0, 0.7));
    const Z: Phoneme =
        noisy(Fricative { voiced: true }, [240.0, 1390.0, 2530.0], 75.0, (5400.0, 1800.0, 0.4));
    const T: Phoneme = noisy(Stop { voiced: false }, [400.0, 1600.0, 2600.0], 75.0, (4300.0, 1500.0, 1.1));
    const D: Phoneme = noisy(Stop { voiced: true }, [200.0, 1600.0, 2600.0], 60.0, (4000.0, 1500.0, 0.7));
    const K: Phoneme = noisy(Stop { voiced: false }, [300.0, 1990.0, 2850.0], 80.0, (2100.0, 700.0, 0.8));
    const N: Phoneme = still(Nasal, [280.0, 1340.0, 2470.0], [90.0, 300.0, 300.0], 65.0);
    const M: Phoneme = still(Nasal, [280.0, 1100.0, 2130.0], [90.0, 300.0, 300.0], 70.0);
    const L: Phoneme = still(Glide, [310.0, 1050.0, 2880.0], [50.0, 100.0, 280.0], 65.0);
    const R: Phoneme = still(Glide, [310.0, 1060.0, 1380.0], [70.0, 100.0, 120.0], 65.0);
    const DH: Phoneme =
        noisy(Fricative { voiced: true }, [270.0, 1290.0, 2540.0], 50.0, (5800.0, 3000.0, 0.08));
    [
        S,
        S,
        Z,
        T,
        T,
        T,
        D,
        D,
        K,
        K,
        N,
        N,
        N,
        M,
        M,
        L,
        L,
        R,
        R,
        DH,
        DH,
        still(Nasal, [280.0, 2000.0, 2700.0], [90.0, 300.0, 300.0], 70.0),
        still(Glide, [290.0, 610.0, 2150.0], [50.0, 80.0, 60.0], 65.0),
        still(Glide, [260.0, 2070.0, 3020.0], [40.0, 250.0, 500.0], 60.0),
        still(Aspirate, [500.0, 1500.0, 2500.0], [250.0, 160.0, 250.0], 60.0),
        noisy(Fricative { voiced: false }, [340.0, 1100.0, 2080.0], 95.0, (6000.0, 4000.0, 0.16)),
        noisy(Fricative { voiced: false }, [300.0, 1840.0, 2750.0], 105.0, (2900.0, 900.0, 0.6)),
        noisy(Fricative { voiced: true }, [220.0, 1100.0, 2080.0], 55.0, (6000.0, 4000.0, 0.08)),
        noisy(Stop { voiced: false }, [400.0, 1100.0, 2150.0], 80.0, (1200.0, 1500.0, 0.4)),
        noisy(Stop { voiced: true }, [200.0, 1100.0, 2150.0], 65.0, (1000.0, 1500.0, 0.3)),
    ]
};
