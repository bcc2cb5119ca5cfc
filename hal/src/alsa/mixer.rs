//! The volume of a card's own mixer: a simple element by name, as `amixer scontrols` lists them.
//!
//! Tested here: the curve, the name of the card, and that a card that is not there is named. Unproven until run on a card
//! with controls: drivers that tell a range in dB and keep another.

use std::io;

use alsa::Round;
use alsa::mixer::{MilliBel, Mixer, Selem, SelemId};

use crate::{Error, ErrorKind};

/// Drivers call their lowest step anything down to -100,000 dB; so far below the loudest nobody hears it.
const RANGE_MAX: i64 = 60_00;

/// Sets an element of the mixer of the card that a PCM name leads to. Percent as in the daemon's own volume: equal steps
/// sound equal, 100 is the loudest the card offers, 0 is off. Opens and closes the mixer, which takes a millisecond, so that
/// a card that was replugged is the present one.
///
/// # Errors
/// `NotFound` with the elements there are, `PermissionDenied`, `Unsupported` for one without a volume.
pub fn set_playback_volume(device: &str, element: &str, percent: f32) -> Result<(), Error> {
    let card = control_name(device);
    let failed = |step: &str, error: alsa::Error| {
        let errno = error.errno();
        let kind = match errno {
            libc::ENOENT | libc::ENODEV | libc::ENXIO => ErrorKind::NotFound,
            libc::EACCES | libc::EPERM => ErrorKind::PermissionDenied,
            _ => ErrorKind::Other,
        };
        Error::new(kind, format!("{step} mixer \"{card}\"")).caused_by(io::Error::from_raw_os_error(errno))
    };
    let mixer = Mixer::new(&card, true).map_err(|error| failed("open", error))?;
    let Some(found) = mixer.find_selem(&SelemId::new(element, 0)) else {
        let there = mixer.iter().filter_map(Selem::new).filter(Selem::has_playback_volume);
        let there: Vec<String> =
            there.filter_map(|selem| Some(format!("\"{}\"", selem.get_id().get_name().ok()?))).collect();
        let there = if there.is_empty() { "none with a volume".to_owned() } else { there.join(", ") };
        let text = format!("mixer \"{card}\" has no element \"{element}\"; there are: {there}");
        return Err(Error::new(ErrorKind::NotFound, text));
    };
    if !found.has_playback_volume() {
        let text = format!("element \"{element}\" of mixer \"{card}\" has no playback volume");
        return Err(Error::new(ErrorKind::Unsupported, text));
    }
    let (MilliBel(least), MilliBel(most)) = found.get_playback_db_range();
    let set = if most > least {
        found.set_playback_db_all(MilliBel(level(percent, least, most)), Round::Ceil)
    } else {
        let (least, most) = found.get_playback_volume_range();
        found.set_playback_volume_all(least + ((most - least) as f32 * percent / 100.0).round() as i64)
    };
    set.map_err(|error| failed("set", error))?;
    if found.has_playback_switch() {
        found.set_playback_switch_all(i32::from(percent > 0.0)).map_err(|error| failed("switch", error))?;
    }
    Ok(())
}

/// Hundredths of a dB for a volume in percent: its cube, below the loudest.
fn level(percent: f32, least: i64, most: i64) -> i64 {
    let below = 6000.0 * (percent.clamp(0.0, 100.0) / 100.0).log10();
    let least = least.max(most - RANGE_MAX);
    if percent <= 0.0 { least } else { (most + below.round() as i64).max(least) }
}

/// The control of the card behind `plughw:CARD=Array,DEV=0` is `hw:Array`; other names are handed on.
fn control_name(device: &str) -> String {
    let Some((kind, rest)) = device.split_once(':') else { return device.to_owned() };
    let rest = rest.split(',').next().unwrap_or_default();
    let card = rest.strip_prefix("CARD=").unwrap_or(rest);
    if ["hw", "plughw", "sysdefault", "dmix", "front", "hdmi"].contains(&kind) && !card.is_empty() {
        format!("hw:{card}")
    } else {
        device.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_curve_is_the_daemons_own_below_the_loudest() {
        for (percent, expected) in
            [(100.0, 400), (50.0, 400 - 1806), (80.0, 400 - 581), (0.0, -5600), (120.0, 400)]
        {
            assert_eq!(level(percent, -10_000_000, 400), expected, "{percent} %");
        }
        assert_eq!(level(10.0, -2000, 0), -2000, "no lower than the card goes");
    }

    #[test]
    fn a_pcms_name_leads_to_its_card() {
        for (device, expected) in [
            ("hw:CARD=Array", "hw:Array"),
            ("plughw:CARD=Array,DEV=0", "hw:Array"),
            ("hw:1,0", "hw:1"),
            ("default", "default"),
            ("pressel_speaker", "pressel_speaker"),
        ] {
            assert_eq!(control_name(device), expected);
        }
    }

    #[test]
    fn a_card_that_is_not_there_is_named() {
        let error = set_playback_volume("hw:CARD=Nowhere", "Speaker", 50.0).unwrap_err();
        assert!(error.to_string().contains("mixer \"hw:Nowhere\""), "{error}");
    }
}
