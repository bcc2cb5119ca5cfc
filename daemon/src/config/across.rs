//! Checks that a range cannot express: the shape of one text, and rules that span keys.

use super::{
    ArrayGeometry, Backend, ButtonKind, Config, Eager, EchoEngine, LightKind, Mode, MuteKind, Rewind,
    VolumeBy,
};
use crate::gesture::{self, Act, Kind};
use crate::net::http::Url;
use crate::wire::Endpoint;

/// A rule that spans keys. It is skipped when one of its keys has a mistake of its own.
pub struct Across {
    /// The keys it looks at, the one to blame first.
    pub keys: &'static [(&'static str, &'static str)],
    /// `None` when all is well, else what is wrong with the first key and what to do.
    pub wrong: fn(&Config) -> Option<String>,
}

/// Every rule that spans keys.
pub const RULES: &[Across] = &[
    Across {
        keys: &[("live", "compress_to_tokens"), ("live", "compress_above_tokens")],
        wrong: |c| {
            let (to, above) = (c.live.compress_to_tokens, c.live.compress_above_tokens);
            (above != 0 && to >= above).then(|| format!("is not below compress_above_tokens = {above}"))
        },
    },
    Across {
        keys: &[("live", "backend"), ("token", "url"), ("token", "command"), ("token", "file")],
        wrong: |c| {
            let given = [!c.token.url.is_empty(), !c.token.command.is_empty(), !c.token.file.is_empty()];
            let count = given.into_iter().filter(|&given| given).count();
            (c.live.backend == Backend::Token && count != 1).then(|| {
                let found = if count == 0 { "none of them is" } else { "more than one of them is" };
                format!("needs one of url, command and file in [token]; {found} set")
            })
        },
    },
    Across {
        keys: &[("token", "client_cert_file"), ("token", "client_key_file")],
        wrong: |c| {
            (c.token.client_cert_file.is_empty() != c.token.client_key_file.is_empty())
                .then(|| "and client_key_file go together; one of them is empty".to_owned())
        },
    },
    Across {
        keys: &[("token", "url"), ("token", "bearer_file"), ("token", "client_cert_file")],
        wrong: |c| {
            let named = !c.token.bearer_file.is_empty() || !c.token.client_cert_file.is_empty();
            (named && c.token.url.is_empty())
                .then(|| "is empty; bearer_file and client_cert_file are for a url only".to_owned())
        },
    },
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

/// `[light] night`: hours in which the light is dimmed.
pub fn night(text: &str) -> Result<(), String> {
    crate::warm::Hours::parse(text).map(|_| ())
}

/// `[light] patterns`: what phases look like.
pub fn patterns(text: &str) -> Result<(), String> {
    crate::panel::patterns(text).map(drop)
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

/// `[button] lines`: names and lines.
pub fn button_lines(text: &str) -> Result<(), String> {
    gesture::lines(text).map(drop)
}

fn needs(table: &str, kind: impl std::fmt::Display, what: &str) -> String {
    format!("is empty, but [{table}] kind = \"{kind}\" needs {what}")
}

fn period(period_ms: u32, buffer_ms: u32) -> Option<String> {
    (period_ms * 2 > buffer_ms).then(|| format!("is more than half of buffer_ms = {buffer_ms}"))
}

/// `[live] endpoint`: encrypted, or on this machine. The path is added later, so any version will do here.
pub fn endpoint(text: &str) -> Result<(), String> {
    Endpoint::parse(text, "v1beta").map(|_| ()).map_err(|why| format!("is refused: {why}"))
}

/// `[link] warm`: hours at which a link is kept ready.
pub fn warm(text: &str) -> Result<(), String> {
    crate::warm::Hours::parse(text).map(|_| ())
}

/// `[live] model`: goes into `models/…`, so it is a plain name.
pub fn model(text: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    if text.starts_with("models/") {
        return Err("is written without \"models/\"".to_owned());
    }
    if text.chars().all(plain) {
        Ok(())
    } else {
        Err("is not a model name: letters, digits, \"-\", \".\" and \"_\" only".to_owned())
    }
}

/// `[live] ca_file`: a file with certificates in it; whether they are good is seen when TLS is set up.
pub fn ca_file(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Ok(());
    }
    let bytes = std::fs::read(text).map_err(|error| format!("is a file that cannot be read: {error}"))?;
    let begin = b"-----BEGIN CERTIFICATE-----";
    if bytes.windows(begin.len()).any(|part| part == begin) {
        Ok(())
    } else {
        Err("has no certificate in it; expected PEM, with a line -----BEGIN CERTIFICATE-----".to_owned())
    }
}

/// `[token] url`: encrypted, or on this machine.
pub fn token_url(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Ok(());
    }
    Url::parse(text).map(|_| ()).map_err(|why| format!("is refused: {why}"))
}

/// `[vertex] project`, `quota_project`: an id (perhaps with a domain before it) or a number.
pub fn project(text: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.:".contains(c);
    if text.chars().all(plain) {
        return Ok(());
    }
    Err("is not a project id: lower-case letters, digits and \"-\" only; it is not the project's display name".to_owned())
}

/// `[vertex] location`: becomes part of a host name.
pub fn location(text: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if text.chars().all(plain) && !text.starts_with('-') && !text.ends_with('-') {
        return Ok(());
    }
    Err("is not a location; allowed: a region such as \"us-central1\", a multi-region \"us\" or \"eu\", or \"global\""
        .to_owned())
}

