//! The cards: opened as the daemon would open them, unless it has them open already. With both of them a sweep is
//! played, to hear whether the loudspeaker is heard.

use std::sync::{Mutex, PoisonError};

use pressel_hal::alsa::{Direction, Holder, card_ids_in, holder_in};
use pressel_hal::{Error, ErrorKind, Format, Microphone, Speaker};

use super::board::device_hint;
use super::hear::{self, Heard};
use super::{Class, Finding, Ground};
use crate::calibrate;
use crate::config::Config;
use crate::levels::Levels;
use crate::sound::Trouble;
use crate::status::DeviceStatus;
use crate::world::World;

/// Speech has nothing to lose at this rate, and much below it.
const RATE_MIN_HZ: u32 = 16_000;

/// What opening both cards and listening brought.
pub(super) struct Sounded {
    microphone: Finding,
    speaker: Finding,
    /// Both cards, for the sweep; or why none is played.
    cards: Mutex<Result<Cards, String>>,
}

type Cards = (Box<dyn Microphone>, Box<dyn Speaker>);

pub(super) fn microphone(ground: &Ground) -> Finding {
    let Some(config) = ground.config() else { return Finding::skip("the configuration has mistakes") };
    if let Some(status) = ground.status() {
        let side = &status.microphone;
        let found = from_daemon(side, || held(ground, &side.device, Direction::Capture));
        return without_dead_channels(
            heard_by_daemon(found, side, &status.levels),
            &status.levels.dead_channels,
        );
    }
    sounded(ground, config).microphone.clone()
}

pub(super) fn speaker(ground: &Ground) -> Finding {
    let Some(config) = ground.config() else { return Finding::skip("the configuration has mistakes") };
    if let Some(status) = ground.status() {
        let side = &status.speaker;
        return from_daemon(side, || held(ground, &side.device, Direction::Playback));
    }
    sounded(ground, config).speaker.clone()
}

/// Plays the sweep, where no daemon holds the cards, once; what each channel heard of it.
///
/// # Errors
/// Why it cannot be played.
pub(super) fn sweep(ground: &Ground, config: &Config) -> Result<Vec<calibrate::Heard>, String> {
    let cards = &sounded(ground, config).cards;
    let mut cards = cards.lock().unwrap_or_else(PoisonError::into_inner);
    let (mut microphone, mut speaker) = std::mem::replace(&mut *cards, Err("it was played".to_owned()))?;
    let volume = config.playback.volume_percent;
    calibrate::hear(&mut *microphone, &mut *speaker, volume).map_err(|error| error.to_string())
}

fn held(ground: &Ground, device: &str, direction: Direction) -> Option<Holder> {
    holder_in(&ground.facts.path("/proc"), device, direction)
}

fn sounded<'a>(ground: &'a Ground, config: &Config) -> &'a Sounded {
    ground.sound.get_or_init(|| {
        let World { mut microphone, mut speaker, .. } = World::real(config, &config.sound());
        let (capture, playback) = (&config.capture.device, &config.playback.device);
        let speaker = speaker();
        let played = match &speaker {
            Ok(speaker) => {
                let rewinds = if speaker.can_rewind() { "" } else { ", cannot take sound back" };
                let told = format!("{playback}, {}{rewinds}", speaker.format());
                fitting(told, speaker.format(), config.playback.rate_hz, "[playback]")
            }
            Err(error) => closed(ground, playback, Direction::Playback, error),
        };
        let mut microphone = match microphone() {
            Ok(microphone) => microphone,
            Err(error) => {
                let found = closed(ground, capture, Direction::Capture, &error);
                let cards = Mutex::new(Err("nobody listens".to_owned()));
                return Sounded { microphone: found, speaker: played, cards };
            }
        };
        let format = microphone.format();
        let told = format!("{capture}, {format}");
        let found = match hear::listen(microphone.as_mut()) {
            Ok(heard) => judge(&told, &heard),
            Err(why) => Finding::fail(format!("{told}: {why}"), "plug it in again, or choose another"),
        };
        let found = match found.class {
            Class::Ok => fitting(found.text, format, config.capture.rate_hz, "[capture]"),
            _ => found,
        };
        let cards = match speaker {
            _ if ground.quiet => Err("nothing is played (--quiet)".to_owned()),
            _ if found.class == Class::Fail => Err("the microphone delivers nothing".to_owned()),
            Err(_) => Err("nothing can be played".to_owned()),
            Ok(speaker) => Ok((microphone, speaker)),
        };
        Sounded { microphone: found, speaker: played, cards: Mutex::new(cards) }
    })
}

/// A card that cannot be opened: what there is instead, or who has it.
fn closed(ground: &Ground, device: &str, direction: Direction, error: &Error) -> Finding {
    let hint = match error.kind {
        ErrorKind::Busy => held(ground, device, direction).map_or_else(
            || device_hint(error, "audio"),
            |holder| format!("end what holds it ({holder}), or choose another"),
        ),
        ErrorKind::NotFound => match card_ids_in(&ground.facts.path("/proc")).as_slice() {
            [] => "the kernel knows no sound card: is it plugged in? lsusb; dmesg".to_owned(),
            ids => format!("there are the cards {}; pressel devices has the names to write", ids.join(", ")),
        },
        _ => device_hint(error, "audio"),
    };
    Finding::fail(error.to_string(), hint)
}

/// A rate that was negotiated and is not what was asked for.
fn fitting(told: String, format: Format, asked_hz: u32, table: &str) -> Finding {
    if format.rate_hz < RATE_MIN_HZ {
        let text =
            format!("{told}: {} Hz is too little for speech, {asked_hz} Hz was asked for", format.rate_hz);
        let hint =
            format!("choose another card or PCM under {table}: pressel devices shows the rates of each");
        return Finding::warn(text, hint).coded("rate");
    }
    Finding::ok(told)
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

/// What the daemon has heard beside the level and the noise floor; and what is wrong with it.
fn heard_by_daemon(found: Finding, side: &DeviceStatus, levels: &Levels) -> Finding {
    if found.class != Class::Ok {
        return found;
    }
    let mut text = found.text;
    if let Some(speech) = levels.speech_dbfs {
        text += &format!(", speech {speech:.0} dBFS");
    }
    if levels.clipped_samples > 0 {
        text += &format!(", {} samples clipped since the start", levels.clipped_samples);
    }
    let has = |trouble: Trouble| side.troubles.iter().any(|word| word == trouble.word());
    if has(Trouble::FullScale) {
        return Finding::warn(text, "lower its gain: alsamixer, F4").coded("clipped");
    }
    if has(Trouble::Zeros) {
        return Finding::warn(text, "is it muted? alsamixer shows it").coded("silence");
    }
    Finding::ok(text)
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

fn judge(what: &str, heard: &Heard) -> Finding {
    let dead = heard.dead();
    if dead.len() == heard.channels.len() {
        return Finding::warn(
            format!("{what}: digital silence"),
            "is it muted? alsamixer shows it; some arrays use only some channels ([capture] use_channels)",
        )
        .coded("silence");
    }
    let level = heard.level_dbfs();
    let text = format!("{what}, level {level:.0} dBFS");
    if heard.is_clipped() {
        return Finding::warn(format!("{text}, clipped"), "lower its gain: alsamixer, F4").coded("clipped");
    }
    if level < hear::FAINT_DBFS {
        return Finding::warn(
            format!("{text}: hears next to nothing"),
            "is it muted, or its gain at 0? alsamixer, F4; a microphone with a switch of its own: is it on?",
        )
        .coded("faint");
    }
    without_dead_channels(Finding::ok(text), &dead)
}

#[cfg(test)]
mod tests;
