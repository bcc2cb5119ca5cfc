//! What there is to choose from: cards, GPIO lines, input devices, LEDs, with the names the configuration wants.

use std::collections::BTreeMap;
use std::fmt;

use pressel_hal::alsa::{self, Direction, PcmDevice, PcmState};
use pressel_hal::{evdev, gpio, led};
use serde::Serialize;

/// Everything found.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Devices {
    /// For `[capture] device`.
    pub microphones: Vec<Pcm>,
    /// For `[playback] device`.
    pub speakers: Vec<Pcm>,
    /// For `[button] line` and `[light] line`.
    pub gpio: Vec<Chip>,
    /// For `[button] device` with `kind = "evdev"`.
    pub inputs: Vec<Input>,
    /// For `[light] name` with `kind = "sysfs"`.
    pub leds: Vec<String>,
    /// What could not be looked at.
    pub problems: Vec<String>,
}

/// A PCM: of a card, or a name that libasound's configuration offers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pcm {
    /// The name for the configuration.
    pub name: String,
    /// What it is.
    pub description: String,
    /// What it can do, or who holds it; `None` for names that are not a card's.
    pub state: Option<String>,
}

/// A GPIO chip.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Chip {
    /// Device file.
    pub path: String,
    /// Driver's name.
    pub label: String,
    /// Lines that are free: name, or `label:offset` where they have none.
    pub free: Vec<String>,
    /// Lines that are held, with who holds them.
    pub held: BTreeMap<String, String>,
    /// Why it could not be read.
    pub problem: Option<String>,
}

/// An input device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Input {
    /// Device file.
    pub path: String,
    /// What it calls itself.
    pub name: String,
    /// Names of its keys.
    pub keys: Vec<String>,
    /// Why it could not be read.
    pub problem: Option<String>,
}

/// Looks. Opens each PCM and each device for a moment, changes nothing.
pub fn look() -> Devices {
    let mut devices = Devices { leds: led::list(), ..Devices::default() };
    let cards = alsa::devices();
    devices.microphones = pcms(&cards, Direction::Capture);
    devices.speakers = pcms(&cards, Direction::Playback);
    match gpio::list() {
        Ok(chips) => devices.gpio = chips.iter().map(chip).collect(),
        Err(error) => devices.problems.push(error.to_string()),
    }
    match evdev::list() {
        Ok(inputs) => devices.inputs = inputs.into_iter().map(input).collect(),
        Err(error) => devices.problems.push(error.to_string()),
    }
    devices
}

fn pcms(cards: &[PcmDevice], direction: Direction) -> Vec<Pcm> {
    let of_cards = cards.iter().filter(|pcm| pcm.direction == direction).map(|pcm| Pcm {
        name: pcm.pcm(),
        description: format!("{}, {}", pcm.card.name, pcm.name),
        state: Some(state(&pcm.state)),
    });
    // libasound lists each card a dozen times over (front, surround51, …); those say nothing new.
    let others = alsa::pcm_names(direction)
        .into_iter()
        .filter(|(name, _)| !name.contains("CARD=") && name != "null")
        .map(|(name, description)| Pcm { name, description, state: None });
    of_cards.chain(others).collect()
}

fn state(state: &PcmState) -> String {
    match state {
        PcmState::Free(abilities) => {
            let formats: Vec<String> = abilities.formats.iter().map(ToString::to_string).collect();
            let text = format!(
                "{} Hz, {} ch, {}",
                runs(&abilities.rates_hz),
                runs(&abilities.channels),
                formats.join(" ")
            );
            if abilities.formats.is_empty() { format!("{text}no usable format, try plughw:") } else { text }
        }
        PcmState::Held(Some(holder)) => format!("held by {holder}"),
        PcmState::Held(None) => "held by another program".to_owned(),
        PcmState::Closed(why) => why.clone(),
    }
}

/// Numbers in order; neighbours as a run: `1-8`, `16000, 48000`.
fn runs(numbers: &[u32]) -> String {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for &number in numbers {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => runs.push((number, number)),
        }
    }
    let text = |(first, last): &(u32, u32)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    };
    runs.iter().map(text).collect::<Vec<_>>().join(", ")
}

fn chip(chip: &gpio::Chip) -> Chip {
    let mut found = Chip {
        path: chip.path.display().to_string(),
        label: chip.label.clone(),
        problem: chip.problem.as_ref().map(ToString::to_string),
        ..Chip::default()
    };
    for line in &chip.lines {
        let name = match line.name.as_str() {
            // Drivers write "-" for a pin that leads nowhere.
            "" | "-" => format!("{}:{}", chip.label, line.offset),
            name => name.to_owned(),
        };
        if line.used {
            let who = if line.consumer.is_empty() { "the kernel" } else { &line.consumer };
            found.held.insert(name, format!("{who}, {}", if line.output { "output" } else { "input" }));
        } else {
            found.free.push(name);
        }
    }
    found
}

fn input(device: evdev::InputDevice) -> Input {
    Input {
        path: device.path.display().to_string(),
        name: device.name,
        keys: device.keys,
        problem: device.problem.map(|error| error.to_string()),
    }
}

