//! How well the speaker is taken out of the microphone, as the running daemon measures it.

use super::{Finding, Ground};
use crate::config::EchoEngine;
use crate::levels::Levels;

/// Less than this leaves an assistant that interrupts itself, in dB.
const LEAST_DB: f32 = 12.0;
/// A canceller follows no clock that is worse, in ppm.
const DRIFT_MAX_PPM: f32 = 300.0;

pub(super) fn echo(ground: &Ground) -> Finding {
    let Some(config) = ground.config() else { return Finding::skip("the configuration has mistakes") };
    if config.echo.engine == EchoEngine::Off {
        return Finding::ok("not cancelled here ([echo] engine = \"off\")");
    }
    match ground.status() {
        Some(status) => judge(&status.levels),
        None => Finding::skip("only a running daemon knows"),
    }
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
