//! What each phase looks like, and how a person writes it down.

use std::collections::HashMap;
use std::time::Duration;

use pressel_hal::Rgb;
use pressel_live::event::Phase;

use crate::config::nearest;
use crate::earcons::{PHASES, file_word};

/// Between two frames of a light that changes smoothly: below what an eye sees as steps, and little work.
const FRAME: Duration = Duration::from_millis(40);
/// Times of a pattern in ms.
const TIMES: std::ops::RangeInclusive<u64> = 20..=10_000;
const SHAPES: [&str; 5] = ["off", "steady", "blink", "breathe", "chase"];

/// A colour and how it moves.
#[derive(Clone, Debug, PartialEq)]
pub struct Pattern {
    colour: Rgb,
    shape: Shape,
}

#[derive(Clone, Debug, PartialEq)]
enum Shape {
    Off,
    Steady,
    /// On and off in turns, for so many ms each.
    Blink(Vec<u64>),
    /// Up and down once in so many ms.
    Breathe(u64),
    /// A dot goes round once in so many ms.
    Chase(u64),
}

impl Pattern {
    /// So many flashes and a pause.
    pub fn flashes(times: u32) -> (Self, Duration) {
        let mut steps = vec![0, 400]; // a moment of dark, to tell them from what was shown before
        for _ in 0..times {
            steps.extend([180, 260]);
        }
        steps.extend([0, 700]);
        let length = Duration::from_millis(steps.iter().sum());
        (Pattern { colour: WHITE, shape: Shape::Blink(steps) }, length)
    }

    /// How bright each of so many pixels is so long after the pattern began, and when that changes. `dims`: whether the light
    /// knows anything between off and on.
    pub fn frame(&self, since: Duration, pixels: usize, dims: bool) -> (Vec<f32>, Option<Duration>) {
        let all = |level: f32| vec![level; pixels];
        let ms = since.as_millis() as u64;
        match &self.shape {
            Shape::Off => (all(0.0), None),
            Shape::Steady => (all(1.0), None),
            Shape::Blink(steps) => {
                let cycle: u64 = steps.iter().sum();
                let (mut left, begin) = (ms % cycle, ms - ms % cycle);
                let mut end = begin;
                for (n, step) in steps.iter().enumerate() {
                    end += step;
                    if left < *step {
                        let on = if n % 2 == 0 { 1.0 } else { 0.0 };
                        return (all(on), Some(Duration::from_millis(end)));
                    }
                    left -= step;
                }
                (all(0.0), Some(Duration::from_millis(begin + cycle))) // not reached: the steps make up the cycle
            }
            Shape::Breathe(period) if dims => {
                let turn = (ms % period) as f32 / *period as f32;
                (all((1.0 - (std::f32::consts::TAU * turn).cos()) / 2.0), Some(since + FRAME))
            }
            Shape::Chase(period) if pixels > 1 => {
                let step = (period / pixels as u64).max(FRAME.as_millis() as u64);
                let head = (ms / step) as usize % pixels;
                let level = |pixel: usize| match (head + pixels - pixel) % pixels {
                    0 => 1.0,
                    behind => 0.5_f32.powi(behind as i32 * 2),
                };
                let levels = (0..pixels).map(level).map(|level| if level < 0.01 { 0.0 } else { level });
                (levels.collect(), Some(Duration::from_millis((ms / step + 1) * step)))
            }
            // On a light that cannot show it: as often, on and off.
            Shape::Breathe(period) | Shape::Chase(period) => {
                let blink = Shape::Blink(vec![period / 2, period - period / 2]);
                Pattern { colour: self.colour, shape: blink }.frame(since, pixels, dims)
            }
        }
    }

    /// Its colour.
    pub fn colour(&self) -> Rgb {
        self.colour
    }
}

const fn rgb(r: u8, g: u8, b: u8) -> Rgb {
    Rgb { r: r as f32 / 255.0, g: g as f32 / 255.0, b: b as f32 / 255.0 }
}

const WHITE: Rgb = rgb(255, 255, 255);
const RED: Rgb = rgb(255, 0, 0);
const GREEN: Rgb = rgb(0, 255, 40);
const BLUE: Rgb = rgb(0, 60, 255);
const CYAN: Rgb = rgb(0, 200, 255);
const AMBER: Rgb = rgb(255, 120, 0);
const PURPLE: Rgb = rgb(200, 0, 255);

