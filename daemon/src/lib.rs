//! The voice appliance daemon: a button, a microphone, a loudspeaker and a light around one conversation.
//!
//! [`run`] opens the edges that the configuration names and puts the conversation (`pressel_live`) between them.
//! [`engine`] is the one loop; [`sound`] has the two real-time threads; [`wire`] carries messages; [`control`] lets
//! other commands ask and press. docs/architecture.md is the map.

pub mod ask;
pub mod button;
pub mod calibrate;
pub mod config;
pub mod control;
pub mod credential;
pub mod devices;
pub mod doctor;
pub mod earcons;
pub mod engine;
pub mod gesture;
mod heal;
pub mod keep;
pub mod levels;
pub mod log;
pub mod net;
pub mod notify;
pub mod offline;
pub mod panel;
pub mod phrases;
pub mod reload;
pub mod report;
pub mod secret;
mod secret_file;
pub mod setup;
pub mod sound;
pub mod state;
pub mod stats;
pub mod status;
pub mod tls;
pub mod tools;
pub mod usage;
pub mod volume;
pub mod warm;
pub mod wire;
pub mod world;

use std::io;
use std::path::Path;
use std::time::Instant;

use tracing::warn;

use crate::button::ButtonThreads;
use crate::config::Config;
use crate::control::Control;
use crate::credential::Credential;
use crate::earcons::Earcons;
use crate::engine::{Edges, Engine};
use crate::notify::Notify;
use crate::panel::Panel;
use crate::phrases::Phrases;
use crate::reload::Reload;
use crate::sound::Sound;
use crate::tools::Tools;
use crate::usage::Usage;
use crate::volume::Volume;
use crate::wire::{Way, Wire};
use crate::world::World;

/// Runs the daemon until SIGTERM or SIGINT. `started` is when the program began; on SIGHUP the configuration is read
/// again from where `reload` says.
///
/// # Errors
/// What the configuration names and cannot be used from the start (a certificate file, the control socket's place);
/// missing cards, buttons and networks are waited for instead.
pub fn run(reload: Reload, credential: Option<Credential>, started: Instant) -> Result<(), String> {
    let world = World::real(&reload.config, &reload.config.sound());
    run_in(world, reload, credential, started)
}

/// As [`run`], in another world.
///
/// # Errors
/// As [`run`].
pub fn run_in(
    world: World,
    reload: Reload,
    credential: Option<Credential>,
    started: Instant,
) -> Result<(), String> {
    let config = reload.config.clone();
    // First of all: what a daemon that was killed left switched on is switched off.
    let tools = Tools::open(&config, world.pins.clone())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(2) // nearly nothing: name look-ups have threads of their own
        .thread_stack_size(256 << 10)
        .build()
        .map_err(|error| format!("event loop: {error}"))?;
    if config.realtime.priority > 0 {
        // The loop answers a person: ahead of whatever else the machine does, behind the sound threads.
        let nice = pressel_hal::realtime::favour(-10);
        tracing::debug!(nice, "event loop");
    }
    runtime.block_on(async {
        let edges = open(&config, credential, world, tools)?;
        let engine = Engine::new(reload, edges, started).map_err(|error| format!("signals: {error}"))?;
        engine.run().await;
        Ok(())
    })
}

fn open(
    config: &Config,
    credential: Option<Credential>,
    world: World,
    tools: Tools,
) -> Result<Edges, String> {
    let failed = |what: &'static str| move |error: io::Error| format!("{what}: {error}");
    let way = Way::new(config, credential)?;
    let credential = way.credential.clone();
    let (earcons, problems) = Earcons::load(&config.sounds);
    for problem in problems {
        warn!(problem, "a sound of the device's own cannot be used");
    }
    let (phrases, problems) = Phrases::load(&config.phrases);
    for problem in problems {
        warn!(problem, "a spoken line cannot be used; a tone stands for it");
    }
    let control = Control::bind(Path::new(&config.control.path)).unwrap_or_else(|error| {
        // The device must talk even where nobody can ask it how it is.
        warn!(%error, "no control socket: status and press commands will not work");
        Control::bind(Path::new("")).expect("an empty path opens nothing")
    });
    let mut volume = Volume::open(config);
    volume.set_mixer();
    let mut sound =
        Sound::start(config.sound(), world.microphone, world.speaker).map_err(failed("sound threads"))?;
    sound.set_volume(volume.software_percent());
    let button =
        ButtonThreads::start(world.buttons, world.mute, &sound.facts()).map_err(failed("button thread"))?;
    Ok(Edges {
        sound,
        net: net::watch::Watch::new(!net::is_loopback(&way.endpoint.host)),
        wire: Wire::new(way),
        button,
        volume,
        panel: Panel::new(world.light, &config.light),
        control,
        earcons,
        phrases,
        usage: Usage::open(config),
        tools,
        notify: Notify::from_environment(),
        credential,
    })
}
