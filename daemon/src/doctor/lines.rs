//! Button, mute switch, light, and who holds their lines.

use pressel_hal::{Error, ErrorKind};

use super::board::device_hint;
use super::{Finding, Ground};
use crate::config::{ButtonKind, LightKind, Mode, MuteKind, OpenStart};
use crate::status::Status;
use crate::world::World;

pub(super) fn button(ground: &Ground) -> Finding {
    let Some(config) = ground.config() else { return Finding::skip("the configuration has mistakes") };
    if config.button.kind == ButtonKind::None {
        let by_voice = config.talk.mode == Mode::Open && config.open.start != OpenStart::Press;
        return if by_voice {
            Finding::ok("none, and none is needed: the voice begins a talk")
        } else {
            Finding::warn(
                "none is configured; only `pressel press` begins a talk",
                "choose one under [button], see pressel devices",
            )
        };
    }
    if let Some(status) = ground.status() {
        return beside_daemon(ground, status, "button", status.button.as_deref());
    }
    let group = if config.button.kind == ButtonKind::Evdev { "input" } else { "gpio" };
    let (mut there, mut missing) = (Vec::new(), Vec::new());
    for mut open in World::real(config, &config.sound()).buttons {
        match open() {
            Ok(line) => there.push(line.describe()),
            Err(error) => missing.push(error),
        }
    }
    let Some(first) = missing.first() else { return Finding::ok(there.join(", ")) };
    let all: Vec<String> = missing.iter().map(Error::to_string).collect();
    line_finding(ground, &Error::new(first.kind, all.join("; ")), group)
}

/// A switch that cannot be read keeps the microphone off.
pub(super) fn mute(ground: &Ground) -> Finding {
    let Some(config) = ground.config() else { return Finding::skip("the configuration has mistakes") };
    if config.mute.kind == MuteKind::None {
        return Finding::ok("none is configured");
    }
    if let Some(status) = ground.status() {
        let there = status
            .mute
            .as_ref()
            .map(|what| format!("{what}: the microphone is {}", if status.muted { "off" } else { "on" }));
        return beside_daemon(ground, status, "mute switch", there.as_deref());
    }
    let group = if config.mute.kind == MuteKind::Evdev { "input" } else { "gpio" };
    match World::real(config, &config.sound()).mute.map(|mut open| open()) {
        Some(Ok(switch)) => Finding::ok(switch.describe()),
        None => Finding::ok("none"),
        Some(Err(error)) => line_finding(ground, &error, group),
    }
}

/// What the running daemon says of a thing that it holds or looks for.
fn beside_daemon(ground: &Ground, status: &Status, thing: &str, there: Option<&str>) -> Finding {
    let prefix = format!("{thing}: ");
    let lacks: Vec<&str> = status.missing.iter().filter_map(|why| why.strip_prefix(&prefix)).collect();
    if lacks.is_empty() {
        return match there {
            Some(what) => Finding::ok(what),
            None => Finding::fail("the daemon has not found it", "why: journalctl -u pressel -n 50"),
        };
    }
    let why = lacks.join("; ");
    held(ground, &why).unwrap_or_else(|| {
        Finding::fail(
            format!("the daemon looks for it each second: {why}"),
            "see what there is: pressel devices; why it was lost: journalctl -u pressel -n 50",
        )
    })
}

/// A device that cannot be opened; of a line the kernel may know who has it.
fn line_finding(ground: &Ground, error: &Error, group: &str) -> Finding {
    let may_be_held = matches!(error.kind, ErrorKind::Busy | ErrorKind::NotFound | ErrorKind::Other);
    let held = may_be_held.then(|| held(ground, &error.to_string())).flatten();
    held.unwrap_or_else(|| Finding::fail(error.to_string(), device_hint(error, group)))
}

/// A line that another holds, found in what was said of it.
fn held(ground: &Ground, said: &str) -> Option<Finding> {
    let told = ground.facts.text("/sys/kernel/debug/gpio").unwrap_or_default();
    let (line, consumer) = holder(&told, said)?;
    Some(
        Finding::fail(
            format!("{line} is held by \"{consumer}\": {said}"),
            "end what holds it (an overlay: see dtoverlay in /boot/firmware/config.txt), or choose a free line: \
             pressel devices",
        )
        .coded("line-held"),
    )
}

/// Who holds a line that is named in quotes, by the kernel's list:
/// ` gpio-586 (GPIO17              |onoff               ) in  hi IRQ`.
fn holder<'a>(list: &'a str, said: &str) -> Option<(&'a str, &'a str)> {
    list.lines().find_map(|entry| {
        let (name, rest) = entry.split_once('(')?.1.split_once('|')?;
        let (name, consumer) = (name.trim(), rest.split_once(')')?.0.trim());
        let meant = !name.is_empty() && said.contains(&format!("\"{name}\""));
        (meant && !consumer.is_empty() && consumer != "pressel").then_some((name, consumer))
    })
}

