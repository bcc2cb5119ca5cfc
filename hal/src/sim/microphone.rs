//! A microphone that hears a sound from memory, paced by the monotonic clock.

use std::time::{Duration, Instant};

use super::fault::SoundFaults;
use super::null::rest;
use super::pace::Pace;
use crate::wav::Wav;
use crate::{Captured, Error, Format, Microphone, SampleFormat, Timing, Wait, Wake};

/// A simulated capture card.
#[derive(Clone, Debug)]
pub struct MicrophoneSettings {
    /// What is heard from the moment of opening on; its rate and channels are the card's. Silence follows.
    pub sound: Wav,
    /// Starts the sound again at its end.
    pub repeat: bool,
    /// Period in ms; tells [`Microphone::format`], waits are exact to the frame.
    pub period_ms: u32,
    /// Ring in ms; what is not read within it is lost.
    pub buffer_ms: u32,
    /// What goes wrong.
    pub faults: SoundFaults,
}

/// Hears frame `n` of its sound at `n / rate` after it was opened, whether anybody reads or not.
pub struct SimMicrophone {
    sound: Wav,
    repeat: bool,
    format: Format,
    pace: Pace,
    faults: SoundFaults,
    position: u64,
    xrun: bool,
}

const WHAT: &str = "read simulated microphone";

impl SimMicrophone {
    /// Opens it; its time starts now.
    pub fn open(settings: MicrophoneSettings) -> Self {
        let pace = Pace { start: Instant::now(), rate_hz: settings.sound.rate_hz };
        let format = Format {
            rate_hz: pace.rate_hz,
            channels: settings.sound.channels,
            sample: SampleFormat::S16Le,
            period_frames: pace.frames(settings.period_ms),
            buffer_frames: pace.frames(settings.buffer_ms),
        };
        SimMicrophone {
            sound: settings.sound,
            repeat: settings.repeat,
            format,
            pace,
            faults: settings.faults,
            position: 0,
            xrun: false,
        }
    }

    /// When it was opened: frame `n` was heard at this plus `n / rate`.
    pub fn opened_at(&self) -> Instant {
        self.pace.start
    }

    /// Frames that can be read, after overruns.
    fn available(&mut self) -> Result<usize, Error> {
        let heard = self.pace.now();
        self.faults.check(heard, WHAT)?;
        if let Some((_, lost)) = self.faults.take_xrun(self.position) {
            self.position += lost;
            self.xrun = true;
        }
        if heard.saturating_sub(self.position) > self.format.buffer_frames as u64 {
            // As a card does: the ring is emptied and capture starts again at the present.
            self.position = heard;
            self.xrun = true;
        }
        Ok(heard.saturating_sub(self.position) as usize)
    }
}

impl Microphone for SimMicrophone {
    fn format(&self) -> Format {
        self.format
    }

    fn wait(&mut self, frames: usize, wake: &Wake, timeout: Duration) -> Result<Wait, Error> {
        let deadline = Instant::now().checked_add(timeout);
        let frames = frames.clamp(1, self.format.buffer_frames);
        loop {
            // Looked at first, so that a reader who is always behind can still be stopped.
            if wake.take() {
                return Ok(Wait::Woken);
            }
            if self.available()? >= frames {
                return Ok(Wait::Ready);
            }
            let now = Instant::now();
            if deadline.is_some_and(|deadline| deadline <= now) {
                return Ok(Wait::TimedOut);
            }
            let ready = self.pace.instant(self.position + frames as u64);
            let lost = self.faults.lost_at.and_then(|frame| self.pace.instant(frame));
            let until = [deadline, ready, lost].into_iter().flatten().min();
            if rest(wake, until)? {
                return Ok(Wait::Woken);
            }
        }
    }

