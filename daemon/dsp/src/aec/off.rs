//! No canceller.

use super::{EchoCanceller, EchoReading};
use crate::Block;

/// Passes the microphone on, bit for bit.
#[derive(Clone, Copy, Debug, Default)]
pub struct Off;

impl EchoCanceller for Off {
    fn process(&mut self, _far: &Block, mic: &Block, out: &mut Block) -> EchoReading {
        out.copy_from_slice(mic);
        EchoReading::REST
    }

    fn delay_ms(&self) -> f32 {
        0.0
    }

    fn reset(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BLOCK;
    use crate::synth::white;

    #[test]
    fn it_leaves_every_bit_whatever_the_speaker_plays() {
        let mut mic = [0.0; BLOCK];
        mic.copy_from_slice(&white(1, BLOCK));
        let mut out = [9.0; BLOCK];
        let reading = Off.process(&[0.5; BLOCK], &mic, &mut out);
        assert_eq!(out, mic);
        assert!(!reading.active && reading.near_end == 1.0);
    }
}