/// `[phrases] language`: the name of a folder.
pub fn language(text: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    if text.chars().all(plain) {
        Ok(())
    } else {
        Err("is not the name of a language: letters, digits, \"-\" and \"_\" only, such as \"en\"".to_owned())
    }
}

/// `[button] key`: the name of a key code.
pub fn key_name(text: &str) -> Result<(), String> {
    pressel_hal::evdev::check_name(text).map_err(|error| format!("is refused: {error}"))
}

/// `[control] path`: absolute, and as short as the kernel wants it.
pub fn socket_path(text: &str) -> Result<(), String> {
    // sockaddr_un holds 108 bytes with the closing zero.
    if text.len() > 107 {
        return Err(format!("is {} bytes long, a socket's path has at most 107", text.len()));
    }
    if text.is_empty() || text.starts_with('/') { Ok(()) } else { Err("is not an absolute path".to_owned()) }
}

impl Eager {
    /// `None` = left to the server.
    pub fn choice(self) -> Option<bool> {
        match self {
            Eager::Auto => None,
            Eager::Yes => Some(true),
            Eager::No => Some(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(change: impl Fn(&mut Config)) -> Vec<String> {
        let mut config = Config::default();
        change(&mut config);
        RULES
            .iter()
            .filter_map(|rule| (rule.wrong)(&config).map(|text| format!("{} {text}", rule.keys[0].1)))
            .collect()
    }

    #[test]
    fn the_defaults_agree_with_each_other() {
        assert_eq!(wrong(|_| {}), Vec::<String>::new());
    }

    #[test]
    fn every_rule_sees_its_mistake() {
        let check = |change: &dyn Fn(&mut Config), start: &str| {
            let found = wrong(change);
            assert!(found.len() == 1 && found[0].starts_with(start), "expected \"{start}\", found {found:?}");
        };
        check(&|c| c.live.compress_to_tokens = 25_000, "compress_to_tokens is not below");
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
        check(&|c| c.live.backend = Backend::Token, "backend needs one of url, command and file");
        check(
            &|c| {
                c.live.backend = Backend::Token;
                (c.token.url, c.token.file) = ("https://example.org/token".into(), "/run/token".into());
            },
            "backend needs one of url, command and file in [token]; more than one",
        );
        if cfg!(not(feature = "aec3")) {
            check(
                &|c| c.echo.engine = EchoEngine::Aec3,
                "engine is not built into this program; use \"kalman\"",
            );
        }
        check(&|c| c.token.bearer_file = "/etc/pressel/bearer".into(), "url is empty");
        check(
            &|c| {
                c.token.url = "https://example.org/token".into();
                c.token.client_cert_file = "/etc/pressel/device.pem".into();
            },
            "client_cert_file and client_key_file go together",
        );
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
        check(&|c| c.volume.by = VolumeBy::Mixer, "element is empty");
        check(
            &|c| (c.volume.min_percent, c.volume.max_percent) = (60, 50),
            "min_percent is more than max_percent = 50",
        );
    }

    #[test]
    fn compression_can_be_off_whatever_its_target() {
        assert_eq!(wrong(|c| c.live.compress_above_tokens = 0), Vec::<String>::new());
    }

    #[test]
    fn texts_are_looked_at_closely() {
        assert!(endpoint("wss://example.org").is_ok());
        assert!(endpoint("ws://127.0.0.1:9000").is_ok());
        assert!(endpoint("ws://example.org").is_err_and(|e| e.contains("unencrypted")));
        assert!(token_url("https://example.org/token").is_ok() && token_url("").is_ok());
        assert!(token_url("http://example.org/token").is_err_and(|e| e.contains("unencrypted")));
        assert!(
            project("my-device-7").is_ok() && project("example.com:old").is_ok() && project("123456").is_ok()
        );
        assert!(project("My Device").is_err_and(|e| e.contains("display name")));
        assert!(location("us-central1").is_ok() && location("global").is_ok() && location("eu").is_ok());
        assert!(location("US Central").is_err() && location("eu.rep").is_err() && location("-").is_err());
        assert!(model("gemini-3.8-live").is_ok());
        assert!(model("models/gemini-3.8-live").is_err());
        assert!(model("gemini 3").is_err());
        assert!(language("de").is_ok() && language("pt-BR").is_ok());
        assert!(language("../etc").is_err_and(|e| e.contains("name of a language")));
        assert!(key_name("KEY_B").is_ok());
        assert!(key_name("KEY_SPCE").is_err_and(|e| e.contains("KEY_SPCE")));
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap();
        assert!(ca_file("").is_ok());
        assert!(ca_file("/nowhere/ca.pem").is_err_and(|e| e.contains("cannot be read")));
        assert!(ca_file(path).is_err_and(|e| e.contains("no certificate")));
        std::fs::write(path, "text\n-----BEGIN CERTIFICATE-----\n").unwrap();
        assert!(ca_file(path).is_ok());
        assert!(socket_path("").is_ok() && socket_path("/run/x").is_ok());
        assert!(socket_path("run/x").is_err());
        assert!(socket_path(&format!("/{}", "x".repeat(107))).is_err());
    }
}
