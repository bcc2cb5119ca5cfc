//! A tool that switches a line of this device's own, or reads one: a relay, a lamp, the contact of a door.
//!
//! The lines belong to the daemon: no runner opens them, so that nobody else can, and what was switched on is switched off
//! whatever becomes of a call. `held` is what may be done with one line and when, `lines` the thread that has them all.

mod held;
mod lines;

use std::time::Duration;

use pressel_hal::gpio::{LineName, PinSettings};
use serde_json::{Map, Value};

use super::schema::{Kind, Schema};
use crate::config::rule::{Rule, SWITCH, TEXT, checked, whole, whole_or};
use crate::config::{Bias, Special, table, words};

pub use lines::{Calls, Lines, OpenPin};

words! {
    /// Who works a line.
    PinKind {
        /// The kernel.
        Gpio = "gpio",
        /// The Pi's registers.
        Rppal = "rppal",
    }
}

words! {
    /// Which way a line goes.
    Direction {
        /// The device drives it.
        Out = "out",
        /// The device reads it.
        In = "in",
    }
}

words! {
    /// What a line is.
    State {
        /// Off.
        Off = "off",
        /// On.
        On = "on",
    }
}

words! {
    /// What is done with a line.
    Action {
        /// Switched on.
        On = "on",
        /// Switched off.
        Off = "off",
        /// On for a moment.
        Pulse = "pulse",
        /// Read.
        Read = "read",
    }
}

table! {
    /// `[gpio]`: one line, switched or read.
    Gpio {
        /// Who works it.
        kind: PinKind = PinKind::Gpio, Rule::Words(PinKind::WORDS);
        /// Which line, as for the button.
        line: String = "", checked(line_name);
        /// Which way it goes.
        direction: Direction = Direction::Out, Rule::Words(Direction::WORDS);
        /// It is on while the line is at ground.
        active_low: bool = false, SWITCH;
        /// What holds a line that is read.
        bias: Bias = Bias::None, Rule::Words(Bias::WORDS);
        /// What is done with it: a word, or `{argument}` whose words are among these.
        action: String = "", TEXT;
        /// How long a pulse is.
        pulse_ms: u32 = 500u32, whole(10, 600_000);
        /// It is on for so long at the most; then the device switches it off by itself.
        on_max_s: u32 = 0u32, whole_or(1, 86_400, Special::Zero("any time"));
        /// From one switching until it may be switched on again.
        interval_min_s: u32 = 0u32, whole_or(1, 86_400, Special::Zero("none"));
        /// What it is when nobody is there: when the daemon starts, ends, or the tool is gone.
        safe: State = State::Off, Rule::Words(State::WORDS);
        /// What the model is told when it is on.
        on_word: String = "on", Rule::Text { empty: false, check: None };
        /// What the model is told when it is off.
        off_word: String = "off", Rule::Text { empty: false, check: None };
    }
}

fn line_name(text: &str) -> Result<(), String> {
    match text.parse::<LineName>() {
        Ok(_) => Ok(()),
        Err(_) => Err("is no line; allowed: such as GPIO22, or chip label and number, pinctrl-rp1:22".into()),
    }
}

/// What a tool does with its line.
#[derive(Clone, Debug, PartialEq)]
pub struct Contact {
    /// As the file has it.
    pub keys: Gpio,
    action: Chosen,
    /// A call lasts as long as its pulse, and ends it when nobody waits any more (`on_cancel = "kill"`).
    pub(super) attended: bool,
}

#[derive(Clone, Debug, PartialEq)]
enum Chosen {
    Always(Action),
    By(String),
}

/// A line and everything about it that all tools on it share.
#[derive(Clone, Debug, PartialEq)]
pub struct Wiring {
    /// By the Pi's registers.
    pub rppal: bool,
    /// The line itself.
    pub pin: PinSettings,
    on_max: Option<Duration>,
    interval_min: Duration,
}

