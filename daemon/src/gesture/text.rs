//! Lines and gestures as a person writes them: `up GPIO5, down GPIO6` and `press talk, double new-talk, up press volume-up`.

use std::time::Duration;

use super::{Act, Binding, Kind};
use crate::config::nearest;

/// More than a hand has fingers.
const LINES_MAX: usize = 8;
const KINDS: [&str; 3] = ["press", "double", "long"];
/// A press of so many seconds is a long one.
const LONG_S: std::ops::RangeInclusive<f32> = 0.5..=30.0;

/// A line beside the one of `[button]` itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineSpec {
    /// What gestures call it.
    pub name: String,
    /// GPIO line, or the name of a key code.
    pub line: String,
}

/// Reads more lines: a name and a line or key each, with commas between.
///
/// # Errors
/// Which one is wrong, and what it must look like.
pub fn lines(text: &str) -> Result<Vec<LineSpec>, String> {
    let mut found: Vec<LineSpec> = Vec::new();
    for written in parts(text) {
        let words: Vec<&str> = written.split_whitespace().collect();
        let &[name, line] = words.as_slice() else {
            return Err(format!("has \"{written}\", which is not \"NAME LINE\", such as \"up GPIO5\""));
        };
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if KINDS.contains(&name) || !name.chars().all(plain) {
            return Err(format!(
                "calls a line \"{name}\"; a name is lower-case letters, digits and \"-\", and none of {}",
                KINDS.join(", ")
            ));
        }
        if found.iter().any(|other| other.name == name) {
            return Err(format!("has two lines called \"{name}\""));
        }
        if let Some(other) = found.iter().find(|other| other.line == line) {
            return Err(format!("uses {line} twice, as \"{}\" and \"{name}\"", other.name));
        }
        found.push(LineSpec { name: name.to_owned(), line: line.to_owned() });
    }
    if found.len() > LINES_MAX {
        return Err(format!("has {} lines; there may be {LINES_MAX} beside the first", found.len()));
    }
    Ok(found)
}

/// Reads gestures on the line of `[button]` and on `lines`, with commas between: `[LINE] press|double|long S ACT`.
///
/// # Errors
/// Which one is wrong, and what is allowed.
pub fn bindings(text: &str, lines: &[LineSpec]) -> Result<Vec<Binding>, String> {
    let mut found: Vec<(Binding, &str)> = Vec::new();
    for written in parts(text) {
        let binding = binding(written, lines)?;
        if let Some((_, other)) = found.iter().find(|(f, _)| (f.line, f.kind) == (binding.line, binding.kind))
        {
            return Err(format!("has two acts for one gesture: \"{other}\" and \"{written}\""));
        }
        if let Some((_, other)) = found.iter().find(|(f, _)| f.act == Act::Talk && binding.act == Act::Talk) {
            return Err(format!("has two gestures to talk: \"{other}\" and \"{written}\""));
        }
        found.push((binding, written));
    }
    if let Some(idle) = (1..=lines.len()).find(|n| !found.iter().any(|(binding, _)| binding.line == *n)) {
        return Err(format!("has no gesture on line \"{}\"", lines[idle - 1].name));
    }
    Ok(found.into_iter().map(|(binding, _)| binding).collect())
}

fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty())
}

