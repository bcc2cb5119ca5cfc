//! The devices that the configuration names, as openers: each is opened by the thread that will wait for it, and
//! again after every loss.

use std::sync::Arc;
use std::time::Duration;

use pressel_hal::alsa::{Again, AlsaMicrophone, AlsaSpeaker};
use pressel_hal::gpio::{self, cdev, rppal};
use pressel_hal::led::{LedSettings, SysfsLed};
use pressel_hal::pwm::{PwmLight, PwmSettings};
use pressel_hal::strip::{Strip, StripKind, StripSettings};
use pressel_hal::trio::Trio;
use pressel_hal::{Error, Indicator, evdev, keyboard};

use crate::button::OpenButton;
use crate::config::{self, Bias, ButtonKind, Config, LightKind, MuteKind};
use crate::gesture;
use crate::panel::OpenLight;
use crate::sound::{OpenMicrophone, OpenSpeaker, SoundSettings};
use crate::tools::gpio::OpenPin;

/// Everything outside the program that has to be opened. Tests bring their own.
pub struct World {
    /// Opens the microphone.
    pub microphone: OpenMicrophone,
    /// Opens the speaker.
    pub speaker: OpenSpeaker,
    /// Opens the lines of the button: its own, then `[button] lines` in their order. None where there is no button.
    pub buttons: Vec<OpenButton>,
    /// Opens the mute switch, if there is one: pressed is on.
    pub mute: Option<OpenButton>,
    /// Opens the light, if there is one.
    pub light: Option<OpenLight>,
    /// Opens the lines of tools.
    pub pins: OpenPin,
}

impl World {
    /// The real one.
    pub fn real(config: &Config, sound: &SoundSettings) -> Self {
        let (microphone, speaker) = cards(sound);
        let (buttons, mute) = (buttons(&config.button), mute(&config.mute));
        World { microphone, speaker, buttons, mute, light: light(&config.light), pins: pins() }
    }
}

/// What opens both cards, and finds them again after a loss.
pub fn cards(sound: &SoundSettings) -> (OpenMicrophone, OpenSpeaker) {
    let mut capture = Again::new(sound.capture.request());
    let mut playback = Again::new(sound.playback.request());
    (
        Box::new(move || Ok(Box::new(capture.open(AlsaMicrophone::open)?))),
        Box::new(move || Ok(Box::new(playback.open(AlsaSpeaker::open)?))),
    )
}

/// What opens the lines of tools.
pub fn pins() -> OpenPin {
    Arc::new(|wiring| {
        Ok(match wiring.rppal {
            true => Box::new(rppal::open_pin(&wiring.pin)?),
            false => Box::new(cdev::open_pin(&wiring.pin)?),
        })
    })
}

fn buttons(config: &config::Button) -> Vec<OpenButton> {
    // A text that is not read has been refused before.
    let more = gesture::lines(&config.lines).unwrap_or_default().into_iter().map(|line| line.line);
    let gpio = matches!(config.kind, ButtonKind::Gpio | ButtonKind::Rppal);
    let first = if gpio { config.line.clone() } else { config.key.clone() };
    std::iter::once(first).chain(more).filter_map(|line| button(config, line)).collect()
}

/// The button on one line or key.
fn button(config: &config::Button, line_or_key: String) -> Option<OpenButton> {
    let line = gpio::ButtonSettings {
        line: line_or_key.clone(),
        active_low: config.active_low,
        bias: bias(config.bias),
        debounce: Duration::from_millis(config.debounce_ms.into()),
        switch: false,
    };
    let key = evdev::KeySettings { device: config.device.clone(), key: line_or_key, switch: false };
    Some(match config.kind {
        ButtonKind::None => return None,
        ButtonKind::Gpio => Box::new(move || Ok(Box::new(cdev::open_button(&line)?))),
        ButtonKind::Rppal => Box::new(move || Ok(Box::new(rppal::open_button(&line)?))),
        ButtonKind::Evdev => Box::new(move || Ok(Box::new(evdev::open_button(&key)?))),
        ButtonKind::Keyboard => Box::new(move || Ok(Box::new(keyboard::open_button()?))),
    })
}

fn mute(config: &config::Mute) -> Option<OpenButton> {
    let line = gpio::ButtonSettings {
        line: config.line.clone(),
        active_low: config.active_low,
        bias: bias(config.bias),
        debounce: Duration::from_millis(config.debounce_ms.into()),
        switch: true,
    };
    let key = evdev::KeySettings { device: config.device.clone(), key: config.key.clone(), switch: true };
    Some(match config.kind {
        MuteKind::None => return None,
        MuteKind::Gpio => Box::new(move || Ok(Box::new(cdev::open_button(&line)?))),
        MuteKind::Rppal => Box::new(move || Ok(Box::new(rppal::open_button(&line)?))),
        MuteKind::Evdev => Box::new(move || Ok(Box::new(evdev::open_button(&key)?))),
    })
}

pub(crate) fn bias(bias: Bias) -> gpio::Bias {
    match bias {
        Bias::PullUp => gpio::Bias::PullUp,
        Bias::PullDown => gpio::Bias::PullDown,
        Bias::None => gpio::Bias::None,
    }
}

fn light(config: &config::Light) -> Option<OpenLight> {
    (config.kind != LightKind::None).then(|| -> OpenLight {
        let config = config.clone();
        Box::new(move || open_light(&config))
    })
}

fn open_light(config: &config::Light) -> Result<Box<dyn Indicator>, Error> {
    let strip = |kind| {
        let settings = StripSettings { device: config.device.clone(), kind, pixels: config.pixels as usize };
        Strip::open(&settings).map(|strip| Box::new(strip) as Box<dyn Indicator>)
    };
    let names = match config.kind {
        LightKind::Apa102 => return strip(StripKind::Apa102),
        LightKind::Ws281x => return strip(StripKind::Ws281x),
        LightKind::Gpio | LightKind::Rppal | LightKind::None => &config.line,
        LightKind::Sysfs | LightKind::Pwm => &config.name,
    };
    let one = |name: &str| -> Result<Box<dyn Indicator>, Error> {
        let name = name.trim().to_owned();
        let line = gpio::LightSettings { line: name.clone(), active_low: config.active_low };
        Ok(match config.kind {
            LightKind::Rppal => Box::new(rppal::open_light(&line)?),
            LightKind::Sysfs => Box::new(SysfsLed::open(&LedSettings { name })?),
            LightKind::Pwm => Box::new(PwmLight::open(&PwmSettings { name })?),
            _ => Box::new(cdev::open_light(&line)?),
        })
    };
    match names.split(',').collect::<Vec<_>>().as_slice() {
        [red, green, blue] => Ok(Box::new(Trio::new([one(red)?, one(green)?, one(blue)?]))),
        _ => one(names),
    }
}
