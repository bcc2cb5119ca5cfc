use super::*;
use crate::synth::{Random, at_level, pink, rms, speech, to_db};
use crate::{BLOCK, BargeIn, FrontEnd, FrontEndSettings};

const S: usize = 16_000;
/// Somebody turns the loudspeaker's own knob down by 26 dB.
const TURNED: usize = 6 * S;

/// What is played, and what the microphone hears of it 15 ms later in a room.
fn turned_down(seed: u64) -> (Vec<f32>, Vec<f32>) {
    let far = at_level(speech(seed, 9 * S), -22.0);
    let mut random = Random::new(seed);
    let taps: Vec<f32> = (0..1_600)
        .map(|n| if n == 0 { 1.0 } else { (0.05 * random.bell() * (-6.9 * n as f64 / 1_600.0).exp()) as f32 })
        .collect();
    let mut mic = at_level(pink(seed, far.len()), -70.0);
    for (n, &sample) in far.iter().enumerate() {
        let loud = if n < TURNED { 1.0 } else { 0.05 };
        mic[(n + 240).min(9 * S)..].iter_mut().zip(&taps).for_each(|(out, tap)| *out += loud * sample * tap);
    }
    (far, mic)
}

fn blocks<'a>(far: &'a [f32], mic: &'a [f32]) -> impl Iterator<Item = (&'a Block, &'a Block)> {
    let block = |samples: &'a [f32]| -> &'a Block { samples.try_into().unwrap() };
    far.chunks_exact(BLOCK).zip(mic.chunks_exact(BLOCK)).map(move |(far, mic)| (block(far), block(mic)))
}

#[test]
fn a_filter_that_makes_things_worse_is_forgotten_and_the_room_learnt_again() {
    for seed in 1..=4 {
        let (far, mic) = turned_down(seed);
        let mut kalman = Kalman::new(EchoSettings::default());
        let (mut out, mut sound, mut healed, mut told) = ([0.0; BLOCK], Vec::new(), None, false);
        for (n, (far, mic)) in blocks(&far, &mic).enumerate() {
            let before = kalman.eager;
            let reading = kalman.process(far, mic, &mut out);
            sound.extend_from_slice(&out);
            // Nothing else makes it that eager without being told to.
            if n > 400 && kalman.eager > before.max(MOVED_BLOCKS) {
                assert!(reading.unsettled, "seed {seed}: what is left may sound like a person");
                healed = healed.or(Some(n));
            }
            told |= n > 400 && reading.unsettled;
        }
        let healed = healed.unwrap_or_else(|| panic!("seed {seed}: not noticed"));
        let late = healed as i32 - (TURNED / BLOCK) as i32;
        assert!((0..100).contains(&late) && told, "seed {seed}: noticed {late} blocks later");
        // The echo is 22 dB above the noise now. A filter that nobody heals takes 6 to 9 dB of it off by then.
        let third = TURNED + 2 * S..TURNED + 3 * S;
        let less = to_db(rms(&mic[third.clone()]) / rms(&sound[third]));
        assert!(less > 11.0, "seed {seed}: {less} dB in the third second");
    }
}

#[test]
fn nobody_is_heard_in_what_a_forgotten_filter_leaves() {
    for seed in 1..=4 {
        let (far, mic) = turned_down(seed);
        let mut path = FrontEnd::new(FrontEndSettings::new(S as u32, 1)).unwrap();
        let mut out = [0.0; BLOCK];
        for (n, (far, mic)) in blocks(&far, &mic).enumerate() {
            let reading = path.process(mic, far, &mut out);
            assert_ne!(reading.barge_in, Some(BargeIn::Confirmed), "seed {seed}: {n}");
        }
    }
}