/// What a phase looks like unless the owner says otherwise. A steady light means "I hear you"; the more urgent, the faster
/// the blinking. No two are alike on a light of one colour that can only be on or off.
pub fn default(phase: Phase) -> Pattern {
    let blink = |colour, steps: &[u64]| Pattern { colour, shape: Shape::Blink(steps.to_vec()) };
    match phase {
        Phase::Idle => Pattern { colour: WHITE, shape: Shape::Off },
        Phase::Listening => Pattern { colour: GREEN, shape: Shape::Steady },
        Phase::Connecting => blink(AMBER, &[100, 100]),
        Phase::Asking => blink(GREEN, &[120, 120, 120, 480]),
        Phase::Thinking => blink(BLUE, &[250, 250]),
        Phase::Speaking => blink(CYAN, &[900, 100]),
        Phase::Offline => blink(AMBER, &[80, 160, 80, 1680]),
        Phase::NoDevice => blink(PURPLE, &[80, 160, 80, 160, 80, 1440]),
        Phase::ClockNotSet => blink(AMBER, &[80, 160, 80, 160, 80, 160, 80, 1200]),
        Phase::Spent => blink(PURPLE, &[80, 3920]),
        Phase::NeedsSetup => blink(WHITE, &[1000, 1000]),
        Phase::Muted => blink(RED, &[1400, 120, 120, 120]),
        Phase::Fault => blink(RED, &[60, 60]),
    }
}

/// Reads patterns: `PHASE SHAPE [ms …] [rrggbb]`, with commas between.
///
/// # Errors
/// Which one is wrong, and what is allowed.
pub fn patterns(text: &str) -> Result<HashMap<Phase, Pattern>, String> {
    let mut found = HashMap::new();
    for written in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (phase, pattern) = pattern(written)?;
        if found.insert(phase, pattern).is_some() {
            return Err(format!("has two patterns for \"{}\"", file_word(phase)));
        }
    }
    Ok(found)
}

