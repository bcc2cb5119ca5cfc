//! What the kernel says of cards in `/proc/asound`: which there are, and which process holds what.

use std::fs;
use std::path::Path;

/// One of the two directions of a PCM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From a microphone.
    Capture,
    /// To a speaker.
    Playback,
}

impl Direction {
    /// Its word: `capture`, `playback`.
    pub fn name(self) -> &'static str {
        match self {
            Direction::Capture => "capture",
            Direction::Playback => "playback",
        }
    }

    fn letter(self) -> char {
        match self {
            Direction::Capture => 'c',
            Direction::Playback => 'p',
        }
    }
}

/// A card the kernel knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// Its number: may change with every boot.
    pub index: u32,
    /// Its id, to be used as `hw:CARD=id`: stays.
    pub id: String,
    /// What it is called.
    pub name: String,
}

/// A process that has a PCM open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Process id.
    pub pid: u32,
    /// Its command's name; empty when it cannot be read.
    pub command: String,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "pid {}", self.pid)?;
        if self.command.is_empty() { Ok(()) } else { write!(f, ", {}", self.command) }
    }
}

/// All cards, in order of their numbers.
pub fn cards() -> Vec<Card> {
    cards_below(Path::new("/proc"))
}

/// Who holds a direction of a card. Without a card's name in `device` (`default`, a plugin), of any card.
pub fn holder(device: &str, direction: Direction) -> Option<Holder> {
    holder_below(Path::new("/proc"), device, direction)
}

/// Ids of all cards that are listed below this folder, `/proc` of some system.
pub fn card_ids_in(proc: &Path) -> Vec<String> {
    cards_below(proc).into_iter().map(|card| card.id).collect()
}

/// As [`holder`], below this folder, `/proc` of some system.
pub fn holder_in(proc: &Path, device: &str, direction: Direction) -> Option<Holder> {
    holder_below(proc, device, direction)
}

/// Whether a PCM name means a card that is not there, as far as the kernel's list tells: cheap, where asking libasound
/// reads all of its configuration.
pub(super) fn is_absent(device: &str) -> bool {
    is_absent_below(Path::new("/proc"), device)
}

fn is_absent_below(proc: &Path, device: &str) -> bool {
    let direct = ["hw:", "plughw:"].iter().any(|plugin| device.starts_with(plugin));
    let plain = |card: &str| card.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    // Without a list (a container) nobody knows but libasound, nor with a name that is a path or leaves the card out.
    if !direct || !card_named(device).is_some_and(plain) || !proc.join("asound/cards").exists() {
        return false;
    }
    let cards = cards_below(proc);
    card_of(device, &cards).is_none_or(|index| cards.iter().all(|card| card.index != index))
}

pub(super) fn cards_below(proc: &Path) -> Vec<Card> {
    let text = fs::read_to_string(proc.join("asound/cards")).unwrap_or_default();
    // ` 1 [Array          ]: USB-Audio - ReSpeaker 4 Mic Array`, and a second line that begins with spaces only
    text.lines()
        .filter_map(|line| {
            let (index, rest) = line.split_once('[')?;
            let (id, rest) = rest.split_once(']')?;
            let name = rest.split_once(" - ").map_or("", |(_, name)| name);
            Some(Card { index: index.trim().parse().ok()?, id: id.trim().into(), name: name.trim().into() })
        })
        .collect()
}

/// The card that a PCM name means: `hw:1,0`, `plughw:CARD=Array,DEV=0`, `sysdefault:Array`.
pub(super) fn card_of(device: &str, cards: &[Card]) -> Option<u32> {
    let card = card_named(device)?;
    let by_id = cards.iter().find(|known| known.id == card).map(|known| known.index);
    by_id.or_else(|| card.parse().ok())
}

/// The word for the card in a PCM name.
fn card_named(device: &str) -> Option<&str> {
    let (_, arguments) = device.split_once(':')?;
    let named = arguments.split(',').find_map(|argument| argument.trim().strip_prefix("CARD="));
    Some(named.or_else(|| arguments.split(',').next())?.trim())
}

fn holder_below(proc: &Path, device: &str, direction: Direction) -> Option<Holder> {
    let cards = cards_below(proc);
    let wanted = card_of(device, &cards);
    let mut names: Vec<_> = entries(&proc.join("asound"), "card");
    names.sort();
    for card in names {
        if wanted.is_some_and(|index| card != format!("card{index}")) {
            continue;
        }
        let card = proc.join("asound").join(card);
        for pcm in entries(&card, "pcm").iter().filter(|name| name.ends_with(direction.letter())) {
            for sub in entries(&card.join(pcm), "sub") {
                let status = fs::read_to_string(card.join(pcm).join(sub).join("status")).unwrap_or_default();
                if let Some(pid) = field(&status, "owner_pid") {
                    return Some(process(proc, pid));
                }
            }
        }
    }
    None
}

