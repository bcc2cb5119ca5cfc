//! Button, mute switch and light: kinds, lines and gestures that fit each other.

use super::Across;
use crate::config::text::key_name;
use crate::config::{ButtonKind, Config, LightKind, Mode, MuteKind};
use crate::gesture::{self, Act, Kind};

/// The rules.
pub(super) const RULES: &[Across] = &[
    Across {
        keys: &[("talk", "mode"), ("button", "kind")],
        wrong: |c| {
            (c.talk.mode == Mode::Hold && c.button.kind == ButtonKind::Keyboard).then(|| {
                "cannot be used with [button] kind = \"keyboard\": a terminal tells no release; use mode = \"tap\", \
                 or kind = \"evdev\", which sees keys go up"
                    .to_owned()
            })
        },
    },
    Across {
        keys: &[("button", "line"), ("button", "kind")],
        wrong: |c| {
            let gpio = matches!(c.button.kind, ButtonKind::Gpio | ButtonKind::Rppal);
            (gpio && c.button.line.is_empty())
                .then(|| needs("button", c.button.kind, "a line such as \"GPIO17\""))
        },
    },
    Across {
        keys: &[("button", "device"), ("button", "kind")],
        wrong: |c| {
            (c.button.kind == ButtonKind::Evdev && c.button.device.is_empty())
                .then(|| needs("button", c.button.kind, "a device, see `pressel devices`"))
        },
    },
    Across {
        keys: &[("light", "line"), ("light", "kind")],
        wrong: |c| {
            let gpio = matches!(c.light.kind, LightKind::Gpio | LightKind::Rppal);
            (gpio && c.light.line.is_empty())
                .then(|| needs("light", c.light.kind, "a line such as \"GPIO27\""))
        },
    },
    Across {
        keys: &[("light", "name"), ("light", "kind")],
        wrong: |c| {
            (c.light.kind == LightKind::Sysfs && c.light.name.is_empty())
                .then(|| needs("light", c.light.kind, "a name below /sys/class/leds, see `pressel devices`"))
        },
    },
    Across {
        keys: &[("light", "name"), ("light", "kind")],
        wrong: |c| {
            (c.light.kind == LightKind::Pwm && c.light.name.is_empty()).then(|| {
                needs("light", c.light.kind, "a channel such as \"pwmchip0/0\", see `ls /sys/class/pwm`")
            })
        },
    },
    Across {
        keys: &[("light", "line"), ("light", "kind")],
        wrong: |c| one_or_three(c, &c.light.line, false),
    },
    Across { keys: &[("light", "name"), ("light", "kind")], wrong: |c| one_or_three(c, &c.light.name, true) },
    Across {
        keys: &[("mute", "line"), ("mute", "kind")],
        wrong: |c| {
            let gpio = matches!(c.mute.kind, MuteKind::Gpio | MuteKind::Rppal);
            (gpio && c.mute.line.is_empty()).then(|| needs("mute", c.mute.kind, "a line such as \"GPIO23\""))
        },
    },
    Across {
        keys: &[("mute", "device"), ("mute", "kind")],
        wrong: |c| {
            (c.mute.kind == MuteKind::Evdev && c.mute.device.is_empty())
                .then(|| needs("mute", c.mute.kind, "a device, see `pressel devices`"))
        },
    },
    Across {
        keys: &[("button", "gestures"), ("button", "lines"), ("button", "kind"), ("talk", "mode")],
        wrong: gestures,
    },
    Across {
        keys: &[("button", "lines"), ("button", "kind")],
        wrong: |c| {
            let lines = gesture::lines(&c.button.lines).unwrap_or_default();
            if c.button.kind == ButtonKind::Keyboard && !lines.is_empty() {
                return Some("cannot be used with kind = \"keyboard\", which has one key".to_owned());
            }
            let unknown = lines.iter().filter(|_| c.button.kind == ButtonKind::Evdev);
            let unknown = unknown.filter_map(|line| key_name(&line.line).err()).next();
            unknown.map(|why| format!("has a key that {why}"))
        },
    },
    Across {
        keys: &[
            ("light", "line"),
            ("button", "line"),
            ("button", "lines"),
            ("mute", "line"),
            ("light", "kind"),
            ("button", "kind"),
            ("mute", "kind"),
        ],
        wrong: one_line_twice,
    },
];

/// A light is on one line or name, or on three: red, green and blue.
fn one_or_three(c: &Config, text: &str, by_name: bool) -> Option<String> {
    let used = match c.light.kind {
        LightKind::Gpio | LightKind::Rppal => !by_name,
        LightKind::Sysfs | LightKind::Pwm => by_name,
        LightKind::None | LightKind::Apa102 | LightKind::Ws281x => false,
    };
    let count = text.split(',').count();
    (used && count != 1 && count != 3)
        .then(|| format!("names {count} of them; a light is on one, or on three for red, green and blue"))
}

