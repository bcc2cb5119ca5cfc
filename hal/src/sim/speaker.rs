//! A speaker that plays into memory, paced by the monotonic clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::fault::SoundFaults;
use super::null::rest;
use super::pace::Pace;
use crate::wav::Wav;
use crate::{Error, Format, Playhead, SampleFormat, Speaker, Timing, Wait, Wake};

/// A simulated playback card.
#[derive(Clone, Debug)]
pub struct SpeakerSettings {
    /// Frames per second.
    pub rate_hz: u32,
    /// Samples per frame.
    pub channels: u32,
    /// Period in ms; tells [`Speaker::format`], waits are exact to the frame.
    pub period_ms: u32,
    /// Ring in ms.
    pub buffer_ms: u32,
    /// Whether frames can be taken back.
    pub can_rewind: bool,
    /// How much is kept from the moment of opening on; what comes later is played and forgotten.
    pub record_max: Duration,
    /// What goes wrong.
    pub faults: SoundFaults,
}

/// Plays frame `n` at `n / rate` after it was opened: what was written there by then, else silence.
pub struct SimSpeaker {
    tape: Arc<Tape>,
    format: Format,
    can_rewind: bool,
    faults: SoundFaults,
    written: u64,
    /// Something was written and neither taken back nor left to end: running dry now is an underrun.
    sounding: bool,
    xruns: u64,
}

/// What a [`SimSpeaker`] played, sample by sample; lives on when it is closed.
#[derive(Clone)]
pub struct Recording(Arc<Tape>);

/// Shared without a lock, so that writing never waits for who listens: bits of `f32`.
struct Tape {
    samples: Box<[AtomicU32]>,
    channels: usize,
    pace: Pace,
    closed_at: AtomicU64,
}

impl Tape {
    fn played(&self) -> u64 {
        self.pace.now().min(self.closed_at.load(Ordering::Acquire))
    }

    fn set(&self, frame: u64, samples: &[f32]) {
        let Some(at) = usize::try_from(frame).ok().and_then(|frame| frame.checked_mul(self.channels)) else {
            return;
        };
        for (slot, sample) in self.samples.iter().skip(at).zip(samples) {
            slot.store(sample.to_bits(), Ordering::Relaxed);
        }
    }

    fn clear(&self, from: u64, to: u64) {
        let at = |frame: u64| usize::try_from(frame).unwrap_or(usize::MAX).saturating_mul(self.channels);
        let (from, to) = (at(from).min(self.samples.len()), at(to).min(self.samples.len()));
        self.samples[from..to].iter().for_each(|slot| slot.store(0, Ordering::Relaxed));
    }
}

impl Recording {
    /// Frames played so far, silence included.
    pub fn played(&self) -> u64 {
        self.0.played()
    }

    /// When this frame is played.
    pub fn at(&self, frame: u64) -> Instant {
        self.0.pace.instant(frame).unwrap_or(self.0.pace.start)
    }

    /// The frame that is played at this moment.
    pub fn frame_at(&self, at: Instant) -> u64 {
        self.0.pace.frame_at(at)
    }

    /// Everything played so far, from the first frame on, as far as it is kept.
    pub fn wav(&self) -> Wav {
        let played = usize::try_from(self.played()).unwrap_or(usize::MAX).saturating_mul(self.0.channels);
        let kept = self.0.samples.iter().take(played);
        let samples = kept.map(|slot| f32::from_bits(slot.load(Ordering::Relaxed))).collect();
        Wav { rate_hz: self.0.pace.rate_hz, channels: self.0.channels as u32, samples }
    }
}

const WHAT: &str = "write simulated speaker";