/// The process of a thread: what opened the PCM may be any thread of it.
fn process(proc: &Path, thread: u32) -> Holder {
    let read =
        |pid: u32, file: &str| fs::read_to_string(proc.join(pid.to_string()).join(file)).unwrap_or_default();
    let pid = field(&read(thread, "status"), "Tgid").unwrap_or(thread);
    Holder { pid, command: read(pid, "comm").trim().into() }
}

/// The number behind `name:` at the beginning of a line.
fn field(text: &str, name: &str) -> Option<u32> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim().parse().ok())?
    })
}

fn entries(folder: &Path, prefix: &str) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    // `cards` is a file beside `card0`
    let numbered = |name: &String| {
        name.strip_prefix(prefix).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    names.filter(numbered).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    /// A /proc with an array held by thread 4121 of process 4120, and a free DAC.
    fn proc() -> PathBuf {
        static MADE: std::sync::Once = std::sync::Once::new();
        let root = std::env::temp_dir().join(format!("pressel-proc-{}", std::process::id()));
        MADE.call_once(|| {
            let put = |path: &str, text: &str| {
                let path = root.join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            };
            put(
                "asound/cards",
                " 0 [DAC            ]: HifiberryDac - snd_rpi_hifiberry_dac\n                      snd_rpi\n \
                 1 [Array          ]: USB-Audio - ReSpeaker 4 Mic Array\n                      SEEED\n",
            );
            put("asound/card0/pcm0p/sub0/status", "closed\n");
            put("asound/card1/pcm0p/sub0/status", "closed\n");
            put(
                "asound/card1/pcm0c/sub0/status",
                "state: RUNNING\nowner_pid   : 4121\ntrigger_time: 1.2\ndelay       : 3\n",
            );
            put("4121/status", "Name:\tcapture\nTgid:\t4120\nPid:\t4121\n");
            put("4120/comm", "arecord\n");
        });
        root
    }

    #[test]
    fn cards_have_numbers_ids_and_names() {
        let cards = cards_below(&proc());
        assert_eq!(cards.len(), 2);
        let array = Card { index: 1, id: "Array".into(), name: "ReSpeaker 4 Mic Array".into() };
        assert_eq!(cards[1], array);
    }

    #[test]
    fn a_pcm_name_leads_to_its_card() {
        let cards = cards_below(&proc());
        for (name, card) in [
            ("hw:CARD=Array", Some(1)),
            ("plughw:CARD=DAC,DEV=0", Some(0)),
            ("hw:1,0", Some(1)),
            ("hw:Array", Some(1)),
            ("plughw:DEV=0,CARD=Array", Some(1)),
            ("default", None),
            ("hw:CARD=Nobody", None),
        ] {
            assert_eq!(card_of(name, &cards), card, "{name}");
        }
    }

    #[test]
    fn a_card_that_the_kernel_does_not_list_is_absent() {
        for (name, absent) in [
            ("hw:CARD=Array", false),
            ("plughw:CARD=Gone,DEV=0", true),
            ("hw:1,0", false),
            ("hw:2", true),
            ("default", false),
            ("pressel_mic", false),
            ("sysdefault:CARD=Gone", false),
            ("hw:DEV=0", false),
            ("hw:CARD=/dev/snd/controlC7", false),
        ] {
            assert_eq!(is_absent_below(&proc(), name), absent, "{name}");
        }
        assert!(!is_absent_below(Path::new("/nonexistent"), "hw:CARD=Gone"), "no list, no answer");
    }

    #[test]
    fn the_holder_is_the_process_and_not_its_thread() {
        let held = Holder { pid: 4120, command: "arecord".into() };
        assert_eq!(held.to_string(), "pid 4120, arecord");
        for (device, direction, expected) in [
            ("hw:CARD=Array", Direction::Capture, Some(&held)),
            ("default", Direction::Capture, Some(&held)),
            ("hw:1", Direction::Playback, None),
            ("hw:0", Direction::Capture, None),
        ] {
            assert_eq!(holder_below(&proc(), device, direction).as_ref(), expected, "{device} {direction:?}");
        }
    }
}
