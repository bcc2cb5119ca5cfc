//! What the lines of a talk do to the simulated world.

use std::time::Duration;

use pressel_live::event::{
    Budget, ButtonInput, Cause, Input, LinkInput, MicrophoneInput, SpeakerInput, ToolResult,
};

use super::capture::TICK;
use super::faults::Faults;
use super::network::Link;
use super::player::World;
use super::script::{Around, Cable, Deed, Part, Server};
use super::simulation::{Happening, SET_UP, Simulation};

/// How long a server's line waits for a link to be said on.
const LINK_WAIT: Duration = Duration::from_secs(5);

impl Simulation {
    /// Does a deed; tells when it began.
    pub(super) fn deed(&mut self, deed: &Deed) -> Result<Duration, String> {
        if let Deed::Server(server) = deed {
            return self.server(server);
        }
        let began = self.now();
        match deed {
            Deed::Button(button) => self.press_or_release(*button),
            Deed::Room { speech, time } => {
                self.catch_up();
                self.capture.speaking = *speech;
                self.pass(*time);
                self.catch_up();
                self.capture.speaking = false;
            }
            Deed::Suspicion(suspicion) => {
                self.catch_up();
                let told = self.capture.suspicion(*suspicion, self.instant());
                self.hand_over(told);
            }
            Deed::Gap(time) => self.gap = time.as_millis() / TICK.as_millis(),
            Deed::Microphone(cable) => self.plug_microphone(*cable),
            Deed::Speaker(cable) => self.plug_speaker(*cable),
            Deed::Key(present) => self.set_key(*present),
            Deed::Mode(mode) => self.input(Input::Mode(*mode)),
            Deed::Tool { id, outcome } => {
                self.finish_tool(ToolResult { id: id.clone(), outcome: outcome.clone() });
            }
            Deed::Around(around) => self.around(*around),
            Deed::Ask(text) => self.input(Input::Ask(text.clone())),
            Deed::Forget => self.input(Input::Forget),
            Deed::HangUp => self.input(Input::HangUp),
            Deed::Shutdown => self.shut_down(),
            Deed::Wait(time) => self.pass(*time),
            Deed::Server(_) => {}
        }
        Ok(began)
    }

    fn server(&mut self, server: &Server) -> Result<Duration, String> {
        if let Server::NextAnswer = server {
            self.network.answer += 1;
            return Ok(self.now());
        }
        let number = match server {
            Server::Open | Server::Refuse { .. } | Server::Unreachable(_) | Server::Fails(_) => {
                self.await_link("nothing is being dialled", |link| !link.opened)?
            }
            Server::Say(_) | Server::Audio { .. } if self.faults.is_some() => {
                self.await_link("no link is up", |link| link.complete)?
            }
            _ => self.await_link("no link has sent its setup", |link| link.set_up)?,
        };
        let began = self.now();
        match server {
            Server::Open => self.news(number, LinkInput::Opened),
            Server::Refuse { status, reason } => {
                self.news(number, LinkInput::Failed { cause: Cause::Http(*status), reason: reason.clone() });
            }
            Server::Unreachable(reason) => {
                self.news(number, LinkInput::Failed { cause: Cause::Connect, reason: reason.clone() });
            }
            Server::Fails(cause) => {
                self.news(number, LinkInput::Failed { cause: *cause, reason: String::new() });
            }
            Server::Say(parts) => {
                let sounds = parts.iter().any(|part| matches!(part, Part::Audio(_)));
                let answer = self.network.answer;
                let message = self.network.message(parts);
                self.deliver(number, message);
                if sounds {
                    self.law.arrived(began, answer);
                }
            }
            Server::Audio { time, live } => {
                for (piece, message) in self.network.audio(*time) {
                    self.deliver_sound(number, message);
                    if *live {
                        self.pass(piece);
                    }
                }
            }
            Server::Raw(payload) => self.deliver(number, payload.clone()),
            Server::Close { code, reason } => {
                self.news(number, LinkInput::Closed { code: *code, reason: reason.clone() });
            }
            Server::Cut => self.news(number, LinkInput::Closed { code: 1006, reason: String::new() }),
            Server::NextAnswer => {}
        }
        Ok(began)
    }

