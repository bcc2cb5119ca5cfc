//! The cards: opened as the daemon would open them, unless it has them open already.

use std::time::{Duration, Instant};

use pressel_hal::alsa::{Direction, Holder, holder};
use pressel_hal::{Microphone, Wait, Wake};

use super::board::device_hint;
use super::{Class, Finding, Ground};
use crate::status::DeviceStatus;
use crate::world::World;

/// How much is listened to.
const LISTEN: Duration = Duration::from_millis(400);
/// A card that delivers nothing for this long is dead.
const DEAD: Duration = Duration::from_secs(2);

pub(super) fn microphone(ground: &Ground) -> Finding {
    let Some(config) = ground.config() else { return Finding::skip("the configuration has mistakes") };
    if let Some(status) = ground.status() {
        let holder = || holder(&status.microphone.device, Direction::Capture);
        let found = from_daemon(&status.microphone, holder);
        return without_dead_channels(found, &status.levels.dead_channels);
    }
    let device = &config.capture.device;
    let mut open = World::real(config, &config.sound()).microphone;
    let mut microphone = match open() {
        Ok(microphone) => microphone,
        Err(error) => return Finding::fail(error.to_string(), device_hint(&error, "audio")),
    };
    let format = microphone.format();
    match listen(microphone.as_mut(), LISTEN) {
        Ok(heard) => judge(&format!("{device}, {format}"), &heard),
        Err(text) => {
            Finding::fail(format!("{device}, {format}: {text}"), "plug it in again, or choose another")
        }
    }
}

pub(super) fn speaker(ground: &Ground) -> Finding {
    let Some(config) = ground.config() else { return Finding::skip("the configuration has mistakes") };
    if let Some(status) = ground.status() {
        return from_daemon(&status.speaker, || holder(&status.speaker.device, Direction::Playback));
    }
    let mut open = World::real(config, &config.sound()).speaker;
    match open() {
        Ok(speaker) => {
            let rewinds = if speaker.can_rewind() { "" } else { ", cannot take sound back" };
            Finding::ok(format!("{}, {}{rewinds}", config.playback.device, speaker.format()))
        }
        Err(error) => Finding::fail(error.to_string(), device_hint(&error, "audio")),
    }
}

/// What the daemon says of its card. Inside its sandbox it cannot see other programs' names; `holder` can.
fn from_daemon(side: &DeviceStatus, holder: impl FnOnce() -> Option<Holder>) -> Finding {
    match &side.problem {
        None if side.format.is_some() => Finding::ok(side.to_string()),
        None => Finding::skip(format!("{}: the daemon has not opened it yet", side.device)),
        Some(problem) => {
            let told = format!("the daemon waits for it: {problem}");
            match holder().filter(|holder| !holder.command.is_empty()) {
                Some(holder) => {
                    Finding::fail(told, format!("end what holds it ({holder}), or choose another"))
                }
                None => Finding::fail(told, "see what there is: pressel devices"),
            }
        }
    }
}

/// Nothing to complain of is only what has no dead channel.
fn without_dead_channels(found: Finding, dead: &[u32]) -> Finding {
    if dead.is_empty() || found.class != Class::Ok {
        return found;
    }
    let list: Vec<String> = dead.iter().map(u32::to_string).collect();
    let text = format!("{}, dead or stuck channels: {}", found.text, list.join(", "));
    Finding::warn(text, "they are left out; name those to use in [capture] use_channels")
}

/// What came in.
#[derive(Debug, Default, PartialEq)]
struct Heard {
    samples: u64,
    sum_of_squares: f64,
    peak: f32,
    clipped: u64,
}

fn listen(microphone: &mut dyn Microphone, span: Duration) -> Result<Heard, String> {
    let format = microphone.format();
    let wanted = span.as_secs_f64() * f64::from(format.rate_hz);
    let mut out = vec![0.0; format.period_frames * format.channels as usize];
    let (mut frames, mut heard, wake) = (0, Heard::default(), Wake::new());
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
        heard.take(&out[..captured.frames * format.channels as usize]);
        frames += captured.frames;
    }
    Ok(heard)
}

