//! Half a second of what a microphone delivers, channel by channel.

use std::time::{Duration, Instant};

use pressel_hal::{Microphone, Wait, Wake};

/// How much is listened to.
const LISTEN: Duration = Duration::from_millis(400);
/// A card that delivers nothing for this long is dead.
const DEAD: Duration = Duration::from_secs(2);
/// No room is as quiet as this, and no converter of a microphone either: it is muted.
pub(super) const FAINT_DBFS: f64 = -90.0;
/// Where a 16-bit card ends, less a step.
const FULL_SCALE: f32 = 0.999;

/// What came in.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Heard {
    pub(super) channels: Vec<Channel>,
}

/// What came in on one channel.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Channel {
    samples: u64,
    sum_of_squares: f64,
    lowest: f32,
    highest: f32,
    clipped: u64,
}

/// Listens for a moment.
///
/// # Errors
/// A sentence: what the card says, or that it says nothing.
pub(super) fn listen(microphone: &mut dyn Microphone) -> Result<Heard, String> {
    let format = microphone.format();
    let wanted = LISTEN.as_secs_f64() * f64::from(format.rate_hz);
    let width = format.channels as usize;
    let mut out = vec![0.0; format.period_frames * width];
    let (mut frames, mut heard, wake) = (0, Heard::new(width), Wake::new());
    let started = Instant::now();
    while (frames as f64) < wanted {
        if started.elapsed() > DEAD {
            return Err(format!("delivers nothing ({frames} frames in {} s)", DEAD.as_secs()));
        }
        let waited = microphone.wait(format.period_frames, &wake, DEAD).map_err(|e| e.to_string())?;
        if waited != Wait::Ready {
            continue;
        }
        let captured = microphone.read(&mut out).map_err(|e| e.to_string())?;
        heard.take(&out[..captured.frames * width]);
        frames += captured.frames;
    }
    Ok(heard)
}

impl Heard {
    fn new(width: usize) -> Self {
        Heard { channels: vec![Channel::default(); width] }
    }

    fn take(&mut self, samples: &[f32]) {
        for frame in samples.chunks_exact(self.channels.len()) {
            for (channel, &sample) in self.channels.iter_mut().zip(frame) {
                if channel.samples == 0 {
                    (channel.lowest, channel.highest) = (sample, sample);
                }
                channel.samples += 1;
                channel.sum_of_squares += f64::from(sample) * f64::from(sample);
                channel.lowest = channel.lowest.min(sample);
                channel.highest = channel.highest.max(sample);
                channel.clipped += u64::from(sample.abs() >= FULL_SCALE);
            }
        }
    }

    /// Channels that deliver the same value all the time, full scale excepted: that is too loud, not dead.
    pub(super) fn dead(&self) -> Vec<u32> {
        let stuck = |channel: &Channel| channel.lowest == channel.highest && channel.clipped == 0;
        (0..).zip(&self.channels).filter(|(_, channel)| stuck(channel)).map(|(number, _)| number).collect()
    }

    /// Level of the loudest channel, RMS.
    pub(super) fn level_dbfs(&self) -> f64 {
        let power = |channel: &Channel| channel.sum_of_squares / channel.samples.max(1) as f64;
        let loudest = self.channels.iter().map(power).fold(0.0, f64::max);
        10.0 * loudest.max(1e-12).log10()
    }

    /// A few samples at full scale may be a knock; one in a hundred is a gain that is too high.
    pub(super) fn is_clipped(&self) -> bool {
        self.channels.iter().any(|channel| channel.clipped * 100 > channel.samples)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pressel_hal::{Captured, Error, ErrorKind, Format, SampleFormat, Timing};

    /// Delivers two values in turn, one per channel, with their signs changing; or nothing, or fails.
    struct Fixed(Result<Option<[f32; 2]>, ErrorKind>);

    impl Microphone for Fixed {
        fn format(&self) -> Format {
            Format {
                rate_hz: 16_000,
                channels: 2,
                sample: SampleFormat::S16Le,
                period_frames: 160,
                buffer_frames: 1600,
            }
        }
        fn wait(&mut self, _: usize, _: &Wake, _: Duration) -> Result<Wait, Error> {
            match self.0 {
                Ok(Some(_)) => Ok(Wait::Ready),
                Ok(None) => Ok(Wait::TimedOut),
                Err(kind) => Err(Error::new(kind, "wait")),
            }
        }
        fn read(&mut self, out: &mut [f32]) -> Result<Captured, Error> {
            let values = self.0.ok().flatten().unwrap();
            for (n, sample) in out.iter_mut().enumerate() {
                *sample = if n / 2 % 2 == 0 { values[n % 2] } else { -values[n % 2] };
            }
            Ok(Captured {
                frames: out.len() / 2,
                position: 0,
                at: Instant::now(),
                timing: Timing::Clock,
                xrun: false,
            })
        }
    }

    fn heard(values: [f32; 2]) -> Heard {
        listen(&mut Fixed(Ok(Some(values)))).unwrap()
    }

    #[test]
    fn the_level_is_that_of_the_loudest_channel() {
        let heard = heard([0.1, 0.01]);
        assert!((heard.level_dbfs() + 20.0).abs() < 0.01, "{heard:?}");
        assert_eq!((heard.channels[0].samples, heard.dead(), heard.is_clipped()), (6_400, vec![], false));
    }

    #[test]
    fn a_channel_of_zeros_is_dead_and_one_at_full_scale_is_clipped() {
        let half = heard([0.1, 0.0]);
        assert_eq!((half.dead(), half.is_clipped()), (vec![1], false));
        let loud = heard([1.0, 0.1]);
        assert_eq!((loud.dead(), loud.is_clipped()), (vec![], true));
    }

    #[test]
    fn a_card_that_fails_or_delivers_nothing_is_said() {
        assert_eq!(listen(&mut Fixed(Err(ErrorKind::Lost))), Err("wait".to_owned()));
        let text = listen(&mut Fixed(Ok(None))).unwrap_err();
        assert!(text.starts_with("delivers nothing"), "{text}");
    }
}
