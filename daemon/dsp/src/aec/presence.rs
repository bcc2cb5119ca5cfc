//! Whether the echo that is predicted is there.

use super::spectrum::{BINS, Bins, FRAME, Fourier, Spectrum};
use crate::{BLOCK, Block};

/// Memory per block: 150 ms.
const KEPT: f32 = 0.935;
/// Keeps a division by nothing finite: -100 dBFS in the unit of a bin.
const LEAST_POWER: f32 = 1e-7;
/// Bins that count: 200 Hz to 5 kHz.
const VOICE: std::ops::Range<usize> = 4..100;

/// How much of the predicted echo the microphone contains. A person who speaks has nothing in common with the
/// prediction, so that this is 1 in double talk, too; and less as soon as the echo goes elsewhere.
#[derive(Clone, Debug)]
pub(super) struct Presence {
    spectrum: Spectrum,
    /// Products of microphone and prediction, and their powers.
    both: Bins,
    echo: Bins,
    mic: Bins,
    /// The share; 0 until there is a prediction.
    pub(super) share: f32,
}

impl Presence {
    pub(super) fn new() -> Self {
        Self { spectrum: Spectrum::ZERO, both: [0.0; BINS], echo: [0.0; BINS], mic: [0.0; BINS], share: 0.0 }
    }

    /// The filter is another one: it is believed until its echo is seen to be missing, too.
    pub(super) fn believe(&mut self) {
        self.both = self.echo;
        self.share = 1.0;
    }

    /// Takes in a block: what was predicted and the spectrum of the error.
    pub(super) fn process(&mut self, echo: &Block, error: &Spectrum, fourier: &mut Fourier) {
        let mut frame = [0.0; FRAME];
        frame[BLOCK..].copy_from_slice(echo);
        fourier.forward(&mut frame, &mut self.spectrum);
        // Every bin counts by what of the microphone is echo there: a person hides it in some bins only.
        let (mut both, mut all) = (0.0, 0.0);
        for k in VOICE {
            let (re, im) = (self.spectrum.re[k], self.spectrum.im[k]);
            let (mic_re, mic_im) = (re + error.re[k], im + error.im[k]);
            self.both[k] = KEPT * self.both[k] + re * mic_re + im * mic_im;
            self.echo[k] = KEPT * self.echo[k] + re * re + im * im;
            self.mic[k] = KEPT * self.mic[k] + mic_re * mic_re + mic_im * mic_im;
            let weight = 1.0 / (self.mic[k] + LEAST_POWER);
            both += self.both[k] * weight;
            all += self.echo[k] * weight;
        }
        self.share = if all > 0.0 { (both / all).clamp(0.0, 1.0) } else { 0.0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synth::{at_level, speech};

    /// Least and most of the share from the second second on, with `error` beside what was predicted.
    fn shares(echo: &[f32], error: &[f32]) -> (f32, f32) {
        let (mut presence, mut fourier) = (Presence::new(), Fourier::new());
        let mut spectrum = Spectrum::ZERO;
        let (mut least, mut most) = (f32::MAX, f32::MIN);
        for (n, (echo, error)) in echo.chunks_exact(BLOCK).zip(error.chunks_exact(BLOCK)).enumerate() {
            let mut frame = [0.0; FRAME];
            frame[BLOCK..].copy_from_slice(error);
            fourier.forward(&mut frame, &mut spectrum);
            presence.process(echo.try_into().unwrap(), &spectrum, &mut fourier);
            if n >= 100 {
                (least, most) = (least.min(presence.share), most.max(presence.share));
            }
        }
        (least, most)
    }

    #[test]
    fn an_echo_is_present_whoever_speaks_over_it_and_absent_where_it_is_not() {
        let echo = at_level(speech(1, 160_000), -26.0);
        let person = at_level(speech(2, 160_000), -26.0);
        let (least, _) = shares(&echo, &person);
        assert!(least > 0.7, "{least} while somebody speaks");
        let elsewhere = at_level(speech(1, 161_600), -26.0).split_off(1_600);
        let error: Vec<f32> = elsewhere.iter().zip(&echo).map(|(mic, echo)| mic - echo).collect();
        let (_, most) = shares(&echo, &error);
        assert!(most < 0.6, "{most} with an echo that comes 100 ms earlier");
    }
}
