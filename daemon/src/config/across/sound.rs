//! Rings of the cards, array, echo and volume.

use super::Across;
use crate::config::{ArrayGeometry, EchoEngine, Rewind, VolumeBy};

/// The rules.
pub(super) const RULES: &[Across] = &[
    Across {
        keys: &[("capture", "period_ms"), ("capture", "buffer_ms")],
        wrong: |c| period(c.capture.period_ms, c.capture.buffer_ms),
    },
    Across {
        keys: &[("playback", "period_ms"), ("playback", "buffer_ms")],
        wrong: |c| period(c.playback.period_ms, c.playback.buffer_ms),
    },
    Across {
        keys: &[("array", "positions_mm"), ("array", "geometry")],
        wrong: |c| {
            let (custom, given) =
                (c.array.geometry == ArrayGeometry::Custom, !c.array.positions_mm.is_empty());
            match (custom, given) {
                (true, false) => Some("is needed where geometry = \"custom\"".to_owned()),
                (false, true) => Some("has an effect with geometry = \"custom\" only".to_owned()),
                _ => None,
            }
        },
    },
    Across {
        keys: &[("echo", "engine")],
        wrong: |c| {
            (c.echo.engine == EchoEngine::Aec3 && cfg!(not(feature = "aec3"))).then(|| {
                "is not built into this program; use \"kalman\" or \"off\", or build it with --features aec3"
                    .to_owned()
            })
        },
    },
    Across {
        keys: &[("capture", "rest_ms"), ("capture", "buffer_ms")],
        wrong: |c| {
            let (rest, buffer) = (c.capture.rest_ms, c.capture.buffer_ms);
            (rest * 2 > buffer).then(|| {
                format!(
                    "is more than half of buffer_ms = {buffer}: the ring would overrun while capture sleeps"
                )
            })
        },
    },
    Across {
        keys: &[("playback", "shallow_ms"), ("playback", "period_ms"), ("playback", "buffer_ms")],
        wrong: |c| {
            let (shallow, period, buffer) =
                (c.playback.shallow_ms, c.playback.period_ms, c.playback.buffer_ms);
            if shallow > buffer {
                Some(format!("is more than buffer_ms = {buffer}"))
            } else {
                (shallow * 2 < period * 3)
                    .then(|| format!("is less than one and a half of period_ms = {period}"))
            }
        },
    },
    Across {
        keys: &[("playback", "lead_ms"), ("playback", "shallow_ms"), ("playback", "rewind")],
        wrong: |c| {
            let (lead, shallow) = (c.playback.lead_ms, c.playback.shallow_ms);
            (c.playback.rewind == Rewind::Off && lead > shallow).then(|| {
                format!("is more than shallow_ms = {shallow}, which rewind = \"off\" keeps the ring at")
            })
        },
    },
    Across {
        keys: &[("volume", "element"), ("volume", "by")],
        wrong: |c| {
            (c.volume.by == VolumeBy::Mixer && c.volume.element.is_empty())
                .then(|| "is empty, but by = \"mixer\" needs an element: see amixer scontrols".to_owned())
        },
    },
    Across {
        keys: &[("volume", "min_percent"), ("volume", "max_percent")],
        wrong: |c| {
            let (min, max) = (c.volume.min_percent, c.volume.max_percent);
            (min > max).then(|| format!("is more than max_percent = {max}"))
        },
    },
];

fn period(period_ms: u32, buffer_ms: u32) -> Option<String> {
    (period_ms * 2 > buffer_ms).then(|| format!("is more than half of buffer_ms = {buffer_ms}"))
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;
    use super::*;

    #[test]
    fn rules_of_sound_see_their_mistakes() {
        check(
            &|c| (c.capture.period_ms, c.capture.buffer_ms, c.capture.rest_ms) = (60, 119, 10),
            "period_ms is more",
        );
        check(
            &|c| (c.playback.period_ms, c.playback.buffer_ms, c.playback.shallow_ms) = (60, 119, 90),
            "period_ms is",
        );
        check(&|c| (c.capture.rest_ms, c.capture.buffer_ms) = (60, 119), "rest_ms is more than half");
        check(
            &|c| (c.playback.shallow_ms, c.playback.period_ms) = (20, 14),
            "shallow_ms is less than one and a half",
        );
        check(
            &|c| (c.playback.rewind, c.playback.lead_ms) = (Rewind::Off, 41),
            "lead_ms is more than shallow_ms",
        );
        if cfg!(not(feature = "aec3")) {
            check(
                &|c| c.echo.engine = EchoEngine::Aec3,
                "engine is not built into this program; use \"kalman\"",
            );
        }
        check(&|c| c.volume.by = VolumeBy::Mixer, "element is empty");
        check(
            &|c| (c.volume.min_percent, c.volume.max_percent) = (60, 50),
            "min_percent is more than max_percent = 50",
        );
    }
}