fn pattern(written: &str) -> Result<(Phase, Pattern), String> {
    let words: Vec<&str> = written.split_whitespace().collect();
    let form = "PHASE SHAPE [ms] [rrggbb], such as \"thinking breathe 2000 0040ff\"";
    let [phase, shape, rest @ ..] = words.as_slice() else {
        return Err(format!("has \"{written}\", which is not {form}"));
    };
    let Some(of) = PHASES.into_iter().find(|known| file_word(*known) == *phase) else {
        let phases: Vec<String> = PHASES.into_iter().map(file_word).collect();
        let meant = nearest(phase, phases.iter().map(String::as_str));
        return Err(match meant {
            Some(meant) => format!("has an unknown phase \"{phase}\"; did you mean \"{meant}\"?"),
            None => format!("has an unknown phase \"{phase}\"; there are {}", phases.join(", ")),
        });
    };
    let (times, colour) = match rest.split_last() {
        Some((last, times)) if last.len() >= 6 => {
            let number =
                u32::from_str_radix(last.trim_start_matches('#'), 16).ok().filter(|n| *n <= 0xff_ffff);
            let number =
                number.ok_or_else(|| format!("has \"{last}\", which is no colour such as 00ff40"))?;
            let [_, r, g, b] = number.to_be_bytes();
            (times, rgb(r, g, b))
        }
        _ => (rest, default(of).colour),
    };
    let times: Option<Vec<u64>> =
        times.iter().map(|time| time.parse().ok().filter(|time| TIMES.contains(time))).collect();
    let shape = match (*shape, times.as_deref()) {
        (_, None) => {
            let (least, most) = (TIMES.start(), TIMES.end());
            return Err(format!("has a time in \"{written}\" that is not {least} to {most} ms"));
        }
        ("off", Some([])) => Shape::Off,
        ("steady", Some([])) => Shape::Steady,
        ("blink", Some(steps)) if matches!(steps.len(), 2 | 4 | 6 | 8) => Shape::Blink(steps.to_vec()),
        ("breathe", Some(&[period])) => Shape::Breathe(period),
        ("chase", Some(&[period])) => Shape::Chase(period),
        ("off" | "steady", _) => return Err(format!("has \"{written}\"; {shape} takes no time")),
        ("blink", _) => {
            return Err(format!("has \"{written}\"; blink takes ms on and off, up to four times"));
        }
        ("breathe" | "chase", _) => return Err(format!("has \"{written}\"; {shape} takes one time in ms")),
        _ => {
            let meant = nearest(shape, SHAPES).map(|meant| format!("; did you mean \"{meant}\"?"));
            let shapes = SHAPES.join(", ");
            return Err(format!("has \"{written}\"; shapes are {shapes}{}", meant.unwrap_or_default()));
        }
    };
    Ok((of, Pattern { colour, shape }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn no_two_phases_look_alike() {
        for (i, a) in PHASES.iter().enumerate() {
            for b in &PHASES[i + 1..] {
                assert_ne!(default(*a).shape, default(*b).shape, "{a:?} and {b:?}");
            }
        }
    }

    #[test]
    fn an_owner_s_patterns_are_read() {
        let text = "idle off, listening steady 00ff00, thinking breathe 2000 #0000ff, speaking chase 1200, \
                    fault blink 60 60 ff0000";
        let found = patterns(text).unwrap();
        assert_eq!(found.len(), 5);
        assert_eq!(found[&Phase::Listening], Pattern { colour: rgb(0, 255, 0), shape: Shape::Steady });
        assert_eq!(found[&Phase::Thinking], Pattern { colour: rgb(0, 0, 255), shape: Shape::Breathe(2000) });
        assert_eq!(found[&Phase::Speaking], Pattern { colour: CYAN, shape: Shape::Chase(1200) });
        assert_eq!(
            found[&Phase::Fault],
            Pattern { colour: rgb(255, 0, 0), shape: Shape::Blink(vec![60, 60]) }
        );
        for (text, said) in [
            ("idel off", "did you mean \"idle\"?"),
            ("waiting off", "there are muted"),
            ("idle", "which is not PHASE SHAPE"),
            ("idle of", "did you mean \"off\"?"),
            ("idle off 100", "off takes no time"),
            ("fault blink 60", "blink takes ms on and off"),
            ("fault blink 60 5", "not 20 to 10000 ms"),
            ("thinking breathe", "breathe takes one time"),
            ("thinking breathe 2000 00gg00", "no colour"),
            ("idle off, idle steady", "two patterns for \"idle\""),
        ] {
            let found = patterns(text).unwrap_err();
            assert!(found.contains(said), "{text}: {found}");
        }
    }

    #[test]
    fn a_dot_goes_round_and_a_breath_has_no_steps() {
        let chase = Pattern { colour: WHITE, shape: Shape::Chase(1200) };
        for step in 0..24 {
            let (levels, next) = chase.frame(MS(step * 100 + 50), 12, true);
            let head = levels.iter().position(|level| *level == 1.0);
            assert_eq!((head, next), (Some(step as usize % 12), Some(MS(step * 100 + 100))));
        }
        let breathe = Pattern { colour: WHITE, shape: Shape::Breathe(2000) };
        let level = |ms| breathe.frame(MS(ms), 1, true).0[0];
        assert!(level(0) < 0.01 && level(1000) > 0.99 && level(2000) < 0.01);
        assert!((0..2000).step_by(40).all(|ms| (level(ms + 40) - level(ms)).abs() < 0.07));
        // A light that is on or off does as often what it can, and is woken for that alone.
        assert_eq!(breathe.frame(MS(10), 1, false), (vec![1.0], Some(MS(1000))));
        assert_eq!(breathe.frame(MS(1010), 1, false), (vec![0.0], Some(MS(2000))));
        assert_eq!(chase.frame(MS(700), 1, true), (vec![0.0], Some(MS(1200))));
    }

    #[test]
    fn flashes_can_be_counted() {
        for times in 1..6 {
            let (pattern, length) = Pattern::flashes(times);
            let (mut at, mut on, mut seen) = (Duration::ZERO, false, 0);
            while at < length {
                let (levels, next) = pattern.frame(at, 1, false);
                seen += u32::from(levels[0] > 0.0 && !on);
                on = levels[0] > 0.0;
                at = next.unwrap();
            }
            assert_eq!(seen, times);
        }
    }
}
