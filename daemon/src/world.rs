//! The devices that the configuration names, as openers: each is opened by the thread that will wait for it, and
//! again after every loss.

use std::time::Duration;

use pressel_hal::alsa::{Again, AlsaMicrophone, AlsaSpeaker};
use pressel_hal::gpio::{self, cdev, rppal};
use pressel_hal::led::{LedSettings, SysfsLed};
use pressel_hal::{Error, Indicator, evdev, keyboard};

use crate::button::OpenButton;
use crate::config::{self, Bias, ButtonKind, Config, LightKind};
use crate::sound::{OpenMicrophone, OpenSpeaker, SoundSettings};

/// Everything outside the program that has to be opened. Tests bring their own.
pub struct World {
    /// Opens the microphone.
    pub microphone: OpenMicrophone,
    /// Opens the speaker.
    pub speaker: OpenSpeaker,
    /// Opens the button, if there is one.
    pub button: Option<OpenButton>,
    /// The light, or why there is none.
    pub light: Result<Option<Box<dyn Indicator>>, Error>,
}

impl World {
    /// The real one.
    pub fn real(config: &Config, sound: &SoundSettings) -> Self {
        let (microphone, speaker) = cards(sound);
        World { microphone, speaker, button: button(&config.button), light: light(&config.light) }
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

fn button(config: &config::Button) -> Option<OpenButton> {
    let line = gpio::ButtonSettings {
        line: config.line.clone(),
        active_low: config.active_low,
        bias: match config.bias {
            Bias::PullUp => gpio::Bias::PullUp,
            Bias::PullDown => gpio::Bias::PullDown,
            Bias::None => gpio::Bias::None,
        },
        debounce: Duration::from_millis(config.debounce_ms.into()),
    };
    let key = evdev::KeySettings { device: config.device.clone(), key: config.key.clone() };
    Some(match config.kind {
        ButtonKind::None => return None,
        ButtonKind::Gpio => Box::new(move || Ok(Box::new(cdev::open_button(&line)?))),
        ButtonKind::Rppal => Box::new(move || Ok(Box::new(rppal::open_button(&line)?))),
        ButtonKind::Evdev => Box::new(move || Ok(Box::new(evdev::open_button(&key)?))),
        ButtonKind::Keyboard => Box::new(move || Ok(Box::new(keyboard::open_button()?))),
    })
}

fn light(config: &config::Light) -> Result<Option<Box<dyn Indicator>>, Error> {
    let line = gpio::LightSettings { line: config.line.clone(), active_low: config.active_low };
    Ok(Some(match config.kind {
        LightKind::None => return Ok(None),
        LightKind::Gpio => Box::new(cdev::open_light(&line)?),
        LightKind::Rppal => Box::new(rppal::open_light(&line)?),
        LightKind::Sysfs => Box::new(SysfsLed::open(&LedSettings { name: config.name.clone() })?),
    }))
}