impl Contact {
    /// Takes the keys apart.
    ///
    /// # Errors
    /// The key, and what is wrong with it.
    pub(super) fn new(
        keys: Gpio,
        attended: bool,
        parameters: &Schema,
    ) -> Result<Self, (&'static str, String)> {
        if keys.line.is_empty() {
            return Err(("line", "is missing".to_owned()));
        }
        let action = choose(&keys, parameters).map_err(|problem| ("action", problem))?;
        let contact = Contact { keys, action, attended };
        let keys = &contact.keys;
        let can = |action| contact.actions(parameters).contains(&action);
        if keys.direction == Direction::In {
            if [Action::On, Action::Off, Action::Pulse].into_iter().any(can) {
                return Err(("action", "switches a line that is read; allowed: read".to_owned()));
            }
            if keys.on_max_s > 0 || keys.interval_min_s > 0 || keys.safe == State::On {
                return Err((
                    "direction",
                    "is \"in\", and on_max_s, interval_min_s and safe are for lines that are switched".into(),
                ));
            }
        } else if keys.bias != Bias::None {
            return Err(("bias", "is for lines that are read".to_owned()));
        }
        if keys.safe == State::On && (keys.on_max_s > 0 || can(Action::Pulse)) {
            return Err((
                "safe",
                "is \"on\", and a pulse and on_max_s end with off; active_low turns a line round".into(),
            ));
        }
        if keys.on_max_s > 0 && can(Action::Pulse) && keys.pulse_ms > keys.on_max_s * 1000 {
            return Err(("pulse_ms", format!("is longer than on_max_s, {} s", keys.on_max_s)));
        }
        Ok(contact)
    }

    /// What it may be asked for.
    fn actions(&self, parameters: &Schema) -> Vec<Action> {
        match &self.action {
            Chosen::Always(action) => vec![*action],
            Chosen::By(name) => words_of(parameters, name).iter().filter_map(|word| action(word)).collect(),
        }
    }

    /// The line's name, the same however it is written.
    pub fn line(&self) -> String {
        self.keys.line.parse().map_or_else(|_| self.keys.line.clone(), |name: LineName| name.to_string())
    }

    /// The line.
    pub fn wiring(&self) -> Wiring {
        let keys = &self.keys;
        let driven = keys.direction == Direction::Out;
        Wiring {
            rppal: keys.kind == PinKind::Rppal,
            pin: PinSettings {
                line: self.line(),
                active_low: keys.active_low,
                bias: crate::world::bias(keys.bias),
                safe: driven.then_some(keys.safe == State::On),
            },
            on_max: (keys.on_max_s > 0).then(|| Duration::from_secs(keys.on_max_s.into())),
            interval_min: Duration::from_secs(keys.interval_min_s.into()),
        }
    }

    /// What a call with arguments that fit asks for.
    pub(super) fn asked(&self, args: &Map<String, Value>) -> Result<Action, String> {
        match &self.action {
            Chosen::Always(action) => Ok(*action),
            Chosen::By(name) => {
                let word = args.get(name).and_then(Value::as_str).and_then(action);
                word.ok_or_else(|| format!("{name} is missing"))
            }
        }
    }

    pub(super) fn pulse(&self) -> Duration {
        Duration::from_millis(self.keys.pulse_ms.into())
    }

    /// The state in the owner's words.
    fn word(&self, on: bool) -> &str {
        if on { &self.keys.on_word } else { &self.keys.off_word }
    }
}

fn action(word: &str) -> Option<Action> {
    [Action::On, Action::Off, Action::Pulse, Action::Read].into_iter().find(|action| action.word() == word)
}

fn words_of<'a>(parameters: &'a Schema, name: &str) -> &'a [String] {
    let member = parameters.members().iter().find(|member| member.name == name);
    match member.map(|member| &member.schema.kind) {
        Some(Kind::Text { words, .. }) => words,
        _ => &[],
    }
}

fn choose(keys: &Gpio, parameters: &Schema) -> Result<Chosen, String> {
    let allowed = || format!("allowed: {}", Rule::Words(Action::WORDS));
    let argument = keys.action.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    let Some(name) = argument else {
        return match (keys.action.as_str(), keys.direction) {
            ("", Direction::In) => Ok(Chosen::Always(Action::Read)),
            ("", Direction::Out) => Err(format!("is missing; {}, or {{argument}}", allowed())),
            (word, _) => action(word).map(Chosen::Always).ok_or_else(|| {
                format!("= \"{word}\" is none of the actions; {}, or {{argument}}", allowed())
            }),
        };
    };
    let member = parameters.members().iter().find(|member| member.name == name);
    let words = words_of(parameters, name);
    if !member.is_some_and(|member| member.required) || words.is_empty() {
        return Err(format!(
            "is {{{name}}}, which must be a required parameter with enum = [\"on\", \"off\"]"
        ));
    }
    match words.iter().find(|word| action(word).is_none()) {
        Some(word) => Err(format!("is {{{name}}}, which may be \"{word}\"; {}", allowed())),
        None => Ok(Chosen::By(name.to_owned())),
    }
}

#[cfg(test)]
mod tests;