/// `[button] gestures`: only with the lines is it known what they are about.
fn gestures(c: &Config) -> Option<String> {
    let lines = gesture::lines(&c.button.lines).ok()?;
    let bindings = match gesture::bindings(&c.button.gestures, &lines) {
        Ok(bindings) => bindings,
        Err(why) => return Some(why),
    };
    let talk = bindings.iter().find(|binding| binding.act == Act::Talk).map(|binding| binding.line);
    for binding in &bindings {
        let long = matches!(binding.kind, Kind::Long(_));
        if long && c.button.kind == ButtonKind::Keyboard {
            return Some(
                "has a long press, which kind = \"keyboard\" cannot tell: a terminal has no release"
                    .to_owned(),
            );
        }
        if long && c.talk.mode == Mode::Hold && talk == Some(binding.line) && binding.act != Act::Consent {
            return Some(format!(
                "has a long press to {} on the line to talk; in [talk] mode = \"hold\" that is a person who speaks: \
                 use double, or another line",
                binding.act.word()
            ));
        }
    }
    None
}

/// A line of the board that two of button, mute and light want.
fn one_line_twice(c: &Config) -> Option<String> {
    let mut taken: Vec<(String, &str)> = Vec::new();
    if matches!(c.light.kind, LightKind::Gpio | LightKind::Rppal) {
        taken.extend(c.light.line.split(',').map(|line| (line.trim().to_owned(), "light")));
    }
    if matches!(c.button.kind, ButtonKind::Gpio | ButtonKind::Rppal) {
        taken.push((c.button.line.clone(), "button"));
        let more = gesture::lines(&c.button.lines).unwrap_or_default();
        taken.extend(more.into_iter().map(|line| (line.line, "button")));
    }
    if matches!(c.mute.kind, MuteKind::Gpio | MuteKind::Rppal) {
        taken.push((c.mute.line.clone(), "mute"));
    }
    taken.sort();
    let twice = taken.windows(2).find(|pair| pair[0].0 == pair[1].0)?;
    let ((line, one), (_, other)) = (&twice[0], &twice[1]);
    let who = if one == other { format!("[{one}] twice") } else { format!("[{one}] and [{other}]") };
    Some(format!("is not the only one: {line} is used by {who}; each needs a line of its own"))
}

fn needs(table: &str, kind: impl std::fmt::Display, what: &str) -> String {
    format!("is empty, but [{table}] kind = \"{kind}\" needs {what}")
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;
    use super::*;

    #[test]
    fn rules_of_controls_see_their_mistakes() {
        check(&|c| c.button.kind = ButtonKind::Keyboard, "mode cannot be used with");
        check(&|c| (c.button.kind, c.button.line) = (ButtonKind::Gpio, String::new()), "line is empty");
        check(&|c| c.button.kind = ButtonKind::Evdev, "device is empty");
        check(&|c| (c.light.kind, c.light.line) = (LightKind::Rppal, String::new()), "line is empty");
        check(&|c| c.light.kind = LightKind::Sysfs, "name is empty");
        check(&|c| c.light.kind = LightKind::Pwm, "name is empty");
        check(
            &|c| (c.light.kind, c.light.line) = (LightKind::Gpio, "GPIO5, GPIO6".into()),
            "line names 2 of them",
        );
        check(
            &|c| (c.light.kind, c.light.name) = (LightKind::Pwm, "pwmchip0/0, pwmchip0/1".into()),
            "name names 2 of them",
        );
        check(
            &|c| {
                c.button.kind = ButtonKind::Gpio;
                c.light.kind = LightKind::Gpio;
                c.light.line = c.button.line.clone();
            },
            "line is not the only one: GPIO17 is used by [button] and [light]",
        );
        let gpio = |c: &mut Config| c.button.kind = ButtonKind::Gpio;
        check(
            &|c| {
                gpio(c);
                (c.button.lines, c.button.gestures) =
                    ("up GPIO17".into(), "press talk, up press stop".into());
            },
            "line is not the only one: GPIO17 is used by [button] twice",
        );
        check(
            &|c| {
                gpio(c);
                (c.mute.kind, c.mute.line) = (MuteKind::Gpio, "GPIO17".into());
            },
            "line is not the only one: GPIO17 is used by [button] and [mute]",
        );
        check(&|c| (c.mute.kind, c.mute.line) = (MuteKind::Gpio, String::new()), "line is empty");
        check(&|c| c.mute.kind = MuteKind::Evdev, "device is empty");
        check(
            &|c| c.button.gestures = "press talk, press stop".into(),
            "gestures has two acts for one gesture",
        );
        check(
            &|c| c.button.gestures = "press talk, long 2 status".into(),
            "gestures has a long press to status",
        );
        check(&|c| c.button.lines = "up GPIO5".into(), "gestures has no gesture on line \"up\"");
        check(
            &|c| {
                (c.button.kind, c.button.device) = (ButtonKind::Evdev, "pedal".into());
                (c.button.lines, c.button.gestures) =
                    ("up KEY_UPP".into(), "press talk, up press stop".into());
            },
            "lines has a key that is refused",
        );
    }
}
