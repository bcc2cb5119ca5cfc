//! What the edges report: sound, links, network and clock; and what is asked for at the control socket.

use std::time::Instant;

use pressel_live::event::{ButtonInput, Input, MicrophoneInput, SpeakerInput};
use tracing::{debug, info};

use super::Engine;
use crate::control::{ControlRequest, Event, Op};
use crate::gesture;
use crate::levels::Levels;
use crate::net::watch::Change;
use crate::sound::{DeviceNews, Side, SoundEvent};
use crate::stats::Latency;
use crate::status::{self, Status};
use crate::wire::News;

impl Engine {
    pub(super) fn on_sound(&mut self, event: SoundEvent) {
        let now = Instant::now();
        match event {
            SoundEvent::Microphone(input) => {
                if matches!(input, MicrophoneInput::Opened { .. }) {
                    self.edges.tools.prepare(); // in an open talk nothing else tells that somebody begins to speak
                }
                self.conversation.handle_input(now, Input::Microphone(input));
            }
            SoundEvent::Speaker(input, at) => {
                if matches!(input, SpeakerInput::Started { .. }) {
                    self.measured(Latency::MessageToSound, at, now);
                    self.measured(Latency::UtteranceToSound, at, now);
                }
                self.conversation.handle_input(now, Input::Speaker(input));
            }
            SoundEvent::Device(news) => self.on_device(now, &news),
        }
    }

    fn on_device(&mut self, now: Instant, news: &DeviceNews) {
        let told = self.report.device(news);
        if let Some(told) = told {
            self.edges.control.publish(&Event::Told { text: &told }, now);
        }
        self.tell_status();
        if matches!(news, DeviceNews::Opened { side: Side::Speaker, .. }) {
            self.edges.volume.set_mixer(); // a card that was plugged in remembers nothing
        }
        if !self.ready && self.report.both_cards_looked_for() {
            self.ready = true;
            self.stats.measured(Latency::StartToReady, now - self.stats.started());
            self.edges.notify.ready();
            info!("ready");
        }
    }

    /// A light that is missing is missing in the status too.
    pub(super) fn look_at_light(&mut self) {
        if self.report.light(self.edges.panel.problem()) {
            self.tell_status();
        }
    }

    /// The sentence for `systemctl status`.
    pub(super) fn tell_status(&mut self) {
        let phase = self.conversation.phase();
        self.edges.notify.status(&status::sentence(phase, self.report.missing()));
    }

    pub(super) fn on_wire(&mut self, News { link, input, at }: News) {
        self.message_at = at;
        self.conversation.handle_input(Instant::now(), Input::Link(link, input));
        self.perform_all();
    }

    pub(super) fn on_change(&mut self, change: Change) {
        let now = Instant::now();
        debug!(?change, "network or clock");
        match change {
            Change::Network(there) => {
                self.report.network = there;
                self.edges.wire.network_changed();
                self.conversation.handle_input(now, Input::Network(there));
            }
            Change::AddressGone(address) => self.edges.wire.address_gone(address),
            Change::Clock(right) => {
                self.edges.usage.clock(right);
                self.conversation.handle_input(now, Input::Clock(right));
            }
        }
    }

    pub(super) fn on_request(&mut self, ControlRequest { op, reply }: ControlRequest) {
        let now = Instant::now();
        match op {
            Op::Status => reply.answer(&self.status()),
            Op::Usage => reply.answer(&self.edges.usage.report()),
            Op::Levels => reply.answer(&Levels::of(&self.edges.sound.facts())),
            Op::Reload => match self.reload() {
                Ok(()) => reply.done(),
                Err(mistakes) => reply.error(&mistakes),
            },
            Op::Button { line, gesture } => match self.line_of(line.as_deref()) {
                Ok(line) => {
                    reply.done();
                    let pressed = gesture == ButtonInput::Press;
                    if pressed {
                        self.grammar.edge_by_program(line, false, now); // in tap and open mode programs need not let go
                    }
                    self.grammar.edge_by_program(line, pressed, now);
                    self.gestures();
                }
                Err(why) => reply.error(&why),
            },
            Op::Act(act) => {
                reply.done();
                self.act(act);
            }
            Op::Used(count) => {
                self.edges.usage.used(count);
                reply.done();
            }
            Op::Volume(change) => {
                if let Some(change) = change {
                    self.volume(change);
                }
                reply.answer(&self.edges.volume.status());
            }
        }
    }

    /// A line by the name that `[button] lines` gives it.
    fn line_of(&self, name: Option<&str>) -> Result<usize, String> {
        let Some(name) = name else { return Ok(0) };
        let lines = gesture::lines(&self.reload.config.button.lines).unwrap_or_default();
        let found = lines.iter().position(|line| line.name == name);
        found.map(|index| index + 1).ok_or_else(|| format!("[button] lines has none called \"{name}\""))
    }

    pub(super) fn status(&self) -> Status {
        let mut status =
            self.report.status(&self.conversation, &self.stats, self.edges.wire.traffic(), &self.edges.sound);
        status.counters.watchers_dropped = self.edges.control.watchers_dropped();
        status.light = self.edges.panel.describe();
        status.volume = Some(self.edges.volume.status());
        status.link.connection = self.edges.wire.transport().map(Into::into);
        status.link.proxy = self.edges.wire.proxy();
        status.usage = Some(self.edges.usage.report());
        status
    }
}