pub(super) fn light(ground: &Ground) -> Finding {
    let Some(config) = ground.config() else { return Finding::skip("the configuration has mistakes") };
    if config.light.kind == LightKind::None {
        return Finding::ok("none is configured");
    }
    if let Some(status) = ground.status() {
        return beside_daemon(ground, status, "light", status.light.as_deref());
    }
    match World::real(config, &config.sound()).light.map(|mut open| open()) {
        Some(Ok(light)) => Finding::ok(light.describe()),
        None => Finding::ok("none"),
        Some(Err(error)) => {
            let spi = matches!(config.light.kind, LightKind::Apa102 | LightKind::Ws281x);
            line_finding(ground, &error, if spi { "spi" } else { "gpio" })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Class;
    use super::super::facts::Facts;
    use super::*;
    use crate::config::load_from;

    fn ground(text: &str, status: Option<Status>) -> Ground {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.toml"), text).unwrap();
        let loaded = load_from(folder.path(), None, []);
        assert!(loaded.is_ok(), "{loaded:?}");
        Ground::of(loaded, status.map(Ok), Facts::below("/".as_ref()))
    }

    #[test]
    fn a_missing_button_matters_only_where_one_is_needed() {
        assert_eq!(button(&ground("", None)).class, Class::Warn);
        assert_eq!(
            button(&ground("[talk]\nmode = \"open\"\n[open]\nstart = \"speech\"\n", None)).class,
            Class::Ok
        );
        assert_eq!(button(&ground("[talk]\nmode = \"open\"\n", None)).class, Class::Warn);
        let gpio = "[button]\nkind = \"gpio\"\n[light]\nkind = \"gpio\"\n";
        assert_eq!(button(&ground(gpio, Some(Status::default()))).class, Class::Fail);
        assert_eq!(light(&ground(gpio, Some(Status::default()))).class, Class::Fail);
        let there =
            Status { button: Some("GPIO17".into()), light: Some("GPIO27".into()), ..Status::default() };
        assert_eq!(button(&ground(gpio, Some(there.clone()))), Finding::ok("GPIO17"));
        assert_eq!(light(&ground(gpio, Some(there))), Finding::ok("GPIO27"));
    }

    #[test]
    fn what_the_daemon_lacks_is_told_thing_by_thing() {
        let wired = "[button]\nkind = \"gpio\"\nlines = \"up GPIO5\"\ngestures = \"press talk, up press volume-up\"\n\
                     [light]\nkind = \"gpio\"\n[mute]\nkind = \"gpio\"\n";
        let well = Status {
            button: Some("GPIO17, GPIO5".into()),
            mute: Some("GPIO22".into()),
            light: Some("GPIO27".into()),
            ..Status::default()
        };
        let looks = [button, mute, light];
        let classes = |status: &Status| {
            let ground = ground(wired, Some(status.clone()));
            looks.map(|look| look(&ground).class == Class::Ok)
        };
        assert_eq!(classes(&well), [true; 3]);
        for (n, missing) in [
            "button: open button \"GPIO5\": no line named \"GPIO5\"",
            "mute switch: open button \"GPIO22\": no line named \"GPIO22\"",
            "light: open light \"GPIO27\": no line named \"GPIO27\"",
        ]
        .into_iter()
        .enumerate()
        {
            let status = Status { missing: vec![missing.into()], ..well.clone() };
            let mut expected = [true; 3];
            expected[n] = false;
            assert_eq!(classes(&status), expected, "{missing}");
            let found = looks[n](&ground(wired, Some(status)));
            assert!(found.text.contains("no line named") && found.hint.is_some(), "{found:?}");
        }
    }

    #[test]
    fn the_holder_of_the_line_that_is_meant_is_found() {
        let list = "gpiochip0: GPIOs 569-622, parent: platform/1f000d0000.gpio, pinctrl-rp1:\n \
                    gpio-574 (GPIO5               |pressel             ) in  hi IRQ\n \
                    gpio-586 (GPIO17              |w1                  ) in  hi\n \
                    gpio-591 (GPIO22              |                    )\n";
        let check = |said: &str, expected| assert_eq!(holder(list, said), expected, "{said}");
        check("open button \"GPIO17\": busy", Some(("GPIO17", "w1")));
        check("open button \"GPIO1\": busy", None);
        check("open button \"GPIO5\": busy", None);
        check("open button \"GPIO22\": busy", None);
    }

    #[test]
    fn a_line_that_is_not_there_fails_with_a_hint() {
        let found = button(&ground("[button]\nkind = \"gpio\"\nline = \"no-such-line\"\n", None));
        assert!(found.class == Class::Fail && found.hint.is_some(), "{found:?}");
        let found = light(&ground("[light]\nkind = \"sysfs\"\nname = \"no-such-led\"\n", None));
        assert!(found.class == Class::Fail && found.text.contains("no-such-led"), "{found:?}");
    }
}
