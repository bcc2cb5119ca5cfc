//! The engine takes up another configuration: some of it at once, the rest in a pause of the talk.

use std::time::Instant;

use pressel_live::event::Input;
use tracing::{error, info, warn};

use super::Engine;
use crate::button::ButtonThreads;
use crate::config::Config;
use crate::earcons::Earcons;
use crate::heal::Heal;
use crate::net;
use crate::panel::Panel;
use crate::phrases::Phrases;
use crate::reload::{Due, Fresh, When};
use crate::volume::Volume;
use crate::warm::Warm;
use crate::world::{World, cards};

impl Engine {
    /// SIGHUP: the configuration is read again, and taken up or refused.
    ///
    /// # Errors
    /// What is wrong with it, a line each; nothing has changed.
    pub(super) fn reload(&mut self) -> Result<(), String> {
        let now = Instant::now();
        self.edges.notify.reloading();
        let read = match self.reload.read(self.edges.wire.way()) {
            Ok(fresh) => {
                self.report.refused(None);
                self.begin(fresh, now);
                self.take_up(now);
                Ok(())
            }
            Err(mistakes) => {
                for mistake in &mistakes {
                    error!(%mistake, "configuration refused, the former one is kept");
                }
                self.report.refused(mistakes.first());
                Err(mistakes.join("\n"))
            }
        };
        self.tell_status();
        if self.ready {
            self.edges.notify.ready();
        }
        read
    }

    /// A refusal is tried once more when what was shown to the server, or to a proxy, is another.
    pub(super) fn heal(&mut self, now: Instant) {
        if self.heal.look(now, self.conversation.is_refused()) {
            info!("a file with a secret is another one: a refusal no longer stands");
            let settings =
                super::settings(&self.reload.config, self.edges.credential.as_deref(), &self.edges.tools);
            self.conversation
                .handle_input(now, Input::Settings { settings: Box::new(settings), relink: true });
            self.perform_all();
        }
    }

    /// What counts at once, and what is left for a pause.
    fn begin(&mut self, fresh: Fresh, now: Instant) {
        let Fresh { config, changes, way } = fresh;
        let of = |when: &[When]| {
            let keys = changes.iter().filter(|(_, found)| when.contains(found)).map(|(key, _)| key.as_str());
            keys.collect::<Vec<_>>().join(", ")
        };
        let later = of(&[When::Pause, When::Card]);
        info!(now = of(&[When::Now]), later, credential = way.is_some(), "configuration read again");
        let restart = of(&[When::Start]);
        if !restart.is_empty() {
            warn!(keys = restart, "these count from the next start on: systemctl restart pressel");
        }
        let before = std::mem::replace(&mut self.reload.config, config);
        let config = self.reload.config.clone();
        self.at_once(&before, &config, now);
        let panel = |c: &Config| (c.button.clone(), c.mute.clone(), c.light.clone());
        let panel = panel(&before) != panel(&config);
        let former = self.reload.due.take();
        let tools = self.edges.tools.is_other(&config);
        if way.is_none() && former.is_none() && later.is_empty() && !tools {
            return;
        }
        let panel = panel || former.as_ref().is_some_and(|due| due.panel);
        self.reload.due = Some(Due { way: way.or(former.and_then(|due| due.way)), panel });
    }

    fn at_once(&mut self, before: &Config, config: &Config, now: Instant) {
        if before.log.level != config.log.level {
            crate::log::set_level(config.log.level);
        }
        let louder = before.playback.volume_percent != config.playback.volume_percent;
        if louder || (&before.volume, &before.playback.device) != (&config.volume, &config.playback.device) {
            self.edges.volume = Volume::open(config);
            self.edges.volume.set_mixer();
            self.edges.sound.set_volume(self.edges.volume.software_percent());
        }
        if before.sounds != config.sounds {
            let (earcons, problems) = Earcons::load(&config.sounds);
            problems.iter().for_each(|problem| warn!(problem, "a sound of the device's own cannot be used"));
            self.edges.earcons = earcons;
        }
        if before.phrases != config.phrases {
            let (phrases, problems) = Phrases::load(&config.phrases);
            problems
                .iter()
                .for_each(|problem| warn!(problem, "a spoken line cannot be used; a tone stands for it"));
            self.edges.phrases = phrases;
        }
        if (&before.price, &before.budget) != (&config.price, &config.budget) {
            self.edges.usage.renew(config);
        }
        if before.link.warm != config.link.warm {
            self.conversation.handle_input(now, Input::Warm(false));
            self.warm = Warm::new(&config.link.warm, now);
        }
    }

    /// Takes up what waits for a pause, if this is one.
    pub(super) fn take_up(&mut self, now: Instant) {
        if self.reload.due.is_none() || !self.conversation.is_pause() {
            return;
        }
        let Some(Due { way, panel }) = self.reload.due.take() else { return };
        let config = self.reload.config.clone();
        let tools = self.edges.tools.renew(&config).unwrap_or_else(|error| {
            error!(error, "the former tools are kept");
            false
        });
        let relink = way.is_some() || tools;
        if let Some(way) = way {
            let former = self.edges.wire.way().endpoint.host.clone();
            if net::is_loopback(&former) != net::is_loopback(&way.endpoint.host) {
                self.edges.net = net::watch::Watch::new(!net::is_loopback(&way.endpoint.host));
            }
            self.edges.credential.clone_from(&way.credential);
            self.edges.wire.renew(way);
        }
        let settings = super::settings(&config, self.edges.credential.as_deref(), &self.edges.tools);
        self.conversation.handle_input(now, Input::Settings { settings: Box::new(settings), relink });
        self.conversation.handle_input(now, Input::Key(self.edges.credential.is_some()));
        let sound = config.sound();
        self.grammar = super::grammar(&config);
        let (microphone, speaker) = cards(&sound);
        self.edges.sound.renew(sound.clone(), microphone, speaker);
        if panel {
            self.open_panel(&config, &sound, now);
        }
        self.report.renew(&config, self.edges.credential.as_deref());
        self.heal = Heal::new(&config);
        info!("configuration taken up");
        self.tell_status();
    }

    /// Tools of servers came or went: the next link is set up with what there is now.
    pub(super) fn take_up_tools(&mut self, now: Instant) {
        if !self.reload.offered || !self.conversation.is_pause() {
            return;
        }
        self.reload.offered = false;
        let settings =
            super::settings(&self.reload.config, self.edges.credential.as_deref(), &self.edges.tools);
        self.conversation.handle_input(now, Input::Settings { settings: Box::new(settings), relink: false });
        info!("other tools are offered with the next link");
    }

    /// Another button, another switch, another light. Where there is a switch the microphone is off until it says on.
    fn open_panel(&mut self, config: &Config, sound: &crate::sound::SoundSettings, now: Instant) {
        // First let go: it may be the same line.
        self.edges.button.stop();
        self.edges.panel = Panel::new(None, &config.light);
        let world = World::real(config, sound);
        self.edges.panel = Panel::new(world.light, &config.light);
        self.edges.panel.show(self.conversation.phase(), now);
        self.report.no_buttons();
        match ButtonThreads::start(world.buttons, world.mute, &self.edges.sound.facts()) {
            Ok(button) => {
                button.watch(&mut self.watch, now);
                self.edges.button = button;
            }
            Err(error) => error!(%error, "no thread for the button"),
        }
    }
}