impl Heard {
    fn take(&mut self, samples: &[f32]) {
        for &sample in samples {
            self.samples += 1;
            self.sum_of_squares += f64::from(sample) * f64::from(sample);
            self.peak = self.peak.max(sample.abs());
            self.clipped += u64::from(sample.abs() >= 0.999);
        }
    }
}

fn judge(what: &str, heard: &Heard) -> Finding {
    if heard.peak == 0.0 {
        return Finding::warn(
            format!("{what}: digital silence"),
            "is it muted? alsamixer shows it; some arrays use only some channels ([capture] use_channels)",
        );
    }
    let level = 10.0 * (heard.sum_of_squares / heard.samples.max(1) as f64).log10();
    let text = format!("{what}, level {level:.0} dBFS");
    // A few full-scale samples may be a knock; one in a hundred is a gain that is too high.
    if heard.clipped * 100 > heard.samples {
        return Finding::warn(format!("{text}, clipped"), "lower its gain: alsamixer, F4");
    }
    Finding::ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pressel_hal::{Captured, Error, ErrorKind, Format, SampleFormat, Timing};

    /// Delivers one value, or nothing, or fails.
    struct Fixed(Result<Option<f32>, ErrorKind>);

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
            out.fill(self.0.ok().flatten().unwrap());
            Ok(Captured {
                frames: out.len() / 2,
                position: 0,
                at: Instant::now(),
                timing: Timing::Clock,
                xrun: false,
            })
        }
    }

    fn judged(value: f32) -> Finding {
        judge("mic", &listen(&mut Fixed(Ok(Some(value))), LISTEN).unwrap())
    }

    #[test]
    fn the_level_is_that_of_what_comes_in() {
        assert_eq!(judged(0.1), Finding::ok("mic, level -20 dBFS"));
        let heard = listen(&mut Fixed(Ok(Some(0.1))), LISTEN).unwrap();
        assert_eq!(heard.samples, 12_800);
    }

    #[test]
    fn silence_without_any_noise_and_clipping_are_warnings() {
        assert_eq!((judged(0.0).class, judged(0.0).text.as_str()), (Class::Warn, "mic: digital silence"));
        assert_eq!(judged(-1.0).class, Class::Warn);
        assert!(judged(-1.0).text.ends_with("clipped"));
    }

    #[test]
    fn a_card_that_fails_while_listening_is_said() {
        assert_eq!(listen(&mut Fixed(Err(ErrorKind::Lost)), LISTEN), Err("wait".to_owned()));
    }

    #[test]
    fn a_dead_card_is_noticed() {
        let text = listen(&mut Fixed(Ok(None)), LISTEN).unwrap_err();
        assert!(text.starts_with("delivers nothing"), "{text}");
    }

    #[test]
    fn the_daemon_s_words_about_its_card_are_taken() {
        let side = |format: Option<&str>, problem: Option<&str>| DeviceStatus {
            device: "default".into(),
            format: format.map(str::to_owned),
            problem: problem.map(str::to_owned),
            ..DeviceStatus::default()
        };
        assert_eq!(from_daemon(&side(Some("16000 Hz"), None), || None).class, Class::Ok);
        assert_eq!(from_daemon(&side(None, None), || None).class, Class::Skip);
        let busy = side(None, Some("busy (held by pid 7)"));
        let found = from_daemon(&busy, || None);
        assert!(found.class == Class::Fail && found.text.ends_with("busy (held by pid 7)"), "{found:?}");
        let found = from_daemon(&busy, || Some(Holder { pid: 7, command: "aplay".into() }));
        assert_eq!(found.hint.as_deref(), Some("end what holds it (pid 7, aplay), or choose another"));
    }
}