impl SimSpeaker {
    /// Opens it; its time starts now.
    pub fn open(settings: SpeakerSettings) -> (SimSpeaker, Recording) {
        let channels = settings.channels as usize;
        let kept = settings.record_max.as_millis() as usize * settings.rate_hz as usize / 1000 * channels;
        let samples = std::iter::repeat_with(AtomicU32::default).take(kept).collect();
        let pace = Pace { start: Instant::now(), rate_hz: settings.rate_hz };
        let format = Format {
            rate_hz: settings.rate_hz,
            channels: settings.channels,
            sample: SampleFormat::S16Le,
            period_frames: pace.frames(settings.period_ms),
            buffer_frames: pace.frames(settings.buffer_ms),
        };
        let tape = Arc::new(Tape { samples, channels, pace, closed_at: AtomicU64::new(u64::MAX) });
        let speaker = SimSpeaker {
            tape: tape.clone(),
            format,
            can_rewind: settings.can_rewind,
            faults: settings.faults,
            written: 0,
            sounding: false,
            xruns: 0,
        };
        (speaker, Recording(tape))
    }

    /// Frames played by now, after what goes wrong.
    fn played(&mut self) -> Result<u64, Error> {
        let played = self.tape.pace.now();
        self.faults.check(played, WHAT)?;
        if let Some((at, _)) = self.faults.take_xrun(played) {
            self.tape.clear(at, self.written);
            self.written = self.written.min(at);
            self.sounding = false;
            self.xruns += 1;
        }
        Ok(played)
    }
}

impl Speaker for SimSpeaker {
    fn format(&self) -> Format {
        self.format
    }

    fn can_rewind(&self) -> bool {
        self.can_rewind
    }

    fn wait(&mut self, frames: Option<usize>, wake: &Wake, timeout: Duration) -> Result<Wait, Error> {
        let deadline = Instant::now().checked_add(timeout);
        let buffer = self.format.buffer_frames;
        if frames.is_none() {
            self.sounding = false; // what is queued may end: nobody means to add to it
        }
        loop {
            if wake.take() {
                return Ok(Wait::Woken);
            }
            let played = self.played()?;
            // `frames` fit once this many are played.
            let room_at = frames
                .map(|frames| (self.written + frames.clamp(1, buffer) as u64).saturating_sub(buffer as u64));
            if room_at.is_some_and(|room_at| room_at <= played) {
                return Ok(Wait::Ready);
            }
            if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                return Ok(Wait::TimedOut);
            }
            let ready = room_at.and_then(|frame| self.tape.pace.instant(frame));
            let lost = self.faults.lost_at.and_then(|frame| self.tape.pace.instant(frame));
            if rest(wake, [deadline, ready, lost].into_iter().flatten().min())? {
                return Ok(Wait::Woken);
            }
        }
    }

    fn playhead(&mut self) -> Result<Playhead, Error> {
        let played = self.played()?;
        let at = self.tape.pace.instant(played).unwrap_or_else(Instant::now);
        Ok(Playhead { played, written: self.written.max(played), at, timing: Timing::Driver })
    }

    fn seek(&mut self, lead: usize) -> Result<u64, Error> {
        let played = self.played()?;
        let target = played + lead.min(self.format.buffer_frames) as u64;
        if target >= self.written {
            self.written = target; // the driver's silence in between
            self.sounding = false;
        } else if self.can_rewind {
            self.tape.clear(target, self.written);
            self.written = target;
            self.sounding = false;
        }
        Ok(self.written)
    }

    fn write(&mut self, samples: &[f32]) -> Result<usize, Error> {
        let played = self.played()?;
        if self.written < played {
            // The DAC has passed the place: what is written now is heard from the present on.
            self.xruns += u64::from(self.sounding);
            self.written = played;
        }
        let channels = self.format.channels as usize;
        let queued = (self.written - played) as usize;
        let frames = (samples.len() / channels).min(self.format.buffer_frames.saturating_sub(queued));
        for frame in samples[..frames * channels].chunks_exact(channels) {
            // At most 32 channels, see the configuration; one frame at a time needs no allocation.
            let mut clamped = [0.0; 32];
            for (to, from) in clamped.iter_mut().zip(frame) {
                *to = if from.is_nan() { 0.0 } else { from.clamp(-1.0, 1.0) };
            }
            self.tape.set(self.written, &clamped[..channels.min(32)]);
            self.written += 1;
        }
        self.sounding |= frames > 0;
        Ok(frames)
    }

    fn xruns(&self) -> u64 {
        self.xruns
    }
}

