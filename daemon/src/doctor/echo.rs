//! The way from the loudspeaker to the microphone: how well a running daemon takes it out again, and without one
//! whether there is one at all.

use super::{Finding, Ground, sound};
use crate::calibrate::Heard;
use crate::config::EchoEngine;
use crate::levels::Levels;

/// Less than this leaves an assistant that interrupts itself, in dB.
const LEAST_DB: f32 = 12.0;
/// A canceller follows no clock that is worse, in ppm.
const DRIFT_MAX_PPM: f32 = 300.0;

pub(super) fn echo(ground: &Ground) -> Finding {
    let Some(config) = ground.config() else { return Finding::skip("the configuration has mistakes") };
    let off = config.echo.engine == EchoEngine::Off;
    match ground.status() {
        Some(_) if off => Finding::ok("not cancelled here ([echo] engine = \"off\")"),
        Some(status) => judge(&status.levels),
        None => match sound::sweep(ground, config) {
            Ok(heard) => audible(&heard, config.playback.volume_percent),
            Err(why) => Finding::skip(why),
        },
    }
}

/// Whether the loudspeaker is heard, and how.
fn audible(heard: &[Heard], volume_percent: u32) -> Finding {
    let hearing: Vec<&Heard> = heard.iter().filter(|channel| channel.delay_ms.is_some()).collect();
    let delay = hearing.iter().filter_map(|channel| channel.delay_ms).min_by(f32::total_cmp);
    let gain = hearing.iter().filter_map(|channel| channel.gain_db).max_by(f32::total_cmp);
    let Some((delay, gain)) = delay.zip(gain) else {
        return Finding::warn(
            "the microphone does not hear the loudspeaker",
            format!(
                "is it connected and switched on? speaker-test -c 2 -t wav -D … plays on it; [playback] \
                 volume_percent is {volume_percent}; with headphones this is as it should be"
            ),
        )
        .coded("inaudible");
    };
    let text = format!("the loudspeaker is heard after {delay:.0} ms at {gain:.0} dB");
    if hearing.iter().any(|channel| channel.clipped > 0) {
        return Finding::warn(
            format!("{text}, and clips the microphone"),
            format!(
                "lower [playback] volume_percent ({volume_percent}) or the microphone's gain: alsamixer, F4"
            ),
        );
    }
    Finding::ok(text)
}

fn judge(levels: &Levels) -> Finding {
    if let Some(drift) = levels.drift_ppm.filter(|drift| drift.abs() > DRIFT_MAX_PPM) {
        return Finding::warn(
            format!("the speaker's clock is {drift:.0} ppm beside the microphone's"),
            "is a sound server or a rate converter between? name the cards themselves: pressel devices",
        );
    }
    let Some(erle) = levels.erle_db else { return Finding::skip("nothing was played since the start") };
    let mut text = format!("{erle:.0} dB removed");
    if let Some(delay) = levels.echo_delay_ms {
        text += &format!(", heard after {delay:.0} ms");
    }
    if let Some(drift) = levels.drift_ppm {
        text += &format!(", clocks {drift:.1} ppm apart");
    }
    if erle < LEAST_DB {
        return Finding::warn(
            text,
            "lower [playback] volume_percent: a loudspeaker that distorts cannot be cancelled",
        );
    }
    Finding::ok(text)
}

#[cfg(test)]
mod tests {
    use super::super::Class;
    use super::*;

    fn check(levels: Levels, class: Class, text: &str) {
        let finding = judge(&levels);
        assert_eq!((finding.class, finding.text.as_str()), (class, text));
    }

    #[test]
    fn a_canceller_that_works_is_told_from_one_that_does_not() {
        check(Levels::default(), Class::Skip, "nothing was played since the start");
        let works = Levels {
            erle_db: Some(31.0),
            echo_delay_ms: Some(34.2),
            drift_ppm: Some(-12.0),
            ..Levels::default()
        };
        check(works.clone(), Class::Ok, "31 dB removed, heard after 34 ms, clocks -12.0 ppm apart");
        check(Levels { erle_db: Some(6.0), ..Levels::default() }, Class::Warn, "6 dB removed");
        let drift = Levels { drift_ppm: Some(-900.0), ..works };
        check(drift, Class::Warn, "the speaker's clock is -900 ppm beside the microphone's");
    }
}
