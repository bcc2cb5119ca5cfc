//! Asks a person, line by line. What is typed for the key is not shown.

use std::io::{self, BufRead, Write};

use pressel_hal::terminal::read_unseen;
use zeroize::Zeroizing;

use super::Answers;
use crate::config::{ButtonKind, Config, LightKind};
use crate::devices::{Devices, Pcm};

/// Whoever sits before the terminal.
pub struct Person<'a> {
    /// What is asked goes here.
    pub told: &'a mut dyn Write,
}

impl Person<'_> {
    /// Asks for everything, with what there is to choose from and what is set now.
    ///
    /// # Errors
    /// Nothing more can be read, or Ctrl-C.
    pub fn ask(&mut self, config: &Config, devices: &Devices, has_key: bool) -> io::Result<Answers> {
        let mut answers = Answers::default();
        let key = if has_key { "Enter alone keeps the one there is" } else { "Enter alone: later" };
        self.tell("API key, from https://aistudio.google.com/apikey")?;
        loop {
            let mut typed = Zeroizing::new(String::with_capacity(1024));
            read_unseen(&mut typed, || self.prompt(&format!("paste it, it is not shown ({key}): ")))?;
            match answers.take("key", &typed) {
                Ok(()) => break,
                Err(problem) => self.tell(&problem)?,
            }
        }
        let (capture, playback) = (&config.capture.device, &config.playback.device);
        self.choose(&mut answers, "microphone", &names(&devices.microphones), capture)?;
        self.choose(&mut answers, "speaker", &names(&devices.speakers), playback)?;
        let button = match config.button.kind {
            ButtonKind::Gpio | ButtonKind::Rppal => config.button.line.clone(),
            ButtonKind::Evdev => format!("{}@{}", config.button.key, config.button.device),
            _ => "none".to_owned(),
        };
        let inputs =
            devices.inputs.iter().map(|input| (format!("KEY_…@{}", input.name), input.keys.join(" ")));
        let lines = devices.gpio.iter().flat_map(|chip| &chip.free).find(|line| *line == "GPIO17");
        let choices: Vec<(String, String)> =
            std::iter::once(("none".into(), "the voice, or `pressel press`".into()))
                .chain(lines.map(|line| (line.clone(), "pin 11 of the header, to ground".into())))
                .chain(inputs)
                .collect();
        self.choose(&mut answers, "button", &choices, &button)?;
        let light = match config.light.kind {
            LightKind::Gpio | LightKind::Rppal => config.light.line.clone(),
            LightKind::Sysfs => format!("led:{}", config.light.name),
            _ => "none".to_owned(),
        };
        let lines = devices.gpio.iter().flat_map(|chip| &chip.free).find(|line| *line == "GPIO27");
        let choices: Vec<(String, String)> = std::iter::once(("none".into(), String::new()))
            .chain(lines.map(|line| (line.clone(), "pin 13 of the header, over 330 Ω to an LED".into())))
            .chain(devices.leds.iter().map(|led| (format!("led:{led}"), "of the board".into())))
            .collect();
        self.choose(&mut answers, "light", &choices, &light)?;
        let modes = [
            ("hold", "speak while it is down"),
            ("tap", "press once, then speak"),
            ("open", "no pressing: for a kiosk"),
        ];
        let modes = modes.map(|(name, what)| (name.to_owned(), what.to_owned()));
        self.choose(&mut answers, "mode", &modes, &config.talk.mode.to_string())?;
        self.tell("language, such as de-DE; empty: the model follows whoever speaks")?;
        self.choose(&mut answers, "language", &[], &config.live.language)?;
        Ok(answers)
    }

    /// A question with yes as its default.
    ///
    /// # Errors
    /// As [`Person::ask`].
    pub fn agrees(&mut self, question: &str) -> io::Result<bool> {
        self.prompt(&format!("{question} [Y/n] "))?;
        Ok(!line()?.to_ascii_lowercase().starts_with('n'))
    }

    /// Says something.
    ///
    /// # Errors
    /// Where it cannot be said.
    pub fn tell(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.told, "{text}")
    }

    fn prompt(&mut self, text: &str) -> io::Result<()> {
        write!(self.told, "{text}")?;
        self.told.flush()
    }

    /// By number or by name; what is set now on an empty line, which then is no answer.
    fn choose(
        &mut self,
        answers: &mut Answers,
        name: &str,
        choices: &[(String, String)],
        now: &str,
    ) -> io::Result<()> {
        for (number, (choice, what)) in (1..).zip(choices) {
            writeln!(self.told, "  {number:>2}  {choice:<30} {what}")?;
        }
        loop {
            self.prompt(&format!("{name} [{now}]: "))?;
            let typed = line()?;
            if typed.is_empty() {
                return Ok(());
            }
            let number = typed.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
            let answer =
                number.and_then(|index| choices.get(index)).map_or(typed.as_str(), |(choice, _)| choice);
            match answers.take(name, answer) {
                Ok(()) => return Ok(()),
                Err(problem) => self.tell(&problem)?,
            }
        }
    }
}

fn names(pcms: &[Pcm]) -> Vec<(String, String)> {
    let what = |pcm: &Pcm| match &pcm.state {
        Some(state) => format!("{}, {state}", pcm.description),
        None => pcm.description.clone(),
    };
    pcms.iter().map(|pcm| (pcm.name.clone(), what(pcm))).collect()
}

fn line() -> io::Result<String> {
    let mut typed = String::new();
    match io::stdin().lock().read_line(&mut typed)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(typed.trim().to_owned()),
    }
}