    fn read(&mut self, out: &mut [f32]) -> Result<Captured, Error> {
        let channels = self.format.channels as usize;
        let mut frames = self.available()?.min(out.len() / channels);
        if let Some(&(at, _)) = self.faults.xruns.first() {
            frames = frames.min(at.saturating_sub(self.position) as usize); // up to it, then over it
        }
        let length = self.sound.frames();
        for (n, frame) in out[..frames * channels].chunks_exact_mut(channels).enumerate() {
            let at = self.position + n as u64;
            let at = if self.repeat && length > 0 { at % length as u64 } else { at };
            match usize::try_from(at).ok().filter(|at| *at < length) {
                Some(at) => frame.copy_from_slice(&self.sound.samples[at * channels..][..channels]),
                None => frame.fill(0.0),
            }
        }
        let position = self.position;
        self.position += frames as u64;
        let at = if frames == 0 { None } else { self.pace.instant(self.position) };
        // With no frames to mark, an overrun is told with the next ones.
        let xrun = frames > 0 && std::mem::take(&mut self.xrun);
        let at = at.unwrap_or_else(Instant::now);
        Ok(Captured { frames, position, at, timing: Timing::Driver, xrun })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    /// One sample per frame that tells its index.
    fn counting(frames: usize, rate_hz: u32, channels: u32) -> Wav {
        let samples =
            (0..frames).flat_map(|n| (0..channels).map(move |c| (n + 1) as f32 + c as f32 / 10.0)).collect();
        Wav { rate_hz, channels, samples }
    }

    fn open(sound: Wav, buffer_ms: u32, faults: SoundFaults) -> SimMicrophone {
        SimMicrophone::open(MicrophoneSettings { sound, repeat: false, period_ms: 10, buffer_ms, faults })
    }

    #[test]
    fn a_wait_ends_when_the_frames_exist_and_not_before() {
        let mut microphone = open(counting(16_000, 16_000, 1), 5000, SoundFaults::default());
        let start = microphone.opened_at();
        let wake = Wake::new();
        let mut out = [0.0; 4000];
        let mut heard = Vec::new();
        for n in 1..=5u32 {
            assert_eq!(microphone.wait(160, &wake, Duration::from_secs(5)).unwrap(), Wait::Ready);
            assert!(Instant::now() >= start + Duration::from_millis(10) * n);
            let captured = microphone.read(&mut out[..160]).unwrap();
            assert_eq!((captured.frames, captured.position), (160, heard.len() as u64));
            assert_eq!(captured.at, start + Duration::from_millis(10) * n);
            heard.extend_from_slice(&out[..160]);
        }
        assert_eq!(heard, (1..=800).map(|n| n as f32).collect::<Vec<_>>());
        assert_eq!(microphone.wait(4000, &wake, Duration::from_millis(1)).unwrap(), Wait::TimedOut);
        wake.signal();
        assert_eq!(microphone.wait(4000, &wake, Duration::from_secs(5)).unwrap(), Wait::Woken);
    }

    #[test]
    fn channels_stay_together_and_silence_follows_the_sound() {
        let mut microphone = open(counting(10, 16_000, 2), 5000, SoundFaults::default());
        let mut out = [9.0; 41]; // room for 20 frames and a half
        assert_eq!(microphone.wait(20, &Wake::new(), Duration::from_secs(5)).unwrap(), Wait::Ready);
        assert_eq!(microphone.read(&mut out).unwrap().frames, 20);
        assert_eq!(out[..4], [1.0, 1.1, 2.0, 2.1]);
        assert_eq!((out[19], out[20], out[39], out[40]), (10.1, 0.0, 0.0, 9.0));
    }

    #[test]
    fn a_repeated_sound_starts_again() {
        let sound = counting(7, 16_000, 1);
        let settings = MicrophoneSettings {
            sound,
            repeat: true,
            period_ms: 10,
            buffer_ms: 5000,
            faults: SoundFaults::default(),
        };
        let mut microphone = SimMicrophone::open(settings);
        let mut out = [0.0; 15];
        microphone.wait(15, &Wake::new(), Duration::from_secs(5)).unwrap();
        assert_eq!(microphone.read(&mut out).unwrap().frames, 15);
        assert_eq!((out[6], out[7], out[14]), (7.0, 1.0, 1.0));
    }

    #[test]
    fn who_reads_too_late_loses_frames_and_is_told() {
        let mut microphone = open(counting(160_000, 16_000, 1), 150, SoundFaults::default());
        let wake = Wake::new();
        rest(&wake, Some(microphone.opened_at() + Duration::from_millis(200))).unwrap();
        let mut out = [0.0; 320];
        let mut captured = microphone.read(&mut out).unwrap();
        while captured.frames == 0 {
            microphone.wait(16, &wake, Duration::from_secs(5)).unwrap();
            captured = microphone.read(&mut out).unwrap();
        }
        assert!(captured.xrun && captured.position >= 3200, "{captured:?}");
        assert_eq!(out[0], captured.position as f32 + 1.0, "sound and position belong together");
        microphone.wait(16, &wake, Duration::from_secs(5)).unwrap();
        let next = microphone.read(&mut out).unwrap();
        assert!(!next.xrun && next.position == captured.position + captured.frames as u64, "told once");
    }

    #[test]
    fn an_overrun_as_told_jumps_there_and_by_that_much() {
        let faults = SoundFaults { xruns: vec![(100, 30)], ..SoundFaults::default() };
        let mut microphone = open(counting(16_000, 16_000, 1), 5000, faults);
        let (wake, mut out, mut seen) = (Wake::new(), [0.0; 400], Vec::new());
        while seen.len() < 3 {
            microphone.wait(160, &wake, Duration::from_secs(5)).unwrap();
            let captured = microphone.read(&mut out).unwrap();
            seen.push((captured.position, captured.xrun, out[0]));
        }
        assert_eq!(seen[..2], [(0, false, 1.0), (130, true, 131.0)]);
        assert!(!seen[2].1);
    }

    #[test]
    fn a_lost_card_fails_at_its_frame_also_in_the_middle_of_a_wait() {
        let faults = SoundFaults { lost_at: Some(480), ..SoundFaults::default() };
        let mut microphone = open(counting(16_000, 16_000, 1), 5000, faults);
        let wake = Wake::new();
        let error = microphone.wait(80_000, &wake, Duration::from_secs(5)).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Lost);
        let after = microphone.opened_at().elapsed();
        assert!(after >= Duration::from_millis(30) && after < Duration::from_secs(4), "{after:?}");
        assert_eq!(microphone.read(&mut [0.0; 10]).unwrap_err().kind, ErrorKind::Lost);
    }
}