    /// Waits until the newest link is so, and tells its number.
    fn await_link(&mut self, otherwise: &str, ready: impl Fn(&Link) -> bool) -> Result<u32, String> {
        let limit = self.now() + LINK_WAIT;
        loop {
            if let Some(link) = self.network.newest().filter(|link| !link.over && ready(link)) {
                return Ok(link.number);
            }
            if self.now() >= limit {
                return Err(otherwise.to_owned());
            }
            self.step_one(limit);
        }
    }

    fn press_or_release(&mut self, button: ButtonInput) {
        self.pressed = button == ButtonInput::Press;
        self.input(Input::Button(button));
        if self.faults.as_mut().is_some_and(Faults::bounces) {
            self.input(Input::Button(button));
        }
    }

    fn around(&mut self, around: Around) {
        match around {
            Around::Network(there) => self.input(Input::Network(there)),
            Around::Clock(set) => self.input(Input::Clock(set)),
            Around::Warm(warm) => self.input(Input::Warm(warm)),
            Around::Budget(budget) => self.input(Input::Budget(budget)),
            Around::Pong(after) => self.room.pong = after,
            Around::Dials(fails) => self.room.fails = fails,
        }
    }

    fn set_key(&mut self, present: bool) {
        self.key = present;
        self.input(Input::Key(present));
    }

    fn plug_microphone(&mut self, cable: Cable) {
        self.catch_up();
        self.capture.plug(cable);
        match cable {
            Cable::Lost => self.input(Input::Microphone(MicrophoneInput::Lost)),
            Cable::Back => self.input(Input::Microphone(MicrophoneInput::Back)),
            Cable::Stuck => {}
        }
    }

    fn plug_speaker(&mut self, cable: Cable) {
        self.speaker.plug(self.now, cable);
        match cable {
            Cable::Lost => self.input(Input::Speaker(SpeakerInput::Lost)),
            Cable::Back => self.input(Input::Speaker(SpeakerInput::Back)),
            Cable::Stuck => {}
        }
    }

    fn finish_tool(&mut self, result: ToolResult) {
        self.law.finished(&result.id);
        self.input(Input::ToolResult(result));
    }

    pub(super) fn shut_down(&mut self) {
        self.input(Input::Shutdown);
        self.law.stop();
        self.stopped = true;
    }

    /// Everything is let go: nobody presses or speaks, everything is plugged in, the server obliges.
    pub(super) fn let_go(&mut self) {
        self.faults = None;
        self.obliging = true;
        self.room.dial.get_or_insert(SET_UP);
        self.room.fails = None;
        self.room.pong = Some(SET_UP);
        self.input(Input::Network(true));
        self.input(Input::Clock(true));
        self.input(Input::Warm(false));
        self.input(Input::Budget(Budget::Fine));
        self.catch_up();
        self.capture.speaking = false;
        if let Some(link) = self.network.newest().filter(|link| !link.over) {
            let (number, opened) = (link.number, link.opened);
            if !opened {
                self.plan(self.now, Happening::Link(number, LinkInput::Opened));
            }
            self.plan(self.now + SET_UP, Happening::SetUp(number));
        }
        if self.pressed {
            self.press_or_release(ButtonInput::Release);
        }
        if self.capture.cable != Cable::Back {
            self.plug_microphone(Cable::Back);
        }
        self.plug_speaker(Cable::Back);
        if !self.key {
            self.set_key(true);
        }
        for id in self.law.calls() {
            self.finish_tool(ToolResult { id, outcome: Ok(serde_json::Map::new()) });
        }
    }
}
