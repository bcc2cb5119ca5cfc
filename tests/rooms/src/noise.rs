//! Sounds that nobody makes by speaking.

use crate::random::Random;

/// Pink noise of RMS 1: what rooms and fans sound like (-3 dB per octave).
pub fn pink(seed: u64, len: usize) -> Vec<f32> {
    // P. Kellet's six poles over white noise, within 0.05 dB above 10 Hz
    const POLES: [(f32, f32); 6] = [
        (0.99886, 0.0555179),
        (0.99332, 0.0750759),
        (0.96900, 0.153_852),
        (0.86650, 0.3104856),
        (0.55000, 0.5329522),
        (-0.7616, -0.0168980),
    ];
    let mut random = Random::of(seed, "pink");
    let mut states = [0.0f32; 6];
    let samples = (0..len)
        .map(|_| {
            let white = random.bell();
            let mut sum = white * 0.5362;
            for (state, (pole, gain)) in states.iter_mut().zip(POLES) {
                *state = *state * pole + white * gain;
                sum += *state;
            }
            sum
        })
        .collect();
    crate::level::at_level(samples, 0.0)
}