impl fmt::Display for Devices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, key, pcms) in [
            ("microphones", "[capture] device", &self.microphones),
            ("speakers", "[playback] device", &self.speakers),
        ] {
            head(f, what, key, pcms.is_empty())?;
            for pcm in pcms {
                writeln!(f, "  {:<28} {}", pcm.name, pcm.description)?;
                if let Some(state) = &pcm.state {
                    writeln!(f, "  {:<28} {state}", "")?;
                }
            }
        }
        head(f, "GPIO lines", "[button] line, [light] line", self.gpio.is_empty())?;
        for chip in &self.gpio {
            writeln!(f, "  {} ({})", chip.path, chip.label)?;
            if let Some(problem) = &chip.problem {
                writeln!(f, "    {problem}")?;
            }
            for names in chip.free.chunks(8) {
                writeln!(f, "    free  {}", names.join(" "))?;
            }
            for (name, who) in &chip.held {
                writeln!(f, "    held  {name} by {who}")?;
            }
        }
        head(f, "input devices", "[button] kind = \"evdev\", device, key", self.inputs.is_empty())?;
        for input in &self.inputs {
            let keys = match input.keys.as_slice() {
                [] => "no keys".to_owned(),
                keys if keys.len() <= 4 => keys.join(" "),
                keys => format!("{} and {} more", keys[..3].join(" "), keys.len() - 3),
            };
            let told = input.problem.clone().unwrap_or(format!("\"{}\", {keys}", input.name));
            writeln!(f, "  {:<28} {told}", input.path)?;
        }
        head(f, "LEDs", "[light] kind = \"sysfs\", name", self.leds.is_empty())?;
        for led in &self.leds {
            writeln!(f, "  {led}")?;
        }
        for problem in &self.problems {
            writeln!(f, "not looked at: {problem}")?;
        }
        Ok(())
    }
}

fn head(f: &mut fmt::Formatter<'_>, what: &str, key: &str, empty: bool) -> fmt::Result {
    writeln!(f, "{what} ({key}){}", if empty { ": none" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use pressel_hal::SampleFormat;
    use pressel_hal::alsa::{Abilities, Card, Holder};

    #[test]
    fn a_free_pcm_tells_what_it_can_do_and_a_held_one_who_has_it() {
        let array = Abilities {
            rates_hz: vec![16_000, 48_000],
            channels: (1..=6).chain([8]).collect(),
            formats: vec![SampleFormat::S16Le, SampleFormat::S32Le],
        };
        assert_eq!(state(&PcmState::Free(array)), "16000, 48000 Hz, 1-6, 8 ch, S16_LE S32_LE");
        let holder = Holder { pid: 4120, command: "arecord".into() };
        assert_eq!(state(&PcmState::Held(Some(holder))), "held by pid 4120, arecord");
    }

    #[test]
    fn a_pcm_is_listed_under_its_direction_only() {
        let card = Card { index: 1, id: "Array".into(), name: "ReSpeaker".into() };
        let pcm = |direction| PcmDevice {
            card: card.clone(),
            device: 0,
            name: "USB Audio".into(),
            direction,
            state: PcmState::Held(None),
        };
        let cards = [pcm(Direction::Capture)];
        let expected = Pcm {
            name: "hw:CARD=Array".into(),
            description: "ReSpeaker, USB Audio".into(),
            state: Some("held by another program".into()),
        };
        assert_eq!(pcms(&cards, Direction::Capture)[0], expected);
        assert!(!pcms(&cards, Direction::Playback).contains(&expected));
    }

    #[test]
    fn lines_without_a_name_are_called_by_chip_and_offset() {
        let line = |offset, name: &str, used, consumer: &str| gpio::Line {
            offset,
            name: name.into(),
            used,
            consumer: consumer.into(),
            output: true,
        };
        let lines =
            vec![line(0, "", false, ""), line(17, "GPIO17", false, ""), line(27, "GPIO27", true, "led0")];
        let found = chip(&gpio::Chip { label: "pinctrl-rp1".into(), lines, ..gpio::Chip::default() });
        assert_eq!(found.free, ["pinctrl-rp1:0", "GPIO17"]);
        assert_eq!(found.held, BTreeMap::from([("GPIO27".into(), "led0, output".into())]));
    }

    #[test]
    fn a_person_sees_names_under_the_keys_they_are_for() {
        let devices = Devices {
            microphones: vec![Pcm {
                name: "hw:CARD=Array".into(),
                description: "ReSpeaker, USB Audio".into(),
                state: Some("16000 Hz, 6 ch, S16_LE".into()),
            }],
            gpio: vec![Chip {
                path: "/dev/gpiochip0".into(),
                label: "pinctrl-rp1".into(),
                free: vec!["GPIO17".into()],
                held: BTreeMap::from([("GPIO27".into(), "led0, output".into())]),
                problem: None,
            }],
            inputs: vec![Input {
                path: "/dev/input/event0".into(),
                name: "Pedal".into(),
                keys: vec!["KEY_B".into()],
                problem: None,
            }],
            leds: vec!["ACT".into()],
            ..Devices::default()
        };
        let gap = " ".repeat(29);
        let expected = format!(
            "microphones ([capture] device)\n  hw:CARD=Array                ReSpeaker, USB Audio\n  {gap}16000 Hz, 6 ch, \
             S16_LE\nspeakers ([playback] device): none\nGPIO lines ([button] line, [light] line)\n  /dev/gpiochip0 \
             (pinctrl-rp1)\n    free  GPIO17\n    held  GPIO27 by led0, output\ninput devices ([button] kind = \
             \"evdev\", device, key)\n  /dev/input/event0            \"Pedal\", KEY_B\nLEDs ([light] kind = \
             \"sysfs\", name)\n  ACT\n"
        );
        assert_eq!(devices.to_string(), expected);
    }
}
