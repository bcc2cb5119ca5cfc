//! What there is to choose from, for people: cards, their PCMs, what each can do or who holds it.

use std::ffi::CStr;

use super::cards::{self, Card, Direction, Holder};
use super::open::opening;
use crate::{Error, ErrorKind, SampleFormat};

/// A PCM of a card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PcmDevice {
    /// The card.
    pub card: Card,
    /// The PCM's number on it.
    pub device: u32,
    /// What it is called.
    pub name: String,
    /// Its direction; a PCM with both appears twice.
    pub direction: Direction,
    /// What it can do, or why that is not known.
    pub state: PcmState,
}

impl PcmDevice {
    /// The name to put into the configuration.
    pub fn pcm(&self) -> String {
        match self.device {
            0 => format!("hw:CARD={}", self.card.id),
            device => format!("hw:CARD={},DEV={device}", self.card.id),
        }
    }
}

/// Whether a PCM can be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PcmState {
    /// It is free, and can do this.
    Free(Abilities),
    /// Somebody has it.
    Held(Option<Holder>),
    /// It cannot be opened for another reason.
    Closed(String),
}

/// What a PCM offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Abilities {
    /// Common rates among those on offer, in Hz.
    pub rates_hz: Vec<u32>,
    /// Channel counts on offer, to 32.
    pub channels: Vec<u32>,
    /// Formats that can be used.
    pub formats: Vec<SampleFormat>,
}

const RATES: [u32; 11] =
    [8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 88_200, 96_000, 192_000];
const CHANNELS_MAX: u32 = 32;
const SAMPLES: [(SampleFormat, alsa::pcm::Format); 4] = [
    (SampleFormat::S16Le, alsa::pcm::Format::S16LE),
    (SampleFormat::S24Le3, alsa::pcm::Format::S243LE),
    (SampleFormat::S24Le, alsa::pcm::Format::S24LE),
    (SampleFormat::S32Le, alsa::pcm::Format::S32LE),
];

/// All PCMs of all cards. Opens each for a moment.
pub fn devices() -> Vec<PcmDevice> {
    let mut found = Vec::new();
    for card in cards::cards() {
        // A card that went away meanwhile has none.
        let Ok(control) = alsa::Ctl::new(&format!("hw:{}", card.index), false) else { continue };
        for device in alsa::ctl::DeviceIter::new(&control) {
            let Ok(device) = u32::try_from(device) else { continue };
            for direction in [Direction::Capture, Direction::Playback] {
                let Ok(info) = control.pcm_info(device, 0, towards(direction)) else { continue };
                let name = info.get_name().unwrap_or_default().to_owned();
                let pcm = format!("hw:{},{device}", card.index);
                let state = match probe(&pcm, direction) {
                    Ok(abilities) => PcmState::Free(abilities),
                    Err(error) if error.kind == ErrorKind::Busy => {
                        PcmState::Held(cards::holder(&pcm, direction))
                    }
                    Err(error) => PcmState::Closed(error.to_string()),
                };
                found.push(PcmDevice { card: card.clone(), device, name, direction, state });
            }
        }
    }
    found
}

/// What a PCM of any name offers. Opens it for a moment, without touching a stream.
///
/// # Errors
/// Why it cannot be opened.
pub fn probe(device: &str, direction: Direction) -> Result<Abilities, Error> {
    opening(direction, device, |name| {
        abilities(name, towards(direction)).map_err(|error| error.errno().abs())
    })
}

fn abilities(name: &CStr, direction: alsa::Direction) -> alsa::Result<Abilities> {
    let pcm = alsa::PCM::open(name, direction, true)?;
    let offer = alsa::pcm::HwParams::any(&pcm)?;
    offer.set_rate_resample(false)?;
    let most = offer.get_channels_max()?.min(CHANNELS_MAX);
    Ok(Abilities {
        rates_hz: RATES.into_iter().filter(|&rate| offer.test_rate(rate).is_ok()).collect(),
        channels: (1..=most).filter(|&count| offer.test_channels(count).is_ok()).collect(),
        formats: SAMPLES.iter().filter(|(_, f)| offer.test_format(*f).is_ok()).map(|(s, _)| *s).collect(),
    })
}

fn towards(direction: Direction) -> alsa::Direction {
    match direction {
        Direction::Capture => alsa::Direction::Capture,
        Direction::Playback => alsa::Direction::Playback,
    }
}

/// PCM names that libasound's configuration offers beside the cards (`default`, servers, plugins), each with its
/// description in one line.
pub fn pcm_names(direction: Direction) -> Vec<(String, String)> {
    let Ok(hints) = alsa::device_name::HintIter::new_str(None, "pcm") else { return Vec::new() };
    hints
        .filter(|hint| match hint.direction {
            None => true,
            Some(alsa::Direction::Capture) => direction == Direction::Capture,
            Some(alsa::Direction::Playback) => direction == Direction::Playback,
        })
        .filter_map(|hint| Some((hint.name?, hint.desc.unwrap_or_default().replace('\n', ", "))))
        .collect()
}
