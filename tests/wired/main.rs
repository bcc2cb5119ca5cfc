//! The daemon with lines that are worked through standard input, for tests on machines without any: everything else is what
//! `pressel run --config FILE` is.
//!
//! One command per line: `0 down`, `0 up` for the button's own line, `1 …` for the next of `[button] lines`, `mute down` for a
//! microphone that is on; `lost` tears a line off, `found` puts it back. Lines begin found, the switch does not. Lines of tools
//! are files of the folder WIRED_PINS.

use std::collections::HashMap;
use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use pressel::button::OpenButton;
use pressel::config;
use pressel::credential::Credential;
use pressel::reload::Reload;
use pressel::world::World;
use pressel_hal::sim::pin::FilePin;
use pressel_hal::sim::queue::{ButtonSender, QueueButton, button};
use pressel_hal::{Error, ErrorKind};

/// A line that was put back and not opened yet.
type Slot = Arc<Mutex<Option<QueueButton>>>;

fn main() {
    let started = Instant::now();
    if std::env::args().nth(1).as_deref() == Some("tools") {
        // The daemon starts its own program for each call of a tool: tools run --folder FOLDER.
        let folder = std::env::args().nth(4).expect("tools run --folder FOLDER");
        return drop(pressel::tools::runner::serve(Path::new(&folder))); // an error is that nobody waits any more
    }
    let file = std::env::args().nth(3).expect("pressel-wired run --config FILE");
    let config = match config::load(Some(Path::new(&file))) {
        Ok(loaded) => loaded.config,
        Err(mistakes) => panic!("{mistakes}"),
    };
    let credential = Credential::find(&config).ok();
    pressel::log::start(&config.log).expect("nobody else logs");
    let reload = Reload::new(Some(Path::new(&file)), config.clone());
    let mut world = World::real(&config, &config.sound());
    let mut slots: HashMap<String, Slot> = HashMap::new();
    let mut line = |name: String| -> OpenButton {
        let slot = Slot::default();
        slots.insert(name.clone(), slot.clone());
        Box::new(move || match slot.lock().expect("nobody panics with it").take() {
            Some(button) => Ok(Box::new(button)),
            None => Err(Error::new(ErrorKind::NotFound, format!("open line {name}: not there, as told"))),
        })
    };
    let more = pressel::gesture::lines(&config.button.lines).unwrap_or_default().len();
    world.buttons = (0..=more).map(|n| line(n.to_string())).collect();
    world.mute = (config.mute.kind != config::MuteKind::None).then(|| line("mute".to_owned()));
    if let Some(folder) = std::env::var_os("WIRED_PINS").map(PathBuf::from) {
        world.pins = Arc::new(move |wiring| Ok(Box::new(FilePin::open(&folder, &wiring.pin)?)));
    }
    let mut senders = HashMap::new();
    for n in 0..=more {
        work(&slots, &mut senders, &format!("{n} found"));
    }
    std::thread::spawn(move || {
        for command in std::io::stdin().lock().lines().map_while(Result::ok) {
            work(&slots, &mut senders, &command);
        }
        // Whoever closes our input leaves the lines as they are.
        std::mem::forget(senders);
    });
    if let Err(why) = pressel::run_in(world, reload, credential, started) {
        panic!("{why}");
    }
}

fn work(slots: &HashMap<String, Slot>, senders: &mut HashMap<String, ButtonSender>, command: &str) {
    let (name, what) = command.split_once(' ').expect("LINE WHAT");
    let slot = slots.get(name).unwrap_or_else(|| panic!("no line {name}"));
    match (what, senders.get(name)) {
        ("found", _) => {
            let (sender, button) = button();
            *slot.lock().expect("nobody panics with it") = Some(button);
            senders.insert(name.to_owned(), sender);
        }
        ("lost", Some(sender)) => sender.tear_off(),
        ("down", Some(sender)) => assert!(sender.set(true)),
        ("up", Some(sender)) => assert!(sender.set(false)),
        _ => panic!("{command} cannot be done"),
    }
}