impl Drop for SimSpeaker {
    fn drop(&mut self) {
        self.tape.closed_at.store(self.tape.pace.now(), Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    /// A ring of a second, so that a loaded machine does not play it out between two lines of a test.
    fn open(can_rewind: bool, faults: SoundFaults) -> (SimSpeaker, Recording) {
        SimSpeaker::open(SpeakerSettings {
            rate_hz: 48_000,
            channels: 2,
            period_ms: 10,
            buffer_ms: 1000,
            can_rewind,
            record_max: Duration::from_secs(4),
            faults,
        })
    }

    /// Every frame differs, and both channels.
    fn ramp(frames: usize) -> Vec<f32> {
        (1..=frames).flat_map(|n| [n as f32 / 100_000.0, -(n as f32) / 100_000.0]).collect()
    }

    /// Writes a ramp a little ahead and returns its first frame.
    fn sound(speaker: &mut SimSpeaker, frames: usize) -> u64 {
        speaker.seek(480).unwrap();
        assert_eq!(speaker.write(&ramp(frames)).unwrap(), frames);
        speaker.playhead().unwrap().written - frames as u64
    }

    /// Lets the card play until this frame.
    fn play_until(speaker: &SimSpeaker, frame: u64) {
        let at = speaker.tape.pace.instant(frame).unwrap();
        rest(&Wake::new(), Some(at)).unwrap();
    }

    /// Whether the recording holds `frames` frames of a ramp at `first`, and silence from there to its end.
    fn holds(recording: &Recording, first: u64, frames: u64) -> bool {
        let samples = recording.wav().samples;
        let (from, to) = (first as usize * 2, (first + frames) as usize * 2);
        let silent = |part: &[f32]| part.iter().all(|sample| *sample == 0.0);
        silent(&samples[..from]) && samples[from..to] == ramp(frames as usize) && silent(&samples[to..])
    }

    #[test]
    fn what_is_written_is_played_at_its_place_and_the_rest_is_silence() {
        let (mut speaker, recording) = open(true, SoundFaults::default());
        play_until(&speaker, 100);
        let first = sound(&mut speaker, 480);
        play_until(&speaker, first + 600);
        assert!(holds(&recording, first, 480));
        assert_eq!((speaker.xruns(), recording.frame_at(recording.at(first))), (0, first));
    }

    #[test]
    fn a_full_ring_takes_no_more_and_a_wait_ends_when_there_is_room() {
        let (mut speaker, _) = open(true, SoundFaults::default());
        let wake = Wake::new();
        assert!(speaker.write(&ramp(96_000)).unwrap() >= 48_000);
        let before = speaker.playhead().unwrap();
        assert!(before.written - before.played <= 48_000);
        assert_eq!(speaker.wait(Some(24_000), &wake, Duration::from_millis(1)).unwrap(), Wait::TimedOut);
        assert_eq!(speaker.wait(Some(1000), &wake, Duration::from_secs(5)).unwrap(), Wait::Ready);
        let after = speaker.playhead().unwrap();
        assert!(after.written - after.played <= 47_000, "{after:?}");
        assert_eq!(
            speaker.wait(None, &wake, Duration::from_millis(2)).unwrap(),
            Wait::TimedOut,
            "room is no reason"
        );
        wake.signal();
        assert_eq!(speaker.wait(None, &wake, Duration::MAX).unwrap(), Wait::Woken);
    }

    #[test]
    fn a_seek_takes_back_what_was_not_played_yet() {
        let (mut speaker, recording) = open(true, SoundFaults::default());
        let first = sound(&mut speaker, 40_000);
        play_until(&speaker, first + 480);
        let cut = speaker.seek(96).unwrap();
        assert!(cut >= first + 480 + 96 && cut < first + 40_000, "{cut}");
        let playhead = speaker.playhead().unwrap();
        assert_eq!(playhead.written, cut.max(playhead.played));
        play_until(&speaker, cut + 480);
        assert!(holds(&recording, first, cut - first), "played up to the cut and not beyond");
    }

    #[test]
    fn without_rewind_a_seek_only_moves_forward() {
        let (mut speaker, recording) = open(false, SoundFaults::default());
        let first = sound(&mut speaker, 24_000);
        assert_eq!(speaker.seek(96).unwrap(), first + 24_000);
        play_until(&speaker, first + 24_100);
        assert!(holds(&recording, first, 24_000));
        assert!(speaker.seek(96).unwrap() >= first + 24_100 + 96);
    }

    #[test]
    fn running_dry_is_an_underrun_unless_the_stream_was_quiet() {
        let (mut speaker, _) = open(true, SoundFaults::default());
        let run_dry = |speaker: &mut SimSpeaker| {
            let end = speaker.playhead().unwrap().written;
            play_until(speaker, end + 480);
        };
        run_dry(&mut speaker);
        speaker.write(&ramp(48)).unwrap();
        assert_eq!(speaker.xruns(), 0, "a first sound is no underrun");
        run_dry(&mut speaker);
        let playhead = speaker.playhead().unwrap();
        assert_eq!(playhead.written, playhead.played, "never negative");
        speaker.write(&ramp(48)).unwrap();
        assert_eq!(speaker.xruns(), 1);
        let _ = speaker.wait(None, &Wake::new(), Duration::from_millis(20)).unwrap();
        speaker.write(&ramp(48)).unwrap();
        assert_eq!(speaker.xruns(), 1, "it was quiet in between");
        run_dry(&mut speaker);
        speaker.seek(96).unwrap();
        speaker.write(&ramp(48)).unwrap();
        assert_eq!(speaker.xruns(), 1, "a new place is no underrun");
    }

    #[test]
    fn an_underrun_as_told_loses_the_queue() {
        let (mut speaker, recording) =
            open(true, SoundFaults { xruns: vec![(36_000, 0)], ..SoundFaults::default() });
        let first = sound(&mut speaker, 40_000);
        play_until(&speaker, 36_100);
        assert!(speaker.playhead().unwrap().played >= 36_100);
        play_until(&speaker, 37_000);
        assert_eq!(speaker.xruns(), 1);
        assert!(holds(&recording, first, 36_000 - first));
    }

    #[test]
    fn a_lost_card_fails_at_its_frame_and_what_it_played_remains() {
        let (mut speaker, recording) =
            open(true, SoundFaults { lost_at: Some(36_000), ..SoundFaults::default() });
        let first = sound(&mut speaker, 4800);
        let error = speaker.wait(None, &Wake::new(), Duration::from_secs(5)).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Lost);
        assert!(speaker.write(&[0.0; 2]).is_err() && speaker.seek(0).is_err() && speaker.playhead().is_err());
        drop(speaker);
        let played = recording.played();
        assert!(played >= 36_000, "{played}");
        assert!(holds(&recording, first, 4800));
        assert_eq!(recording.played(), played, "a closed card plays no more");
    }

    #[test]
    fn samples_are_clamped_and_noise_of_the_worst_kind_is_silence() {
        let (mut speaker, recording) = open(true, SoundFaults::default());
        speaker.write(&[2.0, -2.0, f32::NAN, f32::INFINITY]).unwrap();
        play_until(&speaker, 4800);
        let loud: Vec<f32> = recording.wav().samples.into_iter().filter(|sample| *sample != 0.0).collect();
        assert_eq!(loud, [1.0, -1.0, 1.0]);
    }
}
