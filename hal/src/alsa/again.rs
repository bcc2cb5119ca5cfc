//! A card found again: after it was pulled out it may come back under another number, and one of two equal cards under
//! the other's id. What was open last is remembered: its id, and the socket it was plugged into.

use std::fs;
use std::path::{Path, PathBuf};

use super::cards::{Card, card_of, cards_below};
use crate::{Error, StreamRequest};

/// A PCM as the configuration names it, and the card it led to when it was opened last.
#[derive(Debug)]
pub struct Again {
    request: StreamRequest,
    last: Option<Seen>,
}

/// A card as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    id: String,
    /// Where it is plugged in: the device's path in /sys, which is that of a USB socket.
    socket: Option<PathBuf>,
    /// Vendor and product of a USB device.
    usb_id: Option<String>,
}

impl Again {
    /// Remembers nothing yet.
    pub fn new(request: StreamRequest) -> Self {
        Again { request, last: None }
    }

    /// Opens it by `open`, by the name under which the card is known now.
    ///
    /// # Errors
    /// What `open` says.
    pub fn open<T>(&mut self, open: impl FnOnce(&StreamRequest) -> Result<T, Error>) -> Result<T, Error> {
        let root = Path::new("/");
        let device = self.device(root);
        let opened = open(&StreamRequest { device: device.clone(), ..self.request.clone() })?;
        if let Some(seen) = seen(root, &device) {
            self.last = Some(seen);
        }
        Ok(opened)
    }

    /// The configured name, or the same with the id that the remembered card has now: the card of the same make in the
    /// same socket; where there is none, and the configuration says a number, the card with the same id.
    fn device(&self, root: &Path) -> String {
        let named = &self.request.device;
        let Some(last) = &self.last else { return named.clone() };
        let cards = cards_below(&root.join("proc"));
        let same_place = |card: &&Card| {
            let now = look(root, card);
            now.socket.is_some() && now.socket == last.socket && now.usb_id == last.usb_id
        };
        let by_number = card_argument(named).is_some_and(|(_, card)| card.parse::<u32>().is_ok());
        let found = cards
            .iter()
            .find(same_place)
            .or_else(|| cards.iter().find(|card| by_number && card.id == last.id));
        match found {
            Some(card) if card_of(named, &cards) != Some(card.index) => with_card(named, &card.id),
            _ => named.clone(),
        }
    }
}

fn seen(root: &Path, device: &str) -> Option<Seen> {
    let cards = cards_below(&root.join("proc"));
    let index = card_of(device, &cards)?;
    cards.iter().find(|card| card.index == index).map(|card| look(root, card))
}

fn look(root: &Path, card: &Card) -> Seen {
    let number = card.index;
    let usb_id = fs::read_to_string(root.join(format!("proc/asound/card{number}/usbid"))).ok();
    Seen {
        id: card.id.clone(),
        socket: fs::canonicalize(root.join(format!("sys/class/sound/card{number}/device"))).ok(),
        usb_id: usb_id.map(|id| id.trim().to_owned()),
    }
}

/// Where in a PCM's name its card stands, and what stands there.
fn card_argument(device: &str) -> Option<(usize, &str)> {
    let start = device.find(':')? + 1;
    let mut at = start;
    for argument in device[start..].split(',') {
        if let Some(card) = argument.strip_prefix("CARD=") {
            return Some((at + 5, card));
        }
        at += argument.len() + 1;
    }
    let first = device[start..].split(',').next()?;
    (!first.contains('=')).then_some((start, first))
}

/// The same name with another card.
fn with_card(device: &str, id: &str) -> String {
    match card_argument(device) {
        Some((at, card)) => format!("{}{id}{}", &device[..at], &device[at + card.len()..]),
        None => device.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// Cards by number: id, socket, USB id.
    fn machine(cards: &[(u32, &str, &str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let at = |path: String| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            path
        };
        let list: Vec<String> =
            cards.iter().map(|(n, id, ..)| format!(" {n} [{id:15}]: USB-Audio - Array\n   x\n")).collect();
        fs::write(at("proc/asound/cards".into()), list.concat()).unwrap();
        for (n, _, socket, usb_id) in cards {
            fs::write(at(format!("proc/asound/card{n}/usbid")), format!("{usb_id}\n")).unwrap();
            let device = root.path().join("sys/devices").join(socket);
            fs::create_dir_all(&device).unwrap();
            symlink(device, at(format!("sys/class/sound/card{n}/device"))).unwrap();
        }
        root
    }

    /// The name that is opened after the machine has become another one.
    #[track_caller]
    fn check(named: &str, before: &[(u32, &str, &str, &str)], after: &[(u32, &str, &str, &str)], name: &str) {
        let request = StreamRequest {
            device: named.into(),
            rate_hz: 16_000,
            channels: 1,
            period_ms: 10,
            buffer_ms: 100,
        };
        let mut again = Again::new(request);
        let (before, after) = (machine(before), machine(after));
        again.last = seen(before.path(), named).map(|seen| Seen {
            socket: seen.socket.map(|socket| {
                after
                    .path()
                    .canonicalize()
                    .unwrap()
                    .join(socket.strip_prefix(before.path().canonicalize().unwrap()).unwrap())
            }),
            ..seen
        });
        assert_eq!(again.device(after.path()), name, "{named}");
    }

    const ARRAY: &str = "2886:0018";

    #[test]
    fn another_socket_and_another_number_do_not_matter_to_an_id() {
        let before = [(0, "DAC", "soc", ""), (1, "Array", "usb1/1-1", ARRAY)];
        let after = [(0, "DAC", "soc", ""), (3, "Array", "usb1/1-2", ARRAY)];
        check("hw:CARD=Array", &before, &after, "hw:CARD=Array");
        check("plughw:CARD=Array,DEV=0", &before, &after, "plughw:CARD=Array,DEV=0");
        check("hw:1,0", &before, &after, "hw:Array,0");
        check("hw:1", &before, &[(0, "DAC", "soc", "")], "hw:1");
    }

    #[test]
    fn of_two_equal_cards_the_one_in_the_same_socket_is_meant() {
        let before = [(0, "Array", "usb1/1-1", ARRAY), (1, "Array_1", "usb1/1-2", ARRAY)];
        let after = [(0, "Array", "usb1/1-2", ARRAY), (1, "Array_1", "usb1/1-1", ARRAY)];
        check("hw:CARD=Array", &before, &after, "hw:CARD=Array_1");
        check("plughw:DEV=0,CARD=Array_1", &before, &after, "plughw:DEV=0,CARD=Array");
        // Another make in that socket is another card.
        let other = [(0, "Array", "usb1/1-2", ARRAY), (1, "Headset", "usb1/1-1", "046d:0a44")];
        check("hw:CARD=Array", &before, &other, "hw:CARD=Array");
    }

    #[test]
    fn names_without_a_card_stay_as_they_are() {
        let cards = [(0, "Array", "usb1/1-1", ARRAY)];
        for named in ["default", "pulse", "null", "dmix:CARD=Array"] {
            check(named, &cards, &cards, named);
        }
    }
}
