//! Detects speech by its level, in stream time: what counts is how much audio came, not when it came.

/// What was detected, and where in the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detected {
    /// Speech began; milliseconds of audio up to the moment it was certain.
    Start { offset_ms: u64 },
    /// Speech ended.
    End { offset_ms: u64 },
}

/// Settings of a detector.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Settings {
    /// Level from which a frame counts as speech.
    pub speech_dbfs: f64,
    /// Speech needed for a start.
    pub prefix_padding_ms: u64,
    /// Silence needed for an end.
    pub silence_duration_ms: u64,
}

const FRAME_MS: u64 = 10;

/// The detector of one link.
#[derive(Debug)]
pub(crate) struct Detector {
    settings: Settings,
    threshold: f64,
    speaking: bool,
    /// Speech in a row while silent, silence in a row while speaking.
    run_ms: u64,
    offset_ms: u64,
    /// Samples of the frame that is not full yet: their number and energy.
    count: u32,
    energy: f64,
}

impl Detector {
    pub(crate) fn new(settings: Settings) -> Self {
        let threshold = 10f64.powf(settings.speech_dbfs / 10.0);
        Self { settings, threshold, speaking: false, run_ms: 0, offset_ms: 0, count: 0, energy: 0.0 }
    }

    /// Hears a chunk.
    pub(crate) fn hear(&mut self, samples: &[i16], rate_hz: u32) -> Vec<Detected> {
        let frame = rate_hz / (1000 / FRAME_MS as u32);
        let mut detected = Vec::new();
        for sample in samples {
            let value = f64::from(*sample) / 32_768.0;
            self.energy += value * value;
            self.count += 1;
            if self.count >= frame {
                let speech = self.energy / f64::from(self.count) >= self.threshold;
                (self.count, self.energy) = (0, 0.0);
                self.offset_ms += FRAME_MS;
                detected.extend(self.frame(speech));
            }
        }
        detected
    }

    /// Ends speech that is going on, as when the client says that its microphone pauses.
    pub(crate) fn pause(&mut self) -> Option<Detected> {
        (self.count, self.energy, self.run_ms) = (0, 0.0, 0);
        std::mem::take(&mut self.speaking).then_some(Detected::End { offset_ms: self.offset_ms })
    }

    fn frame(&mut self, speech: bool) -> Option<Detected> {
        self.run_ms = if speech == self.speaking { 0 } else { self.run_ms + FRAME_MS };
        let (needed_ms, offset_ms) = (self.needed_ms(), self.offset_ms);
        if self.run_ms == 0 || self.run_ms < needed_ms {
            return None;
        }
        self.run_ms = 0;
        self.speaking = speech;
        Some(if speech { Detected::Start { offset_ms } } else { Detected::End { offset_ms } })
    }

    fn needed_ms(&self) -> u64 {
        if self.speaking { self.settings.silence_duration_ms } else { self.settings.prefix_padding_ms }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: Settings =
        Settings { speech_dbfs: -45.0, prefix_padding_ms: 40, silence_duration_ms: 200 };

    fn level(ms: usize, amplitude: i16) -> Vec<i16> {
        (0..ms * 16).map(|n| if n % 2 == 0 { amplitude } else { -amplitude }).collect()
    }

    #[test]
    fn start_and_end_are_counted_in_audio_and_not_in_time() {
        let stream =
            [level(500, 10), level(300, 3000), level(150, 10), level(50, 3000), level(400, 10)].concat();
        for chunk in [160, 320, 777, stream.len()] {
            let mut detector = Detector::new(SETTINGS);
            let found: Vec<_> = stream.chunks(chunk).flat_map(|c| detector.hear(c, 16_000)).collect();
            let expected = [Detected::Start { offset_ms: 540 }, Detected::End { offset_ms: 1200 }];
            assert_eq!(found, expected, "{chunk}");
        }
    }

    #[test]
    fn a_click_is_no_speech_and_no_audio_is_no_silence() {
        let mut detector = Detector::new(SETTINGS);
        assert_eq!(detector.hear(&level(30, 3000), 16_000), []);
        assert_eq!(detector.hear(&level(100, 0), 16_000), []);
        assert_eq!(detector.hear(&level(100, 3000), 16_000).len(), 1);
        assert_eq!(detector.hear(&[], 16_000), []);
        assert_eq!(detector.pause(), Some(Detected::End { offset_ms: 230 }));
        assert_eq!(detector.pause(), None);
    }

    #[test]
    fn the_rate_the_client_declares_is_honoured() {
        let mut detector = Detector::new(SETTINGS);
        // 960 samples are 60 ms at 16 kHz and only 20 ms at 48 kHz
        assert_eq!(detector.hear(&level(60, 3000), 48_000), []);
        assert_eq!(detector.hear(&level(60, 3000), 48_000), [Detected::Start { offset_ms: 40 }]);
    }
}