fn binding(written: &str, lines: &[LineSpec]) -> Result<Binding, String> {
    let words: Vec<&str> = written.split_whitespace().collect();
    let form =
        || format!("has \"{written}\", which is not \"[LINE] GESTURE ACT\", such as \"double new-talk\"");
    let named = words.first().is_some_and(|word| !KINDS.contains(word)) && words.len() > 2;
    let (line, rest) = if named {
        let name = words[0];
        let known = lines.iter().map(|line| line.name.as_str());
        match known.clone().position(|known| known == name) {
            Some(index) => (index + 1, &words[1..]),
            None => {
                let meant = nearest(name, known.chain(KINDS));
                let meant = meant.map(|meant| format!("; did you mean \"{meant}\"?")).unwrap_or_default();
                return Err(format!("has \"{written}\", but no line is called \"{name}\"{meant}"));
            }
        }
    } else {
        (0, words.as_slice())
    };
    let (kind, act) = match *rest {
        ["press", act] => (Kind::Press, act),
        ["double", act] => (Kind::Double, act),
        ["long", seconds, act] => {
            let length: Option<f32> = seconds.parse().ok().filter(|length| LONG_S.contains(length));
            let Some(length) = length else {
                let (least, most) = (LONG_S.start(), LONG_S.end());
                return Err(format!(
                    "has \"{written}\"; a long press is {least} to {most} s: \"long 2 status\""
                ));
            };
            (Kind::Long(Duration::from_secs_f32(length)), act)
        }
        [kind, _] | [kind, _, _] if !KINDS.contains(&kind) => {
            let meant = nearest(kind, KINDS).map(|kind| format!("; did you mean \"{kind}\"?"));
            let kinds = KINDS.join(", ");
            return Err(format!("has \"{written}\"; gestures are {kinds}{}", meant.unwrap_or_default()));
        }
        _ => return Err(form()),
    };
    let Some(act) = Act::ALL.into_iter().find(|known| known.word() == act) else {
        let acts = Act::ALL.map(Act::word);
        return Err(match nearest(act, acts) {
            Some(meant) => format!("has an unknown act \"{act}\"; did you mean \"{meant}\"?"),
            None => format!("has an unknown act \"{act}\"; there are {}", acts.join(", ")),
        });
    };
    match (kind, act) {
        (Kind::Double | Kind::Long(_), Act::Talk) => {
            Err(format!("has \"{written}\"; to talk is a press, whatever [talk] mode is"))
        }
        (Kind::Press, Act::Consent) if line == 0 => {
            Err(format!("has \"{written}\"; consent is no plain press: double, long, or a line of its own"))
        }
        (Kind::Press | Kind::Double, Act::Shutdown) => {
            Err(format!("has \"{written}\"; nothing but a long press switches the machine off"))
        }
        _ => Ok(Binding { line, kind, act }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn more() -> Vec<LineSpec> {
        lines("up GPIO5, down GPIO6").unwrap()
    }

    #[test]
    fn what_is_written_is_what_is_bound() {
        let text = "press talk, double new-talk, long 2 status, long 8 shutdown, up press volume-up, down press volume-down";
        let of = |line, kind, act| Binding { line, kind, act };
        let s = Duration::from_secs;
        assert_eq!(
            bindings(text, &more()).unwrap(),
            [
                of(0, Kind::Press, Act::Talk),
                of(0, Kind::Double, Act::NewTalk),
                of(0, Kind::Long(s(2)), Act::Status),
                of(0, Kind::Long(s(8)), Act::Shutdown),
                of(1, Kind::Press, Act::VolumeUp),
                of(2, Kind::Press, Act::VolumeDown),
            ]
        );
        assert_eq!(bindings("", &[]), Ok(Vec::new()));
        assert_eq!(lines(""), Ok(Vec::new()));
    }

    #[test]
    fn every_mistake_is_named() {
        let up = lines("up GPIO5").unwrap();
        for (text, lines, said) in [
            (
                "press talk, press stop",
                &[][..],
                "two acts for one gesture: \"press talk\" and \"press stop\"",
            ),
            ("press talk, up press talk", &up, "two gestures to talk"),
            ("press talk", &up, "no gesture on line \"up\""),
            ("press talk, upp press volume-up", &up, "no line is called \"upp\"; did you mean \"up\"?"),
            ("press takl", &[], "unknown act \"takl\"; did you mean \"talk\"?"),
            ("press explode", &[], "unknown act \"explode\"; there are talk, stop"),
            ("tripple stop", &[], "gestures are press, double, long"),
            ("duoble stop", &[], "did you mean \"double\"?"),
            ("long stop", &[], "[LINE] GESTURE ACT"),
            ("long 60 stop", &[], "0.5 to 30 s"),
            ("talk", &[], "[LINE] GESTURE ACT"),
            ("double talk", &[], "to talk is a press"),
            ("press consent", &[], "no plain press"),
            ("double shutdown", &[], "nothing but a long press"),
        ] {
            let found = bindings(text, lines).unwrap_err();
            assert!(found.contains(said), "{text}: {found}");
        }
        for (text, said) in [
            ("up", "NAME LINE"),
            ("up GPIO5 6", "NAME LINE"),
            ("press GPIO5", "calls a line \"press\""),
            ("Up GPIO5", "calls a line \"Up\""),
            ("up GPIO5, up GPIO6", "two lines called \"up\""),
            ("up GPIO5, down GPIO5", "uses GPIO5 twice, as \"up\" and \"down\""),
            ("a 1, b 2, c 3, d 4, e 5, f 6, g 7, h 8, i 9", "has 9 lines"),
        ] {
            let found = lines(text).unwrap_err();
            assert!(found.contains(said), "{text}: {found}");
        }
    }
}
